//! Whole validators go from one epoch to the next (CONSENSUS section 3, Changing the set).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod hall;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::SafetyRecord;
use gridbook_ledger::merkle::Path;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::leaf_hash;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

use hall::{Hall, key, set_of};

/// Receipts of the first record of every final header, as a validator's desk makes them.
fn receipts(hall: &Hall, place: usize) -> Vec<Receipt> {
    let finals = &hall.guests[place].finals;
    let mut receipts = Vec::new();
    for (height, step) in finals.iter().filter(|(_, step)| !step.records.is_empty()) {
        let mut headers: Vec<Header> = Vec::new();
        let proof = finals.range(height..).find_map(|(_, step)| {
            headers.push(step.proposal.header.clone());
            step.proof.as_deref()
        });
        let Some(proof) = proof else { continue };
        headers.extend(proof.via.iter().cloned());
        let leaves: Vec<Hash> = step.records.iter().map(|record| leaf_hash(record)).collect();
        let epochs = hall.replica(place).epochs().proofs_to(proof.qc.epoch).expect("it is final here").to_vec();
        let (record, path) = (step.records[0].clone(), Path::build(&leaves, 0).expect("there is a record"));
        receipts.push(Receipt { epochs, record, path, headers, child: proof.child.clone(), qc: proof.qc.clone() });
    }
    receipts
}

/// Every receipt of a validator holds against the genesis alone. Gives how many there are of each epoch.
fn check_receipts(hall: &Hall, place: usize) -> Vec<usize> {
    let mut counts = vec![0; 3];
    for receipt in receipts(hall, place) {
        let verified = receipt.verify(&hall.genesis);
        assert!(verified.is_ok(), "{:?} of {receipt:?}", verified.err());
        let again = Receipt::decode(&receipt.encode()).expect("its own bytes");
        assert_eq!(again, receipt);
        counts[usize::try_from(receipt.qc.epoch - FIRST_EPOCH).unwrap()] += 1;
    }
    counts
}

fn all_have(hall: &Hall, places: &[usize], bundle: Hash) -> bool {
    places.iter().all(|place| hall.guests[*place].replica.is_some() && hall.has(*place, bundle))
}

/// The third validator gets another key while accounts are opened all the time.
#[test]
fn a_key_is_rotated_under_load_and_receipts_from_before_and_after_verify() {
    let mut hall = Hall::new(&[&[1], &[2], &[3, 13], &[4]]);
    let before: Vec<Hash> = (0..20)
        .map(|i| {
            hall.pass(2_000);
            hall.open_account(i % 4)
        })
        .collect();
    hall.reconfigure(3, &set_of(&[1, 2, 13, 4]), &[1, 2, 4]);
    let after: Vec<Hash> = (0..20)
        .map(|i| {
            hall.pass(2_000);
            hall.open_account(i % 4)
        })
        .collect();
    hall.pass_until("all is final", |hall| {
        before.iter().chain(&after).all(|bundle| all_have(hall, &[0, 1, 2, 3], *bundle))
    });
    for place in 0..4 {
        assert_eq!((hall.epoch(place), hall.replica(place).seat().0), (1, u16::try_from(place).unwrap()));
        let counts = check_receipts(&hall, place);
        assert!(counts[0] > 2 && counts[1] > 2, "{counts:?}");
        assert!(hall.guests[place].signed.is_sorted(), "nothing is signed for an epoch that is over");
    }
    assert!(hall.guests[2].signed.contains(&1), "the third votes, with its new key");
    assert_eq!(hall.replica(2).epochs().present_set().key(ValidatorIndex(2)), Some(&key(13).public()));
}

/// The fourth validator's house burns down; another one with an empty disk takes its place.
#[test]
fn a_validator_is_replaced_by_one_with_an_empty_disk() {
    let mut hall = Hall::new(&[&[1], &[2], &[3], &[4], &[5]]);
    hall.away.insert(4);
    let first: Vec<Hash> = (0..100)
        .map(|i| {
            hall.pass(2_000);
            hall.open_account(i % 3)
        })
        .collect();
    hall.pass_until("the first are final", |hall| first.iter().all(|bundle| all_have(hall, &[0, 1, 2], *bundle)));
    hall.kill(3);
    hall.reconfigure(0, &set_of(&[1, 2, 3, 5]), &[1, 2, 3]);
    hall.pass_until("the epoch begins", |hall| (0..3).all(|place| hall.epoch(place) == 1));
    let second = hall.open_account(1);
    hall.pass_until("it goes on with three", |hall| all_have(hall, &[0, 1, 2], second));
    hall.come_back(4);
    hall.pass_until("the new one has caught up", |hall| hall.epoch(4) == 1 && hall.has(4, second));
    assert_eq!(hall.replica(4).seat(), ValidatorIndex(3));
    // One of the old ones fails: without the new one's vote nothing would be final any more.
    hall.kill(0);
    let third = hall.open_account(1);
    hall.pass_until("the new one votes", |hall| all_have(hall, &[1, 2, 4], third));
    assert!(hall.guests[4].signed.iter().all(|epoch| *epoch == 1), "it signs only where it has a place");
    check_receipts(&hall, 4);
}

/// Row 10 of CONSENSUS section 4: two of four are replaced at once, more than can be missing. The new ones cannot vote before they have the
/// state, which they get from those that are replaced too; and the old ones do not wait for the new ones' first header to serve.
#[test]
fn old_and_new_validators_do_not_wait_for_each_other() {
    let mut hall = Hall::new(&[&[1], &[2], &[3], &[4], &[5], &[6]]);
    hall.away.extend([4, 5]);
    let first: Vec<Hash> = (0..60)
        .map(|i| {
            hall.pass(2_000);
            hall.open_account(i % 4)
        })
        .collect();
    hall.pass_until("the first are final", |hall| first.iter().all(|bundle| all_have(hall, &[0, 1, 2, 3], *bundle)));
    hall.reconfigure(0, &set_of(&[5, 6, 3, 4]), &[1, 2, 3]);
    hall.pass_until("the epoch begins", |hall| (0..4).all(|place| hall.epoch(place) == 1));
    let second = hall.open_account(2);
    hall.pass(3_000_000);
    assert!(!hall.has(2, second), "two are no quorum");
    // One of those that stay is down for the moment: the new ones learn from those that left.
    hall.away.insert(3);
    hall.come_back(4);
    hall.come_back(5);
    hall.pass_until("the new ones know", |hall| hall.epoch(4) == 1 && hall.epoch(5) == 1);
    hall.pass_until("and vote", |hall| all_have(hall, &[2, 4, 5], second));
    hall.pass_until("those that left follow", |hall| all_have(hall, &[0, 1], second));
    for place in [0, 1] {
        assert_eq!(hall.replica(place).seat(), ValidatorIndex::OBSERVER);
        assert!(hall.guests[place].signed.iter().all(|epoch| *epoch == 0), "they have nothing to say any more");
    }
}

/// The leader fails at any moment around the change: before it is in the log, when its header is proposed, certified, final for some.
#[test]
fn the_leader_dies_at_any_moment_of_the_change() {
    let mut through_descendants = 0;
    for moment_us in (0..12_000).step_by(250) {
        let mut hall = Hall::new(&[&[1], &[2], &[3, 13], &[4]]);
        hall.pass(100_000);
        let first = hall.open_account(0);
        hall.pass_until("the first is final", |hall| all_have(hall, &[0, 1, 2, 3], first));
        let leader = usize::from(hall.replica(0).view().1.0);
        hall.reconfigure((leader + 1) % 4, &set_of(&[1, 2, 13, 4]), &[1, 2, 4]);
        hall.pass(moment_us);
        hall.kill(leader);
        let others: Vec<usize> = (0..4).filter(|place| *place != leader).collect();
        hall.pass_until("the epoch begins", |hall| others.iter().all(|place| hall.epoch(*place) == 1));
        let second = hall.open_account(others[0]);
        hall.pass_until("it goes on", |hall| all_have(hall, &others, second));
        hall.start(leader);
        hall.pass_until("the dead one too", |hall| hall.epoch(leader) == 1 && hall.has(leader, second));
        let third = hall.open_account(leader);
        hall.pass_until("with all of them", |hall| all_have(hall, &[0, 1, 2, 3], third));
        check_receipts(&hall, leader);
        through_descendants += usize::from(!hall.replica(leader).epochs().proofs()[0].headers[1..].is_empty());
        assert!(hall.guests.iter().all(|guest| guest.signed.is_sorted()), "killed after {moment_us} us");
    }
    assert!(through_descendants > 0, "no end was final only by a descendant: the moments are not the right ones");
}

/// Everybody loses power at once, at any moment around the change, and each comes back to what its disk holds.
#[test]
fn all_restart_at_any_moment_of_the_change() {
    for moment_us in (0..12_000).step_by(500) {
        let mut hall = Hall::new(&[&[1], &[2], &[3, 13], &[4]]);
        hall.pass(100_000);
        let first = hall.open_account(0);
        hall.pass_until("the first is final", |hall| all_have(hall, &[0, 1, 2, 3], first));
        hall.reconfigure(1, &set_of(&[1, 2, 13, 4]), &[1, 2, 4]);
        hall.pass(moment_us);
        (0..4).for_each(|place| hall.kill(place));
        (0..4).for_each(|place| hall.start(place));
        // Nothing that was on its way is lost by more than being sent again.
        if hall.epoch(0) == 0 {
            hall.reconfigure(0, &set_of(&[1, 2, 13, 4]), &[1, 2, 4]);
        }
        hall.pass_until("the epoch begins", |hall| (0..4).all(|place| hall.epoch(place) == 1));
        let second = hall.open_account(0);
        hall.pass_until("it goes on", |hall| all_have(hall, &[0, 1, 2, 3], second));
        assert!(hall.guests.iter().all(|guest| guest.signed.is_sorted()), "cut off after {moment_us} us");
    }
}

/// One is away while two epochs end, and comes back with its old log.
#[test]
fn a_validator_that_was_away_for_two_epochs_is_led_through_them() {
    let mut hall = Hall::new(&[&[1], &[2], &[3], &[4, 14]]);
    let first = hall.open_account(0);
    hall.pass_until("the first is final", |hall| all_have(hall, &[0, 1, 2, 3], first));
    hall.away.insert(3);
    hall.reconfigure(0, &set_of(&[1, 2, 3, 14]), &[1, 2, 3]);
    hall.pass_until("the epoch begins", |hall| (0..3).all(|place| hall.epoch(place) == 1));
    let second = hall.open_account(0);
    hall.pass_until("it goes on", |hall| all_have(hall, &[0, 1, 2], second));
    hall.reconfigure(1, &set_of(&[2, 1, 3, 14]), &[1, 2, 3]);
    hall.pass_until("another begins", |hall| (0..3).all(|place| hall.epoch(place) == 2));
    let third = hall.open_account(2);
    hall.pass_until("it goes on again", |hall| all_have(hall, &[0, 1, 2], third));
    hall.come_back(3);
    hall.pass_until("it is led through", |hall| hall.epoch(3) == 2 && hall.has(3, third));
    assert_eq!(hall.replica(3).seat(), ValidatorIndex(3));
    hall.kill(0);
    let fourth = hall.open_account(3);
    hall.pass_until("and votes", |hall| all_have(hall, &[1, 2, 3], fourth));
}

/// CONSENSUS section 3, leader: who is penalised is passed over for the whole epoch, whoever fails.
#[test]
fn a_penalised_validator_leads_no_view_of_the_next_epoch() {
    let mut hall = Hall::new(&[&[1], &[2], &[3], &[4]]);
    let members = set_of(&[1, 2, 3, 4]).members().to_vec();
    let next = ValidatorSet::of_members(members, vec![ValidatorIndex(2)]).unwrap();
    hall.reconfigure(0, &next, &[1, 2, 4]);
    hall.pass_until("the epoch begins", |hall| (0..4).all(|place| hall.epoch(place) == 1));
    for _ in 0..4 {
        let leader = usize::from(hall.replica(2).view().1.0);
        hall.kill(leader);
        let bundle = hall.open_account(2);
        hall.pass_until("another leads", |hall| {
            (0..4).filter(|place| *place != leader).all(|place| hall.has(place, bundle))
        });
        hall.start(leader);
        hall.pass(500_000);
    }
    let led: Vec<u16> =
        hall.guests[2].leaders.iter().filter(|(epoch, _)| *epoch == 1).map(|(_, leader)| *leader).collect();
    assert!(led.len() > 4 && !led.contains(&2), "{led:?}");
    assert!(hall.guests[2].signed.contains(&1), "it still votes");
}

/// A disk is restored from an old copy of the log, but the record is that of the last epoch: what was signed since must not be signed again.
#[test]
fn a_validator_whose_log_is_of_an_earlier_epoch_than_its_record_signs_nothing_until_it_is_there_again() {
    let mut hall = Hall::new(&[&[1], &[2], &[3], &[4]]);
    let first = hall.open_account(0);
    hall.pass_until("the first is final", |hall| all_have(hall, &[0, 1, 2, 3], first));
    let old_log = hall.guests[3].log.clone();
    hall.reconfigure(0, &set_of(&[4, 2, 3, 1]), &[1, 2, 4]);
    hall.pass_until("the epoch begins", |hall| (0..4).all(|place| hall.epoch(place) == 1));
    let second = hall.open_account(0);
    hall.pass_until("it goes on", |hall| all_have(hall, &[0, 1, 2, 3], second));
    hall.kill(3);
    let record = hall.guests[3].safety.clone().unwrap();
    assert_eq!(record.epoch, 1);
    hall.guests[3].log = old_log;
    hall.guests[3].signed.clear();
    hall.start(3);
    let height = hall.height(3);
    hall.guests[3].finals.retain(|other, _| *other <= height);
    assert_eq!((hall.epoch(3), hall.replica(3).seat()), (0, ValidatorIndex::OBSERVER));
    hall.pass_until("it is there again", |hall| hall.epoch(3) == 1 && hall.has(3, second));
    assert_eq!(hall.replica(3).seat(), ValidatorIndex(0));
    assert!(hall.guests[3].signed.iter().all(|epoch| *epoch == 1));
    let rank = |record: &SafetyRecord| record.last_voted.map(|voted| voted.rank);
    assert!(
        rank(hall.guests[3].safety.as_ref().unwrap()) >= rank(&record),
        "what it voted for before is not forgotten"
    );
}

/// Four become seven, and four again.
#[test]
fn a_set_grows_and_shrinks() {
    let mut hall = Hall::new(&[&[1], &[2], &[3], &[4], &[5], &[6], &[7]]);
    let first = hall.open_account(0);
    hall.pass_until("the first is final, for onlookers too", |hall| all_have(hall, &[0, 1, 2, 3, 4, 5, 6], first));
    hall.reconfigure(0, &set_of(&[1, 2, 3, 4, 5, 6, 7]), &[2, 3, 4]);
    hall.pass_until("seven", |hall| (0..7).all(|place| hall.epoch(place) == 1));
    let second = hall.open_account(6);
    hall.pass_until("they go on", |hall| all_have(hall, &[0, 1, 2, 3, 4, 5, 6], second));
    hall.reconfigure(5, &set_of(&[4, 5, 6, 7]), &[1, 2, 3, 4, 5]);
    hall.pass_until("four", |hall| (0..7).all(|place| hall.epoch(place) == 2));
    (0..3).for_each(|place| hall.kill(place));
    let third = hall.open_account(3);
    hall.pass_until("they go on alone", |hall| all_have(hall, &[3, 4, 5, 6], third));
    let counts = check_receipts(&hall, 6);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

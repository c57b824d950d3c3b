//! Snapshots, proofs and histories: what others can check without having been there.

use gridbook_engine::{AccountId, MeterId, Money};
use gridbook_ledger::command::Command;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::registry::Plant;
use gridbook_ledger::state::{AccountView, PieceError, PieceList, RestoreError, State};

use crate::random::{random_entry, village};
use crate::town::{Dice, Town, buy, sell};

fn restored(town: &Town) -> Town {
    let state = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    Town { genesis: town.genesis.clone(), state, next_seq: town.next_seq, past: town.past.clone() }
}

/// A validator joins by a snapshot in the middle of the day and must go on exactly as those who were there from the start.
#[test]
fn a_restored_state_is_the_same_and_has_the_same_future() {
    for seed in 300..306 {
        let (mut town, mut dice) = (village(seed), Dice(seed));
        for _ in 0..6 {
            for _ in 0..20 {
                let entry = random_entry(&town, &mut dice);
                town.apply(&entry);
            }
            let mut joiner = restored(&town);
            assert_eq!(joiner.state.snapshot_root(), town.state.snapshot_root());
            assert_eq!(joiner.state.state_root(), town.state.state_root());
            assert_eq!(joiner.state.totals(), town.state.totals());
            for _ in 0..15 {
                let entry = random_entry(&town, &mut dice);
                assert_eq!(joiner.apply(&entry), town.apply(&entry), "seed {seed}");
            }
            assert_eq!(joiner.state.state_root(), town.state.state_root(), "seed {seed}");
        }
    }
}

/// A snapshot from a stranger: cut off, padded, of another ledger, with any byte changed. It is refused, or its root is another,
/// and nothing crashes.
#[test]
fn a_damaged_snapshot_is_never_taken_for_the_real_one() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 100, 10));
    town.done(1, sell(1, 90, 5));
    let (bytes, root) = (town.state.snapshot(), town.state.snapshot_root());
    let restore = |bytes: &[u8]| State::restore(&town.genesis, bytes);
    assert!(restore(&[]).is_err());
    assert!(restore(&bytes[..bytes.len() - 1]).is_err());
    assert!(restore(&[&[0; 64][..], &bytes].concat()).is_err());
    assert!(restore(&[&bytes[..], &[0]].concat()).is_err());
    for (at, bit) in (0..bytes.len()).flat_map(|at| [(at, 1), (at, 0x80)]) {
        let mut damaged = bytes.clone();
        damaged[at] ^= bit;
        if let Ok(mut state) = restore(&damaged) {
            assert_ne!(state.snapshot_root(), root, "byte {at} is not covered");
        }
    }
    let other = Genesis { name: "Anderdorf".into(), ..town.genesis.clone() };
    assert_eq!(State::restore(&other, &bytes).unwrap_err(), RestoreError::Chain);
}

/// A member asks what he owns and is shown it with its proof; a gentle exaggeration has none.
#[test]
fn balances_are_proven_against_the_state_root() {
    let mut town = village(0);
    town.done(0, buy(1, 100, 10));
    let root = town.state.state_root();
    for number in 0..5 {
        let account = town.state.account(AccountId(number)).unwrap();
        let proof = town.state.prove_account(AccountId(number)).unwrap();
        assert!(proof.verify_account(AccountId(number), &account, &root));
        let richer = AccountView { balance: account.balance + Money(1), ..account };
        assert!(!proof.verify_account(AccountId(number), &richer, &root));
        assert!(!proof.verify_account(AccountId(number + 1), &account, &root));
    }
    let (id, meter) = (MeterId(6), town.state.meter(MeterId(6)).unwrap());
    assert!(town.state.prove_meter(id).unwrap().verify_meter(id, &meter, &root));
    assert!(town.state.prove_meter(MeterId(99)).is_none());
}

/// A joiner fetches a snapshot in pieces. Each is checked when it comes, so that whoever sent a bad one is known.
#[test]
fn every_piece_is_checked_by_itself_and_all_together_are_the_snapshot() {
    let mut town = Town::of(3);
    town.done(0, buy(1, 100, 10));
    town.done(1, sell(1, 90, 5));
    let whole = town.state.snapshot();
    let list = PieceList::of(&whole).unwrap();
    assert_eq!(list.check(), Ok(()));
    assert_eq!((list.state_root(), list.snapshot_root()), (town.state.state_root(), town.state.snapshot_root()));
    assert_eq!(list.snapshot_bytes(), whole.len() as u64);
    let mut together = list.front().to_vec();
    for piece in 0..list.count() {
        let range = list.range(piece).unwrap();
        let bytes = &whole[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert_eq!(list.check_piece(piece, bytes), Ok(()));
        for at in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[at] ^= 1;
            assert_eq!(list.check_piece(piece, &bad), Err(PieceError::Hash(piece)), "byte {at}");
        }
        assert_eq!(list.check_piece(piece, &bytes[1..]), Err(PieceError::Hash(piece)));
        assert_eq!(list.check_piece(piece, &[bytes, &[0]].concat()), Err(PieceError::Hash(piece)));
        together.extend_from_slice(bytes);
    }
    assert_eq!(together, whole);
    assert_eq!(list.check_piece(list.count(), &[]), Err(PieceError::Number(list.count())));
}

/// More meters than a page holds: the nodes over the pages give the root of the tree over all of them.
#[test]
fn pages_of_many_meters_give_the_same_root_as_the_tree() {
    let mut town = Town::of(0);
    for from in (0..2_100).step_by(700) {
        let commands = (from..from + 700).flat_map(|number| {
            let (account, meter) = (AccountId(number), MeterId(number));
            [
                Command::RegisterAccount { account, organisation: None },
                Command::RegisterMeter {
                    meter,
                    account,
                    key: crate::town::key(number + 5_000),
                    area: gridbook_engine::AreaId(0),
                    import_max_wh: gridbook_engine::Energy(number.into()),
                    export_max_wh: gridbook_engine::Energy(1),
                    plant: Plant::NONE,
                },
            ]
        });
        let commands: Vec<Command> = commands.collect();
        for commands in commands.chunks(1_000) {
            town.operator(commands.to_vec());
        }
    }
    let list = PieceList::of(&town.state.snapshot()).unwrap();
    assert_eq!((list.account_nodes.len(), list.meter_nodes.len()), (3, 3));
    assert_eq!((list.state_root(), list.snapshot_root()), (town.state.state_root(), town.state.snapshot_root()));
}

/// Lists that lie about their length are refused before room is made for what they promise.
#[test]
fn a_list_of_pieces_that_contradicts_itself_is_refused() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 100, 10));
    let list = PieceList::of(&town.state.snapshot()).unwrap();
    let forged = |forge: fn(&mut PieceList)| {
        let mut list = list.clone();
        forge(&mut list);
        list.check()
    };
    assert_eq!(forged(|list| list.accounts = u32::MAX), Err(PieceError::List));
    assert_eq!(forged(|list| list.meters += 1_024), Err(PieceError::List));
    assert_eq!(forged(|list| list.rest_bytes = u64::MAX), Err(PieceError::List));
    assert_eq!(forged(|list| list.rest_bytes += 1 << 20), Err(PieceError::List));
    assert_eq!(forged(|list| list.rest.clear()), Err(PieceError::List));
    assert_eq!(forged(|list| list.account_nodes.clear()), Err(PieceError::List));
}

//! What validators are convicted of, on the ledger: by evidence in the log, once, for a while.

use gridbook_engine::LedgerTime;
use gridbook_ledger::conduct::{Bearer, Fault};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::epoch::Reconfigure;
use gridbook_ledger::evidence::{Evidence, EvidenceKind, Statement};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::Vote;
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

use crate::town::{Town, key, secret};

const DAY_MS: u64 = 86_400_000;
const CULPRIT: u32 = 2;

/// The secret key of validator `index`.
fn validator(index: u32) -> SecretKey {
    secret(1_000 + index)
}

fn bearer(index: u32) -> Bearer {
    Bearer::Validator(validator(index).public())
}

/// A validator votes for two headers of one rank.
fn double_vote(town: &Town, epoch: u32, culprit: u32, slot: u32) -> Evidence {
    let (chain, rank) = (town.genesis.chain_id(), Rank { view: 9, slot });
    let voter = ValidatorIndex(u16::try_from(culprit).unwrap());
    let vote = |hash| {
        let header = HeaderRef { rank, hash: Hash([hash; 32]) };
        Statement::Vote(Vote::sign(chain, epoch, header, voter, &validator(culprit)))
    };
    Evidence::of(vote(1), vote(2)).unwrap()
}

fn enter(town: &mut Town, evidence: &Evidence) -> (Outcome, Vec<RecordEvent>) {
    let record = town.apply(&Entry::Evidence(Box::new(evidence.clone()))).remove(0);
    (record.outcome, record.events)
}

fn refused(town: &mut Town, evidence: &Evidence) -> Code {
    match enter(town, evidence) {
        (Outcome::Rejected(code), events) if events.is_empty() => code,
        other => panic!("{other:?}"),
    }
}

/// The present validators agree that the same ones go on: the epoch ends.
fn end_epoch(town: &mut Town) {
    let (epoch, set) = (town.state.epoch().0, town.state.epoch().1.clone());
    let mut change = Reconfigure::propose(town.genesis.chain_id(), epoch, &set);
    for index in 0..3 {
        change.approve(&set, &validator(index)).unwrap();
    }
    assert_eq!(town.apply(&Entry::Reconfigure(Box::new(change)))[0].outcome, Outcome::Done);
}

/// ```text
/// view 9, slot 0:  votes for A and for B      500 of 1,000 points, for a year
/// view 9, slot 1:  votes for A and for B      is nothing new in this epoch
/// ```
#[test]
fn a_double_vote_costs_half_the_score_once_an_epoch() {
    let mut town = Town::of(1);
    let evidence = double_vote(&town, 0, CULPRIT, 0);
    let (outcome, events) = enter(&mut town, &evidence);
    let (kind, validator) = (EvidenceKind::DoubleVote, validator(CULPRIT).public());
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(events, [RecordEvent::ValidatorMisconduct { entry: 1, validator, kind, evidence: evidence.id() }]);
    let entries = town.state.conduct_of(bearer(CULPRIT));
    assert!(
        matches!(entries[..], [(1, entry)] if matches!(entry.fault, Fault::Validator { view: 9, epoch: 0, .. })),
        "{entries:?}"
    );
    assert_eq!((town.state.score_of(bearer(CULPRIT)), town.state.score_of(bearer(1))), (500, 1_000));

    let root = town.state.state_root();
    assert_eq!(refused(&mut town, &evidence), Code::EvidenceEntered);
    let later = double_vote(&town, 0, CULPRIT, 1);
    assert_eq!(refused(&mut town, &later), Code::EvidenceEntered, "in another slot");
    assert_eq!((town.state.score_of(bearer(CULPRIT)), town.state.state_root()), (500, root));
    let other = double_vote(&town, 0, 1, 0);
    assert_eq!(enter(&mut town, &other).0, Outcome::Done, "another validator");
}

/// A leader wants to ruin a rival, with a vote that the rival never signed, with one vote twice, and with votes of another ledger.
#[test]
fn what_proves_nothing_is_not_entered() {
    let mut town = Town::of(1);
    let good = double_vote(&town, 0, CULPRIT, 0);
    let Statement::Vote(mut vote) = good.b.clone() else { panic!() };
    vote.signature.0[0] ^= 1;
    let forged = Evidence { b: Statement::Vote(vote), ..good.clone() };
    let twice = Evidence { b: good.a.clone(), ..good.clone() };
    let turned = Evidence { a: good.b.clone(), b: good.a.clone(), ..good.clone() };
    let stranger = double_vote(&town, 0, 7, 0);
    let future = double_vote(&town, 1, CULPRIT, 0);
    let mut elsewhere = Town::of(0);
    elsewhere.genesis.name = "Nachbardorf".into();
    let elsewhere = double_vote(&elsewhere, 0, CULPRIT, 0);
    let marks = |town: &mut Town| (town.state.state_root(), town.state.conduct().count());
    let before = marks(&mut town);
    let cases = [
        (forged, Code::EvidenceSignature),
        (twice, Code::EvidenceCompatible),
        (turned, Code::EvidenceOrder),
        (stranger, Code::EvidenceStranger),
        (future, Code::EvidenceEpoch),
        (elsewhere, Code::EvidenceSignature),
    ];
    for (evidence, code) in cases {
        assert_eq!(refused(&mut town, &evidence), code);
        assert_eq!(marks(&mut town), before, "{code:?}");
    }
    assert_eq!(enter(&mut town, &good).0, Outcome::Done, "and none of it stands in the way of what is true");
}

/// ```text
/// epoch 0: two votes   | epoch 1: comes to light, is entered | epoch 2: too late for what was done in epoch 0
/// ```
#[test]
fn what_was_done_just_before_an_epoch_ended_is_entered_in_the_next() {
    let mut town = Town::of(1);
    let (first, late) = (double_vote(&town, 0, CULPRIT, 0), double_vote(&town, 0, 3, 0));
    end_epoch(&mut town);
    assert!(town.state.takes_evidence_of(0));
    assert_eq!(enter(&mut town, &first).0, Outcome::Done);
    let again = double_vote(&town, 1, CULPRIT, 0);
    assert_eq!(enter(&mut town, &again).0, Outcome::Done, "each epoch counts by itself");
    assert_eq!(town.state.score_of(bearer(CULPRIT)), 0);

    let mut restored = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    std::mem::swap(&mut town.state, &mut restored);
    assert_eq!(refused(&mut town, &first), Code::EvidenceEntered, "a joiner knows what was entered");
    end_epoch(&mut town);
    assert!(!town.state.takes_evidence_of(0) && town.state.takes_evidence_of(1));
    assert_eq!(refused(&mut town, &late), Code::EvidenceEpoch);
    assert_eq!(refused(&mut town, &again), Code::EvidenceEntered);
}

/// A validator's entry is over after a year. Whoever still has the evidence cannot enter it a second time.
#[test]
fn a_year_later_the_points_are_back_and_the_same_proof_counts_no_more() {
    let mut town = Town::of(1);
    let evidence = double_vote(&town, 0, CULPRIT, 0);
    enter(&mut town, &evidence);
    let over = LedgerTime(town.state.time().0 + 365 * DAY_MS);
    town.time(over);
    let events = town.work(1_000).events;
    assert!(events.contains(&RecordEvent::ConductExpired { entry: 1, account: None }), "{events:?}");
    assert_eq!(town.state.score_of(bearer(CULPRIT)), 1_000);
    assert_eq!(refused(&mut town, &evidence), Code::EvidenceEntered);
}

/// A change of view takes back the log in which it was entered: then it never was, also not in the memory of what was.
#[test]
fn an_entry_that_is_taken_back_can_be_made_again() {
    let mut town = Town::of(1);
    let evidence = double_vote(&town, 0, CULPRIT, 0);
    let (mark, seq, before) = (town.state.mark(), town.next_seq, town.state.snapshot());
    enter(&mut town, &evidence);
    end_epoch(&mut town);
    end_epoch(&mut town);
    town.state.rollback(mark);
    town.next_seq = seq;
    assert!(town.state.snapshot() == before);
    assert_eq!(enter(&mut town, &evidence).0, Outcome::Done);
    let set: &ValidatorSet = town.state.epoch().1;
    assert_eq!(set.key(ValidatorIndex(2)), Some(&key(1_002)));
}

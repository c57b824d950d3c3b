//! Histories: what an auditor can say of an account when he holds all that records say of it, and nothing else.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, Energy, Expiry, MeterId, Money};
use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::{Extract, Outcome, Party, PartyRef, Purse, Record, RecordEvent, history_head};
use gridbook_ledger::registry::OrganisationId;
use gridbook_ledger::reject::Code;

use crate::random::{random_entry, village};
use crate::town::{Dice, Town, buy, sell};

fn head_of(extracts: &[Extract]) -> Hash {
    extracts.iter().fold(Hash::ZERO, |head, extract| history_head(&head, &extract.leaf_hash()))
}

fn stands_as(town: &Town, party: Party) -> Hash {
    match party {
        Party::Account(account) => town.state.account(account).unwrap().history_head,
        Party::Meter(meter) => town.state.meter(meter).unwrap().history_head,
        Party::Organisation(organisation) => town.state.organisation(organisation).unwrap().history_head,
    }
}

fn extracts_for(records: &[Record], party: Party) -> Vec<Extract> {
    records.iter().filter_map(|record| record.extract_for(party)).collect()
}

/// A village after a random day, and the records of its whole past.
fn village_with_past(seed: u64) -> (Town, Vec<Record>) {
    let (mut town, mut dice) = (village(seed), Dice(seed));
    for _ in 0..120 {
        let entry = random_entry(&town, &mut dice);
        town.apply(&entry);
    }
    let records = town.past.clone();
    (town, records)
}

/// Every account, meter and organisation of a random day: its head is the chain over its extracts, and every party that records name has one.
#[test]
fn every_head_is_the_chain_over_the_extracts_of_its_owner() {
    for seed in 500..506 {
        let (town, records) = village_with_past(seed);
        let accounts = (0..town.state.accounts_count()).map(|number| Party::Account(AccountId(number)));
        let meters = (0..town.state.meters_count()).map(|number| Party::Meter(MeterId(number)));
        let organisations =
            (0..town.state.organisations_count()).map(|number| Party::Organisation(OrganisationId(number)));
        for party in accounts.chain(meters).chain(organisations) {
            let extracts = extracts_for(&records, party);
            assert!(!extracts.is_empty());
            assert!(extracts.iter().all(|extract| extract.is_of(party)));
            assert_eq!(head_of(&extracts), stands_as(&town, party), "seed {seed}, {party:?}");
            assert!(
                records.iter().all(|record| record.parties().contains(&party) == record.extract_for(party).is_some())
            );
        }
    }
}

/// A supplier hands in its history without the one trade that it would rather not show, with one told twice, two swapped, or a sum
/// made smaller: the head is another one.
#[test]
fn a_history_with_an_extract_dropped_added_swapped_or_altered_has_another_head() {
    let (town, records) = village_with_past(507);
    let party = Party::Account(AccountId(0));
    let (whole, head) = (extracts_for(&records, party), stands_as(&town, party));
    assert!(whole.len() > 20);
    for at in 0..whole.len() {
        let mut dropped = whole.clone();
        dropped.remove(at);
        let mut doubled = whole.clone();
        doubled.insert(at, whole[at].clone());
        let mut bytes = whole[at].encode();
        bytes[0] ^= 1;
        let mut altered = whole.clone();
        altered[at] = Extract::decode(&bytes).unwrap();
        for tampered in [&dropped, &doubled, &altered] {
            assert_ne!(head_of(tampered), head, "at {at}");
        }
        if at > 0 {
            let mut swapped = whole.clone();
            swapped.swap(at - 1, at);
            assert_ne!(head_of(&swapped), head, "at {at}");
        }
    }
    assert_ne!(head_of(&whole[..whole.len() - 1]), head);
    assert_eq!(head_of(&whole), head);
}

/// A speculative branch is given up: the heads are those of before, and what comes then is chained to them.
#[test]
fn heads_go_back_with_the_state() {
    let (mut town, records) = village_with_past(508);
    let party = Party::Account(AccountId(0));
    let (mark, seq, head) = (town.state.mark(), town.next_seq, stands_as(&town, party));
    town.operator(vec![Command::Deposit { account: AccountId(0), amount: Money(5) }]);
    assert_ne!(stands_as(&town, party), head);
    town.state.rollback(mark);
    town.next_seq = seq;
    assert_eq!(stands_as(&town, party), head);
    let then = town.operator(vec![Command::Deposit { account: AccountId(0), amount: Money(6) }]);
    assert_eq!(stands_as(&town, party), head_of(&extracts_for(&[records, then].concat(), party)));
}

/// A gate closes on a whole town at once: each shows the auditor what happened to himself, and not a byte of his neighbours'.
#[test]
fn an_extract_holds_the_events_of_one_party_and_nothing_of_others() {
    let order = |number: u32| PartyRef { account: AccountId(number), meter: MeterId(number + 10), client_id: 7 };
    let expired = |number| RecordEvent::Expired { order: order(number), remaining: Energy(5), cause: Expiry::Gate };
    let posted = RecordEvent::Posted { from: Purse::Account(AccountId(1)), to: Purse::Imbalance, amount: Money(4) };
    let events = vec![expired(1), expired(2), posted, expired(1)];
    let (seq, entry, index, client_id) = (9, Hash([8; 32]), 3, 7);
    let record = Record { seq, entry, index, meter: Some(MeterId(5)), client_id, outcome: Outcome::Done, events };
    let events_of = |party| record.extract_for(party).map(|extract| extract.record().events.clone());
    assert_eq!(events_of(Party::Account(AccountId(1))), Some(vec![expired(1), posted, expired(1)]));
    assert_eq!(events_of(Party::Meter(MeterId(11))), Some(vec![expired(1), expired(1)]));
    assert_eq!(events_of(Party::Meter(MeterId(12))), Some(vec![expired(2)]));
    assert_eq!(events_of(Party::Meter(MeterId(5))), Some(Vec::new()), "the sender's, even without events");
    assert_eq!(events_of(Party::Account(AccountId(5))), None);
    let refused = Record { outcome: Outcome::Rejected(Code::GateClosed), ..record.clone() };
    let silent = Record { events: Vec::new(), ..refused.clone() };
    assert_eq!((silent.extract_for(Party::Meter(MeterId(5))), silent.parties()), (None, Vec::new()));
    assert_eq!(refused.extract_for(Party::Meter(MeterId(5))), None, "what convicts others is not the sender's");
    assert!(refused.extract_for(Party::Meter(MeterId(11))).is_some() && refused.parties().len() == 4);
    let extract = record.extract_for(Party::Meter(MeterId(11))).unwrap();
    assert!(!extract.is_of(Party::Meter(MeterId(12))));
    assert_eq!(Extract::decode(&extract.encode()), Ok(extract.clone()));
    assert_ne!(extract.leaf_hash(), extract.record().leaf_hash(), "an extract never passes for a record");
}

/// The two sides of a trade: each one's history has his own order and the trade, in which the other is named.
#[test]
fn both_sides_of_a_trade_have_it_in_their_histories() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 100, 10));
    let trade = town.done(1, sell(2, 95, 10));
    let mut by_party = BTreeMap::new();
    for party in trade.parties() {
        by_party.insert(party, trade.extract_for(party).unwrap().leaf_hash());
    }
    assert_eq!(by_party.len(), 4);
    assert_eq!(by_party[&Party::Account(AccountId(0))], by_party[&Party::Meter(MeterId(0))]);
}

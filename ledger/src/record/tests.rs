//! Records are read years later, by programs that trust nobody.

use std::collections::BTreeSet;

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, Expiry, Money, Price, Side};

use super::*;
use crate::bytes::BytesError;

fn events() -> Vec<RecordEvent> {
    let order = PartyRef { account: AccountId(1), meter: MeterId(2), client_id: 3 };
    let taker = PartyRef { account: AccountId(4), meter: MeterId(5), client_id: 6 };
    let contract = Contract { area: AreaId(7), period: DeliveryPeriod(8) };
    let (price, energy, remaining, amount) = (Price(-9), Energy(10), Energy(11), Money(-12));
    let mut events = vec![
        RecordEvent::Trade { maker: order, taker, contract, taker_side: Side::Sell, price, energy },
        RecordEvent::Trade { maker: taker, taker: order, contract, taker_side: Side::Buy, price, energy },
        RecordEvent::Rested { order, remaining },
        RecordEvent::Dropped { order, remaining },
        RecordEvent::Cancelled { order, remaining },
        RecordEvent::Reduced { order, remaining },
        RecordEvent::Expired { order, remaining, cause: Expiry::Until },
        RecordEvent::Expired { order, remaining, cause: Expiry::Gate },
        RecordEvent::Settled { contract, account: AccountId(1), amount },
        RecordEvent::AccountRegistered { account: AccountId(1) },
        RecordEvent::MeterRegistered { meter: MeterId(2), account: AccountId(1) },
        RecordEvent::MeterSuspended { meter: MeterId(2) },
        RecordEvent::MeterResumed { meter: MeterId(2) },
    ];
    let purses = [
        Purse::Account(AccountId(0)),
        Purse::Account(AccountId(1)),
        Purse::Outside,
        Purse::Operator,
        Purse::Imbalance,
        Purse::Upstream,
        Purse::Losses,
        Purse::Rounding,
    ];
    events.extend(purses.map(|to| RecordEvent::Posted { from: Purse::Outside, to, amount }));
    events
}

fn record() -> Record {
    Record {
        seq: 1,
        entry: Hash([2; 32]),
        index: 3,
        meter: Some(MeterId(4)),
        client_id: 5,
        outcome: Outcome::Rejected(Code::GateClosed),
        events: events(),
    }
}

/// What was written comes back, for every event and outcome.
#[test]
fn a_record_reads_back() {
    let records = [record(), Record { meter: None, outcome: Outcome::Done, events: vec![], ..record() }];
    for record in records {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
    for code in Code::ALL {
        let record = Record { outcome: Outcome::Rejected(*code), ..record() };
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

/// A record cut at any byte is refused, and so is one with a byte behind it.
#[test]
fn a_cut_or_lengthened_record_is_refused() {
    let bytes = record().encode();
    for length in 0..bytes.len() {
        assert_eq!(Record::decode(&bytes[..length]), Err(BytesError::Truncated), "cut at {length}");
    }
    assert_eq!(Record::decode(&[&bytes[..], &[0]].concat()), Err(BytesError::Trailing));
}

/// One altered bit: refused, or another record with another leaf. Never the same one.
#[test]
fn no_altered_bit_reads_as_the_same_record() {
    let bytes = record().encode();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Record::decode(&altered) {
            assert_eq!(other.encode(), altered, "bit {bit}");
            assert_ne!(other.leaf_hash(), record().leaf_hash());
        }
    }
}

/// Every event has bytes of its own: a trade cannot be read as a cancel.
#[test]
fn events_differ_in_their_bytes() {
    let leaves: BTreeSet<Hash> =
        events().into_iter().map(|event| Record { events: vec![event], ..record() }.leaf_hash()).collect();
    assert_eq!(leaves.len(), events().len());
}

/// A count of four billion events in front of nothing must not allocate for them.
#[test]
fn a_count_without_events_is_refused() {
    let mut bytes = Record { events: vec![], ..record() }.encode();
    let count_at = bytes.len() - 4;
    bytes[count_at..].fill(0xff);
    assert_eq!(Record::decode(&bytes), Err(BytesError::Truncated));
}

/// A reason that no ledger ever gave, an event that none ever wrote, and a number where none belongs.
#[test]
fn values_without_a_meaning_are_refused() {
    let mut reason = Record { events: vec![], ..record() }.encode();
    let reason_at = reason.len() - 6;
    reason[reason_at..reason_at + 2].copy_from_slice(&9_999_u16.to_le_bytes());
    assert_eq!(Record::decode(&reason), Err(BytesError::Unknown));
    let posted = RecordEvent::Posted { from: Purse::Outside, to: Purse::Operator, amount: Money(1) };
    let posted = Record { events: vec![posted], ..record() }.encode();
    let event_at = posted.len() - 27;
    for (at, value, error) in [
        (0, 0, BytesError::Unknown),
        (0, 13, BytesError::Unknown),
        (1, 7, BytesError::Unknown),
        (2, 1, BytesError::Padding),
    ] {
        let mut altered = posted.clone();
        altered[event_at + at] = value;
        assert_eq!(Record::decode(&altered), Err(error), "byte {at}");
    }
}

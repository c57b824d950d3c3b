//! Whom a record concerns, and what of it each of them is told.

use std::collections::BTreeSet;

use gridbook_engine::MeterId;
use gridbook_ledger::record::{Party, Record, RecordEvent};

/// The meters that a record names: whose command it was, and whose orders it touched.
pub fn meters_in(record: &Record) -> BTreeSet<MeterId> {
    let meters = record.events.iter().flat_map(parties_of).filter_map(|party| match party {
        Party::Meter(meter) => Some(meter),
        Party::Account(_) | Party::Organisation(_) => None,
    });
    record.meter.into_iter().chain(meters).collect()
}

/// The record with only the events that name `meter`.
pub fn cut_to(record: &Record, meter: MeterId) -> Record {
    let events = record.events.iter().filter(|event| parties_of(event).contains(&Party::Meter(meter))).copied();
    Record { events: events.collect(), ..*record }
}

fn parties_of(event: &RecordEvent) -> Vec<Party> {
    let mut parties = Vec::new();
    event.name_parties(&mut parties);
    parties
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, Energy, Expiry};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::record::{Outcome, PartyRef};

    use super::*;

    fn expired(meter: u32) -> RecordEvent {
        let order = PartyRef { account: AccountId(meter), meter: MeterId(meter), client_id: 7 };
        RecordEvent::Expired { order, remaining: Energy(5), cause: Expiry::Gate }
    }

    /// A gate closes on the orders of a whole town: each of its meters is told of its own, and of nobody else's.
    #[test]
    fn each_meter_is_told_of_its_own_orders_only() {
        let events = vec![expired(1), expired(2), expired(1)];
        let record =
            Record { seq: 9, entry: Hash::ZERO, index: 0, meter: None, client_id: 0, outcome: Outcome::Done, events };
        assert_eq!(meters_in(&record), BTreeSet::from([MeterId(1), MeterId(2)]));
        assert_eq!(cut_to(&record, MeterId(1)).events, [expired(1), expired(1)]);
        assert_eq!(cut_to(&record, MeterId(3)), Record { events: Vec::new(), ..record });
    }
}

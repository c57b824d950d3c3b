//! Whom a record concerns, and what of it each of them is told.

use std::collections::BTreeSet;

use gridbook_engine::MeterId;
use gridbook_ledger::record::{MeterSettled, Record, RecordEvent, RegistersRead, Trade};
use gridbook_ledger::registry::Subject;

/// The meters that a record names: whose command it was, and whose orders it touched.
pub fn meters_in(record: &Record) -> BTreeSet<MeterId> {
    record.meter.into_iter().chain(record.events.iter().flat_map(meters_of)).collect()
}

/// The record with only the events that name `meter`.
pub fn cut_to(record: &Record, meter: MeterId) -> Record {
    let events = record.events.iter().filter(|event| meters_of(event).any(|named| named == meter)).copied().collect();
    Record { events, ..*record }
}

fn meters_of(event: &RecordEvent) -> impl Iterator<Item = MeterId> + use<> {
    let (first, second) = match *event {
        RecordEvent::Trade(Trade { maker, taker, .. }) => (Some(maker.meter), Some(taker.meter)),
        RecordEvent::Offered { offer, to, .. } => (Some(offer.meter), Some(to)),
        RecordEvent::Rested { order, .. }
        | RecordEvent::Dropped { order, .. }
        | RecordEvent::Cancelled { order, .. }
        | RecordEvent::Reduced { order, .. }
        | RecordEvent::Expired { order, .. }
        | RecordEvent::Filled { order, .. }
        | RecordEvent::Block { order, .. } => (Some(order.meter), None),
        RecordEvent::Certificates(certificates) => {
            (Some(certificates.holder), certificates.other().map(|(meter, _)| meter))
        }
        RecordEvent::MeterRegistered { meter, .. }
        | RecordEvent::CorrectionHeld { meter, .. }
        | RecordEvent::Misconduct { meter, .. }
        | RecordEvent::MeterTransferred { meter, .. }
        | RecordEvent::InstallationSet { meter, .. }
        | RecordEvent::StandingChanged { subject: Subject::Meter(meter), .. }
        | RecordEvent::KeyChanged { subject: Subject::Meter(meter), .. } => (Some(meter), None),
        RecordEvent::Read(RegistersRead { meter, .. }) | RecordEvent::MeterSettled(MeterSettled { meter, .. }) => {
            (Some(meter), None)
        }
        RecordEvent::AreaRead { .. }
        | RecordEvent::ImbalancePricesSet { .. }
        | RecordEvent::AreaSettled(_)
        | RecordEvent::AreaFrozen { .. }
        | RecordEvent::PeriodFinal { .. }
        | RecordEvent::Posted { .. }
        | RecordEvent::AccountRegistered { .. }
        | RecordEvent::ValidatorMisconduct { .. }
        | RecordEvent::ConductRevised { .. }
        | RecordEvent::ConductExpired { .. }
        | RecordEvent::ScoreChanged { .. }
        | RecordEvent::Cleared { .. }
        | RecordEvent::Flow { .. }
        | RecordEvent::CapacitySet { .. }
        | RecordEvent::Overload { .. }
        | RecordEvent::Ordered { .. }
        | RecordEvent::OrganisationRegistered { .. }
        | RecordEvent::StandingChanged { subject: Subject::Organisation(_), .. }
        | RecordEvent::KeyChanged { subject: Subject::Organisation(_), .. } => (None, None),
    };
    first.into_iter().chain(second)
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

//! Whom a record concerns, and what of it each of them is told.

use std::collections::BTreeSet;

use gridbook_engine::MeterId;
use gridbook_ledger::record::{Record, RecordEvent};

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
        RecordEvent::Trade { maker, taker, .. } => (Some(maker.meter), Some(taker.meter)),
        RecordEvent::Rested { order, .. }
        | RecordEvent::Dropped { order, .. }
        | RecordEvent::Cancelled { order, .. }
        | RecordEvent::Reduced { order, .. }
        | RecordEvent::Expired { order, .. } => (Some(order.meter), None),
        RecordEvent::MeterRegistered { meter, .. }
        | RecordEvent::MeterSuspended { meter }
        | RecordEvent::MeterResumed { meter } => (Some(meter), None),
        RecordEvent::Settled { .. } | RecordEvent::Posted { .. } | RecordEvent::AccountRegistered { .. } => {
            (None, None)
        }
    };
    first.into_iter().chain(second)
}

//! What an index is told: records of a height each, with events by hand.

use std::path::Path;

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Money, Price};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::{AreaSettled, Outcome, Record, RecordEvent};
use gridbook_ledger::settlement::RestPrices;
use gridbook_ledger::store::{Index, IndexBatch};

use crate::bench::identity;

/// An index of which everything is final.
pub(crate) fn open(dir: &Path) -> Index {
    Index::open(dir, identity(), 32 << 20, Some(u64::MAX)).unwrap()
}

pub(crate) fn record(seq: u64, events: Vec<RecordEvent>) -> Record {
    let (entry, outcome) = (Hash([1; 32]), Outcome::Done);
    Record { seq, entry, index: 0, meter: None, client_id: 0, outcome, events }
}

pub(crate) fn batch(height: u64, records: &[Record]) -> IndexBatch {
    let (header, first_seq, last_seq) = (vec![1], height, height);
    let mut batch = IndexBatch { height, header, first_seq, last_seq, ..IndexBatch::default() };
    records.iter().for_each(|record| batch.enter(record));
    batch
}

/// One record for each height.
pub(crate) fn batches(records: impl IntoIterator<Item = Vec<RecordEvent>>) -> Vec<IndexBatch> {
    (1..).zip(records).map(|(height, events)| batch(height, &[record(height, events)])).collect()
}

/// An area without any energy, of which only what its meters pay and get beyond their trades matters.
pub(crate) fn area_settled(area: u16, period: u32, RestPrices { short, long }: RestPrices) -> RecordEvent {
    RecordEvent::AreaSettled(AreaSettled {
        contract: Contract { area: AreaId(area), period: DeliveryPeriod(period) },
        short_price: Price(500),
        long_price: long,
        short_rest: short,
        long_rest: long,
        net_wh: 0,
        contracted_wh: 0,
        losses_wh: 0,
        upstream: Money(0),
        losses: Money(0),
        surplus: Money(0),
    })
}

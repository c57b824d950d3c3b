//! Which records prove the life of certificates: those that tell of them, and the readings that they were measured by.

use std::collections::BTreeSet;

use gridbook_engine::{DeliveryPeriod, MeterId};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{CertificateChange, Certificates, Record, RecordEvent, RegistersRead};
use gridbook_ledger::replica::{IndexedHeader, unarchive};
use gridbook_ledger::store::{Fact, FactOwner, FactPlace, QueryIndex, StoreError};

use super::desk::split_records;

/// How many records are looked through for one answer.
const RECORDS_PER_ANSWER: usize = 64;

/// The numbers of records that tell of certificates, from one on, ascending, each with the readings before it that bear it out; and from which
/// record to go on.
///
/// # Errors
/// Those of the index.
pub(super) fn records_of(
    index: &impl QueryIndex,
    range: CertificateRange,
    from_seq: u64,
) -> Result<(Vec<u64>, Option<u64>), StoreError> {
    let mut candidates = index.certificate_records(range, from_seq, RECORDS_PER_ANSWER + 1)?;
    let next = candidates.get(RECORDS_PER_ANSWER).copied();
    candidates.truncate(RECORDS_PER_ANSWER);
    let (mut seqs, mut read) = (BTreeSet::new(), Reading::default());
    for seq in candidates {
        let Some(record) = read.record(index, seq)? else { continue };
        for event in &record.events {
            let RecordEvent::Certificates(told) = event else { continue };
            if told.range.overlaps(&range) {
                seqs.insert(seq);
                if let Some(meter) = measured(told) {
                    seqs.extend(readings(index, meter, told.period, seq)?);
                }
            }
        }
    }
    Ok((seqs.into_iter().collect(), next))
}

/// The meter whose readings bear out what is told.
fn measured(told: &Certificates) -> Option<MeterId> {
    match told.change {
        CertificateChange::Issued { .. } => Some(told.holder),
        CertificateChange::Claimed { by } => Some(by),
        _ => None,
    }
}

/// The records with a meter's registers at the beginning and at the end of a period, as they were last known before a record.
fn readings(
    index: &impl QueryIndex,
    meter: MeterId,
    period: DeliveryPeriod,
    before: u64,
) -> Result<impl Iterator<Item = u64>, StoreError> {
    let start = DeliveryPeriod(period.0.saturating_sub(1));
    let facts = index.facts(FactOwner::Meter(meter), FactPlace::first_of(start), period, usize::MAX)?.facts;
    let last = move |period| {
        let reads = facts.iter().filter(move |row| (row.period, row.seq < before) == (period, true));
        let of_meter = reads.filter(|row| match row.fact {
            Fact::Event(RecordEvent::Read(RegistersRead { meter: read, .. })) => read == meter,
            _ => false,
        });
        of_meter.map(|row| row.seq).max()
    };
    Ok([start, period].into_iter().filter_map(last))
}

/// The records of the height that was read last: those of a settlement follow each other.
#[derive(Default)]
struct Reading {
    height: u64,
    first_seq: u64,
    records: Vec<u8>,
}

impl Reading {
    fn record(&mut self, index: &impl QueryIndex, seq: u64) -> Result<Option<Record>, StoreError> {
        let Some(height) = index.height_of_seq(seq)? else { return Ok(None) };
        if height != self.height {
            let (Some(header), Some(records)) = (index.header(height)?, index.records(height)?) else {
                return Ok(None);
            };
            let header: IndexedHeader =
                unarchive(&header).map_err(|_| StoreError::Index("a header cannot be read".into()))?;
            *self = Self { height, first_seq: header.proposal.header.first_seq, records };
        }
        let records = split_records(&self.records);
        let place = seq.checked_sub(self.first_seq).and_then(|place| usize::try_from(place).ok());
        let Some(bytes) = place.and_then(|place| records.get(place)) else { return Ok(None) };
        let record = Record::decode(bytes).map_err(|_| StoreError::Index("a record cannot be read".into()))?;
        Ok(Some(record))
    }
}

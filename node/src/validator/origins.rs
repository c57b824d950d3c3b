//! Which records prove the life of certificates: those that tell of them, and the readings that they were measured by.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{DeliveryPeriod, MeterId};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{CertificateChange, Certificates, Record, RecordEvent, RegistersRead};
use gridbook_ledger::store::{CertificatePage, Fact, FactOwner, FactPlace, QueryIndex, StoreError};

use super::heights::Heights;

/// How many records are looked through for one answer.
const RECORDS_PER_ANSWER: usize = 64;
/// Of how many meters' periods readings are looked for, through how many facts, and how many bytes of records are read: beyond each of these no further
/// record is begun.
const LOOK_UPS_PER_ANSWER: usize = 64;
const FACTS_PER_ANSWER: usize = 16 << 10;
const BYTES_PER_ANSWER: usize = 4 << 20;

/// What was found for one answer.
#[derive(Debug, Default)]
pub(super) struct FoundRecords {
    /// The numbers of records, ascending.
    pub(super) seqs: BTreeSet<u64>,
    /// From which record to go on; none if that was all.
    pub(super) next: Option<u64>,
    /// Of how many meters' periods readings were looked for, and through how many facts.
    looked_through: (usize, usize),
}

/// The numbers of records that tell of certificates, from one on, each with the readings before it that bear it out; and from which
/// record to go on. Readings belong to what is told of all that is asked for: whoever asks for certificates that went different ways learns of
/// the records where they parted, and asks for each part.
///
/// # Errors
/// Those of the index.
pub(super) fn records_of(
    index: &impl QueryIndex,
    heights: &mut Heights,
    range: CertificateRange,
    from_seq: u64,
) -> Result<FoundRecords, StoreError> {
    let CertificatePage { seqs: candidates, next } = index.certificate_records(range, from_seq, RECORDS_PER_ANSWER)?;
    let mut found = FoundRecords { next, ..FoundRecords::default() };
    let (bytes_before, mut registers) = (heights.bytes_read(), Registers::default());
    for seq in candidates {
        let (look_ups, facts) = registers.looked_through();
        let is_enough = look_ups >= LOOK_UPS_PER_ANSWER
            || facts >= FACTS_PER_ANSWER
            || heights.bytes_read() - bytes_before >= BYTES_PER_ANSWER;
        if is_enough {
            found.next = Some(seq);
            break;
        }
        let Some(record) = record(index, heights, seq)? else { continue };
        for event in &record.events {
            let RecordEvent::Certificates(told) = event else { continue };
            if told.range.overlaps(&range) {
                found.seqs.insert(seq);
            }
            if told.range.contains(&range)
                && let Some(meter) = measured(told)
            {
                found.seqs.extend(registers.before(index, (meter, told.period), seq)?);
            }
        }
    }
    found.looked_through = registers.looked_through();
    Ok(found)
}

fn record(index: &impl QueryIndex, heights: &mut Heights, seq: u64) -> Result<Option<Record>, StoreError> {
    let Some(height) = index.height_of_seq(seq)? else { return Ok(None) };
    heights.read(index, height)?.map_or(Ok(None), |height| height.record(seq))
}

/// The meter whose readings bear out what is told.
fn measured(told: &Certificates) -> Option<MeterId> {
    match told.change {
        CertificateChange::Issued { .. } => Some(told.holder),
        CertificateChange::Claimed { by } => Some(by),
        _ => None,
    }
}

/// Where meters' registers were read at the beginning and at the end of periods: each is looked for once.
#[derive(Debug, Default)]
struct Registers {
    /// By the meter and the end of a period.
    read: BTreeMap<(MeterId, DeliveryPeriod), Vec<u64>>,
    facts: usize,
}

impl Registers {
    fn looked_through(&self) -> (usize, usize) {
        (self.read.len(), self.facts)
    }

    /// The records with a meter's registers at both ends of a period, as they were last known before a record.
    fn before(
        &mut self,
        index: &impl QueryIndex,
        (meter, period): (MeterId, DeliveryPeriod),
        seq: u64,
    ) -> Result<Vec<u64>, StoreError> {
        let mut last = Vec::new();
        for end in [DeliveryPeriod(period.0.saturating_sub(1)), period] {
            let read = self.at_end_of(index, (meter, end))?;
            last.extend(read.iter().filter(|known| **known < seq).max());
        }
        Ok(last)
    }

    /// The records with a meter's registers at the end of a period.
    fn at_end_of(&mut self, index: &impl QueryIndex, of: (MeterId, DeliveryPeriod)) -> Result<&[u64], StoreError> {
        if let Entry::Vacant(unknown) = self.read.entry(of) {
            let (meter, period) = of;
            let facts = index.facts(FactOwner::Meter(meter), FactPlace::first_of(period), period, usize::MAX)?.facts;
            let reads = facts.iter().filter(|row| match row.fact {
                Fact::Event(RecordEvent::Read(RegistersRead { meter: read, .. })) => read == meter,
                _ => false,
            });
            unknown.insert(reads.map(|row| row.seq).collect());
            self.facts += facts.len();
        }
        Ok(&self.read[&of])
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gridbook_engine::{AccountId, AreaId, Energy, EnergySources};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::record::Outcome;
    use gridbook_ledger::settlement::Registers;
    use gridbook_ledger::store::Index;

    use super::*;
    use crate::validator::heights::testing::{index_at, told_height};

    const PERIOD: DeliveryPeriod = DeliveryPeriod(96_050);

    fn range(first: u64, energy: u64) -> CertificateRange {
        CertificateRange::new(AreaId(2), first, Energy(energy)).unwrap()
    }

    fn told(range: CertificateRange, holder: u32, change: CertificateChange) -> RecordEvent {
        let (holder, account) = (MeterId(holder), AccountId(holder));
        RecordEvent::Certificates(Certificates { range, period: PERIOD, holder, account, change })
    }

    fn issued(number: u64) -> RecordEvent {
        told(
            range(number, 1),
            u32::try_from(number).unwrap(),
            CertificateChange::Issued { source: EnergySources::SOLAR },
        )
    }

    fn read(meter: u32, period: u32) -> RecordEvent {
        let registers = Registers { import: 1, export: 2, counter: 3 };
        let (meter, account, period) = (MeterId(meter), AccountId(meter), DeliveryPeriod(period));
        RecordEvent::Read(RegistersRead { meter, account, period, registers, is_correction: false })
    }

    /// An index of heights with one record each.
    fn index_of(dir: &Path, records: Vec<Vec<RecordEvent>>) -> Index {
        let index = index_at(dir);
        let record = |(seq, events)| {
            let (entry, outcome) = (Hash([1; 32]), Outcome::Done);
            Record { seq, entry, index: 0, meter: None, client_id: 0, outcome, events }
        };
        let heights = (1..).zip(records).map(record).map(|record| told_height(record.seq, &[record]));
        heights.collect::<Vec<_>>().chunks(16).for_each(|some| index.apply(some).unwrap());
        index
    }

    /// A thousand plants are read and certified, and a stranger asks for all certificates there are. He is told of the record that issued them,
    /// and nothing is looked for on his behalf: the readings of one plant belong to its own certificates, and are found by these.
    #[test]
    fn a_question_for_everything_looks_for_nobodys_readings() {
        let home = tempfile::tempdir().unwrap();
        let plants: u32 = 1_000;
        let ends = [PERIOD.0 - 1, PERIOD.0];
        let mut records = ends.map(|end| (1..=plants).map(|plant| read(plant, end)).collect::<Vec<_>>()).to_vec();
        records.push((1..=u64::from(plants)).map(issued).collect());
        let index = index_of(home.path(), records);
        let mut heights = Heights::default();
        let all = records_of(&index, &mut heights, range(1, 1 << 63), 0).unwrap();
        assert_eq!((all.seqs, all.next, all.looked_through), (BTreeSet::from([3]), None, (0, 0)));
        let one = records_of(&index, &mut heights, range(700, 1), 0).unwrap();
        assert_eq!((one.seqs, one.next, one.looked_through), (BTreeSet::from([1, 2, 3]), None, (2, 2)));
    }

    /// Two hundred meters of one account claim the same watt-hour in turn and set it free again. Each answer looks for a bounded number of
    /// readings, and all of them together find all.
    #[test]
    fn one_answer_looks_for_a_bounded_number_of_readings() {
        let home = tempfile::tempdir().unwrap();
        let meters: u32 = 200;
        let mut records = vec![vec![issued(1)]];
        for meter in 1..=meters {
            let claimed = told(range(1, 1), 1, CertificateChange::Claimed { by: MeterId(meter) });
            let free = told(range(1, 1), 1, CertificateChange::Unclaimed { by: MeterId(meter) });
            records.extend([vec![read(meter, PERIOD.0)], vec![claimed], vec![free]]);
        }
        let last = records.len() as u64;
        let index = index_of(home.path(), records);
        let (mut heights, mut found, mut from, mut answers) = (Heights::default(), BTreeSet::new(), 0, 0);
        loop {
            let answer = records_of(&index, &mut heights, range(1, 1), from).unwrap();
            assert!(answer.looked_through.0 <= LOOK_UPS_PER_ANSWER + 1, "{:?}", answer.looked_through);
            found.extend(answer.seqs);
            answers += 1;
            let Some(next) = answer.next else { break };
            assert!(next > from);
            from = next;
        }
        assert_eq!(found, (1..=last).collect());
        assert!(answers > 6, "{answers}");
    }
}

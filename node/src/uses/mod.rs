//! What this validator read out under grants: for each use a record, durable before the answer goes out.
//!
//! It is the validator's own, and not on the ledger: it says what this one validator told, by its own word, and whoever asks all of them
//! hears all that honest ones told. It lies in a log of its own, chained and synced like the ledger's, and not in the query index, which may
//! be deleted at any time.
//!
//! What is kept grows by some 200 bytes with each use and is never let go of: how long it has to be kept is decided by whoever runs the validator, not
//! by this program.

mod text;

pub(crate) use text::UsesText;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gridbook_engine::{AccountId, MeterId};
use gridbook_ledger::bytes::{Reader, Writer};
use gridbook_ledger::store::{Disk, Log, LogIdentity, LogOptions, LogPosition, LogReader, Recovered, StoreError};

use crate::protocol::{USES_PER_ANSWER, Use, UsePage};

/// The log of uses, open for writing and reading.
#[derive(Debug)]
pub struct UseLog {
    log: Log,
    reader: LogReader,
    /// Where each meter's uses stand, oldest first.
    places: BTreeMap<MeterId, Vec<LogPosition>>,
}

/// Small segments: few validators are ever asked by anybody under a grant.
const SEGMENT_BYTES: u64 = 1 << 20;
/// The kind of its records, and the version of their bytes.
const USE: u8 = 1;

impl UseLog {
    /// Opens the log in a directory, or begins one there.
    ///
    /// # Errors
    /// As [`Log::open`]; [`StoreError::CorruptRecord`] if a record is whole and yet no use.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, identity: LogIdentity) -> Result<Self, StoreError> {
        let options = LogOptions { segment_bytes: SEGMENT_BYTES, ..LogOptions::default() };
        let (log, Recovered { start, .. }) = Log::open_on(disk, dir, identity, options)?;
        let reader = log.reader();
        let mut places: BTreeMap<MeterId, Vec<LogPosition>> = BTreeMap::new();
        let mut records = reader.read_from(start);
        while let Some(record) = records.advance()? {
            let used = read(dir, record.position, record.kind, record.payload)?;
            places.entry(used.meter).or_default().push(record.position);
        }
        Ok(Self { log, reader, places })
    }

    /// Notes what one answer tells. When this returns it is on the disk, and the answer may go out.
    ///
    /// # Errors
    /// What the system reports. It is final, as with any log.
    pub fn note(&mut self, uses: &[Use]) -> Result<(), StoreError> {
        let mut noted = Vec::with_capacity(uses.len());
        for used in uses {
            let mut w = Writer::new();
            used.write(&mut w);
            noted.push((used.meter, self.log.append(USE, w.as_slice())?));
        }
        self.log.sync()?;
        for (meter, position) in noted {
            self.places.entry(meter).or_default().push(position);
        }
        Ok(())
    }

    /// The uses of a meter while an account had it, from a number on; whoever has it is asked about when `account` is none.
    ///
    /// # Errors
    /// If a record does not hold any more.
    pub fn page(&self, meter: MeterId, account: Option<AccountId>, from: u64) -> Result<UsePage, StoreError> {
        let places = self.places.get(&meter).map_or(&[][..], Vec::as_slice);
        let first = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX).min(places.len());
        let end = first.saturating_add(USES_PER_ANSWER).min(places.len());
        let mut uses = Vec::new();
        for (number, position) in (first as u64 + 1..).zip(&places[first..end]) {
            let record = self.reader.record_at(*position)?;
            let used = read(Path::new("uses"), record.position, record.kind, &record.payload)?;
            if account.is_none_or(|account| account == used.account) {
                uses.push((number, used));
            }
        }
        Ok(UsePage { uses, next: (end < places.len()).then_some(end as u64 + 1) })
    }
}

fn read(dir: &Path, position: LogPosition, kind: u8, payload: &[u8]) -> Result<Use, StoreError> {
    let mut r = Reader::new(payload);
    let used = if kind == USE { Use::read(&mut r).ok() } else { None };
    let why = "the record is no use under a grant";
    let no_use = StoreError::CorruptRecord { path: dir.to_path_buf(), offset: position.offset, why };
    used.filter(|_| r.finish().is_ok()).ok_or(no_use)
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{DeliveryPeriod, LedgerTime};
    use gridbook_ledger::crypto::{Hash, PublicKey};
    use gridbook_ledger::registry::OrganisationId;
    use gridbook_ledger::store::{FactOwner, FactPlace, Fault, MemoryDisk, PowerCut};

    use super::*;
    use crate::protocol::QueryKind;

    const DIR: &str = "data/uses";
    const IDENTITY: LogIdentity = LogIdentity { chain: Hash([7; 32]), validator: 2 };

    fn open(disk: &Arc<MemoryDisk>) -> UseLog {
        UseLog::open(disk.clone(), Path::new(DIR), IDENTITY).unwrap()
    }

    /// The works read a meter's day at a moment, while an account had the meter.
    fn read_by_the_works(meter: u32, account: u32, at: u64) -> Use {
        let (meter, day) = (MeterId(meter), FactPlace::first_of(DeliveryPeriod(96)));
        Use {
            at: LedgerTime(at),
            meter,
            account: AccountId(account),
            key: PublicKey([5; 32]),
            organisation: Some(OrganisationId(0)),
            scope: 1,
            question: QueryKind::Facts { owner: FactOwner::Meter(meter), from: day, to: DeliveryPeriod(191) },
        }
    }

    fn moments(page: &UsePage) -> Vec<(u64, u64)> {
        page.uses.iter().map(|(number, used)| (*number, used.at.0)).collect()
    }

    /// The works read two meters in turn. Each owner is told what was read of his own, in the order in which it was read, and after a restart again.
    #[test]
    fn each_meter_has_its_own_uses_also_after_a_restart() {
        let disk = Arc::new(MemoryDisk::new());
        let mut log = open(&disk);
        for at in 1..=4 {
            log.note(&[read_by_the_works(at as u32 % 2, 9, at)]).unwrap();
        }
        let before = [log.page(MeterId(0), None, 0).unwrap(), log.page(MeterId(1), None, 0).unwrap()];
        assert_eq!(before.each_ref().map(moments), [vec![(1, 2), (2, 4)], vec![(1, 1), (2, 3)]]);
        assert_eq!(before[0].uses[1].1, read_by_the_works(0, 9, 4));
        drop(log);
        let again = open(&disk);
        assert_eq!([again.page(MeterId(0), None, 0).unwrap(), again.page(MeterId(1), None, 0).unwrap()], before);
        assert_eq!(again.page(MeterId(2), None, 0).unwrap(), UsePage::default());
    }

    /// A meter is sold together with the house. What was read of whoever lived there before is not the new owner's business, nor the other way round.
    #[test]
    fn an_owner_is_told_nothing_of_the_time_before_or_after_his() {
        let disk = Arc::new(MemoryDisk::new());
        let mut log = open(&disk);
        for (account, at) in [(3, 1), (3, 2), (8, 3), (3, 4)] {
            log.note(&[read_by_the_works(0, account, at)]).unwrap();
        }
        let of = |account| moments(&log.page(MeterId(0), Some(AccountId(account)), 0).unwrap());
        assert_eq!((of(3), of(8), of(4)), (vec![(1, 1), (2, 2), (4, 4)], vec![(3, 3)], vec![]));
    }

    /// The power goes in the very moment in which the answer goes out: what was told is noted.
    #[test]
    fn what_was_noted_survives_a_power_cut() {
        let disk = Arc::new(MemoryDisk::new());
        let mut log = open(&disk);
        for at in 1..=20 {
            log.note(&[read_by_the_works(0, 9, at)]).unwrap();
            let dark = Arc::new(disk.copy());
            dark.power_cut(PowerCut::LosesAll);
            let uses = open(&dark).page(MeterId(0), None, 0).unwrap().uses;
            assert_eq!(uses.last().map(|(number, used)| (*number, used.at.0)), Some((at, at)));
        }
    }

    /// The disk fails: the use is not noted, so the answer must not go out; nor any other before somebody has looked at the disk.
    #[test]
    fn what_cannot_be_noted_is_an_error_and_stays_one() {
        let disk = Arc::new(MemoryDisk::new());
        let mut log = open(&disk);
        disk.fail_at(disk.changes() + 1, Fault::SyncFails);
        log.note(&[read_by_the_works(0, 9, 1)]).unwrap_err();
        assert!(matches!(log.note(&[read_by_the_works(0, 9, 2)]), Err(StoreError::Poisoned)));
        assert_eq!(log.page(MeterId(0), None, 0).unwrap(), UsePage::default());
    }

    /// More than one answer holds: whoever asks on gets all of them, each once, whichever segment they lie in.
    #[test]
    fn a_long_list_comes_in_pages() {
        let disk = Arc::new(MemoryDisk::new());
        let mut log = open(&disk);
        let count = 2 * USES_PER_ANSWER as u64 + 1;
        for at in 1..=count {
            log.note(&[read_by_the_works(0, 9, at)]).unwrap();
        }
        let (mut told, mut from, mut pages) = (Vec::new(), Some(0), 0);
        while let Some(number) = from {
            let page = log.page(MeterId(0), Some(AccountId(9)), number).unwrap();
            told.extend(moments(&page));
            (from, pages) = (page.next, pages + 1);
        }
        assert_eq!((told, pages), ((1..=count).map(|at| (at, at)).collect(), 3));
        assert_eq!(log.page(MeterId(0), None, count + 1).unwrap(), UsePage::default());
        assert_eq!(log.page(MeterId(0), None, u64::MAX).unwrap(), UsePage::default());
    }

    /// A record that holds and says something else was written by another program: it is not passed over.
    #[test]
    fn a_record_that_is_no_use_is_refused() {
        for (kind, payload) in [(USE, &[1, 2, 3][..]), (9, &[])] {
            let disk = Arc::new(MemoryDisk::new());
            drop(open(&disk));
            let (mut log, _) = Log::open_on(disk.clone(), Path::new(DIR), IDENTITY, LogOptions::default()).unwrap();
            log.append(kind, payload).unwrap();
            log.sync().unwrap();
            let refused = UseLog::open(disk, Path::new(DIR), IDENTITY).unwrap_err();
            assert!(matches!(refused, StoreError::CorruptRecord { .. }), "{refused}");
        }
    }
}

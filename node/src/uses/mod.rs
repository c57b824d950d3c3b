//! What this validator read out under grants: for each use a record, durable before the answer goes out.
//!
//! It is the validator's own, and not on the ledger: it says what this one validator told, by its own word, and whoever asks all of them
//! hears all that honest ones told. It lies in a log of its own, chained and synced like the ledger's, and not in the query index, which may
//! be deleted at any time.
//!
//! A use has some 200 bytes on the disk and 20 in memory, and is kept for [`USE_KEPT_MS`] of ledger time. Then it is let go of together with the segment
//! that it stands in, as pruned log is: first a file that is written aside and renamed says where the log begins, then what lies before is removed. A
//! segment ends after a month, so that what may go does not wait for a busy day.

mod kept;
mod text;

pub(crate) use text::UsesText;

use std::path::Path;
use std::sync::Arc;

use gridbook_engine::{AccountId, LedgerTime, MeterId};
use gridbook_ledger::bytes::{Reader, Writer};
use gridbook_ledger::consent::{GRANT_MS_MAX, REMEMBERED_MS};
use gridbook_ledger::store::{
    Disk, Log, LogIdentity, LogOptions, LogPosition, LogReader, LogRecordRef, Recovered, StoreError,
};

use crate::protocol::{USES_PER_ANSWER, Use, UsePage};
use kept::Places;

/// The log of uses, open for writing and reading.
#[derive(Debug)]
pub struct UseLog {
    log: Log,
    reader: LogReader,
    places: Places,
}

/// How long a use is kept at least, in ledger milliseconds: as long as the longest grant lasts, and then as long as a grant that is over is
/// remembered. Whoever looks within a week of a grant's end sees everything that was read under it.
pub const USE_KEPT_MS: u64 = GRANT_MS_MAX + REMEMBERED_MS;
/// How long a segment is added to, in ledger milliseconds: by so much more a use may be kept.
pub const SEGMENT_MS: u64 = 30 * 86_400_000;

/// Small segments: few validators are ever asked by anybody under a grant.
const SEGMENT_BYTES: u64 = 1 << 20;
/// The kinds of its records, and the versions of their bytes: a use as an older program noted it, and one with its number before it.
const USE: u8 = 1;
const NUMBERED_USE: u8 = 2;

impl UseLog {
    /// Opens the log in a directory, or begins one there.
    ///
    /// # Errors
    /// As [`Log::open`]; [`StoreError::CorruptRecord`] if a record is whole and yet no use.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, identity: LogIdentity) -> Result<Self, StoreError> {
        let options = LogOptions { segment_bytes: SEGMENT_BYTES, ..LogOptions::default() };
        let (log, Recovered { start, .. }) = Log::open_on(disk, dir, identity, options)?;
        let reader = log.reader();
        let mut places = Places::default();
        let mut records = reader.read_from(start);
        while let Some(LogRecordRef { position, kind, payload }) = records.advance()? {
            let (number, used) = read(dir, position, kind, payload)?;
            let number = number.unwrap_or_else(|| places.next_number(used.meter));
            if !places.note(used.meter, number, used.at, position) {
                return Err(corrupt(dir, position, "the use has a number that it cannot have"));
            }
        }
        Ok(Self { log, reader, places })
    }

    /// Notes what one answer tells. When this returns it is on the disk, and the answer may go out.
    ///
    /// # Errors
    /// What the system reports. It is final, as with any log.
    pub fn note(&mut self, uses: &[Use]) -> Result<(), StoreError> {
        let Some(first) = uses.first() else { return Ok(()) };
        let is_old = |segment: &kept::SegmentUses| first.at.0 >= segment.began.0.saturating_add(SEGMENT_MS);
        if self.places.newest_segment().is_some_and(is_old) {
            self.log.end_segment()?;
        }
        let mut noted: Vec<(MeterId, u64, LedgerTime, LogPosition)> = Vec::with_capacity(uses.len());
        for used in uses {
            let before = noted.iter().filter(|(meter, ..)| *meter == used.meter).count() as u64;
            let number = self.places.next_number(used.meter) + before;
            let mut w = Writer::new();
            used.write(w.u64(number));
            noted.push((used.meter, number, used.at, self.log.append(NUMBERED_USE, w.as_slice())?));
        }
        self.log.sync()?;
        for (meter, number, at, position) in noted {
            assert!(self.places.note(meter, number, at, position), "it is the next number");
        }
        Ok(())
    }

    /// Lets go of uses that are older than [`USE_KEPT_MS`] at a moment, if a whole segment is: of one segment, so that a step is short however much was
    /// read. True if there may be more to let go of.
    ///
    /// # Errors
    /// What the system reports. It is final, as with any log; a removal that was begun is finished when the log is next opened.
    pub fn let_go(&mut self, now: LedgerTime) -> Result<bool, StoreError> {
        let Some(oldest) = self.places.oldest_segment() else { return Ok(false) };
        if now.0 < oldest.newest.0.saturating_add(USE_KEPT_MS) {
            return Ok(false);
        }
        let number = oldest.number;
        if self.log.end().segment == number {
            self.log.end_segment()?;
        }
        self.log.prune(number + 1)?;
        self.places.forget_oldest_segment();
        Ok(true)
    }

    /// The uses of a meter while an account had it, from a number on; whoever has it is asked about when `account` is none.
    ///
    /// # Errors
    /// If a record does not hold any more.
    pub fn page(&self, meter: MeterId, account: Option<AccountId>, from: u64) -> Result<UsePage, StoreError> {
        let (places, next) = self.places.page(meter, from, USES_PER_ANSWER);
        let mut uses = Vec::new();
        for (number, position) in places {
            let record = self.reader.record_at(position)?;
            let (_, used) = read(Path::new("uses"), record.position, record.kind, &record.payload)?;
            if account.is_none_or(|account| account == used.account) {
                uses.push((number, used));
            }
        }
        Ok(UsePage { uses, next })
    }
}

fn read(dir: &Path, position: LogPosition, kind: u8, payload: &[u8]) -> Result<(Option<u64>, Use), StoreError> {
    let mut r = Reader::new(payload);
    let used = match kind {
        USE => Use::read(&mut r).map(|used| (None, used)).ok(),
        NUMBERED_USE => r.u64().and_then(|number| Ok((Some(number), Use::read(&mut r)?))).ok(),
        _ => None,
    };
    used.filter(|_| r.finish().is_ok()).ok_or_else(|| corrupt(dir, position, "the record is no use under a grant"))
}

fn corrupt(dir: &Path, position: LogPosition, why: &'static str) -> StoreError {
    StoreError::CorruptRecord { path: dir.to_path_buf(), offset: position.offset, why }
}

#[cfg(test)]
mod tests;

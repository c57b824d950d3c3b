//! Reading records while the log grows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::frame::CHAIN_BYTES;
use super::scan::{Scan, Step};
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use super::{LogIdentity, LogPosition};
use crate::crypto::Hash;
use crate::store::{Disk, StoreError};

/// Reads what is written to the log's files (perhaps not yet synced), from any thread. Clones are cheap.
#[derive(Clone, Debug)]
pub struct LogReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    identity: LogIdentity,
    readable: Readable,
    /// Whether where the records end is not known: they are read until nothing more is written.
    survey: bool,
}

/// A record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Where it stands.
    pub position: LogPosition,
    /// Its kind.
    pub kind: u8,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A record as it lies in the reader's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecordRef<'a> {
    /// Where it stands.
    pub position: LogPosition,
    /// Its kind.
    pub kind: u8,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// The records from a place on, each checked against the chain. Ends where the log ends; asked again later, it goes on
/// with what was written since.
#[derive(Debug)]
pub struct LogRecords {
    reader: LogReader,
    position: LogPosition,
    scan: Option<Scan>,
    failed: bool,
}

/// From where to where the files can be read, shared between the log and its readers.
#[derive(Clone, Debug)]
pub(super) struct Readable(Arc<Mutex<(LogPosition, LogPosition)>>);

impl Readable {
    pub(super) fn new(start: LogPosition, end: LogPosition) -> Self {
        Self(Arc::new(Mutex::new((start, end))))
    }

    pub(super) fn advance(&self, end: LogPosition) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = end;
    }

    /// Segments before this one are about to be removed.
    pub(super) fn begin(&self, segment: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = LogPosition::start_of(segment);
    }

    pub(super) fn start(&self) -> LogPosition {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn end(&self) -> LogPosition {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

impl LogReader {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, identity: LogIdentity, readable: Readable) -> Self {
        Self { disk, dir, identity, readable, survey: false }
    }

    pub(super) fn surveying(self) -> Self {
        Self { survey: true, ..self }
    }

    /// Where the written records end.
    pub fn end(&self) -> LogPosition {
        self.readable.end()
    }

    /// Where the first record stands.
    pub fn start(&self) -> LogPosition {
        self.readable.start()
    }

    /// The records from a place on, which must be where a record begins or the end.
    pub fn read_from(&self, position: LogPosition) -> LogRecords {
        LogRecords { reader: self.clone(), position, scan: None, failed: false }
    }

    /// The one record at a place.
    ///
    /// # Errors
    /// [`StoreError::NoRecord`] at or beyond the end; [`StoreError::CorruptRecord`] if it does not hold or none begins
    /// there.
    pub fn record_at(&self, position: LogPosition) -> Result<LogRecord, StoreError> {
        let missing = || StoreError::NoRecord { position, end: self.end() };
        self.read_from(position).next().ok_or_else(missing)?
    }

    /// Opens a segment at an offset; what stands right before it is the chain hash to continue from.
    fn open_at(&self, position: LogPosition) -> Result<Scan, StoreError> {
        if position < self.start() {
            return Err(StoreError::Pruned { position, start: self.start() });
        }
        let path = segment::path(&self.dir, position.segment);
        let file = self.disk.open(&path).map_err(|e| StoreError::io("open", &path, e))?;
        let header = SegmentHeader::read(&*file, &path, self.identity)?;
        let mut chain = Hash::ZERO;
        let before = position.offset.checked_sub(CHAIN_BYTES).filter(|_| position.offset >= HEADER_BYTES);
        let before = before.ok_or(StoreError::NoRecord { position, end: self.end() })?;
        file.read_at(&mut chain.0, before).map_err(|e| StoreError::io("read", &path, e))?;
        Ok(Scan::new(file, &header, position.offset, chain))
    }
}

impl LogRecordRef<'_> {
    /// A copy.
    pub fn to_owned(self) -> LogRecord {
        LogRecord { position: self.position, kind: self.kind, payload: self.payload.to_vec() }
    }
}

impl LogRecords {
    /// Where the next record will be looked for.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// The next record without copying its payload. Nothing at the end of the log.
    ///
    /// # Errors
    /// [`StoreError::CorruptRecord`] if a record does not hold, and what the system reports.
    pub fn advance(&mut self) -> Result<Option<LogRecordRef<'_>>, StoreError> {
        loop {
            let end = self.reader.end();
            if self.position >= end {
                return Ok(None);
            }
            if self.scan.is_none() {
                self.scan = Some(self.reader.open_at(self.position)?);
            }
            let scan = self.scan.as_mut().expect("it was just made");
            scan.stop_at(if self.position.segment == end.segment { end.offset } else { u64::MAX });
            let step = scan.step();
            let path = || segment::path(&self.reader.dir, self.position.segment);
            match step.map_err(|e| StoreError::io("read", &path(), e))? {
                Step::Record { offset, kind, payload, .. } => {
                    let position = LogPosition { segment: self.position.segment, offset };
                    self.position.offset = scan.offset;
                    let scan = self.scan.as_ref().expect("it was just used");
                    return Ok(Some(LogRecordRef { position, kind, payload: scan.payload(payload) }));
                }
                Step::End { .. } if self.position.segment < end.segment => self.next_segment()?,
                Step::End { .. } if self.reader.survey => return Ok(None),
                Step::End { .. } => return Err(self.corrupt("nothing is written there")),
                Step::Broken(why) => return Err(self.corrupt(why)),
            }
        }
    }

    fn next_segment(&mut self) -> Result<(), StoreError> {
        let ended = self.scan.take().map(|scan| scan.chain);
        let next = LogPosition { segment: self.position.segment + 1, offset: HEADER_BYTES };
        let scan = self.reader.open_at(next)?;
        if ended.is_some_and(|chain| chain != scan.chain) {
            return Err(self.corrupt("the next segment continues from another chain hash"));
        }
        self.position = next;
        self.scan = Some(scan);
        Ok(())
    }

    fn corrupt(&self, why: &'static str) -> StoreError {
        StoreError::CorruptRecord { path: self.path(), offset: self.position.offset, why }
    }

    fn path(&self) -> PathBuf {
        segment::path(&self.reader.dir, self.position.segment)
    }
}

impl Iterator for LogRecords {
    type Item = Result<LogRecord, StoreError>;

    /// Ends after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.advance().map(|found| found.map(LogRecordRef::to_owned));
        self.failed = record.is_err();
        record.transpose()
    }
}

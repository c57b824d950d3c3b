//! The log: records that are appended, chained and never changed.
//!
//! **Files.** Segments of a fixed, reserved size (64 MiB unless told otherwise), named by their number. A segment is
//! written aside and renamed, so it never stands there with half a header; the one before it is synced first. The chain
//! of a segment's first record continues from its header, which carries the chain hash where the segment before ended.
//!
//! **Records.** A 24-byte frame (where the segment was synced through when the record was appended, length, kind, and a
//! checksum over these and the place), the payload, padding to 8 bytes, and the chain hash over the previous chain
//! hash, kind and payload. A length is only believed when its frame's checksum holds. After each sync a *mark* is left
//! at the end, not synced itself: a frame without a record that says how far the segment is synced. The next record
//! takes its place.
//!
//! **Torn or corrupt?** A power cut may leave any part of what was not synced, in any order: a hole with whole records
//! behind it is no proof of damage. But whatever says "synced through X" was written after that sync returned, so it is
//! true wherever it is found. Recovery reads the last segment up to the first place that does not hold. If anything
//! behind it says that this place had been synced, or the caller knows it from elsewhere ([`LogOptions::must_reach`]),
//! a synced record is damaged and the log is refused ([`StoreError::CorruptRecord`]). Otherwise nobody was promised
//! what comes after, and it is cut off and reported ([`TornTail`]). In any other segment every record was synced before
//! the next segment was made, so whatever does not hold is damage. What cannot be told apart: damage to the last synced
//! group together with the loss of its mark, unless `must_reach` tells.
//!
//! **Opening again.** Whole records that are not proven synced are written once more and synced before [`Log::open`]
//! returns: after a failed sync the page cache may show bytes that the disk never got.

mod first;
mod frame;
mod reader;
mod recovery;
mod scan;
mod segment;
mod survey;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use frame::RECORD_OVERHEAD_BYTES;
pub use reader::{LogReader, LogRecord, LogRecordRef, LogRecords};
pub use recovery::TornTail;
pub use survey::{LogSurvey, SurveyedSegment};

use self::frame::MARK_BYTES;
use self::reader::Readable;
use self::segment::{HEADER_BYTES, SegmentHeader};
use super::disk::write_aside;
use super::{Disk, DiskFile, LogIdentity, StdDisk, StoreError};
use crate::crypto::Hash;

/// Size of a segment unless told otherwise: 64 MiB.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// A place in the log where a record begins or will begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Number of the segment, from 0.
    pub segment: u64,
    /// Byte in the segment's file.
    pub offset: u64,
}

impl LogPosition {
    /// Where the first record stands.
    pub const START: Self = Self { segment: 0, offset: HEADER_BYTES };

    /// Sixteen bytes, little-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.segment.to_le_bytes());
        bytes[8..].copy_from_slice(&self.offset.to_le_bytes());
        bytes
    }

    /// Reads what [`LogPosition::to_bytes`] wrote.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let value = u128::from_le_bytes(bytes);
        Self { segment: (value & u128::from(u64::MAX)) as u64, offset: (value >> 64) as u64 }
    }
}

impl LogPosition {
    /// Where the first record of a segment stands.
    pub(super) const fn start_of(segment: u64) -> Self {
        Self { segment, offset: HEADER_BYTES }
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} byte {}", self.segment, self.offset)
    }
}

/// How to open a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Size of new segments in bytes; a record with its overhead must fit into one.
    pub segment_bytes: u64,
    /// Appended bytes are written to the file once there are so many, at the latest by a sync.
    pub buffer_bytes: usize,
    /// How far the log is known to have been synced, from a checkpoint or the safety record: an end before it is an
    /// error.
    pub must_reach: Option<LogPosition>,
    /// Segments that end before this place are checked by their headers only. Their records are still checked whenever
    /// they are read.
    pub verify_from: LogPosition,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, buffer_bytes: 1 << 20, must_reach: None, verify_from: LogPosition::START }
    }
}

/// What opening a log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Where the first record stands: segments before it were removed by [`Log::prune`].
    pub start: LogPosition,
    /// Where the next record will stand.
    pub end: LogPosition,
    /// The chain hash there.
    pub head: Hash,
    /// How many records were verified, from [`LogOptions::verify_from`]'s segment on.
    pub records: u64,
    /// What was cut off, if anything.
    pub torn: Option<TornTail>,
}

/// The log, open for appending. One per directory; dropping it without a sync loses what was not synced.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    identity: LogIdentity,
    options: LogOptions,
    segment: SegmentHeader,
    file: Box<dyn DiskFile>,
    chain: Hash,
    /// Records not yet written, which begin at `written`.
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    readable: Readable,
    poisoned: bool,
}

impl Log {
    /// Opens the log in a directory, or begins one there, and repairs its end.
    ///
    /// # Errors
    /// Every way in which the files can be wrong has its own [`StoreError`]; see the module's text for the rule.
    pub fn open(dir: &Path, identity: LogIdentity, options: LogOptions) -> Result<(Self, Recovered), StoreError> {
        Self::open_on(Arc::new(StdDisk), dir, identity, options)
    }

    /// Like [`Log::open`], on any disk.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        identity: LogIdentity,
        options: LogOptions,
    ) -> Result<(Self, Recovered), StoreError> {
        let tail = recovery::recover(&*disk, dir, identity, &options)?;
        let written = tail.found.end.offset;
        let log = Self {
            readable: Readable::new(tail.found.start, tail.found.end),
            disk,
            dir: dir.to_path_buf(),
            identity,
            options,
            segment: tail.segment,
            file: tail.file,
            chain: tail.found.head,
            buffer: Vec::new(),
            written,
            synced: written,
            poisoned: false,
        };
        Ok((log, tail.found))
    }

    /// Appends a record and says where it stands. It is durable after the next [`Log::sync`].
    ///
    /// # Errors
    /// [`StoreError::TooLong`] leaves the log as it was; any other error poisons it.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<LogPosition, StoreError> {
        self.refuse_if_poisoned()?;
        let needed = frame::record_bytes(payload.len()) + MARK_BYTES;
        let room = self.options.segment_bytes.saturating_sub(HEADER_BYTES).min(u64::from(frame::LENGTH_MAX));
        if needed > room {
            return Err(StoreError::TooLong { bytes: needed, limit_bytes: room });
        }
        if self.end().offset + needed > self.segment.capacity_bytes {
            self.poison_on_error(Self::begin_segment)?;
        }
        let position = self.end();
        let place = frame::Place { salt: self.segment.salt(), offset: position.offset, synced: self.synced };
        self.chain = frame::encode(&mut self.buffer, place, kind, payload, self.chain);
        if self.buffer.len() >= self.options.buffer_bytes {
            self.poison_on_error(Self::write_buffer)?;
        }
        Ok(position)
    }

    /// Makes every appended record durable, with one `fdatasync`. Does nothing if there is nothing new.
    ///
    /// # Errors
    /// Any error poisons the log: what is on disk is not known, and a second sync would lie.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        if self.synced == self.end().offset {
            return Ok(());
        }
        self.poison_on_error(|log| {
            log.sync_segment()?;
            log.leave_mark()
        })
    }

    /// Ends the segment that is written to: what is appended next stands in a new one, and [`Log::prune`] can remove this one. Does nothing where no
    /// record stands in it.
    ///
    /// # Errors
    /// Any error poisons the log.
    pub fn end_segment(&mut self) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        if self.end() == LogPosition::start_of(self.segment.number) {
            return Ok(());
        }
        self.poison_on_error(Self::begin_segment)
    }

    /// Removes the segments before segment `first`, for good; never the one that is written to. From now on the log begins there.
    ///
    /// # Errors
    /// Any error poisons the log. A removal that was begun is finished when the log is next opened.
    pub fn prune(&mut self, first: u64) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        let first = first.min(self.segment.number);
        if first <= self.readable.start().segment {
            return Ok(());
        }
        self.poison_on_error(|log| {
            first::write(&*log.disk, &log.dir, log.identity, first)?;
            log.readable.begin(first);
            first::remove_before(&*log.disk, &log.dir, first)
        })
    }

    /// Where the first record stands.
    pub fn start(&self) -> LogPosition {
        self.readable.start()
    }

    /// Where the next record will stand.
    pub fn end(&self) -> LogPosition {
        LogPosition { segment: self.segment.number, offset: self.written + self.buffer.len() as u64 }
    }

    /// Everything before this place is durable. Kept in the safety record or a checkpoint, it is
    /// [`LogOptions::must_reach`] of the next start.
    pub fn synced(&self) -> LogPosition {
        LogPosition { segment: self.segment.number, offset: self.synced }
    }

    /// The chain hash at the end: it stands for every record of the log.
    pub fn head(&self) -> Hash {
        self.chain
    }

    /// A reader of what is written to the files, for any thread.
    pub fn reader(&self) -> LogReader {
        LogReader::new(self.disk.clone(), self.dir.clone(), self.identity, self.readable.clone())
    }

    fn refuse_if_poisoned(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn poison_on_error(&mut self, act: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let result = act(self);
        self.poisoned |= result.is_err();
        result
    }

    fn write_buffer(&mut self) -> Result<(), StoreError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.write_at(&self.buffer, self.written).map_err(|e| self.io_error("write", e))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.readable.advance(self.end());
        Ok(())
    }

    fn sync_segment(&mut self) -> Result<(), StoreError> {
        self.write_buffer()?;
        self.file.sync().map_err(|e| self.io_error("sync", e))?;
        self.synced = self.written;
        Ok(())
    }

    fn leave_mark(&mut self) -> Result<(), StoreError> {
        let mark = frame::encode_mark(self.segment.salt(), self.synced);
        self.file.write_at(&mark, self.synced).map_err(|e| self.io_error("write", e))
    }

    /// The next segment, after everything in this one was synced.
    fn begin_segment(&mut self) -> Result<(), StoreError> {
        self.sync_segment()?;
        let number = self.segment.number + 1;
        let (segment, file) =
            create_segment(&*self.disk, &self.dir, self.identity, number, self.options.segment_bytes, self.chain)?;
        self.segment = segment;
        self.file = file;
        self.written = HEADER_BYTES;
        self.synced = HEADER_BYTES;
        self.readable.advance(self.end());
        Ok(())
    }

    fn io_error(&self, what: &'static str, error: std::io::Error) -> StoreError {
        StoreError::io(what, &segment::path(&self.dir, self.segment.number), error)
    }
}

fn create_segment(
    disk: &dyn Disk,
    dir: &Path,
    identity: LogIdentity,
    number: u64,
    capacity_bytes: u64,
    chain_before: Hash,
) -> Result<(SegmentHeader, Box<dyn DiskFile>), StoreError> {
    let header = SegmentHeader::new(identity, number, capacity_bytes, chain_before);
    let file = write_aside(disk, &segment::path(dir, number), capacity_bytes, &[&header.encode()])?;
    Ok((header, file))
}

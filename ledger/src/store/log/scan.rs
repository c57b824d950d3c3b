//! Reading a segment from front to back in large pieces.

use std::io;
use std::ops::Range;

use super::frame::{self, CHAIN_BYTES, FRAME_BYTES, Frame, Salt};
use super::segment::SegmentHeader;
use crate::crypto::Hash;
use crate::store::DiskFile;

/// How much is read at once.
pub(super) const WINDOW_BYTES: u64 = 256 << 10;

/// A walk over the records of one segment.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) file: Box<dyn DiskFile>,
    salt: Salt,
    /// Where the next record should stand.
    pub(super) offset: u64,
    /// The chain hash there.
    pub(super) chain: Hash,
    /// Nothing is read beyond.
    limit: u64,
    capacity_bytes: u64,
    window: Vec<u8>,
    window_start: u64,
}

/// The next thing in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record that holds. Its payload is [`Scan::payload`] of the range.
    Record { offset: u64, kind: u8, synced: u64, payload: Range<usize> },
    /// No more records; how far the segment says it is synced, if it does.
    End { mark: Option<u64> },
    /// Something that is not a whole record; why.
    Broken(&'static str),
}

impl Scan {
    /// Begins at `offset`, before which `chain` stands.
    pub(super) fn new(file: Box<dyn DiskFile>, header: &SegmentHeader, offset: u64, chain: Hash) -> Self {
        let capacity_bytes = header.capacity_bytes;
        let salt = header.salt();
        Self { file, salt, offset, chain, limit: capacity_bytes, capacity_bytes, window: Vec::new(), window_start: 0 }
    }

    /// Reads nothing beyond `limit`: there the file is still being written.
    pub(super) fn stop_at(&mut self, limit: u64) {
        self.limit = limit.min(self.capacity_bytes);
    }

    /// Reads on. After [`Step::End`] or [`Step::Broken`] it stays where it is.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        let Some(at) = self.fill(FRAME_BYTES)? else { return self.short_end() };
        let bytes = self.window[at..].first_chunk().expect("fill made them available");
        match frame::decode(self.salt, self.offset, bytes) {
            Frame::Unwritten => Ok(Step::End { mark: None }),
            Frame::Mark { synced } if synced == self.offset => Ok(Step::End { mark: Some(synced) }),
            Frame::Mark { .. } | Frame::Damaged => Ok(Step::Broken("its frame's checksum does not hold")),
            Frame::Record { synced, kind, length } => self.record(synced, kind, length as usize),
        }
    }

    /// The bytes of the last step's payload.
    pub(super) fn payload(&self, range: Range<usize>) -> &[u8] {
        &self.window[range]
    }

    fn record(&mut self, synced: u64, kind: u8, length: usize) -> io::Result<Step> {
        let total = frame::record_bytes(length);
        let Some(at) = self.fill(total)? else { return Ok(Step::Broken("it is cut short")) };
        let record = &self.window[at..at + total as usize];
        let (body, chain) = record.split_at(record.len() - CHAIN_BYTES as usize);
        let (payload, padding) = body[FRAME_BYTES as usize..].split_at(length);
        if padding.iter().any(|byte| *byte != 0) {
            return Ok(Step::Broken("its padding is not zero"));
        }
        let expected = frame::chain_after(self.chain, kind, payload);
        if chain != expected.0 {
            return Ok(Step::Broken("its chain hash does not hold"));
        }
        let offset = self.offset;
        self.chain = expected;
        self.offset += total;
        let start = at + FRAME_BYTES as usize;
        Ok(Step::Record { offset, kind, synced, payload: start..start + length })
    }

    /// Fewer bytes are left than a frame has: unwritten if they are zero.
    fn short_end(&mut self) -> io::Result<Step> {
        let mut rest = [0; FRAME_BYTES as usize];
        let available = self.limit.saturating_sub(self.offset).min(FRAME_BYTES) as usize;
        let count = self.file.read_at(&mut rest[..available], self.offset)?;
        let zero = rest[..count].iter().all(|byte| *byte == 0);
        Ok(if zero { Step::End { mark: None } } else { Step::Broken("its frame is cut short") })
    }

    /// Makes `count` bytes from the current offset available, and says where in the window; nothing if they are not
    /// there.
    fn fill(&mut self, count: u64) -> io::Result<Option<usize>> {
        let end = self.offset + count;
        if self.offset < self.window_start || end > self.window_start + self.window.len() as u64 {
            if end > self.limit {
                return Ok(None);
            }
            let wanted = count.max(WINDOW_BYTES).min(self.limit - self.offset);
            self.window.resize(usize::try_from(wanted).expect("a segment fits into memory"), 0);
            self.window_start = self.offset;
            let read = self.file.read_at(&mut self.window, self.offset)?;
            self.window.truncate(read);
        }
        let at = (self.offset - self.window_start) as usize;
        Ok((at as u64 + count <= self.window.len() as u64).then_some(at))
    }
}

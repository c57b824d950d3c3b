//! Opening a log: are its segments all there, does every record hold, where does it end?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::first;
use super::frame::{self, ALIGNMENT, FRAME_BYTES, Frame, MARK_BYTES};
use super::scan::{Scan, Step, WINDOW_BYTES};
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use super::{LogIdentity, LogOptions, LogPosition, Recovered, create_segment};
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::store::disk::remove_asides;
use crate::store::{Disk, DiskFile, StoreError};

/// What was cut off the end of the log because it was never synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Where the log now ends.
    pub at: LogPosition,
    /// How many bytes behind that held something.
    pub bytes: u64,
    /// What did not hold there.
    pub why: &'static str,
}

/// The end of a log, ready to go on from.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) segment: SegmentHeader,
    pub(super) file: Box<dyn DiskFile>,
    pub(super) found: Recovered,
}

/// Verifies the log, cuts its torn tail, and makes durable what is left.
pub(super) fn recover(
    disk: &dyn Disk,
    dir: &Path,
    identity: LogIdentity,
    options: &LogOptions,
) -> Result<Tail, StoreError> {
    disk.create_dir(dir).map_err(|e| StoreError::io("make the directory", dir, e))?;
    let names = disk.list(dir).map_err(|e| StoreError::io("list the directory", dir, e))?;
    remove_asides(disk, dir, &names)?;
    let first = first::read(disk, dir, identity)?;
    first::remove_before(disk, dir, first)?;
    let names = disk.list(dir).map_err(|e| StoreError::io("list the directory", dir, e))?;
    let segments = read_headers(disk, dir, identity, &names, first)?;
    let tail = match segments.last() {
        None if first > 0 => return Err(StoreError::MissingSegment { dir: dir.to_path_buf(), number: first }),
        None => begin(disk, dir, identity, options)?,
        Some(last) => {
            // A segment whose name never became durable would vanish with all that is synced into it.
            disk.sync_dir(dir).map_err(|e| StoreError::io("sync the directory", dir, e))?;
            let records = verify_closed(disk, dir, &segments, options)?;
            let mut tail = LastSegment::open(disk, dir, *last)?.recover(options, records)?;
            tail.found.start = LogPosition::start_of(first);
            tail
        }
    };
    let end = tail.found.end;
    match options.must_reach.filter(|must_reach| *must_reach > end) {
        Some(must_reach) => Err(StoreError::EndsEarly { dir: dir.to_path_buf(), end, must_reach }),
        None => Ok(tail),
    }
}

fn begin(disk: &dyn Disk, dir: &Path, identity: LogIdentity, options: &LogOptions) -> Result<Tail, StoreError> {
    let head = segment::first_chain(identity);
    let (segment, file) = create_segment(disk, dir, identity, 0, options.segment_bytes, head)?;
    Ok(Tail {
        segment,
        file,
        found: Recovered { start: LogPosition::START, end: LogPosition::START, head, records: 0, torn: None },
    })
}

/// The headers in order, if each number from `first` is there once and under its own name.
fn read_headers(
    disk: &dyn Disk,
    dir: &Path,
    identity: LogIdentity,
    names: &[String],
    first: u64,
) -> Result<Vec<SegmentHeader>, StoreError> {
    let mut found: BTreeMap<u64, (PathBuf, SegmentHeader)> = BTreeMap::new();
    for name in names.iter().filter(|name| segment::is_segment_name(name)) {
        let path = dir.join(name);
        let file = disk.open(&path).map_err(|e| StoreError::io("open", &path, e))?;
        let header = SegmentHeader::read(&*file, &path, identity)?;
        if let Some((first, _)) = found.insert(header.number, (path.clone(), header)) {
            return Err(StoreError::DuplicatedSegment { first, second: path });
        }
    }
    let swapped = found.iter().find(|(number, (path, _))| *path != segment::path(dir, **number));
    if let Some((number, (path, _))) = swapped {
        return Err(StoreError::SwappedSegment { path: path.clone(), found: *number });
    }
    for (expected, number) in (first..).zip(found.keys()) {
        if expected != *number {
            return Err(StoreError::MissingSegment { dir: dir.to_path_buf(), number: expected });
        }
    }
    Ok(found.into_values().map(|(_, header)| header).collect())
}

/// Every segment but the last was synced before the next was made: each record must hold, up to the chain hash the next
/// begins with.
fn verify_closed(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[SegmentHeader],
    options: &LogOptions,
) -> Result<u64, StoreError> {
    let mut records = 0;
    for pair in segments.windows(2).skip_while(|pair| pair[1].number <= options.verify_from.segment) {
        let path = segment::path(dir, pair[0].number);
        let mut scan = open_scan(disk, &path, pair[0])?;
        let why = loop {
            match scan.step().map_err(|e| StoreError::io("read", &path, e))? {
                Step::Record { .. } => records += 1,
                Step::End { .. } => break "the records end before the next segment begins",
                Step::Broken(why) => break why,
            }
        };
        if scan.chain != pair[1].chain_before {
            return Err(StoreError::CorruptRecord { path, offset: scan.offset, why });
        }
    }
    Ok(records)
}

fn open_scan(disk: &dyn Disk, path: &Path, header: SegmentHeader) -> Result<Scan, StoreError> {
    let file = disk.open(path).map_err(|e| StoreError::io("open", path, e))?;
    Ok(Scan::new(file, &header, HEADER_BYTES, header.chain_before))
}

struct LastSegment {
    path: PathBuf,
    header: SegmentHeader,
    scan: Scan,
}

/// What is in a segment behind the place where its records end.
#[derive(Default)]
struct Behind {
    /// End of the last byte that is not zero; 0 if all are.
    nonzero_end: u64,
    /// The highest place that anything behind says was synced.
    synced: u64,
}

impl LastSegment {
    fn open(disk: &dyn Disk, dir: &Path, header: SegmentHeader) -> Result<Self, StoreError> {
        let path = segment::path(dir, header.number);
        let scan = open_scan(disk, &path, header)?;
        Ok(Self { path, header, scan })
    }

    fn recover(mut self, options: &LogOptions, mut records: u64) -> Result<Tail, StoreError> {
        let mut proven = HEADER_BYTES;
        let (mark, why) = loop {
            match self.scan.step().map_err(|e| self.error("read", e))? {
                Step::Record { synced, .. } => {
                    records += 1;
                    proven = synced;
                }
                Step::End { mark } => break (mark, "nothing is written there"),
                Step::Broken(why) => break (None, why),
            }
        };
        let end = LogPosition { segment: self.header.number, offset: self.scan.offset };
        let behind = self.look_behind(end.offset + mark.map_or(0, |_| MARK_BYTES))?;
        let torn = (behind.nonzero_end > end.offset).then_some(TornTail {
            at: end,
            bytes: behind.nonzero_end.saturating_sub(end.offset),
            why,
        });
        let promised = options.must_reach.is_some_and(|must_reach| must_reach > end);
        let refused = torn.is_some() && omits(Defect::TornTailRefused);
        if behind.synced > end.offset || (promised && torn.is_some()) || refused {
            return Err(StoreError::CorruptRecord { path: self.path, offset: end.offset, why });
        }
        if !promised {
            self.make_durable(mark.unwrap_or(proven), end.offset, behind.nonzero_end, mark)?;
        }
        let found = Recovered { start: LogPosition::START, end, head: self.scan.chain, records, torn };
        Ok(Tail { segment: self.header, file: self.scan.file, found })
    }

    /// Looks at every place behind the end where a frame could stand.
    fn look_behind(&self, start: u64) -> Result<Behind, StoreError> {
        let mut behind = Behind::default();
        let zeros = vec![0; WINDOW_BYTES as usize];
        let mut window = zeros.clone();
        let mut offset = start;
        loop {
            let count = self.scan.file.read_at(&mut window, offset).map_err(|e| self.error("read", e))?;
            let read = &window[..count];
            // Mostly it is the reserved space: one comparison settles that.
            if read != &zeros[..count]
                && let Some(last) = read.iter().rposition(|byte| *byte != 0)
            {
                behind.nonzero_end = offset + last as u64 + 1;
                behind.synced = behind.synced.max(self.highest_synced(read, offset));
            }
            if count < window.len() {
                return Ok(behind);
            }
            // A frame may lie across two windows.
            offset += WINDOW_BYTES - FRAME_BYTES;
        }
    }

    fn highest_synced(&self, bytes: &[u8], start: u64) -> u64 {
        let frames = bytes.windows(FRAME_BYTES as usize).step_by(ALIGNMENT as usize);
        let offsets = (start..).step_by(ALIGNMENT as usize);
        let synced = frames.zip(offsets).filter_map(|(bytes, offset)| {
            match frame::decode(self.header.salt(), offset, bytes.try_into().ok()?) {
                Frame::Mark { synced } | Frame::Record { synced, .. } => Some(synced),
                Frame::Unwritten | Frame::Damaged => None,
            }
        });
        synced.max().unwrap_or(0)
    }

    /// Clears what is behind the end, writes again what no sync is known of, syncs, and leaves the mark.
    fn make_durable(&self, proven: u64, end: u64, nonzero_end: u64, mark: Option<u64>) -> Result<(), StoreError> {
        let file = &*self.scan.file;
        let size = file.size_bytes().map_err(|e| self.error("measure", e))?;
        if mark.is_some() && nonzero_end <= end && size >= self.header.capacity_bytes {
            return Ok(());
        }
        file.allocate(self.header.capacity_bytes).map_err(|e| self.error("reserve space", e))?;
        self.rewrite(end, nonzero_end.max(end), |bytes| bytes.fill(0))?;
        self.rewrite(proven, end, |_| {})?;
        file.sync().map_err(|e| self.error("sync", e))?;
        let mark = frame::encode_mark(self.header.salt(), end);
        file.write_at(&mark, end).map_err(|e| self.error("write", e))
    }

    fn rewrite(&self, start: u64, end: u64, change: impl Fn(&mut [u8])) -> Result<(), StoreError> {
        let mut offset = start;
        while offset < end {
            let mut bytes = vec![0; (end - offset).min(WINDOW_BYTES) as usize];
            self.scan.file.read_at(&mut bytes, offset).map_err(|e| self.error("read", e))?;
            change(&mut bytes);
            self.scan.file.write_at(&bytes, offset).map_err(|e| self.error("write", e))?;
            offset += bytes.len() as u64;
        }
        Ok(())
    }

    fn error(&self, what: &'static str, error: std::io::Error) -> StoreError {
        StoreError::io(what, &self.path, error)
    }
}

/// The chain hash type is all that ties segments together; keep it as wide as the room before a record.
const _: () = assert!(size_of::<Hash>() as u64 == frame::CHAIN_BYTES);

//! A log as it lies on disk, looked at without a lock and without changing a byte.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reader::{LogReader, LogRecords, Readable};
use super::segment::{self, SegmentHeader};
use super::{LogIdentity, LogPosition, first};
use crate::store::{Disk, StdDisk, StoreError};

/// What lies in a log's directory. The process that writes it may go on meanwhile.
#[derive(Debug)]
pub struct LogSurvey {
    /// Whose log it is, by its first segment.
    pub identity: LogIdentity,
    /// The segments, in order.
    pub segments: Vec<SurveyedSegment>,
    dir: PathBuf,
    reader: LogReader,
}

/// A segment's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedSegment {
    /// Its number.
    pub number: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// How long it can become, in bytes.
    pub capacity_bytes: u64,
}

impl LogSurvey {
    /// Looks at a directory; nothing if there is no segment in it.
    ///
    /// # Errors
    /// A first segment that cannot be read, or what the system reports.
    pub fn open(dir: &Path) -> Result<Option<Self>, StoreError> {
        loop {
            match Self::look(dir) {
                // It was listed a moment ago: whoever writes the log has just let go of it.
                Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && dir.is_dir() => {}
                looked => return looked,
            }
        }
    }

    fn look(dir: &Path) -> Result<Option<Self>, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(StdDisk);
        let names = disk.list(dir).map_err(|e| StoreError::io("list the directory", dir, e))?;
        let mut segments = Vec::new();
        let mut identity = None;
        for name in names.iter().filter(|name| segment::is_segment_name(name)) {
            let path = dir.join(name);
            let file = disk.open(&path).map_err(|e| StoreError::io("open", &path, e))?;
            let header = SegmentHeader::read_any(&*file, &path)?;
            identity.get_or_insert(header.identity);
            segments.push(SurveyedSegment { number: header.number, path, capacity_bytes: header.capacity_bytes });
        }
        let (Some(identity), Some(last)) = (identity, segments.last()) else { return Ok(None) };
        let start = LogPosition::start_of(first::read(&*disk, dir, identity)?);
        let end = LogPosition { segment: last.number, offset: last.capacity_bytes };
        let reader = LogReader::new(disk, dir.to_path_buf(), identity, Readable::new(start, end)).surveying();
        Ok(Some(Self { identity, segments, dir: dir.to_path_buf(), reader }))
    }

    /// Whether the log begins later than when it was looked at: what was not read by then cannot be read any more.
    ///
    /// # Errors
    /// What the system reports.
    pub fn has_begun_later(&self) -> Result<bool, StoreError> {
        Ok(first::read(&StdDisk, &self.dir, self.identity)? > self.start().segment)
    }

    /// Where the first record stands.
    pub fn start(&self) -> LogPosition {
        self.reader.start()
    }

    /// The records from a place on, up to where nothing more is written. Something torn there is an error: the end of a log that was cut
    /// off, or of one that is being written.
    pub fn records(&self, from: LogPosition) -> LogRecords {
        self.reader.read_from(from.max(self.start()))
    }
}

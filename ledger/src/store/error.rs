//! What can go wrong with storage, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::LogPosition;
use crate::crypto::Hash;

/// Why storage refuses or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system reported an error.
    #[error("{path}: could not {what}: {source}; check the disk and the system's log before starting again")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system is full or a quota is used up.
    #[error("{path}: no space is left on the disk; make room and start again, nothing that was acknowledged is lost")]
    NoSpace {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The directory is read-only or belongs to someone else.
    #[error("{path}: may not be written; mount it writable or give it to the user who runs the node")]
    NotWritable {
        /// The file or directory.
        path: PathBuf,
    },
    /// A write or sync failed earlier.
    #[error("an earlier write or sync failed, so what is on disk is not known; stop the process and start it again")]
    Poisoned,
    /// Another process uses the data directory.
    #[error("{dir}: is in use by another process; stop that one, or give this one its own data directory")]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The file is not one of ours.
    #[error("{path}: is not a file of this store; move it elsewhere or point the node at its own data directory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by an older program.
    #[error(
        "{path}: has format version {found}, this program reads {supported}; convert it with the program that \
         wrote it, or start from an empty directory and fetch the data from the other validators"
    )]
    OlderFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version this program reads.
        supported: u32,
    },
    /// Written by a newer program.
    #[error("{path}: has format version {found}, this program reads only {supported}; install the newer program")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version this program reads.
        supported: u32,
    },
    /// Data of another chain.
    #[error("{path}: belongs to chain {found}, not to {expected}; point the node at its own data directory")]
    WrongChain {
        /// The file.
        path: PathBuf,
        /// Its chain.
        found: Hash,
        /// The node's chain.
        expected: Hash,
    },
    /// Data of another validator.
    #[error("{path}: belongs to validator {found}, not to {expected}; point the node at its own data directory")]
    WrongValidator {
        /// The file.
        path: PathBuf,
        /// Its validator.
        found: u16,
        /// The node's validator.
        expected: u16,
    },
    /// The start of a file is damaged.
    #[error(
        "{path}: its header is damaged; check the disk, then restore the directory from a copy or from the other \
         validators"
    )]
    CorruptHeader {
        /// The file.
        path: PathBuf,
    },
    /// A segment of the log is not there.
    #[error(
        "{dir}: log segment {number} is missing; put it back, or restore the directory from a copy or from the \
         other validators"
    )]
    MissingSegment {
        /// The log's directory.
        dir: PathBuf,
        /// The segment's number.
        number: u64,
    },
    /// A segment stands under another's name.
    #[error("{path}: holds log segment {found}, not the one its name says; give the segments their own names back")]
    SwappedSegment {
        /// The file.
        path: PathBuf,
        /// The number it carries.
        found: u64,
    },
    /// Two files hold the same segment.
    #[error("{first} and {second} hold the same log segment; move the copy elsewhere")]
    DuplicatedSegment {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A record that was synced is damaged.
    #[error(
        "{path}: the record at byte {offset} is damaged ({why}) although it was synced; check the disk, then \
         restore the directory from a copy or from the other validators"
    )]
    CorruptRecord {
        /// The segment's file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What does not hold.
        why: &'static str,
    },
    /// The log is whole, but shorter than what was promised from it.
    #[error(
        "{dir}: the log ends at {end} but was synced through {must_reach}; records are lost, restore the directory \
         from a copy or from the other validators"
    )]
    EndsEarly {
        /// The log's directory.
        dir: PathBuf,
        /// Where it ends.
        end: LogPosition,
        /// Where it should at least reach.
        must_reach: LogPosition,
    },
    /// A record was asked for where the log has none.
    #[error("the log has no record at {position}; it ends at {end}")]
    NoRecord {
        /// The place.
        position: LogPosition,
        /// Where the log ends.
        end: LogPosition,
    },
    /// A record was asked for that lay in a segment which was removed on purpose.
    #[error("the log no longer has a record at {position}; it begins at {start}, older segments were removed")]
    Pruned {
        /// The place.
        position: LogPosition,
        /// Where the log begins.
        start: LogPosition,
    },
    /// A record or payload over its limit. Nothing was written.
    #[error("{bytes} bytes are too many here, the limit is {limit_bytes}")]
    TooLong {
        /// What it would take.
        bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// The safety record is lost or damaged.
    #[error(
        "{path}: holds no whole safety record, so this validator may have voted without knowing it: do not sign in \
         this epoch; restore no older copy, join again with the next validator set"
    )]
    DoNotSign {
        /// The safety file.
        path: PathBuf,
    },
    /// A first safety record was asked for where there is one, or a log.
    #[error(
        "{path}: this directory has been used before, so its key may have signed; a first safety record is only for a new key"
    )]
    Born {
        /// The safety file.
        path: PathBuf,
    },
    /// Blocks given to the index do not follow each other.
    #[error("the index stands at height {last_height} and cannot take height {height}; feed it the heights in order")]
    HeightGap {
        /// The height given.
        height: u64,
        /// The height it has.
        last_height: u64,
    },
    /// The index failed.
    #[error("the query index failed: {0}; it is disposable: delete its directory, it is rebuilt from the log")]
    Index(String),
}

impl StoreError {
    /// Names the errors that an operator can act upon.
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path },
            _ => Self::Io { what, path, source },
        }
    }
}

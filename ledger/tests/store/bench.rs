//! The workbench: a memory disk with a log on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::store::{Log, LogIdentity, LogOptions, LogPosition, MemoryDisk, Recovered, StoreError};

/// Small enough that a handful of records fills a segment.
pub(crate) const SEGMENT_BYTES: u64 = 4096;

pub(crate) fn identity() -> LogIdentity {
    LogIdentity { chain: Hash::of("test", b"chain"), validator: 3 }
}

pub(crate) fn options() -> LogOptions {
    LogOptions { segment_bytes: SEGMENT_BYTES, buffer_bytes: 600, ..LogOptions::default() }
}

pub(crate) fn dir() -> &'static Path {
    Path::new("/data/log")
}

pub(crate) fn segment(number: u64) -> PathBuf {
    dir().join(format!("{number:012}.log"))
}

pub(crate) fn open(disk: &MemoryDisk) -> Result<(Log, Recovered), StoreError> {
    open_with(disk, options())
}

pub(crate) fn open_with(disk: &MemoryDisk, options: LogOptions) -> Result<(Log, Recovered), StoreError> {
    Log::open_on(Arc::new(disk.clone()), dir(), identity(), options)
}

/// The payload of the n-th record: its length goes up and down, 0 included, and it begins with its number.
pub(crate) fn payload(n: u64) -> Vec<u8> {
    let length = usize::try_from(n * 37 % 300).unwrap();
    (0..length).map(|i| u8::try_from((n + i as u64) % 251).unwrap()).collect()
}

pub(crate) fn kind(n: u64) -> u8 {
    u8::try_from(n % 200).unwrap()
}

/// Appends records `from..to`.
pub(crate) fn append(log: &mut Log, from: u64, to: u64) -> Result<Vec<LogPosition>, StoreError> {
    (from..to).map(|n| log.append(kind(n), &payload(n))).collect()
}

/// How many records the log holds; they must be the first ones of the story, in order and unchanged.
pub(crate) fn count_story(log: &Log) -> u64 {
    let mut count = 0;
    for record in log.reader().read_from(LogPosition::START) {
        let record = record.unwrap();
        assert_eq!(
            (record.kind, record.payload),
            (kind(count), payload(count)),
            "record {count} was invented or changed"
        );
        count += 1;
    }
    count
}

//! Storage: one data directory per node, at the level of bytes.
//!
//! | part | what it is | lost when |
//! |---|---|---|
//! | [`Log`] | the truth: a chained, append-only log of records | never, once [`Log::sync`] returned |
//! | [`SafetyFile`] | the consensus safety record, one synced write each | never, once [`SafetyFile::write`] returned |
//! | [`Checkpoints`] | the state at a place in the log, two kept; snapshots for others likewise | harmless: a longer tail of the log is replayed |
//! | [`Index`] | what queries read, in sled | harmless: rebuilt from the log |
//!
//! Everything here blocks; a node runs it in a thread of its own. It knows records, not orders: what the bytes mean is
//! the caller's affair.
//!
//! Architecture invariant: an error from a write or a sync is final. The kernel may have dropped the data and will
//! report the next sync as good, so nothing is retried: the store is poisoned and the process has to end. What was not
//! proven synced is written again when the store is next opened.

mod checkpoint;
mod data_dir;
mod disk;
mod error;
mod facts;
mod incoming;
mod index;
mod log;
mod memory_disk;
mod safety;
mod sled_extracts;
mod sled_facts;
mod sled_index;
mod sled_origins;
mod sled_sums;
mod sums;

pub use checkpoint::{Checkpoint, CheckpointMark, CheckpointReader, Checkpoints, NewestCheckpoint};
pub use data_dir::{DataDir, DiskSpace, OpenedSafety};
pub use disk::{Disk, DiskFile, StdDisk};
pub use error::StoreError;
pub use facts::{Fact, FactOwner, FactPage, FactPlace, FactRow, MetersSettled};
pub use incoming::{IncomingBytes, IncomingDir};
pub use index::{BundlePlace, IndexBatch, QueryIndex};
pub use log::{
    Log, LogOptions, LogPosition, LogReader, LogRecord, LogRecordRef, LogRecords, LogSurvey, RECORD_OVERHEAD_BYTES,
    Recovered, SEGMENT_BYTES, SurveyedSegment, TornTail,
};
pub use memory_disk::{Fault, MemoryDisk, PowerCut};
pub use safety::{FoundSafety, SAFETY_BYTES_MAX, SafetyFile};
pub use sled_index::{Index, IndexStart};
pub use sled_origins::{CERTIFICATE_NOTES_PER_PAGE, CertificateNotes, CertificatePage};
pub use sums::{PERIODS_PER_SUM, SumPage, SumRow};

use crate::crypto::Hash;

/// Whose data it is. Every file carries it, so that a node never runs on another node's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The chain: the genesis hash.
    pub chain: Hash,
    /// The validator's index.
    pub validator: u16,
}

impl LogIdentity {
    /// Refuses a file that carries another identity.
    fn check(&self, path: &std::path::Path, found: &Self) -> Result<(), StoreError> {
        let path = path.to_path_buf();
        if found.chain != self.chain {
            return Err(StoreError::WrongChain { path, found: found.chain, expected: self.chain });
        }
        if found.validator != self.validator {
            return Err(StoreError::WrongValidator { path, found: found.validator, expected: self.validator });
        }
        Ok(())
    }
}

/// Refuses a file of another format version than the one this program writes.
fn check_version(path: &std::path::Path, found: u32, supported: u32) -> Result<(), StoreError> {
    let path = path.to_path_buf();
    match found.cmp(&supported) {
        std::cmp::Ordering::Less => Err(StoreError::OlderFormat { path, found, supported }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::NewerFormat { path, found, supported }),
    }
}

//! How much the core has handed on that is not done yet.
//!
//! The core must never wait for a disk in the middle of its work, so the queues to `storage` and `desk` take whatever one input
//! brings. Between two inputs it looks here, and takes nothing more while too much waits: then its own queue fills, and whoever brings more has
//! to wait. Both queues are so bounded by these limits and what one input can bring: the log that a view change may execute again.

use std::sync::atomic::{AtomicU64, Ordering};

use gridbook_ledger::replica::LogRecord;

/// How many bytes may wait to be written.
const STORAGE_BYTES_MAX: u64 = 64 << 20;
/// How many jobs may wait at the desk before the core pauses.
const DESK_JOBS_MAX: usize = 1 << 15;
/// How many may wait there before clients' questions are refused as too many.
const DESK_QUESTIONS_MAX: usize = 1 << 13;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    storage_bytes: AtomicU64,
}

impl Backlog {
    /// A record is handed to storage.
    pub(super) fn begin_write(&self, record: &LogRecord) {
        self.storage_bytes.fetch_add(size(record), Ordering::Relaxed);
    }

    /// It is in the log.
    pub(super) fn end_write(&self, record: &LogRecord) {
        self.storage_bytes.fetch_sub(size(record), Ordering::Relaxed);
    }

    /// Whether the core should take nothing more for now, with so many jobs at the desk.
    pub(super) fn is_full(&self, desk_jobs: usize) -> bool {
        self.storage_bytes.load(Ordering::Relaxed) > STORAGE_BYTES_MAX || desk_jobs > DESK_JOBS_MAX
    }
}

/// Whether a desk with so many jobs has no time for questions.
pub(super) fn is_desk_busy(desk_jobs: usize) -> bool {
    desk_jobs > DESK_QUESTIONS_MAX
}

/// About what a record takes while it waits.
fn size(record: &LogRecord) -> u64 {
    let bytes = match record {
        LogRecord::Entry { entry, .. } => entry.len(),
        LogRecord::Evidence(bytes) => bytes.len(),
        LogRecord::Proposal(_) | LogRecord::Snapshot(_) => 8 << 10,
        LogRecord::Truncate { .. } | LogRecord::Final { .. } => 1 << 10,
    };
    128 + bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leader makes its followers execute the log of one branch and of another, again and again, faster than their disks write: the core
    /// takes nothing more after 64 MiB, and goes on when they are written.
    #[test]
    fn a_core_that_outruns_its_disk_pauses_until_it_has_caught_up() {
        let backlog = Backlog::default();
        let entry = LogRecord::Entry { start_seq: 0, before: Default::default(), entry: vec![0; 64 << 10] };
        let mut handed_on = 0;
        while !backlog.is_full(0) {
            backlog.begin_write(&entry);
            handed_on += 1;
        }
        assert!((1_000..1_100).contains(&handed_on), "{handed_on}");
        (0..handed_on).for_each(|_| backlog.end_write(&entry));
        assert!(!backlog.is_full(0));
    }

    /// A client asks for receipts without end: its questions are refused long before the core would have to pause for them.
    #[test]
    fn a_flood_of_questions_does_not_stop_the_core() {
        let waiting = (0..).find(|waiting| is_desk_busy(*waiting)).expect("there is a limit");
        assert!(!Backlog::default().is_full(waiting));
    }
}

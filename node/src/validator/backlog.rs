//! How much the core has handed on that is not done yet.
//!
//! The core must never wait for a disk in the middle of its work, so the queues to `storage` and `desk` take whatever one input
//! brings. Between two inputs it looks here, and takes nothing more while too much waits: then its own queue fills, and whoever brings more has
//! to wait. Both queues are so bounded by these limits and what one input can bring: the log that a view change may execute again.
//!
//! What clients ask of the desk waits in a queue of its own, behind all that the core tells it, and is bounded by what the answers cost. So no
//! question makes the core pause, or what is final wait for more than the answer that is under way.

use std::sync::atomic::{AtomicU64, Ordering};

use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::LogRecord;

/// How many bytes may wait to be written.
const STORAGE_BYTES_MAX: u64 = 64 << 20;
/// How many of its own jobs may wait at the desk before the core pauses.
const DESK_JOBS_MAX: usize = 1 << 15;
/// What clients' questions that wait there may cost together, in requests, before more are refused as too many.
const QUESTIONS_COST_MAX: u64 = 1 << 13;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    storage_bytes: AtomicU64,
    questions_cost: AtomicU64,
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

    /// A client's question is handed to the desk.
    ///
    /// # Errors
    /// `QuotaBusy` if those that wait cost too much already. What costs nothing always passes.
    pub(super) fn begin_question(&self, cost: u64) -> Result<(), Code> {
        let waiting = self.questions_cost.fetch_add(cost, Ordering::Relaxed);
        if cost > 0 && waiting + cost > QUESTIONS_COST_MAX {
            self.end_question(cost);
            return Err(Code::QuotaBusy);
        }
        Ok(())
    }

    /// It waits no more.
    pub(super) fn end_question(&self, cost: u64) {
        self.questions_cost.fetch_sub(cost, Ordering::Relaxed);
    }

    /// Whether the core should take nothing more for now, with so many of its jobs at the desk.
    pub(super) fn is_full(&self, desk_jobs: usize) -> bool {
        self.storage_bytes.load(Ordering::Relaxed) > STORAGE_BYTES_MAX || desk_jobs > DESK_JOBS_MAX
    }
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

    /// Clients ask for receipts without end: their questions are refused by what they cost, those that cost much sooner, and the core does not
    /// pause for any of them. When they are answered, others are taken.
    #[test]
    fn a_flood_of_questions_does_not_stop_the_core() {
        let taken_of =
            |backlog: &Backlog, cost| (0..).take_while(|_: &u64| backlog.begin_question(cost).is_ok()).count();
        for (cost, most) in [(1, 8_192), (4, 2_048), (16, 512)] {
            let backlog = Backlog::default();
            assert_eq!(taken_of(&backlog, cost), most);
            assert_eq!(backlog.begin_question(cost), Err(Code::QuotaBusy));
            assert!(!backlog.is_full(0));
            assert_eq!(backlog.begin_question(0), Ok(()), "that somebody is gone is always heard");
            backlog.end_question(cost);
            assert_eq!(taken_of(&backlog, cost), 1);
        }
    }
}

//! A log whose entries are numbers. All logs that ever were are one tree; each validator has some of its nodes.

use std::collections::{BTreeSet, HashMap};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, LogPoint};
use gridbook_ledger::hotstuff::{Body, LogRelation, LogView};

/// A command and the place it follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) before: Hash,
    pub(crate) command: u64,
}

/// Every log entry that was ever written, by the digest after it.
#[derive(Debug, Default)]
pub(crate) struct Universe {
    entries: HashMap<Hash, Entry>,
}

impl Universe {
    pub(crate) fn append(&mut self, end: LogPoint, command: u64) -> LogPoint {
        let seq = end.seq + 1;
        let mut bytes = end.digest.0.to_vec();
        bytes.extend_from_slice(&command.to_le_bytes());
        let digest = Hash::of("sim/log", &bytes);
        self.entries.insert(digest, Entry { seq, before: end.digest, command });
        LogPoint { seq, digest }
    }

    /// The entries of a log from its end back to `seq`, exclusive; `None` if it does not exist.
    pub(crate) fn back_to(&self, end: LogPoint, seq: u64) -> Option<Vec<(Hash, Entry)>> {
        let (mut digest, mut entries) = (end.digest, Vec::new());
        for at in (seq + 1..=end.seq).rev() {
            let entry = *self.entries.get(&digest)?;
            if entry.seq != at {
                return None;
            }
            entries.push((digest, entry));
            digest = entry.before;
        }
        Some(entries)
    }

    /// Whether the log that ends here runs through that place.
    pub(crate) fn contains(&self, end: LogPoint, place: LogPoint) -> bool {
        let Some(entries) = self.back_to(end, place.seq) else { return false };
        entries.last().map_or(end.digest, |(_, e)| e.before) == place.digest
    }

    pub(crate) fn commands(&self, end: LogPoint) -> BTreeSet<u64> {
        self.back_to(end, 0).unwrap_or_default().into_iter().map(|(_, e)| e.command).collect()
    }

    /// Whether a header's log follows its first sequence number, and its state is what that log leads to.
    pub(crate) fn bears_out(&self, header: &Header) -> bool {
        header.state_root == state_root(header.log_digest)
            && self.back_to(header.log_end(), header.first_seq.saturating_sub(1)).is_some()
    }
}

/// What one validator has of the logs.
pub(crate) struct OwnLogs<'a> {
    pub(crate) universe: &'a Universe,
    pub(crate) has: &'a BTreeSet<Hash>,
}

impl LogView for OwnLogs<'_> {
    fn relation(&self, first: LogPoint, second: LogPoint) -> LogRelation {
        if first == second {
            return LogRelation::Same;
        }
        let (long, short, contains) = if first.seq >= second.seq {
            (first, second, LogRelation::FirstContainsSecond)
        } else {
            (second, first, LogRelation::SecondContainsFirst)
        };
        if long.seq == short.seq {
            LogRelation::Conflict
        } else if long.seq > 0 && !self.has.contains(&long.digest) {
            LogRelation::Unknown
        } else if self.universe.contains(long, short) {
            contains
        } else {
            LogRelation::Conflict
        }
    }
}

/// The state that a log leads to.
pub(crate) fn state_root(log_digest: Hash) -> Hash {
    Hash::of("sim/state", &log_digest.0)
}

/// What a leader proposes on `parent` if its log ends at `end`.
pub(crate) fn body(parent: &Header, end: LogPoint) -> Body {
    Body {
        time_ms: parent.time_ms,
        first_seq: parent.last_seq + 1,
        last_seq: end.seq,
        log_digest: end.digest,
        inputs_root: Hash::ZERO,
        results_root: Hash::ZERO,
        state_root: if end.seq == 0 { parent.state_root } else { state_root(end.digest) },
        snapshot_root: Hash::ZERO,
        flags: 0,
        next_set_hash: Hash::ZERO,
    }
}

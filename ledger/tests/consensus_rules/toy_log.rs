//! A log whose entries are numbers. All logs that ever were are one tree; each validator has some of its nodes.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, LogPoint};
use gridbook_ledger::hotstuff::{Body, LogRelation, LogView};

#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) before: Hash,
}

/// Every log entry that was ever written, by the digest after it.
#[derive(Default)]
pub(crate) struct Universe {
    entries: BTreeMap<Hash, Entry>,
}

impl Universe {
    pub(crate) fn append(&mut self, end: LogPoint, command: u64) -> LogPoint {
        let seq = end.seq + 1;
        let mut bytes = end.digest.0.to_vec();
        bytes.extend_from_slice(&command.to_le_bytes());
        let digest = Hash::of("toy/log", &bytes);
        self.entries.insert(digest, Entry { seq, before: end.digest });
        LogPoint { seq, digest }
    }

    /// The entries of a log from its end back to `seq`, exclusive; `None` if it does not exist.
    pub(crate) fn back_to(&self, end: LogPoint, seq: u64) -> Option<Vec<(Hash, Entry)>> {
        let (mut digest, mut entries) = (end.digest, Vec::new());
        let mut at = end.seq;
        while at > seq {
            let entry = *self.entries.get(&digest)?;
            if entry.seq != at {
                return None;
            }
            entries.push((digest, entry));
            digest = entry.before;
            at -= 1;
        }
        Some(entries)
    }

    pub(crate) fn digests(&self) -> BTreeSet<Hash> {
        self.entries.keys().copied().collect()
    }

    pub(crate) fn contains(&self, end: LogPoint, place: LogPoint) -> bool {
        let Some(entries) = self.back_to(end, place.seq) else { return false };
        entries.last().map_or(end.digest, |(_, e)| e.before) == place.digest
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
    Hash::of("toy/state", &log_digest.0)
}

pub(crate) fn body(parent: &Header, end: LogPoint, time_ms: u64) -> Body {
    Body {
        time_ms: time_ms.max(parent.time_ms),
        first_seq: parent.last_seq + 1,
        last_seq: end.seq,
        log_digest: end.digest,
        inputs_root: Hash::ZERO,
        results_root: Hash::ZERO,
        state_root: state_root(end.digest),
        snapshot_root: Hash::ZERO,
        flags: 0,
        next_set_hash: Hash::ZERO,
    }
}

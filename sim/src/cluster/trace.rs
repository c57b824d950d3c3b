//! What happened: a hash over all of it, and the last lines in words.

use std::collections::VecDeque;

use gridbook_ledger::crypto::{Hash, Hasher};

/// The running hash and the last lines.
pub(super) struct Trace {
    hasher: Hasher,
    lines: VecDeque<String>,
    loud: bool,
}

/// How many lines are kept for whoever has to find out what went wrong.
const LINES_MAX: usize = 60;

impl Trace {
    pub(super) fn new(loud: bool) -> Self {
        Self { hasher: Hasher::new("gridbook/cluster-trace/1"), lines: VecDeque::new(), loud }
    }

    /// An event: it counts for the hash.
    pub(super) fn absorb(&mut self, at_us: u64, kind: u8, to: usize, from: usize, bytes: &[u8]) {
        self.hasher.update(&at_us.to_le_bytes()).update(&[kind]);
        self.hasher.update(&(to as u64).to_le_bytes()).update(&(from as u64).to_le_bytes()).update(bytes);
    }

    /// A line in words, for people.
    pub(super) fn note(&mut self, at_us: u64, line: impl FnOnce() -> String) {
        let line = format!("{:>6}.{:03} {}", at_us / 1_000, at_us % 1_000, line());
        if self.loud {
            eprintln!("{line}");
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(super) fn hash(&self) -> Hash {
        self.hasher.finish()
    }

    pub(super) fn tail(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

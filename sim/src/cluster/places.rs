//! Where things lie in the log file.

use std::collections::BTreeMap;

use gridbook_ledger::bytes::{Reader, Writer};
use gridbook_ledger::replica::LogRecord;
use gridbook_ledger::store::LogPosition;

/// How many final entries lie between two places that are known, about.
const SPARSE: usize = 16;

/// Entries and proposals that are not final, and some final entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    unfinal: BTreeMap<u64, LogPosition>,
    proposals: BTreeMap<u64, LogPosition>,
    known: BTreeMap<u64, LogPosition>,
}

impl Places {
    /// A record lies at a place.
    pub(super) fn note(&mut self, record: &LogRecord, position: LogPosition) {
        match record {
            LogRecord::Entry { start_seq, .. } => _ = self.unfinal.insert(*start_seq, position),
            LogRecord::Truncate { to_seq } => drop(self.unfinal.split_off(to_seq)),
            LogRecord::Proposal(proposal) => {
                self.proposals.entry(proposal.header.height).or_insert(position);
            }
            LogRecord::Final { height, last_seq, .. } => {
                self.proposals = self.proposals.split_off(&(height + 1));
                let rest = self.unfinal.split_off(last_seq);
                let done = std::mem::replace(&mut self.unfinal, rest);
                self.known.extend(done.into_iter().step_by(SPARSE));
            }
            LogRecord::Snapshot(_) | LogRecord::Evidence(_) => {}
        }
    }

    /// A place from which the log must be read to find the commands after `seq`.
    pub(super) fn before(&self, seq: u64) -> LogPosition {
        self.known.range(..=seq).next_back().map_or(LogPosition::START, |(_, position)| *position)
    }

    /// Where everything stands that is not final, in a log that ends at `end`.
    pub(super) fn unfinal_from(&self, end: LogPosition) -> LogPosition {
        self.unfinal.values().chain(self.proposals.values()).copied().fold(end, LogPosition::min)
    }

    /// What is known, with the replica's image behind it.
    pub(super) fn join_with(&self, image: &[u8]) -> Vec<u8> {
        let mut w = Writer::new();
        w.u64(self.known.len() as u64);
        for (seq, position) in &self.known {
            w.u64(*seq).bytes(&position.to_bytes());
        }
        w.bytes(image);
        w.finish()
    }

    /// Takes apart what [`Places::join_with`] put together.
    pub(super) fn split_from(bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        let mut r = Reader::new(bytes);
        let mut places = Self::default();
        for _ in 0..r.u64().ok()? {
            places.known.insert(r.u64().ok()?, LogPosition::from_bytes(r.array().ok()?));
        }
        Some((places, r.bytes(r.remaining()).ok()?.to_vec()))
    }
}

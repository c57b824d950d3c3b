//! The pieces of log that are known, whichever branch they are on.

use std::collections::BTreeMap;

use crate::crypto::Hash;
use crate::entry::Entry;
use crate::header::LogPoint;
use crate::hotstuff::LogRelation;

use super::messages::PlacedEntry;

/// Entries by the place they end in. Branches come from view changes; all but one of them die when finality passes.
#[derive(Debug, Default)]
pub(super) struct Branches {
    by_end: BTreeMap<(u64, Hash), (LogPoint, Entry)>,
}

/// Why there is no path to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPath {
    /// The log up to here is not known.
    Missing(LogPoint),
    /// It leads below what is final.
    Conflict,
}

impl Branches {
    pub(super) fn insert(&mut self, placed: PlacedEntry) {
        self.by_end.insert((placed.end.seq, placed.end.digest), (placed.start, placed.entry));
    }

    pub(super) fn len(&self) -> usize {
        self.by_end.len()
    }

    pub(super) fn entry(&self, end: LogPoint) -> Option<&(LogPoint, Entry)> {
        self.by_end.get(&(end.seq, end.digest))
    }

    /// The entries between `base` (the first place on the way back for which `reached` holds) and `target`, first one first.
    pub(super) fn path(
        &self,
        target: LogPoint,
        floor_seq: u64,
        reached: impl Fn(LogPoint) -> bool,
    ) -> Result<(LogPoint, Vec<PlacedEntry>), NoPath> {
        let mut path = Vec::new();
        let mut at = target;
        while !reached(at) {
            if at.seq <= floor_seq {
                return Err(NoPath::Conflict);
            }
            let (start, entry) = self.entry(at).ok_or(NoPath::Missing(at))?;
            path.push(PlacedEntry { start: *start, end: at, entry: entry.clone() });
            at = *start;
        }
        path.reverse();
        Ok((at, path))
    }

    /// The entries that end in `end`, back to `floor_seq` or as far as they are known, first one first, within about
    /// `bytes_max` encoded; the later ones are kept.
    pub(super) fn run_to(&self, end: LogPoint, floor_seq: u64, bytes_max: usize) -> (LogPoint, Vec<Vec<u8>>) {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut at = end;
        while at.seq > floor_seq {
            let Some((start, entry)) = self.entry(at) else { break };
            let encoded = entry.encode();
            bytes += encoded.len();
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(encoded);
            at = *start;
        }
        entries.reverse();
        (at, entries)
    }

    /// How two places relate, as far as is known.
    pub(super) fn relation(&self, first: LogPoint, second: LogPoint) -> LogRelation {
        if first == second {
            return LogRelation::Same;
        }
        if first.seq < second.seq {
            return match self.relation(second, first) {
                LogRelation::FirstContainsSecond => LogRelation::SecondContainsFirst,
                other => other,
            };
        }
        let mut at = first;
        while at.seq > second.seq {
            match self.entry(at) {
                Some((start, _)) => at = *start,
                None => return LogRelation::Unknown,
            }
        }
        if at == second { LogRelation::FirstContainsSecond } else { LogRelation::Conflict }
    }

    /// Of what ends after `floor_seq`, keeps only what leads to one of these places.
    pub(super) fn keep_paths(&mut self, ends: impl Iterator<Item = LogPoint>, floor_seq: u64) {
        let beyond = self.by_end.split_off(&(floor_seq.saturating_add(1), Hash::ZERO));
        for end in ends {
            let mut at = end;
            while at.seq > floor_seq && self.entry(at).is_none() {
                let Some((start, entry)) = beyond.get(&(at.seq, at.digest)) else { break };
                self.by_end.insert((at.seq, at.digest), (*start, entry.clone()));
                at = *start;
            }
        }
    }

    /// Forgets what ends at or before `seq`.
    pub(super) fn forget(&mut self, seq: u64) {
        self.by_end = self.by_end.split_off(&(seq.saturating_add(1), Hash::ZERO));
    }
}

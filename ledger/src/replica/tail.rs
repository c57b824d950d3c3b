//! The executed end of the log that is not final yet: what may have to be undone.

use std::collections::VecDeque;

use crate::crypto::Hash;
use crate::entry::Entry;
use crate::header::LogPoint;
use crate::sequenced::Place;
use crate::state::StateMark;
use crate::validators::ValidatorSet;

/// An entry that was executed.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) start: LogPoint,
    pub(super) end: LogPoint,
    pub(super) entry: Entry,
    pub(super) id: Hash,
    /// The state before it.
    pub(super) mark: StateMark,
    /// The canonical records of its commands, and their leaf hashes.
    pub(super) records: Vec<Vec<u8>>,
    pub(super) leaves: Vec<Hash>,
    /// Ledger time after it, and the state root if somebody needed it.
    pub(super) time_ms: u64,
    pub(super) state_root: Option<Hash>,
    /// The next validator set, if it ended the epoch.
    pub(super) next_set: Option<Box<ValidatorSet>>,
}

impl Executed {
    /// Its name and the sequence numbers that it takes.
    pub(super) fn place(&self) -> Place {
        Place { first_seq: self.start.seq + 1, count: self.end.seq - self.start.seq, entry: self.id }
    }
}

/// Executed entries after the last final one.
#[derive(Debug)]
pub(super) struct Tail {
    base: LogPoint,
    base_time_ms: u64,
    base_root: Hash,
    entries: VecDeque<Executed>,
    /// Places of entries that ended the epoch, in sequence: one, but on a log that no header may hold.
    epoch_ends: VecDeque<LogPoint>,
}

impl Tail {
    pub(super) fn new(base: LogPoint, time_ms: u64, state_root: Hash) -> Self {
        Self {
            base,
            base_time_ms: time_ms,
            base_root: state_root,
            entries: VecDeque::new(),
            epoch_ends: VecDeque::new(),
        }
    }

    /// The last final place.
    pub(super) fn base(&self) -> LogPoint {
        self.base
    }

    /// The last executed place.
    pub(super) fn end(&self) -> LogPoint {
        self.entries.back().map_or(self.base, |last| last.end)
    }

    /// Whether a place is on the executed log, and not before what is final.
    pub(super) fn contains(&self, point: LogPoint) -> bool {
        point == self.base || self.position(point).is_some()
    }

    fn position(&self, end: LogPoint) -> Option<usize> {
        let place = self.entries.partition_point(|executed| executed.end.seq < end.seq);
        (self.entries.get(place)?.end == end).then_some(place)
    }

    pub(super) fn push(&mut self, executed: Executed) {
        assert_eq!(executed.start, self.end(), "entries are executed in log order");
        if executed.next_set.is_some() {
            self.epoch_ends.push_back(executed.end);
        }
        self.entries.push_back(executed);
    }

    /// Takes the last entry back, if it lies after `to`.
    pub(super) fn pop_after(&mut self, to: LogPoint) -> Option<Executed> {
        let last = self.entries.pop_back_if(|last| last.end.seq > to.seq)?;
        self.epoch_ends.pop_back_if(|end| *end == last.end);
        Some(last)
    }

    /// Where the present epoch ends on the executed log, if it does.
    pub(super) fn epoch_end(&self) -> Option<LogPoint> {
        self.epoch_ends.front().copied()
    }

    /// What a header from `parent_end` to `end` says of the next set: zero unless it ends the epoch. Nothing if there can be no such
    /// header, for it would add to the log after the end of the epoch.
    pub(super) fn next_set_hash(&self, parent_end: LogPoint, end: LogPoint) -> Option<Hash> {
        match self.epoch_end() {
            Some(epoch_end) if epoch_end.seq < end.seq && parent_end != end => None,
            Some(epoch_end) if epoch_end == end && parent_end != end => {
                Some(self.entries[self.position(end)?].next_set.as_ref()?.hash())
            }
            _ => Some(Hash::ZERO),
        }
    }

    /// The state before the first entry that is not final.
    pub(super) fn oldest_mark(&self) -> Option<StateMark> {
        self.entries.front().map(|first| first.mark)
    }

    /// The place on the executed log that a sequence number stands for.
    pub(super) fn point_at(&self, seq: u64) -> Option<LogPoint> {
        if seq == self.base.seq {
            return Some(self.base);
        }
        let place = self.entries.partition_point(|executed| executed.end.seq < seq);
        self.entries.get(place).map(|executed| executed.end).filter(|end| end.seq == seq)
    }

    /// Ledger time at a place on the executed log.
    pub(super) fn time_ms(&self, at: LogPoint) -> Option<u64> {
        if at == self.base {
            return Some(self.base_time_ms);
        }
        self.position(at).map(|place| self.entries[place].time_ms)
    }

    /// The state root at a place on the executed log, if it was needed before.
    pub(super) fn state_root(&self, at: LogPoint) -> Option<Hash> {
        if at == self.base {
            return Some(self.base_root);
        }
        self.position(at).and_then(|place| self.entries[place].state_root)
    }

    /// Remembers the state root at the end of the executed log.
    pub(super) fn remember_root(&mut self, root: Hash) {
        if let Some(last) = self.entries.back_mut() {
            last.state_root = Some(root);
        }
    }

    /// The entries after one place up to another, both on the executed log.
    pub(super) fn between(&self, after: LogPoint, end: LogPoint) -> Option<impl Iterator<Item = &Executed>> {
        let first = if after == self.base { 0 } else { self.position(after)? + 1 };
        let count = if end == self.base { 0 } else { self.position(end)? + 1 };
        (first <= count).then(|| self.entries.range(first..count))
    }

    /// Takes out everything up to a place that became final.
    pub(super) fn finalize(&mut self, end: LogPoint, state_root: Hash) -> Vec<Executed> {
        let count = if end == self.base { 0 } else { self.position(end).expect("only what was executed is final") + 1 };
        let done: Vec<Executed> = self.entries.drain(..count).collect();
        self.epoch_ends.retain(|epoch_end| epoch_end.seq > end.seq);
        if let Some(last) = done.last() {
            self.base = last.end;
            self.base_time_ms = last.time_ms;
        }
        self.base_root = state_root;
        done
    }
}

//! Going forward and back on the log.

use crate::crypto::Hash;
use crate::entry::Entry;
use crate::header::{Header, LogPoint};
use crate::hotstuff::Body;
use crate::merkle;
use crate::record::{self, Record};

use super::branches::NoPath;
use super::messages::{PlacedEntry, after};
use super::tail::Executed;
use super::{Effect, LogRecord, Replica};

/// Every so many headers one is a checkpoint: it carries the root over everything that execution reads.
const CHECKPOINT_HEADERS: u64 = 256;
/// How many of these roots are remembered: a header is looked at when it is checked and when it becomes final.
const SNAPSHOT_ROOTS: usize = 4;

impl Replica {
    /// Executes one entry at the end of the executed log.
    pub(super) fn execute(&mut self, placed: PlacedEntry, effects: &mut Vec<Effect>) {
        effects.push(Effect::Append(LogRecord::Entry {
            start_seq: placed.start.seq,
            before: placed.start.digest,
            entry: placed.entry.encode(),
        }));
        self.execute_known(placed);
    }

    /// As [`Replica::execute`], for an entry that is in the log file already.
    pub(super) fn execute_known(&mut self, placed: PlacedEntry) {
        let PlacedEntry { start, end, entry } = placed;
        let mark = self.state.mark();
        let epoch = self.state.epoch().0;
        let mut records: Vec<Record> = Vec::with_capacity(usize::try_from(entry.count()).unwrap_or(0));
        self.state.apply(start.seq + 1, &entry, &mut records);
        assert_eq!(records.len() as u64, entry.count(), "every command has its record");
        if let Entry::Bundle(bundle) = &entry {
            self.pool.executed(bundle);
        }
        let next_set = (self.state.epoch().0 > epoch).then(|| Box::new(self.state.epoch().1.clone()));
        if let (Entry::Reconfigure(change), Some(_)) = (&entry, &next_set) {
            self.note_executed_change(change);
        }
        let records: Vec<Vec<u8>> = records.iter().map(Record::encode).collect();
        let leaves = records.iter().map(|record| record::leaf_hash(record)).collect();
        let time_ms = self.state.time().0;
        self.branches.insert(PlacedEntry { start, end, entry: entry.clone() });
        let id = entry.id();
        self.tail.push(Executed { start, end, entry, id, mark, records, leaves, time_ms, state_root: None, next_set });
        if self.cuts.contains(&(end.seq, end.digest)) {
            self.cut();
        }
    }

    /// Executes an entry that comes next: the leader's way.
    pub(super) fn append(&mut self, entry: Entry, effects: &mut Vec<Effect>) {
        let start = self.tail.end();
        let end = after(start, &entry).expect("sequence numbers do not run out");
        self.execute(PlacedEntry { start, end, entry }, effects);
    }

    /// Undoes everything after a place on the executed log.
    pub(super) fn rewind(&mut self, to: LogPoint, effects: &mut Vec<Effect>) {
        assert!(self.tail.contains(to), "nothing final is undone");
        if self.tail.end() == to {
            return;
        }
        self.rewind_known(to);
        effects.push(Effect::Append(LogRecord::Truncate { to_seq: to.seq }));
    }

    /// As [`Replica::rewind`], where the log file says so already.
    pub(super) fn rewind_known(&mut self, to: LogPoint) {
        let mut mark = None;
        while let Some(undone) = self.tail.pop_after(to) {
            mark = Some(undone.mark);
            if let Entry::Bundle(bundle) = &undone.entry {
                self.pool.undone(bundle.id());
            }
        }
        if let Some(mark) = mark {
            self.state.rollback(mark);
        }
    }

    /// Makes the executed log end in `target`, or run through it, by undoing and executing as little as possible.
    pub(super) fn go_through(&mut self, target: LogPoint, effects: &mut Vec<Effect>) -> Result<(), NoPath> {
        let tail = &self.tail;
        let (base, path) = self.branches.path(target, tail.base().seq, |point| tail.contains(point))?;
        if path.is_empty() {
            return Ok(());
        }
        self.rewind(base, effects);
        for placed in path {
            self.execute(placed, effects);
        }
        Ok(())
    }

    /// The state root at a place on the executed log. Costs an undo and a redo where nobody asked in time.
    fn root_at(&mut self, at: LogPoint, effects: &mut Vec<Effect>) -> Hash {
        if let Some(root) = self.tail.state_root(at) {
            return root;
        }
        let end = self.tail.end();
        self.rewind(at, effects);
        let root = self.state.state_root();
        self.tail.remember_root(root);
        if end != at {
            self.go_through(end, effects).expect("what was executed a moment ago is known");
        }
        root
    }

    /// Notes the state root at the end of the executed log, where a header is about to end.
    pub(super) fn cut(&mut self) {
        let root = self.state.state_root();
        self.tail.remember_root(root);
    }

    /// The root over everything that execution reads, at a place on the executed log. Like [`Replica::root_at`], it costs an undo and a
    /// redo where the log was executed further; the last few are remembered.
    fn snapshot_root_at(&mut self, at: LogPoint, effects: &mut Vec<Effect>) -> Hash {
        if let Some((_, root)) = self.snapshot_roots.iter().find(|(point, _)| *point == at) {
            return *root;
        }
        let end = self.tail.end();
        self.rewind(at, effects);
        let root = self.state.snapshot_root();
        if end != at {
            self.go_through(end, effects).expect("what was executed a moment ago is known");
        }
        self.snapshot_roots.push_back((at, root));
        if self.snapshot_roots.len() > SNAPSHOT_ROOTS {
            self.snapshot_roots.pop_front();
        }
        root
    }

    /// What the header of a height in the present epoch says that continues the log after `parent_end` up to `end`, both on the executed log. Nothing if
    /// no header can say that: the log runs through the end of the epoch and further.
    pub(super) fn body(
        &mut self,
        height: u64,
        parent_end: LogPoint,
        end: LogPoint,
        effects: &mut Vec<Effect>,
    ) -> Option<Body> {
        let (mut inputs, mut results) = (Vec::new(), Vec::new());
        for executed in self.tail.between(parent_end, end)? {
            inputs.push(executed.id);
            results.extend_from_slice(&executed.leaves);
        }
        let next_set_hash = self.tail.next_set_hash(parent_end, end)?;
        let is_checkpoint = height.is_multiple_of(CHECKPOINT_HEADERS);
        let checkpoint_flag = if is_checkpoint { Header::CHECKPOINT } else { 0 };
        let end_flag = if next_set_hash == Hash::ZERO { 0 } else { Header::EPOCH_END };
        Some(Body {
            time_ms: self.tail.time_ms(end)?,
            first_seq: parent_end.seq + 1,
            last_seq: end.seq,
            log_digest: end.digest,
            inputs_root: merkle::root(&inputs),
            results_root: merkle::root(&results),
            state_root: self.root_at(end, effects),
            snapshot_root: if is_checkpoint { self.snapshot_root_at(end, effects) } else { Hash::ZERO },
            flags: checkpoint_flag | end_flag,
            next_set_hash,
        })
    }
}

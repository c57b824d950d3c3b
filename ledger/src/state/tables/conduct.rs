//! What stands against whom, and which meters are watched for what they fail to deliver.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{LedgerTime, MeterId};

use super::Tables;
use super::undo::Undo;
use crate::conduct::{Bearer, DeliveryWindow, Entry, EntryState};
use crate::evidence::EvidenceKey;

/// Entries by number, found by bearer and by end too.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct ConductTable {
    /// The number of the last entry that was made: the first is 1.
    last: u64,
    entries: BTreeMap<u64, Entry>,
    by_bearer: BTreeSet<(Bearer, u64)>,
    by_end: BTreeSet<(LedgerTime, u64)>,
    windows: BTreeMap<MeterId, DeliveryWindow>,
    /// What was entered against validators of this epoch and the one before. Entries end before epochs may, so that they alone do not say what
    /// was entered once.
    accused: BTreeSet<EvidenceKey>,
}

/// How to take one change back.
#[derive(Clone, Debug)]
pub(in crate::state) enum ConductUndo {
    Added(u64),
    State(u64, EntryState),
    Dropped(u64, Entry),
    Window(MeterId, Option<DeliveryWindow>),
    Accused(EvidenceKey),
    Forgotten(BTreeSet<EvidenceKey>),
}

impl ConductTable {
    pub(in crate::state) fn last(&self) -> u64 {
        self.last
    }

    pub(in crate::state) fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// All entries, by number.
    pub(in crate::state) fn entries(&self) -> &BTreeMap<u64, Entry> {
        &self.entries
    }

    /// The entries of one bearer, by number.
    pub(in crate::state) fn of(&self, bearer: Bearer) -> impl Iterator<Item = (u64, &Entry)> {
        let numbers = self.by_bearer.range((bearer, 0)..=(bearer, u64::MAX));
        numbers.map(|(_, number)| (*number, &self.entries[number]))
    }

    /// The entry that is over first, and when.
    pub(in crate::state) fn next_end(&self) -> Option<(LedgerTime, u64)> {
        self.by_end.first().copied()
    }

    pub(in crate::state) fn windows(&self) -> &BTreeMap<MeterId, DeliveryWindow> {
        &self.windows
    }

    /// What was entered against validators of this epoch and the one before.
    pub(in crate::state) fn accused(&self) -> &BTreeSet<EvidenceKey> {
        &self.accused
    }

    fn put(&mut self, number: u64, entry: Entry) {
        self.by_bearer.insert((entry.fault.bearer(), number));
        self.by_end.insert((entry.expires_at(), number));
        self.entries.insert(number, entry);
    }

    fn take(&mut self, number: u64) -> Entry {
        let entry = self.entries.remove(&number).expect("an entry is there until it is over");
        self.by_bearer.remove(&(entry.fault.bearer(), number));
        self.by_end.remove(&(entry.expires_at(), number));
        entry
    }

    fn set_window(&mut self, meter: MeterId, window: Option<DeliveryWindow>) -> Option<DeliveryWindow> {
        match window {
            Some(window) => self.windows.insert(meter, window),
            None => self.windows.remove(&meter),
        }
    }

    pub(super) fn undo(&mut self, undo: ConductUndo) {
        match undo {
            ConductUndo::Added(before) => {
                self.take(self.last);
                self.last = before;
            }
            ConductUndo::State(number, old) => {
                self.entries.get_mut(&number).expect("an entry whose change is undone exists").state = old;
            }
            ConductUndo::Dropped(number, old) => self.put(number, old),
            ConductUndo::Window(meter, old) => {
                self.set_window(meter, old);
            }
            ConductUndo::Accused(key) => {
                self.accused.remove(&key);
            }
            ConductUndo::Forgotten(mut keys) => self.accused.append(&mut keys),
        }
    }
}

/// Changing.
impl Tables {
    /// Makes an entry; tells its number.
    pub(in crate::state) fn add_entry(&mut self, entry: Entry) -> u64 {
        self.add_numbered(self.conduct.last + 1, entry)
    }

    /// For a snapshot: an entry with the number that it was given.
    pub(in crate::state) fn add_numbered(&mut self, number: u64, entry: Entry) -> u64 {
        let before = core::mem::replace(&mut self.conduct.last, number);
        self.conduct.put(number, entry);
        self.note(ConductUndo::Added(before));
        number
    }

    /// For a snapshot: the number of the last entry that was ever made.
    pub(in crate::state) fn set_last_entry(&mut self, last: u64) {
        self.conduct.last = last;
    }

    pub(in crate::state) fn set_entry_state(&mut self, number: u64, state: EntryState) {
        let entry = self.conduct.entries.get_mut(&number).expect("only entries that exist are challenged");
        let old = core::mem::replace(&mut entry.state, state);
        self.note(ConductUndo::State(number, old));
    }

    /// Lets go of an entry.
    pub(in crate::state) fn drop_entry(&mut self, number: u64) -> Entry {
        let entry = self.conduct.take(number);
        self.note(ConductUndo::Dropped(number, entry));
        entry
    }

    /// What is to be remembered of a meter's failures.
    pub(in crate::state) fn set_window(&mut self, meter: MeterId, window: Option<DeliveryWindow>) {
        let old = self.conduct.set_window(meter, window);
        if old != window {
            self.note(ConductUndo::Window(meter, old));
        }
    }

    /// Remembers that this was entered.
    pub(in crate::state) fn add_accused(&mut self, key: EvidenceKey) {
        if self.conduct.accused.insert(key) {
            self.note(ConductUndo::Accused(key));
        }
    }

    /// Forgets what was entered against validators of epochs before this one: no evidence of them is taken any more.
    pub(in crate::state) fn forget_accused_before(&mut self, epoch: u32) {
        let (old, kept) = self.conduct.accused.iter().partition(|key| key.epoch < epoch);
        self.conduct.accused = kept;
        self.note(ConductUndo::Forgotten(old));
    }

    fn note(&mut self, undo: ConductUndo) {
        self.journal.push(Undo::Conduct(Box::new(undo)));
    }
}

//! What has to be done to go back: every change of the engine pushes its inverse here.

use crate::contract::{AreaId, Contract};
use crate::digest::ContractFlags;
use crate::market::EdgeState;
use crate::order::{NewBlock, Preferences, Side};
use crate::period::Period;
use crate::slab::{Hidden, Node};
use crate::units::{Energy, LedgerTime};

/// A point to roll back to: a position in the journal, counted since the engine was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u64);

/// The inverse of one change.
#[derive(Debug)]
pub(crate) enum Undo {
    /// An order came to rest: take it out, and its priority number back.
    Rested(u32),
    /// Energy was taken from an order that stayed, as much of it (or less) from what it shows: give both back.
    Taken { slot: u32, energy: Energy, shown: Energy },
    /// An order that stayed shows more than before.
    ShowedMore { slot: u32, more: Energy },
    /// A clip was used up and a fresh one took its place at the end: back to the old number and what was shown then.
    Refreshed { slot: u32, priority: u32, shown: Energy },
    /// An order left: put it back. Its hidden reserve was put back before.
    Removed { slot: u32, node: Node },
    /// What an order hides was forgotten with it.
    Unhidden { slot: u32, hidden: Hidden },
    /// Time moved on from this.
    Advanced(LedgerTime),
    /// Something was said about a contract.
    Flagged { contract: Contract, before: ContractFlags },
    /// A period got its record.
    PeriodOpened(u32),
    /// A period that was over was forgotten. Boxed: it is rare, and must not make the others larger.
    PeriodGone { index: u32, record: Box<Period> },
    /// Re-matching of a period was left unfinished, or finished.
    Rematching(u32),
    /// The opening auction of a period was held.
    Auctioned(u32),
    /// A class of preferences came into use.
    ClassAssigned { period: u32, side: Side, class: u32 },
    /// A class of preferences went out of use.
    ClassFreed { period: u32, side: Side, class: u32, preferences: Preferences },
    /// An edge was like this.
    Edge { period: u32, child: AreaId, before: EdgeState },
    /// A block came to wait: it is the newest.
    BlockPlaced,
    /// A block left: put it back.
    BlockGone { arrival: u64, block: Box<NewBlock> },
}

// An undo record is an order's node and little else.
const _: () = assert!(size_of::<Undo>() <= 72);

/// The undo records since the last [`Journal::forget`].
#[derive(Debug, Default)]
pub(crate) struct Journal {
    records: Vec<Undo>,
    /// The position of `records[0]`.
    base: u64,
    /// The oldest position that can still be gone back to.
    floor: u64,
    /// How many commands that may yet be refused are under way.
    held: u32,
    /// Whether changes are remembered only while such a command is under way.
    only_while_held: bool,
}

impl Journal {
    /// Remembers the inverse of a change, which is not even made where nothing is remembered.
    #[inline]
    pub(crate) fn push(&mut self, undo: impl FnOnce() -> Undo) {
        if self.remembers() {
            self.records.push(undo());
        }
    }

    /// Whether changes are remembered at all.
    #[inline]
    pub(crate) fn remembers(&self) -> bool {
        !self.only_while_held || self.held > 0
    }

    /// From now on changes are remembered only between [`Journal::hold`] and [`Journal::let_go`].
    pub(crate) fn remember_only_while_held(&mut self) {
        self.only_while_held = true;
        self.forget(self.end());
    }

    /// A command begins that may yet be refused.
    pub(crate) fn hold(&mut self) -> Mark {
        self.held += 1;
        self.end()
    }

    /// It is done, or was undone.
    pub(crate) fn let_go(&mut self) {
        self.held -= 1;
        if !self.remembers() {
            self.forget(self.end());
        }
    }

    pub(crate) fn end(&self) -> Mark {
        Mark(self.base + self.records.len() as u64)
    }

    /// Takes the newest record after `mark`, if there is one. (A journal that remembered nothing has nothing to take back.)
    ///
    /// # Panics
    /// If `mark` was forgotten or lies in the future: a mistake of the caller's.
    pub(crate) fn pop_after(&mut self, mark: Mark) -> Option<Undo> {
        assert!(mark.0 >= self.floor, "this mark was forgotten");
        assert!(mark <= self.end(), "this mark was rolled back");
        if mark == self.end() { None } else { self.records.pop() }
    }

    /// Gives up all records before `mark`. They are dropped when they are more than half of all, so that each is moved at most once.
    ///
    /// # Panics
    /// If `mark` lies in the future: a mistake of the caller's.
    pub(crate) fn forget(&mut self, mark: Mark) {
        assert!(mark <= self.end(), "this mark was rolled back");
        self.floor = self.floor.max(mark.0);
        let stale = usize::try_from(self.floor - self.base).expect("no more than there are records");
        if stale > self.records.len() / 2 || stale == self.records.len() {
            self.records.drain(..stale);
            self.base = self.floor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(time: u64) -> Undo {
        Undo::Advanced(LedgerTime(time))
    }

    #[test]
    fn marks_stay_where_they_are_when_older_ones_are_forgotten() {
        let mut journal = Journal::default();
        let marks: Vec<Mark> = (0..10)
            .map(|time| {
                journal.push(|| note(time));
                journal.end()
            })
            .collect();
        journal.forget(marks[2]);
        journal.forget(marks[7]);
        assert!(matches!(journal.pop_after(marks[8]), Some(Undo::Advanced(LedgerTime(9)))));
        assert!(journal.pop_after(marks[8]).is_none());
        assert_eq!(journal.end(), marks[8]);
    }

    #[test]
    #[should_panic(expected = "this mark was forgotten")]
    fn a_forgotten_mark_is_not_silently_mistaken_for_another() {
        let mut journal = Journal::default();
        let start = journal.end();
        journal.push(|| note(1));
        journal.forget(journal.end());
        journal.pop_after(start);
    }
}

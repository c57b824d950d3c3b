//! Going back: the inverse of every change, applied newest first.

use crate::book::Book;
use crate::engine::Engine;
use crate::journal::{Mark, Undo};
use crate::slab::{FOREVER, Node};

impl Engine {
    /// Goes back to a named state; later marks are void. Afterwards the books, priority counters, gates and time are as they were
    /// at the mark, and so is everything that follows from them. (New handles differ from those given out in the undone future,
    /// so that none of those ever hits another order.) The limits are rolled back by whoever keeps them.
    ///
    /// # Panics
    /// If `mark` was forgotten or rolled back.
    pub fn rollback(&mut self, mark: Mark) {
        while let Some(undo) = self.journal.pop_after(mark) {
            self.undo(undo);
        }
        self.queue.clear();
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Rested(slot) => self.undo_rest(slot),
            Undo::Taken { slot, energy } => {
                let node = self.slab.node_mut(slot);
                node.energy += energy;
                self.calendar.book_mut(node.book).grow(node, energy);
                let book = node.book;
                self.note_change(book);
            }
            Undo::Removed { slot, node } => self.undo_remove(slot, node),
            Undo::Advanced(before) => self.now = before,
            Undo::Closed(book) => {
                let entry = self.calendar.book_mut(book);
                entry.closed = false;
                let contract = entry.contract;
                self.calendar.closing.remove(&contract);
                self.note_change(book);
            }
            Undo::PeriodOpened(index) => self.calendar.undo_open_period(index),
            Undo::BookOpened(book) => self.calendar.undo_open_book(book),
            Undo::PeriodGone(gone) => self.calendar.undo_drop_period(&gone),
        }
    }

    fn undo_rest(&mut self, slot: u32) {
        let node = *self.slab.node(slot);
        let book = self.calendar.book_mut(node.book);
        book.unlink(&mut self.slab, slot);
        let period_index = book.period_index;
        let period = self.calendar.period_mut(period_index);
        period.orders -= 1;
        period.priorities = node.priority;
        if node.until != FOREVER {
            self.deadlines.remove(node.until, slot);
        }
        self.slab.undo_insert(slot);
        self.note_change(node.book);
    }

    fn undo_remove(&mut self, slot: u32, node: Node) {
        self.slab.undo_remove(slot, node);
        let book = self.calendar.book_mut(node.book);
        book.relink(&mut self.slab, slot);
        let Book { contract, period_index, closed, .. } = *book;
        if closed {
            self.calendar.closing.insert(contract);
        }
        self.calendar.period_mut(period_index).orders += 1;
        if node.until != FOREVER {
            self.deadlines.insert(node.until, slot);
        }
        self.note_change(node.book);
    }
}

//! The changes that every command is made of. Each pushes its inverse; `rollback.rs` has the other half.

use crate::book::Book;
use crate::contract::{Contract, DeliveryPeriod};
use crate::engine::Engine;
use crate::journal::Undo;
use crate::limits::OrderTerms;
use crate::slab::{FOREVER, NIL, Node};
use crate::units::{Energy, LedgerTime};

impl Engine {
    /// Puts the order last announced at the end of its queue, with the next priority number of its period.
    pub(crate) fn rest(&mut self, contract: Contract, node: Node) -> u32 {
        let book = self.find_or_open_book(contract);
        let period = self.calendar.period_mut(self.calendar.book(book).period_index);
        let priority = period.priorities;
        period.priorities += 1;
        period.orders += 1;
        let slot = self.slab.insert(Node { priority, book, next: NIL, prev: NIL, ..node });
        self.calendar.book_mut(book).append(&mut self.slab, slot);
        if node.until != FOREVER {
            self.deadlines.insert(node.until, slot);
        }
        self.journal.push(Undo::Rested(slot));
        self.note_change(book);
        slot
    }

    /// Takes an order out of its book, whatever is left of it.
    pub(crate) fn remove(&mut self, slot: u32) -> (OrderTerms, Node) {
        let node = *self.slab.node(slot);
        let book = self.calendar.book_mut(node.book);
        book.unlink(&mut self.slab, slot);
        let Book { contract, period_index, orders, closed, .. } = *book;
        if closed && orders == 0 {
            self.calendar.closing.remove(&contract);
        }
        let period = self.calendar.period_mut(period_index);
        period.orders -= 1;
        let last = period.orders == 0;
        if node.until != FOREVER {
            self.deadlines.remove(node.until, slot);
        }
        self.slab.remove(slot);
        self.journal.push(Undo::Removed { slot, node });
        self.note_change(node.book);
        if last && self.rules.gate_closes_at(contract) <= self.now {
            self.forget_period(period_index);
        }
        (node.terms(contract), node)
    }

    /// Takes a part of an order's energy; the order stays.
    pub(crate) fn take(&mut self, slot: u32, energy: Energy) {
        let node = self.slab.node_mut(slot);
        node.energy -= energy;
        self.calendar.book_mut(node.book).shrink(node, energy);
        self.journal.push(Undo::Taken { slot, energy });
        let book = node.book;
        self.note_change(book);
    }

    /// Where the book of a contract lies; it and its period are opened if need be.
    pub(crate) fn find_or_open_book(&mut self, contract: Contract) -> u32 {
        if let Some(book) = self.calendar.find_book(contract) {
            return book;
        }
        let period_index = self.calendar.find_period(contract.period).unwrap_or_else(|| {
            let index = self.calendar.open_period(contract.period);
            self.journal.push(Undo::PeriodOpened(index));
            index
        });
        let book = self.calendar.open_book(period_index, contract.area);
        self.journal.push(Undo::BookOpened(book));
        book
    }

    /// Forgets the periods whose gate has come and in which nothing rests, so that memory does not grow with time.
    pub(crate) fn forget_empty_periods(&mut self) {
        while let Some(period) = self.first_spent_period() {
            let index = self.calendar.find_period(period).expect("it was just found");
            self.forget_period(index);
        }
    }

    fn first_spent_period(&self) -> Option<DeliveryPeriod> {
        self.calendar
            .periods()
            .take_while(|period| self.period_gate(period.period) <= self.now)
            .find(|period| period.orders == 0)
            .map(|period| period.period)
    }

    fn forget_period(&mut self, index: u32) {
        let gone = self.calendar.drop_period(index);
        self.journal.push(Undo::PeriodGone(Box::new(gone)));
    }

    /// When the gates of a period close: at one time in all areas.
    pub(crate) fn period_gate(&self, period: DeliveryPeriod) -> LedgerTime {
        self.rules.gate_closes_at(Contract { period, ..Contract::default() })
    }
}

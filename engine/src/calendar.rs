//! Which contract has which book: delivery periods in order, in each a book per area that has been used.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Book;
use crate::contract::{AreaId, Contract, DeliveryPeriod};
use crate::slab::NIL;

/// One delivery period and its books.
#[derive(Debug)]
pub(crate) struct Period {
    pub(crate) period: DeliveryPeriod,
    /// How many priority numbers have been given out; the next order gets this one.
    pub(crate) priorities: u64,
    /// How many orders rest in all areas together.
    pub(crate) orders: u32,
    /// By area: where its book lies, or [`NIL`].
    books: Vec<u32>,
}

/// All that is needed to bring a forgotten period back.
#[derive(Debug)]
pub(crate) struct GonePeriod {
    index: u32,
    period: DeliveryPeriod,
    priorities: u64,
    books: Vec<(u32, AreaId, bool)>,
}

/// All periods and books. Both are given out and taken back like a stack, so that undoing in reverse order restores every index.
#[derive(Debug)]
pub(crate) struct Calendar {
    areas: u16,
    by_period: BTreeMap<DeliveryPeriod, u32>,
    periods: Vec<Period>,
    free_periods: Vec<u32>,
    books: Vec<Book>,
    free_books: Vec<u32>,
    /// Contracts closed by command in which orders still rest.
    pub(crate) closing: BTreeSet<Contract>,
}

impl Calendar {
    pub(crate) fn new(areas: u16) -> Self {
        Self {
            areas,
            by_period: BTreeMap::new(),
            periods: Vec::new(),
            free_periods: Vec::new(),
            books: Vec::new(),
            free_books: Vec::new(),
            closing: BTreeSet::new(),
        }
    }

    pub(crate) fn areas(&self) -> u16 {
        self.areas
    }

    pub(crate) fn book(&self, book: u32) -> &Book {
        &self.books[book as usize]
    }

    pub(crate) fn book_mut(&mut self, book: u32) -> &mut Book {
        &mut self.books[book as usize]
    }

    pub(crate) fn period_mut(&mut self, index: u32) -> &mut Period {
        &mut self.periods[index as usize]
    }

    /// Where the book of a contract lies, if it has one.
    pub(crate) fn find_book(&self, contract: Contract) -> Option<u32> {
        let index = *self.by_period.get(&contract.period)?;
        let book = *self.periods[index as usize].books.get(usize::from(contract.area.0))?;
        (book != NIL).then_some(book)
    }

    pub(crate) fn find_period(&self, period: DeliveryPeriod) -> Option<u32> {
        self.by_period.get(&period).copied()
    }

    /// All periods in order.
    pub(crate) fn periods(&self) -> impl Iterator<Item = &Period> {
        self.by_period.values().map(|&index| &self.periods[index as usize])
    }

    /// The books of a period that hold orders or are closed by command, by area: the others say nothing.
    pub(crate) fn telling_books<'a>(&'a self, period: &'a Period) -> impl Iterator<Item = &'a Book> + 'a {
        self.books_from(period, AreaId(0)).filter(|book| book.orders > 0 || book.closed)
    }

    /// The books of a period from an area on, by area.
    pub(crate) fn books_from<'a>(&'a self, period: &'a Period, area: AreaId) -> impl Iterator<Item = &'a Book> + 'a {
        period.books[usize::from(area.0)..].iter().filter(|&&book| book != NIL).map(|&book| &self.books[book as usize])
    }

    /// Opens a period that has none of its books yet.
    pub(crate) fn open_period(&mut self, period: DeliveryPeriod) -> u32 {
        let index = self.free_periods.pop().unwrap_or_else(|| {
            self.periods.push(Period { period, priorities: 0, orders: 0, books: Vec::new() });
            next_index(self.periods.len())
        });
        self.restore_period(index, period, 0);
        index
    }

    fn restore_period(&mut self, index: u32, period: DeliveryPeriod, priorities: u64) {
        let entry = &mut self.periods[index as usize];
        entry.period = period;
        entry.priorities = priorities;
        entry.orders = 0;
        entry.books.clear();
        entry.books.resize(usize::from(self.areas), NIL);
        self.by_period.insert(period, index);
    }

    /// The inverse of [`Calendar::open_period`].
    pub(crate) fn undo_open_period(&mut self, index: u32) {
        self.by_period.remove(&self.periods[index as usize].period);
        self.free_periods.push(index);
    }

    /// Opens a book in an open period.
    pub(crate) fn open_book(&mut self, period_index: u32, area: AreaId) -> u32 {
        let book = self.free_books.pop().unwrap_or_else(|| {
            self.books.push(Book::new());
            next_index(self.books.len())
        });
        self.restore_book(book, period_index, area, false);
        book
    }

    fn restore_book(&mut self, book: u32, period_index: u32, area: AreaId, closed: bool) {
        let entry = &mut self.periods[period_index as usize];
        entry.books[usize::from(area.0)] = book;
        let contract = Contract { area, period: entry.period };
        self.books[book as usize].assign(contract, period_index, closed);
    }

    /// The inverse of [`Calendar::open_book`].
    pub(crate) fn undo_open_book(&mut self, book: u32) {
        let Book { contract, period_index, .. } = self.books[book as usize];
        self.periods[period_index as usize].books[usize::from(contract.area.0)] = NIL;
        self.free_books.push(book);
    }

    /// Frees a period without orders and its books.
    pub(crate) fn drop_period(&mut self, index: u32) -> GonePeriod {
        let entry = &self.periods[index as usize];
        debug_assert_eq!(entry.orders, 0, "only empty periods are forgotten");
        let books: Vec<_> = entry
            .books
            .iter()
            .filter(|&&book| book != NIL)
            .map(|&book| (book, self.books[book as usize].contract.area, self.books[book as usize].closed))
            .collect();
        let gone = GonePeriod { index, period: entry.period, priorities: entry.priorities, books };
        self.free_books.extend(gone.books.iter().map(|&(book, ..)| book));
        self.by_period.remove(&gone.period);
        self.free_periods.push(index);
        gone
    }

    /// The inverse of [`Calendar::drop_period`].
    pub(crate) fn undo_drop_period(&mut self, gone: &GonePeriod) {
        assert_eq!(self.free_periods.pop(), Some(gone.index), "periods are undone in reverse order");
        self.restore_period(gone.index, gone.period, gone.priorities);
        for &(book, area, closed) in gone.books.iter().rev() {
            assert_eq!(self.free_books.pop(), Some(book), "books are undone in reverse order");
            self.restore_book(book, gone.index, area, closed);
        }
    }
}

fn next_index(len: usize) -> u32 {
    u32::try_from(len - 1).expect("2^32 books do not fit in memory")
}

//! The best prices of every contract, published by the one writer and read by any number of threads without a lock.
//!
//! Each row is a *seqlock*: the writer makes a sequence number odd, writes the words, makes it even again; a reader that sees an odd
//! number, or a different one after reading than before, tries again. The words are atomics, so a reader that loses the race
//! reads a mixture it throws away, never undefined memory, and no `unsafe` is needed.
//!
//! Orderings, after Boehm, "Can seqlocks get along with programming language memory models?" (MSPC 2012):
//! - The writer's release fence after the odd number keeps the words from becoming visible before it. The even number is
//!   stored with release, so whoever sees it sees all words.
//! - The reader's acquire load of the first number keeps its reads of the words behind it. Its acquire fence keeps them before the second
//!   load; together with the writer's fence: a reader that saw any word of a later publication sees its odd number too.

use core::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::Arc;

use crate::book::price_of;
use crate::contract::{Contract, DeliveryPeriod};
use crate::engine::Engine;
use crate::order::Side;
use crate::units::{Energy, Price};

/// The best prices of a contract and the energy that rests there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// The highest price somebody will pay, and for how much at that price.
    pub best_bid: Option<(Price, Energy)>,
    /// The lowest price somebody will take, and for how much at that price.
    pub best_ask: Option<(Price, Energy)>,
}

/// The published tops of all contracts: a fixed table of areas x a window of periods. A contract uses the row of its period modulo the window,
/// so choose a window no shorter than the periods that are open at one time.
#[derive(Debug)]
pub struct TopOfBook {
    areas: u16,
    window: u32,
    rows: Box<[Row]>,
}

/// The only one who may publish to a [`TopOfBook`]. Hand it to [`Engine::publish_to`].
#[derive(Debug)]
pub struct TopOfBookWriter(Arc<TopOfBook>);

/// A row in a cache line of its own, so that readers of one contract do not disturb the writing of the next.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Row {
    /// Odd while the words are being written.
    sequence: AtomicU64,
    words: [AtomicU64; 4],
}

const PUBLISHED: u64 = 1 << 32;
const HAS_BID: u64 = 1 << 33;
const HAS_ASK: u64 = 1 << 34;

impl TopOfBook {
    /// A table for `areas` areas and `window` periods at a time, in which nothing is published yet; the writer's end, and one to read from.
    ///
    /// # Panics
    /// If `window` is zero.
    pub fn new(areas: u16, window: u32) -> (TopOfBookWriter, Arc<Self>) {
        assert!(window > 0, "a table of no periods holds nothing");
        let rows = (0..usize::from(areas) * window as usize).map(|_| Row::default()).collect();
        let table = Arc::new(Self { areas, window, rows });
        (TopOfBookWriter(Arc::clone(&table)), table)
    }

    /// What was last published for a contract; nothing if nothing was, or if a later period has taken its row.
    ///
    /// Never blocks the writer. It spins only while this very row is being written.
    pub fn read(&self, contract: Contract) -> Option<Top> {
        let words = self.row(contract)?.read();
        (holds(&words, contract.period)).then(|| decode(&words))
    }

    fn row(&self, contract: Contract) -> Option<&Row> {
        if contract.area.0 >= self.areas {
            return None;
        }
        let column = (contract.period.0 % self.window) as usize;
        self.rows.get(usize::from(contract.area.0) * self.window as usize + column)
    }
}

impl TopOfBookWriter {
    /// Publishes the top of a contract. A contract outside the table's areas is left out, and so is an empty top whose row
    /// another period has taken.
    pub fn publish(&mut self, contract: Contract, top: Top) {
        let Some(row) = self.0.row(contract) else { return };
        // There is one writer, so what it reads here is what it wrote.
        let present = row.words[0].load(Ordering::Relaxed);
        let taken = present & PUBLISHED != 0 && !holds(&[present, 0, 0, 0], contract.period);
        if !(taken && top == Top::default()) {
            row.write(&encode(contract.period, top));
        }
    }
}

impl Row {
    fn write(&self, words: &[u64; 4]) {
        let even = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(even.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (place, &word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.sequence.store(even.wrapping_add(2), Ordering::Release);
    }

    fn read(&self) -> [u64; 4] {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let words = self.words.each_ref().map(|word| word.load(Ordering::Relaxed));
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    return words;
                }
            }
            core::hint::spin_loop();
        }
    }
}

fn holds(words: &[u64; 4], period: DeliveryPeriod) -> bool {
    words[0] & PUBLISHED != 0 && words[0] as u32 == period.0
}

fn encode(period: DeliveryPeriod, top: Top) -> [u64; 4] {
    let (bid, bid_energy) = top.best_bid.unwrap_or_default();
    let (ask, ask_energy) = top.best_ask.unwrap_or_default();
    let flags = if top.best_bid.is_some() { HAS_BID } else { 0 } | if top.best_ask.is_some() { HAS_ASK } else { 0 };
    let prices = u64::from(bid.0.cast_unsigned()) | u64::from(ask.0.cast_unsigned()) << 32;
    [u64::from(period.0) | PUBLISHED | flags, prices, bid_energy.0, ask_energy.0]
}

fn decode(words: &[u64; 4]) -> Top {
    let [head, prices, bid_energy, ask_energy] = *words;
    let bid = (Price((prices as u32).cast_signed()), Energy(bid_energy));
    let ask = (Price(((prices >> 32) as u32).cast_signed()), Energy(ask_energy));
    Top { best_bid: (head & HAS_BID != 0).then_some(bid), best_ask: (head & HAS_ASK != 0).then_some(ask) }
}

impl Engine {
    /// The best prices of a contract at which an incoming order could trade now: none behind a closed gate, and orders that are over
    /// do not count. (An energy beyond [`u64::MAX`] is shown as that.)
    pub fn top(&self, contract: Contract) -> Top {
        let best = |side| self.depth(contract, side).next();
        Top { best_bid: best(Side::Buy), best_ask: best(Side::Sell) }
    }

    /// The price levels of one side of a contract, the best first, as [`Engine::top`] shows the first.
    pub fn depth(&self, contract: Contract, side: Side) -> impl Iterator<Item = (Price, Energy)> + '_ {
        let book = self.calendar.find_book(contract).filter(|_| !self.gate_is_closed(contract));
        let levels = book.map_or(&[][..], |book| self.calendar.book(book).levels(side));
        let some_are_over = self.deadlines.any_due(self.now);
        levels.iter().rev().filter_map(move |level| {
            let energy = if some_are_over {
                let alive =
                    level.slots(&self.slab).map(|slot| self.slab.node(slot)).filter(|node| node.until > self.now);
                alive.map(|node| u128::from(node.energy.0)).sum()
            } else {
                level.energy
            };
            let shown = Energy(u64::try_from(energy).unwrap_or(u64::MAX));
            (energy > 0).then_some((price_of(side, level.rank), shown))
        })
    }

    /// Publishes tops through `writer` from now on, each time [`Engine::publish`] is called, beginning with all that rest now.
    pub fn publish_to(&mut self, writer: TopOfBookWriter) {
        self.tops = Some(writer);
        let books = self.calendar.periods().flat_map(|period| self.calendar.telling_books(period));
        self.changed = books.map(|book| book.contract).collect();
        self.publish();
    }

    /// Publishes the tops of the contracts that changed since the last call: after each command, or after each batch of them.
    /// Without a publisher it does nothing.
    pub fn publish(&mut self) {
        let Some(mut writer) = self.tops.take() else { return };
        while let Some(contract) = self.changed.pop() {
            writer.publish(contract, self.top(contract));
            if let Some(book) = self.calendar.find_book(contract) {
                self.calendar.book_mut(book).changed = false;
            }
        }
        self.tops = Some(writer);
    }

    /// Remembers that the top of a book may have changed.
    pub(crate) fn note_change(&mut self, book: u32) {
        if self.tops.is_some() {
            let book = self.calendar.book_mut(book);
            if !book.changed {
                book.changed = true;
                self.changed.push(book.contract);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::AreaId;

    fn contract(area: u16, period: u32) -> Contract {
        Contract { area: AreaId(area), period: DeliveryPeriod(period) }
    }

    #[test]
    fn negative_prices_and_empty_sides_come_through_whole() {
        let (mut writer, table) = TopOfBook::new(2, 4);
        let top = Top { best_bid: Some((Price(-9_999_990), Energy(u64::MAX))), best_ask: None };
        writer.publish(contract(1, 6), top);
        assert_eq!(table.read(contract(1, 6)), Some(top));
        assert_eq!(table.read(contract(1, 2)), None, "the same row, another period");
        assert_eq!(table.read(contract(2, 6)), None, "no such area");
    }

    #[test]
    fn clearing_an_old_period_does_not_wipe_out_the_one_that_took_its_row() {
        let (mut writer, table) = TopOfBook::new(1, 4);
        let top = Top { best_bid: None, best_ask: Some((Price(1), Energy(1))) };
        writer.publish(contract(0, 1), top);
        writer.publish(contract(0, 5), top);
        writer.publish(contract(0, 1), Top::default());
        assert_eq!(table.read(contract(0, 5)), Some(top));
    }
}

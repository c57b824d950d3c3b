//! Streams of operations on order books, the same for every engine.
//!
//! The generator keeps its own plain books while it draws, so that it cancels only what rests, and an order that is to cross finds
//! enough on the other side to be filled whole. Nothing depends on the engine that is measured: no self-trades, no remainders of
//! crossing orders, no prices that cross by chance. So every engine with price-time priority must give the same trades.

use std::collections::{BTreeMap, VecDeque};

use gridbook_engine::Side;

use crate::dice::Dice;

/// What a workload is made of.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// What tables call it.
    pub name: &'static str,
    /// How many books: areas times [`PERIODS`], or 1.
    pub books: u32,
    /// Per cent of orders that rest on entry.
    pub passive: u32,
    /// Per cent of cancels; the rest are orders that cross.
    pub cancel: u32,
    /// Orders that rest in each book before the first measured operation.
    pub depth: u32,
}

/// Delivery periods of a day.
pub const PERIODS: u32 = 96;

/// One book, mostly orders that rest: 58 / 37 / 5.
pub const A: Mix = Mix { name: "A", books: 1, passive: 58, cancel: 37, depth: 10_000 };
/// One book, half of all operations trade: 41 / 9 / 50.
pub const B: Mix = Mix { name: "B", books: 1, passive: 41, cancel: 9, depth: 10_000 };
/// 9,600 books, 100 areas of 96 periods: 56 / 39 / 5.
pub const C: Mix = Mix { name: "C", books: 9_600, passive: 56, cancel: 39, depth: 20 };
/// As [`C`] with ten times as many books: 96,000.
pub const C10: Mix = Mix { name: "C x 10", books: 96_000, passive: 56, cancel: 39, depth: 20 };

/// The price around which all books trade, in steps.
pub const MIDDLE: u32 = 1_000;
/// Prices on each side that orders rest at, in steps.
pub const LEVELS: u32 = 100;
/// The most energy of one order that rests.
const ENERGY_MAX: u32 = 100;
/// Owners. Even ones sell, odd ones buy, so that nobody meets himself; engines check for it all the same.
pub const OWNERS: u32 = 10_000;

/// One operation. Orders are named by their place among all orders of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new order.
    Place(Order),
    /// Takes out an order that rests.
    Cancel {
        /// Its name.
        order: u32,
        /// Where it rests.
        book: u32,
        /// Whose it is.
        owner: u32,
    },
}

/// A limit order that is good until it is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name: 0 for the first of the stream, and so on.
    pub name: u32,
    /// Which book.
    pub book: u32,
    /// Whose.
    pub owner: u32,
    /// Which way.
    pub side: Side,
    /// In steps.
    pub price: u32,
    /// In lots.
    pub energy: u32,
}

/// A drawn stream.
#[derive(Debug)]
pub struct Workload {
    /// What it was drawn from.
    pub mix: Mix,
    /// What it was drawn from.
    pub seed: u64,
    /// Orders that fill the books; not measured.
    pub prelude: Vec<Operation>,
    /// What is measured.
    pub operations: Vec<Operation>,
}

impl Workload {
    /// Draws `count` operations behind the prelude that fills the books.
    pub fn draw(mix: Mix, seed: u64, count: usize) -> Self {
        let mut drawer = Drawer::new(mix, seed);
        let fill = mix.books * mix.depth;
        let prelude = (0..fill).map(|number| drawer.rest_in(number % mix.books)).collect();
        let operations = (0..count).map(|_| drawer.next()).collect();
        Self { mix, seed, prelude, operations }
    }

    /// How many orders the whole stream has.
    pub fn orders(&self) -> usize {
        let is_order = |operation: &&Operation| matches!(operation, Operation::Place(_));
        self.prelude.len() + self.operations.iter().filter(is_order).count()
    }
}

#[derive(Clone, Debug, Default)]
struct PlainBook {
    /// Levels by price; names oldest first, those that were cancelled among them.
    levels: [BTreeMap<u32, VecDeque<u32>>; 2],
    /// What rests on each side.
    energy: [u64; 2],
}

/// What rests of an order; all zero when it is gone.
#[derive(Clone, Copy, Debug)]
struct Remains {
    order: Order,
    energy: u32,
    /// Its place in the list of those that rest.
    place: usize,
}

struct Drawer {
    mix: Mix,
    dice: Dice,
    books: Vec<PlainBook>,
    orders: Vec<Remains>,
    resting: Vec<u32>,
}

impl Drawer {
    fn new(mix: Mix, seed: u64) -> Self {
        let books = vec![PlainBook::default(); mix.books as usize];
        Self { mix, dice: Dice::new(seed), books, orders: Vec::new(), resting: Vec::new() }
    }

    fn next(&mut self) -> Operation {
        let roll = self.dice.small(100);
        let book = self.dice.small(self.mix.books);
        if roll < self.mix.passive {
            self.rest_in(book)
        } else if roll < self.mix.passive + self.mix.cancel {
            self.cancel().unwrap_or_else(|| self.rest_in(book))
        } else {
            self.cross(book).unwrap_or_else(|| self.rest_in(book))
        }
    }

    /// Near the middle more often than far from it.
    fn rest_in(&mut self, book: u32) -> Operation {
        let side = if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = 1 + self.dice.small(LEVELS).min(self.dice.small(LEVELS));
        let price = if side == Side::Buy { MIDDLE - away } else { MIDDLE + away };
        let energy = 1 + self.dice.small(ENERGY_MAX);
        let order = self.order(book, side, price, energy);
        let plain = &mut self.books[book as usize];
        plain.levels[side as usize].entry(price).or_default().push_back(order.name);
        plain.energy[side as usize] += u64::from(energy);
        self.orders.push(Remains { order, energy, place: self.resting.len() });
        self.resting.push(order.name);
        Operation::Place(order)
    }

    fn cancel(&mut self) -> Option<Operation> {
        if self.resting.is_empty() {
            return None;
        }
        let name = self.resting[self.dice.place(self.resting.len())];
        let Order { book, owner, .. } = self.orders[name as usize].order;
        self.forget(name);
        Some(Operation::Cancel { order: name, book, owner })
    }

    /// As much as keeps the books at their depth: what rests and is not cancelled must be traded away.
    fn cross(&mut self, book: u32) -> Option<Operation> {
        let side = if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let available = self.books[book as usize].energy[side.opposite() as usize];
        let crossing = 100 - self.mix.passive - self.mix.cancel;
        let mean = u64::from(ENERGY_MAX / 2) * u64::from(self.mix.passive - self.mix.cancel) / u64::from(crossing);
        let energy = (1 + self.dice.below(2 * mean)).min(available);
        let energy = u32::try_from(energy).ok().filter(|energy| *energy > 0)?;
        let price = if side == Side::Buy { MIDDLE + LEVELS } else { MIDDLE - LEVELS };
        let order = self.order(book, side, price, energy);
        self.orders.push(Remains { order, energy: 0, place: usize::MAX });
        self.fill(order);
        Some(Operation::Place(order))
    }

    fn fill(&mut self, taker: Order) {
        let (maker_side, mut left) = (taker.side.opposite(), taker.energy);
        while left > 0 {
            let name = self.best(taker.book, maker_side);
            let maker = &mut self.orders[name as usize];
            let traded = left.min(maker.energy);
            left -= traded;
            maker.energy -= traded;
            let is_gone = maker.energy == 0;
            self.books[taker.book as usize].energy[maker_side as usize] -= u64::from(traded);
            if is_gone {
                self.forget(name);
            }
        }
    }

    /// The order that is to trade next; those before it that were cancelled are dropped on the way.
    fn best(&mut self, book: u32, side: Side) -> u32 {
        let levels = &mut self.books[book as usize].levels[side as usize];
        loop {
            let level = if side == Side::Buy { levels.last_entry() } else { levels.first_entry() };
            let mut level = level.expect("a crossing order asks for no more than there is");
            while let Some(name) = level.get().front().copied() {
                if self.orders[name as usize].place != usize::MAX {
                    return name;
                }
                level.get_mut().pop_front();
            }
            level.remove();
        }
    }

    fn forget(&mut self, name: u32) {
        let Remains { order, energy, place } = self.orders[name as usize];
        self.books[order.book as usize].energy[order.side as usize] -= u64::from(energy);
        self.resting.swap_remove(place);
        if let Some(moved) = self.resting.get(place) {
            self.orders[*moved as usize].place = place;
        }
        self.orders[name as usize] = Remains { order, energy: 0, place: usize::MAX };
    }

    fn order(&mut self, book: u32, side: Side, price: u32, energy: u32) -> Order {
        let name = u32::try_from(self.orders.len()).expect("a stream has fewer than 2^32 orders");
        let owner = 2 * self.dice.small(OWNERS / 2) + u32::from(side == Side::Buy);
        Order { name, book, owner, side, price, energy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two machines that compare figures must have drawn the same stream.
    #[test]
    fn the_same_seed_draws_the_same_stream() {
        let (one, two) = (Workload::draw(A, 7, 20_000), Workload::draw(A, 7, 20_000));
        assert_eq!(one.operations, two.operations);
        assert_ne!(one.operations, Workload::draw(A, 8, 20_000).operations);
    }

    /// A mix that fills or empties its books would measure something else at its end than at its beginning.
    #[test]
    fn every_mix_holds_its_shares_and_its_depth() {
        for mix in [A, B, Mix { books: 960, ..C }] {
            let mut drawer = Drawer::new(mix, 1);
            (0..mix.books * mix.depth).for_each(|number| _ = drawer.rest_in(number % mix.books));
            let before = drawer.resting.len();
            let drawn: Vec<Operation> = (0..200_000).map(|_| drawer.next()).collect();
            let cancels = drawn.iter().filter(|operation| matches!(operation, Operation::Cancel { .. })).count();
            assert!(cancels.abs_diff(2_000 * mix.cancel as usize) < 2_000, "{mix:?}: {cancels} cancels");
            let after = drawer.resting.len();
            assert!(after * 3 > before && after < before * 3, "{mix:?}: {before} orders became {after}");
        }
    }
}

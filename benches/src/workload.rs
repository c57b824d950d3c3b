//! Streams of operations on order books, the same for every engine.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use gridbook_engine::Side;

use crate::drawer::Drawer;
use crate::grid::Grid;

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
    /// Orders that rest in each book before the first measured operation, and on the mean after it.
    pub depth: u32,
    /// Prices on each side that orders rest at, in steps.
    pub levels: u32,
    /// Whether areas trade with each other.
    pub is_grid: bool,
}

/// Delivery periods of a day.
pub const PERIODS: u32 = 96;

/// One book, mostly orders that rest: 58 / 37 / 5.
pub const A: Mix = Mix { name: "A", books: 1, passive: 58, cancel: 37, depth: 10_000, levels: 100, is_grid: false };
/// One book, half of all operations trade: 41 / 9 / 50.
pub const B: Mix = Mix { name: "B", passive: 41, cancel: 9, ..A };
/// 9,600 books, 100 areas of 96 periods: 56 / 39 / 5.
pub const C: Mix = Mix { name: "C", books: 9_600, passive: 56, cancel: 39, depth: 20, ..A };
/// As [`C`] with 1,042 areas: 100,032 books.
pub const C10: Mix = Mix { name: "C x 10", books: 1_042 * PERIODS, ..C };
/// As [`C`], over a tree of the 100 areas with fees and capacities on its edges.
pub const D: Mix = Mix { name: "D", is_grid: true, ..C };

/// The price around which all books trade, in steps.
pub const MIDDLE: u32 = 1_000;
/// The most energy of one order that rests, in lots; the least is 1.
pub const ENERGY_MAX: u32 = 100;
/// Owners. Even ones sell, odd ones buy, so that nobody meets himself; engines check for it all the same.
pub const OWNERS: u32 = 10_000;
/// Operations of a stream, at most, over which trades are compared.
pub const COMPARED: usize = 300_000;

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

/// A trade as engines are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fill {
    /// The name of the order that rested.
    pub maker: u32,
    /// The name of the order that came in.
    pub taker: u32,
    /// In steps.
    pub price: u32,
    /// In lots.
    pub energy: u64,
}

/// Trades in their order: how many, and a hash over all of them.
#[derive(Clone, Debug, Default)]
pub struct TradeSequence {
    trades: u64,
    hasher: DefaultHasher,
}

impl TradeSequence {
    /// The next trade.
    pub fn push(&mut self, fill: Fill) {
        self.trades += 1;
        fill.hash(&mut self.hasher);
    }

    /// How many, and their hash.
    pub fn finish(&self) -> (u64, u64) {
        (self.trades, self.hasher.finish())
    }
}

/// A drawn stream.
#[derive(Debug)]
pub struct Workload {
    /// What it was drawn from.
    pub mix: Mix,
    /// What it was drawn from.
    pub seed: u64,
    /// The tree of its areas; areas without edges where the mix has no grid.
    pub grid: Grid,
    /// Orders that fill the books; not measured.
    pub prelude: Vec<Operation>,
    /// What is measured.
    pub operations: Vec<Operation>,
    /// The trades of the first [`COMPARED`] operations, as the plain books of the generator made them.
    pub expected: (u64, u64),
    /// What became of it.
    pub census: Census,
}

/// What a stream did to the generator's books.
#[derive(Clone, Copy, Debug, Default)]
pub struct Census {
    /// Trades of all operations.
    pub trades: u64,
    /// Those between different areas.
    pub trades_across: u64,
    /// Orders that rest behind the last operation.
    pub resting: usize,
    /// Ways along an edge, in all periods, and how many of them are full at the end.
    pub full_ways: (usize, usize),
}

impl Workload {
    /// Draws `count` operations behind the prelude that fills the books.
    pub fn draw(mix: Mix, seed: u64, count: usize) -> Self {
        let areas = u16::try_from(mix.books.div_ceil(PERIODS)).expect("a workload has at most 65,535 areas");
        let grid = if mix.is_grid { Grid::draw(areas, seed) } else { Grid::islands(areas) };
        let mut drawer = Drawer::new(mix, seed, &grid);
        let prelude = drawer.fill_books();
        let mut operations: Vec<Operation> = (0..count.min(COMPARED)).map(|_| drawer.next()).collect();
        let expected = drawer.trades();
        operations.extend((operations.len()..count).map(|_| drawer.next()));
        Self { mix, seed, grid, prelude, operations, expected, census: drawer.census() }
    }

    /// How many orders the whole stream has.
    pub fn orders(&self) -> usize {
        let is_order = |operation: &&Operation| matches!(operation, Operation::Place(_));
        self.prelude.len() + self.operations.iter().filter(is_order).count()
    }

    /// One line for tables: exactly what was drawn.
    pub fn line(&self) -> String {
        let Mix { name, books, passive, cancel, depth, levels, is_grid } = self.mix;
        let Census { trades, trades_across, resting, full_ways } = self.census;
        let crossing = 100 - passive - cancel;
        let mut line = format!(
            "{name}: {books} books, {passive}/{cancel}/{crossing} per cent rest/cancel/cross, {depth} orders in each, {levels} prices a side; \
             {} operations, {trades} trades, {resting} orders rest at the end",
            self.operations.len()
        );
        if is_grid {
            let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
            line += &format!(
                "; {} areas in a tree, {:.0} % of the trades between areas, {:.1} % of the ways along an edge full at the end",
                self.grid.areas(),
                share(trades_across, trades),
                share(full_ways.1 as u64, full_ways.0 as u64)
            );
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two machines that compare figures must have drawn the same stream.
    #[test]
    fn the_same_seed_draws_the_same_stream() {
        for mix in [A, D] {
            let (one, two) = (Workload::draw(mix, 7, 20_000), Workload::draw(mix, 7, 20_000));
            assert_eq!(one.operations, two.operations);
            assert_eq!(one.expected, two.expected);
            assert_ne!(one.operations, Workload::draw(mix, 8, 20_000).operations);
        }
    }

    /// A mix that fills or empties its books would measure something else at its end than at its beginning.
    #[test]
    fn every_mix_holds_its_shares_and_its_depth() {
        for mix in [A, B, Mix { books: 960, ..C }, Mix { books: 960, ..D }] {
            let workload = Workload::draw(mix, 1, 200_000);
            let cancels = workload.operations.iter().filter(|operation| matches!(operation, Operation::Cancel { .. }));
            let cancels = cancels.count();
            assert!(cancels.abs_diff(2_000 * mix.cancel as usize) < 2_000, "{mix:?}: {cancels} cancels");
            let (before, after) = (workload.prelude.len(), workload.census.resting);
            assert!(after * 10 > before * 8 && after * 8 < before * 10, "{mix:?}: {before} orders became {after}");
        }
    }

    /// A grid on which nothing crosses an edge, or nothing ever fills one, would measure what C measures.
    #[test]
    fn the_grid_is_used_and_partly_full() {
        let Census { trades, trades_across, full_ways, .. } = Workload::draw(D, 1, 300_000).census;
        assert!(trades_across * 4 > trades && trades_across * 10 < trades * 9, "{trades_across} of {trades} trades");
        assert!(full_ways.1 * 100 > full_ways.0, "{full_ways:?}");
    }
}

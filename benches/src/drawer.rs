//! The generator of [`Workload`](crate::workload::Workload)s.
//!
//! It keeps its own plain books while it draws, so that it cancels only what rests, and an order that is to cross finds enough on the
//! other side to be filled whole. Nothing depends on the engine that is measured: no self-trades, no remainders of crossing orders, no
//! prices that cross by chance. So every engine with price-time priority must give the same trades, and those of the plain books.
//!
//! - An order that rests: side by the toss of a coin, 1 to [`ENERGY_MAX`] lots, 1 to `levels` steps from [`MIDDLE`], the smaller of two throws.
//! - A cancel: any order that rests anywhere, each as likely.
//! - An order that crosses: beyond all prices of the other side; evenly up to twice what keeps the books at their depth, more where more rests.
//! - On a grid it is cut to what it reaches, so that it is filled whole there too.

use std::collections::{BTreeMap, VecDeque};

use gridbook_engine::Side;

use crate::dice::Dice;
use crate::grid::{Flows, Grid};
use crate::workload::{Census, ENERGY_MAX, Fill, MIDDLE, Mix, OWNERS, Operation, Order, PERIODS, TradeSequence};

/// Beyond every price and every fee, in steps.
const FAR: u32 = 500;

#[derive(Clone, Debug, Default)]
struct PlainBook {
    /// Levels by price; names oldest first, those that were cancelled among them.
    levels: [BTreeMap<u32, VecDeque<u32>>; 2],
    /// What rests on each side.
    energy: [u64; 2],
}

/// What rests of an order; no energy when it is gone.
#[derive(Clone, Copy, Debug)]
struct Remains {
    order: Order,
    energy: u32,
    /// Its place in the list of those that rest.
    place: usize,
}

/// The order that is to trade next.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    name: u32,
    area: u16,
    energy: u32,
}

/// The generator, in the middle of a stream.
pub(crate) struct Drawer {
    mix: Mix,
    dice: Dice,
    books: Vec<PlainBook>,
    /// Only on a grid.
    flows: Option<Flows>,
    orders: Vec<Remains>,
    resting: Vec<u32>,
    trades: TradeSequence,
    trades_across: u64,
}

impl Drawer {
    pub(crate) fn new(mix: Mix, seed: u64, grid: &Grid) -> Self {
        Self {
            mix,
            dice: Dice::new(seed),
            books: vec![PlainBook::default(); mix.books as usize],
            flows: mix.is_grid.then(|| Flows::new(grid.clone())),
            orders: Vec::new(),
            resting: Vec::new(),
            trades: TradeSequence::default(),
            trades_across: 0,
        }
    }

    pub(crate) fn fill_books(&mut self) -> Vec<Operation> {
        let Mix { books, depth, .. } = self.mix;
        (0..books * depth).map(|number| self.rest_in(number % books)).collect()
    }

    /// The trades so far.
    pub(crate) fn trades(&self) -> (u64, u64) {
        self.trades.finish()
    }

    pub(crate) fn census(&self) -> Census {
        Census {
            trades: self.trades.finish().0,
            trades_across: self.trades_across,
            resting: self.resting.len(),
            full_ways: self.flows.as_ref().map_or((0, 0), Flows::full),
        }
    }

    pub(crate) fn next(&mut self) -> Operation {
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
        let side = self.side();
        let levels = self.mix.levels;
        let away = 1 + self.dice.small(levels).min(self.dice.small(levels));
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
        let side = self.side();
        let Mix { passive, cancel, depth, .. } = self.mix;
        let available = self.books[book as usize].energy[side.opposite() as usize];
        let twice_the_mean = u64::from((ENERGY_MAX + 1) * (passive - cancel) / (100 - passive - cancel));
        let usual = u64::from(depth * (ENERGY_MAX + 1)) / 4;
        let bound = twice_the_mean * available / usual;
        let energy = (1 + self.dice.below(bound.max(1))).min(available);
        let energy = u32::try_from(energy).ok().filter(|energy| *energy > 0)?;
        let price = if side == Side::Buy { MIDDLE + FAR } else { MIDDLE - FAR };
        let mut order = self.order(book, side, price, energy);
        self.orders.push(Remains { order, energy: 0, place: usize::MAX });
        order.energy = energy - self.fill(order);
        Some(Operation::Place(order))
    }

    /// Trades until the order is filled or reaches nothing more; what is left of it.
    fn fill(&mut self, taker: Order) -> u32 {
        let mut left = taker.energy;
        let own_area = area_of(taker.book);
        while left > 0
            && let Some(Candidate { name, area, energy }) = self.best_anywhere(&taker)
        {
            let maker = &mut self.orders[name as usize];
            let traded = left.min(maker.energy).min(energy);
            let Order { price, book, side, .. } = maker.order;
            left -= traded;
            maker.energy -= traded;
            let is_gone = maker.energy == 0;
            self.trades.push(Fill { maker: name, taker: taker.name, price, energy: traded.into() });
            self.books[book as usize].energy[side as usize] -= u64::from(traded);
            if is_gone {
                self.forget(name);
            }
            if area != own_area
                && let Some(flows) = &mut self.flows
            {
                self.trades_across += 1;
                flows.send(own_area, taker.side, area, taker.book % PERIODS, traded);
            }
        }
        left
    }

    /// Best delivered price, then fewer edges, then the earlier order, of what can flow.
    fn best_anywhere(&mut self, taker: &Order) -> Option<Candidate> {
        let (own_area, period, maker_side) = (area_of(taker.book), taker.book % PERIODS, taker.side.opposite());
        let Some(areas) = self.flows.as_ref().map(Flows::areas) else {
            let name = self.best(taker.book, maker_side)?;
            return Some(Candidate { name, area: own_area, energy: u32::MAX });
        };
        let mut best = None;
        for area in 0..areas {
            let Some(reach) = self.flows.as_ref().map(|flows| flows.reach(own_area, taker.side, area, period)) else {
                continue;
            };
            if reach.energy == 0 {
                continue;
            }
            let Some(name) = self.best(u32::from(area) * PERIODS + period, maker_side) else { continue };
            let price = self.orders[name as usize].order.price;
            // Lower is better for both: what a buyer pays; how far below everything a seller receives.
            let worth = if taker.side == Side::Buy { price + reach.fee } else { 2 * MIDDLE - price + reach.fee };
            let rank = (worth, reach.edges, name);
            if best.is_none_or(|(best_rank, _)| rank < best_rank) {
                best = Some((rank, Candidate { name, area, energy: reach.energy }));
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    /// The first order of one side; those before it that are gone are dropped on the way.
    fn best(&mut self, book: u32, side: Side) -> Option<u32> {
        let levels = &mut self.books[book as usize].levels[side as usize];
        loop {
            let mut level = if side == Side::Buy { levels.last_entry() } else { levels.first_entry() }?;
            while let Some(name) = level.get().front().copied() {
                if self.orders[name as usize].place != usize::MAX {
                    return Some(name);
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

    fn side(&mut self) -> Side {
        if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell }
    }

    fn order(&mut self, book: u32, side: Side, price: u32, energy: u32) -> Order {
        let name = u32::try_from(self.orders.len()).expect("a stream has fewer than 2^32 orders");
        let owner = 2 * self.dice.small(OWNERS / 2) + u32::from(side == Side::Buy);
        Order { name, book, owner, side, price, energy }
    }
}

fn area_of(book: u32) -> u16 {
    u16::try_from(book / PERIODS).expect("a workload has at most 65,535 areas")
}

//! The order book of one contract: per side a stack of price levels, per level a queue of orders.

use crate::contract::{AreaId, Contract, DeliveryPeriod};
use crate::order::Side;
use crate::slab::{NIL, Node, OrderSlab};
use crate::units::{Energy, Price};

/// All orders of one side at one price, oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Their energy together: wider than one order's, so that it never overflows.
    pub(crate) energy: u128,
    /// The price, turned so that more is better on both sides: see [`rank`].
    pub(crate) rank: i32,
    pub(crate) head: u32,
    pub(crate) tail: u32,
}

/// The resting orders of one contract.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) contract: Contract,
    /// Where its period lies in the calendar.
    pub(crate) period_index: u32,
    /// How many orders rest here.
    pub(crate) orders: u32,
    /// Closed by command.
    pub(crate) closed: bool,
    /// Noted as changed since the last publication.
    pub(crate) changed: bool,
    /// Ascending by rank: the best level is last, where a `Vec` grows and shrinks for free.
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// A price as a number of which more is better for the other side: the price itself for a bid, its complement for an ask.
/// (The complement turns the order round and, unlike the negative, exists for every price.)
pub(crate) fn rank(side: Side, price: Price) -> i32 {
    match side {
        Side::Buy => price.0,
        Side::Sell => !price.0,
    }
}

/// The price of a rank.
pub(crate) fn price_of(side: Side, rank: i32) -> Price {
    match side {
        Side::Buy => Price(rank),
        Side::Sell => Price(!rank),
    }
}

impl Book {
    pub(crate) fn new() -> Self {
        Self {
            contract: Contract { area: AreaId(0), period: DeliveryPeriod(0) },
            period_index: NIL,
            orders: 0,
            closed: false,
            changed: false,
            bids: Vec::new(),
            asks: Vec::new(),
        }
    }

    /// Gives an empty book to a contract. The levels keep their memory.
    pub(crate) fn assign(&mut self, contract: Contract, period_index: u32, closed: bool) {
        debug_assert!(
            self.orders == 0 && self.bids.is_empty() && self.asks.is_empty(),
            "only empty books change hands"
        );
        self.contract = contract;
        self.period_index = period_index;
        self.closed = closed;
        self.changed = false;
    }

    /// The levels of a side, the best last.
    pub(crate) fn levels(&self, side: Side) -> &Vec<Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn levels_mut(&mut self, side: Side) -> &mut Vec<Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn level_mut(&mut self, node: &Node) -> &mut Level {
        let levels = self.levels_mut(node.side);
        let at = levels.binary_search_by_key(&rank(node.side, node.price), |level| level.rank);
        &mut levels[at.expect("a resting order's price has a level")]
    }

    /// The slots of a side in price-time priority: best level first, oldest order first.
    pub(crate) fn slots<'a>(&'a self, slab: &'a OrderSlab, side: Side) -> impl Iterator<Item = u32> + 'a {
        self.levels(side).iter().rev().flat_map(move |level| level.slots(slab))
    }

    /// Queues an order behind all others of its price.
    pub(crate) fn append(&mut self, slab: &mut OrderSlab, slot: u32) {
        let Node { side, price, energy, .. } = *slab.node(slot);
        let rank = rank(side, price);
        let levels = self.levels_mut(side);
        match levels.binary_search_by_key(&rank, |level| level.rank) {
            Ok(at) => {
                let level = &mut levels[at];
                slab.node_mut(level.tail).next = slot;
                slab.node_mut(slot).prev = level.tail;
                level.tail = slot;
                level.energy += u128::from(energy.0);
            }
            Err(at) => levels.insert(at, Level { energy: u128::from(energy.0), rank, head: slot, tail: slot }),
        }
        self.orders += 1;
    }

    /// Takes an order out of its queue. Its node keeps its neighbours, for [`Book::relink`].
    pub(crate) fn unlink(&mut self, slab: &mut OrderSlab, slot: u32) {
        let node = *slab.node(slot);
        if node.prev != NIL {
            slab.node_mut(node.prev).next = node.next;
        }
        if node.next != NIL {
            slab.node_mut(node.next).prev = node.prev;
        }
        let wanted = rank(node.side, node.price);
        let levels = self.levels_mut(node.side);
        let at = levels.binary_search_by_key(&wanted, |level| level.rank).expect("a resting order's price has a level");
        if node.prev == NIL && node.next == NIL {
            levels.remove(at);
        } else {
            let level = &mut levels[at];
            level.energy -= u128::from(node.energy.0);
            if node.prev == NIL {
                level.head = node.next;
            }
            if node.next == NIL {
                level.tail = node.prev;
            }
        }
        self.orders -= 1;
    }

    /// The inverse of [`Book::unlink`], when everything that happened since has been undone: the order goes back between
    /// the neighbours it remembers.
    pub(crate) fn relink(&mut self, slab: &mut OrderSlab, slot: u32) {
        let node = *slab.node(slot);
        if node.prev != NIL {
            slab.node_mut(node.prev).next = slot;
        }
        if node.next != NIL {
            slab.node_mut(node.next).prev = slot;
        }
        let energy = u128::from(node.energy.0);
        let rank = rank(node.side, node.price);
        let levels = self.levels_mut(node.side);
        match levels.binary_search_by_key(&rank, |level| level.rank) {
            Ok(at) => {
                let level = &mut levels[at];
                level.energy += energy;
                if node.prev == NIL {
                    level.head = slot;
                }
                if node.next == NIL {
                    level.tail = slot;
                }
            }
            Err(at) => levels.insert(at, Level { energy, rank, head: slot, tail: slot }),
        }
        self.orders += 1;
    }

    /// Takes energy out of the level of `node`.
    pub(crate) fn shrink(&mut self, node: &Node, energy: Energy) {
        self.level_mut(node).energy -= u128::from(energy.0);
    }

    /// Puts energy back into the level of `node`.
    pub(crate) fn grow(&mut self, node: &Node, energy: Energy) {
        self.level_mut(node).energy += u128::from(energy.0);
    }
}

impl Level {
    /// The slots of the level, oldest first.
    pub(crate) fn slots<'a>(&self, slab: &'a OrderSlab) -> impl Iterator<Item = u32> + 'a {
        core::iter::successors(Some(self.head), move |&slot| {
            let next = slab.node(slot).next;
            (next != NIL).then_some(next)
        })
    }
}

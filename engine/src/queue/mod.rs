//! The resting orders of one side of one contract with the same preferences, best first.
//!
//! A queue has two shapes, by its length: a short one is a sorted [`array`] in one piece of memory, which nothing beats
//! up to a hundred orders. No result depends on the shape.
//!
//! The orders themselves lie elsewhere; a queue reaches them by their slot, through [`Orders`].

mod array;

use crate::units::Energy;
use array::Array;

/// No order.
pub(crate) const NIL: u32 = u32::MAX;

/// What a queue needs of the place where orders lie.
pub(crate) trait Orders {
    /// Price and priority in one, the lower the earlier. High 32 bits: the price, turned so that lower is better; low 32
    /// bits: the priority number. No two orders of a queue have the same key, and it does not change while they rest there.
    fn key(&self, slot: u32) -> u64;
    /// What shows of the order.
    fn shown(&self, slot: u32) -> Energy;
    /// The order behind it at its price, or [`NIL`]. The links belong to the queue while the order rests in it.
    fn next(&self, slot: u32) -> u32;
    /// The order before it at its price, or [`NIL`].
    fn prev(&self, slot: u32) -> u32;
    /// Remembers the order behind it.
    fn set_next(&mut self, slot: u32, next: u32);
    /// Remembers the order before it.
    fn set_prev(&mut self, slot: u32, prev: u32);
}

/// The resting orders of one side of one contract with the same preferences, best first. One cache line, and no other
/// memory before the first order.
#[repr(align(64))]
#[derive(Debug)]
pub(crate) struct Queue {
    /// Of the best order, or [`Queue::NOTHING`].
    best_key: u64,
    /// Of the best order, or [`NIL`].
    best: u32,
    len: u32,
    array: Array,
}

const _: () = assert!(size_of::<Queue>() == 64);

impl Queue {
    /// The best key of an empty queue: worse than that of any order.
    pub(crate) const NOTHING: u64 = u64::MAX;

    /// An empty queue, which owns no memory yet.
    pub(crate) const fn new() -> Self {
        Self { best_key: Self::NOTHING, best: NIL, len: 0, array: Array::new() }
    }

    /// How many orders rest here.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether none does.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The key of the best order, or [`Queue::NOTHING`].
    pub(crate) fn best_key(&self) -> u64 {
        self.best_key
    }

    /// The slot of the best order.
    pub(crate) fn best(&self) -> Option<u32> {
        (self.best != NIL).then_some(self.best)
    }

    /// Queues an order where its key says: mostly behind all others of its price, after an undo anywhere.
    /// `tick` is the step of prices, at least 1, the same in every call.
    pub(crate) fn insert<O: Orders>(&mut self, orders: &mut O, slot: u32, tick: u32) {
        debug_assert!(tick >= 1, "prices move in steps");
        let key = orders.key(slot);
        self.array.insert(key, slot);
        self.len += 1;
        if key < self.best_key {
            (self.best_key, self.best) = (key, slot);
        }
    }

    /// Takes an order out, wherever it stands. Its key and what shows of it are still those it rests with.
    pub(crate) fn remove<O: Orders>(&mut self, orders: &mut O, slot: u32) {
        self.array.remove(orders.key(slot));
        self.len -= 1;
        if slot == self.best {
            (self.best_key, self.best) = self.array.best().unwrap_or((Self::NOTHING, NIL));
        }
    }

    /// More of a resting order with this key shows than before. To be told with every change of what shows at rest,
    /// before the order is removed. (An order that gets another key is removed and inserted again.)
    pub(crate) fn shows_more(&mut self, key: u64, more: Energy) {
        let _ = (key, more);
    }

    /// Less of a resting order with this key shows than before: see [`Queue::shows_more`].
    pub(crate) fn shows_less(&mut self, key: u64, less: Energy) {
        let _ = (key, less);
    }

    /// The next in priority after one that rests here.
    pub(crate) fn after<O: Orders>(&self, orders: &O, slot: u32) -> Option<u32> {
        self.array.after(orders.key(slot))
    }

    /// The slots of all orders, best first.
    pub(crate) fn slots<'a, O: Orders>(&'a self, orders: &'a O) -> impl Iterator<Item = u32> + 'a {
        let _ = orders;
        self.array.slots()
    }

    /// The turned price of each level and what shows there, best first.
    pub(crate) fn levels<'a, O: Orders>(&'a self, orders: &'a O) -> impl Iterator<Item = (u32, u128)> + 'a {
        self.array.levels(orders)
    }

    /// Reads what an insertion, a removal or a look at the best order will need, so that a caller can wait for the memory of
    /// several commands at once. The number means nothing; it is to be kept from being optimised away.
    pub(crate) fn touch(&self) -> u64 {
        self.best_key ^ self.array.touch()
    }
}

#[cfg(test)]
mod tests;

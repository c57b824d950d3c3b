//! The resting orders of one side of one contract with the same preferences, best first.
//!
//! A queue has one of two shapes, by its length. A short one is an [`array`] in one piece of memory, which nothing beats
//! while it is short. A long one is a [`ladder`] of price levels, where the work for an order does not grow with their
//! number. Between the two lengths it stays as it is, so that changing shape costs little per order. No result depends on
//! the shape.
//!
//! The orders themselves lie elsewhere; a queue reaches them by their slot, through [`Orders`].

mod array;
mod ladder;
mod level;
mod window;

use crate::units::Energy;
use array::Array;
use ladder::Ladder;
use level::Level;

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

/// A queue that becomes a ladder with more than 64 orders, and an array again with less than 24.
pub(crate) type Queue = QueueOf<64, 24>;

/// The resting orders of one side of one contract with the same preferences, best first. One cache line, and no other
/// memory before the first order. More than `LONG` of them are a ladder, less than `SHORT` an array.
#[repr(align(64))]
#[derive(Debug)]
pub(crate) struct QueueOf<const LONG: u32, const SHORT: u32> {
    /// Of the best order, or [`Queue::NOTHING`].
    best_key: u64,
    /// Of the best order, or [`NIL`].
    best: u32,
    len: u32,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Short(Array),
    Long(Box<Ladder>),
}

const _: () = assert!(size_of::<Queue>() == 64);

impl<const LONG: u32, const SHORT: u32> QueueOf<LONG, SHORT> {
    /// The best key of an empty queue: worse than that of any order.
    pub(crate) const NOTHING: u64 = u64::MAX;

    /// An empty queue, which owns no memory yet.
    pub(crate) const fn new() -> Self {
        const { assert!(SHORT < LONG, "a queue does not change shape to and fro") };
        Self { best_key: Self::NOTHING, best: NIL, len: 0, shape: Shape::Short(Array::new()) }
    }

    /// How many orders rest here.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether none does.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The key of the best order, or [`Queue::NOTHING`].
    #[inline]
    pub(crate) fn best_key(&self) -> u64 {
        self.best_key
    }

    /// The slot of the best order.
    #[inline]
    pub(crate) fn best(&self) -> Option<u32> {
        (self.best != NIL).then_some(self.best)
    }

    /// Queues an order where its key says: mostly behind all others of its price, where that takes no search among them.
    /// `tick` is the step of prices, at least 1, the same in every call.
    #[inline]
    pub(crate) fn insert<O: Orders>(&mut self, orders: &mut O, slot: u32, tick: u32) {
        self.put(orders, slot, tick, Level::insert);
    }

    /// The inverse of [`QueueOf::remove`], when everything that happened to the queue since has been undone: the order
    /// goes back to where it was, without a search among those of its price, however many they are.
    #[inline]
    pub(crate) fn restore<O: Orders>(&mut self, orders: &mut O, slot: u32, tick: u32) {
        self.put(orders, slot, tick, Level::restore);
    }

    #[inline]
    fn put<O: Orders>(&mut self, orders: &mut O, slot: u32, tick: u32, how: impl Fn(&mut Level, &mut O, u32, u64)) {
        let key = orders.key(slot);
        debug_assert!(key != Self::NOTHING, "an order has a key");
        match &mut self.shape {
            Shape::Short(array) => array.insert(key, slot),
            Shape::Long(ladder) => ladder.insert(orders, slot, key, how),
        }
        self.len += 1;
        if key < self.best_key {
            (self.best_key, self.best) = (key, slot);
        }
        if self.len > LONG && matches!(self.shape, Shape::Short(_)) {
            self.lengthen(orders, tick);
        }
    }

    /// Takes an order out, wherever it stands. Its key and what shows of it are still those it rests with. Its links stay
    /// as they are now left, should it be restored.
    #[inline]
    pub(crate) fn remove<O: Orders>(&mut self, orders: &mut O, slot: u32) {
        let key = orders.key(slot);
        match &mut self.shape {
            Shape::Short(array) => {
                array.remove(key);
                // An array knows no neighbours.
                orders.set_next(slot, slot);
                if slot == self.best {
                    (self.best_key, self.best) = array.best().unwrap_or((Self::NOTHING, NIL));
                }
            }
            Shape::Long(ladder) => {
                if slot == self.best {
                    self.best = ladder.after(orders, slot, key).unwrap_or(NIL);
                    self.best_key = if self.best == NIL { Self::NOTHING } else { orders.key(self.best) };
                }
                ladder.remove(orders, slot, key);
            }
        }
        self.len -= 1;
        if self.len < SHORT && matches!(self.shape, Shape::Long(_)) {
            self.shorten(orders);
        }
    }

    /// Makes an array a ladder.
    #[cold]
    fn lengthen<O: Orders>(&mut self, orders: &mut O, tick: u32) {
        if let Shape::Short(array) = &self.shape {
            self.shape = Shape::Long(Ladder::of(orders, self.best_key, tick, self.len, array.slots()));
        }
    }

    /// Makes a ladder an array. Its memory goes back: there may be many queues, and few long ones at a time.
    #[cold]
    fn shorten<O: Orders>(&mut self, orders: &mut O) {
        if let Shape::Long(_) = &self.shape {
            self.shape = Shape::Short(Array::of(self.slots(orders).map(|slot| (orders.key(slot), slot))));
        }
    }

    /// More of a resting order with this key shows than before. To be told with every change of what shows at rest,
    /// before the order is removed. (An order that gets another key is removed and inserted again.)
    pub(crate) fn shows_more(&mut self, key: u64, more: Energy) {
        if let Shape::Long(ladder) = &mut self.shape {
            ladder.more(key, more);
        }
    }

    /// Less of a resting order with this key shows than before: see [`QueueOf::shows_more`].
    pub(crate) fn shows_less(&mut self, key: u64, less: Energy) {
        if let Shape::Long(ladder) = &mut self.shape {
            ladder.less(key, less);
        }
    }

    /// The next in priority after one that rests here.
    #[inline]
    pub(crate) fn after<O: Orders>(&self, orders: &O, slot: u32) -> Option<u32> {
        match &self.shape {
            Shape::Short(array) => array.after(orders.key(slot)).map(|(_, slot)| slot),
            Shape::Long(ladder) => ladder.after(orders, slot, orders.key(slot)),
        }
    }

    /// The slots of all orders, best first.
    pub(crate) fn slots<'a, O: Orders>(&'a self, orders: &'a O) -> impl Iterator<Item = u32> + 'a {
        let (array, ladder) = self.shapes();
        let chain = ladder.into_iter().flat_map(move |ladder| {
            core::iter::successors(self.best(), move |&slot| ladder.after(orders, slot, orders.key(slot)))
        });
        array.into_iter().flat_map(Array::slots).chain(chain)
    }

    /// The turned price of each level and what shows there, best first.
    pub(crate) fn levels<'a, O: Orders>(&'a self, orders: &'a O) -> impl Iterator<Item = (u32, u128)> + 'a {
        let (array, ladder) = self.shapes();
        let rungs = ladder.into_iter().flat_map(|ladder| ladder.levels(orders));
        array.into_iter().flat_map(|array| array.levels(orders)).chain(rungs)
    }

    /// The one of the two that there is.
    fn shapes(&self) -> (Option<&Array>, Option<&Ladder>) {
        match &self.shape {
            Shape::Short(array) => (Some(array), None),
            Shape::Long(ladder) => (None, Some(ladder)),
        }
    }

    /// Reads what an insertion, a removal or a look at the best order will need, so that a caller can wait for the memory of
    /// several commands at once. The number means nothing; it is to be kept from being optimised away.
    pub(crate) fn touch(&self) -> u64 {
        let behind = match &self.shape {
            Shape::Short(array) => array.touch(),
            Shape::Long(ladder) => ladder.touch(self.best_key),
        };
        self.best_key ^ behind
    }
}

#[cfg(test)]
mod tests;

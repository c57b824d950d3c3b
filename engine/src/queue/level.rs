//! One price of a long queue: its orders as a chain, oldest first.

use super::{NIL, Orders};
use crate::units::Energy;

/// All orders of a queue at one price. Never without an order, while it is in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// What shows of them together: wider than one order's, so that it never overflows.
    pub(super) shown: u128,
    pub(super) head: u32,
    pub(super) tail: u32,
}

impl Level {
    /// No orders yet.
    pub(super) const EMPTY: Self = Self { shown: 0, head: NIL, tail: NIL };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.head == NIL
    }

    /// Puts an order where its key says: at once at either end, else by walking up from the tail.
    #[inline]
    pub(super) fn insert<O: Orders>(&mut self, orders: &mut O, slot: u32, key: u64) {
        if self.tail == NIL || orders.key(self.tail) < key {
            self.link(orders, slot, self.tail, NIL);
        } else {
            self.insert_before_the_last(orders, slot, key);
        }
    }

    #[cold]
    fn insert_before_the_last<O: Orders>(&mut self, orders: &mut O, slot: u32, key: u64) {
        let mut before = NIL;
        if key > orders.key(self.head) {
            before = orders.prev(self.tail);
            while orders.key(before) > key {
                before = orders.prev(before);
            }
        }
        let behind = if before == NIL { self.head } else { orders.next(before) };
        self.link(orders, slot, before, behind);
    }

    /// Puts an order back between the neighbours that it had when it was taken out, or, should they not be neighbours
    /// around its key now, where its key says.
    pub(super) fn restore<O: Orders>(&mut self, orders: &mut O, slot: u32, key: u64) {
        let (before, behind) = (orders.prev(slot), orders.next(slot));
        let fits = before != slot && behind != slot && self.fits(orders, key, before, behind);
        if fits { self.link(orders, slot, before, behind) } else { self.insert(orders, slot, key) }
    }

    /// Whether an order with this key belongs between these two.
    fn fits<O: Orders>(&self, orders: &O, key: u64, before: u32, behind: u32) -> bool {
        let above =
            if before == NIL { self.head == behind } else { orders.key(before) < key && orders.next(before) == behind };
        let below =
            if behind == NIL { self.tail == before } else { orders.key(behind) > key && orders.prev(behind) == before };
        above && below
    }

    #[inline]
    fn link<O: Orders>(&mut self, orders: &mut O, slot: u32, before: u32, behind: u32) {
        orders.set_prev(slot, before);
        orders.set_next(slot, behind);
        if before == NIL {
            self.head = slot
        } else {
            orders.set_next(before, slot)
        }
        if behind == NIL {
            self.tail = slot
        } else {
            orders.set_prev(behind, slot)
        }
        self.more(orders.shown(slot));
    }

    /// Takes an order out. It remembers its neighbours, for [`Level::restore`].
    #[inline]
    pub(super) fn remove<O: Orders>(&mut self, orders: &mut O, slot: u32) {
        let (before, behind) = (orders.prev(slot), orders.next(slot));
        if before == NIL {
            self.head = behind
        } else {
            orders.set_next(before, behind)
        }
        if behind == NIL {
            self.tail = before
        } else {
            orders.set_prev(behind, before)
        }
        self.less(orders.shown(slot));
    }

    #[inline]
    pub(super) fn more(&mut self, shown: Energy) {
        self.shown += u128::from(shown.0);
    }

    #[inline]
    pub(super) fn less(&mut self, shown: Energy) {
        self.shown -= u128::from(shown.0);
    }
}

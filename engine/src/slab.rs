//! Where resting orders lie: a slab of equal nodes, linked into their books by index.

use crate::contract::{AccountId, Contract, MeterId};
use crate::event::OrderRef;
use crate::limits::OrderTerms;
use crate::order::{OrderId, OrderTag, Side};
use crate::units::{Energy, LedgerTime, Price};

/// No node, no book.
pub(crate) const NIL: u32 = u32::MAX;

/// The `until` of an order without one. [`crate::Engine::advance`] never reaches it.
pub(crate) const FOREVER: LedgerTime = LedgerTime(u64::MAX);

/// One resting order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) tag: OrderTag,
    /// What is still open.
    pub(crate) energy: Energy,
    /// [`FOREVER`] for an order that rests until the gate.
    pub(crate) until: LedgerTime,
    /// Counted per delivery period, over all areas (MARKET section 4).
    pub(crate) priority: u64,
    pub(crate) account: AccountId,
    pub(crate) meter: MeterId,
    pub(crate) price: Price,
    /// The order behind this one at the same price.
    pub(crate) next: u32,
    /// The order before this one at the same price.
    pub(crate) prev: u32,
    pub(crate) book: u32,
    /// Tells the orders apart that lie here one after another; zero where none lies.
    pub(crate) generation: u32,
    pub(crate) side: Side,
    pub(crate) post_only: bool,
}

// A node is one cache line: an order costs one miss, not two.
const _: () = assert!(size_of::<Node>() == 64);

impl Node {
    /// How events name the order, given where it lies.
    pub(crate) fn order_ref(&self, slot: u32) -> OrderRef {
        OrderRef { id: order_id(slot, self.generation), tag: self.tag, account: self.account, meter: self.meter }
    }

    /// What its reservation depends on.
    pub(crate) fn terms(&self, contract: Contract) -> OrderTerms {
        let Self { tag, account, meter, side, price, .. } = *self;
        OrderTerms { tag, account, meter, contract, side, price }
    }
}

/// All resting orders of all books.
///
/// One slot, the *spare*, is always kept ready for the order on its way in, so that its handle is known before it trades.
/// Slots are given out and taken back like a stack, so undoing in reverse order finds every slot where it was.
/// Generations only rise, also across a rollback: a handle from an undone future is as stale as any other.
#[derive(Debug)]
pub(crate) struct OrderSlab {
    nodes: Vec<Node>,
    free: Vec<u32>,
    spare: u32,
    births: u32,
}

const VACANT: Node = Node {
    tag: OrderTag(0),
    energy: Energy::ZERO,
    until: FOREVER,
    priority: 0,
    account: AccountId(0),
    meter: MeterId(0),
    price: Price(0),
    next: NIL,
    prev: NIL,
    book: NIL,
    generation: 0,
    side: Side::Buy,
    post_only: false,
};

impl OrderSlab {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![VACANT], free: Vec::new(), spare: 0, births: 0 }
    }

    /// The handle of the order on its way in. It becomes real with [`OrderSlab::insert`].
    pub(crate) fn announce(&mut self) -> OrderId {
        self.births = self.births.wrapping_add(1).max(1);
        order_id(self.spare, self.births)
    }

    /// Puts the order last announced into the spare slot.
    pub(crate) fn insert(&mut self, node: Node) -> u32 {
        let slot = self.spare;
        self.nodes[slot as usize] = Node { generation: self.births, ..node };
        self.spare = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(VACANT);
            u32::try_from(self.nodes.len() - 1).expect("2^32 orders of 64 bytes do not fit in memory")
        });
        slot
    }

    /// The inverse of [`OrderSlab::insert`].
    pub(crate) fn undo_insert(&mut self, slot: u32) {
        self.free.push(self.spare);
        self.nodes[slot as usize].generation = 0;
        self.spare = slot;
    }

    /// Frees a slot.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.nodes[slot as usize].generation = 0;
        self.free.push(slot);
    }

    /// The inverse of [`OrderSlab::remove`].
    pub(crate) fn undo_remove(&mut self, slot: u32, node: Node) {
        let top = self.free.pop();
        assert_eq!(top, Some(slot), "slots are undone in reverse order");
        self.nodes[slot as usize] = node;
    }

    /// Where the order of this handle lies, if it still does.
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        let (slot, generation) = (id.0 as u32, (id.0 >> 32) as u32);
        let node = self.nodes.get(slot as usize)?;
        (generation != 0 && node.generation == generation).then_some(slot)
    }

    pub(crate) fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }

    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }
}

fn order_id(slot: u32, generation: u32) -> OrderId {
    OrderId((u64::from(generation) << 32) | u64::from(slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_outlives_its_order_without_hitting_the_next_one_in_its_slot() {
        let mut slab = OrderSlab::new();
        let first = slab.announce();
        let slot = slab.insert(VACANT);
        assert_eq!(slab.find(first), Some(slot));
        slab.remove(slot);
        assert_eq!(slab.find(first), None);

        // The spare is used up first; after it the freed slot comes round again.
        slab.announce();
        slab.insert(VACANT);
        let again = slab.announce();
        assert_eq!(slab.insert(VACANT), slot);
        assert_eq!(slab.find(first), None);
        assert_eq!(slab.find(again), Some(slot));
    }

    #[test]
    fn undone_in_reverse_every_order_lies_where_it_lay() {
        let mut slab = OrderSlab::new();
        let old = slab.announce();
        let slot = slab.insert(VACANT);
        let kept = *slab.node(slot);

        slab.remove(slot);
        let inserted: Vec<u32> = (0..3)
            .map(|_| {
                slab.announce();
                slab.insert(VACANT)
            })
            .collect();
        for &undone in inserted.iter().rev() {
            slab.undo_insert(undone);
        }
        slab.undo_remove(slot, kept);
        assert_eq!(slab.find(old), Some(slot));
    }

    #[test]
    fn the_handle_of_nothing_is_found_nowhere() {
        assert_eq!(OrderSlab::new().find(OrderId(0)), None);
        assert_eq!(OrderSlab::new().find(OrderId(u64::MAX)), None);
    }
}

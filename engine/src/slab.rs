//! Where resting orders lie: a slab of equal nodes, queued by index.

use std::collections::BTreeMap;

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
use crate::event::OrderRef;
use crate::limits::OrderTerms;
use crate::order::{OrderId, OrderTag, Side};
use crate::queue::Orders;
use crate::units::{Energy, LedgerTime, Price};

/// No node, no period.
pub(crate) const NIL: u32 = u32::MAX;

/// The `until` of an order without one. [`crate::Engine::advance`] never reaches it.
pub(crate) const FOREVER: LedgerTime = LedgerTime(u64::MAX);

/// Which queue an order stands in, packed into one word: where its period lies in the calendar, its class of preferences there, its area
/// and its side; and two facts about the order that had room besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing(u64);

impl Standing {
    const PERIOD_BITS: u32 = 24;
    const CLASS_BITS: u32 = 20;
    const AREA_AT: u32 = Self::PERIOD_BITS + Self::CLASS_BITS;
    const SELL: u64 = 1 << 60;
    const POST_ONLY: u64 = 1 << 61;
    const HIDDEN: u64 = 1 << 62;
    /// How many periods can have a record at one time.
    pub(crate) const PERIODS_MAX: usize = 1 << Self::PERIOD_BITS;
    /// How many classes of preferences can be in use on one side of one period.
    pub(crate) const CLASSES_MAX: usize = 1 << Self::CLASS_BITS;

    pub(crate) fn new(period: u32, class: u32, area: AreaId, side: Side) -> Self {
        let place = u64::from(period) | u64::from(class) << Self::PERIOD_BITS | u64::from(area.0) << Self::AREA_AT;
        Self(if side == Side::Sell { place | Self::SELL } else { place })
    }

    pub(crate) fn with_flags(self, post_only: bool, hidden: bool) -> Self {
        let post_only = if post_only { Self::POST_ONLY } else { 0 };
        let hidden = if hidden { Self::HIDDEN } else { 0 };
        Self((self.0 & !(Self::POST_ONLY | Self::HIDDEN)) | post_only | hidden)
    }

    #[inline]
    pub(crate) fn period(self) -> u32 {
        (self.0 & ((1 << Self::PERIOD_BITS) - 1)) as u32
    }

    #[inline]
    pub(crate) fn class(self) -> u32 {
        ((self.0 >> Self::PERIOD_BITS) & ((1 << Self::CLASS_BITS) - 1)) as u32
    }

    #[inline]
    pub(crate) fn area(self) -> AreaId {
        AreaId((self.0 >> Self::AREA_AT) as u16)
    }

    #[inline]
    pub(crate) fn side(self) -> Side {
        if self.0 & Self::SELL == 0 { Side::Buy } else { Side::Sell }
    }

    pub(crate) fn post_only(self) -> bool {
        self.0 & Self::POST_ONLY != 0
    }

    /// Whether a part of the order may be hidden: [`OrderSlab::hidden`] then says which.
    #[inline]
    pub(crate) fn hides(self) -> bool {
        self.0 & Self::HIDDEN != 0
    }
}

/// One resting order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) tag: OrderTag,
    /// What is still open, hidden reserve included.
    pub(crate) energy: Energy,
    /// [`FOREVER`] for an order that rests until the gate.
    pub(crate) until: LedgerTime,
    pub(crate) standing: Standing,
    pub(crate) account: AccountId,
    pub(crate) meter: MeterId,
    pub(crate) price: Price,
    /// Counted per delivery period, over all areas (MARKET section 4).
    pub(crate) priority: u32,
    /// The order behind this one at the same price; the queue's own.
    pub(crate) next: u32,
    /// The order before this one at the same price; the queue's own.
    pub(crate) prev: u32,
    /// Tells the orders apart that lie here one after another; zero where none lies.
    pub(crate) generation: u32,
}

/// A node as it lies in the slab: in a cache line of its own, so that an order costs one miss, not two.
#[repr(align(64))]
#[derive(Clone, Copy, Debug)]
struct Line(Node);

const _: () = assert!(size_of::<Line>() == 64);

impl Default for Node {
    /// A slot in which no order lies.
    fn default() -> Self {
        VACANT
    }
}

impl Node {
    /// How events name the order, given where it lies.
    #[inline]
    pub(crate) fn order_ref(&self, slot: u32) -> OrderRef {
        OrderRef { id: order_id(slot, self.generation), tag: self.tag, account: self.account, meter: self.meter }
    }

    /// What its reservation depends on.
    #[inline]
    pub(crate) fn terms(&self, period: DeliveryPeriod) -> OrderTerms {
        let Self { tag, account, meter, price, standing, .. } = *self;
        let contract = Contract { period, area: standing.area() };
        OrderTerms { tag, account, meter, contract, side: standing.side(), price }
    }

    /// Its place in its queue.
    #[inline]
    pub(crate) fn key(&self) -> u64 {
        queue_key(self.standing.side(), self.price, self.priority)
    }
}

/// Price and priority in one number: the lower the earlier, on both sides. High half: the price, turned; low half: the priority number.
#[inline]
pub(crate) fn queue_key(side: Side, price: Price, priority: u32) -> u64 {
    u64::from(turned(side, price)) << 32 | u64::from(priority)
}

/// A price as a number of which less is better for the other side. (The complement turns the order round and exists for every price.)
#[inline]
pub(crate) fn turned(side: Side, price: Price) -> u32 {
    let biased = price.0.cast_unsigned() ^ (1 << 31);
    match side {
        Side::Buy => !biased,
        Side::Sell => biased,
    }
}

/// The price of a turned price.
#[inline]
pub(crate) fn price_of(side: Side, turned: u32) -> Price {
    let biased = match side {
        Side::Buy => !turned,
        Side::Sell => turned,
    };
    Price((biased ^ (1 << 31)).cast_signed())
}

/// What an order with a hidden reserve shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// The size of a fresh clip.
    pub(crate) display: Energy,
    /// What is left of the present one.
    pub(crate) shown: Energy,
}

/// All resting orders of all books.
///
/// One slot, the *spare*, is always kept ready for the order on its way in, so that its handle is known before it trades.
/// Slots are given out and taken back like a stack, so undoing in reverse order finds every slot where it was.
/// Generations only rise, also across a rollback: a handle from an undone future is as stale as any other.
#[derive(Debug)]
pub(crate) struct OrderSlab {
    /// In chunks that never move, so that no order ever waits for all others to be copied.
    chunks: Vec<Box<[Line; CHUNK]>>,
    /// How many slots there are; those of the last chunk behind them have not been given out yet.
    slots: u32,
    free: Vec<u32>,
    spare: u32,
    births: u32,
    /// Few orders hide something; those that do are kept here by slot.
    hidden: BTreeMap<u32, Hidden>,
}

/// How many nodes lie in one piece of memory: 256 KiB, which is laid out in less than a tenth of a millisecond.
const CHUNK: usize = 1 << 12;

const VACANT: Node = Node {
    tag: OrderTag(0),
    energy: Energy::ZERO,
    until: FOREVER,
    standing: Standing(0),
    account: AccountId(0),
    meter: MeterId(0),
    price: Price(0),
    priority: 0,
    next: NIL,
    prev: NIL,
    generation: 0,
};

impl OrderSlab {
    pub(crate) fn new() -> Self {
        let (chunks, free, hidden) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut slab = Self { chunks, slots: 0, free, spare: 0, births: 0, hidden };
        slab.spare = slab.grow();
        slab
    }

    /// The handle of the order on its way in. It becomes real with [`OrderSlab::insert`].
    #[inline]
    pub(crate) fn announce(&mut self) -> OrderId {
        self.births = self.births.wrapping_add(1).max(1);
        order_id(self.spare, self.births)
    }

    /// Puts the order last announced into the spare slot.
    #[inline]
    pub(crate) fn insert(&mut self, node: Node) -> u32 {
        let slot = self.spare;
        let generation = self.births;
        *self.node_mut(slot) = Node { generation, ..node };
        self.spare = match self.free.pop() {
            Some(free) => free,
            None => self.grow(),
        };
        slot
    }

    /// One slot more.
    #[cold]
    fn grow(&mut self) -> u32 {
        let slot = self.slots;
        if slot as usize == self.chunks.len() * CHUNK {
            let chunk = vec![Line(VACANT); CHUNK].into_boxed_slice();
            self.chunks.push(chunk.try_into().expect("it was made as long"));
        }
        // 2^32 orders of 64 bytes do not fit in memory.
        self.slots += 1;
        slot
    }

    /// The inverse of [`OrderSlab::insert`].
    pub(crate) fn undo_insert(&mut self, slot: u32) {
        self.free.push(self.spare);
        self.node_mut(slot).generation = 0;
        self.spare = slot;
    }

    /// Frees a slot.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) {
        self.node_mut(slot).generation = 0;
        self.free.push(slot);
    }

    /// The inverse of [`OrderSlab::remove`].
    pub(crate) fn undo_remove(&mut self, slot: u32, node: Node) {
        let top = self.free.pop();
        assert_eq!(top, Some(slot), "slots are undone in reverse order");
        *self.node_mut(slot) = node;
    }

    /// Where the order of this handle lies, if it still does.
    #[inline]
    pub(crate) fn find(&self, id: OrderId) -> Option<u32> {
        let (slot, generation) = (id.0 as u32, (id.0 >> 32) as u32);
        let node = self.place_of(id)?;
        (generation != 0 && node.generation == generation).then_some(slot)
    }

    /// The node at which the order of a handle lies or lay, if there ever was one.
    #[inline]
    pub(crate) fn place_of(&self, id: OrderId) -> Option<&Node> {
        let slot = id.0 as u32 as usize;
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK).map(|line| &line.0)
    }

    #[inline]
    pub(crate) fn node(&self, slot: u32) -> &Node {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK].0
    }

    #[inline]
    pub(crate) fn node_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK].0
    }

    /// What an order shows and hides; nothing if it shows everything.
    #[inline]
    pub(crate) fn hidden(&self, slot: u32) -> Option<Hidden> {
        if self.node(slot).standing.hides() { self.hidden.get(&slot).copied() } else { None }
    }

    /// Sets what an order shows, and tells what was set before.
    pub(crate) fn set_hidden(&mut self, slot: u32, hidden: Option<Hidden>) -> Option<Hidden> {
        match hidden {
            Some(hidden) => self.hidden.insert(slot, hidden),
            None => self.hidden.remove(&slot),
        }
    }
}

impl Orders for OrderSlab {
    #[inline]
    fn key(&self, slot: u32) -> u64 {
        self.node(slot).key()
    }

    #[inline]
    fn shown(&self, slot: u32) -> Energy {
        self.hidden(slot).map_or(self.node(slot).energy, |hidden| hidden.shown)
    }

    #[inline]
    fn next(&self, slot: u32) -> u32 {
        self.node(slot).next
    }

    #[inline]
    fn prev(&self, slot: u32) -> u32 {
        self.node(slot).prev
    }

    #[inline]
    fn set_next(&mut self, slot: u32, next: u32) {
        self.node_mut(slot).next = next;
    }

    #[inline]
    fn set_prev(&mut self, slot: u32, prev: u32) {
        self.node_mut(slot).prev = prev;
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

    /// A market grows past one piece of memory, twice.
    #[test]
    fn every_order_is_found_in_whichever_chunk_it_lies() {
        let mut slab = OrderSlab::new();
        let place = |slab: &mut OrderSlab, tag| {
            let id = slab.announce();
            slab.insert(Node { tag: OrderTag(tag), ..VACANT });
            id
        };
        let ids: Vec<OrderId> = (0..2 * CHUNK as u64 + 2).map(|tag| place(&mut slab, tag)).collect();
        for (tag, &id) in (0..).zip(&ids) {
            let slot = slab.find(id).expect("it rests");
            assert_eq!(slab.node(slot).tag, OrderTag(tag));
        }
        assert_eq!(slab.find(OrderId(ids[0].0 | u64::from(u32::MAX))), None, "no chunk lies there");
    }

    #[test]
    fn the_handle_of_nothing_is_found_nowhere() {
        assert_eq!(OrderSlab::new().find(OrderId(0)), None);
        assert_eq!(OrderSlab::new().find(OrderId(u64::MAX)), None);
    }

    #[test]
    fn a_standing_gives_back_what_it_was_made_of_at_every_extreme() {
        for (period, class, area, side) in [
            (0, 0, 0, Side::Buy),
            ((1 << 24) - 1, (1 << 20) - 1, u16::MAX, Side::Sell),
            (5, 0, u16::MAX, Side::Buy),
            (0, 7, 0, Side::Sell),
        ] {
            let standing = Standing::new(period, class, AreaId(area), side).with_flags(true, false);
            assert_eq!((standing.period(), standing.class()), (period, class));
            assert_eq!((standing.area(), standing.side()), (AreaId(area), side));
            assert!(standing.post_only() && !standing.hides());
        }
    }

    #[test]
    fn a_better_price_then_an_earlier_order_has_the_lower_key_on_both_sides() {
        let prices = [i32::MIN, -10, -1, 0, 1, 10, i32::MAX];
        for pair in prices.windows(2) {
            let (low, high) = (Price(pair[0]), Price(pair[1]));
            assert!(queue_key(Side::Sell, low, 9) < queue_key(Side::Sell, high, 0));
            assert!(queue_key(Side::Buy, high, 9) < queue_key(Side::Buy, low, 0));
            assert!(queue_key(Side::Buy, low, 1) < queue_key(Side::Buy, low, 2));
            for side in [Side::Buy, Side::Sell] {
                assert_eq!(price_of(side, turned(side, low)), low);
            }
        }
    }
}

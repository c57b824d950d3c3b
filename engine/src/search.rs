//! Who meets whom: the best counter-order over the whole tree (MARKET section 4, steps 1 to 3).
//!
//! Each node of the tree knows the best offer in and below it, by class of preferences. A search looks at the own queue, then below, then
//! climbs to the root, and enters only what can still beat what it has: usually the one path to the best offer. Orders that an
//! offer's class cannot tell apart (the own ones, those that are over, those of others than a wanted partner) are passed over one by one.

use core::hint::select_unpredictable;

use crate::contract::{AccountId, AreaId};
use crate::engine::Engine;
use crate::order::{NewOrder, Preferences, Side};
use crate::period::{PLAIN, Period};
use crate::queue::Queue;
use crate::slab::{NIL, Node, queue_key};
use crate::tree::{FAN_OUT, Key, NOTHING, bound_of, cost_of, edges, farther, key_of};
use crate::units::Price;

/// Somebody who looks for a counter-order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeker {
    pub(crate) side: Side,
    pub(crate) account: AccountId,
    pub(crate) area: AreaId,
    pub(crate) price: Price,
    pub(crate) preferences: Preferences,
}

/// The best counter-order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) slot: u32,
    /// What it costs the seeker, over how many edges: see [`crate::tree`].
    pub(crate) key: Key,
}

/// The orders at the front of the seeker's own queue that he has passed over already, so that he does not look at each again for
/// every trade. It holds as long as nothing comes to stand before the last of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed(Option<(u32, u32)>);

impl Passed {
    /// Something may have come to stand before the last order passed over.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

/// What can be had beyond the own area: by whom, and how it looks from where he is.
struct Expedition<'a> {
    engine: &'a Engine,
    period: &'a Period,
    seeker: &'a Seeker,
    class: u32,
    max_edges: u16,
    /// Only what is below this is of interest.
    bound: Key,
    found: Option<u32>,
}

impl Engine {
    /// The counter-order that comes first for a seeker, if there is one that he can trade with.
    #[inline]
    pub(crate) fn best_counter(&self, index: u32, seeker: &Seeker, passed: &mut Passed) -> Option<Found> {
        let period = self.calendar.at(index);
        if period.grid.is_none() && period.special(seeker.side.opposite()).are_empty() {
            return self.first_at_home(period, seeker, passed);
        }
        self.first_anywhere(period, seeker, passed)
    }

    /// The same, over all classes and areas.
    #[inline(never)]
    fn first_anywhere(&self, period: &Period, seeker: &Seeker, passed: &mut Passed) -> Option<Found> {
        let side = seeker.side.opposite();
        let mut best = Found { slot: NIL, key: bound_of(cost_of(side, seeker.price)) };
        if classes_fit(seeker, &Preferences::none(side)) {
            self.look_in_class(period, seeker, PLAIN, Some(passed), &mut best);
        }
        let special = period.special(side);
        if !special.are_empty() {
            for class in special.open_to(seeker.account) {
                if classes_fit(seeker, &period.class(side, class).preferences()) {
                    self.look_in_class(period, seeker, class, None, &mut best);
                }
            }
        }
        (best.slot != NIL).then_some(best)
    }

    /// The same where areas do not meet and only plain orders rest.
    #[inline]
    fn first_at_home(&self, period: &Period, seeker: &Seeker, passed: &mut Passed) -> Option<Found> {
        let side = seeker.side.opposite();
        let queue = period.plain(side, seeker.area);
        // The first key that is beyond the seeker's limit. (No order has the last priority number.)
        let limit = queue_key(side, seeker.price, u32::MAX);
        if queue.best_key() >= limit || !classes_fit(seeker, &Preferences::none(side)) {
            return None;
        }
        let mut next = passed.0.map_or(queue.best(), |(_, slot)| queue.after(&self.slab, slot));
        while let Some(slot) = next {
            let node = self.slab.node(slot);
            let key = node.key();
            if key >= limit {
                return None;
            }
            if self.can_meet(seeker, node) {
                return Some(Found { slot, key: key_of(side, key, seeker.area.0) });
            }
            passed.0 = Some((PLAIN, slot));
            next = queue.after(&self.slab, slot);
        }
        None
    }

    /// Whether nothing plain rests that an order could meet, and nothing else rests at all. It looks at no order, only at what queues and
    /// nodes say of their best ones, and is right when it says so.
    #[inline]
    pub(crate) fn meets_nothing(&self, index: u32, order: &NewOrder) -> bool {
        let period = self.calendar.at(index);
        let (side, area) = (order.side.opposite(), order.contract.area);
        // The first key that is beyond the order's limit. (No order has the last priority number.)
        let limit = queue_key(side, order.price, u32::MAX);
        if period.plain(side, area).best_key() < limit || !period.special(side).are_empty() {
            return false;
        }
        period.grid.is_none() || self.nothing_beyond(period, area, side, order.price)
    }

    /// Whether no plain order of another area could be had at this price.
    fn nothing_beyond(&self, period: &Period, area: AreaId, side: Side, price: Price) -> bool {
        let Some(grid) = &period.grid else { return true };
        let bound = bound_of(cost_of(side, price));
        let bests = period.class(side, PLAIN);
        let mut node = u32::from(area.0);
        let mut way: Key = 0;
        loop {
            let best = bests.best_at(node);
            if best != NOTHING && best + way < bound {
                return false;
            }
            let up = self.tree.node(node);
            if up.parent == NIL || (up.has_edge && !grid.lets_in(node, side)) {
                return true;
            }
            way += up.step_in(side);
            node = up.parent;
        }
    }

    /// Betters `best` by what a class has.
    fn look_in_class(
        &self,
        period: &Period,
        seeker: &Seeker,
        class: u32,
        passed: Option<&mut Passed>,
        best: &mut Found,
    ) {
        let side = seeker.side.opposite();
        let books = period.class(side, class);
        let own = books.queue(seeker.area.0);
        // The header of the queue says whether there is anything to look at: mostly not.
        if let Some(queue) = own.filter(|queue| starts_below(queue, side, seeker.area, best.key)) {
            let mut next = match passed.as_deref() {
                Some(&Passed(Some((passed_class, slot)))) if passed_class == class => queue.after(&self.slab, slot),
                _ => queue.best(),
            };
            let mut last = None;
            while let Some(slot) = next {
                let node = self.slab.node(slot);
                let key = key_of(side, node.key(), seeker.area.0);
                if key >= best.key {
                    break;
                }
                if self.can_meet(seeker, node) {
                    *best = Found { slot, key };
                    break;
                }
                last = Some(slot);
                next = queue.after(&self.slab, slot);
            }
            if let (Some(passed), Some(slot)) = (passed, last) {
                *passed = Passed(Some((class, slot)));
            }
        }
        let max_edges = seeker.preferences.max_edges.min(books.preferences().max_edges);
        if period.grid.is_some() && max_edges > 0 && self.may_cross(period, seeker.area) {
            let mut expedition =
                Expedition { engine: self, period, seeker, class, max_edges, bound: best.key, found: None };
            expedition.go();
            if let Some(slot) = expedition.found {
                *best = Found { slot, key: expedition.bound };
            }
        }
    }

    /// Whether a seeker can trade with an order whose class fits: another account, still alive, and the partner he wants if he wants one.
    #[inline]
    pub(crate) fn can_meet(&self, seeker: &Seeker, order: &Node) -> bool {
        order.account != seeker.account
            && order.until > self.now
            && seeker.preferences.partner.is_none_or(|partner| partner == order.account)
    }

    /// Whether orders of an area may trade with other areas.
    #[inline]
    pub(crate) fn may_cross(&self, period: &Period, area: AreaId) -> bool {
        self.now < period.cross_area_gate_closes_at && period.is_reachable(area)
    }

    /// Whether a seeker could meet anything of a class at his price, his account and partner aside: quick, and never wrongly no.
    pub(crate) fn might_meet(&self, period: &Period, seeker: &Seeker, class: u32) -> Option<Key> {
        let side = seeker.side.opposite();
        let books = period.class(side, class);
        let own = books.queue(seeker.area.0).map_or(Queue::NOTHING, Queue::best_key);
        let mut best = if own == Queue::NOTHING { NOTHING } else { key_of(side, own, seeker.area.0) };
        if let Some(grid) = &period.grid {
            let mut node = u32::from(seeker.area.0);
            let mut way: Key = 0;
            loop {
                let here = books.best_at(node);
                if here != NOTHING {
                    best = best.min(here + way);
                }
                let up = self.tree.node(node);
                if up.parent == NIL || (up.has_edge && !grid.lets_in(node, side)) {
                    break;
                }
                way += up.step_in(side);
                node = up.parent;
            }
        }
        (best != NOTHING).then_some(best)
    }
}

/// Whether the first order of a queue, seen from its own area, comes before `bound`.
#[inline]
fn starts_below(queue: &Queue, side: Side, area: AreaId, bound: Key) -> bool {
    queue.best_key() != Queue::NOTHING && key_of(side, queue.best_key(), area.0) < bound
}

/// Whether all orders of two preferences would trade with each other as far as sources go, and as far as a class names a partner.
/// (A seeker's classes are picked by partner before.)
#[inline]
pub(crate) fn classes_fit(seeker: &Seeker, theirs: &Preferences) -> bool {
    let (mine, theirs) = (seeker.preferences.sources, theirs.sources);
    let buys = seeker.side == Side::Buy;
    let given = select_unpredictable(buys, theirs, mine);
    given.is_within(select_unpredictable(buys, mine, theirs))
}

impl Expedition<'_> {
    /// Below the own area, then step by step up to the root and what hangs there.
    fn go(&mut self) {
        let side = self.seeker.side.opposite();
        let Some(grid) = &self.period.grid else { return };
        let tree = &self.engine.tree;
        let mut came_from = NIL;
        let mut node = u32::from(self.seeker.area.0);
        let mut way: Key = 0;
        loop {
            // Nothing in or below a node is better than its best.
            let best = self.period.class(side, self.class).best_at(node);
            if best != NOTHING && best + way < self.bound {
                if came_from != NIL {
                    self.look_in(node, way);
                }
                self.look_below(node, came_from, way);
            }
            let up = tree.node(node);
            if up.parent == NIL || (up.has_edge && !grid.lets_in(node, side)) {
                return;
            }
            way += up.step_in(side);
            if edges(way) > self.max_edges {
                return;
            }
            came_from = node;
            node = up.parent;
        }
    }

    /// At the orders of one node itself.
    fn look_in(&mut self, node: u32, way: Key) {
        if node as usize >= self.period.areas.len() || !self.period.is_reachable(AreaId(node as u16)) {
            return;
        }
        let side = self.seeker.side.opposite();
        let Some(queue) = self.period.class(side, self.class).queue(node as u16) else { return };
        if queue.best_key() == Queue::NOTHING || key_of(side, queue.best_key(), node as u16) + way >= self.bound {
            return;
        }
        let slab = &self.engine.slab;
        let mut next = queue.best();
        while let Some(slot) = next {
            let order = slab.node(slot);
            let key = key_of(side, order.key(), node as u16) + way;
            if key >= self.bound {
                return;
            }
            if self.engine.can_meet(self.seeker, order) {
                (self.bound, self.found) = (key, Some(slot));
                return;
            }
            next = queue.after(slab, slot);
        }
    }

    /// At what the children of a node have, the most promising first; not at the one we came from.
    fn look_below(&mut self, node: u32, came_from: u32, way: Key) {
        let side = self.seeker.side.opposite();
        let tree = &self.engine.tree;
        let children = tree.children(node);
        let mut promises = [NOTHING; FAN_OUT];
        for (promise, &child) in promises.iter_mut().zip(children).filter(|&(_, &child)| child != came_from) {
            *promise = farther(self.period.offered(tree, side, self.class, child), way);
        }
        // Only where the most promising one does not hold what it promises can another one do better.
        while let Some((key, at)) = promises.iter().zip(0..).min().filter(|&(&key, _)| key < self.bound) {
            debug_assert_ne!(*key, NOTHING);
            promises[at] = NOTHING;
            self.enter(children[at], way);
        }
    }

    fn enter(&mut self, child: u32, way: Key) {
        let way = way + self.engine.tree.node(child).step_out(self.seeker.side.opposite());
        if edges(way) <= self.max_edges {
            self.look_in(child, way);
            self.look_below(child, NIL, way);
        }
    }
}

/// What an order's own limit is worth to a counter-order: the surplus of a pair is the difference of both.
pub(crate) fn surplus(bid: Price, key: Key) -> i64 {
    -cost_of(Side::Buy, bid) - crate::tree::cost(key)
}

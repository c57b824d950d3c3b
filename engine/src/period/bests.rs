//! What searches go by: of each node of the tree, the best offer in and below it (MARKET section 4, last paragraph).

use super::{Class, PLAIN, Period};
use crate::contract::AreaId;
use crate::order::Side;
use crate::queue::Queue;
use crate::slab::{NIL, Standing};
use crate::tree::{AreaTree, Key, NOTHING, cost, farther, key_of};

impl Period {
    /// The best offer of a class in one area, as other areas may have it.
    fn own_best(&self, side: Side, class: u32, area: u32) -> Key {
        if !self.is_reachable(AreaId(area as u16)) {
            return NOTHING;
        }
        let best = self.class(side, class).queue(area as u16).map_or(Queue::NOTHING, Queue::best_key);
        seen_at_home(side, best, area as u16)
    }

    /// Whether an offer of this side below the edge above `child` can be had above it.
    #[inline]
    fn lets_out(&self, child: u32, side: Side) -> bool {
        self.grid.as_ref().is_some_and(|grid| grid.lets_out(child, side))
    }

    /// What of a child can be had at its parent.
    pub(crate) fn offered(&self, tree: &AreaTree, side: Side, class: u32, child: u32) -> Key {
        let best = self.class(side, class).best_at(child);
        let node = tree.node(child);
        let passes = !node.has_edge || self.lets_out(child, side);
        if best == NOTHING || !passes { NOTHING } else { best + node.step_out(side) }
    }

    fn best_of(&self, tree: &AreaTree, side: Side, class: u32, node: u32) -> Key {
        let own = if (node as usize) < self.areas.len() { self.own_best(side, class, node) } else { NOTHING };
        let below = tree.children(node).iter().map(|&child| self.offered(tree, side, class, child));
        below.fold(own, Key::min)
    }

    /// Brings the bests up to date after the best order of a queue has changed. Only where the former best leaves nothing better than
    /// itself behind does anybody have to look at what else there is.
    pub(super) fn pass_on(&mut self, tree: &AreaTree, standing: Standing, before: u64, after: u64) {
        let (side, class, area) = (standing.side(), standing.class(), standing.area());
        if !self.is_reachable(area) {
            return;
        }
        let (mut old, mut new) = (seen_at_home(side, before, area.0), seen_at_home(side, after, area.0));
        let mut node = u32::from(area.0);
        loop {
            let best = self.class(side, class).best_at(node);
            let next = if new <= best {
                new
            } else if old != best {
                return;
            } else {
                self.best_of(tree, side, class, node)
            };
            if next == best {
                return;
            }
            self.put_best(side, class, node, next);
            let up = tree.node(node);
            if up.parent == NIL || (up.has_edge && !self.lets_out(node, side)) {
                return;
            }
            let step = up.step_out(side);
            (old, new) = (farther(best, step), farther(next, step));
            node = up.parent;
        }
    }

    /// Brings the bests up to date after a change in one node: upwards, for as long as anything changes.
    fn refresh(&mut self, tree: &AreaTree, side: Side, class: u32, from: u32) {
        if self.grid.is_none() {
            return;
        }
        let mut node = from;
        loop {
            let best = self.best_of(tree, side, class, node);
            if best == self.class(side, class).best_at(node) {
                return;
            }
            self.put_best(side, class, node, best);
            let up = tree.node(node);
            if up.parent == NIL {
                return;
            }
            node = up.parent;
        }
    }

    fn put_best(&mut self, side: Side, class: u32, node: u32, best: Key) {
        if class == PLAIN {
            let before = self.crosses_at(node);
            self.bests[node as usize][side as usize] = best;
            self.crossed = self.crossed + u32::from(self.crosses_at(node)) - u32::from(before);
            return;
        }
        let bests = &mut self.special_mut(side).class_mut(class).bests;
        match best {
            NOTHING => bests.remove(&node),
            best => bests.insert(node, best),
        };
    }

    /// Whether the best plain bid and the best plain ask at a node could meet there.
    fn crosses_at(&self, node: u32) -> bool {
        let [bid, ask] = self.bests[node as usize];
        crosses(bid, ask)
    }

    pub(super) fn refresh_classes(&mut self, tree: &AreaTree, side: Side, node: u32) {
        let classes: Vec<u32> = self.classes_in_use(side).collect();
        classes.into_iter().for_each(|class| self.refresh(tree, side, class, node));
    }

    /// Moves `flow` on an edge, and what can be had across it if that changes.
    pub(crate) fn change_edge(
        &mut self,
        tree: &AreaTree,
        child: AreaId,
        change: impl FnOnce(&mut crate::market::EdgeState),
    ) {
        let node = u32::from(child.0);
        let Some(grid) = &mut self.grid else { return };
        let before = [Side::Buy, Side::Sell].map(|side| grid.lets_out(node, side));
        change(grid.edge_mut(child));
        let after = [Side::Buy, Side::Sell].map(|side| grid.lets_out(node, side));
        for (index, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
            if before[index] != after[index] {
                self.loosened |= after[index];
                self.refresh_classes(tree, side, tree.node(node).parent);
            }
        }
    }

    /// Whether orders of two classes could meet anywhere, as far as prices go.
    pub(crate) fn classes_cross(&self, bids: u32, asks: u32) -> bool {
        let (bids, asks) = (self.class(Side::Buy, bids), self.class(Side::Sell, asks));
        match (bids, asks) {
            (Class::Special(bids), _) => bids.bests.iter().any(|(&node, &bid)| crosses(bid, asks.best_at(node))),
            (_, Class::Special(asks)) => asks.bests.iter().any(|(&node, &ask)| crosses(bids.best_at(node), ask)),
            (Class::Plain(..), Class::Plain(..)) => self.crossed > 0,
        }
    }
}

/// The best key of a queue as the tree has it, seen from its own area.
#[inline]
fn seen_at_home(side: Side, best: u64, area: u16) -> Key {
    if best == Queue::NOTHING { NOTHING } else { key_of(side, best, area) }
}

/// Whether what a bid and an ask cost each other leaves nothing missing.
fn crosses(bid: Key, ask: Key) -> bool {
    bid != NOTHING && ask != NOTHING && cost(bid) + cost(ask) <= 0
}

//! What an area sees (MARKET section 4, last but one paragraph).

use super::Reference;
use super::state::{Order, fee_of};
use crate::market::{View, ViewLevel};
use crate::{Contract, Direction, Edge, Energy, Price, Side};

/// A resting order as seen from an area.
struct Seen {
    delivered: Price,
    order: Order,
    way: Vec<(Edge, Direction)>,
}

impl Reference {
    pub(super) fn seen_from(&self, contract: Contract, levels: usize) -> View {
        if !self.has_area(contract.area) || self.is_closed(contract) {
            return View::default();
        }
        let side = |side| self.levels_of(contract, side).into_iter().take(levels).collect();
        View { bids: side(Side::Buy), asks: side(Side::Sell) }
    }

    /// All levels of a side, each order cut to what the ones before it leave of the edges, on one copy of the flows.
    fn levels_of(&self, contract: Contract, side: Side) -> Vec<ViewLevel> {
        let mut copy = Self::new(self.rules, self.network.clone()).expect("the rules were good before");
        copy.state = self.state.clone();
        let mut levels: Vec<ViewLevel> = Vec::new();
        for Seen { delivered, order, way } in self.seen_orders(contract, side) {
            let energy = order.shown.min(copy.reach(contract.period, &way));
            if energy.is_zero() {
                continue;
            }
            copy.send(contract.period, &way, energy);
            match levels.last_mut().filter(|level| level.price == delivered) {
                Some(level) => level.energy = Energy(level.energy.0.saturating_add(energy.0)),
                None => levels.push(ViewLevel { price: delivered, energy }),
            }
        }
        levels
    }

    /// In order of delivered price, edges, priority number. What is delivered at a price that cannot be written nobody can ask for.
    fn seen_orders(&self, contract: Contract, side: Side) -> Vec<Seen> {
        let mut seen: Vec<Seen> =
            self.state.orders.iter().filter_map(|order| self.seen(contract, side, order)).collect();
        seen.sort_by_key(|seen| {
            let price = i64::from(seen.delivered.0);
            let worse = if side == Side::Sell { price } else { -price };
            (worse, seen.way.len(), seen.order.priority)
        });
        seen
    }

    fn seen(&self, contract: Contract, side: Side, order: &Order) -> Option<Seen> {
        let theirs = order.terms.contract;
        let reaches = theirs.period == contract.period && self.may_meet(theirs, contract) && self.is_alive(order);
        if order.terms.side != side || !reaches {
            return None;
        }
        let (way, sign) = match side {
            Side::Sell => (self.way(theirs.area, contract.area)?, 1),
            Side::Buy => (self.way(contract.area, theirs.area)?, -1),
        };
        let delivered = order.price() + sign * i64::from(fee_of(&way).0);
        Some(Seen { delivered: Price(i32::try_from(delivered).ok()?), order: *order, way })
    }
}

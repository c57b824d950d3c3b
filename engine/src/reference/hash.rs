//! The state as a hash, in the layout that the engine has.

use super::Reference;
use super::state::Order;
use crate::digest::{HashedOrder, StateHasher};
use crate::market::EdgeState;
use crate::{AreaId, Contract, DeliveryPeriod, Side};

impl Reference {
    pub(super) fn hash(&self) -> [u8; 32] {
        let areas = u16::try_from(self.network.areas()).expect("a network has at most 65,535 areas");
        let mut hasher = StateHasher::new(areas, self.state.now);
        for (&period, record) in &self.state.records {
            hasher.period(period, record.priorities, record.auctioned, record.rematching);
            self.hash_edges(period, &mut hasher);
            (0..areas).map(AreaId).for_each(|area| self.hash_book(Contract { period, area }, &mut hasher));
        }
        self.state.blocks.iter().for_each(|block| hasher.block(block));
        hasher.finish()
    }

    /// Edges that are not as the network has them.
    fn hash_edges(&self, period: DeliveryPeriod, hasher: &mut StateHasher) {
        for edge in self.network.edges() {
            let untouched = EdgeState { up: edge.up, down: edge.down, flow: 0 };
            let state = self.edge_state(edge.child, period).expect("it is an edge");
            if state != untouched {
                hasher.edge(edge.child, &state);
            }
        }
    }

    /// Books that have something to say, bids before asks in price-time order.
    fn hash_book(&self, contract: Contract, hasher: &mut StateHasher) {
        let flags = self.state.flags.get(&contract).copied().unwrap_or_default();
        let orders = [self.queue(contract, Side::Buy), self.queue(contract, Side::Sell)].concat();
        if flags.any() || !orders.is_empty() {
            hasher.book(contract.area, flags);
            orders.iter().for_each(|order| hasher.order(&hashed(order)));
        }
    }
}

fn hashed(order: &Order) -> HashedOrder {
    HashedOrder {
        side: order.terms.side,
        tag: order.terms.tag,
        priority: order.priority,
        energy: order.remaining,
        shown: order.shown,
        display: order.display,
        until: order.until,
        account: order.terms.account,
        meter: order.terms.meter,
        price: order.terms.price,
        post_only: order.post_only,
        preferences: order.preferences,
    }
}

//! Re-matching what rests, and capacities (MARKET section 4, Re-match and Less capacity).

use core::cmp::Reverse;

use super::matching::Deal;
use super::state::Order;
use super::{Outside, Reference};
use crate::{AreaId, DeliveryPeriod, Direction, Energy, Event, Limits, Network, REMATCH_TRADES_MAX, Reject, Side};

impl Reference {
    /// *Re-match*: trades the best pair until there is none, or for as many trades as are made in one go; what is left is due then. In a
    /// call phase nothing trades.
    pub(super) fn rematch<L: Limits>(&mut self, period: DeliveryPeriod, outside: &mut Outside<'_, L>) {
        if self.in_call_phase(period) {
            return;
        }
        for _ in 0..REMATCH_TRADES_MAX {
            let Some((maker, taker, deal)) = self.best_pair(period) else { break };
            let energy = maker.shown.min(taker.shown).min(deal.reach);
            let maker = self.take(maker.name.id, energy);
            let taker = self.take(taker.name.id, energy);
            self.tell_trade(&maker, &taker, &deal, energy, outside);
            self.refresh(maker.name.id);
            self.refresh(taker.name.id);
        }
        let rematching = self.best_pair(period).is_some();
        if let Some(record) = self.state.records.get_mut(&period) {
            record.rematching = rematching;
        }
    }

    /// Of all compatible executable pairs with energy to reach each other: the highest `bid - ask - fee`, fewer edges, the lower of the
    /// two smaller priority numbers, the lower of the two larger ones. The one with the lower number is the maker.
    fn best_pair(&self, period: DeliveryPeriod) -> Option<(Order, Order, Deal)> {
        let of_side = |side: Side| {
            let orders = self.state.orders.iter().filter(move |order| order.terms.side == side);
            orders.filter(move |order| order.terms.contract.period == period)
        };
        let mut pairs = Vec::new();
        for seller in of_side(Side::Sell) {
            for buyer in of_side(Side::Buy) {
                if let Some(deal) = self.deal(seller, buyer) {
                    let seller_first = seller.priority < buyer.priority;
                    let (maker, taker) = if seller_first { (seller, buyer) } else { (buyer, seller) };
                    pairs.push((*maker, *taker, deal));
                }
            }
        }
        pairs
            .into_iter()
            .min_by_key(|(maker, taker, deal)| (Reverse(deal.surplus), deal.way.len(), maker.priority, taker.priority))
    }

    /// Sets what an edge may carry. *Less capacity* than the flow cancels no trade.
    pub(super) fn change_capacity<L: Limits>(
        &mut self,
        child: AreaId,
        period: DeliveryPeriod,
        [up, down]: [Energy; 2],
        outside: &mut Outside<'_, L>,
    ) -> Result<(), Reject> {
        if !self.has_area(child) {
            return Err(Reject::FormArea);
        }
        let mut edge = self.edge_state(child, period).ok_or(Reject::FormEdge)?;
        if up.max(down) > Network::CAPACITY_MAX {
            return Err(Reject::FormCapacity);
        }
        if self.period_is_over(period) {
            return Err(Reject::GateClosed);
        }
        self.record(period);
        (edge.up, edge.down) = (up, down);
        self.state.edges.insert((period, child), edge);
        for direction in [Direction::Up, Direction::Down] {
            let residual = edge.residual(direction);
            if residual < 0 {
                let by = Energy(residual.unsigned_abs());
                outside.events.push(Event::Overload { child, period, direction, by });
            }
        }
        self.rematch(period, outside);
        Ok(())
    }
}

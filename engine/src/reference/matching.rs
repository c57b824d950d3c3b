//! Continuous matching of an incoming order over the network (MARKET section 4, steps 1 to 8).

use core::cmp::Reverse;

use super::state::{Order, fee_of};
use super::{Outside, Reference};
use crate::{Direction, Edge, Energy, Event, Limits, OrderId, Price, Reject, Side, TimeInForce, Trade, TradeKind};

/// What became of an order that came in.
pub(super) struct Entered {
    /// Its handle if some of it rests.
    pub(super) resting: Option<OrderId>,
    pub(super) used_an_edge: bool,
}

/// How a seller and a buyer could trade.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    /// `bid - ask - fee`. For one incoming order the largest is the best delivered price.
    pub(super) surplus: i64,
    pub(super) way: Vec<(Edge, Direction)>,
    pub(super) fee: Price,
    /// R: more than nothing.
    pub(super) reach: Energy,
}

impl Reference {
    /// Reserves, then steps 1 to 8 for an order whose form and gate are good. In a call phase it rests without trading.
    pub(super) fn enter<L: Limits>(
        &mut self,
        mut order: Order,
        time_in_force: TimeInForce,
        outside: &mut Outside<'_, L>,
    ) -> Result<Entered, Reject> {
        outside.limits.reserve(&order.terms, order.remaining)?;
        let called = self.in_call_phase(order.terms.contract.period);
        if order.post_only && !called && self.best_counter_order(&order).is_some() {
            return Err(Reject::MatchPostOnly);
        }
        let mut used_an_edge = false;
        while !called
            && !order.remaining.is_zero()
            && let Some((maker, deal)) = self.best_counter_order(&order)
        {
            self.trade_incoming(maker, &mut order, &deal, outside);
            used_an_edge |= !deal.way.is_empty();
        }
        let resting = self.rest_or_drop(order, time_in_force, outside)?;
        Ok(Entered { resting, used_an_edge })
    }

    /// Step 3, *Order of candidates*: best delivered price, fewer edges, lower priority number.
    fn best_counter_order(&self, incoming: &Order) -> Option<(Order, Deal)> {
        let candidates = self.state.orders.iter().filter(|resting| resting.terms.side != incoming.terms.side);
        let deals = candidates.filter_map(|resting| {
            let deal = match incoming.terms.side {
                Side::Buy => self.deal(resting, incoming),
                Side::Sell => self.deal(incoming, resting),
            };
            Some((*resting, deal?))
        });
        deals.min_by_key(|(resting, deal)| (Reverse(deal.surplus), deal.way.len(), resting.priority))
    }

    /// How two orders could trade now; nothing if they are not compatible, not executable (step 1), or cannot reach each other (step 2).
    pub(super) fn deal(&self, seller: &Order, buyer: &Order) -> Option<Deal> {
        let wants =
            |one: &Order, other: &Order| one.preferences.partner.is_none_or(|partner| partner == other.terms.account);
        let same_period = seller.terms.contract.period == buyer.terms.contract.period;
        let accounts_differ = seller.terms.account != buyer.terms.account;
        let partners_agree = wants(seller, buyer) && wants(buyer, seller);
        let sources_agree = seller.preferences.sources.is_within(buyer.preferences.sources);
        let both_alive = self.is_alive(seller) && self.is_alive(buyer);
        let gates_open = self.may_meet(seller.terms.contract, buyer.terms.contract);
        if !(same_period && accounts_differ && partners_agree && sources_agree && both_alive && gates_open) {
            return None;
        }
        let way = self.way(seller.area(), buyer.area())?;
        if way.len() > usize::from(seller.preferences.max_edges.min(buyer.preferences.max_edges)) {
            return None;
        }
        let fee = fee_of(&way);
        let surplus = buyer.price() - seller.price() - i64::from(fee.0);
        let reach = self.reach(seller.terms.contract.period, &way);
        (surplus >= 0 && !reach.is_zero()).then_some(Deal { surplus, way, fee, reach })
    }

    /// Step 4, *Trade*: the incoming order with all its energy, the resting one with its clip.
    fn trade_incoming<L: Limits>(
        &mut self,
        maker: Order,
        order: &mut Order,
        deal: &Deal,
        outside: &mut Outside<'_, L>,
    ) {
        let energy = order.remaining.min(maker.shown).min(deal.reach);
        order.remaining -= energy;
        let maker = self.take(maker.name.id, energy);
        self.tell_trade(&maker, order, deal, energy, outside);
        self.refresh(maker.name.id);
    }

    /// Takes energy from the clip of a resting order, and returns the order as it is then.
    pub(super) fn take(&mut self, id: OrderId, energy: Energy) -> Order {
        let order = self.resting(id);
        order.remaining -= energy;
        order.shown -= energy;
        *order
    }

    /// A clip that is used up is refreshed at once, with a new priority number; an order that is used up leaves.
    pub(super) fn refresh(&mut self, id: OrderId) {
        let order = *self.resting(id);
        if order.remaining.is_zero() {
            self.remove(id);
        } else if order.shown.is_zero() {
            let priority = self.next_priority(order.terms.contract.period);
            let order = self.resting(id);
            order.shown = order.clip();
            order.priority = priority;
        }
    }

    /// Moves flows and money of a trade whose energy has been taken from both, and reports it. The price is the maker's limit.
    pub(super) fn tell_trade<L: Limits>(
        &mut self,
        maker: &Order,
        taker: &Order,
        deal: &Deal,
        energy: Energy,
        outside: &mut Outside<'_, L>,
    ) {
        let trade = Trade {
            period: maker.terms.contract.period,
            maker_area: maker.area(),
            taker_area: taker.area(),
            taker_side: taker.terms.side,
            kind: TradeKind::Continuous,
            maker: maker.name,
            taker: taker.name,
            sources: if taker.terms.side == Side::Sell { taker } else { maker }.preferences.sources,
            for_partner: [maker, taker].iter().any(|order| order.preferences.partner.is_some()),
            price: maker.terms.price,
            fee: deal.fee,
            energy,
            maker_remaining: maker.remaining,
            taker_remaining: taker.remaining,
        };
        self.send(trade.period, &deal.way, energy);
        outside.limits.fill(&maker.terms, energy, trade.price_of(maker.terms.side));
        outside.limits.fill(&taker.terms, energy, trade.price_of(taker.terms.side));
        for (edge, direction) in &deal.way {
            outside.limits.collect(edge.child, trade.period, edge.fee(*direction).times(energy), crate::Money::ZERO);
        }
        outside.events.push(Event::Trade(trade));
    }

    fn rest_or_drop<L: Limits>(
        &mut self,
        mut order: Order,
        time_in_force: TimeInForce,
        outside: &mut Outside<'_, L>,
    ) -> Result<Option<OrderId>, Reject> {
        let Order { name, terms, remaining, .. } = order;
        if remaining.is_zero() {
            return Ok(None);
        }
        match time_in_force {
            TimeInForce::FillOrKill => Err(Reject::MatchFillOrKill),
            TimeInForce::ImmediateOrCancel => {
                outside.limits.release(&terms, remaining);
                outside.events.push(Event::Dropped { order: name, remaining });
                Ok(None)
            }
            TimeInForce::GoodTillGate | TimeInForce::GoodTillTime(_) => {
                order.shown = order.clip();
                order.priority = self.next_priority(terms.contract.period);
                self.state.orders.push(order);
                outside.events.push(Event::Rested { order: name, remaining });
                Ok(Some(name.id))
            }
        }
    }
}

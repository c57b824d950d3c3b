//! Trades outside the continuous book (MARKET section 6).

use super::orders::first_fault;
use super::state::{Order, fee_of};
use super::{Outside, Reference};
use crate::{
    Contract, Direction, Edge, Energy, EnergySources, Event, Limits, Money, OrderId, OrderRef, OrderTerms, Party,
    Prearranged, Price, Reject, Side, Trade, TradeKind,
};

impl Reference {
    /// *Pre-arranged trade*: it takes capacity and collateral like any trade.
    pub(super) fn book<L: Limits>(&mut self, agreed: &Prearranged, outside: &mut Outside<'_, L>) -> Result<(), Reject> {
        let Prearranged { tag, buyer, seller, period, price, energy } = *agreed;
        let contract = |party: &Party| Contract { area: party.area, period };
        let areas_are_known = self.has_area(buyer.area) && self.has_area(seller.area);
        let way = if areas_are_known { self.way(seller.area, buyer.area) } else { None };
        let fee = way.as_deref().map_or(Price(0), fee_of);
        self.test_prearranged(agreed, way.as_deref(), fee)?;
        let way = way.expect("without a way it was refused");
        let terms = |party: &Party, side, price| {
            let Party { account, meter, .. } = *party;
            OrderTerms { tag, account, meter, contract: contract(party), side, price }
        };
        let name = |party: &Party| OrderRef { id: OrderId(0), tag, account: party.account, meter: party.meter };
        let sell = terms(&seller, Side::Sell, price);
        let buy = terms(&buyer, Side::Buy, Price(price.0 + fee.0));
        outside.limits.reserve(&sell, energy)?;
        outside.limits.reserve(&buy, energy)?;
        outside.limits.fill(&sell, energy, sell.price);
        outside.limits.fill(&buy, energy, buy.price);
        for (edge, direction) in &way {
            outside.limits.collect(edge.child, period, edge.fee(*direction).times(energy), Money::ZERO);
        }
        self.send(period, &way, energy);
        outside.events.push(Event::Trade(Trade {
            period,
            maker_area: seller.area,
            taker_area: buyer.area,
            taker_side: Side::Buy,
            kind: TradeKind::Prearranged,
            maker: name(&seller),
            taker: name(&buyer),
            sources: EnergySources::GRID_MIX,
            for_partner: true,
            price,
            fee,
            energy,
            maker_remaining: Energy::ZERO,
            taker_remaining: Energy::ZERO,
        }));
        if !way.is_empty() {
            self.rematch(period, outside);
        }
        Ok(())
    }

    fn test_prearranged(
        &self,
        agreed: &Prearranged,
        way: Option<&[(Edge, Direction)]>,
        fee: Price,
    ) -> Result<(), Reject> {
        let Prearranged { buyer, seller, period, price, energy, .. } = *agreed;
        let rules = &self.rules;
        let [buying, selling] = [buyer, seller].map(|party| Contract { area: party.area, period });
        let buyer_pays = i64::from(price.0) + i64::from(fee.0);
        let beyond_limits = price < rules.price_min || buyer_pays > i64::from(rules.price_max.0);
        first_fault(&[
            (!self.has_area(buyer.area), Reject::FormArea),
            (!self.has_area(seller.area), Reject::FormArea),
            (energy.is_zero(), Reject::FormZeroEnergy),
            (!energy.0.is_multiple_of(rules.lot), Reject::FormLot),
            (beyond_limits || price > rules.price_max, Reject::FormPriceLimit),
            (price.0 % rules.tick != 0, Reject::FormTick),
            (buyer.account == seller.account, Reject::MatchSelfTrade),
        ])?;
        first_fault(&self.open_faults(buying))?;
        first_fault(&self.open_faults(selling))?;
        let reach = way.map_or(Energy::ZERO, |way| self.reach(period, way));
        first_fault(&[
            (!self.may_meet(selling, buying), Reject::GateCrossArea),
            (reach < energy, Reject::MatchCapacity),
        ])
    }

    /// *Pay-as-bid*: bids and asks of one contract by price-time priority, each trade at the bid's price.
    pub(super) fn hold_pay_as_bid_round<L: Limits>(
        &mut self,
        contract: Contract,
        outside: &mut Outside<'_, L>,
    ) -> Result<(), Reject> {
        if !self.has_area(contract.area) {
            return Err(Reject::FormArea);
        }
        first_fault(&self.open_faults(contract))?;
        for bid in self.queue(contract, Side::Buy) {
            for ask in self.queue(contract, Side::Sell) {
                self.meet_at_the_bid(bid.name.id, ask.name.id, outside);
            }
        }
        Ok(())
    }

    fn meet_at_the_bid<L: Limits>(&mut self, bid: OrderId, ask: OrderId, outside: &mut Outside<'_, L>) {
        if !self.holds(bid) || !self.holds(ask) {
            return;
        }
        let (buyer, seller) = (*self.resting(bid), *self.resting(ask));
        if self.deal(&seller, &buyer).is_none() {
            return;
        }
        let energy = buyer.remaining.min(seller.remaining);
        let (buyer, seller) = (self.take_with_reserve(bid, energy), self.take_with_reserve(ask, energy));
        let (maker, taker) = if seller.priority < buyer.priority { (seller, buyer) } else { (buyer, seller) };
        let trade = Trade {
            period: maker.terms.contract.period,
            maker_area: maker.area(),
            taker_area: taker.area(),
            taker_side: taker.terms.side,
            kind: TradeKind::PayAsBid,
            maker: maker.name,
            taker: taker.name,
            sources: seller.preferences.sources,
            for_partner: [&maker, &taker].iter().any(|order| order.preferences.partner.is_some()),
            price: buyer.terms.price,
            fee: Price(0),
            energy,
            maker_remaining: maker.remaining,
            taker_remaining: taker.remaining,
        };
        outside.limits.fill(&maker.terms, energy, trade.price);
        outside.limits.fill(&taker.terms, energy, trade.price);
        outside.events.push(Event::Trade(trade));
    }

    /// Takes energy from a resting order, hidden reserve included: what is left shows its clip and keeps its place.
    pub(super) fn take_with_reserve(&mut self, id: OrderId, energy: Energy) -> Order {
        let order = self.resting(id);
        order.remaining -= energy;
        order.shown = order.clip();
        let order = *order;
        if order.remaining.is_zero() {
            self.remove(id);
        }
        order
    }

    /// One side of a contract in price-time order.
    pub(super) fn queue(&self, contract: Contract, side: Side) -> Vec<Order> {
        let mine = |order: &&Order| order.terms.contract == contract && order.terms.side == side;
        let mut queue: Vec<Order> = self.state.orders.iter().filter(mine).copied().collect();
        queue.sort_by_key(Order::place_in_queue);
        queue
    }
}

//! Trades outside the continuous book: pre-arranged ones and pay-as-bid rounds (MARKET section 6).

use crate::contract::{AreaId, Contract};
use crate::engine::Engine;
use crate::event::{Event, OrderRef, Trade, TradeKind};
use crate::limits::{Limits, OrderTerms};
use crate::matching::Meeting;
use crate::order::{EnergySources, OrderId, Party, Prearranged, Side};
use crate::reject::Reject;
use crate::search::Seeker;
use crate::slab::FOREVER;
use crate::units::{Energy, Price};

impl Engine {
    /// Books a trade that two parties agreed on: it takes capacity and collateral like any trade.
    ///
    /// # Errors
    /// `Form*`, `Gate*`, `MatchSelfTrade`, `MatchCapacity`, what [`Limits::reserve`] answers for the seller, then for the buyer.
    pub fn prearranged<L: Limits>(
        &mut self,
        trade: Prearranged,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let Prearranged { tag, buyer, seller, period, price, energy } = trade;
        let fee = self.check_prearranged(&trade)?;
        let terms = |party: &Party, side, price| OrderTerms {
            tag,
            account: party.account,
            meter: party.meter,
            contract: Contract { period, area: party.area },
            side,
            price,
        };
        let paid = Price(price.0 + fee.0);
        let (sell, buy) = (terms(&seller, Side::Sell, price), terms(&buyer, Side::Buy, paid));
        let before = limits.mark();
        if let Err(reject) = limits.reserve(&sell, energy).and_then(|()| limits.reserve(&buy, energy)) {
            limits.rollback(before);
            return Err(reject);
        }
        limits.fill(&sell, energy, price);
        limits.fill(&buy, energy, paid);
        let name = |party: &Party| OrderRef { id: OrderId(0), tag, account: party.account, meter: party.meter };
        if seller.area != buyer.area {
            let index = self.find_or_open(period);
            self.shift_flow(index, seller.area, buyer.area, energy);
            self.collect_fees(period, seller.area, buyer.area, energy, limits);
        }
        events.push(Event::Trade(Trade {
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
        if seller.area != buyer.area {
            self.rematch_if_loosened(period, limits, events);
        }
        Ok(())
    }

    /// Tests a pre-arranged trade, and tells what the edges between its parties take per kWh.
    fn check_prearranged(&self, trade: &Prearranged) -> Result<Price, Reject> {
        let Prearranged { buyer, seller, period, price, energy, .. } = *trade;
        if buyer.area.0.max(seller.area.0) >= self.areas() {
            return Err(Reject::FormArea);
        }
        self.check_energy(energy)?;
        let fee = self.fee_between(seller.area, buyer.area);
        if price.0.checked_add(fee.0).is_none_or(|paid| paid > self.rules.price_max.0) {
            return Err(Reject::FormPriceLimit);
        }
        self.check_price(price)?;
        if buyer.account == seller.account {
            return Err(Reject::MatchSelfTrade);
        }
        for area in [buyer.area, seller.area] {
            self.check_gate(self.calendar.find(period), Contract { period, area }, FOREVER)?;
        }
        if buyer.area == seller.area {
            return Ok(fee);
        }
        let crosses = |area| !self.flags(Contract { period, area }).has(crate::digest::ContractFlags::CROSS_CLOSED);
        let in_time = self.now < self.rules.cross_area_gate_closes_at(period);
        if !in_time || !crosses(buyer.area) || !crosses(seller.area) {
            return Err(Reject::GateCrossArea);
        }
        if !self.network.has_edges() {
            return Err(Reject::MatchCapacity);
        }
        let room = match self.calendar.find(period) {
            Some(index) => self.reachable(index, seller.area, buyer.area),
            None if self.calendar.is_full() => return Err(Reject::MatchBookFull),
            None => self.untouched_room(seller.area, buyer.area),
        };
        if room < energy { Err(Reject::MatchCapacity) } else { Ok(fee) }
    }

    fn fee_between(&self, from: AreaId, to: AreaId) -> Price {
        let mut fee = 0;
        self.along(from, to, |child, direction| {
            fee += self.network.edge(child).map_or(0, |edge| edge.fee(direction).0);
        });
        Price(fee)
    }

    /// What may flow between two areas in a period in which nothing has happened yet.
    fn untouched_room(&self, from: AreaId, to: AreaId) -> Energy {
        let mut room = u64::MAX;
        self.along(from, to, |child, direction| {
            let capacity = self.network.edge(child).map_or(0, |edge| edge.capacity(direction).0);
            room = room.min(capacity - capacity % self.rules.lot);
        });
        Energy(room)
    }

    /// Holds a pay-as-bid round in one contract now: what rests in it is crossed by price-time priority, each trade at the bid's price. It is
    /// for contracts in their call phase, and does not end it; elsewhere no book is crossed.
    ///
    /// # Errors
    /// `FormArea`, `GateNotOpen`, `GateClosed`.
    pub fn pay_as_bid<L: Limits>(
        &mut self,
        contract: Contract,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        if contract.area.0 >= self.areas() {
            return Err(Reject::FormArea);
        }
        let found = self.calendar.find(contract.period);
        self.check_gate(found, contract, FOREVER)?;
        let Some(index) = found else { return Ok(()) };
        let period = self.calendar.at(index);
        let bids = period.slots(&self.slab, contract.area, Side::Buy);
        let mut asks = period.slots(&self.slab, contract.area, Side::Sell);
        for bid in bids {
            self.fill_bid(index, contract, bid, &mut asks, limits, events);
        }
        Ok(())
    }

    /// Lets one bid meet the asks in their order, for as long as they are within its price.
    fn fill_bid<L: Limits>(
        &mut self,
        index: u32,
        contract: Contract,
        bid: u32,
        asks: &mut Vec<u32>,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) {
        let buyer = *self.slab.node(bid);
        if buyer.until <= self.now {
            return;
        }
        let preferences = self.calendar.at(index).preferences(buyer.standing);
        let seeker =
            Seeker { side: Side::Buy, account: buyer.account, area: contract.area, price: buyer.price, preferences };
        let mut open = buyer.energy;
        let mut at = 0;
        while !open.is_zero() && at < asks.len() {
            let ask = asks[at];
            let seller = *self.slab.node(ask);
            if seller.price > buyer.price {
                return;
            }
            if !self.can_meet(&seeker, &seller) || !self.preferences_fit(index, &seeker, &seller) {
                at += 1;
                continue;
            }
            let energy = open.min(seller.energy);
            open -= energy;
            let (maker, taker_slot) = if buyer.priority < seller.priority { (bid, ask) } else { (ask, bid) };
            let taker = *self.slab.node(taker_slot);
            let meeting = Meeting {
                maker,
                taker_slot,
                taker: taker.order_ref(taker_slot),
                taker_terms: taker.terms(contract.period),
                taker_preferences: self.calendar.at(index).preferences(taker.standing),
                energy,
                taker_remaining: taker.energy - energy,
                kind: TradeKind::PayAsBid,
                price: Some(buyer.price),
            };
            self.meet(index, &meeting, limits, events);
            if energy == seller.energy {
                asks.remove(at);
            }
        }
    }

    /// Whether an order's preferences fit a seeker's, in one and the same area.
    fn preferences_fit(&self, index: u32, seeker: &Seeker, order: &crate::slab::Node) -> bool {
        let theirs = self.calendar.at(index).preferences(order.standing);
        crate::search::classes_fit(seeker, &theirs) && theirs.partner.is_none_or(|partner| partner == seeker.account)
    }
}

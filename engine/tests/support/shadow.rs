//! What an onlooker can know of a market from its commands and events alone.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{
    AreaId, BlockState, Contract, DeliveryPeriod, Direction, Energy, Event, LedgerTime, NewBlock, NewOrder, OrderTag,
    Price, TimeInForce, Trade, TradeKind,
};

use super::driven::{Handle, Report};
use super::market_stream::MarketCommand;
use super::world::World;

/// Resting orders and waiting blocks, flows, and what was said by command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shadow {
    /// As they rest now: `energy` is what is left.
    pub(crate) orders: BTreeMap<OrderTag, NewOrder>,
    pub(crate) blocks: BTreeMap<OrderTag, NewBlock>,
    pub(crate) flows: BTreeMap<(DeliveryPeriod, AreaId), i128>,
    pub(crate) closed: BTreeSet<Contract>,
    pub(crate) cross_closed: BTreeSet<Contract>,
    /// Periods that are known to trade continuously.
    pub(crate) continuous: BTreeSet<DeliveryPeriod>,
}

impl Shadow {
    /// Follows a command that was not refused. `handle` is the one that it names.
    pub(crate) fn follow(&mut self, world: &World, command: &MarketCommand, handle: Handle, report: &Report) {
        match command {
            MarketCommand::Close(contract) => drop(self.closed.insert(*contract)),
            MarketCommand::CloseCrossArea(contract) => drop(self.cross_closed.insert(*contract)),
            MarketCommand::PlaceBlock(block) => drop(self.blocks.insert(block.tag, block.clone())),
            MarketCommand::Place(order) => drop(self.orders.insert(order.tag, *order)),
            MarketCommand::Basket(orders) => self.orders.extend(orders.iter().map(|order| (order.tag, *order))),
            MarketCommand::Replace { price, energy, .. } if !is_reduce(report, handle.tag) => {
                let order = self.orders.get_mut(&handle.tag).expect("it was accepted, so it rested");
                (order.price, order.energy) = (*price, *energy);
            }
            _ => {}
        }
        report.events.iter().for_each(|event| self.see(world, event));
        // What neither rested nor is left was filled or dropped.
        self.orders.retain(|_, order| !order.energy.is_zero());
    }

    fn see(&mut self, world: &World, event: &Event) {
        match *event {
            Event::Trade(trade) => self.see_trade(world, &trade),
            Event::Rested { order, remaining } | Event::Reduced { order, remaining } => self.set(order.tag, remaining),
            Event::Dropped { order, .. } | Event::Cancelled { order, .. } | Event::Expired { order, .. } => {
                self.set(order.tag, Energy::ZERO);
                self.blocks.remove(&order.tag);
            }
            Event::Filled { order, remaining, .. } => self.set(order.tag, remaining),
            Event::Block { order, state } => {
                assert!(
                    self.blocks.remove(&order.tag).is_some() || state == BlockState::Accepted,
                    "no such block waits"
                );
            }
            Event::Cleared { contract, .. } => drop(self.continuous.insert(contract.period)),
            Event::Flow { child, period, up, .. } => *self.flows.entry((period, child)).or_default() += i128::from(up),
            Event::Overload { .. } => {}
        }
    }

    fn see_trade(&mut self, world: &World, trade: &Trade) {
        if trade.kind == TradeKind::Continuous {
            self.continuous.insert(trade.period);
        }
        self.set(trade.maker.tag, trade.maker_remaining);
        self.set(trade.taker.tag, trade.taker_remaining);
        let (seller, buyer) = areas(trade);
        for (edge, direction) in world.way(seller, buyer) {
            let sign = if direction == Direction::Up { 1 } else { -1 };
            *self.flows.entry((trade.period, edge.child)).or_default() += sign * i128::from(trade.energy.0);
        }
    }

    fn set(&mut self, tag: OrderTag, remaining: Energy) {
        if let Some(order) = self.orders.get_mut(&tag) {
            order.energy = remaining;
        }
    }

    /// Two resting orders that could trade, by what MARKET section 4 says of compatible and executable; reachable energy left out.
    pub(crate) fn could_trade(&self, world: &World, now: LedgerTime, seller: &NewOrder, buyer: &NewOrder) -> bool {
        let [from, to] = [seller.contract, buyer.contract];
        let alive = |order: &NewOrder| match order.time_in_force {
            TimeInForce::GoodTillTime(until) => until > now,
            _ => true,
        };
        let accepts = |one: &NewOrder, other: &NewOrder| one.preferences.partner.is_none_or(|p| p == other.account);
        let open = |contract: Contract| world.rules.gate_closes_at(contract) > now && !self.closed.contains(&contract);
        let cross_open = |contract: Contract| {
            world.rules.cross_area_gate_closes_at(contract.period) > now && !self.cross_closed.contains(&contract)
        };
        let gates = open(from) && open(to) && (from.area == to.area || (cross_open(from) && cross_open(to)));
        let pair = from.period == to.period && seller.account != buyer.account;
        if !(pair && gates && alive(seller) && alive(buyer) && accepts(seller, buyer) && accepts(buyer, seller)) {
            return false;
        }
        let Some(way) = world.network.way(from.area, to.area) else { return false };
        let fee: i64 = way.iter().map(|(edge, direction)| i64::from(edge.fee(*direction).0)).sum();
        let near = way.len() <= usize::from(seller.preferences.max_edges.min(buyer.preferences.max_edges));
        let sources = seller.preferences.sources.is_within(buyer.preferences.sources);
        near && sources && i64::from(seller.price.0) + fee <= i64::from(buyer.price.0)
    }
}

/// Where a trade's energy comes from and goes to.
pub(crate) fn areas(trade: &Trade) -> (AreaId, AreaId) {
    match trade.taker_side {
        gridbook_engine::Side::Buy => (trade.maker_area, trade.taker_area),
        gridbook_engine::Side::Sell => (trade.taker_area, trade.maker_area),
    }
}

/// What the edges between two areas take together.
pub(crate) fn fees(world: &World, seller: AreaId, buyer: AreaId) -> Price {
    Price(world.way(seller, buyer).iter().map(|(edge, direction)| edge.fee(*direction).0).sum())
}

fn is_reduce(report: &Report, tag: OrderTag) -> bool {
    matches!(report.events.first(), Some(Event::Reduced { order, .. }) if order.tag == tag)
}

//! What must hold in every market after every command, whatever is thrown at it.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{
    AreaId, DeliveryPeriod, Direction, Event, NewOrder, OrderTag, Reject, Side, TimeInForce, Trade, TradeKind,
};

use super::driven::{Driven, Fresh, Report};
use super::market_stream::{MarketCommand, MarketStream};
use super::purses::Entry;
use super::shadow::{Shadow, areas, fees};
use super::stream::Dice;
use super::world::World;

/// A market under a stream of commands, watched.
pub(crate) struct Watched<M> {
    pub(crate) driven: Driven<M>,
    world: World,
    stream: MarketStream,
    shadow: Shadow,
    /// What the onlooker knew at each of the market's marks.
    shadows: Vec<Shadow>,
    /// The names of all blocks there ever were.
    blocks: BTreeSet<OrderTag>,
    pub(crate) seen: Seen,
}

/// What has happened, so that a test can tell that it tested something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) refused: BTreeSet<Reject>,
    /// By the name of the event or of the kind of trade.
    pub(crate) events: BTreeSet<String>,
    pub(crate) trades: usize,
    pub(crate) trades_across: usize,
    pub(crate) filled: usize,
}

impl<M: Fresh> Watched<M> {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let world = World::draw(&mut dice);
        let driven = Driven::new(&world);
        let stream = MarketStream::new(world.clone(), dice);
        Self {
            driven,
            world,
            stream,
            shadow: Shadow::default(),
            shadows: Vec::new(),
            blocks: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    /// Carries out the next command and checks everything.
    pub(crate) fn step(&mut self) {
        let command = self.stream.next(self.driven.now());
        let (digest, entries) = (self.driven.market.digest(), self.driven.purses.entries.len());
        let handle = match command {
            MarketCommand::Replace { ago, .. } => self.driven.handle(ago),
            _ => self.driven.handle(u64::MAX),
        };
        let before = self.residuals();
        let report = self.driven.carry_out(&command);
        self.note(&report);
        if report.refused.is_some() {
            assert_eq!(self.driven.market.digest(), digest, "a refused command changes nothing");
            assert_eq!(self.driven.purses.entries.len(), entries, "a refused command costs nothing");
            assert!(report.events.is_empty(), "a refused command tells nothing");
            return;
        }
        match command {
            MarketCommand::Mark | MarketCommand::Rollback { .. } => return self.follow_marks(&command),
            _ => self.check_trades(&report.events, handle.tag),
        }
        if let MarketCommand::PlaceBlock(block) = &command {
            self.blocks.insert(block.tag);
        }
        self.shadow.follow(&self.world, &command, handle, &report);
        self.check_command(&command, &report);
        self.check_energy();
        self.check_flows();
        if !matches!(command, MarketCommand::SetCapacity { .. }) {
            self.check_no_edge_got_worse(&before);
        }
        self.check_nothing_executable_rests();
        self.driven.purses.entries[entries..].iter().for_each(|entry| self.check_price(entry));
        self.check_blocks(&self.driven.purses.entries[entries..]);
        let totals = &self.driven.purses.totals;
        assert_eq!(totals.paid, totals.received + totals.collected, "buyers pay what sellers and operators get");
        assert_eq!(totals.bought, totals.sold, "what is bought is sold");
    }

    fn follow_marks(&mut self, command: &MarketCommand) {
        if matches!(command, MarketCommand::Mark) {
            self.shadows.truncate(self.driven.marks() - 1);
            self.shadows.push(self.shadow.clone());
        } else if self.driven.marks() < self.shadows.len() {
            self.shadow = self.shadows[self.driven.marks()].clone();
            self.shadows.truncate(self.driven.marks());
        }
    }

    fn note(&mut self, report: &Report) {
        let seen = &mut self.seen;
        seen.refused.extend(report.refused.map(|(_, why)| why));
        for event in &report.events {
            let name = match event {
                Event::Trade(trade) => format!("{:?}", trade.kind),
                Event::Cleared { case, .. } => format!("{case:?}"),
                Event::Block { state, .. } => format!("{state:?}"),
                other => format!("{other:?}").split_whitespace().next().unwrap_or_default().to_owned(),
            };
            seen.events.insert(name);
            seen.filled += usize::from(matches!(event, Event::Filled { .. }));
            if let Event::Trade(trade) = event {
                seen.trades += 1;
                seen.trades_across += usize::from(trade.maker_area != trade.taker_area);
            }
        }
    }

    /// No trade with oneself, none beyond what edges take, each at the maker's limit or what its kind says.
    fn check_trades(&self, events: &[Event], replaced: OrderTag) {
        for event in events {
            let Event::Trade(trade) = event else { continue };
            assert_ne!(trade.maker.account, trade.taker.account, "an order never trades with one of its own account");
            assert!(!trade.energy.is_zero() && trade.energy.0.is_multiple_of(self.world.rules.lot));
            let (seller, buyer) = areas(trade);
            assert_eq!(trade.fee, fees(&self.world, seller, buyer), "each edge takes its fee");
            self.check_trade_price(trade, replaced);
        }
    }

    fn check_trade_price(&self, trade: &Trade, replaced: OrderTag) {
        let limit = |tag: OrderTag| self.shadow.orders.get(&tag).map(|order| order.price);
        match trade.kind {
            // A maker that came in with the command itself is one of a re-match: its limit is not known yet.
            TradeKind::Continuous => {
                let limit = |tag| limit(tag).filter(|_| tag != replaced);
                assert!(limit(trade.maker.tag).is_none_or(|limit| limit == trade.price), "at the maker's limit");
            }
            TradeKind::PayAsBid => assert_eq!(limit(trade.buyer().tag), Some(trade.price), "at the bid's price"),
            TradeKind::Prearranged => {}
        }
    }

    /// What the kinds of orders promise.
    fn check_command(&self, command: &MarketCommand, report: &Report) {
        let taken = |tag: OrderTag| -> u64 {
            let trades = report.events.iter().filter_map(|event| match event {
                Event::Trade(trade) if trade.taker.tag == tag => Some(trade.energy.0),
                _ => None,
            });
            trades.sum()
        };
        match command {
            MarketCommand::Place(order) if order.time_in_force == TimeInForce::FillOrKill => {
                assert_eq!(taken(order.tag), order.energy.0, "all or nothing");
            }
            MarketCommand::Place(order) if order.post_only => {
                assert!(report.rests && report.events.len() == 1, "post-only rests whole");
            }
            MarketCommand::Basket(orders) => {
                orders.iter().for_each(|order| assert_eq!(taken(order.tag), order.energy.0, "all of all or nothing"));
            }
            _ => {}
        }
    }

    /// What is set aside for an order is what is left of it: reserved = filled + released + resting.
    fn check_energy(&self) {
        for (&tag, &held) in &self.driven.purses.totals.held {
            let resting = self.shadow.orders.get(&tag).map_or(0, |order| i128::from(order.energy.0));
            let block = self.shadow.blocks.get(&tag);
            let waiting: i128 = block.iter().flat_map(|block| &block.energies).map(|(_, e)| i128::from(e.0)).sum();
            assert_eq!(held, resting + waiting, "{tag:?}: reserved = filled + released + resting");
        }
    }

    /// Netting is exact: what flows is what was traded over the edge, by direction.
    fn check_flows(&self) {
        for (&(period, child), &flow) in &self.shadow.flows {
            let contract = gridbook_engine::Contract { period, area: child };
            if self.world.rules.gate_closes_at(contract) > self.driven.now() {
                let edge = self.driven.market.edge(child, period).unwrap();
                assert_eq!(i128::from(edge.flow), flow, "the flow over {child:?} in {period:?}");
            }
        }
    }

    /// What each edge has left, for the periods that may flow.
    fn residuals(&self) -> Vec<(DeliveryPeriod, AreaId, [i64; 2])> {
        let periods: BTreeSet<DeliveryPeriod> =
            self.shadow.orders.values().map(|order| order.contract.period).collect();
        let edges = |period: DeliveryPeriod| {
            self.world.network.edges().map(move |edge| {
                let state = self.driven.market.edge(edge.child, period).unwrap();
                (period, edge.child, [Direction::Up, Direction::Down].map(|direction| state.residual(direction)))
            })
        };
        periods.into_iter().flat_map(edges).collect()
    }

    /// No trade uses more of an edge than is left of it; an overload only shrinks.
    fn check_no_edge_got_worse(&self, before: &[(DeliveryPeriod, AreaId, [i64; 2])]) {
        for &(period, child, left) in before {
            let edge = self.driven.market.edge(child, period).unwrap();
            for (direction, left) in [Direction::Up, Direction::Down].into_iter().zip(left) {
                assert!(edge.residual(direction) >= left.min(0), "{child:?} in {period:?} flows beyond its capacity");
            }
        }
    }

    /// MARKET section 4: at rest no compatible executable pair with energy to reach each other exists.
    fn check_nothing_executable_rests(&self) {
        let continuous = |order: &&NewOrder| {
            !self.world.rules.auction_at_open || self.shadow.continuous.contains(&order.contract.period)
        };
        let orders: Vec<&NewOrder> = self.shadow.orders.values().filter(continuous).collect();
        let of_side = |side: Side| orders.iter().filter(move |order| order.side == side);
        for seller in of_side(Side::Sell) {
            for buyer in of_side(Side::Buy) {
                if self.shadow.could_trade(&self.world, self.driven.now(), seller, buyer) {
                    assert_eq!(self.reach(seller, buyer), 0, "{seller:?} and {buyer:?} rest");
                }
            }
        }
    }

    fn reach(&self, seller: &NewOrder, buyer: &NewOrder) -> i64 {
        let way = self.world.way(seller.contract.area, buyer.contract.area);
        let left = way.iter().map(|(edge, direction)| {
            self.driven.market.edge(edge.child, seller.contract.period).unwrap().residual(*direction)
        });
        let left = left.min().unwrap_or(i64::MAX).max(0);
        i64::try_from(self.world.rules.lot).map_or(0, |lot| left / lot)
    }

    /// Nobody pays above, or receives below, his limit; a block on average, which its auction looks after.
    fn check_price(&self, entry: &Entry) {
        let Entry::Fill(terms, _, price) = entry else { return };
        match terms.side {
            _ if self.blocks.contains(&terms.tag) => {}
            Side::Buy => assert!(*price <= terms.price, "nobody pays above his limit: {entry:?}"),
            Side::Sell => assert!(*price >= terms.price, "nobody receives below his limit: {entry:?}"),
        }
    }

    /// No accepted block loses by it (MARKET section 5, Blocks).
    fn check_blocks(&self, new: &[Entry]) {
        let mut gains: BTreeMap<OrderTag, i128> = BTreeMap::new();
        for entry in new {
            let Entry::Fill(terms, energy, price) = entry else { continue };
            let gain = price.times(*energy).0 - terms.price.times(*energy).0;
            let gain = if terms.side == Side::Sell { gain } else { -gain };
            *gains.entry(terms.tag).or_default() += gain;
        }
        gains.retain(|tag, _| self.blocks.contains(tag));
        assert!(gains.values().all(|gain| *gain >= 0), "a block was accepted at a loss: {gains:?}");
    }
}

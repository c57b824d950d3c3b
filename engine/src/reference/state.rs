//! What there is: plain lists.

use std::collections::BTreeMap;

use super::Reference;
use crate::digest::ContractFlags;
use crate::market::EdgeState;
use crate::{
    AreaId, Contract, DeliveryPeriod, Direction, Edge, Energy, LedgerTime, MarketRules, NewBlock, NewOrder, OrderId,
    OrderRef, OrderTerms, Preferences, Price, Side, TimeInForce,
};

/// Everything that a rollback brings back.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) now: LedgerTime,
    pub(super) records: BTreeMap<DeliveryPeriod, Record>,
    /// Only what was said by command.
    pub(super) flags: BTreeMap<Contract, ContractFlags>,
    /// Only those that ever had a capacity of their own or a flow.
    pub(super) edges: BTreeMap<(DeliveryPeriod, AreaId), EdgeState>,
    pub(super) orders: Vec<Order>,
    /// In order of arrival.
    pub(super) blocks: Vec<NewBlock>,
}

/// What is remembered of a period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// How many priority numbers have been given out.
    pub(super) priorities: u64,
    /// Whether its call phase is over.
    pub(super) auctioned: bool,
    /// Whether re-matching was left unfinished.
    pub(super) rematching: bool,
}

/// An order, resting or on its way in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) name: OrderRef,
    pub(super) terms: OrderTerms,
    pub(super) preferences: Preferences,
    pub(super) post_only: bool,
    /// The end of time where it has none.
    pub(super) until: LedgerTime,
    /// The size of a clip; zero if nothing is ever hidden.
    pub(super) display: Energy,
    /// All that is left of it, hidden reserve included.
    pub(super) remaining: Energy,
    /// What shows of that while it rests; on its way in, all of it (MARKET section 4, step 6).
    pub(super) shown: Energy,
    /// On its way in, later than all.
    pub(super) priority: u64,
}

impl Order {
    pub(super) fn incoming(new: &NewOrder, id: OrderId) -> Self {
        let NewOrder { tag, account, meter, contract, side, price, energy, .. } = *new;
        Self {
            name: OrderRef { id, tag, account, meter },
            terms: OrderTerms { tag, account, meter, contract, side, price },
            preferences: new.preferences,
            post_only: new.post_only,
            until: match new.time_in_force {
                TimeInForce::GoodTillTime(until) => until,
                _ => LedgerTime(u64::MAX),
            },
            display: new.display,
            remaining: energy,
            shown: energy,
            priority: u64::MAX,
        }
    }

    /// What shows of what is left, right after a refresh.
    pub(super) fn clip(&self) -> Energy {
        if self.display.is_zero() { self.remaining } else { self.display.min(self.remaining) }
    }

    pub(super) fn price(&self) -> i64 {
        i64::from(self.terms.price.0)
    }

    pub(super) fn area(&self) -> AreaId {
        self.terms.contract.area
    }

    pub(super) fn is_plain(&self) -> bool {
        self.preferences.are_none(self.terms.side)
    }

    /// Price-time priority on its side: the smaller comes first.
    pub(super) fn place_in_queue(&self) -> (i64, u64) {
        let worse = if self.terms.side == Side::Buy { -self.price() } else { self.price() };
        (worse, self.priority)
    }
}

/// All energy of a block.
pub(super) fn energy_of(block: &NewBlock) -> Energy {
    Energy(block.energies.iter().map(|(_, energy)| energy.0).sum())
}

/// The terms of a block in each of its periods, with the energy there. In a single period the market's limits are all that bounds its
/// price: its own holds for the average.
pub(super) fn terms_of(block: &NewBlock, rules: &MarketRules) -> Vec<(OrderTerms, Energy)> {
    let NewBlock { tag, account, meter, area, side, .. } = *block;
    let price = if side == Side::Buy { rules.price_max } else { rules.price_min };
    let terms = |period| OrderTerms { tag, account, meter, contract: Contract { area, period }, side, price };
    block.energies.iter().map(|&(period, energy)| (terms(period), energy)).collect()
}

/// A block as events name it.
pub(super) fn name_of(block: &NewBlock) -> OrderRef {
    OrderRef { id: OrderId(0), tag: block.tag, account: block.account, meter: block.meter }
}

impl Reference {
    /// The record of a period, made now if there is none yet.
    pub(super) fn record(&mut self, period: DeliveryPeriod) -> &mut Record {
        let auctioned = !self.rules.auction_at_open || self.state.now >= self.rules.call_ends_at(period);
        self.state.records.entry(period).or_insert(Record { priorities: 0, auctioned, rematching: false })
    }

    pub(super) fn next_priority(&mut self, period: DeliveryPeriod) -> u64 {
        let record = self.record(period);
        record.priorities += 1;
        record.priorities - 1
    }

    pub(super) fn has_area(&self, area: AreaId) -> bool {
        usize::from(area.0) < self.network.areas()
    }

    pub(super) fn flag(&self, contract: Contract, flag: u8) -> bool {
        self.state.flags.get(&contract).is_some_and(|flags| flags.has(flag))
    }

    pub(super) fn set_flag(&mut self, contract: Contract, flag: u8) {
        self.record(contract.period);
        self.state.flags.entry(contract).or_default().0 |= flag;
    }

    /// The resting order of a handle that is known to rest.
    pub(super) fn resting(&mut self, id: OrderId) -> &mut Order {
        self.state.orders.iter_mut().find(|order| order.name.id == id).expect("it was just found")
    }

    pub(super) fn remove(&mut self, id: OrderId) {
        self.state.orders.retain(|order| order.name.id != id);
    }

    pub(super) fn edge_state(&self, child: AreaId, period: DeliveryPeriod) -> Option<EdgeState> {
        let edge = self.network.edge(child)?;
        let untouched = EdgeState { up: edge.up, down: edge.down, flow: 0 };
        Some(self.state.edges.get(&(period, child)).copied().unwrap_or(untouched))
    }

    /// The edges on the way of energy from a seller to a buyer.
    pub(super) fn way(&self, seller: AreaId, buyer: AreaId) -> Option<Vec<(Edge, Direction)>> {
        let way = self.network.way(seller, buyer)?;
        Some(way.into_iter().map(|(edge, direction)| (*edge, direction)).collect())
    }

    /// MARKET section 4, step 2, *Reachable energy*.
    pub(super) fn reach(&self, period: DeliveryPeriod, way: &[(Edge, Direction)]) -> Energy {
        let residual = |(edge, direction): &(Edge, Direction)| {
            self.edge_state(edge.child, period).expect("the edge is on a way").residual(*direction)
        };
        let smallest = way.iter().map(residual).min().map_or(u64::MAX, |least| u64::try_from(least).unwrap_or(0));
        Energy(smallest - smallest % self.rules.lot)
    }

    /// MARKET section 4, step 5, *Capacity*.
    pub(super) fn send(&mut self, period: DeliveryPeriod, way: &[(Edge, Direction)], energy: Energy) {
        for (edge, direction) in way {
            self.record(period);
            let mut state = self.edge_state(edge.child, period).expect("the edge is on a way");
            let energy = i64::try_from(energy.0).expect("no more than a capacity");
            state.flow += if *direction == Direction::Up { energy } else { -energy };
            self.state.edges.insert((period, edge.child), state);
        }
    }
}

/// What the edges of a way take together per kWh.
pub(super) fn fee_of(way: &[(Edge, Direction)]) -> Price {
    Price(way.iter().map(|(edge, direction)| edge.fee(*direction).0).sum())
}

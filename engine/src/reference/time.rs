//! Gates, call phases, and what is over (MARKET section 2, and section 4, Time).

use super::blocks::{contracts_of, release};
use super::state::{Order, energy_of, name_of};
use super::{Outside, Reference};
use crate::digest::ContractFlags;
use crate::sweep::HEAVY_PIECE;
use crate::{Contract, DeliveryPeriod, Event, Expiry, LedgerTime, Limits, NewBlock};

impl Reference {
    /// Whether trading has begun, by time or by command.
    pub(super) fn is_open(&self, contract: Contract) -> bool {
        self.rules.opens_at(contract) <= self.state.now || self.flag(contract, ContractFlags::OPENED)
    }

    /// Whether trading has ended, by time or by command.
    pub(super) fn is_closed(&self, contract: Contract) -> bool {
        self.period_is_over(contract.period) || self.flag(contract, ContractFlags::CLOSED)
    }

    /// Whether trading with other areas has ended, by time or by command.
    pub(super) fn is_cross_closed(&self, contract: Contract) -> bool {
        self.rules.cross_area_gate_closes_at(contract.period) <= self.state.now
            || self.flag(contract, ContractFlags::CROSS_CLOSED)
    }

    /// Whether the gates let orders of two contracts of one period trade with each other.
    pub(super) fn may_meet(&self, one: Contract, other: Contract) -> bool {
        let both = [one, other];
        let none_closed = both.iter().all(|contract| !self.is_closed(*contract));
        none_closed && (one.area == other.area || both.iter().all(|contract| !self.is_cross_closed(*contract)))
    }

    pub(super) fn gate_of(&self, period: DeliveryPeriod) -> LedgerTime {
        self.rules.gate_closes_at(Contract { period, ..Contract::default() })
    }

    /// Whether the gates of a period have come by time.
    pub(super) fn period_is_over(&self, period: DeliveryPeriod) -> bool {
        self.gate_of(period) <= self.state.now
    }

    pub(super) fn is_alive(&self, order: &Order) -> bool {
        order.until > self.state.now
    }

    /// Whether orders of a period are only collected, for its opening auction.
    pub(super) fn in_call_phase(&self, period: DeliveryPeriod) -> bool {
        let lasts = self.state.now < self.rules.call_ends_at(period);
        self.rules.auction_at_open && self.state.records.get(&period).map_or(lasts, |record| !record.auctioned)
    }

    pub(super) fn open_by_command(&mut self, contract: Contract) {
        if self.has_area(contract.area) && !self.is_open(contract) && !self.is_closed(contract) {
            self.set_flag(contract, ContractFlags::OPENED);
        }
    }

    pub(super) fn close_cross_area_by_command(&mut self, contract: Contract) {
        if self.has_area(contract.area) && !self.is_cross_closed(contract) {
            self.set_flag(contract, ContractFlags::CROSS_CLOSED);
        }
    }

    pub(super) fn close_by_command(&mut self, contract: Contract) {
        if self.has_area(contract.area) && !self.is_closed(contract) {
            self.set_flag(contract, ContractFlags::CLOSED);
        }
    }

    /// When there is something to sweep next.
    pub(super) fn first_due(&self) -> Option<LedgerTime> {
        let gate = |contract: Contract| {
            let by_command = self.flag(contract, ContractFlags::CLOSED);
            if by_command { self.state.now } else { self.gate_of(contract.period) }
        };
        let of_orders = self.state.orders.iter().map(|order| order.until.min(gate(order.terms.contract)));
        let of_blocks = self.state.blocks.iter().flat_map(contracts_of).map(gate);
        let waiting = self.state.records.iter().filter(|(_, record)| !record.auctioned);
        let call_ends = waiting.map(|(&period, _)| (self.rules.call_ends_at(period), self.gate_of(period)));
        let of_auctions = call_ends.filter(|(ends, gate)| ends < gate).map(|(ends, _)| ends);
        let of_rematching = self.left_unfinished().map(|_| self.state.now);
        of_orders.chain(of_blocks).chain(of_auctions).chain(of_rematching).min().filter(|due| due.0 < u64::MAX)
    }

    /// Removes what is over and holds the auctions that are due, one piece after the other.
    pub(super) fn sweep_up_to<L: Limits>(&mut self, max: usize, outside: &mut Outside<'_, L>) -> usize {
        let mut swept = 0;
        while swept < max {
            let Some(pieces) = self.sweep_one(outside) else { return swept };
            self.forget_what_is_over();
            swept += pieces;
        }
        max
    }

    /// First orders whose time has come, then orders of closed contracts, then blocks, then auctions, then what re-matching left.
    fn sweep_one<L: Limits>(&mut self, outside: &mut Outside<'_, L>) -> Option<usize> {
        if let Some((order, cause)) = self.next_over() {
            let Order { name, terms, remaining, .. } = order;
            self.remove(name.id);
            outside.limits.release(&terms, remaining);
            outside.events.push(Event::Expired { order: name, remaining, cause });
            return Some(1);
        }
        let closed = |block: &NewBlock| contracts_of(block).any(|contract| self.is_closed(contract));
        if let Some(at) = self.state.blocks.iter().position(closed) {
            let block = self.state.blocks.remove(at);
            release(&block, &self.rules, outside);
            let (order, remaining, cause) = (name_of(&block), energy_of(&block), Expiry::Gate);
            outside.events.push(Event::Expired { order, remaining, cause });
            return Some(1);
        }
        let due = self.due_auction();
        if !due.is_empty() {
            self.hold_auction(&due, outside);
            return Some(HEAVY_PIECE);
        }
        let period = self.left_unfinished().next()?;
        self.rematch(period, outside);
        Some(HEAVY_PIECE)
    }

    /// The periods in which re-matching is to go on.
    fn left_unfinished(&self) -> impl Iterator<Item = DeliveryPeriod> {
        let unfinished = self.state.records.iter().filter(|(_, record)| record.rematching);
        unfinished.map(|(&period, _)| period).filter(|&period| !self.period_is_over(period))
    }

    /// MARKET section 4, *Time*: first good-till-time, then gates; inside each by period, area, priority number.
    fn next_over(&self) -> Option<(Order, Expiry)> {
        let orders = || self.state.orders.iter().copied();
        let by_rule = |order: &Order| (order.terms.contract, order.priority);
        let late = orders().filter(|order| !self.is_alive(order)).min_by_key(by_rule);
        let shut_out = orders().filter(|order| self.is_closed(order.terms.contract)).min_by_key(by_rule);
        late.map(|order| (order, Expiry::Until)).or(shut_out.map(|order| (order, Expiry::Gate)))
    }

    /// The periods whose call phases ended first, all at one time, and whose auction was not held yet.
    fn due_auction(&self) -> Vec<DeliveryPeriod> {
        let waiting = self.state.records.iter().filter(|(_, record)| !record.auctioned);
        let ends = waiting.map(|(&period, _)| (self.rules.call_ends_at(period), period));
        let due: Vec<_> =
            ends.filter(|&(ends, period)| ends <= self.state.now && !self.period_is_over(period)).collect();
        let first = due.iter().map(|(ends, _)| *ends).min();
        due.into_iter().filter(|(ends, _)| Some(*ends) == first).map(|(_, period)| period).collect()
    }

    /// What the engine forgets to bound its memory, it also leaves out of its hash: periods whose gate has come and in which nothing waits.
    pub(super) fn forget_what_is_over(&mut self) {
        let has_orders = |period| self.state.orders.iter().any(|order| order.terms.contract.period == period);
        let has_blocks = |period| self.state.blocks.iter().flat_map(contracts_of).any(|c| c.period == period);
        let over: Vec<DeliveryPeriod> = self.state.records.keys().copied().collect();
        let over: Vec<DeliveryPeriod> = over
            .into_iter()
            .filter(|&period| self.period_is_over(period) && !has_orders(period) && !has_blocks(period))
            .collect();
        for period in over {
            self.state.records.remove(&period);
            self.state.edges.retain(|(of, _), _| *of != period);
            self.state.flags.retain(|contract, _| contract.period != period);
        }
    }
}

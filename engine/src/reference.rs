//! The slow and obvious twin of the engine, to test the engine against.
//!
//! It keeps all resting orders in one list in priority order and looks through the whole list for everything. It goes back by
//! copying the whole state. It shares with the engine the vocabulary and the layout of the hashed state, and no algorithm.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::{ContractFlags, HashedOrder, StateHasher};
use crate::engine::areas_of;
use crate::{
    AreaId, Contract, DeliveryPeriod, Energy, Event, Expiry, LedgerTime, Limits, Mark, MarketRules, MeterId, Network,
    NewOrder, OrderId, OrderRef, OrderTerms, Preferences, Price, Reject, RulesError, Side, TimeInForce, Trade,
    TradeKind,
};

/// A market that obeys the same rules as [`crate::Engine`], command for command. Its handles are its own.
#[derive(Debug)]
pub struct Reference {
    rules: MarketRules,
    areas: u16,
    /// Never rolled back, so that no handle is given out twice.
    handles: u64,
    state: State,
    copies: Vec<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    now: LedgerTime,
    /// By period: how many priority numbers have been given out.
    priorities: BTreeMap<DeliveryPeriod, u64>,
    /// Closed by command.
    closed: BTreeSet<Contract>,
    orders: Vec<Resting>,
}

#[derive(Clone, Copy, Debug)]
struct Resting {
    order: OrderRef,
    terms: OrderTerms,
    remaining: Energy,
    until: Option<LedgerTime>,
    priority: u64,
    post_only: bool,
}

impl Reference {
    /// As [`crate::Engine::new`].
    ///
    /// # Errors
    /// If the rules do not make sense together.
    pub fn new(rules: MarketRules, network: Network) -> Result<Self, RulesError> {
        rules.validate()?;
        let areas = areas_of(&network);
        Ok(Self { rules, areas, handles: 0, state: State::default(), copies: Vec::new() })
    }

    /// The ledger time of the last [`Reference::advance`].
    pub fn now(&self) -> LedgerTime {
        self.state.now
    }

    /// As [`crate::Engine::advance`].
    pub fn advance(&mut self, now: LedgerTime) {
        self.state.now = self.state.now.max(now.min(LedgerTime(u64::MAX - 1)));
        self.forget_what_is_over();
    }

    /// As [`crate::Engine::place`].
    ///
    /// # Errors
    /// The same.
    pub fn place<L: Limits>(
        &mut self,
        order: NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        self.check_form(&order)?;
        self.check_gate(order.contract, until_of(&order))?;
        self.whole_or_not_at_all(limits, events, |market, limits, events| market.enter(&order, limits, events))
    }

    /// As [`crate::Engine::cancel`].
    ///
    /// # Errors
    /// The same.
    pub fn cancel<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let at = self.find(id, meter)?;
        let Resting { order, terms, remaining, .. } = self.state.orders.remove(at);
        limits.release(&terms, remaining);
        events.push(Event::Cancelled { order, remaining });
        self.forget_what_is_over();
        Ok(())
    }

    /// As [`crate::Engine::reduce`].
    ///
    /// # Errors
    /// The same.
    pub fn reduce<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        by: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let at = self.find(id, meter)?;
        if by.is_zero() {
            return Err(Reject::MatchNothingToReduce);
        }
        if !by.0.is_multiple_of(self.rules.lot) {
            return Err(Reject::FormLot);
        }
        self.shrink(at, by, limits, events);
        Ok(())
    }

    /// As [`crate::Engine::replace`].
    ///
    /// # Errors
    /// The same.
    pub fn replace<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        price: Price,
        energy: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        let at = self.find(id, meter)?;
        let old = self.state.orders[at];
        let OrderTerms { tag, account, meter, contract, side, .. } = old.terms;
        let time_in_force = old.until.map_or(TimeInForce::GoodTillGate, TimeInForce::GoodTillTime);
        let post_only = old.post_only;
        let new = NewOrder {
            time_in_force,
            post_only,
            ..NewOrder::limit(tag, account, meter, contract, side, price, energy)
        };
        self.check_form(&new)?;
        if price == old.terms.price && energy <= old.remaining {
            self.shrink(at, old.remaining - energy, limits, events);
            return Ok(Some(id));
        }
        self.check_gate(contract, old.until)?;
        self.whole_or_not_at_all(limits, events, |market, limits, events| {
            market.state.orders.remove(at);
            limits.release(&old.terms, old.remaining);
            market.enter(&new, limits, events)
        })
    }

    /// As [`crate::Engine::close`].
    pub fn close(&mut self, contract: Contract) {
        if contract.area.0 < self.areas && !self.gate_is_closed(contract) {
            self.state.priorities.entry(contract.period).or_default();
            self.state.closed.insert(contract);
        }
    }

    /// As [`crate::Engine::next_due`].
    pub fn next_due(&self) -> Option<LedgerTime> {
        let over_at = |order: &Resting| {
            let contract = order.terms.contract;
            let gate = self.rules.gate_closes_at(contract);
            let gate = if self.state.closed.contains(&contract) { self.state.now } else { gate };
            order.until.map_or(gate, |until| until.min(gate))
        };
        self.state.orders.iter().map(over_at).min().filter(|due| due.0 < u64::MAX)
    }

    /// As [`crate::Engine::sweep`].
    pub fn sweep<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize {
        for swept in 0..max {
            let Some((at, cause)) = self.next_over() else { return swept };
            let Resting { order, terms, remaining, .. } = self.state.orders.remove(at);
            limits.release(&terms, remaining);
            events.push(Event::Expired { order, remaining, cause });
            self.forget_what_is_over();
        }
        max
    }

    /// As [`crate::Engine::mark`], but it copies the state.
    pub fn mark(&mut self) -> Mark {
        self.copies.push(self.state.clone());
        Mark(self.copies.len() as u64 - 1)
    }

    /// As [`crate::Engine::rollback`].
    ///
    /// # Panics
    /// If `mark` was rolled back.
    pub fn rollback(&mut self, mark: Mark) {
        let at = usize::try_from(mark.0).expect("a mark is an index");
        self.state = self.copies[at].clone();
        self.copies.truncate(at + 1);
    }

    /// As [`crate::Engine::digest`].
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = StateHasher::new(self.areas, self.state.now);
        for (&period, &priorities) in &self.state.priorities {
            hasher.period(period, priorities, true);
            for area in (0..self.areas).map(AreaId) {
                let contract = Contract { area, period };
                let orders = [self.queue(contract, Side::Buy), self.queue(contract, Side::Sell)].concat();
                let closed = self.state.closed.contains(&contract);
                if closed || !orders.is_empty() {
                    hasher.book(area, ContractFlags(u8::from(closed)));
                    orders.iter().for_each(|order| hasher.order(&order.hashed()));
                }
            }
        }
        hasher.finish()
    }

    /// Whether the order of a handle rests.
    pub fn holds(&self, id: OrderId) -> bool {
        self.state.orders.iter().any(|order| order.order.id == id)
    }

    fn check_form(&self, order: &NewOrder) -> Result<(), Reject> {
        let rules = &self.rules;
        let never_rests = matches!(order.time_in_force, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill);
        let faults = [
            (order.contract.area.0 >= self.areas, Reject::FormArea),
            (order.energy.is_zero(), Reject::FormZeroEnergy),
            (!order.energy.0.is_multiple_of(rules.lot), Reject::FormLot),
            (order.price < rules.price_min || order.price > rules.price_max, Reject::FormPriceLimit),
            (order.price.0 % rules.tick != 0, Reject::FormTick),
            (order.post_only && never_rests, Reject::FormFlags),
        ];
        first_fault(&faults)
    }

    fn check_gate(&self, contract: Contract, until: Option<LedgerTime>) -> Result<(), Reject> {
        first_fault(&[
            (self.state.now < self.rules.opens_at(contract), Reject::GateNotOpen),
            (self.gate_is_closed(contract), Reject::GateClosed),
            (until.is_some_and(|until| until <= self.state.now), Reject::GateExpired),
        ])
    }

    fn gate_is_closed(&self, contract: Contract) -> bool {
        self.rules.gate_closes_at(contract) <= self.state.now || self.state.closed.contains(&contract)
    }

    fn find(&self, id: OrderId, meter: MeterId) -> Result<usize, Reject> {
        let wanted = |order: &Resting| order.order.id == id && order.order.meter == meter;
        self.state.orders.iter().position(wanted).ok_or(Reject::MatchUnknownOrder)
    }

    fn whole_or_not_at_all<L: Limits>(
        &mut self,
        limits: &mut L,
        events: &mut Vec<Event>,
        command: impl FnOnce(&mut Self, &mut L, &mut Vec<Event>) -> Result<Option<OrderId>, Reject>,
    ) -> Result<Option<OrderId>, Reject> {
        let before = (self.state.clone(), limits.mark(), events.len());
        let result = command(self, limits, events);
        if result.is_err() {
            self.state = before.0;
            limits.rollback(before.1);
            events.truncate(before.2);
        }
        result
    }

    fn enter<L: Limits>(
        &mut self,
        new: &NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        let NewOrder { tag, account, meter, contract, side, price, mut energy, .. } = *new;
        let terms = OrderTerms { tag, account, meter, contract, side, price };
        limits.reserve(&terms, energy)?;
        if new.post_only && self.best_counter(&terms).is_some() {
            return Err(Reject::MatchPostOnly);
        }
        self.handles += 1;
        let order = OrderRef { id: OrderId(self.handles), tag, account, meter };
        while !energy.is_zero()
            && let Some(at) = self.best_counter(&terms)
        {
            energy -= self.trade(at, &order, &terms, energy, limits, events);
        }
        if energy.is_zero() {
            return Ok(None);
        }
        match new.time_in_force {
            TimeInForce::FillOrKill => Err(Reject::MatchFillOrKill),
            TimeInForce::ImmediateOrCancel => {
                limits.release(&terms, energy);
                events.push(Event::Dropped { order, remaining: energy });
                Ok(None)
            }
            TimeInForce::GoodTillGate | TimeInForce::GoodTillTime(_) => {
                let counter = self.state.priorities.entry(contract.period).or_default();
                let priority = *counter;
                *counter += 1;
                let (until, post_only) = (until_of(new), new.post_only);
                self.state.orders.push(Resting { order, terms, remaining: energy, until, priority, post_only });
                events.push(Event::Rested { order, remaining: energy });
                Ok(Some(order.id))
            }
        }
    }

    fn best_counter(&self, taker: &OrderTerms) -> Option<usize> {
        let meets = |maker: &Resting| {
            maker.terms.contract == taker.contract
                && maker.terms.side != taker.side
                && maker.terms.account != taker.account
                && maker.until.is_none_or(|until| until > self.state.now)
                && match taker.side {
                    Side::Buy => maker.terms.price <= taker.price,
                    Side::Sell => maker.terms.price >= taker.price,
                }
        };
        let candidates = self.state.orders.iter().enumerate().filter(|(_, maker)| meets(maker));
        candidates.min_by_key(|(_, maker)| maker.place_in_queue()).map(|(at, _)| at)
    }

    fn trade<L: Limits>(
        &mut self,
        at: usize,
        taker: &OrderRef,
        terms: &OrderTerms,
        wanted: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Energy {
        let maker = &mut self.state.orders[at];
        let energy = wanted.min(maker.remaining);
        maker.remaining -= energy;
        let maker = *maker;
        if maker.remaining.is_zero() {
            self.state.orders.remove(at);
        }
        limits.fill(&maker.terms, energy, maker.terms.price);
        limits.fill(terms, energy, maker.terms.price);
        events.push(Event::Trade(Trade {
            period: terms.contract.period,
            maker_area: terms.contract.area,
            taker_area: terms.contract.area,
            taker_side: terms.side,
            kind: TradeKind::Continuous,
            maker: maker.order,
            taker: *taker,
            price: maker.terms.price,
            fee: Price(0),
            energy,
            maker_remaining: maker.remaining,
            taker_remaining: wanted - energy,
        }));
        energy
    }

    fn shrink<L: Limits>(&mut self, at: usize, by: Energy, limits: &mut L, events: &mut Vec<Event>) {
        let entry = &mut self.state.orders[at];
        let by = by.min(entry.remaining);
        entry.remaining -= by;
        let Resting { order, terms, remaining, .. } = *entry;
        if !by.is_zero() {
            limits.release(&terms, by);
        }
        if remaining.is_zero() {
            self.state.orders.remove(at);
        }
        events.push(Event::Reduced { order, remaining });
        self.forget_what_is_over();
    }

    /// MARKET section 4, Time: first good-till-time, then gates; inside each by period, area, priority.
    fn next_over(&self) -> Option<(usize, Expiry)> {
        let orders = || self.state.orders.iter().enumerate();
        let late = orders().filter(|(_, order)| order.until.is_some_and(|until| until <= self.state.now));
        let shut_out = orders().filter(|(_, order)| self.gate_is_closed(order.terms.contract));
        let by_rule = |order: &Resting| (order.terms.contract.period, order.terms.contract.area, order.priority);
        let first_late = late.min_by_key(|(_, order)| by_rule(order)).map(|(at, _)| (at, Expiry::Until));
        first_late.or_else(|| shut_out.min_by_key(|(_, order)| by_rule(order)).map(|(at, _)| (at, Expiry::Gate)))
    }

    /// What the engine forgets to bound its memory, it also leaves out of its hash.
    fn forget_what_is_over(&mut self) {
        let State { now, priorities, closed, orders } = &mut self.state;
        let gate = |period| self.rules.gate_closes_at(Contract { period, area: AreaId(0) });
        priorities.retain(|&period, _| gate(period) > *now || orders.iter().any(|o| o.terms.contract.period == period));
        closed.retain(|contract| priorities.contains_key(&contract.period));
    }

    fn queue(&self, contract: Contract, side: Side) -> Vec<Resting> {
        let mine = |order: &&Resting| order.terms.contract == contract && order.terms.side == side;
        let mut queue: Vec<Resting> = self.state.orders.iter().filter(mine).copied().collect();
        queue.sort_by_key(Resting::place_in_queue);
        queue
    }
}

impl Resting {
    /// Price-time priority: the smaller comes first.
    fn place_in_queue(&self) -> (i64, u64) {
        let price = i64::from(self.terms.price.0);
        let worse = if self.terms.side == Side::Buy { -price } else { price };
        (worse, self.priority)
    }

    fn hashed(&self) -> HashedOrder {
        HashedOrder {
            side: self.terms.side,
            tag: self.terms.tag,
            priority: self.priority,
            energy: self.remaining,
            shown: self.remaining,
            display: Energy::ZERO,
            until: self.until.unwrap_or(LedgerTime(u64::MAX)),
            account: self.terms.account,
            meter: self.terms.meter,
            price: self.terms.price,
            post_only: self.post_only,
            preferences: Preferences::none(self.terms.side),
        }
    }
}

fn until_of(order: &NewOrder) -> Option<LedgerTime> {
    match order.time_in_force {
        TimeInForce::GoodTillTime(until) if until.0 < u64::MAX => Some(until),
        _ => None,
    }
}

fn first_fault(faults: &[(bool, Reject)]) -> Result<(), Reject> {
    faults.iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |&(_, reject)| Err(reject))
}

//! The engine: every book of a market behind one writer.

use crate::{
    Contract, Energy, Event, LedgerTime, Limits, MarketRules, MeterId, NewOrder, OrderId, Price, Reject, RulesError,
};

/// Every book of a market behind one writer.
#[derive(Debug)]
pub struct Engine {
    rules: MarketRules,
    now: LedgerTime,
}

/// A point to roll back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u64);

/// Everything the engine knows, as plain data in canonical order: for snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineImage {}

#[allow(unused_variables, clippy::missing_panics_doc)]
impl Engine {
    /// An empty market with areas `0..areas`.
    pub fn new(rules: MarketRules, areas: u16) -> Result<Self, RulesError> {
        rules.validate()?;
        Ok(Self { rules, now: LedgerTime(0) })
    }
    /// The market's constants.
    pub fn rules(&self) -> &MarketRules {
        &self.rules
    }
    /// The ledger time of the last [`Engine::advance`].
    pub fn now(&self) -> LedgerTime {
        self.now
    }
    /// Moves time forward. From now on contracts whose gate has come take no orders, and orders whose time is over do not trade, whether or not [`Engine::sweep`] has removed them yet.
    pub fn advance(&mut self, now: LedgerTime) {
        todo!()
    }
    /// Takes an order in. Returns its handle if some of it rests.
    pub fn place<L: Limits>(
        &mut self,
        order: NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        todo!()
    }
    /// Takes a resting order out.
    pub fn cancel<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        todo!()
    }
    /// Makes a resting order smaller by `by`; it keeps its place, and leaves at zero.
    pub fn reduce<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        by: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        todo!()
    }
    /// Gives a resting order a new price and a new open energy. Returns its handle from now on, if some of it rests.
    pub fn replace<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        price: Price,
        energy: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        todo!()
    }
    /// Closes a contract's gate by command, whatever the time.
    pub fn close(&mut self, contract: Contract) {
        todo!()
    }
    /// The next ledger time at which there will be something to [`Engine::sweep`]; at or before `now` if there is something already.
    pub fn next_due(&self) -> Option<LedgerTime> {
        todo!()
    }
    /// Removes up to `max` orders that are over, first those whose `until` has come, then those of closed gates, in the order period, area, priority; tells how many.
    pub fn sweep<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize {
        todo!()
    }
    /// Names the present state.
    pub fn mark(&self) -> Mark {
        todo!()
    }
    /// Goes back to a named state; later marks are void.
    pub fn rollback(&mut self, mark: Mark) {
        todo!()
    }
    /// Gives up going back to before `mark`, so that the journal does not grow.
    pub fn forget(&mut self, mark: Mark) {
        todo!()
    }
    /// A hash over all books in priority order: equal on every replica in the same state.
    pub fn digest(&self) -> [u8; 32] {
        todo!()
    }
    /// Everything, as plain data.
    pub fn image(&self) -> EngineImage {
        todo!()
    }
}

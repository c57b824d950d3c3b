//! What the operator says about the market itself: capacities of edges, pay-as-bid rounds.

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy};

use super::{AreaIncomeView, State};
use crate::record::RecordEvent;
use crate::reject::Code;

impl State {
    pub(super) fn set_capacity(
        &mut self,
        area: AreaId,
        period: DeliveryPeriod,
        up: Energy,
        down: Energy,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        self.engine.set_capacity(area, period, up, down, &mut self.tables, &mut self.events)?;
        events.push(RecordEvent::CapacitySet { area, period, up, down });
        self.report(events);
        Ok(())
    }

    pub(super) fn pay_as_bid(&mut self, contract: Contract, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        self.engine.pay_as_bid(contract, &mut self.tables, &mut self.events)?;
        self.report(events);
        Ok(())
    }

    /// What the operator of an area, and of the edge above it, has taken and spent since genesis.
    pub fn area_income(&self, area: AreaId) -> AreaIncomeView {
        self.tables.incomes().get(&area).copied().unwrap_or_default().into()
    }
}

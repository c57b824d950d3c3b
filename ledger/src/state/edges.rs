//! What the operator says about the market itself: capacities of edges, pay-as-bid rounds.

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy};

use super::{AreaIncomeView, State};
use crate::record::RecordEvent;
use crate::reject::Code;

/// How long before a period opens the capacity of its edges can be set: a week, as work on a grid is planned.
const CAPACITY_LEAD_MS: u64 = 7 * 24 * 3_600_000;

impl State {
    pub(super) fn set_capacity(
        &mut self,
        area: AreaId,
        period: DeliveryPeriod,
        up: Energy,
        down: Energy,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        // Each period of which anything is said is kept until its gate.
        let opens_at = self.engine.rules().opens_at(Contract { area, period });
        if opens_at.0 > self.time().0.saturating_add(CAPACITY_LEAD_MS) {
            return Err(Code::GateNotOpen);
        }
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

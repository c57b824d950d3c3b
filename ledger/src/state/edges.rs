//! What the operator says about the market itself: capacities of edges, pay-as-bid rounds.

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy};

use super::tables::EdgeIncome;
use super::{EdgeIncomeView, State};
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

    /// What the operator of the edge above an area has taken since genesis.
    pub fn edge_income(&self, area: AreaId) -> EdgeIncomeView {
        let EdgeIncome { fees, rent } = self.tables.edges().get(&area).copied().unwrap_or_default();
        EdgeIncomeView { fees, rent }
    }
}

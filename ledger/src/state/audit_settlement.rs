//! Whether trades, positions and the sums of settlement fit together.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, MeterId, Money};

use super::settle::sides_of;
use super::tables::{AreaStage, ContractRow, MeterFacts, PeriodTable, Stage, Tally};
use super::{AuditError, State, SystemAccount};
use crate::settlement::{AreaSums, ResidualQuality, settle_meter};

impl State {
    pub(super) fn audit_settlement(&self) -> Result<(), AuditError> {
        for (period, table) in self.tables.periods() {
            self.audit_trades(*period, table)?;
            self.audit_sums(*period, table)?;
            if Tally::of(table.contracts().values()) != table.tally {
                return Err(AuditError::Agenda);
            }
        }
        self.audit_readings()?;
        if *self.tables.agenda() != self.tables.agenda_again() {
            return Err(AuditError::Agenda);
        }
        let contracts = self.tables.periods().values().flat_map(|table| table.contracts().values());
        let theirs = contracts.fold(Money::ZERO, |sum, row| sum + row.imbalance);
        let holds = self.system_account(SystemAccount::Imbalance).balance;
        if holds != theirs {
            return Err(AuditError::Imbalance { holds, theirs });
        }
        let passing = self.system_account(SystemAccount::Losses).balance;
        if passing == Money::ZERO { Ok(()) } else { Err(AuditError::Money(passing)) }
    }

    /// No meter is read before the start of its first period.
    fn audit_readings(&self) -> Result<(), AuditError> {
        for (period, table) in self.tables.readings() {
            let is_early = |meter: &MeterId| {
                let first = self.tables.meter(*meter).map(|meter| meter.facts.first_period);
                first.is_none_or(|first| period.0.saturating_add(1) < first.0)
            };
            if let Some(meter) = table.rows.rows().map(|(meter, _)| meter).find(is_early) {
                return Err(AuditError::TooEarly(meter, *period));
            }
        }
        Ok(())
    }

    /// Positions, and what crossed between areas, once more from the list of trades.
    fn audit_trades(&self, period: DeliveryPeriod, table: &PeriodTable) -> Result<(), AuditError> {
        let mut gross: BTreeMap<MeterId, (u128, u128, usize)> = BTreeMap::new();
        let mut exchange: BTreeMap<AreaId, i128> = BTreeMap::new();
        for trade in &table.trades {
            gross.entry(trade.buyer).or_default().0 += u128::from(trade.energy.0);
            gross.entry(trade.seller).or_default().1 += u128::from(trade.energy.0);
            for meter in BTreeSet::from([trade.buyer, trade.seller]) {
                gross.entry(meter).or_default().2 += 1;
            }
            let area = |meter| self.tables.meter(meter).map(|meter| meter.facts.area).ok_or(AuditError::Traded(meter));
            *exchange.entry(area(trade.seller)?).or_default() += i128::from(trade.energy.0);
            *exchange.entry(area(trade.buyer)?).or_default() -= i128::from(trade.energy.0);
        }
        for (meter, position) in table.positions.rows() {
            let of_trades = gross.remove(&meter).unwrap_or_default();
            let listed = table.trades_of(meter).count();
            if (u128::from(position.bought.0), u128::from(position.sold.0), listed) != of_trades {
                return Err(AuditError::Traded(meter));
            }
        }
        if let Some(meter) = gross.into_keys().next() {
            return Err(AuditError::Traded(meter));
        }
        let areas = exchange.keys().chain(table.contracts().keys());
        for area in areas.copied().collect::<BTreeSet<_>>() {
            if exchange.get(&area).copied().unwrap_or_default() != table.contract(area).exchange_wh {
                return Err(AuditError::Sums(Contract { area, period }));
            }
        }
        Ok(())
    }

    /// The sums of areas once more from what their meters are settled by.
    fn audit_sums(&self, period: DeliveryPeriod, table: &PeriodTable) -> Result<(), AuditError> {
        let mut sums: BTreeMap<AreaId, AreaSums> = BTreeMap::new();
        let mut sides = Vec::new();
        for (meter, row) in table.deliveries.rows() {
            let Some(row) = row else { continue };
            if self.settlement.metering && self.owner_at(meter, period) != Some(row.account) {
                return Err(AuditError::Owner(meter, period));
            }
            let MeterFacts { area, first_period, .. } =
                self.tables.meter(meter).ok_or(AuditError::Traded(meter))?.facts;
            if period < first_period {
                return Err(AuditError::TooEarly(meter, period));
            }
            let prices = self.imbalance_prices(Contract { area, period });
            sides_of(table, meter, &mut sides);
            let settled = settle_meter(&sides, row.delivery, &prices);
            sums.entry(area).or_insert_with(|| AreaSums::new(0)).add(&settled);
        }
        for (area, row) in table.contracts() {
            // An area that is looked at again has its meters' deliveries from before.
            let is_being_added = row.stage == AreaStage::Open && matches!(table.stage, Stage::Adding(_));
            let expected = sums.get(area).copied().unwrap_or(AreaSums::new(0));
            if !is_being_added && table.stage != Stage::Open && row.sums != expected {
                return Err(AuditError::Sums(Contract { area: *area, period }));
            }
            if row.stage.is_settled() && table.stage == Stage::Open {
                return Err(AuditError::Sums(Contract { area: *area, period }));
            }
            self.audit_residual(Contract { area: *area, period }, row)?;
        }
        Ok(())
    }

    /// The virtual meter of a settled area shows what its meters gave, and its accounts can be closed by that.
    fn audit_residual(&self, contract: Contract, row: &ContractRow) -> Result<(), AuditError> {
        let AreaStage::Settled { residual } = row.stage else { return Ok(()) };
        let is_metered = residual.quality != ResidualQuality::AsTraded;
        let fits = residual.net_wh == row.sums.net_wh && is_metered == self.settlement.metering;
        let fits = fits && self.closing(contract, row, &residual).is_ok();
        if fits { Ok(()) } else { Err(AuditError::Residual(contract)) }
    }
}

//! What a snapshot says of settlement, put back into the tables.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId, Money};

use super::RestoreError;
use super::image::{AreaIncomeImage, ImportsImage, PeriodImage, ReadingsImage, RestImage};
use super::tables::{ReadingTable, Stage, Tables};
use crate::genesis::Genesis;
use crate::settlement::ImbalancePrices;

/// Trades, contracts and deliveries of one period.
pub(super) fn restore_settlement(
    genesis: &Genesis,
    tables: &mut Tables,
    row: &PeriodImage,
) -> Result<(), RestoreError> {
    let period = DeliveryPeriod(row.period);
    let has_meter = |tables: &Tables, meter: u32| super::index(meter) < tables.meters().len();
    for trade in &row.trades {
        if !has_meter(tables, trade.buyer.0) || !has_meter(tables, trade.seller.0) || trade.energy.is_zero() {
            return Err(RestoreError::Row("a period's trades"));
        }
        tables.add_trade(period, *trade);
    }
    if !is_ascending(&row.contracts) || row.contracts.last().is_some_and(|(area, _)| !has_area(genesis, *area)) {
        return Err(RestoreError::Row("a period's contracts"));
    }
    for (area, contract) in &row.contracts {
        let are_prices = |(short, long)| ImbalancePrices::new(short, long, &genesis.settlement).is_ok();
        if !contract.prices.is_none_or(are_prices) {
            return Err(RestoreError::Row("a contract's imbalance prices"));
        }
        tables.change_contract(Contract { area: AreaId(*area), period }, |present| *present = *contract);
    }
    let last = row.deliveries.last().map(|(meter, _)| *meter).max(row.borne.last().map(|(meter, _)| *meter));
    let is_known = last.is_none_or(|last| has_meter(tables, last));
    if !is_ascending(&row.deliveries) || !is_ascending(&row.borne) || !is_known {
        return Err(RestoreError::Row("a period's deliveries"));
    }
    for (meter, delivery) in &row.deliveries {
        if super::index(delivery.account.0) >= tables.accounts().len() {
            return Err(RestoreError::Row("a period's deliveries"));
        }
        tables.set_delivery(period, MeterId(*meter), Some(*delivery));
    }
    for (meter, borne) in &row.borne {
        tables.set_borne(period, MeterId(*meter), *borne);
    }
    for meter in &row.held_back {
        if !has_meter(tables, *meter) {
            return Err(RestoreError::Row("a period's corrections"));
        }
        tables.hold_back(period, MeterId(*meter));
    }
    for meter in &row.failed {
        if !has_meter(tables, *meter) {
            return Err(RestoreError::Row("a period's failures"));
        }
        tables.count_failure(period, MeterId(*meter));
    }
    let is_past = row.stage == Stage::Open || period.ends_at(genesis.rules.mtu_minutes) <= tables.counters().now;
    if !is_past {
        return Err(RestoreError::Row("a period's stage"));
    }
    tables.set_stage(period, row.stage);
    Ok(())
}

/// What areas have brought their operators, and cost them.
pub(super) fn restore_incomes(
    genesis: &Genesis,
    tables: &mut Tables,
    incomes: &[AreaIncomeImage],
) -> Result<(), RestoreError> {
    if incomes.windows(2).any(|pair| pair[0].area >= pair[1].area) {
        return Err(RestoreError::Row("the order of incomes"));
    }
    for AreaIncomeImage { area, income } in incomes {
        if !has_area(genesis, *area) {
            return Err(RestoreError::Row("an area's income"));
        }
        tables.change_income(AreaId(*area), |present| *present = *income);
    }
    Ok(())
}

/// What accounts owe. Whether it is what the default account has paid is for the audit.
pub(super) fn restore_debts(tables: &mut Tables, debts: &[(u32, i128)]) -> Result<(), RestoreError> {
    let is_known = debts.last().is_none_or(|(account, _)| super::index(*account) < tables.accounts().len());
    if !is_ascending(debts) || !is_known || debts.iter().any(|(_, debt)| *debt <= 0) {
        return Err(RestoreError::Row("what accounts owe"));
    }
    for (account, debt) in debts {
        tables.set_debt(AccountId(*account), Money(*debt));
    }
    Ok(())
}

/// Registers, what meters took in a week ago, and who is to be settled again.
pub(super) fn restore_readings(tables: &mut Tables, rest: &RestImage) -> Result<(), RestoreError> {
    let meters = tables.meters().len();
    if rest.readings.windows(2).any(|pair| pair[0].period >= pair[1].period) {
        return Err(RestoreError::Row("the order of readings"));
    }
    for ReadingsImage { period, registers } in &rest.readings {
        let is_known = registers.last().is_some_and(|(meter, _)| super::index(*meter) < meters);
        if !is_ascending(registers) || !is_known {
            return Err(RestoreError::Row("a period's readings"));
        }
        for (meter, registers) in registers {
            tables.set_registers(DeliveryPeriod(*period), MeterId(*meter), Some(*registers));
        }
    }
    if rest.imports.windows(2).any(|pair| pair[0].period >= pair[1].period) {
        return Err(RestoreError::Row("the order of imports"));
    }
    for ImportsImage { period, imports } in &rest.imports {
        if imports.len() > meters {
            return Err(RestoreError::Row("a period's imports"));
        }
        tables.keep_imports(DeliveryPeriod(*period), imports.clone());
    }
    for (period, meter) in &rest.corrections {
        let (period, meter) = (DeliveryPeriod(*period), MeterId(*meter));
        if super::index(meter.0) >= meters || !tables.periods().contains_key(&period) {
            return Err(RestoreError::Row("a correction"));
        }
        tables.add_correction(period, meter);
    }
    Ok(())
}

fn has_area(genesis: &Genesis, area: u16) -> bool {
    usize::from(area) < genesis.areas.len()
}

fn is_ascending<K: Ord, V>(rows: &[(K, V)]) -> bool {
    rows.windows(2).all(|pair| pair[0].0 < pair[1].0)
}

impl ReadingsImage {
    pub(super) fn new(period: DeliveryPeriod, table: &ReadingTable) -> Self {
        let registers = table.rows.rows().filter_map(|(meter, registers)| Some((meter.0, registers?)));
        Self { period: period.0, registers: registers.collect() }
    }
}

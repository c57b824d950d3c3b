//! One meter in one period: what it delivered, and what its account is paid and charged for that.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Side};

use super::super::State;
use super::super::tables::{AreaStage, Borne, ContractRow, DeliveryRow, Holder, PeriodTable, Stage, index};
use super::end_of_slice;
use crate::record::{MeterSettled, RecordEvent};
use crate::settlement::{
    Delivery, ImbalancePrices, MeterSettlement, Quality, Rule, TradeSide, against_its_owner, delta, estimate,
    settle_meter,
};
use crate::state::SystemAccount;

impl State {
    /// Finds out what up to `max` meters delivered, and adds them to their areas' sums.
    pub(super) fn add_meters(&mut self, period: DeliveryPeriod, from: u32, max: usize) -> usize {
        let meters = self.meters_in(period);
        let until = end_of_slice(from, max, meters);
        let mut rows: BTreeMap<AreaId, ContractRow> = BTreeMap::new();
        let mut terms = Terms::of(period);
        // Somebody may read better between two slices.
        let has_corrections = self.tables.has_corrections(period);
        for meter in (from..until).map(MeterId) {
            let facts = self.tables.meter(meter).expect("its number is below their count").facts;
            let contract = Contract { area: facts.area, period };
            let (stage, prices) = terms.of_area(self, facts.area);
            if stage != AreaStage::Open {
                continue;
            }
            let Some((delivery, quality)) = self.delivery_of(period, meter, &prices) else { continue };
            let is_corrected = has_corrections && self.tables.corrections().contains(&(period, meter));
            let quality = if is_corrected && quality == Quality::Measured { Quality::Corrected } else { quality };
            let account = self.owner_at(meter, period).expect("its number is below their count");
            let row = DeliveryRow { account, delivery, quality };
            self.tables.set_delivery(period, meter, Some(row));
            let settlement = self.settlement_at(period, meter, delivery, &prices);
            let row = rows.entry(facts.area).or_insert_with(|| self.tables.contract(contract));
            row.sums.add(&settlement);
            row.count(delivery);
        }
        for (area, with_these) in rows {
            self.tables.change_contract(Contract { area, period }, |row| *row = with_these);
        }
        self.tables.set_stage(period, if until < meters { Stage::Adding(until) } else { Stage::Checking(0) });
        index(until.saturating_sub(from)).max(1)
    }

    /// Pays and charges up to `max` meters of areas whose sums are good.
    pub(super) fn pay_meters(
        &mut self,
        period: DeliveryPeriod,
        from: u32,
        max: usize,
        events: &mut Vec<RecordEvent>,
    ) -> usize {
        let meters = self.meters_in(period);
        let until = end_of_slice(from, max, meters);
        let mut moved: BTreeMap<AreaId, Money> = BTreeMap::new();
        let mut terms = Terms::of(period);
        for meter in (from..until).map(MeterId) {
            let Some(row) = self.tables.periods()[&period].delivery(meter) else { continue };
            let area = self.tables.meter(meter).expect("it was settled by").facts.area;
            let (stage, prices) = terms.of_area(self, area);
            if stage == AreaStage::Good {
                let settlement = self.settlement_at(period, meter, row.delivery, &prices);
                *moved.entry(area).or_default() += settlement.charge();
                self.pay_meter(Contract { area, period }, meter, row, &settlement, events);
                if row.quality != Quality::AsTraded {
                    self.judge_delivery(meter, period, row.delivery, events);
                }
            }
        }
        for (area, charges) in moved {
            self.tables.change_contract(Contract { area, period }, |row| row.imbalance += charges);
        }
        self.tables.set_stage(period, if until < meters { Stage::Paying(until) } else { Stage::Closing(0) });
        index(until.saturating_sub(from)).max(1)
    }

    /// Its trades are paid in full; then its imbalance is charged, and what its account owes from before is paid back.
    fn pay_meter(
        &mut self,
        contract: Contract,
        meter: MeterId,
        row: DeliveryRow,
        settlement: &MeterSettlement,
        events: &mut Vec<RecordEvent>,
    ) {
        let DeliveryRow { account, delivery, quality } = row;
        let mut position = self.tables.position(contract.period, meter);
        let (owed, held) = (position.owed, position.held);
        let holder = Holder::User(account);
        if (owed, held) != (Money::ZERO, Money::ZERO) {
            (position.owed, position.held) = (Money::ZERO, Money::ZERO);
            self.tables.set_position(contract.period, meter, position);
        }
        if held > Money::ZERO {
            self.tables.change_account(holder, |account| account.reserved -= held);
        }
        if owed > Money::ZERO {
            self.tables.pay_out(contract.period, holder, owed);
        }
        let borne = self.charge(contract, account, settlement.own_trades, settlement.rest, events);
        if borne != Borne::default() {
            self.tables.set_borne(contract.period, meter, borne);
        }
        events.push(RecordEvent::MeterSettled(MeterSettled {
            meter,
            account,
            contract,
            delivery,
            quality,
            contracted_wh: settlement.contracted_wh,
            trades: owed,
            own_trades: settlement.own_trades,
            rest: settlement.rest,
            billed: borne.billed,
            defaulted: borne.defaulted,
        }));
        self.pay_debt(account, events);
    }

    /// Moves what an account is charged to the imbalance account, or from there what it is due. Collateral covers its own trades at the
    /// full share, until they are settled. Where it has not enough for them, all that it has open is withdrawn: what it wants to trade next is not
    /// covered by what it owes for what it has traded. Where it still has not enough, the area's operator pays for energy that was taken
    /// without a trade, and bills it; the rest the default account bears, and the account owes it that.
    pub(super) fn charge(
        &mut self,
        contract: Contract,
        account: AccountId,
        own_trades: Money,
        rest: Money,
        events: &mut Vec<RecordEvent>,
    ) -> Borne {
        let charge = own_trades + rest;
        let (holder, imbalance) = (Holder::User(account), Holder::System(SystemAccount::Imbalance));
        if charge <= Money::ZERO {
            if charge < Money::ZERO {
                self.tables.post(imbalance, holder, -charge);
            }
            return Borne::default();
        }
        let billable = rest.max(Money::ZERO);
        if charge - billable > self.tables.free_of(holder) {
            self.withdraw_all_of(account, events);
        }
        let paid = charge.min(self.tables.free_of(holder));
        if paid > Money::ZERO {
            self.tables.post(holder, imbalance, paid);
        }
        let missing = charge - paid;
        let billed = missing.min(billable);
        let defaulted = missing - billed;
        if billed > Money::ZERO {
            self.tables.post(Holder::System(SystemAccount::Grid), imbalance, billed);
            self.tables.change_income(contract.area, |income| income.billed += billed);
        }
        if defaulted > Money::ZERO {
            self.tables.bear_for(account, imbalance, defaulted);
        }
        Borne { billed, defaulted }
    }

    /// How many meters may have something to settle: their numbers are below this.
    fn meters_in(&self, period: DeliveryPeriod) -> u32 {
        if self.settlement.metering {
            return self.meters_count();
        }
        self.tables.periods()[&period].traders
    }

    /// What a meter is settled by: its two readings, or what stands for them; none where it neither traded nor is known to have
    /// taken anything. Once it was settled by something it is settled again, though nothing should be known of it any more: what it was
    /// charged is to be taken back.
    pub(super) fn delivery_of(
        &mut self,
        period: DeliveryPeriod,
        meter: MeterId,
        prices: &ImbalancePrices,
    ) -> Option<(Delivery, Quality)> {
        let position = self.tables.position(period, meter);
        if !self.settlement.metering {
            let is_idle = position.bought.is_zero() && position.sold.is_zero();
            return (!is_idle).then(|| (Delivery::as_traded(position.bought, position.sold), Quality::AsTraded));
        }
        let rule = match self.measured(period, meter) {
            Ok(measured) => return Some(measured),
            Err(rule) => rule,
        };
        // What was taken down before takes nothing: nobody waits for its reading, and another meter measures what is taken there now.
        let is_revoked = self.tables.facts_at(meter, period).is_some_and(|then| then.is_revoked);
        let before = if is_revoked { None } else { self.import_a_week_before(period, meter) };
        let taken = estimate(position.bought, before);
        let delivery = self.with_sides(period, meter, |sides| against_its_owner(sides, taken, prices));
        let is_idle = position.last_trade == 0 && delivery == Delivery::default();
        let was_settled = self.tables.periods()[&period].delivery(meter).is_some();
        (was_settled || !is_idle).then_some((delivery, Quality::Estimated(rule)))
    }

    fn measured(&self, period: DeliveryPeriod, meter: MeterId) -> Result<(Delivery, Quality), Rule> {
        let end = self.tables.registers(period, meter).ok_or(Rule::Missing)?;
        let start = period.0.checked_sub(1).and_then(|start| self.tables.registers(DeliveryPeriod(start), meter));
        let start = start.ok_or(Rule::NoStart)?;
        let (import_max, export_max) = self.tables.connection_at(meter, period).expect("its readings are kept");
        let delivery = delta(&start, &end, import_max, export_max).map_err(Rule::Impossible)?;
        Ok((delivery, Quality::Measured))
    }

    /// What a meter took in a week before, or was taken to have: who stays silent for longer is estimated by what was last seen, not by nothing.
    fn import_a_week_before(&self, period: DeliveryPeriod, meter: MeterId) -> Option<Energy> {
        let before = DeliveryPeriod(period.0.checked_sub(self.periods_a_week())?);
        if let Some(table) = self.tables.periods().get(&before) {
            // Not final yet, a week later: where it was not seen then either, what it took before that is known.
            let told = table.delivery(meter);
            let is_seen = told.is_some_and(|row| !matches!(row.quality, Quality::Estimated(_)));
            let further = if is_seen { None } else { self.import_a_week_before(before, meter) };
            return told.map(|row| row.delivery.import).max(further);
        }
        let import = self.tables.imports().get(&before)?.get(index(meter.0))?.checked_sub(1)?;
        Some(Energy(import.into()))
    }

    /// What a meter's trades and a delivery come to.
    pub(super) fn settlement_of(&mut self, contract: Contract, meter: MeterId, delivery: Delivery) -> MeterSettlement {
        let prices = self.imbalance_prices(contract);
        self.settlement_at(contract.period, meter, delivery, &prices)
    }

    fn settlement_at(
        &mut self,
        period: DeliveryPeriod,
        meter: MeterId,
        delivery: Delivery,
        prices: &ImbalancePrices,
    ) -> MeterSettlement {
        self.with_sides(period, meter, |sides| settle_meter(sides, delivery, prices))
    }

    fn with_sides<T>(&mut self, period: DeliveryPeriod, meter: MeterId, find: impl FnOnce(&[TradeSide]) -> T) -> T {
        let mut sides = core::mem::take(&mut self.sides);
        sides_of(&self.tables.periods()[&period], meter, &mut sides);
        let found = find(&sides);
        self.sides = sides;
        found
    }
}

/// What a slice's meters of one area have in common: it does not change while they are gone through.
struct Terms {
    period: DeliveryPeriod,
    areas: BTreeMap<AreaId, (AreaStage, ImbalancePrices)>,
}

impl Terms {
    fn of(period: DeliveryPeriod) -> Self {
        Self { period, areas: BTreeMap::new() }
    }

    fn of_area(&mut self, state: &State, area: AreaId) -> (AreaStage, ImbalancePrices) {
        *self.areas.entry(area).or_insert_with(|| {
            let contract = Contract { area, period: self.period };
            (state.tables.contract(contract).stage, state.imbalance_prices(contract))
        })
    }
}

/// A meter's sides of its trades, oldest first. One who traded with himself in an auction has both.
pub(in crate::state) fn sides_of(table: &PeriodTable, meter: MeterId, sides: &mut Vec<TradeSide>) {
    sides.clear();
    for trade in table.trades_of(meter) {
        let energy = trade.energy;
        if trade.seller == meter {
            sides.push(TradeSide { side: Side::Sell, price: trade.seller_gets, energy });
        }
        if trade.buyer == meter {
            sides.push(TradeSide { side: Side::Buy, price: trade.buyer_pays, energy });
        }
    }
    sides.reverse();
}

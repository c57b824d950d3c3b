//! What is settled again because somebody has read better before the period was final (MARKET section 7, rule 1): only differences move.

use std::collections::BTreeSet;

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId, Money};

use super::super::State;
use super::super::tables::{Borne, DeliveryRow, Holder};
use super::areas::{Closed, Flows};
use crate::record::{AreaSettled, MeterSettled, RecordEvent};
use crate::reject::Code;
use crate::settlement::{AreaClose, AreaFault, Delivery, MeterSettlement, Quality};
use crate::state::SystemAccount;

/// The most corrections that are tried together: what one reading sets off is bounded. If more wait, those of the first meters come first.
const TOGETHER_MAX: usize = 64;

/// How some areas are closed: those that are settled.
type Closes = Vec<(AreaId, Closed)>;

impl State {
    /// Settles one corrected meter again. A piece of work; says how many, of up to `max`.
    ///
    /// A correction that the losses of its area, or of one above it, do not bear is held back until something else is corrected: two
    /// meters that were misread for each other fit only together. So when nothing else is left to correct, those that wait are tried once.
    pub(super) fn settle_again(&mut self, period: DeliveryPeriod, max: usize, events: &mut Vec<RecordEvent>) -> usize {
        let Some(meter) = self.tables.take_correction(period) else { return 1 };
        let area = self.tables.meter(meter).expect("its reading was corrected").facts.area;
        let contract = Contract { area, period };
        if !self.tables.contract(contract).stage.is_settled() {
            self.correct_frozen(contract, meter);
            return 1;
        }
        let fault = self.settle_together(period, &[meter], events).err();
        if fault.is_some() {
            self.tables.hold_back(period, meter);
        }
        let done = 1 + self.settle_held(period, events);
        if let Some(why) = fault.filter(|_| self.tables.periods()[&period].held_back.contains(&meter)) {
            events.push(RecordEvent::CorrectionHeld { meter, contract, why });
        }
        done.min(max)
    }

    /// If nothing but what is held back is left to correct: tries it together, and if that does not fit, each alone, and together what is
    /// left. Tells how often a meter was tried.
    fn settle_held(&mut self, period: DeliveryPeriod, events: &mut Vec<RecordEvent>) -> usize {
        if self.tables.has_corrections(period) {
            return 0;
        }
        let held = &self.tables.periods()[&period].held_back;
        let all: Vec<MeterId> = held.iter().copied().take(TOGETHER_MAX).collect();
        if all.is_empty() || self.settle_together(period, &all, events).is_ok() {
            return all.len();
        }
        let (tried, mut left) = (2 * all.len(), all);
        let before = left.len();
        left.retain(|meter| self.settle_together(period, &[*meter], events).is_err());
        if left.len() == before || left.is_empty() {
            return tried;
        }
        // If they do not fit now either, they wait on.
        _ = self.settle_together(period, &left, events);
        tried + left.len()
    }

    /// What a meter was settled by, and what it should be.
    fn corrected(&mut self, period: DeliveryPeriod, meter: MeterId) -> (Option<DeliveryRow>, Option<DeliveryRow>) {
        let old = self.tables.periods()[&period].delivery(meter);
        let account = self.owner_at(meter, period).expect("its reading was corrected");
        let area = self.tables.meter(meter).expect("its reading was corrected").facts.area;
        let prices = self.imbalance_prices(Contract { area, period });
        let new = self.delivery_of(period, meter, &prices).map(|(delivery, quality)| {
            let quality = if quality == Quality::Measured { Quality::Corrected } else { quality };
            DeliveryRow { account: old.map_or(account, |old| old.account), delivery, quality }
        });
        (old, new)
    }

    /// Settles corrected meters of settled areas again, all or none.
    fn settle_together(
        &mut self,
        period: DeliveryPeriod,
        meters: &[MeterId],
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), AreaFault> {
        let delivery = |row: Option<DeliveryRow>| row.map_or(Delivery::default(), |row| row.delivery);
        let is_estimate = |row: Option<DeliveryRow>| row.is_none_or(|row| matches!(row.quality, Quality::Estimated(_)));
        let (mut changes, mut touched) = (Vec::new(), BTreeSet::new());
        for meter in meters {
            let (old, new) = self.corrected(period, *meter);
            let area = self.tables.meter(*meter).expect("its reading was corrected").facts.area;
            // What was estimated and is read now is told, though it should be the same.
            let is_known = old.is_some() && is_estimate(old) != is_estimate(new);
            if (delivery(old) != delivery(new) || is_known)
                && self.tables.contract(Contract { area, period }).stage.is_settled()
            {
                changes.push((*meter, area, old, new));
                touched.extend(self.lineage(area));
            }
        }
        let touched: Vec<AreaId> = touched.into_iter().collect();
        let closed = self.closed_before(period, &touched);
        let rows: Vec<_> = touched.iter().map(|area| self.tables.contract(Contract { area: *area, period })).collect();
        let mut settlements = Vec::with_capacity(changes.len());
        for (meter, area, old, new) in &changes {
            let contract = Contract { area: *area, period };
            let before = self.settlement_of(contract, *meter, delivery(*old));
            let after = self.settlement_of(contract, *meter, delivery(*new));
            self.tables.change_contract(contract, |row| {
                row.sums.replace(&before, &after);
                row.count_again(delivery(*old), delivery(*new));
            });
            settlements.push((before, after));
        }
        let closes = match self.closes(period, &touched) {
            Ok(closes) => closes,
            Err(why) => {
                for (area, unchanged) in touched.iter().zip(rows) {
                    self.tables.change_contract(Contract { area: *area, period }, |row| *row = unchanged);
                }
                return Err(why);
            }
        };
        let changed: Vec<MeterId> = changes.iter().map(|(meter, ..)| *meter).collect();
        for ((meter, area, old, new), (before, after)) in changes.into_iter().zip(settlements) {
            self.tables.set_delivery(period, meter, new);
            let row = new.expect("what was settled stays settled, and nothing becomes of nothing");
            self.charge_difference(Contract { area, period }, meter, row, (&before, &after), events);
            self.judge_again(meter, period, (delivery(old), row), events);
        }
        self.post_differences(period, &closed, &closes, events);
        for meter in changed {
            self.correct_certificates(period, meter, events);
        }
        self.look_at_frozen(period, touched, events);
        for meter in meters {
            self.tables.release_held(period, *meter);
        }
        Ok(())
    }

    /// What was metered at an area's edge is another amount than what its settlement, and that of the area above, went by.
    ///
    /// # Errors
    /// `MeterLosses` if then the losses of one of them would not fit; nothing has changed.
    pub(in crate::state) fn close_again(
        &mut self,
        contract: Contract,
        sent_up_wh: i64,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let lineage = self.lineage(contract.area);
        let closed = self.closed_before(contract.period, &lineage);
        let before = self.tables.contract(contract).sent_up_wh;
        self.tables.change_contract(contract, |row| row.sent_up_wh = Some(sent_up_wh));
        let Ok(closes) = self.closes(contract.period, &lineage) else {
            self.tables.change_contract(contract, |row| row.sent_up_wh = before);
            return Err(Code::MeterLosses);
        };
        events.push(RecordEvent::AreaRead { contract, sent_up_wh });
        self.post_differences(contract.period, &closed, &closes, events);
        self.tables.bring_back(contract.period);
        self.look_at_frozen(contract.period, lineage, events);
        Ok(())
    }

    /// An area that was frozen is settled at last. Those above it went by what it seemed to send up; where what is known now contradicts
    /// itself, one of them stays settled as it is until somebody reads better, and that is told.
    pub(super) fn close_above_again(&mut self, contract: Contract, flows: &mut Flows, events: &mut Vec<RecordEvent>) {
        for area in self.lineage(contract.area).into_iter().skip(1) {
            let above = Contract { area, ..contract };
            let row = self.tables.contract(above);
            let Some(before) = self.closed(above, &row) else { continue };
            match self.close_of(above, &row, flows) {
                Ok(after) => self.post_differences(contract.period, &[(area, before)], &[(area, after)], events),
                Err(why) => events.push(RecordEvent::AreaUnfit { contract: above, why }),
            }
        }
    }

    /// Nobody in a frozen area was paid: what the meter did takes the place of what it seemed to do, and the sums are looked at once more.
    fn correct_frozen(&mut self, contract: Contract, meter: MeterId) {
        let (old, new) = self.corrected(contract.period, meter);
        let [before, after] = [old, new].map(|row| row.map_or(Delivery::default(), |row| row.delivery));
        let [had, has] = [before, after].map(|delivery| self.settlement_of(contract, meter, delivery));
        self.tables.set_delivery(contract.period, meter, new);
        self.tables.change_contract(contract, |row| {
            row.sums.replace(&had, &has);
            row.count_again(before, after);
        });
        self.look_again(contract);
    }

    fn charge_difference(
        &mut self,
        contract: Contract,
        meter: MeterId,
        row: DeliveryRow,
        (before, after): (&MeterSettlement, &MeterSettlement),
        events: &mut Vec<RecordEvent>,
    ) {
        let DeliveryRow { account, delivery, quality } = row;
        let (own_trades, rest) = (after.own_trades - before.own_trades, after.rest - before.rest);
        let change = own_trades + rest;
        let borne = if change < Money::ZERO {
            self.give_back(contract, meter, account, -change)
        } else {
            self.charge(contract, account, own_trades, rest, events)
        };
        if borne != Borne::default() {
            let Borne { billed, defaulted } = self.tables.borne(contract.period, meter);
            let sum = Borne { billed: billed + borne.billed, defaulted: defaulted + borne.defaulted };
            self.tables.set_borne(contract.period, meter, sum);
        }
        self.tables.change_contract(contract, |row| row.imbalance += change);
        let (trades, contracted_wh) = (Money::ZERO, after.contracted_wh);
        let Borne { billed, defaulted } = borne;
        events.push(RecordEvent::MeterSettled(MeterSettled {
            meter,
            account,
            contract,
            delivery,
            quality,
            contracted_wh,
            trades,
            own_trades,
            rest,
            billed,
            defaulted,
        }));
        self.pay_debt(account, events);
    }

    /// What was charged too much: whoever bore a part of it has that back first, as far as the account has not paid it back in the meantime.
    fn give_back(&mut self, contract: Contract, meter: MeterId, account: AccountId, amount: Money) -> Borne {
        let imbalance = Holder::System(SystemAccount::Imbalance);
        let borne = self.tables.borne(contract.period, meter);
        let defaulted = amount.min(borne.defaulted).min(self.debt(account));
        let billed = (amount - defaulted).min(borne.billed);
        let rest = amount - defaulted - billed;
        if defaulted > Money::ZERO {
            self.tables.pay_back_for(account, imbalance, defaulted);
        }
        if billed > Money::ZERO {
            self.tables.post(imbalance, Holder::System(SystemAccount::Grid), billed);
            self.tables.change_income(contract.area, |income| income.billed -= billed);
        }
        if rest > Money::ZERO {
            self.tables.post(imbalance, Holder::User(account), rest);
        }
        Borne { billed: -billed, defaulted: -defaulted }
    }

    /// An area and those above it: a change in it changes what gets lost in them.
    fn lineage(&self, area: AreaId) -> Vec<AreaId> {
        core::iter::once(area).chain(self.engine.network().upwards(area).map(|edge| edge.parent)).collect()
    }

    fn closed_before(&self, period: DeliveryPeriod, areas: &[AreaId]) -> Closes {
        let closed = areas.iter().filter_map(|area| {
            let contract = Contract { area: *area, period };
            Some((*area, self.closed(contract, &self.tables.contract(contract))?))
        });
        closed.collect()
    }

    fn closes(&self, period: DeliveryPeriod, areas: &[AreaId]) -> Result<Closes, AreaFault> {
        let mut flows = Flows::new();
        let settled = areas.iter().filter_map(|area| {
            let contract = Contract { area: *area, period };
            let row = self.tables.contract(contract);
            row.stage.is_settled().then(|| (*area, self.close_of(contract, &row, &mut flows)))
        });
        settled.map(|(area, close)| Ok((area, close?))).collect()
    }

    fn post_differences(
        &mut self,
        period: DeliveryPeriod,
        old: &[(AreaId, Closed)],
        new: &[(AreaId, Closed)],
        events: &mut Vec<RecordEvent>,
    ) {
        for ((area, before), (_, after)) in old.iter().zip(new) {
            let contract = Contract { area: *area, period };
            let difference = after.accounts.since(&before.accounts);
            if difference != AreaClose::default() {
                self.post_close(contract, &difference);
                let losses_wh = after.accounts.losses_wh;
                let told = AreaSettled { losses_wh, ..self.area_settled(contract, &difference) };
                events.push(RecordEvent::AreaSettled(told));
            }
            // The same amounts can be known otherwise: where nothing was taken to be lost, nothing was.
            if after.residual.corrected() != before.residual.corrected() {
                self.note_residual(contract, after.residual.corrected(), events);
            }
        }
    }
}

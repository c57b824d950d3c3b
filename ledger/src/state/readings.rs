//! What meters and grid operators read, and what imbalance costs (MARKET section 7, rules 1 and 4).
//!
//! A reading is taken at its place in the log or refused there; nothing is decided about the period before its deadline. A meter may
//! send the readings of several periods in any order until then.

use gridbook_engine::{Contract, DeliveryPeriod, LedgerTime, MeterId};

use super::State;
use super::tables::{AreaStage, ReadingRow, Stage};
use crate::bytes::AMOUNT_MAX;
use crate::command::{AcceptLosses, AreaReading, Correction, Reading, SetImbalancePrices};
use crate::record::{RecordEvent, RegistersRead};
use crate::reject::Code;
use crate::settlement::{AreaFault, ImbalancePrices, ImbalancePricesError, Implausible, Registers, delta};

/// No area sends more than this in one period, either way: 4.4 TWh, more than the world makes in a quarter-hour. So what all areas that there can be
/// lose or find together is less money than snapshots and records hold.
const SENT_WH_MAX: u64 = 1 << 42;

// Areas have 16-bit numbers, and prices 31 bits and a sign; and eight of those together.
const _: () = assert!(SENT_WH_MAX.ilog2() + 16 + 31 + 3 < AMOUNT_MAX.ilog2());

impl State {
    /// A meter tells its registers.
    pub(super) fn read(
        &mut self,
        meter: MeterId,
        reading: &Reading,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let Reading { period, registers } = *reading;
        self.check_ended(period)?;
        self.check_there(meter, period)?;
        if self.reading_deadline(period) <= self.time() {
            return Err(Code::MeterLate);
        }
        let known = self.tables.reading(period, meter);
        if known.is_some_and(|known| known.registers == registers) {
            return Err(Code::MeterTwice);
        }
        if let Err((code, other)) = self.check_against_others(meter, reading, known) {
            // What the operator of the area has read, or another key or owner has signed, the meter never said.
            if other.record > 0 {
                self.blame_for_reading(meter, period, (code, other.record), events);
            }
            return Err(code);
        }
        self.take_reading(meter, reading, false, events);
        Ok(())
    }

    /// Against what is known of the same period, of the one before, and of the one after: what it cannot be true together with.
    fn check_against_others(
        &self,
        meter: MeterId,
        reading: &Reading,
        known: Option<ReadingRow>,
    ) -> Result<(), (Code, ReadingRow)> {
        let Reading { period, registers } = reading;
        let of = |period: Option<u32>| period.and_then(|period| self.tables.reading(DeliveryPeriod(period), meter));
        if let Some(known) = known {
            return Err((Code::MeterContradiction, known));
        }
        if let Some(before) = of(period.0.checked_sub(1)) {
            self.check_step(*period, meter, &before.registers, registers).map_err(|code| (code, before))?;
        }
        let later = DeliveryPeriod(period.0.saturating_add(1));
        if let Some(next) = of(period.0.checked_add(1)) {
            self.check_step(later, meter, registers, &next.registers).map_err(|code| (code, next))?;
        }
        Ok(())
    }

    /// The operator of a meter's area has read it in its owner's place. What was said before no longer counts, also for the period after.
    pub(super) fn correct(&mut self, correction: &Correction, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let Correction { meter, reading } = correction;
        let Reading { period, registers } = reading;
        self.tables.meter(*meter).ok_or(Code::AuthMeter)?;
        self.check_ended(*period)?;
        self.check_there(*meter, *period)?;
        if self.final_at(*period) <= self.time() {
            return Err(Code::MeterFinal);
        }
        if self.tables.registers(*period, *meter) == Some(*registers) {
            return Err(Code::MeterTwice);
        }
        self.check_plausible(*period, *meter, registers)?;
        self.take_reading(*meter, reading, true, events);
        for touched in [*period, DeliveryPeriod(period.0 + 1)] {
            let is_settled = |table: &super::tables::PeriodTable| table.stage != Stage::Open;
            if self.tables.periods().get(&touched).is_some_and(is_settled) {
                self.tables.add_correction(touched, *meter);
            }
        }
        Ok(())
    }

    /// What was metered at an area's edge. It mends an area whose losses did not fit, and changes what settled ones cost.
    pub(super) fn read_area(&mut self, reading: &AreaReading, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let AreaReading { contract, sent_up_wh } = *reading;
        self.check_area(contract)?;
        self.check_ended(contract.period)?;
        if self.final_at(contract.period) <= self.time() {
            return Err(Code::MeterFinal);
        }
        if sent_up_wh.unsigned_abs() > SENT_WH_MAX {
            return Err(Code::MeterBeyond);
        }
        let row = self.tables.contract(contract);
        if row.sent_up_wh == Some(sent_up_wh) {
            return Err(Code::MeterTwice);
        }
        let stage = self.tables.periods().get(&contract.period).map_or(Stage::Open, |table| table.stage);
        match (stage, row.stage) {
            (Stage::Open, _) | (Stage::Settled, AreaStage::Frozen(_)) => {
                self.tables.change_contract(contract, |row| row.sent_up_wh = Some(sent_up_wh));
            }
            // Its parent's losses depend on it too: both are closed anew, if both add up.
            (Stage::Settled, _) => return self.close_again(contract, sent_up_wh, events),
            _ => return Err(Code::MeterSettling),
        }
        events.push(RecordEvent::AreaRead { contract, sent_up_wh });
        if stage == Stage::Settled {
            self.look_again(contract);
        }
        Ok(())
    }

    /// The operator of a frozen area answers for its losses, at any time: also when nothing can be read any more. It pays for what is missing,
    /// and gets nothing for what was found; so nobody loses by it but who accepts.
    pub(super) fn accept_losses(&mut self, accept: &AcceptLosses, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let AcceptLosses { contract, losses_wh } = *accept;
        self.check_area(contract)?;
        let AreaStage::Frozen(why) = self.tables.contract(contract).stage else { return Err(Code::MeterNoLosses) };
        let AreaFault::Losses { losses_wh: missing_wh, .. } = why else { return Err(Code::MeterNoLosses) };
        if self.tables.periods()[&contract.period].stage != Stage::Settled {
            return Err(Code::MeterSettling);
        }
        if missing_wh != i128::from(losses_wh) {
            return Err(Code::MeterOtherLosses);
        }
        self.tables.change_contract(contract, |row| row.accepted_wh = Some(losses_wh));
        events.push(RecordEvent::LossesAccepted { contract, losses_wh });
        self.look_again(contract);
        Ok(())
    }

    pub(super) fn set_imbalance_prices(
        &mut self,
        prices: &SetImbalancePrices,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let SetImbalancePrices { contract, short_price, long_price } = *prices;
        self.check_area(contract)?;
        ImbalancePrices::new(short_price, long_price, &self.settlement).map_err(|error| match error {
            ImbalancePricesError::Order => Code::MeterPriceOrder,
            ImbalancePricesError::Bounds => Code::MeterPriceBounds,
        })?;
        let rules = self.engine.rules();
        if rules.opens_at(contract).0 > self.time().0.saturating_add(rules.open_lead_ms) {
            return Err(Code::GateNotOpen);
        }
        let stage = self.tables.periods().get(&contract.period).map_or(Stage::Open, |table| table.stage);
        if stage != Stage::Open || self.reading_deadline(contract.period) <= self.time() {
            return Err(Code::MeterSettling);
        }
        self.tables.change_contract(contract, |row| row.prices = Some((short_price, long_price)));
        events.push(RecordEvent::ImbalancePricesSet { contract, short_price, long_price });
        Ok(())
    }

    fn take_reading(&mut self, meter: MeterId, reading: &Reading, is_correction: bool, events: &mut Vec<RecordEvent>) {
        let Reading { period, registers } = *reading;
        // It is told to whoever is billed for it.
        let account = self.owner_at(meter, period).expect("it was looked up");
        // A period that somebody consumed in is settled, traded or not.
        self.tables.open_period(period);
        let record = if is_correction { 0 } else { self.seq };
        self.tables.set_registers(period, meter, Some(ReadingRow { registers, record }));
        events.push(RecordEvent::Read(RegistersRead { meter, account, period, registers, is_correction }));
    }

    fn check_ended(&self, period: DeliveryPeriod) -> Result<(), Code> {
        if !self.settlement.metering {
            Err(Code::MeterUnread)
        } else if self.end_of(period) > self.time() || period.0 == u32::MAX {
            Err(Code::MeterFuture)
        } else {
            Ok(())
        }
    }

    /// A meter is read from the start of its first period on. What it would tell of earlier ones another meter has measured, or none that anybody
    /// had let in.
    fn check_there(&self, meter: MeterId, period: DeliveryPeriod) -> Result<(), Code> {
        let first = self.tables.meter(meter).ok_or(Code::AuthMeter)?.facts.first_period;
        if period.0.saturating_add(1) < first.0 { Err(Code::MeterTooEarly) } else { Ok(()) }
    }

    fn check_area(&self, contract: Contract) -> Result<(), Code> {
        if contract.area.0 < self.engine.areas() { Ok(()) } else { Err(Code::FormArea) }
    }

    /// Against the reading a period before, where there is one.
    fn check_plausible(&self, period: DeliveryPeriod, meter: MeterId, registers: &Registers) -> Result<(), Code> {
        let before = period.0.checked_sub(1).and_then(|before| self.tables.registers(DeliveryPeriod(before), meter));
        before.map_or(Ok(()), |before| self.check_step(period, meter, &before, registers))
    }

    /// What the registers show at the start and the end of a period.
    fn check_step(
        &self,
        period: DeliveryPeriod,
        meter: MeterId,
        start: &Registers,
        end: &Registers,
    ) -> Result<(), Code> {
        let (import_max, export_max) = self.tables.connection_at(meter, period).ok_or(Code::AuthMeter)?;
        delta(start, end, import_max, export_max).map(|_| ()).map_err(Code::from)
    }

    /// Until when readings of a period are taken.
    pub(super) fn reading_deadline(&self, period: DeliveryPeriod) -> LedgerTime {
        LedgerTime(self.end_of(period).0.saturating_add(self.settlement.reading_deadline_ms))
    }

    /// From when on nothing of a period can be changed.
    pub(super) fn final_at(&self, period: DeliveryPeriod) -> LedgerTime {
        if !self.settlement.metering {
            return self.end_of(period);
        }
        LedgerTime(self.reading_deadline(period).0.saturating_add(self.settlement.dispute_ms))
    }
}

impl From<Implausible> for Code {
    fn from(implausible: Implausible) -> Self {
        match implausible {
            Implausible::Backwards => Self::MeterBackwards,
            Implausible::Frozen => Self::MeterFrozen,
            Implausible::Beyond => Self::MeterBeyond,
        }
    }
}

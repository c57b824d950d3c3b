//! Changes to what is kept of periods: trades, readings, deliveries, stages.

use gridbook_engine::{Contract, DeliveryPeriod, MeterId};

use super::periods::{Borne, ContractRow, DeliveryRow, Stage, TradeRow};
use super::undo::Undo;
use super::{ReadingRow, Tables, index};

impl Tables {
    /// Adds a trade to its period's list and to the chains of both its meters.
    pub(in crate::state) fn add_trade(&mut self, period: DeliveryPeriod, trade: TradeRow) {
        let trades = &self.period_mut(period).trades;
        let number = u32::try_from(trades.len() + 1).expect("the engine counts the orders of a period in 32 bits");
        let (mut buyer, mut seller) = (self.position(period, trade.buyer), self.position(period, trade.seller));
        let trade = TradeRow { buyer_before: buyer.last_trade, seller_before: seller.last_trade, ..trade };
        (buyer.last_trade, seller.last_trade) = (number, number);
        self.set_position(period, trade.buyer, buyer);
        self.set_position(period, trade.seller, seller);
        let table = self.period_mut(period);
        let traders = table.traders;
        table.trades.push(trade);
        table.traders = traders.max(trade.buyer.0 + 1).max(trade.seller.0 + 1);
        self.journal.push(Undo::Trade(period, traders));
    }

    pub(in crate::state) fn change_contract(&mut self, contract: Contract, change: impl FnOnce(&mut ContractRow)) {
        let Contract { area, period } = contract;
        let table = self.period_mut(period);
        let before = table.tally.frozen;
        let old = table.change_contract(area, change);
        let is_rescheduled = table.tally.frozen != before;
        self.journal.push(Undo::Contract(period, area, old.map(Box::new)));
        if is_rescheduled {
            self.reschedule(period);
        }
    }

    pub(in crate::state) fn set_stage(&mut self, period: DeliveryPeriod, stage: Stage) {
        let old = core::mem::replace(&mut self.period_mut(period).stage, stage);
        self.journal.push(Undo::Stage(period, old));
        self.reschedule(period);
    }

    pub(in crate::state) fn set_delivery(
        &mut self,
        period: DeliveryPeriod,
        meter: MeterId,
        delivery: Option<DeliveryRow>,
    ) {
        let table = self.period_mut(period);
        let is_settled = table.stage == Stage::Settled;
        let old = table.deliveries.put(meter, delivery);
        self.journal.push(Undo::Delivery(period, meter, old));
        // A meter that is known to have delivered is to be certified; before that, every meter is gone through anyway.
        if is_settled {
            self.reschedule(period);
        }
    }

    /// Notes a meter's registers at the end of a period, or that they are not known.
    pub(in crate::state) fn set_registers(
        &mut self,
        period: DeliveryPeriod,
        meter: MeterId,
        registers: Option<ReadingRow>,
    ) {
        let table = self.readings.entry(period).or_default();
        let old = table.rows.put(meter, registers);
        table.count = table.count + u32::from(registers.is_some()) - u32::from(old.is_some());
        if self.meters[index(meter.0)].is_revoked() {
            table.of_revoked = table.of_revoked + u32::from(registers.is_some()) - u32::from(old.is_some());
        }
        self.journal.push(Undo::Registers(period, meter, old));
    }

    /// What a meter has told proves nothing against it any more: it was signed with a key, or for an owner, that it has no more. The registers stand.
    /// Goes through the periods of which readings are kept.
    pub(in crate::state) fn disown_readings(&mut self, meter: MeterId) {
        let signed = self.readings.iter().filter_map(|(period, table)| {
            let row = table.of(meter).filter(|row| row.record > 0)?;
            Some((*period, ReadingRow { record: 0, ..row }))
        });
        for (period, row) in signed.collect::<Vec<_>>() {
            self.set_registers(period, meter, Some(row));
        }
    }

    /// A settled meter is to be settled again.
    pub(in crate::state) fn add_correction(&mut self, period: DeliveryPeriod, meter: MeterId) {
        if self.corrections.insert((period, meter)) {
            self.journal.push(Undo::CorrectionAdded(period, meter));
            self.reschedule(period);
        }
    }

    /// The next meter of a period to be settled again, and no more after that.
    pub(in crate::state) fn take_correction(&mut self, period: DeliveryPeriod) -> Option<MeterId> {
        let (_, meter) = *self.corrections.range((period, MeterId(0))..=(period, MeterId(u32::MAX))).next()?;
        self.corrections.remove(&(period, meter));
        self.journal.push(Undo::CorrectionTaken(period, meter));
        self.reschedule(period);
        Some(meter)
    }

    /// A correction has to wait.
    pub(in crate::state) fn hold_back(&mut self, period: DeliveryPeriod, meter: MeterId) {
        if self.period_mut(period).held_back.insert(meter) {
            self.journal.push(Undo::HeldBack(period, meter));
        }
    }

    /// A correction waits no more.
    pub(in crate::state) fn release_held(&mut self, period: DeliveryPeriod, meter: MeterId) {
        if self.period_mut(period).held_back.remove(&meter) {
            self.journal.push(Undo::BroughtBack(period, meter));
        }
    }

    /// The corrections of a period that had to wait are looked at again: the first, and with it all.
    pub(in crate::state) fn bring_back(&mut self, period: DeliveryPeriod) {
        if let Some(first) = self.period_mut(period).held_back.first().copied() {
            self.release_held(period, first);
            self.add_correction(period, first);
        }
    }

    /// Counts that a meter did not deliver; tells whether that is new.
    pub(in crate::state) fn count_failure(&mut self, period: DeliveryPeriod, meter: MeterId) -> bool {
        let is_new = self.period_mut(period).failed.insert(meter);
        if is_new {
            self.journal.push(Undo::FailureCounted(period, meter));
        }
        is_new
    }

    /// It did deliver, and nothing has come of it.
    pub(in crate::state) fn forgive_failure(&mut self, period: DeliveryPeriod, meter: MeterId) {
        if self.period_mut(period).failed.remove(&meter) {
            self.journal.push(Undo::FailureForgiven(period, meter));
        }
    }

    /// What others bore of what a meter was charged.
    pub(in crate::state) fn borne(&self, period: DeliveryPeriod, meter: MeterId) -> Borne {
        self.periods.get(&period).and_then(|table| table.borne.get(&meter)).copied().unwrap_or_default()
    }

    pub(in crate::state) fn set_borne(&mut self, period: DeliveryPeriod, meter: MeterId, borne: Borne) {
        let rows = &mut self.period_mut(period).borne;
        let old = if borne == Borne::default() { rows.remove(&meter) } else { rows.insert(meter, borne) };
        self.journal.push(Undo::Borne(period, meter, old.map(Box::new)));
    }

    /// Forgets a period that is final.
    pub(in crate::state) fn drop_period(&mut self, period: DeliveryPeriod) {
        if let Some(table) = self.periods.remove(&period) {
            self.take_off_agenda(period, &table);
            self.journal.push(Undo::PeriodDropped(period, Box::new(table)));
        }
    }

    /// Keeps what meters took in, for estimates a week later.
    pub(in crate::state) fn keep_imports(&mut self, period: DeliveryPeriod, imports: Vec<u32>) {
        let old = self.imports.insert(period, imports);
        self.journal.push(Undo::Imports(period, old));
    }

    pub(in crate::state) fn drop_imports(&mut self, period: DeliveryPeriod) {
        if let Some(old) = self.imports.remove(&period) {
            self.journal.push(Undo::Imports(period, Some(old)));
        }
    }

    pub(in crate::state) fn drop_readings(&mut self, period: DeliveryPeriod) {
        if let Some(old) = self.readings.remove(&period) {
            self.journal.push(Undo::ReadingsDropped(period, Box::new(old)));
        }
    }
}

//! The registers of a meter: what flowed through its connection, added up for as long as it hangs there.

use gridbook_engine::DeliveryPeriod;
use gridbook_ledger::settlement::{Delivery, Registers};

use crate::meter::{Meter, MeterKind};

/// What a meter has measured in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// Which.
    pub period: DeliveryPeriod,
    /// What flowed; nothing for the period before the day, of which only the end is known.
    pub delivery: Delivery,
    /// What the registers show at its end.
    pub registers: Registers,
}

/// The registers, and what they showed at the ends of periods that nobody has asked for yet.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    shows: Registers,
    has_begun: bool,
    measured: Vec<Measurement>,
}

const REGISTER: u64 = 4;

/// What a meter has counted before the day, in Wh: some years of a household; without a plant nothing was ever given out.
const IMPORT_WH: (u64, u64) = (1_000_000, 40_000_000);
const EXPORT_WH: (u64, u64) = (500_000, 60_000_000);

impl Register {
    pub(crate) fn new(meter: &Meter) -> Self {
        let draw = meter.seed.at(REGISTER);
        let has_plant = meter.kind != MeterKind::Household;
        let export = if has_plant { draw.at(1).between(EXPORT_WH.0, EXPORT_WH.1) } else { 0 };
        let import = draw.at(0).between(IMPORT_WH.0, IMPORT_WH.1);
        let shows = Registers { import, export, counter: draw.at(2).between(10_000, 500_000) };
        Self { shows, has_begun: false, measured: Vec::new() }
    }

    /// The day begins: the end of the period before it is where its first period starts. A second time nothing happens.
    pub(crate) fn begin(&mut self, first: DeliveryPeriod) {
        if !core::mem::replace(&mut self.has_begun, true) {
            let (period, delivery) = (DeliveryPeriod(first.0.saturating_sub(1)), Delivery::default());
            self.measured.push(Measurement { period, delivery, registers: self.shows });
        }
    }

    /// A period is over.
    pub(crate) fn count(&mut self, period: DeliveryPeriod, delivery: Delivery) {
        let Registers { import, export, counter } = self.shows;
        let (import, export) = (import + delivery.import.0, export + delivery.export.0);
        self.shows = Registers { import, export, counter: counter + 1 };
        self.measured.push(Measurement { period, delivery, registers: self.shows });
    }

    /// What was measured since the last time.
    pub(crate) fn take(&mut self) -> Vec<Measurement> {
        core::mem::take(&mut self.measured)
    }
}

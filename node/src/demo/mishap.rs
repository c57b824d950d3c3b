//! What goes wrong in the town: four of its meters have a bad day.
//!
//! Only what these meters do is decided here. What becomes of it is read from the ledger's records, in [`super::settled`].

use std::ops::Range;

use gridbook_engine::{DeliveryPeriod, MeterId};
use gridbook_ledger::command::{Correction, Reading};
use gridbook_ledger::reject::Code;
use gridbook_sim::{Measurement, MeterKind, Prosumer, Town};

/// Who has a bad day, as far as the town has such meters. All but the plant are houses without one: what is estimated for them is near
/// to what they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cast {
    /// Turns its register back, once.
    pub(super) tampered: Option<MeterId>,
    /// The period whose reading was refused for that.
    pub(super) turned_back: Option<DeliveryPeriod>,
    /// Sends no readings for some hours.
    pub(super) silent: Option<MeterId>,
    /// A plant that gives nothing for some hours, while its owner goes on selling.
    pub(super) off: Option<MeterId>,
    /// Loses one reading; the grid operator reads it in its owner's place.
    pub(super) corrected: Option<MeterId>,
}

/// The mishaps while they happen.
pub(super) struct Mishaps {
    pub(super) cast: Cast,
    day: Range<DeliveryPeriod>,
    tampering: Tampering,
    lost: Lost,
}

/// A register is turned back once, as soon after its time as the reading before it is on the ledger to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tampering {
    Planned,
    Sent(DeliveryPeriod),
    Refused,
}

/// A reading that its meter never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    NotYet,
    Missing(Reading),
    Found,
}

/// Quarter-hours of the day.
const OFF: Range<u32> = 42..58;
const SILENT: Range<u32> = 46..58;
const LOST: u32 = 60;
const TAMPERED_FROM: u32 = 62;

/// By how much the register is turned back, in Wh, behind what it took in that quarter-hour.
const TURNED_BACK_WH: u64 = 20_000;

impl Cast {
    /// The first meters of the town that can play these parts.
    fn choose(town: &Town) -> Self {
        let of = |kind: MeterKind| {
            let meters = town.meters().iter().filter(move |meter| meter.kind == kind);
            meters.map(|meter| MeterId(meter.index))
        };
        let mut houses = of(MeterKind::Household);
        let (tampered, silent, corrected) = (houses.next(), houses.next(), houses.next());
        Self { tampered, turned_back: None, silent, off: of(MeterKind::Pv).next(), corrected }
    }

    /// All of them.
    pub(super) fn meters(&self) -> impl Iterator<Item = MeterId> + use<> {
        [self.tampered, self.silent, self.off, self.corrected].into_iter().flatten()
    }
}

impl Mishaps {
    pub(super) fn new(town: &Town) -> Self {
        let first = town.periods().next().expect("a day has 96 periods");
        let day = first..DeliveryPeriod(first.0 + 96);
        Self { cast: Cast::choose(town), day, tampering: Tampering::Planned, lost: Lost::NotYet }
    }

    /// Breaks the plant that is to be off.
    pub(super) fn befall(&self, prosumer: &mut Prosumer) {
        if self.cast.off == Some(MeterId(prosumer.meter().index)) {
            prosumer.lose_plant(self.at(OFF.start)..self.at(OFF.end));
        }
    }

    /// The reading that a meter sends of what it measured, if it sends one. `is_read` says whether its reading of a period is on the
    /// ledger.
    pub(super) fn said(
        &mut self,
        meter: MeterId,
        measured: &Measurement,
        is_read: impl Fn(DeliveryPeriod) -> bool,
    ) -> Option<Reading> {
        let period = measured.period;
        let truth = Reading { period, registers: measured.registers };
        if self.cast.silent == Some(meter) && (self.at(SILENT.start)..self.at(SILENT.end)).contains(&period) {
            return None;
        }
        if self.cast.corrected == Some(meter) && period == self.at(LOST) {
            self.lost = Lost::Missing(truth);
            return None;
        }
        let may_tamper = self.cast.tampered == Some(meter)
            && self.tampering == Tampering::Planned
            && period >= self.at(TAMPERED_FROM)
            && is_read(DeliveryPeriod(period.0 - 1));
        if !may_tamper {
            return Some(truth);
        }
        self.tampering = Tampering::Sent(period);
        let mut turned_back = truth;
        let import = &mut turned_back.registers.import;
        *import = import.saturating_sub(measured.delivery.import.0 + TURNED_BACK_WH);
        Some(turned_back)
    }

    /// A reading was refused. One that was turned back and came too late to be seen is tried again.
    pub(super) fn on_refused(&mut self, meter: MeterId, reading: &Reading, code: Code) {
        if self.cast.tampered == Some(meter) && self.tampering == Tampering::Sent(reading.period) {
            self.tampering = Tampering::Planned;
            if code == Code::MeterBackwards {
                self.tampering = Tampering::Refused;
                self.cast.turned_back = Some(reading.period);
            }
        }
    }

    /// The period whose reading is lost, once it is.
    pub(super) fn lost_period(&self) -> Option<DeliveryPeriod> {
        match self.lost {
            Lost::Missing(reading) => Some(reading.period),
            Lost::NotYet | Lost::Found => None,
        }
    }

    /// The grid operator goes there and reads it, once.
    pub(super) fn find(&mut self) -> Option<Correction> {
        let Lost::Missing(reading) = self.lost else { return None };
        self.lost = Lost::Found;
        self.cast.corrected.map(|meter| Correction { meter, reading })
    }

    fn at(&self, quarter: u32) -> DeliveryPeriod {
        DeliveryPeriod(self.day.start.0 + quarter)
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::Energy;
    use gridbook_ledger::settlement::{Delivery, Registers};
    use gridbook_sim::TownConfig;

    use super::*;

    fn mishaps() -> Mishaps {
        Mishaps::new(&Town::new(TownConfig { meters: 20, ..TownConfig::default() }).expect("a town"))
    }

    fn measured(mishaps: &Mishaps, quarter: u32) -> Measurement {
        let delivery = Delivery { import: Energy(100), export: Energy(0) };
        let registers = Registers { import: 90_000 + u64::from(quarter) * 100, export: 0, counter: quarter.into() };
        Measurement { period: mishaps.at(quarter), delivery, registers }
    }

    #[test]
    fn a_register_is_turned_back_once_and_only_where_the_ledger_can_tell() {
        let mut town = mishaps();
        let meter = town.cast.tampered.expect("there are houses");
        let truth = |measured: Measurement| Reading { period: measured.period, registers: measured.registers };
        let [before, unseen, seen, after] = [61, 62, 63, 64].map(|quarter| measured(&town, quarter));
        assert_eq!(town.said(meter, &before, |_| true), Some(truth(before)));
        assert_eq!(town.said(meter, &unseen, |_| false), Some(truth(unseen)), "the one before is not on the ledger");
        let turned_back = town.said(meter, &seen, |_| true).expect("it says something");
        assert!(turned_back.registers.import < before.registers.import);
        assert_eq!(town.said(meter, &after, |_| true), Some(truth(after)));
        town.on_refused(meter, &turned_back, Code::MeterBackwards);
        assert_eq!(town.cast.turned_back, Some(seen.period));
        assert_eq!(town.said(meter, &after, |_| true), Some(truth(after)), "once is enough");
    }

    #[test]
    fn a_lost_reading_is_found_once_and_is_the_true_one() {
        let mut town = mishaps();
        let meter = town.cast.corrected.expect("there are houses");
        let lost = measured(&town, LOST);
        assert_eq!(town.find(), None);
        assert_eq!(town.said(meter, &lost, |_| true), None);
        assert_eq!(town.lost_period(), Some(lost.period));
        let reading = Reading { period: lost.period, registers: lost.registers };
        assert_eq!(town.find(), Some(Correction { meter, reading }));
        assert_eq!(town.find(), None);
    }

    #[test]
    fn a_town_of_one_has_a_cast_of_one() {
        let lonely = TownConfig { meters: 1, pv_share_ppm: 0, battery_share_ppm: 0, ..TownConfig::default() };
        let cast = Mishaps::new(&Town::new(lonely).expect("a town")).cast;
        assert_eq!(cast.meters().collect::<Vec<_>>(), [MeterId(0)]);
    }
}

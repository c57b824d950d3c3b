//! The settlement of a period (MARKET sections 2 and 7), in slices, by `Work` entries.
//!
//! ```text
//! Open -> Adding -> Checking -> Paying -> Closing -> Settled -> forgotten
//!         meters    areas       meters    areas      corrections
//! ```
//! First each area's sums are added up and looked at, before any money moves; an area whose sums contradict each other is frozen
//! and reported, and its meters are passed over until that is mended.

mod areas;
mod correct;
mod meters;

pub(super) use meters::sides_of;

use gridbook_engine::{DeliveryPeriod, LedgerTime, MeterId, Money};

use super::State;
use super::tables::{AreaStage, DeliveryRow, PeriodTable, Stage};
use crate::record::RecordEvent;
use crate::settlement::Quality;

/// Minutes of a week.
const WEEK_MINUTES: u32 = 7 * 24 * 60;

impl State {
    /// When there will be something to settle, or to forget; at or before the present if there is already.
    pub(super) fn settlement_due(&self) -> Option<LedgerTime> {
        let mut earliest: Option<LedgerTime> = None;
        for (period, table) in self.tables.periods() {
            let due = self.due_of(*period, table);
            earliest = [earliest, due].into_iter().flatten().min();
            // Later periods end later, and what is due of them is due after that.
            if table.stage == Stage::Open && self.end_of(*period) > self.time() {
                break;
            }
        }
        earliest
    }

    fn due_of(&self, period: DeliveryPeriod, table: &PeriodTable) -> Option<LedgerTime> {
        match table.stage {
            Stage::Open if !self.settlement.metering || self.are_all_read(period) => Some(self.end_of(period)),
            Stage::Open => Some(self.reading_deadline(period)),
            Stage::Adding(_) | Stage::Checking(_) | Stage::Paying(_) | Stage::Closing(_) => Some(self.end_of(period)),
            Stage::Settled if self.has_corrections(period) => Some(self.end_of(period)),
            // It waits to be mended.
            Stage::Settled if table.contracts.values().any(|row| matches!(row.stage, AreaStage::Frozen(_))) => None,
            Stage::Settled if !self.is_certified(period) => Some(self.end_of(period)),
            Stage::Settled => Some(self.final_at(period)),
        }
    }

    /// Whether nothing that could still come would change anything: all meters were read at both ends, and all areas at their edges.
    fn are_all_read(&self, period: DeliveryPeriod) -> bool {
        let count = |period: u32| self.tables.readings().get(&DeliveryPeriod(period)).map_or(0, |table| table.count);
        let start = period.0.checked_sub(1).map_or(0, count);
        let meters = self.meters_count();
        if meters == 0 || count(period.0) < meters || start < meters {
            return false;
        }
        let contracts = &self.tables.periods()[&period].contracts;
        let read = contracts.values().filter(|row| row.sent_up_wh.is_some()).count();
        read == usize::from(self.engine.areas())
    }

    fn has_corrections(&self, period: DeliveryPeriod) -> bool {
        let of_period = (period, MeterId(0))..=(period, MeterId(u32::MAX));
        self.tables.corrections().range(of_period).next().is_some()
    }

    /// Does up to `max` pieces of what is due: by period, and in each in the order of its stages.
    pub(super) fn settle(&mut self, max: usize, events: &mut Vec<RecordEvent>) {
        let mut left = max;
        while left > 0 {
            let now = self.time();
            let mut periods = self.tables.periods().iter();
            let due = periods.find(|(period, table)| self.due_of(**period, table).is_some_and(|due| due <= now));
            let Some((period, table)) = due else { return };
            let (period, stage) = (*period, table.stage);
            left -= match stage {
                Stage::Open => self.go_to(period, Stage::Adding(0)),
                Stage::Adding(from) => self.add_meters(period, from, left),
                Stage::Checking(from) => self.check_areas(period, from, left, events),
                Stage::Paying(from) => self.pay_meters(period, from, left, events),
                Stage::Closing(from) => self.close_areas(period, from, left, events),
                Stage::Settled if self.has_corrections(period) => self.settle_again(period, events),
                Stage::Settled if !self.is_certified(period) => self.certify(period, left, events),
                Stage::Settled => match self.close_certificates(period, left, events) {
                    0 => self.make_final(period, events),
                    closed => closed,
                },
            };
        }
    }

    /// One piece of work: the stage is the next one.
    fn go_to(&mut self, period: DeliveryPeriod, stage: Stage) -> usize {
        self.tables.set_stage(period, stage);
        1
    }

    /// The end of a period: what it leaves is what its meters took in, for estimates a week later.
    fn make_final(&mut self, period: DeliveryPeriod, events: &mut Vec<RecordEvent>) -> usize {
        let table = &self.tables.periods()[&period];
        assert!(table.names.is_empty(), "names are forgotten at the gate, before delivery");
        assert_eq!(table.cleared, Money::ZERO, "what was paid in for a period is paid out");
        if self.settlement.metering {
            events.push(RecordEvent::PeriodFinal { period });
            let imports = imports_of(table);
            self.tables.keep_imports(period, imports);
        }
        self.tables.drop_period(period);
        self.forget_readings(period);
        1
    }

    /// Readings go once no period begins or ends with them, a week's imports when the week is over.
    fn forget_readings(&mut self, last: DeliveryPeriod) {
        let first = self.tables.periods().keys().next().map_or(last.0.saturating_add(1), |first| first.0);
        let readings = self.tables.readings().keys().take_while(|of| of.0.saturating_add(1) < first);
        for over in readings.copied().collect::<Vec<_>>() {
            self.tables.drop_readings(over);
        }
        if let Some(week_ago) = last.0.checked_sub(self.periods_a_week()) {
            let imports = self.tables.imports().range(..=DeliveryPeriod(week_ago));
            for over in imports.map(|(over, _)| *over).collect::<Vec<_>>() {
                self.tables.drop_imports(over);
            }
        }
    }

    fn periods_a_week(&self) -> u32 {
        WEEK_MINUTES / self.engine.rules().mtu_minutes
    }
}

/// Where a slice ends that begins at `from` and has up to `max` of `count` meters or areas.
fn end_of_slice(from: u32, max: usize, count: u32) -> u32 {
    count.min(from.saturating_add(u32::try_from(max).unwrap_or(u32::MAX)))
}

/// What each meter was seen to take in, and one more; 0 where that is not known. More than 32 bits hold counts as the most they hold.
fn imports_of(table: &PeriodTable) -> Vec<u32> {
    let import = |row: &Option<DeliveryRow>| match row {
        Some(row) if matches!(row.quality, Quality::Measured | Quality::Corrected) => {
            u32::try_from(row.delivery.import.0.saturating_add(1)).unwrap_or(u32::MAX)
        }
        _ => 0,
    };
    let mut imports: Vec<u32> = table.deliveries.iter().map(import).collect();
    imports.truncate(imports.iter().rposition(|import| *import != 0).map_or(0, |last| last + 1));
    imports
}

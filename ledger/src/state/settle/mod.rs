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

use gridbook_engine::{DeliveryPeriod, LedgerTime, Money};

use super::State;
use super::tables::{Awaits, PeriodTable, Stage};
use crate::record::RecordEvent;
use crate::settlement::Quality;

/// Minutes of a week.
const WEEK_MINUTES: u32 = 7 * 24 * 60;

impl State {
    /// When there will be something to settle, or to forget; at or before the present if there is already.
    pub(super) fn settlement_due(&self) -> Option<LedgerTime> {
        let agenda = self.tables.agenda();
        let work = agenda.first(Awaits::Work).map(|period| self.end_of(period));
        let finality = agenda.first(Awaits::Finality).map(|period| self.final_at(period));
        let readings = self.awaiting_readings().map(|(_, due)| due).min();
        [work, finality, readings].into_iter().flatten().min()
    }

    /// The first period of which something is due.
    fn period_due(&self) -> Option<DeliveryPeriod> {
        let (agenda, now) = (self.tables.agenda(), self.time());
        let work = agenda.first(Awaits::Work);
        let finality = agenda.first(Awaits::Finality).filter(|period| self.final_at(*period) <= now);
        let readings = self.awaiting_readings().find(|(_, due)| *due <= now).map(|(period, _)| period);
        [work, finality, readings].into_iter().flatten().min()
    }

    /// Periods that readings may still come for, and the first that is not over, with the time at which they are due. There are only as
    /// many as fit between the end of a period and its deadline.
    fn awaiting_readings(&self) -> impl Iterator<Item = (DeliveryPeriod, LedgerTime)> + '_ {
        let mut is_over = true;
        // Later periods end later, and what is due of them is due after that.
        let periods = self
            .tables
            .agenda()
            .all(Awaits::Readings)
            .take_while(move |period| core::mem::replace(&mut is_over, self.end_of(*period) <= self.time()));
        periods.map(|period| {
            let is_read = !self.settlement.metering || self.are_all_read(period);
            (period, if is_read { self.end_of(period) } else { self.reading_deadline(period) })
        })
    }

    /// Whether nothing that could still come would change anything: all meters that can still tell anything were read at both ends, and all
    /// areas at their edges. A meter that was registered since cannot be read at the start: such a period waits for its deadline.
    fn are_all_read(&self, period: DeliveryPeriod) -> bool {
        let readings = |period: u32| self.tables.readings().get(&DeliveryPeriod(period));
        let count = |period: u32| readings(period).map_or(0, |table| table.count - table.of_revoked);
        let start = period.0.checked_sub(1).map_or(0, count);
        let meters = self.meters_count() - self.tables.revoked_meters();
        if meters == 0 || count(period.0) < meters || start < meters {
            return false;
        }
        self.tables.periods()[&period].tally.read == usize::from(self.engine.areas())
    }

    /// Does up to `max` pieces of what is due: by period, and in each in the order of its stages.
    pub(super) fn settle(&mut self, max: usize, events: &mut Vec<RecordEvent>) {
        let mut left = max;
        while left > 0 {
            let Some(period) = self.period_due() else { return };
            left -= match self.tables.periods()[&period].stage {
                Stage::Open => self.go_to(period, Stage::Adding(0)),
                Stage::Adding(from) => self.add_meters(period, from, left),
                Stage::Checking(from) => self.check_areas(period, from, left, events),
                Stage::Paying(from) => self.pay_meters(period, from, left, events),
                Stage::Closing(from) => self.close_areas(period, from, left, events),
                Stage::Settled if self.tables.has_corrections(period) => self.settle_again(period, left, events),
                Stage::Settled if !self.tables.is_certified(period) => self.certify(period, left, events),
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
            let week_ago = period.0.checked_sub(self.periods_a_week()).map(DeliveryPeriod);
            let before = week_ago.and_then(|week_ago| self.tables.imports().get(&week_ago));
            let imports = imports_of(table, before.map_or(&[], Vec::as_slice));
            self.tables.keep_imports(period, imports);
        }
        self.tables.drop_period(period);
        self.forget_readings(period);
        1
    }

    /// Readings go once no period begins or ends with them, what meters were when nothing of that can change, a week's imports when the week is
    /// over.
    fn forget_readings(&mut self, last: DeliveryPeriod) {
        let (periods, after) = (self.tables.periods(), |of: DeliveryPeriod| DeliveryPeriod(of.0.saturating_add(1)));
        let is_over = |of: &DeliveryPeriod| self.final_at(after(*of)) <= self.time();
        let is_kept = |of: DeliveryPeriod| periods.contains_key(&of) || periods.contains_key(&after(of));
        let readings = self.tables.readings().keys().copied().take_while(is_over).filter(|of| !is_kept(*of));
        let readings: Vec<DeliveryPeriod> = readings.collect();
        let first = periods.keys().next().map_or(after(last), |first| *first);
        for over in readings {
            self.tables.drop_readings(over);
        }
        // A period that nobody has read a meter in can still begin to matter until it would be final.
        let open_ms = self.settlement.reading_deadline_ms.saturating_add(self.settlement.dispute_ms);
        let changeable = LedgerTime(self.time().0.saturating_sub(open_ms));
        let changeable = DeliveryPeriod::containing(changeable, self.engine.rules().mtu_minutes);
        self.tables.forget_former(changeable.min(first));
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

/// What each meter was seen, or taken, to take in, and one more; 0 where nothing is known. More than 32 bits hold counts as the most they hold. Of
/// whom nothing was seen this time, and who was taken for idle because taking energy was paid for, it is still known what he took the
/// week `before`.
fn imports_of(table: &PeriodTable, before: &[u32]) -> Vec<u32> {
    let mut imports = before.to_vec();
    imports.resize(before.len().max(super::index(table.meters_delivering())), 0);
    for (meter, row) in table.deliveries.rows().filter_map(|(meter, row)| Some((meter, row?))) {
        let import = &mut imports[super::index(meter.0)];
        let told = u32::try_from(row.delivery.import.0.saturating_add(1)).unwrap_or(u32::MAX);
        *import = match row.quality {
            Quality::AsTraded => 0,
            Quality::Estimated(_) => told.max(*import),
            Quality::Measured | Quality::Corrected => told,
        };
    }
    imports.truncate(imports.iter().rposition(|import| *import != 0).map_or(0, |last| last + 1));
    imports
}

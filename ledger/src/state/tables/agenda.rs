//! What each period waits for, so that nobody has to go through all of them to find what is due: with the default terms more than a
//! hundred are settled and may still be corrected, and the core asks several times for each input.
//!
//! Everything here follows from other rows. It is brought up to date with each of their changes, also those that are taken back, and is
//! in no snapshot.

use std::collections::BTreeSet;

use gridbook_engine::{DeliveryPeriod, MeterId};

use super::Tables;
use super::periods::{PeriodTable, Stage};

/// What comes next of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::state) enum Awaits {
    /// Its end, and readings.
    #[default]
    Readings,
    /// A piece of work, now.
    Work,
    /// Somebody to mend what does not add up.
    Mending,
    /// The time from which on nothing of it can be changed.
    Finality,
}

/// Periods by what they wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Agenda {
    waiting: BTreeSet<(Awaits, DeliveryPeriod)>,
    /// Those of which some client ids are to be forgotten at the gate.
    named: BTreeSet<DeliveryPeriod>,
}

impl Agenda {
    /// A period is new.
    pub(super) fn open(&mut self, period: DeliveryPeriod) {
        self.waiting.insert((Awaits::default(), period));
    }

    /// The periods that wait for this, ascending.
    pub(in crate::state) fn all(&self, awaits: Awaits) -> impl Iterator<Item = DeliveryPeriod> + '_ {
        let of_kind = (awaits, DeliveryPeriod(0))..=(awaits, DeliveryPeriod(u32::MAX));
        self.waiting.range(of_kind).map(|(_, period)| *period)
    }

    /// The first of them.
    pub(in crate::state) fn first(&self, awaits: Awaits) -> Option<DeliveryPeriod> {
        self.all(awaits).next()
    }

    /// The first period of which client ids are kept.
    pub(in crate::state) fn first_named(&self) -> Option<DeliveryPeriod> {
        self.named.first().copied()
    }
}

impl Tables {
    pub(in crate::state) fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    /// The agenda as it follows from everything else: for the audit.
    pub(in crate::state) fn agenda_again(&self) -> Agenda {
        let mut agenda = Agenda::default();
        for (period, table) in &self.periods {
            agenda.waiting.insert((self.awaits(*period, table), *period));
            if !table.names.is_empty() {
                agenda.named.insert(*period);
            }
        }
        agenda
    }

    /// Something of a period has changed that decides what it waits for.
    pub(super) fn reschedule(&mut self, period: DeliveryPeriod) {
        let Some(table) = self.periods.get(&period) else { return };
        let (before, now) = (table.awaits, self.awaits(period, table));
        if before != now {
            self.agenda.waiting.remove(&(before, period));
            self.agenda.waiting.insert((now, period));
            self.periods.get_mut(&period).expect("it was found").awaits = now;
        }
    }

    /// A period is kept again.
    pub(super) fn put_on_agenda(&mut self, period: DeliveryPeriod) {
        let Some(table) = self.periods.get(&period) else { return };
        self.agenda.waiting.insert((table.awaits, period));
        self.reschedule(period);
    }

    /// A period is no longer kept.
    pub(super) fn take_off_agenda(&mut self, period: DeliveryPeriod, table: &PeriodTable) {
        self.agenda.waiting.remove(&(table.awaits, period));
        self.agenda.named.remove(&period);
    }

    /// A client id was given or forgotten.
    pub(super) fn note_names(&mut self, period: DeliveryPeriod) {
        if self.periods.get(&period).is_some_and(|table| !table.names.is_empty()) {
            self.agenda.named.insert(period);
        } else {
            self.agenda.named.remove(&period);
        }
    }

    fn awaits(&self, period: DeliveryPeriod, table: &PeriodTable) -> Awaits {
        match table.stage {
            Stage::Open => Awaits::Readings,
            Stage::Adding(_) | Stage::Checking(_) | Stage::Paying(_) | Stage::Closing(_) => Awaits::Work,
            Stage::Settled if self.has_corrections(period) => Awaits::Work,
            Stage::Settled if !self.is_certified(period) => Awaits::Work,
            Stage::Settled if table.tally.frozen > 0 => Awaits::Mending,
            Stage::Settled => Awaits::Finality,
        }
    }

    /// Whether somebody is to be settled again.
    pub(in crate::state) fn has_corrections(&self, period: DeliveryPeriod) -> bool {
        let of_period = (period, MeterId(0))..=(period, MeterId(u32::MAX));
        self.corrections.range(of_period).next().is_some()
    }

    /// Whether all that a period has to certify was issued and has arrived, but for what waits for its frozen areas.
    pub(in crate::state) fn is_certified(&self, period: DeliveryPeriod) -> bool {
        if !self.metering {
            return true;
        }
        let table = self.certificates.get(&period);
        let next = table.map_or(0, |table| table.next_plant());
        let delivering = self.periods.get(&period).map_or(0, PeriodTable::meters_delivering);
        next >= delivering && table.is_none_or(|table| table.first_moving().is_none())
    }
}

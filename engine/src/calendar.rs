//! Which delivery period has which record.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{Contract, DeliveryPeriod};
use crate::digest::ContractFlags;
use crate::period::Period;
use crate::slab::{NIL, Standing};

/// All periods with a record. Places are given out and taken back like a stack, so that undoing in reverse order restores every index.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    by_period: BTreeMap<DeliveryPeriod, u32>,
    /// The indices of the periods from `window_start` on, so that the usual ones are found without a search.
    window: Vec<u32>,
    window_start: u32,
    periods: Vec<Period>,
    free: Vec<u32>,
    /// Contracts closed by command in which orders still rest.
    pub(crate) closing: BTreeSet<Contract>,
    /// How many contracts are closed by command, in all periods with a record.
    pub(crate) closed: usize,
    /// Periods with a record whose opening auction is still to be held.
    pub(crate) calling: BTreeSet<DeliveryPeriod>,
    /// Periods in which re-matching was left unfinished.
    pub(crate) rematching: BTreeSet<DeliveryPeriod>,
}

/// The longest window: two years of quarter-hours.
const WINDOW_MAX: u32 = 1 << 16;

impl Calendar {
    #[inline]
    pub(crate) fn find(&self, period: DeliveryPeriod) -> Option<u32> {
        let offset = period.0.wrapping_sub(self.window_start);
        match self.window.get(offset as usize) {
            Some(&index) => (index != NIL).then_some(index),
            None => self.by_period.get(&period).copied(),
        }
    }

    #[inline]
    pub(crate) fn at(&self, index: u32) -> &Period {
        &self.periods[index as usize]
    }

    /// The record at an index at which there may be none.
    #[inline]
    pub(crate) fn look_at(&self, index: u32) -> Option<&Period> {
        self.periods.get(index as usize)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> &mut Period {
        &mut self.periods[index as usize]
    }

    /// The record of a period, if it has one.
    #[inline]
    pub(crate) fn get(&self, period: DeliveryPeriod) -> Option<&Period> {
        self.find(period).map(|index| self.at(index))
    }

    /// All periods with a record, ascending.
    pub(crate) fn periods(&self) -> impl Iterator<Item = &Period> {
        self.by_period.values().map(|&index| &self.periods[index as usize])
    }

    /// Whether no more records fit.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.periods.len() >= Standing::PERIODS_MAX
    }

    /// Gives a period its record.
    pub(crate) fn open(&mut self, record: Period) -> u32 {
        let period = record.period;
        self.closed += closed_in(&record);
        let index = self.free.pop().unwrap_or_else(|| {
            self.periods.push(Period::vacant());
            u32::try_from(self.periods.len() - 1).expect("records are bounded")
        });
        if !record.auctioned {
            self.calling.insert(period);
        }
        if record.rematching {
            self.rematching.insert(period);
        }
        self.periods[index as usize] = record;
        self.by_period.insert(period, index);
        self.enter_in_window(period, index);
        index
    }

    /// Forgets a period: also the inverse of [`Calendar::open`].
    pub(crate) fn forget(&mut self, index: u32) -> Period {
        let mut record = core::mem::replace(&mut self.periods[index as usize], Period::vacant());
        debug_assert_eq!(record.orders, 0, "only empty periods are forgotten");
        self.by_period.remove(&record.period);
        self.closed -= closed_in(&record);
        self.calling.remove(&record.period);
        self.rematching.remove(&record.period);
        let offset = record.period.0.wrapping_sub(self.window_start);
        if let Some(entry) = self.window.get_mut(offset as usize) {
            *entry = NIL;
        }
        self.free.push(index);
        // The note may be taken off while the record is away: should it come back, its contracts must be noted afresh.
        record.areas.iter_mut().for_each(|book| book.changed = false);
        record
    }

    /// The inverse of [`Calendar::forget`].
    pub(crate) fn undo_forget(&mut self, index: u32, record: Period) {
        let again = self.open(record);
        assert_eq!(again, index, "periods are undone in reverse order");
    }

    fn enter_in_window(&mut self, period: DeliveryPeriod, index: u32) {
        let offset = period.0.wrapping_sub(self.window_start);
        if (offset as usize) < self.window.len() {
            self.window[offset as usize] = index;
            return;
        }
        let first = self.by_period.keys().next().map_or(period.0, |first| first.0);
        let last = self.by_period.keys().next_back().map_or(period.0, |last| last.0);
        self.window.clear();
        self.window_start = first;
        if last - first < WINDOW_MAX {
            // With as much room again, so that it is not laid anew for each period that opens.
            let length = ((last - first + 1) * 2).min(WINDOW_MAX);
            self.window.resize(length as usize, NIL);
            for (period, &index) in &self.by_period {
                self.window[(period.0 - first) as usize] = index;
            }
        }
    }
}

fn closed_in(record: &Period) -> usize {
    record.areas.iter().filter(|book| book.flags.has(ContractFlags::CLOSED)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(calendar: &mut Calendar, period: u32) -> u32 {
        calendar.open(Period::new(DeliveryPeriod(period), 1, None, None))
    }

    /// Quarter-hours come and go for years, and some lie far off; each is found as long as it has a record, and no other is.
    #[test]
    fn periods_are_found_wherever_they_lie() {
        let mut calendar = Calendar::default();
        let far = open(&mut calendar, u32::MAX);
        for period in (0..300_000).step_by(1_000) {
            let index = open(&mut calendar, period);
            assert_eq!(calendar.find(DeliveryPeriod(period)), Some(index));
            assert_eq!(calendar.find(DeliveryPeriod(period + 1)), None);
            assert_eq!(calendar.find(DeliveryPeriod(u32::MAX)), Some(far));
            if let Some(old) = period.checked_sub(5_000).and_then(|old| calendar.find(DeliveryPeriod(old))) {
                calendar.forget(old);
                assert_eq!(calendar.find(DeliveryPeriod(period - 5_000)), None);
            }
        }
    }

    #[test]
    fn a_window_near_the_end_of_numbers_does_not_wrap() {
        let mut calendar = Calendar::default();
        let last = open(&mut calendar, u32::MAX);
        assert_eq!((calendar.find(DeliveryPeriod(u32::MAX)), calendar.find(DeliveryPeriod(0))), (Some(last), None));
        let first = open(&mut calendar, 0);
        assert_eq!(
            (calendar.find(DeliveryPeriod(u32::MAX)), calendar.find(DeliveryPeriod(0))),
            (Some(last), Some(first))
        );
    }
}

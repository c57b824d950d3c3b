//! When to give a view up (CONSENSUS section 3, timer and term).

use super::boundary::{Timing, WallTime};
use crate::defects::{Defect, omits};

/// The view's timer and its leader's term.
///
/// The timer runs only while there is work: an idle ledger is quiet. A leader's term begins with the first work in its view,
/// so a leader that had nothing to do is not replaced when work comes.
#[derive(Debug)]
pub(super) struct Pacemaker {
    timing: Timing,
    average_us: Option<u64>,
    fruitless: u32,
    running_since: Option<WallTime>,
    term_start: Option<WallTime>,
}

/// The timer is this many times the leader's usual interval between two growths of finality.
const TIMER_INTERVALS: u64 = 8;
/// A new interval counts for one part in this many of the moving average.
const AVERAGE_PARTS: u64 = 8;
/// A term that is as good as none: the tail takes most of it.
const FEW_SLOTS: u32 = 8;
/// 1.5 to this power is more than the longest timer over the shortest.
const FRUITLESS_MAX: u32 = 16;

impl Pacemaker {
    pub(super) fn new(timing: Timing) -> Self {
        Self { timing, average_us: None, fruitless: 0, running_since: None, term_start: None }
    }

    /// How long a view may go without growth of finality.
    pub(super) fn timer_us(&self) -> u64 {
        let (min, max) = (micros(self.timing.min_ms), micros(self.timing.max_ms));
        let measured = |average: u64| average.saturating_mul(TIMER_INTERVALS).max(min);
        let base = self.average_us.map_or(micros(self.timing.first_ms), measured).min(max);
        (0..self.fruitless).fold(base, |timer, _| (timer + timer / 2).min(max))
    }

    /// Starts the timer when work appears, stops it when none is left.
    pub(super) fn set_busy(&mut self, busy: bool, now: WallTime) {
        if !busy {
            self.running_since = None;
            return;
        }
        self.running_since.get_or_insert(now);
        self.term_start.get_or_insert(now);
    }

    /// Finality grew: the view is alive.
    pub(super) fn finality_grew(&mut self, now: WallTime) {
        self.fruitless = 0;
        let Some(since) = self.running_since.replace(now) else { return };
        let interval = now.0.saturating_sub(since.0);
        let average =
            self.average_us.map_or(interval, |a| (a * (AVERAGE_PARTS - 1)).saturating_add(interval) / AVERAGE_PARTS);
        self.average_us = Some(average);
    }

    /// A new view begins. `fruitless` unless the old one ended with its leader's term.
    pub(super) fn entered(&mut self, fruitless: bool) {
        if fruitless && !omits(Defect::NoBackoff) {
            self.fruitless = (self.fruitless + 1).min(FRUITLESS_MAX);
        }
        self.running_since = None;
        self.term_start = None;
    }

    /// When the timer fires, if it runs.
    pub(super) fn deadline(&self) -> Option<WallTime> {
        self.running_since.map(|since| WallTime(since.0.saturating_add(self.timer_us())))
    }

    /// When the leader should stop, if its term has begun.
    pub(super) fn term_end(&self) -> Option<WallTime> {
        self.term_start.map(|start| WallTime(start.0.saturating_add(micros(self.timing.term_ms))))
    }

    /// When everyone gives the view up, tail final or not.
    pub(super) fn term_limit(&self) -> Option<WallTime> {
        let end = self.term_end().filter(|_| !omits(Defect::NoTermEnd));
        end.map(|end| WallTime(end.0.saturating_add(micros(self.timing.term_grace_ms))))
    }

    /// Whether a view that ends now ends with its leader's term. Clocks of two validators differ a little.
    pub(super) fn term_is_about_over(&self, now: WallTime) -> bool {
        let most = micros(self.timing.term_ms) / 16 * 15;
        self.term_start.is_some_and(|start| now.0 >= start.0.saturating_add(most))
    }

    pub(super) fn slots_max(&self) -> u32 {
        if omits(Defect::FewSlots) { FEW_SLOTS } else { self.timing.slots_max }
    }
}

fn micros(ms: u64) -> u64 {
    ms.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> WallTime {
        WallTime(ms * 1_000)
    }

    #[test]
    fn the_timer_runs_only_while_there_is_work() {
        let mut pacemaker = Pacemaker::new(Timing::default());
        pacemaker.set_busy(false, at(10));
        assert_eq!(pacemaker.deadline(), None);
        pacemaker.set_busy(true, at(500));
        pacemaker.set_busy(true, at(900));
        assert_eq!(pacemaker.deadline(), Some(at(1_500)), "from when the work appeared");
        pacemaker.set_busy(false, at(1_000));
        assert_eq!(pacemaker.deadline(), None);
    }

    #[test]
    fn the_timer_follows_the_leader_and_stays_in_its_bounds() {
        let mut pacemaker = Pacemaker::new(Timing::default());
        pacemaker.set_busy(true, at(0));
        pacemaker.finality_grew(at(20));
        assert_eq!(pacemaker.timer_us(), 160_000, "eight times 20 ms");
        pacemaker.finality_grew(at(20));
        (0..200).for_each(|_| pacemaker.finality_grew(at(20)));
        assert_eq!(pacemaker.timer_us(), 50_000);
        pacemaker.finality_grew(at(1_000_000));
        assert_eq!(pacemaker.timer_us(), 8_000_000);
    }

    #[test]
    fn views_in_vain_make_the_timer_longer_until_finality_grows() {
        let mut pacemaker = Pacemaker::new(Timing::default());
        let mut timers = vec![pacemaker.timer_us()];
        for _ in 0..6 {
            pacemaker.entered(true);
            timers.push(pacemaker.timer_us());
        }
        let longest = 8_000_000;
        assert_eq!(timers, [1_000_000, 1_500_000, 2_250_000, 3_375_000, 5_062_500, 7_593_750, longest]);
        pacemaker.entered(false);
        assert_eq!(pacemaker.timer_us(), longest, "the end of a term changes nothing");
        pacemaker.finality_grew(at(1));
        assert_eq!(pacemaker.timer_us(), 1_000_000);
    }

    #[test]
    fn a_term_begins_with_the_first_work() {
        let mut pacemaker = Pacemaker::new(Timing::default());
        assert_eq!(pacemaker.term_end(), None);
        pacemaker.set_busy(true, at(60_000));
        pacemaker.set_busy(false, at(61_000));
        assert_eq!(pacemaker.term_end(), Some(at(70_000)));
        assert_eq!(pacemaker.term_limit(), Some(at(71_000)));
        pacemaker.entered(false);
        assert_eq!(pacemaker.term_end(), None);
    }
}

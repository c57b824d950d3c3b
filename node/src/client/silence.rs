//! How long a validator may be silent before a client takes it for dead.
//!
//! A validator that was killed closes nothing: its clients notice only that nothing comes. One that is busy is silent too, and leaving
//! it would make everything worse. So the measure is how long this validator usually takes to answer at all; and whoever left several
//! in a row without an answer from any of them waits longer each time.

use std::time::Duration;

/// See the module. Time is an argument.
#[derive(Debug)]
pub(super) struct Silence {
    max: Duration,
    usual: Option<Duration>,
    left_in_a_row: u32,
}

/// Silence is this many times the usual answer.
const USUAL_ANSWERS: u32 = 8;
/// A new answer counts for one part in this many of the moving average.
const AVERAGE_PARTS: u32 = 8;
/// Even where answers come at once: disks and schedulers have their moments.
const LEAST: Duration = Duration::from_millis(150);
/// Two to this power is more than the longest silence over the shortest.
const LEFT_MAX: u32 = 8;

impl Silence {
    /// Before anything was measured, and at most, `max`.
    pub(super) fn new(max: Duration) -> Self {
        Self { max, usual: None, left_in_a_row: 0 }
    }

    /// How long nothing may come, while something is asked, before it is asked whether it lives; and then once more.
    pub(super) fn limit(&self) -> Duration {
        let measured = |usual: Duration| (usual * USUAL_ANSWERS).max(LEAST);
        let limit = self.usual.map_or(self.max, measured);
        (limit * (1 << self.left_in_a_row)).min(self.max)
    }

    /// A request got its first answer after this long.
    pub(super) fn answered(&mut self, after: Duration) {
        self.left_in_a_row = 0;
        let usual = self.usual.map_or(after, |usual| (usual * (AVERAGE_PARTS - 1) + after) / AVERAGE_PARTS);
        self.usual = Some(usual);
    }

    /// A validator was left.
    pub(super) fn left(&mut self) {
        self.left_in_a_row = (self.left_in_a_row + 1).min(LEFT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_validator_that_answers_at_once_is_not_waited_for_long() {
        let mut silence = Silence::new(ms(2_000));
        assert_eq!(silence.limit(), ms(2_000), "nothing is known of it");
        (0..20).for_each(|_| silence.answered(ms(3)));
        assert_eq!(silence.limit(), LEAST);
    }

    #[test]
    fn a_validator_that_takes_its_time_is_given_it() {
        let mut silence = Silence::new(ms(2_000));
        silence.answered(ms(100));
        assert_eq!(silence.limit(), ms(800));
        silence.answered(ms(10_000));
        assert_eq!(silence.limit(), ms(2_000), "never more than the user bears");
    }

    /// All four are slow because their machine is: a client that leaves one after another would only add to it.
    #[test]
    fn who_leaves_one_after_another_waits_longer_each_time() {
        let mut silence = Silence::new(ms(2_000));
        silence.answered(ms(1));
        let mut limits = vec![silence.limit()];
        for _ in 0..5 {
            silence.left();
            limits.push(silence.limit());
        }
        assert_eq!(limits, [150, 300, 600, 1_200, 2_000, 2_000].map(ms));
        silence.answered(ms(1));
        assert_eq!(silence.limit(), LEAST);
    }
}

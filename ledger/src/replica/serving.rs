//! What others are given of the log and the history: bounded for each of them, so that asking costs the asker.

use std::collections::BTreeMap;

use crate::hotstuff::WallTime;
use crate::validators::ValidatorIndex;

/// How many bytes a second a validator is given of what it missed: a day's log in minutes, and far less than a link carries.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// How much it may have saved up: what one request may ask for.
pub(super) const SAVED_MAX: u64 = 8 << 20;
/// What an answer counts for at least: it reads index and log.
const ANSWER_COST_MIN: u64 = 64 << 10;

/// Allowances by validator. Time is an argument, and the set bounds the memory.
#[derive(Debug, Default)]
pub(super) struct Serving {
    spent: BTreeMap<ValidatorIndex, Spent>,
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    /// Bytes given beyond what was earned by `at`.
    bytes: u64,
    at: WallTime,
    /// Whether an answer out of the history is under way.
    is_served: bool,
}

impl Serving {
    /// Begins an answer out of the history, if none is under way to this validator and it has not had too much.
    pub(super) fn begin(&mut self, peer: ValidatorIndex, now: WallTime) -> bool {
        let spent = self.settle(peer, now);
        let may = !spent.is_served && spent.bytes < SAVED_MAX;
        spent.is_served |= may;
        may
    }

    /// That answer is on its way, and this long.
    pub(super) fn end(&mut self, peer: ValidatorIndex, bytes: u64, now: WallTime) {
        self.charge(peer, bytes.max(ANSWER_COST_MIN), now);
        self.settle(peer, now).is_served = false;
    }

    /// Whether a validator may be given something now.
    pub(super) fn may_take(&mut self, peer: ValidatorIndex, now: WallTime) -> bool {
        self.settle(peer, now).bytes < SAVED_MAX
    }

    /// Counts what it was given.
    pub(super) fn charge(&mut self, peer: ValidatorIndex, bytes: u64, now: WallTime) {
        let spent = self.settle(peer, now);
        spent.bytes = spent.bytes.saturating_add(bytes);
    }

    fn settle(&mut self, peer: ValidatorIndex, now: WallTime) -> &mut Spent {
        let spent = self.spent.entry(peer).or_insert(Spent { bytes: 0, at: now, is_served: false });
        let us = now.0.saturating_sub(spent.at.0);
        let earned = us.saturating_mul(BYTES_PER_SECOND) / 1_000_000;
        spent.bytes = spent.bytes.saturating_sub(earned);
        spent.at = now;
        spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A validator asks for 2 MiB again and again without a pause, for ten seconds: it gets its rate and what it had saved up, and another
    /// one gets as much as if there were nobody else.
    #[test]
    fn who_asks_without_end_gets_its_rate_and_no_more() {
        let (greedy, modest) = (ValidatorIndex(1), ValidatorIndex(2));
        let (mut serving, mut given) = (Serving::default(), 0);
        const PIECE: u64 = 2 << 20;
        for ms in 0..10_000 {
            let now = WallTime(ms * 1_000);
            for _ in 0..4 {
                if serving.may_take(greedy, now) {
                    serving.charge(greedy, PIECE, now);
                    given += PIECE;
                }
            }
        }
        assert!(given <= 10 * BYTES_PER_SECOND + SAVED_MAX + PIECE, "{given}");
        assert!(given >= 9 * BYTES_PER_SECOND, "{given}");
        assert!(serving.may_take(modest, WallTime(10_000_000)));
    }

    /// A validator asks for history a hundred times before the first answer has left: it gets one.
    #[test]
    fn one_answer_out_of_the_history_is_under_way_to_a_validator() {
        let (peer, now) = (ValidatorIndex(1), WallTime(5));
        let mut serving = Serving::default();
        let begun = (0..100).filter(|_| serving.begin(peer, now)).count();
        assert_eq!(begun, 1);
        assert!(serving.begin(ValidatorIndex(2), now));
        serving.end(peer, 1_000, now);
        assert!(serving.begin(peer, now));
    }
}

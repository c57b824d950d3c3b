//! From a score to the share of collateral.

use crate::state::PPM;

/// The score of an account against which nothing stands.
pub const SCORE_FULL: u16 = 1_000;

/// How much of the imbalance that a trade may cause is covered by collateral, by conduct (MARKET section 7, Collateral: `share`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareRules {
    /// At a score of [`SCORE_FULL`], in parts per million.
    pub best_ppm: u32,
    /// At a score of 0, in parts per million: at least `best_ppm`.
    pub worst_ppm: u32,
}

impl Default for ShareRules {
    /// All of it, whatever the conduct.
    fn default() -> Self {
        Self { best_ppm: PPM, worst_ppm: PPM }
    }
}

impl ShareRules {
    /// The share at a score, in parts per million: on the straight line from `worst_ppm` at 0 to `best_ppm` at [`SCORE_FULL`], rounded up.
    pub fn at(&self, score: u16) -> u32 {
        let full = u64::from(SCORE_FULL);
        let lost = full - u64::from(score.min(SCORE_FULL));
        let more = u64::from(self.worst_ppm.saturating_sub(self.best_ppm)) * lost;
        let more = u32::try_from(more.div_ceil(full)).expect("no more than the whole difference");
        self.best_ppm + more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_lies_on_the_line_between_best_and_worst_rounded_up() {
        let rules = ShareRules { best_ppm: 1_000_000, worst_ppm: 2_000_001 };
        // 1,000,001 parts lie between. Of them a score of 999 costs 1,000.001, a score of 500 half.
        for (score, share) in [(1_000, 1_000_000), (999, 1_001_001), (500, 1_500_001), (1, 1_999_001), (0, 2_000_001)] {
            assert_eq!(rules.at(score), share, "at {score}");
        }
    }

    #[test]
    fn worse_conduct_never_covers_less() {
        let rules = ShareRules { best_ppm: 333_333, worst_ppm: 10_000_000 };
        let shares: Vec<u32> = (0..=SCORE_FULL).map(|score| rules.at(score)).collect();
        assert!(shares.is_sorted_by(|worse, better| worse >= better));
        assert_eq!((shares[0], shares[1_000]), (10_000_000, 333_333));
    }

    #[test]
    fn by_default_conduct_changes_nothing() {
        let rules = ShareRules::default();
        assert!((0..=SCORE_FULL).all(|score| rules.at(score) == PPM));
    }
}

//! Seeded draws with random access: every number is named by the path of labels that leads to it.
//!
//! A draw is not a stream. `seed.at(METER).at(17).at(NOISE).at(42)` is the same number whoever asks first, so that one more
//! draw somewhere does not change the rest of the town. The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood 2014).

/// A point in the tree of draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The root of the tree of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6772_6964_626f_6f6b))
    }

    /// The branch named by `label`.
    pub(crate) fn at(self, label: u64) -> Self {
        Self(mix(self.0 ^ mix(label.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// A number in `0..end`, 0 if `end` is 0.
    pub(crate) fn below(self, end: u64) -> u64 {
        let wide = u128::from(self.0) * u128::from(end);
        u64::try_from(wide >> 64).expect("a 128-bit number shifted by 64 fits")
    }

    /// A number in `low..=high`.
    pub(crate) fn between(self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// A number in `-high..=high`.
    pub(crate) fn around_zero(self, high: i64) -> i64 {
        let width = high.unsigned_abs() * 2 + 1;
        i64::try_from(self.below(width)).expect("twice a small bound fits") - high
    }
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_fill_their_range_evenly() {
        let seed = Draw::new(1);
        let mut counts = [0_u32; 10];
        for label in 0..10_000 {
            counts[seed.at(label).below(10) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (850..1_150).contains(&count)), "{counts:?}");
    }

    #[test]
    fn bounds_are_reached_and_kept() {
        let seed = Draw::new(2);
        let drawn: Vec<i64> = (0..1_000).map(|label| seed.at(label).around_zero(3)).collect();
        assert_eq!(drawn.iter().min(), Some(&-3));
        assert_eq!(drawn.iter().max(), Some(&3));
        assert!((0..1_000).all(|label| (5..=6).contains(&seed.at(label).between(5, 6))));
    }
}

//! A stream of numbers from a seed. Whoever rolls changes what comes after, so each part of the world has dice of its own.

/// Seeded dice (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

/// Quantiles of a delay in hundredths of its usual value: about log-normal, in integers.
const DELAY_PERCENT: [u64; 16] = [55, 62, 68, 74, 80, 86, 92, 98, 105, 113, 122, 133, 147, 167, 200, 300];

impl Dice {
    pub(crate) fn new(seed: u64, label: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ label.wrapping_mul(0xd1b5_4a32_d192_ed03));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number in `0..end`, 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(end)) >> 64).expect("shifted by 64 bits it fits")
    }

    /// A place in a list of this length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a usize")
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True this many times in a thousand.
    pub(crate) fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1_000) < chance
    }

    /// A delay that is usually about `usual`, and now and then ten times that. A power of a log-normal number is one again, of a wider
    /// spread.
    pub(crate) fn delay(&mut self, usual: u64, spread: u32) -> u64 {
        let percent = DELAY_PERCENT[self.place(DELAY_PERCENT.len())];
        let rare = if self.per_mille(3) { 10 } else { 1 };
        usual * percent.pow(spread) * rare / 100_u64.pow(spread) + self.below(50)
    }
}

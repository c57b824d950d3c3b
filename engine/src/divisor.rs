//! Division by a number that stays the same, without dividing: prices are counted in ticks several times per order.

/// A number to divide by.
///
/// Instead of `n / d` it takes the high half of `n` times `2^64 / d`, rounded up, which is exact for all numbers of 32 bits
/// (Lemire, Kaser, Kurz: Faster remainder by direct computation, 2019).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Divisor {
    /// `2^64 / d` rounded up; zero for 1, which needs no division.
    inverse: u64,
}

impl Divisor {
    /// Of a number that is not zero.
    pub(crate) fn new(divisor: u32) -> Self {
        Self { inverse: (u64::MAX / u64::from(divisor)).wrapping_add(1) }
    }

    /// How often it fits.
    #[inline]
    pub(crate) fn quotient(self, number: u32) -> u32 {
        if self.inverse == 0 {
            return number;
        }
        ((u128::from(self.inverse) * u128::from(number)) >> 64) as u32
    }

    /// Whether nothing is left over.
    #[inline]
    pub(crate) fn divides(self, number: u32) -> bool {
        u64::from(number).wrapping_mul(self.inverse) <= self.inverse.wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers around each multiple are where a rounded inverse would go wrong first.
    #[test]
    fn it_divides_as_division_does_at_every_edge() {
        let mut divisors: Vec<u32> = (1..200).chain((0..32).map(|bit| 1 << bit)).collect();
        divisors.extend([9_999, 65_535, 65_537, i32::MAX as u32, u32::MAX - 1, u32::MAX]);
        for divisor in divisors {
            let fast = Divisor::new(divisor);
            let multiples = [0, 1, 2, 3, 1_000, u32::MAX / divisor / 2, u32::MAX / divisor - 1, u32::MAX / divisor];
            for multiple in multiples.into_iter().filter_map(|times| times.checked_mul(divisor)) {
                for number in [multiple.saturating_sub(1), multiple, multiple.saturating_add(1), u32::MAX] {
                    assert_eq!(fast.quotient(number), number / divisor, "{number} / {divisor}");
                    assert_eq!(fast.divides(number), number % divisor == 0, "{number} % {divisor}");
                }
            }
        }
    }
}

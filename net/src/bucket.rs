//! Token buckets: a burst at once, and a rate in the long run.

use std::time::Duration;

use tokio::time::Instant;

use crate::quota::Rate;

/// Token buckets refill in millionths of a token, so that low rates do not round to nothing.
const MILLION: u64 = 1_000_000;

/// Frames and bytes of one account.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) frames: Tokens,
    pub(crate) bytes: Tokens,
}

impl Bucket {
    /// An account that has rested.
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self {
            frames: Tokens::full(rate.frames_burst, rate.frames_per_s, now),
            bytes: Tokens::full(rate.bytes_burst, rate.bytes_per_s, now),
        }
    }

    pub(crate) fn refill(&mut self, now: Instant) {
        self.frames.refill(now);
        self.bytes.refill(now);
    }

    pub(crate) fn take(&mut self, bytes: u64) {
        self.frames.take(1);
        self.bytes.take(bytes);
    }

    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.frames.is_full() && self.bytes.is_full()
    }
}

/// A token bucket, in millionths of a token.
#[derive(Debug)]
pub(crate) struct Tokens {
    level: u64,
    level_max: u64,
    per_s: u64,
    refilled: Instant,
}

impl Tokens {
    pub(crate) fn full(burst: u64, per_s: u64, now: Instant) -> Self {
        let level = burst.saturating_mul(MILLION);
        Self { level, level_max: level, per_s, refilled: now }
    }

    /// A token per second is a millionth per microsecond. Only whole microseconds count, the rest waits.
    pub(crate) fn refill(&mut self, now: Instant) {
        let elapsed_us = u64::try_from(now.saturating_duration_since(self.refilled).as_micros()).unwrap_or(u64::MAX);
        if elapsed_us > 0 {
            self.level = self.level.saturating_add(elapsed_us.saturating_mul(self.per_s)).min(self.level_max);
            self.refilled += Duration::from_micros(elapsed_us);
        }
    }

    pub(crate) fn holds(&self, tokens: u64) -> bool {
        self.level >= tokens.saturating_mul(MILLION)
    }

    pub(crate) fn take(&mut self, tokens: u64) {
        self.level = self.level.saturating_sub(tokens.saturating_mul(MILLION));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.level == self.level_max
    }

    /// The most tokens it ever holds.
    pub(crate) fn burst(&self) -> u64 {
        self.level_max / MILLION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked more often than once a microsecond, a bucket must not forget the time between.
    #[test]
    fn asking_often_does_not_slow_the_refill() {
        let start = Instant::now();
        let mut tokens = Tokens::full(1000, 1000, start);
        tokens.take(1000);
        for step in 1..=100_000u64 {
            tokens.refill(start + Duration::from_nanos(1500 * step));
        }
        assert!(tokens.holds(150) && !tokens.holds(151));
    }

    #[test]
    fn a_limit_without_end_does_not_overflow() {
        let start = Instant::now();
        let mut tokens = Tokens::full(u64::MAX, u64::MAX, start);
        tokens.take(u64::MAX);
        tokens.refill(start + Duration::from_secs(1000));
        assert!(tokens.holds(u64::MAX));
    }
}

//! How long a benchmark runs, so that one can be tried in seconds and be run for real in minutes.

/// Lengths of the engine's benchmarks.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Operations of each stream: `GRIDBOOK_BENCH_OPERATIONS`.
    pub operations: usize,
    /// For how long each figure is measured, warm-up apart: `GRIDBOOK_BENCH_SECONDS`.
    pub seconds: f64,
    /// Books that are filled to weigh them, with ten orders each: `GRIDBOOK_BENCH_BOOKS`.
    pub books: u32,
    /// How often a stream is repeated to tell an operation's own time from the machine's: `GRIDBOOK_BENCH_PASSES`.
    pub passes: usize,
}

impl Lengths {
    /// The full lengths, or a tenth and less of them with `GRIDBOOK_BENCH_QUICK`; each by its own variable where that is set.
    pub fn from_environment() -> Self {
        let full = Self { operations: 3_000_000, seconds: 3.0, books: 1_000_000, passes: 5 };
        let quick = Self { operations: 300_000, seconds: 0.4, books: 100_000, passes: 2 };
        let base = if std::env::var_os("GRIDBOOK_BENCH_QUICK").is_some() { quick } else { full };
        Self {
            operations: variable("GRIDBOOK_BENCH_OPERATIONS").unwrap_or(base.operations),
            seconds: variable("GRIDBOOK_BENCH_SECONDS").unwrap_or(base.seconds),
            books: variable("GRIDBOOK_BENCH_BOOKS").unwrap_or(base.books),
            passes: variable("GRIDBOOK_BENCH_PASSES").unwrap_or(base.passes),
        }
    }
}

/// A number from the environment.
pub fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

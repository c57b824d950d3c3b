//! How a figure is taken: criterion says how often, the samples are kept for a table of medians.
//!
//! Criterion reports wall time. The tables take the processor time of the measuring thread where that is all there is to measure, so
//! that other work on the same machine counts less; it still takes its share of the caches. What waits for a disk is measured by the wall.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};

/// Ten samples, about as long together as given: enough for a median on a noisy machine.
pub fn criterion(seconds: f64) -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs_f64(seconds / 4.0))
        .measurement_time(Duration::from_secs_f64(seconds))
        .without_plots()
        .configure_from_args()
}

/// What a table's figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Processor time of the measuring thread.
    Processor,
    /// Wall time.
    Wall,
}

impl Clock {
    /// The time of this clock, from any beginning.
    pub fn now(self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        let wall = || START.get_or_init(Instant::now).elapsed();
        match self {
            Self::Wall => wall(),
            Self::Processor => processor_time().unwrap_or_else(wall),
        }
    }
}

/// Below this the processor time is too coarse, and a sample is taken by the wall.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(50);

/// Precise to a tick of the scheduler, some milliseconds; samples are hundreds of them.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// A state that steps are carried out on, one after the other, and made anew, untimed, when all steps are done.
#[derive(Debug)]
pub struct Cycle<S, F> {
    fresh: F,
    state: Option<S>,
    steps: usize,
    at: usize,
    clock: Clock,
    samples_ns: Vec<f64>,
}

impl<S, F: FnMut() -> S> Cycle<S, F> {
    /// `steps` steps on each state that `fresh` makes.
    pub fn new(steps: usize, fresh: F) -> Self {
        Self { fresh, state: None, steps, at: 0, clock: Clock::Processor, samples_ns: Vec::new() }
    }

    /// Measured by another clock.
    pub fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Times `count` steps and goes on where the last call ended.
    pub fn time(&mut self, count: u64, mut step: impl FnMut(&mut S, usize)) -> Duration {
        let mut left = usize::try_from(count).expect("counts are small");
        let (mut taken, mut counted) = (Duration::ZERO, Duration::ZERO);
        while left > 0 {
            if self.at == self.steps {
                self.state = None;
                self.at = 0;
            }
            let state = self.state.get_or_insert_with(&mut self.fresh);
            let until = self.steps.min(self.at + left);
            let (clock_began, began) = (self.clock.now(), Instant::now());
            (self.at..until).for_each(|place| step(state, place));
            taken += began.elapsed();
            counted += self.clock.now().saturating_sub(clock_began);
            left -= until - self.at;
            self.at = until;
        }
        let is_precise = counted >= SHORTEST_SAMPLE;
        self.samples_ns.push(nanoseconds(if is_precise { counted } else { taken }) / count as f64);
        taken
    }

    /// Has criterion measure the steps; nanoseconds per step in the median of its samples.
    pub fn bench(
        self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        step: impl FnMut(&mut S, usize),
    ) -> Option<f64> {
        self.figures(group, name, step).map(|figures| figures.median)
    }

    /// As [`Cycle::bench`], with more than the median.
    pub fn figures(
        mut self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        mut step: impl FnMut(&mut S, usize),
    ) -> Option<Figures> {
        // Made before criterion's warm-up, which would take the making for a part of the first step.
        self.state.get_or_insert_with(&mut self.fresh);
        group.sampling_mode(SamplingMode::Flat);
        group.bench_function(name, |bencher| bencher.iter_custom(|count| self.time(count, &mut step)));
        figures(self.samples_ns)
    }
}

/// Times a closure that needs no state; nanoseconds of processor time per call in the median of criterion's samples.
pub fn bench<R>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, call: impl FnMut() -> R) -> Option<f64> {
    bench_by(Clock::Processor, group, name, call)
}

/// As [`bench`], by a clock of choice.
pub fn bench_by<R>(
    clock: Clock,
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut call: impl FnMut() -> R,
) -> Option<f64> {
    let cycle = Cycle::new(usize::MAX, || ()).by(clock);
    cycle.bench(group, name, |(), _| _ = std::hint::black_box(call()))
}

/// What the samples of one figure say, in nanoseconds per step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Of ten samples.
    pub median: f64,
    /// The least disturbed sample.
    pub min: f64,
}

/// Of criterion's samples. Its warm-up is among them and is left out: all but the last ten.
fn figures(mut samples: Vec<f64>) -> Option<Figures> {
    let mut last = samples.split_off(samples.len().saturating_sub(10));
    last.sort_by(f64::total_cmp);
    Some(Figures { median: *last.get(last.len() / 2)?, min: *last.first()? })
}

fn nanoseconds(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1e9
}

/// How often per second, from nanoseconds for `count` of them.
pub fn per_second(ns: f64, count: u64) -> f64 {
    count as f64 * 1e9 / ns
}

/// Digits in groups of three.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

//! Many small runs, each named by a number, over all processors: with progress, until they are done or somebody presses Ctrl-C.

use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::time::{Duration, Instant};

use gridbook_ledger::crypto::SignatureMemo;

/// How often progress is shown: on a terminal, and in a file.
const PROGRESS_EVERY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));

/// Whether somebody pressed Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How far the work came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// To its end.
    Through,
    /// Until Ctrl-C.
    Interrupted,
}

/// What is to be run, and how it is called.
pub(super) struct Crew<'a> {
    /// What a number names, for the progress line.
    pub(super) what: &'a str,
    /// How many there are.
    pub(super) total: u64,
    /// How many threads.
    pub(super) jobs: NonZeroUsize,
    /// So many numbers are taken at a time.
    pub(super) handful: usize,
    /// What else there is to say in the progress line.
    pub(super) remark: &'a dyn Fn() -> String,
}

impl Crew<'_> {
    /// Runs `work` on every number and gives what comes of it to `take`, in any order. Signatures are remembered by each thread.
    pub(super) fn run<T: Send>(
        &self,
        numbers: impl Iterator<Item = u64> + Send,
        work: impl Fn(u64) -> T + Sync,
        mut take: impl FnMut(u64, T),
    ) -> Came {
        watch_for_interrupt();
        let numbers = Mutex::new(numbers);
        let (sender, receiver) = mpsc::sync_channel::<Vec<(u64, T)>>(4 * self.jobs.get());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.get() {
                let (sender, numbers, work, handful) = (sender.clone(), &numbers, &work, self.handful);
                scope.spawn(move || {
                    let _memo = SignatureMemo::on_this_thread();
                    while !INTERRUPTED.load(Ordering::Relaxed) {
                        let handful = take_some(numbers, handful);
                        let done: Vec<(u64, T)> = handful.into_iter().map(|number| (number, work(number))).collect();
                        if done.is_empty() || sender.send(done).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut progress = Progress::new(self);
            for done in receiver {
                progress.advance(done.len() as u64);
                done.into_iter().for_each(|(number, result)| take(number, result));
            }
            progress.end();
        });
        if INTERRUPTED.load(Ordering::Relaxed) { Came::Interrupted } else { Came::Through }
    }
}

/// All processors of this machine.
pub(super) fn all_processors() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn take_some(numbers: &Mutex<impl Iterator<Item = u64>>, handful: usize) -> Vec<u64> {
    numbers.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(handful).collect()
}

/// The first Ctrl-C ends the work, with a summary so far; the second ends the process.
fn watch_for_interrupt() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        std::thread::spawn(|| {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    if INTERRUPTED.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                }
            });
        });
    });
}

/// A line on standard error: how many are done, how fast, how long yet.
struct Progress<'a> {
    crew: &'a Crew<'a>,
    done: u64,
    started: Instant,
    shown: Instant,
    terminal: bool,
}

impl<'a> Progress<'a> {
    fn new(crew: &'a Crew<'a>) -> Self {
        let now = Instant::now();
        Self { crew, done: 0, started: now, shown: now, terminal: std::io::stderr().is_terminal() }
    }

    fn advance(&mut self, count: u64) {
        self.done += count;
        let every = if self.terminal { PROGRESS_EVERY.0 } else { PROGRESS_EVERY.1 };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let line = self.line();
        if self.terminal {
            progress!("\r\x1b[K{line}");
            let _ = std::io::stderr().flush();
        } else {
            note!("{line}");
        }
    }

    fn line(&self) -> String {
        let (done, Crew { what, total, remark, .. }) = (self.done, self.crew);
        let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let left_s = elapsed_ms.saturating_mul(total.saturating_sub(done)) / done.max(1) / 1_000;
        let tenths = done.saturating_mul(10_000) / elapsed_ms;
        let (rate, tenth, minutes, seconds) = (tenths / 10, tenths % 10, left_s / 60, left_s % 60);
        format!("{done} of {total} {what}, {rate}.{tenth}/s{}, {minutes}:{seconds:02} left", remark())
    }

    fn end(&self) {
        if self.terminal {
            progress!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_run_once() {
        let crew = Crew {
            what: "numbers",
            total: 1_000,
            jobs: NonZeroUsize::new(3).unwrap(),
            handful: 7,
            remark: &String::new,
        };
        let mut squares = vec![None; 1_000];
        let came = crew.run(
            0..1_000,
            |number| number * number,
            |number, square| assert_eq!(squares[usize::try_from(number).unwrap()].replace(square), None),
        );
        assert_eq!(came, Came::Through);
        assert!((0..).zip(&squares).all(|(number, square): (u64, _)| *square == Some(number * number)));
    }
}

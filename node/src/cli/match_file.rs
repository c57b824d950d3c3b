//! `gridbook match`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use gridbook_engine::Engine;

use super::Global;
use crate::order_file::{self, Format, RunError, Settings, Summary};
use crate::whole_file::write_whole;

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// The smallest file for which progress is shown.
const PROGRESS_BYTES_MIN: u64 = 32 << 20;

/// Which file, and how it is run.
#[derive(Args, Debug)]
#[command(after_help = "\
An order file has one JSON command a line: energies in Wh, prices in micro-currency per kWh, times in ledger milliseconds.

  {\"network\": {\"areas\": [\"root\", \"A\"], \"edges\": [{\"child\": \"A\", \"parent\": \"root\", \"up\": 1000, \"down\": 1000, \"fee\": 20}]}}
  {\"place\": {\"id\": 1, \"account\": \"alice\", \"area\": \"A\", \"period\": 0, \"side\": \"buy\", \"price\": 250, \"energy\": 1000}}
  {\"place\": {\"id\": 2, \"account\": \"bob\", \"area\": \"root\", \"period\": 0, \"side\": \"sell\", \"price\": 200, \"energy\": 400}}

Commands: network, rules (both before all others), time, open, gate, close, place, cancel, cancel_all, reduce, replace, basket, block,
capacity, auction, pay_as_bid, prearranged. Without rules no gate acts by time; without a network areas are islands.

  gridbook match --input orders.jsonl                  answers as text, a summary on standard error
  gridbook match --input orders.jsonl.gz --json --output answers.jsonl
  zcat day.gz | gridbook match --input - --strict

The last answer is a digest over all answers and the final books. The same file gives the same answers, byte for byte, whatever
--shards and --batch are.")]
pub(crate) struct MatchArgs {
    /// The order file, also gzipped; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Write the answers there instead of to standard output; the file appears when it is whole.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stop at the first line that cannot be read, with exit code 1.
    #[arg(long)]
    strict: bool,
    /// Spread the delivery periods over this many engines, each with a thread.
    #[arg(long, default_value = "1", value_parser = count_up_to::<64>)]
    shards: NonZeroUsize,
    /// Read this many lines ahead.
    #[arg(long, default_value = "4096", value_parser = count_up_to::<1_000_000>)]
    batch: NonZeroUsize,
}

fn count_up_to<const MOST: usize>(text: &str) -> Result<NonZeroUsize, String> {
    let count: Option<NonZeroUsize> = text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= MOST);
    count.ok_or_else(|| format!("a whole number from 1 to {MOST}"))
}

impl MatchArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let format = if global.json { Format::Json } else { Format::Text };
        let settings = Settings { strict: self.strict, format, shards: self.shards, batch: self.batch };
        let (input, bytes) = open(&self.input)?;
        let started = Instant::now();
        let summary = match &self.output {
            None => run(input, bytes, io::stdout().lock(), &settings),
            Some(path) => {
                let cannot = |error| anyhow::Error::new(error).context(format!("cannot write {}", path.display()));
                write_whole(path, cannot, |file| run(input, bytes, file, &settings))
            }
        };
        match summary {
            Ok(summary) => {
                report(&summary, started.elapsed());
                Ok(())
            }
            // Whoever reads us has read enough.
            Err(error) if is_broken_pipe(&error) => Ok(()),
            Err(error) => Err(error.context(format!("{}", self.input.display()))),
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<RunError>();
    matches!(error, Some(RunError::Write(source)) if source.kind() == io::ErrorKind::BrokenPipe)
}

/// The input, and its length if it has one.
fn open(path: &Path) -> anyhow::Result<(Box<dyn Read>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("cannot open {}", path.display()))?;
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}

fn run(input: Box<dyn Read>, bytes: Option<u64>, output: impl Write, settings: &Settings) -> anyhow::Result<Summary> {
    let shown = bytes.filter(|&bytes| bytes >= PROGRESS_BYTES_MIN && io::stderr().is_terminal());
    let Some(bytes) = shown else {
        return Ok(order_file::run::<Engine>(input, output, settings, &mut |_| {})?);
    };
    let read = std::cell::Cell::new(0);
    let mut last = Instant::now();
    let mut show = |lines: u64| {
        if last.elapsed() >= PROGRESS_EVERY {
            last = Instant::now();
            progress!("\r{:3} %, {lines} lines", u128::from(read.get()) * 100 / u128::from(bytes));
        }
    };
    let summary = order_file::run::<Engine>(Counted { input, read: &read }, output, settings, &mut show);
    progress!("\r\x1b[K");
    Ok(summary?)
}

/// A reader that counts its bytes.
struct Counted<'a> {
    input: Box<dyn Read>,
    read: &'a std::cell::Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.read(buffer)?;
        self.read.set(self.read.get() + bytes as u64);
        Ok(bytes)
    }
}

fn report(summary: &Summary, took: Duration) {
    let tally = &summary.tally;
    let rejected: u64 = tally.rejected.values().sum();
    let seconds = took.as_secs_f64();
    note!("{} commands in {seconds:.3} s, {:.0} commands/s", tally.commands, tally.commands as f64 / seconds.max(1e-9));
    note!("{} accepted, {rejected} rejected, {} trades of {} Wh", tally.accepted, tally.trades, tally.energy_wh);
    for (code, count) in &tally.rejected {
        note!("  {count} x {code}");
    }
}

//! `gridbook sim`.

use std::ops::Range;
use std::str::FromStr;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use gridbook_sim::cluster::{ClusterConfig, Faults, Report, run};

use super::Global;
use super::chaos::ChaosArgs;
use super::twins::TwinsArgs;

/// Simulate whole clusters on virtual time, with faults drawn from a seed.
#[derive(Debug, Subcommand)]
pub(crate) enum Sim {
    /// Run seeds one after the other until one of them breaks a rule.
    Run(RunArgs),
    /// Run four real validators under load and kill, stop, cut off and starve them.
    Chaos(ChaosArgs),
    /// Run some validators twice under one key, in every partition and under every leader.
    Twins(TwinsArgs),
}

/// Which seeds, and what goes wrong in them.
#[derive(Args, Debug)]
#[command(after_help = "\
The validators are the production code; network, disks, clocks and clients are simulated. The same seed gives the same trace, byte for
byte, which its hash shows. Exit code 1 at the first rule that is broken, with the command that shows it again.

  gridbook sim run --seed 17
  gridbook sim run --seeds 0..2000 --faults crash
  gridbook sim run --seed 17 --trace 2> story.txt")]
pub(crate) struct RunArgs {
    /// One seed.
    #[arg(long, default_value_t = 1, conflicts_with = "seeds")]
    seed: u64,
    /// Many seeds: the first, and the one after the last.
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
    /// How many validators: 3f + 1, from 4 to 49.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// What goes wrong.
    #[arg(long, value_enum, default_value_t = FaultKinds::All)]
    faults: FaultKinds,
    /// How many meters trade; drawn by the seed if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    meters: Option<u32>,
    /// How many virtual seconds they trade.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=86_400))]
    seconds: u64,
    /// Write every line of the trace to standard error.
    #[arg(long)]
    trace: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FaultKinds {
    /// Nothing goes wrong.
    None,
    /// Kills, restarts, stalled disks.
    Crash,
    /// Loss, copies, partitions, wrong clocks.
    Network,
    /// Up to f validators lie.
    Byzantine,
    /// All of it.
    All,
}

impl FaultKinds {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Crash => "crash",
            Self::Network => "network",
            Self::Byzantine => "byzantine",
            Self::All => "all",
        }
    }
}

impl From<FaultKinds> for Faults {
    fn from(kinds: FaultKinds) -> Self {
        match kinds {
            FaultKinds::None => Self::None,
            FaultKinds::Crash => Self::Crash,
            FaultKinds::Network => Self::Network,
            FaultKinds::Byzantine => Self::Byzantine,
            FaultKinds::All => Self::All,
        }
    }
}

/// Seeds from the first up to, and without, the last.
#[derive(Clone, Debug)]
struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once("..").and_then(|(first, end)| Some((first.parse().ok()?, end.parse().ok()?)));
        match numbers {
            Some((first, end)) if first < end => Ok(Self(first..end)),
            _ => Err("seeds are given as A..B, with A below B"),
        }
    }
}

/// What all seeds together did.
#[derive(Debug, Default)]
struct Summary {
    seeds: u64,
    virtual_ms: u64,
    commands: u64,
    trades: u64,
    crashes: u64,
    heights: u64,
}

impl Sim {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Run(args) => args.run(global),
            Self::Chaos(args) => args.run(global),
            Self::Twins(args) => args.run(global),
        }
    }
}

impl RunArgs {
    fn run(self, global: &Global) -> anyhow::Result<()> {
        let seeds = self.seeds.as_ref().map_or(self.seed..self.seed.saturating_add(1), |seeds| seeds.0.clone());
        let mut summary = Summary::default();
        for seed in seeds {
            let _telltale = Telltale(self.again(seed));
            match run(self.config(seed)) {
                Ok(report) => {
                    summary.add(&report);
                    global.print(&report_json(&report), || report_text(&report))?;
                }
                Err(error) => bail!("{error}\nshow it again with: {}", self.again(seed)),
            }
        }
        global.print(&summary.json(), || summary.text())
    }

    fn config(&self, seed: u64) -> ClusterConfig {
        ClusterConfig {
            seed,
            validators: self.validators,
            faults: self.faults.into(),
            meters: self.meters,
            virtual_seconds: self.seconds,
            loud: self.trace,
            ..ClusterConfig::new(seed)
        }
    }

    /// The command that shows a seed again.
    fn again(&self, seed: u64) -> String {
        let Self { validators, faults, meters, seconds, .. } = self;
        let faults = faults.name();
        let meters = meters.map_or_else(String::new, |meters| format!(" --meters {meters}"));
        format!(
            "gridbook sim run --seed {seed} --validators {validators} --faults {faults}{meters} --seconds {seconds} \
             --trace"
        )
    }
}

/// Says which seed it was if the process ends in a panic: a release build does not come back from one.
struct Telltale(String);

impl Drop for Telltale {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("show it again with: {}", self.0);
        }
    }
}

fn report_json(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "seed": report.seed,
        "trace": report.trace_hash.to_hex(),
        "height": report.height,
        "commands": report.commands,
        "trades": report.trades,
        "bundles": report.bundles,
        "crashes": report.crashes,
        "views": report.views,
        "evidence": report.evidence,
        "messages": report.messages,
        "virtual_ms": report.virtual_ms,
    })
}

fn report_text(report: &Report) -> String {
    let Report { seed, trace_hash, height, commands, trades, crashes, views, evidence, virtual_ms, .. } = report;
    let trace = &trace_hash.to_hex()[..16];
    format!(
        "seed {seed}: trace {trace}, height {height}, {commands} commands, {trades} trades, {crashes} kills, view {views}, \
         {evidence} proofs of guilt, {virtual_ms} ms"
    )
}

impl Summary {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.virtual_ms += report.virtual_ms;
        self.commands += report.commands;
        self.trades += report.trades;
        self.crashes += report.crashes;
        self.heights += report.height;
    }

    fn json(&self) -> serde_json::Value {
        let Self { seeds, virtual_ms, commands, trades, crashes, heights } = self;
        serde_json::json!({
            "seeds": seeds,
            "virtual_ms": virtual_ms,
            "heights": heights,
            "commands": commands,
            "trades": trades,
            "crashes": crashes,
        })
    }

    fn text(&self) -> String {
        let Self { seeds, virtual_ms, commands, trades, crashes, heights } = self;
        format!(
            "{seeds} seeds, all good: {} virtual seconds, {heights} headers, {commands} commands, {trades} trades, \
             {crashes} kills",
            virtual_ms / 1_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!("3..7".parse::<Seeds>().map(|seeds| seeds.0), Ok(3..7));
        for text in ["", "3", "7..3", "3..3", "a..b", "3..=7"] {
            assert!(text.parse::<Seeds>().is_err(), "{text:?}");
        }
    }
}

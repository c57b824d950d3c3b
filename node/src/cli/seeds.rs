//! `gridbook sim run`.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::bail;
use clap::{Args, ValueEnum};
#[cfg(feature = "defects")]
use gridbook_ledger::defects::{Armed, Defect};
use gridbook_sim::cluster::{Attack, ClusterConfig, ClusterError, Faults, Kind, Kinds, Report, minimise, run};

use super::crew::{Came, Crew, all_processors};
use super::{Global, check_size};

/// Run whole clusters of validators on virtual time, each with the trouble that its seed draws.
#[derive(Args, Debug)]
#[command(after_help = "\
The validators are the production code with its own storage; network, disks, clocks and clients are simulated. Each seed draws which kinds
of trouble it has and how much of each: some have none, some a single one, some most of them. While it runs, no two validators may make
different things final; nothing final, certified or told to a client may be lost or doubled; prices, priority, money and energy are checked
against a plain market; nobody honest may halt, contradict itself or be accused; and when the trouble is over, all must become final soon.

The same seed of one version gives the same trace, byte for byte, which its hash shows. Exit code 1 if a rule is broken: with the last
events before, what the seed drew, and the command that shows it again.

  gridbook sim run --seed 17
  gridbook sim run --seeds 0..2000 --validators 7
  gridbook sim run --seeds 0..500 --faults byzantine --attack equivocate
  gridbook sim run --seed 17 --trace 2> story.txt       every line of the story
  gridbook sim run --seed 17 --minimise                 leaves out what a failure does not need

Kinds of trouble for --without and --with: loss, copies, reorder, spread, skew, jump, split, one-way, bridge, silence, storm, kill, leader-kill,
power-cut, blackout, stall, full, pause, slow, lies, wipe.
Attacks: equivocate, double-vote, withhold, stale-certificate, lie-about-high-qc, amnesia, replay, other-epoch, wrong-digest, flood,
selective-send, alternating-chunks, bad-chunks, forged-answers, torn-timeouts, withhold-votes, lag.")]
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
    /// What may go wrong.
    #[arg(long, value_enum, default_value_t = FaultKinds::All)]
    faults: FaultKinds,
    /// Kinds of trouble that are left out, even if the seed draws them.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind_named)]
    without: Vec<Kind>,
    /// Kinds of trouble that every seed has, even if it does not draw them.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind_named)]
    with: Vec<Kind>,
    /// Whether operators change the validators; drawn by the seed if not given.
    #[arg(long, value_name = "true|false")]
    epochs: Option<bool>,
    /// Whether every trade is derived again by the plain reference, which takes time; drawn by the seed if not given.
    #[arg(long, value_name = "true|false")]
    refereed: Option<bool>,
    /// Whether meters are read, and settled by what they delivered; drawn by the seed if not given.
    #[arg(long, value_name = "true|false")]
    metered: Option<bool>,
    /// How those lie who lie; drawn by the seed if not given.
    #[arg(long, value_parser = attack_named)]
    attack: Option<Attack>,
    /// How many meters trade; drawn by the seed if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    meters: Option<u32>,
    /// How many virtual seconds they trade.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=86_400))]
    seconds: u64,
    /// How many threads [default: one for each processor].
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Go on after a seed that breaks a rule.
    #[arg(long)]
    keep_going: bool,
    /// If the seed breaks a rule, find the kinds of trouble that it takes.
    #[arg(long, conflicts_with = "seeds")]
    minimise: bool,
    /// Write every line of the trace to standard error.
    #[arg(long)]
    trace: bool,
    /// Leave out a clause, as `gridbook sim defects` does; may be given several times.
    #[cfg(feature = "defects")]
    #[arg(long, value_name = "NAME", value_parser = defect_named)]
    defect: Vec<Defect>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FaultKinds {
    /// Nothing goes wrong.
    None,
    /// Kills, power cuts, pauses, slow, stalled and full disks.
    Crash,
    /// Loss, copies, partitions, wrong clocks.
    Network,
    /// Up to f validators lie.
    Byzantine,
    /// All of it.
    All,
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

fn kind_named(name: &str) -> Result<Kind, String> {
    Kind::named(name).ok_or_else(|| format!("there is no trouble called {name}; see --help for those there are"))
}

fn attack_named(name: &str) -> Result<Attack, String> {
    Attack::named(name).ok_or_else(|| format!("there is no attack called {name}; see --help for those there are"))
}

#[cfg(feature = "defects")]
fn defect_named(name: &str) -> Result<Defect, String> {
    let named = Defect::ALL.iter().copied().find(|defect| defect.name() == name);
    named.ok_or_else(|| format!("there is no defect called {name}; gridbook sim defects lists those there are"))
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
    broken: Vec<u64>,
    virtual_ms: u64,
    heights: u64,
    commands: u64,
    trades: u64,
    troubles: u64,
    crashes: u64,
}

impl RunArgs {
    pub(super) fn run(self, global: &Global) -> anyhow::Result<()> {
        check_size(self.validators)?;
        tell_whose_panic();
        let seeds = self.seeds.as_ref().map_or(self.seed..self.seed.saturating_add(1), |seeds| seeds.0.clone());
        let (stop, virtual_ms, started) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
        let jobs = self.jobs.unwrap_or_else(all_processors);
        let remark = || format!(", {} times real time", times_real(virtual_ms.load(Ordering::Relaxed), started));
        let crew = Crew { what: "seeds", total: seeds.end - seeds.start, jobs, handful: 1, remark: &remark };
        let numbers = seeds.clone().take_while(|_| !stop.load(Ordering::Relaxed));
        let (mut summary, mut printed) = (Summary::default(), Ok(()));
        let came = crew.run(
            numbers,
            |seed| self.one(seed),
            |seed, result| {
                let told = match &result {
                    Ok(report) => {
                        virtual_ms.fetch_add(report.virtual_ms, Ordering::Relaxed);
                        global.print(&report_json(report), || report_text(report, self.seeds.is_none()))
                    }
                    Err(error) => {
                        stop.fetch_or(!self.keep_going, Ordering::Relaxed);
                        global.print(&error_json(error, &self.again(seed)), || error_text(error, &self.again(seed)))
                    }
                };
                summary.add(seed, &result);
                printed = std::mem::replace(&mut printed, Ok(())).and(told);
            },
        );
        printed?;
        summary.broken.sort_unstable();
        let times = times_real(summary.virtual_ms, started);
        global.print(&summary.json(came, times), || summary.text(times))?;
        if self.minimise && !summary.broken.is_empty() {
            self.minimise(global)?;
        }
        summary.verdict(came, seeds)
    }

    fn one(&self, seed: u64) -> Result<Report, ClusterError> {
        RUNNING.set(Some(self.again(seed)));
        #[cfg(feature = "defects")]
        let _armed = Armed::with(&self.defect);
        let result = run(self.config(seed, self.without()));
        RUNNING.set(None);
        result
    }

    fn without(&self) -> Kinds {
        Kinds::of(&self.without)
    }

    fn config(&self, seed: u64, without: Kinds) -> ClusterConfig {
        ClusterConfig {
            seed,
            validators: self.validators,
            faults: self.faults.into(),
            without,
            with: Kinds::of(&self.with),
            operators: self.epochs,
            refereed: self.refereed,
            metered: self.metered,
            attack: self.attack,
            meters: self.meters,
            virtual_seconds: self.seconds,
            loud: self.trace,
        }
    }

    fn minimise(&self, global: &Global) -> anyhow::Result<()> {
        #[cfg(feature = "defects")]
        let _armed = Armed::with(&self.defect);
        let config = ClusterConfig { loud: false, ..self.config(self.seed, self.without()) };
        let Some((without, error)) = minimise(config, |kind| note!("without {}?", kind.name())) else {
            bail!("the seed broke a rule and does not do so again");
        };
        let again = self.command(self.seed, without);
        global.print(&error_json(&error, &again), || format!("it takes no more than this: {}\n{again}", error.mix))
    }

    /// The command that shows a seed again.
    fn again(&self, seed: u64) -> String {
        self.command(seed, self.without())
    }

    fn command(&self, seed: u64, without: Kinds) -> String {
        let Self { validators, faults, meters, attack, seconds, epochs, refereed, metered, .. } = self;
        let mut command = format!(
            "gridbook sim run --seed {seed} --validators {validators} --faults {}",
            Faults::from(*faults).name()
        );
        if without != Kinds::default() {
            command += &format!(" --without {without}");
        }
        if !self.with.is_empty() {
            command += &format!(" --with {}", Kinds::of(&self.with));
        }
        for (name, answer) in [("epochs", epochs), ("refereed", refereed), ("metered", metered)] {
            if let Some(answer) = answer {
                command += &format!(" --{name} {answer}");
            }
        }
        if let Some(attack) = attack {
            command += &format!(" --attack {}", attack.name());
        }
        if let Some(meters) = meters {
            command += &format!(" --meters {meters}");
        }
        #[cfg(feature = "defects")]
        for defect in &self.defect {
            command += &format!(" --defect {}", defect.name());
        }
        format!("{command} --seconds {seconds} --trace")
    }
}

thread_local! {
    /// The command that shows the seed of this thread again.
    static RUNNING: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Says which seed it was if the process ends in a panic: a release build does not come back from one.
fn tell_whose_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        RUNNING.with_borrow(|again| again.iter().for_each(|again| note!("show it again with: {again}")));
    }));
}

fn times_real(virtual_ms: u64, started: Instant) -> u64 {
    let real_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    virtual_ms / real_ms
}

fn report_json(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "seed": report.seed,
        "mix": report.mix,
        "trace": report.trace_hash.to_hex(),
        "height": report.height,
        "commands": report.commands,
        "trades": report.trades,
        "readings": report.readings,
        "settled": report.settled,
        "settled_again": report.settled_again,
        "frozen": report.frozen,
        "periods_final": report.periods_final,
        "bundles": report.bundles,
        "troubles": report.troubles,
        "crashes": report.crashes,
        "disks_lost": report.disks_lost,
        "joins": report.joins,
        "full_disks": report.full_disks,
        "restarts_compared": report.restarts_compared,
        "views": report.views,
        "epochs": report.epochs,
        "trades_refereed": report.trades_refereed,
        "promises_kept": report.promises_kept,
        "evidence": report.evidence,
        "convictions": report.convictions,
        "messages": report.messages,
        "virtual_ms": report.virtual_ms,
        "settled_ms": report.settled_ms,
    })
}

fn report_text(report: &Report, with_mix: bool) -> String {
    let Report { seed, trace_hash, height, commands, trades, crashes, views, evidence, virtual_ms, .. } = report;
    let trace = &trace_hash.to_hex()[..16];
    let mix = if with_mix { format!("\nit drew: {}", report.mix) } else { String::new() };
    format!(
        "seed {seed}: trace {trace}, height {height}, {commands} commands, {trades} trades, {crashes} kills, view {views}, \
         {evidence} proofs of guilt, {virtual_ms} ms{mix}"
    )
}

fn error_json(error: &ClusterError, again: &str) -> serde_json::Value {
    let ClusterError { seed, mix, step, virtual_ms, violation, tail } = error;
    serde_json::json!({
        "seed": seed,
        "mix": mix,
        "broken": violation,
        "step": step,
        "virtual_ms": virtual_ms,
        "tail": tail,
        "again": again,
    })
}

fn error_text(error: &ClusterError, again: &str) -> String {
    format!("{error}\nit drew: {}\nshow it again with: {again}", error.mix)
}

impl Summary {
    fn add(&mut self, seed: u64, result: &Result<Report, ClusterError>) {
        self.seeds += 1;
        match result {
            Ok(report) => {
                self.virtual_ms += report.virtual_ms;
                self.heights += report.height;
                self.commands += report.commands;
                self.trades += report.trades;
                self.troubles += report.troubles;
                self.crashes += report.crashes;
            }
            Err(_) => self.broken.push(seed),
        }
    }

    fn json(&self, came: Came, times: u64) -> serde_json::Value {
        let Self { seeds, broken, virtual_ms, heights, commands, trades, troubles, crashes } = self;
        serde_json::json!({
            "seeds": seeds,
            "broken": broken,
            "interrupted": came == Came::Interrupted,
            "virtual_ms": virtual_ms,
            "times_real_time": times,
            "heights": heights,
            "commands": commands,
            "trades": trades,
            "troubles": troubles,
            "crashes": crashes,
        })
    }

    fn text(&self, times: u64) -> String {
        let Self { seeds, broken, virtual_ms, heights, commands, trades, troubles, crashes } = self;
        let end = match broken.len() {
            0 => "all good".to_owned(),
            count => format!("{count} BROKEN ({broken:?})"),
        };
        format!(
            "{seeds} seeds, {end}: {} virtual seconds at {times} times real time, {heights} headers, {commands} commands, \
             {trades} trades, {troubles} troubles, {crashes} kills",
            virtual_ms / 1_000
        )
    }

    fn verdict(&self, came: Came, seeds: Range<u64>) -> anyhow::Result<()> {
        if !self.broken.is_empty() {
            bail!("{} of {} seeds broke a rule", self.broken.len(), self.seeds);
        }
        if came == Came::Interrupted && self.seeds < seeds.end - seeds.start {
            bail!("interrupted after {} of {} seeds, all of them good", self.seeds, seeds.end - seeds.start);
        }
        Ok(())
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

    /// A name that the help leaves out or spells otherwise would never be found.
    #[test]
    fn the_help_names_all_kinds_of_trouble_and_all_attacks() {
        let help = <RunArgs as clap::Args>::augment_args(clap::Command::new("run"));
        let help = help.get_after_help().expect("there is one").to_string();
        let words: Vec<&str> = help.split([' ', '\n', ',', '.', ':']).collect();
        let names = Kind::ALL.iter().map(|kind| kind.name()).chain(Attack::ALL.iter().map(|attack| attack.name()));
        names.for_each(|name| assert!(words.contains(&name), "{name}"));
    }
}

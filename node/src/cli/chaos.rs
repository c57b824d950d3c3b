//! `gridbook sim chaos` and `gridbook sim powercut`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use super::Global;
use crate::chaos::{ChaosOptions, Trouble, enter_own_namespace, run, why_not_here};

/// Run four real validators under load and kill, stop, cut off and starve them.
#[derive(Args, Debug)]
#[command(after_help = "\
Starts four validators as processes of this same binary, over QUIC on loopback, with meters that send signed bundles without a pause, and
deals troubles from a deck that the seed shuffles. Every answer that a client gets is remembered. In the end all are healed and stopped,
every data directory is executed again from genesis, and checked: the final logs are equal; every bundle that was told to be final stands in
them at its place, with the records that were told, once; a receipt of each verifies offline; what was refused is not there; money sums
to zero; and no validator has taken back anything it promised. Exit code 1 if any of that does not hold; the files are kept then.

  gridbook sim chaos --kills 100
  gridbook sim chaos --seconds 600 --seed 7 --report chaos.json
  gridbook sim chaos --trouble kill-leader --calm --rest-ms 3000 --kills 30      how long until the next final header
  gridbook sim chaos --one-dead 3 --meters 400 --rate 100000 --commands 64

A full disk needs a tmpfs in a namespace (`unshare` of util-linux); where that is not to be had the trouble is left out, and the report says so.")]
pub(crate) struct ChaosArgs {
    /// What the plan, the meters and their orders are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End after so many SIGKILLs.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    kills: Option<u64>,
    /// End after so many seconds [default: 60; with --kills, no bound].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: Option<u64>,
    /// How many meters trade.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    meters: u32,
    /// How many bundles they send per second, together, as long as answers keep up.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How many commands a bundle has.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    commands: u16,
    /// Only this trouble; may be given several times.
    #[arg(long, value_enum, value_name = "KIND")]
    trouble: Vec<Trouble>,
    /// Put all data on a disk whose power can be cut, and cut it too; see `gridbook sim powercut`.
    #[arg(long)]
    power: bool,
    /// Instead of trouble: so many rounds of windows with all validators and windows with one dead, to compare how fast they are.
    #[arg(long, value_name = "ROUNDS", conflicts_with_all = ["kills", "trouble"])]
    one_dead: Option<u32>,
    /// How many seconds one window of --one-dead takes.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    window_s: u64,
    /// After each trouble, wait until all validators are ready again.
    #[arg(long)]
    calm: bool,
    /// Good time before each trouble, in milliseconds, besides the plan's 50 to 700.
    #[arg(long, default_value_t = 0)]
    rest_ms: u64,
    /// Do not tell the story on standard error while it happens.
    #[arg(long)]
    quiet: bool,
    /// Write the result to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Make the network in this directory and keep it.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Cut the power of four real validators again and again.
#[derive(Args, Debug)]
#[command(after_help = "\
The data of all four validators lies on an ext4 file system in a loop-mounted image. The image is a disk with a write cache, served by this
process: when the power goes, nothing more is taken in, and of what was written since the last flush some sectors are lost and some are
kept, by the seed, in any order; unsynced data and names alike. The validators are killed, the file system recovers its journal, the
validators start again, and the meters go on. Some cuts come while they are still starting. What is checked in the end is what
`gridbook sim chaos` checks; above all, that no safety record that was ever kept is missing after a cut.

  gridbook sim powercut --cuts 20
  gridbook sim powercut --cuts 100 --seed 7 --report cuts.json

Needs root, /dev/fuse, a loop device and mkfs.ext4. Where one of them is missing it says so, does nothing, and ends with exit code 0, with
\"skipped\" in the JSON.")]
pub(crate) struct PowercutArgs {
    /// How often the power goes.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    cuts: u64,
    /// What the moments, the lost sectors, the meters and their orders are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many meters trade.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    meters: u32,
    /// How many bundles they send per second, together, as long as answers keep up.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Have the validators not sync their logs, to see that what is lost then is found: this must end with exit code 1.
    #[arg(long)]
    no_sync: bool,
    /// Do not tell the story on standard error while it happens.
    #[arg(long)]
    quiet: bool,
    /// Write the result to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Make the network in this directory and keep it.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// How long a run takes if nobody says.
const SECONDS: u64 = 60;
/// Commands in a bundle.
const COMMANDS: usize = 4;

impl ChaosArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let unbounded = if self.kills.is_some() { u64::MAX } else { SECONDS };
        let options = ChaosOptions {
            seed: self.seed,
            kills: self.kills,
            cuts: None,
            seconds: self.seconds.unwrap_or(unbounded),
            meters: self.meters,
            rate: self.rate,
            commands: usize::from(self.commands),
            one_dead: self.one_dead.map(|rounds| (rounds, self.window_s)),
            only: self.trouble,
            power: self.power,
            sync: true,
            calm: self.calm,
            rest_ms: self.rest_ms,
            loud: !self.quiet,
            keep: self.keep,
        };
        carry_out(&options, self.report.as_deref(), global)
    }
}

impl PowercutArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let options = ChaosOptions {
            seed: self.seed,
            kills: None,
            cuts: Some(self.cuts),
            seconds: u64::MAX,
            meters: self.meters,
            rate: self.rate,
            commands: COMMANDS,
            one_dead: None,
            only: vec![Trouble::PowerCut, Trouble::DiskErrors],
            power: true,
            sync: !self.no_sync,
            calm: false,
            rest_ms: 0,
            loud: !self.quiet,
            keep: self.keep,
        };
        carry_out(&options, self.report.as_deref(), global)
    }
}

fn carry_out(options: &ChaosOptions, report: Option<&Path>, global: &Global) -> anyhow::Result<()> {
    if options.power {
        if let Some(why) = why_not_here() {
            return global.print(&serde_json::json!({ "skipped": why }), || format!("skipped: {why}"));
        }
        enter_own_namespace()?;
    }
    super::asynchronous(async {
        let end = run(options).await?;
        let json = end.report.to_json();
        if let Some(file) = report {
            let text = serde_json::to_string_pretty(&json)? + "\n";
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        global.print(&json, || end.report.to_text())?;
        if let Some(dir) = &end.kept {
            note!("the network was kept in {}", dir.display());
        }
        if end.report.is_good() { Ok(()) } else { bail!("the ledger did not come through as it must: see the summary") }
    })
}

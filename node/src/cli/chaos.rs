//! `gridbook sim chaos`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::Global;
use crate::chaos::{ChaosOptions, Trouble, run};

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
  gridbook sim chaos --trouble kill-leader --calm --kills 30      how long until the next final header

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
    /// After each trouble, wait until all validators are ready again.
    #[arg(long)]
    calm: bool,
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

impl ChaosArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        super::asynchronous(self.go(global))
    }

    async fn go(self, global: &Global) -> anyhow::Result<()> {
        let unbounded = if self.kills.is_some() { u64::MAX } else { SECONDS };
        let options = ChaosOptions {
            seed: self.seed,
            kills: self.kills,
            seconds: self.seconds.unwrap_or(unbounded),
            meters: self.meters,
            rate: self.rate,
            commands: usize::from(self.commands),
            only: self.trouble,
            calm: self.calm,
            loud: !self.quiet,
            keep: self.keep,
        };
        let end = run(&options).await?;
        let json = end.report.to_json();
        if let Some(file) = &self.report {
            let text = serde_json::to_string_pretty(&json)? + "\n";
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        global.print(&json, || end.report.to_text())?;
        if let Some(dir) = &end.kept {
            eprintln!("the network was kept in {}", dir.display());
        }
        if end.report.is_good() { Ok(()) } else { bail!("the ledger did not come through as it must: see the summary") }
    }
}

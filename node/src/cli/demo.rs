//! `gridbook demo`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{Global, check_size};
use crate::demo::{DemoOptions, run};
use crate::interrupt::Interrupted;

/// Four validators and a town of meters trade a day in a minute, on this machine.
#[derive(Args, Debug)]
#[command(after_help = "\
Starts the validators as processes of this same binary, each with its own data directory, over QUIC on loopback; registers the meters;
and plays one market day with a bundle of orders per meter and quarter-hour. At the end it fetches receipts and verifies them offline,
compares the state roots of all validators, and checks that money and energy add up. Exit code 0 only if all of that holds. Ctrl-C ends
the validators, and the summary says what was done so far; exit code 130. Once more, it kills them. Nothing is left but what --keep keeps.

  gridbook demo
  gridbook demo --meters 200 --seconds 20 --headless --report demo.json
  gridbook demo --kill-one --keep /tmp/town")]
pub(crate) struct DemoArgs {
    /// How many meters the town has.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    meters: u32,
    /// How many seconds the day takes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// What the town and its day are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many validators: 3f + 1, from 4 to 49.
    #[arg(long, default_value_t = 4)]
    validators: u16,
    /// Plain lines instead of the live view.
    #[arg(long)]
    headless: bool,
    /// Write the summary to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Kill the leading validator with SIGKILL at midday and start it again.
    #[arg(long)]
    kill_one: bool,
    /// Make the network in this directory and keep it.
    #[arg(long, value_name = "DIR", visible_alias = "dir")]
    keep: Option<PathBuf>,
    /// How many seconds validators have to start, and meters to be registered, before the day begins. Without it, five and more for larger towns; a
    /// busy machine needs more.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    lead: Option<u32>,
    /// Measured households instead of profiles: a directory of CSV files.
    #[arg(long, value_name = "DIR", requires = "pv")]
    loads: Option<PathBuf>,
    /// Measured PV plants instead of profiles: a directory of CSV files.
    #[arg(long, value_name = "DIR", requires = "loads")]
    pv: Option<PathBuf>,
}

impl DemoArgs {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        check_size(self.validators.into())?;
        let options = DemoOptions {
            meters: self.meters,
            seconds: self.seconds,
            seed: self.seed,
            validators: self.validators,
            headless: self.headless,
            kill_one: self.kill_one,
            keep: self.keep,
            lead_s: self.lead,
            measured: self.loads.zip(self.pv),
        };
        let end = run(&options).await?;
        let json = end.report.to_json();
        if let Some(file) = &self.report {
            let text = serde_json::to_string_pretty(&json)? + "\n";
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        global.print(&json, || end.report.to_text())?;
        if let Some(dir) = &end.kept {
            note!("the network was kept in {}", dir.display());
        }
        match &end.report {
            report if report.is_good() => Ok(()),
            report if report.is_interrupted() => {
                Err(Interrupted("the summary says what was done until then, and not all of it was checked").into())
            }
            _ => bail!("the day did not end as it must: see the summary"),
        }
    }
}

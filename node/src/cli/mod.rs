//! The command line. Exit codes: 0 good, 1 it failed, 2 usage. Results go to standard output, everything else to standard error.

mod area;
mod auction;
mod chaos;
mod conduct;
mod crew;
mod defects;
mod demo;
mod epoch;
mod evidence;
mod genesis;
mod init;
mod inspect;
mod keys;
mod match_file;
mod meter;
mod registry;
mod report;
mod seeds;
mod settlement;
mod sim;
mod snapshot;
mod span;
mod twins;
mod validator;
mod verify;

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use gridbook_ledger::validators::ValidatorSet;
use serde::Serialize;

use crate::interrupt::Interrupted;
use crate::logging::{self, LogFormat};

const AFTER_HELP: &str = "\
Begin here:
  gridbook demo                                four validators and a town of meters trade a day in a minute
  gridbook init --validators 4 --out net       make a network of your own
  gridbook validator --config net/validator-0/validator.toml

Trade on it (see `gridbook meter --help`):
  gridbook keys generate --out alice.key
  gridbook meter register --network net/network.toml --operator-key net/operator.key --key alice.key --deposit 100
  gridbook meter order --network net/network.toml --key alice.key --side buy --period 2026-06-17T12:00 --price 28.5 --energy 400

Exit codes: 0 good, 1 it failed, 2 usage. Every flag with [env: ...] can also be set by that variable; a flag wins.";

/// A peer-to-peer electricity market on a ledger that no single party has to be trusted to run.
#[derive(Debug, Parser)]
#[command(name = "gridbook", version, after_help = AFTER_HELP, max_term_width = 120)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Print results as JSON, for programs.
    #[arg(long, global = true, env = "GRIDBOOK_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    json: bool,
    /// Whether the flag itself says so, and not only the environment.
    #[arg(skip)]
    json_by_flag: bool,
    /// How log lines on standard error look.
    #[arg(long, global = true, env = "GRIDBOOK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged, such as `info` or `warn,gridbook_net=debug`. Without it: `info` for a validator, `warn` for all else.
    #[arg(long, global = true, env = "GRIDBOOK_LOG", value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and look at key files.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Write the genesis of a ledger from the public keys of its validators and operator.
    Genesis(genesis::GenesisArgs),
    /// Make a whole network: keys, genesis, settings, unit files.
    Init(init::InitArgs),
    /// Run a validator.
    Validator(validator::ValidatorArgs),
    /// Say who is who: organisations and their roles, meters, accounts.
    #[command(subcommand)]
    Registry(registry::Registry),
    /// Trade: register meters, send and cancel orders, watch, fetch receipts.
    #[command(subcommand)]
    Meter(meter::Meter),
    /// Operators: read areas, correct what meters said or did not say, set what imbalance costs.
    #[command(subcommand)]
    Settlement(settlement::Settlement),
    /// What settlement came to in an area, and an account's whole history for an auditor.
    #[command(subcommand)]
    Report(report::Report),
    /// Auditors: see what stands against an account and which appeals are open, and rule on them.
    #[command(subcommand)]
    Conduct(conduct::Conduct),
    /// Change the validators: add, remove or penalise some, rotate a key.
    #[command(subcommand)]
    Epoch(epoch::Epoch),
    /// Check proofs, offline.
    #[command(subcommand)]
    Verify(verify::Verify),
    /// Show what is proven against validators, or hand in what proves it.
    Evidence(evidence::EvidenceArgs),
    /// Look into a validator's data directory.
    Inspect(inspect::InspectArgs),
    /// Back up, check and restore the state of the ledger.
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Four validators and a town of meters trade a day in a minute, on this machine.
    Demo(demo::DemoArgs),
    /// Run an order file through the market, offline.
    Match(match_file::MatchArgs),
    /// Clear call auctions from files: a price per zone, and the flows between them.
    Auction(auction::AuctionArgs),
    /// Simulate whole clusters on virtual time, with faults drawn from a seed.
    #[command(subcommand)]
    Sim(sim::Sim),
}

/// As a shell says it of what Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Reads the command line, does what it says, and says how that went.
pub fn main() -> ExitCode {
    // Clap exits by itself: 0 after help and version, 2 after wrong usage.
    let matches = Cli::command().get_matches();
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli.global.json_by_flag = innermost(&matches).value_source("json") == Some(ValueSource::CommandLine);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("gridbook: {error:#}");
            match error {
                error if error.is::<Usage>() => ExitCode::from(2),
                error if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// What was given to the command itself: flags that all commands take are known there, wherever they stood.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| innermost(inner))
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli { global, command } = cli;
    let default_filter = if matches!(command, Command::Validator(_)) { "info" } else { "warn" };
    logging::start(global.log_format, global.log.as_deref().unwrap_or(default_filter)).map_err(Usage::from_error)?;
    match command {
        Command::Keys(keys) => keys.run(&global),
        Command::Genesis(args) => args.run(&global),
        Command::Init(args) => args.run(&global),
        Command::Validator(args) => args.run(),
        Command::Meter(meter) => asynchronous(meter.run(&global)),
        Command::Registry(registry) => asynchronous(registry.run(&global)),
        Command::Settlement(settlement) => asynchronous(settlement.run(&global)),
        Command::Report(report) => asynchronous(report.run(&global)),
        Command::Conduct(conduct) => asynchronous(conduct.run(&global)),
        Command::Epoch(epoch) => asynchronous(epoch.run(&global)),
        Command::Verify(verify) => verify.run(&global),
        Command::Evidence(args) => asynchronous(args.run(&global)),
        Command::Inspect(args) => args.run(&global),
        Command::Snapshot(snapshot) => snapshot.run(&global),
        Command::Demo(args) => asynchronous(args.run(&global)),
        Command::Match(args) => args.run(&global),
        Command::Auction(args) => args.run(&global),
        Command::Sim(sim) => sim.run(&global),
    }
}

fn asynchronous(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    // What was given up, as on Ctrl-C, may still compute: nobody waits for it.
    runtime.shutdown_background();
    done
}

/// Whether there can be so many validators.
fn check_size(validators: usize) -> anyhow::Result<()> {
    if ValidatorSet::SIZES.contains(&validators) && validators % 3 == 1 {
        return Ok(());
    }
    Err(Usage::error("there must be 3f + 1 validators, from 4 to 49: 4, 7, 10 and so on"))
}

/// The command line was wrong in a way that its grammar does not tell: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

impl Usage {
    /// For a sentence that says what to do.
    pub(crate) fn error(sentence: impl Into<String>) -> anyhow::Error {
        Self(sentence.into()).into()
    }

    fn from_error(error: anyhow::Error) -> anyhow::Error {
        Self::error(format!("{error:#}"))
    }
}

impl Global {
    /// For a command that can print a table too. A table that was asked for wins over an environment that wants JSON.
    fn for_table(&self, csv: bool) -> anyhow::Result<Self> {
        if csv && self.json_by_flag {
            return Err(Usage::error("--csv and --json are two forms of one result: give one of them"));
        }
        Ok(Self { json: self.json && !csv, ..self.clone() })
    }

    /// Prints a result: the JSON of `value` if that was asked for, else the text.
    fn print(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        use std::io::Write as _;
        let output = if self.json { serde_json::to_string(value)? } else { text() };
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{}", output.trim_end()).and_then(|()| stdout.flush()) {
            // Whoever reads us has read enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_grammar_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Nobody learns a command from its list of flags.
    #[test]
    fn every_command_shows_an_example() {
        fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
            let path = format!("{path}{} ", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !command.has_subcommands() {
                found.push((path.clone(), help));
            }
            command.get_subcommands().for_each(|inner| leaves(inner, &path, found));
        }
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        assert!(found.len() > 40, "{} commands", found.len());
        let bare: Vec<&String> =
            found.iter().filter(|(path, help)| !help.contains(path.trim_end())).map(|(path, _)| path).collect();
        assert!(bare.is_empty(), "no example of its own: {bare:?}");
        let flush: Vec<&str> =
            found.iter().flat_map(|(_, help)| help.lines()).filter(|line| line.starts_with("gridbook ")).collect();
        assert!(flush.is_empty(), "an example is indented: {flush:?}");
        // What they show is understood, but for values left out, as in `5e..`, and what the environment gives.
        let lines =
            found.iter().flat_map(|(_, help)| help.lines()).map(str::trim).filter(|line| line.starts_with("gridbook "));
        for line in lines {
            let ends = [" > ", " 2> ", " | ", " && ", " \\", "   "]
                .iter()
                .filter_map(|end| line.find(end))
                .min()
                .unwrap_or(line.len());
            let words = line[..ends].split('\'').enumerate().flat_map(|(place, part)| match place % 2 {
                0 => part.split_whitespace().collect::<Vec<_>>(),
                _ => vec![part],
            });
            if let Err(error) = Cli::command().try_get_matches_from(words.filter(|word| *word != "..")) {
                let wrong = [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand, ErrorKind::ArgumentConflict];
                assert!(!wrong.contains(&error.kind()), "{line}: {error}");
            }
        }
    }

    #[test]
    fn a_table_that_was_asked_for_is_no_json_because_the_environment_is_for_programs() {
        let global = |json, json_by_flag| Global { json, json_by_flag, log_format: LogFormat::Text, log: None };
        assert!(!global(true, false).for_table(true).unwrap().json);
        assert!(
            global(true, false).for_table(false).unwrap().json && global(true, true).for_table(false).unwrap().json
        );
        assert!(global(true, true).for_table(true).unwrap_err().is::<Usage>());
    }
}

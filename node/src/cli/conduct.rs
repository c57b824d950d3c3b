//! `gridbook conduct`: what auditors see of conduct, how they rule on appeals, and what everybody sees of validators'.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gridbook_engine::AccountId;
use gridbook_ledger::command::Command;
use gridbook_ledger::conduct::Ruling;

use super::Global;
use super::meter::fingerprint;
use super::registry::ByArgs;
use crate::conduct_text::ConductText;
use crate::protocol::ConductSubject;

/// Auditors: see what stands against an account and which appeals are open, and rule on them. All: see what stands against validators.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
The key of --by is that of an organisation with the role of an auditor, or the operator's; for `validators` any that is registered. Entries are made by the ledger itself, from
records that prove them; an auditor can strike one only where its account has appealed. Whoever bears an entry appeals by `gridbook
meter appeal`.

  export GRIDBOOK_NETWORK=net/network.toml GRIDBOOK_BY=auditor.key
  gridbook conduct appeals
  gridbook conduct show 4
  gridbook conduct rule --entry 3 --ruling struck --reasons reasons.txt
  gridbook conduct validators")]
pub(crate) enum Conduct {
    /// Print all entries that wait for a ruling.
    #[command(after_help = "  gridbook conduct appeals --by auditor.key")]
    Appeals(ListArgs),
    /// Print what stands against an account.
    #[command(after_help = "  gridbook conduct show 4 --by auditor.key
  gridbook conduct show 4 --by auditor.key --json")]
    Show(ShowArgs),
    /// Rule on an appeal. There is no other word on it.
    #[command(after_help = "  gridbook conduct rule --by auditor.key --entry 3 --ruling struck --reasons reasons.txt
  gridbook conduct rule --by auditor.key --entry 4 --ruling upheld --reasons reasons.txt")]
    Rule(RuleArgs),
    /// Print what validators were convicted of on the ledger, by evidence that all of them verified.
    #[command(after_help = "  gridbook conduct validators --by alice.key")]
    Validators(ListArgs),
}

/// Print a list of entries, whoever bears them.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    by: ByArgs,
}

/// Print what stands against an account.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The account's number.
    account: u32,
    #[command(flatten)]
    by: ByArgs,
}

/// Rule on an appeal.
#[derive(Args, Debug)]
pub(crate) struct RuleArgs {
    #[command(flatten)]
    by: ByArgs,
    /// The entry's number.
    #[arg(long, value_name = "NUMBER")]
    entry: u64,
    /// What becomes of the entry: upheld, and it counts on; or struck, and its points come back at once.
    #[arg(long, value_name = "RULING", value_parser = parse_ruling)]
    ruling: Ruling,
    /// The file with the reasons, whose fingerprint goes on the ledger: the BLAKE3 hash that `b3sum` prints too.
    #[arg(long, value_name = "FILE")]
    reasons: PathBuf,
}

impl Conduct {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Appeals(args) => print_book(&args.by, ConductSubject::Appealed { from: 0 }, global).await,
            Self::Validators(args) => print_book(&args.by, ConductSubject::Validators { from: 0 }, global).await,
            Self::Show(args) => print_book(&args.by, ConductSubject::Account(AccountId(args.account)), global).await,
            Self::Rule(RuleArgs { by, entry, ruling, reasons }) => {
                let reasons = fingerprint(&reasons)?;
                by.give(global, Command::RuleAppeal { entry, ruling, reasons }).await
            }
        }
    }
}

async fn print_book(by: &ByArgs, subject: ConductSubject, global: &Global) -> anyhow::Result<()> {
    let (session, key) = by.open().await?;
    let book = session.client.conduct(|kind| session.query(&key, kind), subject).await?;
    let told = ConductText { book: &book, subject, mtu_minutes: session.genesis.rules.mtu_minutes };
    global.print(&told.json(), || told.text())
}

fn parse_ruling(text: &str) -> Result<Ruling, String> {
    Ruling::from_name(text).ok_or_else(|| format!("{text:?} is no ruling: an entry is upheld or struck"))
}

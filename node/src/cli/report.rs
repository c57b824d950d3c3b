//! `gridbook report`: what settlement came to in an area, and an account's whole history for an auditor.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use gridbook_engine::AccountId;
use gridbook_ledger::receipt::{AccountError, AccountHistory, VerifiedHistory};
use gridbook_ledger::store::FactOwner;
use serde_json::json;

use super::Global;
use super::meter::{ConnectArgs, Session, area_by_name};
use super::span::SpanArgs;
use crate::area_report::AreaReport;
use crate::keyfile::read_key;
use crate::moment::format_moment;
use crate::network::write_new;
use crate::protocol::{QueryKind, SignedQuery};

/// Reports for operators and auditors.
#[derive(Debug, Subcommand)]
#[command(after_help = "  gridbook report area --area north --day 2026-06-17 --key net/operator.key
  gridbook report account --account 4 --key net/operator.key --out account-4.history
  gridbook verify account account-4.history --genesis net/genesis.json")]
pub(crate) enum Report {
    /// What settlement came to in an area: prices, energies, money, losses, what is frozen and what was estimated.
    #[command(after_help = "  gridbook report area --area north --day 2026-06-17 --key net/operator.key
  gridbook report area --area north --month 2026-06 --key net/operator.key --csv > june.csv")]
    Area(AreaArgs),
    /// Write all that the ledger ever said of an account to a file, with the proof that it is all.
    #[command(after_help = "  gridbook report account --account 4 --key net/operator.key --out account-4.history
  gridbook verify account account-4.history --genesis net/genesis.json")]
    Account(AccountArgs),
}

/// Who asks.
#[derive(Args, Debug)]
struct AskerArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The secret key of who asks: the operator, a market operator, an auditor, or of an area its grid operator; of an account also its
    /// supplier or a meter of it.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY")]
    key: PathBuf,
}

/// What settlement came to in an area.
#[derive(Args, Debug)]
pub(crate) struct AreaArgs {
    #[command(flatten)]
    asker: AskerArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// The delivery area, by the name in the genesis; without it, the first.
    #[arg(long, value_name = "NAME")]
    area: Option<String>,
    /// Print a table of comma-separated values.
    #[arg(long)]
    csv: bool,
}

/// All that the ledger ever said of an account.
#[derive(Args, Debug)]
pub(crate) struct AccountArgs {
    #[command(flatten)]
    asker: AskerArgs,
    /// The account's number; without it, the account of the meter whose key asks.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u32>,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Report {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Area(args) => args.run(global).await,
            Self::Account(args) => args.run(global).await,
        }
    }
}

/// How often a history is asked for that is not whole: the validator with the proof may have been ahead of the one with the extracts.
const TRIES: u32 = 5;

impl Session {
    async fn whole_history(
        &self,
        sign: impl Fn(QueryKind) -> SignedQuery,
        account: AccountId,
    ) -> anyhow::Result<(AccountHistory, VerifiedHistory)> {
        let mut tries = 1;
        loop {
            let history = self.client.account_history(&sign, account).await?;
            match history.verify(&self.genesis) {
                Ok(verified) => return Ok((history, verified)),
                Err(AccountError::Incomplete { .. }) if tries < TRIES => tries += 1,
                Err(error) => return Err(error).context("the validator sent a history that proves nothing"),
            }
        }
    }
}

impl AreaArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let global = &global.for_table(self.csv)?;
        let key = read_key(&self.asker.key)?;
        let network = self.asker.connect.known()?;
        let mtu_minutes = network.genesis.rules.mtu_minutes;
        let (from, to) = self.span.periods(mtu_minutes)?;
        let area = area_by_name(&network.genesis, self.area.as_deref())?;
        let session = network.open().await?;
        let sign = |kind| session.query(&key, kind);
        let mut facts = session.client.area_facts(sign, area, from, to).await?;
        facts.extend(session.client.facts(sign, FactOwner::All, from, to).await?);
        let report = AreaReport::of(&facts);
        let name = session.genesis.area_name(area);
        let title = format!("Settlement of area {name} for {}", self.span.text());
        let mut value = report.json(mtu_minutes);
        value["area"] = json!(name);
        value["span"] = json!(self.span.text());
        global.print(&value, || if self.csv { report.csv(mtu_minutes) } else { report.text(&title, mtu_minutes) })
    }
}

impl AccountArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.asker.key)?;
        let session = Session::open(&self.asker.connect).await?;
        let sign = |kind| session.query(&key, kind);
        let account = match self.account {
            Some(number) => AccountId(number),
            None => session.client.account(sign(QueryKind::Account)).await?.account,
        };
        let (history, verified) = session.whole_history(sign, account).await?;
        let bytes = history.encode();
        write_new(&self.out, &bytes)?;
        let (records, height) = (verified.extracts.len(), verified.account.height);
        let value = json!({
            "file": self.out, "bytes": bytes.len(), "verified": true, "account": account.0, "records": records, "height": height,
        });
        global.print(&value, || {
            format!(
                "{}: all {records} records that name account {} up to height {height}, {} ({} bytes, verified)",
                self.out.display(),
                account.0,
                format_moment(verified.account.time),
                bytes.len()
            )
        })
    }
}

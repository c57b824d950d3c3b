//! What stands against a meter's account, and how to challenge it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use gridbook_engine::{AccountId, MeterId};
use gridbook_ledger::command::Command;
use gridbook_ledger::conduct::Entry;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::Outcome;
use serde_json::json;

use super::{MeterArgs, Session};
use crate::cli::{Global, Usage};
use crate::conduct_text::ConductText;
use crate::keyfile::read_key;
use crate::moment::format_moment;
use crate::protocol::ConductSubject;

/// Print what stands against the meter's account, what it costs, and what to do about it.
#[derive(Args, Debug)]
#[command(after_help = "\
Entries are made by the ledger, from records that prove them. Each costs points for a fixed time; the score decides which share of the
imbalance that the account's trades may cause must be covered by collateral. An entry that is wrong can be appealed within 14 days.

  gridbook meter conduct --key alice.key
  gridbook meter receipt --seq 4711 --out proof.receipt
  gridbook meter appeal --key alice.key --entry 3 --statement why.txt")]
pub(crate) struct ConductArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// Another account, for an auditor's key.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u32>,
    /// The account of this meter; without it, of the meter whose key asks.
    #[arg(long = "meter", value_name = "NUMBER", conflicts_with = "account")]
    number: Option<u32>,
}

/// Challenge an entry against the meter's account.
#[derive(Args, Debug)]
#[command(after_help = "\
What goes on the ledger is the statement's fingerprint, the BLAKE3 hash that `b3sum` prints too: keep the file, and give it to the
auditors. The entry counts until one of them rules on it. Each entry can be appealed once.

  gridbook meter appeal --key alice.key --entry 3 --statement why.txt")]
pub(crate) struct AppealArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// The entry's number, as `gridbook meter conduct` prints it.
    #[arg(long, value_name = "NUMBER")]
    entry: u64,
    /// The file in which you say why the entry is wrong.
    #[arg(long, value_name = "FILE")]
    statement: PathBuf,
}

impl ConductArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let session = Session::open(&self.meter.connect).await?;
        let subject = match (self.account, self.number) {
            (Some(account), _) => ConductSubject::Account(AccountId(account)),
            (None, Some(meter)) => ConductSubject::Meter(MeterId(meter)),
            (None, None) => ConductSubject::Own,
        };
        let book = session.client.conduct(|kind| session.query(&key, kind), subject).await?;
        let told = ConductText { book: &book, subject, mtu_minutes: session.genesis.rules.mtu_minutes };
        global.print(&told.json(), || told.text())
    }
}

impl AppealArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let statement = fingerprint(&self.statement)?;
        let session = Session::open(&self.meter.connect).await?;
        let done = session.submit(&key, vec![Command::Appeal { entry: self.entry, statement }]).await?;
        if done.records.iter().any(|record| record.outcome != Outcome::Done) {
            return session.report(global, &done);
        }
        // What is told of the entry is as good as the validator asked; the appeal itself is final.
        let book = session.client.conduct(|kind| session.query(&key, kind), ConductSubject::Own).await?;
        let entry = book.entries.iter().find(|(number, _)| *number == self.entry).map(|(_, entry)| *entry);
        let until = entry.map(|entry| format_moment(entry.expires_at()));
        let records: Vec<_> = done.records.iter().map(|record| session.text(record)).collect();
        let value = json!({
            "bundle": done.bundle.to_hex(), "height": done.height, "records": records, "entry": self.entry,
            "fingerprint": statement.to_hex(), "counts_until": until,
        });
        global.print(&value, || {
            let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
            format!(
                "final at height {}, bundle {}\n{lines}{}",
                done.height,
                done.bundle,
                self.what_is_next(entry, statement)
            )
        })
    }

    fn what_is_next(&self, entry: Option<Entry>, statement: Hash) -> String {
        let cost = entry.map_or(String::new(), |entry| {
            let (points, until) = (entry.points(), format_moment(entry.expires_at()));
            format!(" It goes on costing {points} points, until {until} at most, unless it is struck before.")
        });
        format!(
            "Now an auditor rules on it: upheld, and it stays as it is; struck, and its points come back at once.{cost}\n\
             Keep {} as it is, and give it to the auditors: they know it by its fingerprint {statement}.\n\
             `gridbook meter conduct` shows what became of the appeal.",
            self.statement.display()
        )
    }
}

/// The fingerprint of a document: the BLAKE3 hash of the file, as `b3sum` prints it.
pub(in crate::cli) fn fingerprint(document: &Path) -> anyhow::Result<Hash> {
    let bytes = std::fs::read(document).with_context(|| format!("cannot read {}", document.display()))?;
    if bytes.is_empty() {
        return Err(Usage::error(format!("{} is empty: it must say why", document.display())));
    }
    Ok(Hash(*blake3::hash(&bytes).as_bytes()))
}

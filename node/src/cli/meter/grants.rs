//! Whom a meter lets read its data: granting that, taking it back, and who has read what.

use clap::Args;
use gridbook_engine::{LedgerTime, MeterId};
use gridbook_ledger::command::{Command, GrantAccess};
use gridbook_ledger::consent::{Grant, GrantReader, Scope};
use gridbook_ledger::crypto::{PublicKey, SecretKey};
use gridbook_ledger::registry::OrganisationId;
use serde_json::{Value, json};

use super::uses::show_uses;
use super::{MeterArgs, Session};
use crate::cli::genesis::parse_key;
use crate::cli::{Global, Usage};
use crate::client::wall_us;
use crate::keyfile::read_key;
use crate::moment::{format_moment, parse_moment};
use crate::protocol::{GrantList, QueryKind};
use crate::record_text::consent::{reader_json, reader_text};

/// Let somebody read the meter's data until a moment.
#[derive(Args, Debug)]
#[command(after_help = "\
Scopes: statement (readings, trades and settlement: what bills are made of), certificates, conduct, or all of them. With all of them from
every meter of an account, its whole history is open too. A grant to a reader who has one takes its place. Whoever gets the meter next
grants anew. Each use is noted by the validator that told it, before it told it: see `gridbook meter grants --uses`.

  gridbook meter grant --key alice.key --organisation 3 --scope statement --until 2026-12-31
  gridbook meter grant --key alice.key --reader 5e.. --scope statement+conduct --days 30
  gridbook meter statement --key adviser.key --meter 0 --month 2026-06")]
pub(crate) struct GrantArgs {
    #[command(flatten)]
    meter: MeterArgs,
    #[command(flatten)]
    reader: ReaderArgs,
    /// What may be read, joined by + as in statement+conduct.
    #[arg(long, value_name = "SCOPE+..", value_parser = parse_scope)]
    scope: Scope,
    #[command(flatten)]
    end: EndArgs,
}

/// Take access back. What was read before stays read.
#[derive(Args, Debug)]
#[command(after_help = "  gridbook meter revoke-grant --key alice.key --organisation 4
  gridbook meter revoke-grant --key alice.key --reader 9f..")]
pub(crate) struct RevokeGrantArgs {
    #[command(flatten)]
    meter: MeterArgs,
    #[command(flatten)]
    reader: ReaderArgs,
    /// Another meter of the same account that granted it; without it, the meter whose key signs.
    #[arg(long = "meter", value_name = "NUMBER")]
    number: Option<u32>,
}

/// Print whom the meter lets read its data, or who has.
#[derive(Args, Debug)]
#[command(after_help = "  gridbook meter grants --key alice.key
  gridbook meter grants --key alice.key --uses

Uses are not on the ledger: each validator notes what it has told, so each is asked, and one that lies can hide what it told. Where not all
of them answer, the exit code is 1. A use is kept for 407 days: as long as the longest grant, and a week.")]
pub(crate) struct GrantsArgs {
    #[command(flatten)]
    meter: MeterArgs,
    /// Another meter of the same account, or any for an auditor's key; without it, the meter whose key asks.
    #[arg(long = "meter", value_name = "NUMBER")]
    number: Option<u32>,
    /// Print what was read under the meter's grants, by whom and when.
    #[arg(long)]
    uses: bool,
}

/// Who may read.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct ReaderArgs {
    /// An organisation of the registry, whichever key it has.
    #[arg(long, value_name = "NUMBER")]
    organisation: Option<u16>,
    /// Whoever has this public key, registered or not.
    #[arg(long, value_name = "HEX", value_parser = parse_key)]
    reader: Option<PublicKey>,
}

/// Until when.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct EndArgs {
    /// Until this moment of ledger time.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
    until: Option<LedgerTime>,
    /// For so many days of ledger time from now on.
    #[arg(long, value_name = "COUNT")]
    days: Option<u32>,
}

impl ReaderArgs {
    fn reader(&self) -> anyhow::Result<GrantReader> {
        match (self.organisation, self.reader) {
            (Some(organisation), _) => Ok(GrantReader::Organisation(OrganisationId(organisation))),
            (None, Some(key)) => Ok(GrantReader::Key(key)),
            (None, None) => Err(Usage::error("say who may read by --organisation or --reader")),
        }
    }
}

impl EndArgs {
    fn until(&self, now: LedgerTime) -> anyhow::Result<LedgerTime> {
        match (self.until, self.days) {
            (Some(until), _) => Ok(until),
            (None, Some(days)) => Ok(LedgerTime(now.0.saturating_add(u64::from(days) * 86_400_000))),
            (None, None) => Err(Usage::error("say how long by --until or --days")),
        }
    }
}

impl GrantArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (key, reader) = (read_key(&self.meter.key)?, self.reader.reader()?);
        let session = Session::open(&self.meter.connect).await?;
        let until = self.end.until(session.genesis.ledger_now(wall_us()))?;
        let meter = session.meter_of(&key, None).await?;
        let grant = GrantAccess { meter, reader, scope: self.scope, until };
        let done = session.submit(&key, vec![Command::GrantAccess(grant)]).await?;
        session.report(global, &done)
    }
}

impl RevokeGrantArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (key, reader) = (read_key(&self.meter.key)?, self.reader.reader()?);
        let session = Session::open(&self.meter.connect).await?;
        let meter = session.meter_of(&key, self.number).await?;
        let done = session.submit(&key, vec![Command::RevokeAccess { meter, reader }]).await?;
        session.report(global, &done)
    }
}

impl GrantsArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.meter.key)?;
        let session = Session::open(&self.meter.connect).await?;
        let meter = session.meter_of(&key, self.number).await?;
        if self.uses {
            return show_uses(&session, key, meter, global).await;
        }
        let list = session.client.grants(|kind| session.query(&key, kind), meter).await?;
        global.print(&list_json(&list), || list_text(&list))
    }
}

impl Session {
    /// The meter of a number, or else the one whose key asks.
    async fn meter_of(&self, key: &SecretKey, number: Option<u32>) -> anyhow::Result<MeterId> {
        match number {
            Some(number) => Ok(MeterId(number)),
            None => Ok(self.client.account(self.query(key, QueryKind::Account)).await?.meter),
        }
    }
}

fn list_json(list: &GrantList) -> Value {
    let grant = |(reader, grant): &(GrantReader, Grant)| {
        json!({
            "reader": reader_json(reader), "scope": grant.scope.to_string(), "until": format_moment(grant.until),
            "live": grant.is_live(list.as_of),
        })
    };
    let grants: Vec<Value> = list.grants.iter().map(grant).collect();
    json!({"meter": list.meter.0, "as_of": format_moment(list.as_of), "grants": grants})
}

fn list_text(list: &GrantList) -> String {
    if list.grants.is_empty() {
        return format!("meter {} lets nobody read its data but those who must", list.meter.0);
    }
    let lines = list.grants.iter().map(|(reader, grant)| {
        let (who, until) = (reader_text(reader), format_moment(grant.until));
        if grant.is_live(list.as_of) {
            format!("{who} may read {} of meter {} until {until}", grant.scope, list.meter.0)
        } else {
            format!("{who} might read {} of meter {} until {until}, which is over", grant.scope, list.meter.0)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    let kind = |name: &str| match name.trim() {
        "all" => Some(Scope::ALL),
        name => Scope::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind),
    };
    let kinds: Option<Vec<Scope>> = text.split('+').map(kind).collect();
    kinds.and_then(|kinds| kinds.into_iter().reduce(|one, other| one | other)).ok_or_else(|| {
        let known: Vec<&str> = Scope::NAMES.iter().map(|(_, name)| *name).collect();
        format!("{text:?} is no scope: there are {}, joined by + as in statement+conduct, and all", known.join(", "))
    })
}

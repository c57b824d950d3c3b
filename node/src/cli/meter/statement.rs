//! `gridbook meter statement`: a meter's bill.

use std::collections::BTreeSet;

use clap::Args;
use gridbook_engine::MeterId;
use gridbook_ledger::settlement::statement::Statement;
use gridbook_ledger::store::{Fact, FactOwner, FactRow};

use super::super::Global;
use super::super::span::SpanArgs;
use super::MeterArgs;
use crate::bill::{Bill, DayBill};
use crate::keyfile::read_key;
use crate::protocol::QueryKind;

/// Print the meter's bill: what it traded, delivered, got and paid.
#[derive(Args, Debug)]
#[command(after_help = "  gridbook meter statement --day 2026-06-17
  gridbook meter statement --period 2026-06-17T12:00 --json
  gridbook meter statement --month 2026-06 --csv > june.csv
  gridbook meter statement --year 2026 --csv --lines > every-trade-of-2026.csv

A month or a year is told day by day, by sums that the validator keeps; with --lines trade by trade, like a period or a day, worked out here.

The key is that of the meter, of another meter of the same account, or of who runs the market; the last two name the meter by --meter.
Amounts are what the ledger moved; the lines are worked out again by the rules, and a period in which the two differ says so.")]
pub(crate) struct StatementArgs {
    #[command(flatten)]
    meter: MeterArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// The meter's number; without it, the meter whose key asks.
    #[arg(long = "meter", value_name = "NUMBER")]
    number: Option<u32>,
    /// Print every trade and every part of an imbalance of a month or a year too.
    #[arg(long)]
    lines: bool,
    /// Print a table of comma-separated values.
    #[arg(long)]
    csv: bool,
}

impl StatementArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let global = &global.for_table(self.csv)?;
        let key = read_key(&self.meter.key)?;
        let network = self.meter.connect.known()?;
        let mtu_minutes = network.genesis.rules.mtu_minutes;
        let (from, to) = self.span.periods(mtu_minutes)?;
        let session = network.open().await?;
        let sign = |kind| session.query(&key, kind);
        let meter = match self.number {
            Some(number) => MeterId(number),
            None => session.client.account(sign(QueryKind::Account)).await?.meter,
        };
        if self.span.is_long() && !self.lines {
            let rows = session.client.bill(sign, meter, from, to).await?;
            let bill = DayBill::of(meter, self.span.text(), &rows, mtu_minutes);
            return global.print(&bill.json(), || if self.csv { bill.csv() } else { bill.text() });
        }
        let mut facts = session.client.facts(sign, FactOwner::Meter(meter), from, to).await?;
        for area in areas_of(&facts) {
            facts.extend(session.client.facts(sign, area, from, to).await?);
        }
        facts.extend(session.client.facts(sign, FactOwner::All, from, to).await?);
        let events = facts.iter().filter_map(|row| match &row.fact {
            Fact::Event(event) => Some((row.seq, event)),
            Fact::Meters(_) => None,
        });
        let statement = Statement::of(meter, events);
        let areas: Vec<String> = session.genesis.areas.iter().map(|area| area.name.clone()).collect();
        let bill = Bill { statement: &statement, span: self.span.text(), areas: &areas, mtu_minutes };
        global.print(&bill.json(), || if self.csv { bill.csv() } else { bill.text() })
    }
}

/// The areas whose prices applied to a meter: that of its settlements.
fn areas_of(facts: &[FactRow]) -> BTreeSet<FactOwner> {
    let settled = facts.iter().filter_map(|row| match &row.fact {
        Fact::Event(gridbook_ledger::record::RecordEvent::MeterSettled(settled)) => Some(settled.contract.area),
        _ => None,
    });
    settled.map(FactOwner::Area).collect()
}

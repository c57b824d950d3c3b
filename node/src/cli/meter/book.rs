//! `gridbook meter book`: what rests in a book, live.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use gridbook_engine::depth::{DEPTH_LEVELS_MAX, Level};
use gridbook_engine::{AreaId, Contract, Energy, Price};
use serde_json::{Value, json};

use super::super::{Global, Usage};
use super::{ConnectArgs, Session, area_by_name};
use crate::amounts::format_price;
use crate::client::wall_us;
use crate::keyfile::read_key;
use crate::moment::format_moment;
use crate::protocol::{Book, QueryKind};

/// Show what rests in a book.
#[derive(Args, Debug)]
#[command(after_help = "\
The best prices stand in the middle: above them what is offered, below them what is wanted, at most 16 prices each.

  gridbook meter book --network net/network.toml --area town --period 2026-06-17T12:00
  gridbook meter book --network net/network.toml --key alice.key --period 2026-06-17T12:00 --watch

A book is that of one area. What rests in other areas, and can be had from here for the fees of the way, is not in it; nor is what an order
hides. The book is what the validator has carried out: the last moment of it may not be final yet.
Exit codes: 1 if the period is not open for trading, 2 if there is no such area or period.")]
pub(crate) struct BookArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The delivery area, by the name in the genesis; without it, that of the meter whose key is given.
    #[arg(long, value_name = "NAME", required_unless_present = "key")]
    area: Option<String>,
    /// A meter's secret key. Books are open to all: it is used only to find the meter's area where none is named.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_KEY")]
    key: Option<PathBuf>,
    /// The delivery period, by the moment at which delivery begins, or by number.
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// Show it again each time it has changed, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// How often a book is looked at while it is watched.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Clears the screen, and goes to its upper left corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

impl BookArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let network = self.connect.known()?;
        let period = network.period(&self.period)?;
        let named = self.area.as_deref().map(|name| area_by_name(&network.genesis, Some(name))).transpose()?;
        let session = network.open().await?;
        let area = match named {
            Some(area) => area,
            None => self.area_of_key(&session).await?,
        };
        let contract = Contract { area, period };
        if !self.watch {
            return print(&session, contract, &session.look(contract).await?, global, "");
        }
        let is_screen = !global.json && std::io::stdout().is_terminal();
        let watching = async {
            let mut shown = None;
            loop {
                let book = session.look(contract).await?;
                if shown != Some(book.sides()) {
                    print(&session, contract, &book, global, if is_screen { CLEAR } else { "" })?;
                    shown = Some(book.sides());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            ended = watching => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }

    async fn area_of_key(&self, session: &Session) -> anyhow::Result<AreaId> {
        let file = self.key.as_deref().ok_or_else(|| Usage::error("say which area by --area or --key"))?;
        let key = read_key(file)?;
        Ok(session.client.account(session.query(&key, QueryKind::Account)).await?.area)
    }
}

impl Session {
    /// The book of a contract; an error if it is empty because there is no trading.
    async fn look(&self, contract: Contract) -> anyhow::Result<Book> {
        let book = self.client.book(contract).await?;
        let (bids, asks) = book.sides();
        let (rules, now) = (&self.genesis.rules, self.genesis.ledger_now(wall_us()));
        let (opens_at, closes_at) = (rules.opens_at(contract), rules.gate_closes_at(contract));
        if bids.is_empty() && asks.is_empty() {
            if now < opens_at {
                bail!("there is no book yet: trading of this delivery period begins at {}", format_moment(opens_at));
            }
            if closes_at <= now {
                bail!(
                    "there is no book any more: trading of this delivery period ended at {}",
                    format_moment(closes_at)
                );
            }
        }
        Ok(book)
    }
}

fn print(session: &Session, contract: Contract, book: &Book, global: &Global, before: &str) -> anyhow::Result<()> {
    let area = session.genesis.area_name(contract.area);
    let begins = format_moment(contract.period.starts_at(session.genesis.rules.mtu_minutes));
    let (bids, asks) = book.sides();
    let value = json!({
        "area": area, "period": contract.period.0, "begins": begins, "as_of": book.as_of,
        "published": book.depth.is_some(), "changed_at": book.depth.map(|depth| depth.epoch),
        "bids": json_of(&bids), "asks": json_of(&asks),
    });
    global.print(&value, || {
        let title = format!("{before}{area}, delivery period {}, from {begins}", contract.period.0);
        let rests = match (&book.depth, bids.is_empty() && asks.is_empty()) {
            (None, _) => "nothing published: no order has rested here since this validator started\n".to_owned(),
            (Some(_), true) => "nothing rests here\n".to_owned(),
            (Some(_), false) => ladder(&bids, &asks),
        };
        format!("{title}\n\n{rests}\nas of command {}; this area's own orders, without fees", book.as_of)
    })
}

fn json_of(levels: &[Level]) -> Vec<Value> {
    levels.iter().map(|(price, energy)| json!({"price": price.0, "energy": energy.0})).collect()
}

/// `bid | price | ask`, the highest price first, so that the best ones stand in the middle.
fn ladder(bids: &[Level], asks: &[Level]) -> String {
    let mut rows: BTreeMap<Price, [Option<Energy>; 2]> = BTreeMap::new();
    for (column, levels) in [bids, asks].into_iter().enumerate() {
        levels.iter().for_each(|(price, energy)| rows.entry(*price).or_default()[column] = Some(*energy));
    }
    let mut lines = vec![[" bid Wh", "ct/kWh", " ask Wh"].map(str::to_owned)];
    let shown = |energy: Option<Energy>| energy.map_or_else(String::new, |energy| energy.0.to_string());
    lines.extend(rows.iter().rev().map(|(price, [bid, ask])| [shown(*bid), format_price(*price), shown(*ask)]));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let [bid_width, price_width, ask_width] = [0, 1, 2].map(width);
    let drawn = lines
        .iter()
        .map(|[bid, price, ask]| format!("{bid:>bid_width$} | {price:>price_width$} | {ask:>ask_width$}"))
        .map(|line| format!("{}\n", line.trim_end()));
    let more = [bids, asks].iter().any(|levels| levels.len() == DEPTH_LEVELS_MAX);
    drawn.collect::<String>() + if more { "(only the best 16 prices of each side are shown)\n" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(levels: &[(i32, u64)]) -> Vec<Level> {
        levels.iter().map(|&(price, energy)| (Price(price), Energy(energy))).collect()
    }

    #[test]
    fn the_best_prices_stand_in_the_middle() {
        let drawn =
            ladder(&levels(&[(280_000, 300), (-5_000, 12_345_678)]), &levels(&[(285_000, 400), (300_000, 1_000)]));
        let expected = [
            "  bid Wh |  ct/kWh |  ask Wh\n",
            "         | 30.0000 |    1000\n",
            "         | 28.5000 |     400\n",
            "     300 | 28.0000 |\n",
            "12345678 | -0.5000 |\n",
        ];
        assert_eq!(drawn, expected.concat());
    }

    /// In a call phase orders are collected, and bids lie above asks.
    #[test]
    fn where_bids_and_asks_cross_each_price_is_one_line() {
        let drawn = ladder(&levels(&[(30_000, 5), (20_000, 6)]), &levels(&[(20_000, 7)]));
        let expected = " bid Wh | ct/kWh |  ask Wh\n      5 | 3.0000 |\n      6 | 2.0000 |       7\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn where_there_may_be_more_it_says_so() {
        let many: Vec<(i32, u64)> = (0..16).map(|price| (price, 1)).collect();
        assert!(ladder(&[], &levels(&many)).contains("only the best 16"));
        assert!(!ladder(&[], &levels(&many[1..])).contains("only"));
    }
}

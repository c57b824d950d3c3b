//! `gridbook auction`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::{Global, Usage};
use crate::auction_file::{
    Agreement, ClearedWeek, Decimal, Grid, Inputs, Output, Rounding, Week, compare_flows, compare_prices,
};

/// Which auctions to clear, and where the results go.
#[derive(Args, Debug)]
#[command(after_help = "\
Files are CSV with a header, plain or gzipped. Each timestamp is an auction of its own, with its own tree of zones:

  orders         timestamp,zone,side,price_eur_per_mwh,quantity_mwh            side: supply or demand
  network        timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh         and fee_from_to,fee_to_from, if there are fees
  border prices  timestamp,zone,price_eur_per_mwh                              trades any amount its links allow at that price
  border flows   timestamp,zone,border_zone,energy_mwh                         fixed schedules, export positive

  gridbook auction --orders orders.csv.gz --network network.csv.gz --border-prices border-prices.csv.gz --prices prices.csv
  gridbook auction --orders orders.csv --network network.csv --prices - --flows flows.csv --expect-flows published.csv

Numbers are read exactly. Quantities and capacities are rounded down to the lot. Exit code 1 if a file is wrong, or, with --strict,
if a zone fails or anything published does not come out.")]
pub(crate) struct AuctionArgs {
    /// Price steps.
    #[arg(long, value_name = "FILE")]
    orders: PathBuf,
    /// Links between zones: a tree.
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// Zones across the border with a given price.
    #[arg(long, value_name = "FILE")]
    border_prices: Option<PathBuf>,
    /// Fixed schedules over the border. They go before given prices.
    #[arg(long, value_name = "FILE")]
    border_flows: Option<PathBuf>,
    /// The root of the trees. Without it: the zone with the most links, then by name.
    #[arg(long, value_name = "ZONE")]
    root: Option<String>,
    /// Where the prices of zones with orders go; `-` for standard output.
    #[arg(long, value_name = "OUT")]
    prices: PathBuf,
    /// Where the flows over all links go; `-` for standard output.
    #[arg(long, value_name = "OUT")]
    flows: Option<PathBuf>,
    /// Energies are multiples of this many MWh.
    #[arg(long, value_name = "MWH", default_value = "0.001")]
    lot_mwh: Decimal,
    /// Prices of orders and fees are multiples of this, per MWh.
    #[arg(long, value_name = "PRICE", default_value = "0.01")]
    tick: Decimal,
    /// What becomes of quantities that are not whole lots: files whose numbers went through a float (74.89999999999999 for 74.9)
    /// come out truer with `nearest`.
    #[arg(long, value_enum, default_value_t = Quantities::Down)]
    quantities: Quantities,
    /// Published prices, as `--prices` writes them: says how many come out.
    #[arg(long, value_name = "FILE")]
    expect_prices: Option<PathBuf>,
    /// Published flows, as `--flows` writes them: says how many come out.
    #[arg(long, value_name = "FILE")]
    expect_flows: Option<PathBuf>,
    /// Exit code 1 if a zone fails or anything published does not come out.
    #[arg(long)]
    strict: bool,
}

/// How quantities become whole lots.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Quantities {
    /// Down: what is beyond whole lots does not take part.
    Down,
    /// To the nearest lot.
    Nearest,
}

impl From<Quantities> for Rounding {
    fn from(quantities: Quantities) -> Self {
        match quantities {
            Quantities::Down => Self::Down,
            Quantities::Nearest => Self::Nearest,
        }
    }
}

impl AuctionArgs {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let grid = Grid::new(self.lot_mwh, self.tick).map_err(Usage::error)?.with_rounding(self.quantities.into());
        let prices = Output::from(self.prices);
        let flows = self.flows.map(Output::from);
        let on_stdout =
            [Some(&prices), flows.as_ref()].into_iter().flatten().filter(|output| **output == Output::Stdout).count();
        if on_stdout + usize::from(global.json) > 1 {
            return Err(Usage::error("only one of --prices -, --flows - and --json can have standard output"));
        }
        let inputs = Inputs {
            orders: self.orders,
            network: self.network,
            border_prices: self.border_prices,
            border_flows: self.border_flows,
            root: self.root,
            grid,
        };
        let began = Instant::now();
        let week = Week::read(&inputs)?;
        let reading_ms = began.elapsed().as_secs_f64() * 1e3;
        let week = week.clear();
        week.write_prices(&prices).context("cannot write the prices")?;
        flows.as_ref().map_or(Ok(()), |flows| week.write_flows(flows)).context("cannot write the flows")?;
        let agreement = Comparisons {
            prices: self.expect_prices.map(|file| compare_prices(&week, &file)).transpose()?,
            flows: self.expect_flows.map(|file| compare_flows(&week, &file)).transpose()?,
        };
        report(global, &week, reading_ms, &agreement)?;
        if self.strict && (week.failures().next().is_some() || !agreement.is_exact()) {
            bail!("not everything came out as it should");
        }
        Ok(())
    }
}

/// How results agree with published ones.
struct Comparisons {
    prices: Option<Agreement>,
    flows: Option<Agreement>,
}

impl Comparisons {
    fn is_exact(&self) -> bool {
        [&self.prices, &self.flows].into_iter().flatten().all(Agreement::is_exact)
    }
}

fn report(global: &Global, week: &ClearedWeek, reading_ms: f64, agreement: &Comparisons) -> anyhow::Result<()> {
    for (timestamp, zone, case) in week.failures() {
        note!("{timestamp} {zone}: {case}");
    }
    let clearing_ms = week.clearing_time.as_secs_f64() * 1e3;
    if global.json {
        let value = serde_json::json!({
            "auctions": week.auctions.len(),
            "zones": week.zones(),
            "orders": week.orders,
            "cases": week.cases(),
            "failed": week.failures().count(),
            "reading_ms": reading_ms,
            "clearing_ms": clearing_ms,
            "prices": agreement.prices,
            "flows": agreement.flows,
        });
        return global.print(&value, String::new);
    }
    note!(
        "{} auctions of {} zones, {} orders: read in {reading_ms:.1} ms, cleared in {clearing_ms:.2} ms",
        week.auctions.len(),
        week.zones(),
        week.orders
    );
    let cases: Vec<String> = week.cases().iter().map(|(case, count)| format!("{count} {case}")).collect();
    note!("prices: {}", cases.join(", "));
    for (what, unit, agreement) in [("prices", "per MWh", &agreement.prices), ("flows", "MWh", &agreement.flows)] {
        if let Some(agreement) = agreement {
            note!("{}", sentence(what, unit, agreement));
        }
    }
    Ok(())
}

fn sentence(what: &str, unit: &str, agreement: &Agreement) -> String {
    let Agreement { published, exact, missing, mean_difference, max_difference, worst } = agreement;
    let mut sentence = format!("{exact} of {published} published {what} come out exactly");
    if max_difference > &0.0 {
        sentence += &format!("; mean difference {mean_difference:.4} {unit}, at most {max_difference:.3} at {worst}");
    }
    if *missing > 0 {
        sentence += &format!("; {missing} have no counterpart here");
    }
    sentence
}

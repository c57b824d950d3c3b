//! The input files, row by row.

use std::collections::BTreeMap;
use std::path::Path;

use gridbook_engine::{Energy, Price, Side};

use super::table::{FileError, Row, Table};
use super::{Decimal, ENERGY_DECIMALS, Grid, PRICE_DECIMALS};

/// Names, each with a number in the order of first appearance.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

/// A price step.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderRow {
    pub(super) zone: usize,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) energy: Energy,
    pub(super) sequence: u64,
}

/// A link between two zones.
#[derive(Clone, Debug)]
pub(super) struct LinkRow {
    pub(super) from: String,
    pub(super) to: String,
    /// What it carries from -> to, and back.
    pub(super) forth: Energy,
    pub(super) back: Energy,
    pub(super) fee_forth: Price,
    pub(super) fee_back: Price,
    /// Where it stands in its file.
    pub(super) line: u64,
}

/// The orders of a file: timestamps and zones by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    pub(super) timestamps: Names,
    pub(super) zones: Names,
    /// By timestamp.
    pub(super) rows: Vec<Vec<OrderRow>>,
    pub(super) total: usize,
}

/// By timestamp and zone: the given price.
pub(super) type BorderPrices = BTreeMap<String, BTreeMap<String, Price>>;
/// By timestamp, zone and border zone: the schedule in watt-hours, export positive.
pub(super) type BorderFlows = BTreeMap<String, BTreeMap<(String, String), i64>>;

impl Names {
    /// The number of a name; a new one if it is new.
    fn number(&mut self, name: &str, last: usize) -> usize {
        // Files are sorted, mostly: the name is the one of the line before.
        if self.names.get(last).is_some_and(|known| known == name) {
            return last;
        }
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }

    /// All names, by number.
    pub(super) fn all(&self) -> &[String] {
        &self.names
    }
}

/// Reads `timestamp,zone,side,price_eur_per_mwh,quantity_mwh`.
pub(super) fn read_orders(file: &Path, grid: Grid) -> Result<Orders, FileError> {
    let mut table = Table::open(file, &["timestamp", "zone", "side", "price_eur_per_mwh", "quantity_mwh"], 0)?;
    let mut orders = Orders::default();
    let (mut timestamp, mut zone) = (0, 0);
    while let Some(row) = table.next()? {
        timestamp = orders.timestamps.number(row.name(0, "timestamp")?, timestamp);
        zone = orders.zones.number(row.name(1, "zone")?, zone);
        let side = match row.text(2) {
            "supply" => Side::Sell,
            "demand" => Side::Buy,
            other => return Err(row.wrong(format!("{other:?} is no side: write supply or demand"))),
        };
        let price = price(&row, row.decimal(3)?)?;
        if price.0 % grid.tick != 0 {
            return Err(row.wrong(format!("the price {} is off the tick; --tick sets another", row.text(3))));
        }
        let wrong = || row.wrong(format!("the quantity {} is below zero or too large", row.text(4)));
        let energy = grid.order_energy(row.decimal(4)?).ok_or_else(wrong)?;
        if orders.rows.len() <= timestamp {
            orders.rows.push(Vec::new());
        }
        orders.rows[timestamp].push(OrderRow { zone, side, price, energy, sequence: orders.total as u64 });
        orders.total += 1;
    }
    Ok(orders)
}

/// Reads `timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh[,fee_from_to,fee_to_from]`: links by timestamp.
pub(super) fn read_links(file: &Path, grid: Grid) -> Result<BTreeMap<String, Vec<LinkRow>>, FileError> {
    let columns = ["timestamp", "from_zone", "to_zone", "min_flow_mwh", "max_flow_mwh", "fee_from_to", "fee_to_from"];
    let mut table = Table::open(file, &columns, 2)?;
    let mut links: BTreeMap<String, Vec<LinkRow>> = BTreeMap::new();
    while let Some(row) = table.next()? {
        let capacity = |column: usize, sign: i128| {
            let energy = row.decimal(column)?.toward_zero(ENERGY_DECIMALS).map(|wh| wh * sign);
            let energy = energy.and_then(|wh| u64::try_from(wh).ok()).map(Energy);
            energy.ok_or_else(|| {
                row.wrong(
                    "a link must be able to carry nothing: min_flow_mwh is not above zero, max_flow_mwh not below",
                )
            })
        };
        let fee = |column: usize| {
            let fee = price(&row, row.decimal_or_zero(column)?)?;
            let is_good = fee.0 >= 0 && fee.0 % grid.tick == 0;
            if is_good { Ok(fee) } else { Err(row.wrong("a fee is not below zero, and a multiple of the tick")) }
        };
        let link = LinkRow {
            from: row.name(1, "zone")?.to_owned(),
            to: row.name(2, "zone")?.to_owned(),
            forth: capacity(4, 1)?,
            back: capacity(3, -1)?,
            fee_forth: fee(5)?,
            fee_back: fee(6)?,
            line: row.line(),
        };
        links.entry(row.name(0, "timestamp")?.to_owned()).or_default().push(link);
    }
    Ok(links)
}

/// Reads `timestamp,zone,price_eur_per_mwh`.
pub(super) fn read_border_prices(file: &Path) -> Result<BorderPrices, FileError> {
    let mut table = Table::open(file, &["timestamp", "zone", "price_eur_per_mwh"], 0)?;
    let mut prices = BorderPrices::new();
    while let Some(row) = table.next()? {
        let price = price(&row, row.decimal(2)?)?;
        let zones = prices.entry(row.name(0, "timestamp")?.to_owned()).or_default();
        if zones.insert(row.name(1, "zone")?.to_owned(), price).is_some() {
            return Err(row.wrong(format!("{} has two prices at {}", row.text(1), row.text(0))));
        }
    }
    Ok(prices)
}

/// Reads `timestamp,zone,border_zone,energy_mwh`, export positive.
pub(super) fn read_border_flows(file: &Path, grid: Grid) -> Result<BorderFlows, FileError> {
    let mut table = Table::open(file, &["timestamp", "zone", "border_zone", "energy_mwh"], 0)?;
    let mut flows = BorderFlows::new();
    while let Some(row) = table.next()? {
        let energy = row.decimal(3)?.rounded_to(ENERGY_DECIMALS, grid.lot_wh).and_then(|wh| i64::try_from(wh).ok());
        let energy = energy.ok_or_else(|| row.wrong(format!("the energy {} is too large", row.text(3))))?;
        let zones = flows.entry(row.name(0, "timestamp")?.to_owned()).or_default();
        let link = (row.name(1, "zone")?.to_owned(), row.name(2, "zone")?.to_owned());
        if zones.insert(link, energy).is_some() {
            let sentence = format!("{} has two schedules to {} at {}", row.text(1), row.text(2), row.text(0));
            return Err(row.wrong(sentence));
        }
    }
    Ok(flows)
}

/// A price with at most five decimals.
pub(super) fn price(row: &Row<'_>, price: Decimal) -> Result<Price, FileError> {
    price
        .exact(PRICE_DECIMALS)
        .and_then(|price| i32::try_from(price).ok())
        .map(Price)
        .ok_or_else(|| row.wrong("a price lies between -21474.83 and 21474.83 per MWh and has five decimals at most"))
}

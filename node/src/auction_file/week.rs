//! A week of auctions, or however many the files hold: one per timestamp, each with its own tree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gridbook_engine::AreaId;
use gridbook_engine::auction::{AuctionOrder, Clearer, Clearing, PeriodBook};

use super::Grid;
use super::cleared::ClearedWeek;
use super::grid::{Borders, Link, ZoneTree};
use super::table::FileError;
use super::tables::{
    BorderFlows, BorderPrices, Orders, read_border_flows, read_border_prices, read_links, read_orders,
};

/// Which files to read.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `timestamp,zone,side,price_eur_per_mwh,quantity_mwh`.
    pub orders: PathBuf,
    /// `timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh`, and `fee_from_to,fee_to_from` if there are fees.
    pub network: PathBuf,
    /// `timestamp,zone,price_eur_per_mwh`: zones that trade any amount that their links allow at a given price.
    pub border_prices: Option<PathBuf>,
    /// `timestamp,zone,border_zone,energy_mwh`, export positive: fixed schedules. They go before given prices.
    pub border_flows: Option<PathBuf>,
    /// The root of the trees; without it the zone with the most links, then by name.
    pub root: Option<String>,
    /// Tick and lot.
    pub grid: Grid,
}

/// All auctions of the files, ready to be cleared.
#[derive(Clone, Debug)]
pub struct Week {
    /// In the order of the orders file.
    pub auctions: Vec<Auction>,
    /// How many orders there are in all.
    pub orders: usize,
    grid: Grid,
}

/// One auction.
#[derive(Clone, Debug)]
pub struct Auction {
    /// As written in the files.
    pub timestamp: String,
    /// The zones inside, by name.
    pub zones: Vec<Zone>,
    pub(super) links: Vec<Link>,
    tree: ZoneTree,
    orders: Vec<AuctionOrder>,
}

/// A zone of an auction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Whether it has orders: only then its price is written.
    pub has_orders: bool,
}

impl Week {
    /// Reads the files and builds the trees.
    ///
    /// # Errors
    /// With file, line and what to do: a file that cannot be read, a line that is wrong, a network that is not a tree.
    pub fn read(inputs: &Inputs) -> Result<Self, FileError> {
        let grid = inputs.grid;
        let orders = read_orders(&inputs.orders, grid)?;
        let mut links = read_links(&inputs.network, grid)?;
        let prices = inputs.border_prices.as_deref().map(read_border_prices).transpose()?.unwrap_or_default();
        let flows = inputs.border_flows.as_deref().map(|file| read_border_flows(file, grid)).transpose()?;
        let flows = flows.unwrap_or_default();
        let borders = border_zones(&prices, &flows);
        let mut auctions = Vec::with_capacity(orders.rows.len());
        for (number, timestamp) in orders.timestamps.all().iter().enumerate() {
            let links = links.remove(timestamp).unwrap_or_default();
            let borders = Borders { zones: &borders, prices: prices.get(timestamp), flows: flows.get(timestamp) };
            let with_orders = zones_with_orders(&orders, number);
            let tree = ZoneTree::build(&with_orders, &links, borders, inputs.root.as_deref(), grid.tick);
            let tree = tree.map_err(|error| match error.line {
                Some(line) => FileError::Line { file: inputs.network.clone(), line, sentence: error.sentence },
                None => form(&inputs.network, format!("at {timestamp}: {}", error.sentence)),
            })?;
            auctions.push(Auction::new(timestamp, tree, &orders, number, &with_orders));
        }
        if auctions.is_empty() {
            return Err(form(&inputs.orders, "there are no orders".to_owned()));
        }
        Ok(Self { auctions, orders: orders.total, grid })
    }

    /// Clears all auctions, one after the other.
    pub fn clear(self) -> ClearedWeek {
        let mut clearer = Clearer::new();
        let rules = self.grid.rules();
        let mut clearings = vec![Clearing::default(); self.auctions.len()];
        let began = std::time::Instant::now();
        for (auction, clearing) in self.auctions.iter().zip(&mut clearings) {
            let ZoneTree { tree, given, injections, .. } = &auction.tree;
            clearer.clear_into(rules, &PeriodBook { tree, orders: &auction.orders, injections, given }, clearing);
        }
        ClearedWeek { clearing_time: began.elapsed(), auctions: self.auctions, clearings, orders: self.orders }
    }
}

impl Auction {
    fn new(timestamp: &str, tree: ZoneTree, all: &Orders, number: usize, with_orders: &BTreeSet<&str>) -> Self {
        let zone = |name: &String| Zone { name: name.clone(), has_orders: with_orders.contains(name.as_str()) };
        let area_of = |name: &String| {
            let place = tree.zones.binary_search(name).expect("every zone with orders is in the tree");
            AreaId(u16::try_from(place).expect("the tree has no more areas than that"))
        };
        // Only zones of this timestamp are in its tree.
        let areas: Vec<Option<AreaId>> = all
            .zones
            .all()
            .iter()
            .map(|name| Some(name).filter(|name| with_orders.contains(name.as_str())).map(area_of))
            .collect();
        let orders = all.rows[number].iter().map(|row| AuctionOrder {
            area: areas[row.zone].expect("the zone of an order has orders"),
            side: row.side,
            price: row.price,
            energy: row.energy,
            sequence: row.sequence,
        });
        let orders = orders.collect();
        let (zones, links) = (tree.zones.iter().map(zone).collect(), tree.links.clone());
        Self { timestamp: timestamp.to_owned(), zones, links, tree, orders }
    }
}

fn border_zones(prices: &BorderPrices, flows: &BorderFlows) -> BTreeSet<String> {
    let priced = prices.values().flat_map(|zones| zones.keys().cloned());
    let scheduled = flows.values().flat_map(|links| links.keys().map(|(_, border)| border.clone()));
    priced.chain(scheduled).collect()
}

fn zones_with_orders(orders: &Orders, number: usize) -> BTreeSet<&str> {
    let mut seen = vec![false; orders.zones.all().len()];
    for row in &orders.rows[number] {
        seen[row.zone] = true;
    }
    orders.zones.all().iter().zip(seen).filter(|(_, seen)| *seen).map(|(name, _)| name.as_str()).collect()
}

fn form(file: &Path, sentence: String) -> FileError {
    FileError::Form { file: file.to_owned(), sentence }
}

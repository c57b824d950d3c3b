//! A week of call auctions, as a day-ahead market holds them: one auction an hour over a tree of zones.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use gridbook_engine::auction::{AuctionOrder, AuctionTree, GivenPrice, PeriodBook};
use gridbook_engine::{AreaId, Edge, Energy, Network, Price, Side};

use crate::dice::Dice;

/// Hours of a week.
pub const HOURS: usize = 168;
/// Wh in the smallest part of the prices' and energies' text: 0.001 MWh.
pub const LOT: u64 = 1_000;
/// 0.01 a MWh.
pub const TICK: i32 = 10;

/// What takes part in the auction of one hour.
#[derive(Clone, Debug)]
pub struct Hour {
    /// Zones, and what flows between them in this hour.
    pub tree: AuctionTree,
    /// Steps of all zones.
    pub orders: Vec<AuctionOrder>,
    /// Zones outside, whose price is given.
    pub given: Vec<GivenPrice>,
}

impl Hour {
    /// As the auction takes it.
    pub fn book(&self) -> PeriodBook<'_> {
        PeriodBook { tree: &self.tree, orders: &self.orders, injections: &[], given: &self.given }
    }
}

/// Zones of the drawn week: the one above (the first is the root), and the steps of demand and supply in a usual hour.
const ZONES: [(u16, u32, u32); 7] =
    [(0, 63, 137), (0, 46, 40), (1, 50, 65), (2, 44, 69), (3, 35, 27), (4, 43, 48), (2, 40, 31)];

/// A drawn week of about 125,000 steps in 7 zones: load that must be served at any price and some that need not be, must-run plants
/// at nothing and a merit order above, more load by day, more sun at noon.
pub fn drawn(seed: u64) -> Vec<Hour> {
    let mut dice = Dice::new(seed);
    (0..HOURS).map(|hour| draw_hour(&mut dice, hour as u64 % 24)).collect()
}

fn draw_hour(dice: &mut Dice, hour: u64) -> Hour {
    let mut orders = Vec::new();
    for (zone, (_, demand, supply)) in ZONES.iter().enumerate() {
        let area = AreaId(u16::try_from(zone).expect("seven zones"));
        let size = u64::from(demand + supply) * 20_000;
        let load = size * if (7..22).contains(&hour) { 3 } else { 2 };
        let sun = size * [0, 1, 2][usize::from((7..19).contains(&hour)) + usize::from((10..16).contains(&hour))];
        let mut step = |side, price: u64, energy: u64| {
            let price = Price(i32::try_from(price).expect("a few hundred a MWh") * TICK);
            orders.push((area, side, price, Energy((1 + energy) * LOT)));
        };
        step(Side::Buy, 400_000, load / 3);
        step(Side::Sell, 0, (size + sun) / 4);
        let vary = |dice: &mut Dice, count: u32| count * 9 / 10 + dice.small(count / 5 + 1);
        for _ in 1..vary(dice, *demand) {
            step(Side::Buy, dice.below(16_000), dice.below(load / u64::from(*demand)));
        }
        for _ in 1..vary(dice, *supply) {
            step(Side::Sell, 2_000 + dice.below(16_000), dice.below(2 * size / u64::from(*supply)));
        }
    }
    let edges = (1_u16..).zip(&ZONES[1..]).map(|(child, (parent, _, _))| {
        let mut capacity = || Energy((30_000 + dice.below(500_000)) * LOT);
        let (up, down) = (capacity(), capacity());
        Edge { child: AreaId(child), parent: AreaId(*parent), up, down, fee_up: Price(0), fee_down: Price(0) }
    });
    let network = Network::new(ZONES.len() as u16, TICK, &edges.collect::<Vec<_>>()).expect("the zones are one tree");
    Hour { tree: AuctionTree::new(&network), orders: in_order(orders), given: Vec::new() }
}

/// Sorted as a book keeps them: by area, side and price; numbered in this order.
fn in_order(mut steps: Vec<(AreaId, Side, Price, Energy)>) -> Vec<AuctionOrder> {
    steps.sort_by_key(|(area, side, price, _)| (*area, *side, *price));
    let order = |((area, side, price, energy), sequence)| AuctionOrder { area, side, price, energy, sequence };
    steps.into_iter().zip(0..).map(order).collect()
}

/// A week out of files `orders.csv.gz`, `network.csv.gz` and `border-prices.csv.gz` in a folder: each link to a zone outside is a leaf.
///
/// # Errors
/// If a file is missing or not as described in the documentation of `gridbook auction`.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Hour>> {
    let (orders, links) = (Rows::read(&folder.join("orders.csv.gz"))?, Rows::read(&folder.join("network.csv.gz"))?);
    let prices = Rows::read(&folder.join("border-prices.csv.gz"))?;
    let hour = |(time, orders): (&String, &Vec<Vec<String>>)| {
        let links = links.0.get(time).with_context(|| format!("no network at {time}"))?;
        read_hour(orders, links, prices.0.get(time).map_or(&[][..], Vec::as_slice))
            .with_context(|| format!("the hour {time}"))
    };
    orders.0.iter().map(hour).collect()
}

fn read_hour(orders: &[Vec<String>], links: &[Vec<String>], prices: &[Vec<String>]) -> anyhow::Result<Hour> {
    let outside: BTreeMap<&str, Price> =
        prices.iter().map(|row| Ok((row[1].as_str(), price(&row[2])?))).collect::<anyhow::Result<_>>()?;
    let mut zones: Vec<&str> = orders.iter().map(|row| row[1].as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let links_of = |zone: &str| links.iter().filter(|row| row[1] == zone || row[2] == zone).count();
    let root = (0..zones.len()).max_by_key(|zone| links_of(zones[*zone])).context("no orders")?;
    let (mut edges, mut given, mut next) = (Vec::new(), Vec::new(), zones.len());
    let (mut reached, mut waiting) = (vec![root], vec![root]);
    while let Some(parent) = waiting.pop() {
        for row in links.iter().filter(|row| row[1] == zones[parent] || row[2] == zones[parent]) {
            let is_from = row[1] != zones[parent];
            let other = if is_from { &row[1] } else { &row[2] };
            let child = match (zones.iter().position(|zone| zone == other), outside.get(other.as_str())) {
                (Some(zone), _) if reached.contains(&zone) => continue,
                (Some(zone), _) => {
                    reached.push(zone);
                    waiting.push(zone);
                    zone
                }
                (None, Some(price)) => {
                    given.push(GivenPrice { area: area(next)?, price: *price });
                    next += 1;
                    next - 1
                }
                // A zone outside without a price takes nothing.
                (None, None) => continue,
            };
            let (back, forth) = (capacity(row[3].trim_start_matches('-'))?, capacity(&row[4])?);
            let (up, down) = if is_from { (forth, back) } else { (back, forth) };
            let (child, parent) = (area(child)?, area(parent)?);
            edges.push(Edge { child, parent, up, down, fee_up: Price(0), fee_down: Price(0) });
        }
    }
    let network = Network::new(area(next)?.0, TICK, &edges)?;
    let step = |row: &Vec<String>| {
        let zone = zones.binary_search(&row[1].as_str()).ok().context("an unknown zone")?;
        let side = if row[2] == "supply" { Side::Sell } else { Side::Buy };
        Ok((area(zone)?, side, price(&row[3])?, capacity(&row[4])?))
    };
    let orders = in_order(orders.iter().map(step).collect::<anyhow::Result<_>>()?);
    Ok(Hour { tree: AuctionTree::new(&network), orders, given })
}

/// Rows by their first column.
struct Rows(BTreeMap<String, Vec<Vec<String>>>);

impl Rows {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
        let mut rows: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for line in text.lines().skip(1) {
            let row: Vec<String> = line.split(',').map(str::to_owned).collect();
            rows.entry(row[0].clone()).or_default().push(row);
        }
        Ok(Self(rows))
    }
}

fn area(number: usize) -> anyhow::Result<AreaId> {
    Ok(AreaId(u16::try_from(number)?))
}

fn price(text: &str) -> anyhow::Result<Price> {
    Ok(Price(i32::try_from(thousandths(text)?)?))
}

/// MWh to whole lots, in Wh.
fn capacity(text: &str) -> anyhow::Result<Energy> {
    Ok(Energy(u64::try_from(thousandths(text)?)? * LOT))
}

/// Decimal text times a thousand, without a float, to the nearest: published files hold prices such as 74.89999999999999.
fn thousandths(text: &str) -> anyhow::Result<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{part:0<4}");
    let (kept, next) = (digits[..3].parse::<i64>()?, digits[3..4].parse::<i64>()?);
    let magnitude = whole.trim_start_matches('-').parse::<i64>()? * 1_000 + kept + i64::from(next >= 5);
    Ok(if whole.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridbook_engine::auction::{AuctionRules, clear};

    /// A week in which nothing clears, or no edge is ever full, would be quicker than a real one.
    #[test]
    fn the_drawn_week_is_like_a_real_one() {
        let week = drawn(1);
        let steps: usize = week.iter().map(|hour| hour.orders.len()).sum();
        assert!(steps.abs_diff(125_000) < 6_000, "{steps} steps");
        let clearings: Vec<_> = week.iter().map(|hour| clear(AuctionRules::new(TICK, LOT), &hour.book())).collect();
        let prices = clearings.iter().flat_map(|clearing| &clearing.areas).filter(|area| area.price.is_some()).count();
        assert_eq!(prices, HOURS * ZONES.len());
        let split =
            clearings.iter().filter(|clearing| clearing.areas.iter().any(|area| area.price != clearing.areas[0].price));
        let split = split.count();
        assert!(split > HOURS / 4, "prices differ in {split} hours");
    }

    #[test]
    fn decimal_text_is_read_to_the_nearest_thousandth() {
        assert_eq!(thousandths("-500.0").ok(), Some(-500_000));
        assert_eq!(thousandths("-0.001").ok(), Some(-1));
        assert_eq!(thousandths("105.3").ok(), Some(105_300));
        assert_eq!(thousandths("7").ok(), Some(7_000));
        assert_eq!(thousandths("-74.89999999999999").ok(), Some(-74_900));
        assert!(thousandths("a").is_err());
    }
}

//! A week of the Italian day-ahead market against what the exchange published: every hour an auction over a tree of seven zones.
//! The data, its source and its licence are in `data/italy/`.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use gridbook_node::auction_file::{Grid, Inputs, Rounding, Week, compare_flows, compare_prices};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/italy").join(name)
}

fn week() -> Inputs {
    Inputs { orders: file("orders.csv.gz"), network: file("network.csv.gz"), ..Inputs::default() }
}

#[test]
fn with_border_prices_every_published_price_comes_out() {
    let inputs = Inputs { border_prices: Some(file("border-prices.csv.gz")), ..week() };
    let week = Week::read(&inputs).unwrap().clear();
    assert_eq!((week.auctions.len(), week.zones(), week.orders), (168, 7, 125_221));
    assert_eq!(week.failures().count(), 0);
    let prices = compare_prices(&week, &file("expected-prices.csv.gz")).unwrap();
    assert_eq!((prices.published, prices.exact, prices.missing), (1_176, 1_176, 0));
}

/// The schedules are rounded to the kilowatt-hour. Where demand and supply meet exactly that decides between two steps, so not every
/// price can come out; flows hardly notice.
#[test]
fn with_border_schedules_most_prices_and_nearly_the_flows_come_out() {
    let inputs = Inputs { border_flows: Some(file("border-flows.csv.gz")), ..week() };
    let week = Week::read(&inputs).unwrap().clear();
    assert_eq!(week.failures().count(), 0);
    let prices = compare_prices(&week, &file("expected-prices.csv.gz")).unwrap();
    assert_eq!((prices.published, prices.exact, prices.missing), (1_176, 948, 0));
    let flows = compare_flows(&week, &file("expected-flows.csv.gz")).unwrap();
    assert_eq!((flows.published, flows.missing), (1_008, 0));
    assert!(flows.mean_difference <= 0.002 && flows.max_difference <= 0.05, "{flows:?}");
}

/// The published quantities went through floats on their way here: to the nearest lot, most flows come out to the kilowatt-hour.
#[test]
fn with_quantities_to_the_nearest_lot_almost_all_flows_come_out_exactly() {
    let grid = Grid::default().with_rounding(Rounding::Nearest);
    let inputs = Inputs { border_flows: Some(file("border-flows.csv.gz")), grid, ..week() };
    let week = Week::read(&inputs).unwrap().clear();
    let prices = compare_prices(&week, &file("expected-prices.csv.gz")).unwrap();
    let flows = compare_flows(&week, &file("expected-flows.csv.gz")).unwrap();
    assert_eq!((prices.exact, flows.exact), (947, 988));
    assert!(flows.mean_difference <= 0.0003 && flows.max_difference <= 0.05, "{flows:?}");
}

/// Which zone the tree hangs from is a matter of taste: only rounding may differ.
#[test]
fn another_root_gives_the_same_prices() {
    let cleared = |root: Option<&str>| {
        let root = root.map(str::to_owned);
        let inputs = Inputs { border_prices: Some(file("border-prices.csv.gz")), root, ..week() };
        let week = Week::read(&inputs).unwrap().clear();
        week.prices().map(|(_, _, price)| price).collect::<Vec<_>>()
    };
    assert_eq!(cleared(None), cleared(Some("SICI")));
}

//! Worked auctions of other systems. Where they have the same mechanism the figures agree; where our rule differs on purpose the test
//! says so and checks ours.

#![allow(clippy::unwrap_used)]

use Side::{Buy, Sell};
use gridbook_engine::auction::{
    AuctionOrder, AuctionRules, AuctionTree, Case, Clearing, GivenPrice, PeriodBook, clear,
};
use gridbook_engine::{AreaId, Edge, Energy, Network, Price, Side};

type Row = (u16, Side, i32, u64);

fn cleared(edges: &[Edge], rows: &[Row], given: &[GivenPrice]) -> Clearing {
    let order = |(sequence, (area, side, price, energy)): (usize, &Row)| AuctionOrder {
        area: AreaId(*area),
        side: *side,
        price: Price(*price),
        energy: Energy(*energy),
        sequence: sequence as u64,
    };
    let orders: Vec<AuctionOrder> = rows.iter().enumerate().map(order).collect();
    let areas = u16::try_from(edges.len() + 1).unwrap();
    let tree = AuctionTree::new(&Network::new(areas, 1, edges).unwrap());
    clear(AuctionRules::new(1, 1), &PeriodBook { given, ..PeriodBook::plain(&tree, &orders) })
}

fn one_area(bids: &[(i32, u64)], asks: &[(i32, u64)]) -> (Clearing, u64) {
    let row = |side| move |(price, energy): &(i32, u64)| (0, side, *price, *energy);
    let rows: Vec<Row> = bids.iter().map(row(Buy)).chain(asks.iter().map(row(Sell))).collect();
    let clearing = cleared(&[], &rows, &[]);
    let bought = clearing.accepted[..bids.len()].iter().map(|energy| energy.0).sum();
    (clearing, bought)
}

fn price(clearing: &Clearing, area: usize) -> i32 {
    clearing.areas[area].price.unwrap().0
}

/// Australian Securities Exchange, opening auction, stock X (its four principles; figures as quoted in a public course of UNSW): the
/// most volume is 1,000 from 610 to 639, the least surplus from 635 on, and buyers press the price to 639.
#[test]
fn an_exchange_opens_a_stock() {
    let bids = [(640, 500), (639, 500), (639, 500), (634, 1_000), (633, 500)];
    let asks = [(610, 1_000), (640, 500), (641, 520), (642, 550), (643, 519)];
    let (clearing, volume) = one_area(&bids, &asks);
    assert_eq!((price(&clearing, 0), volume), (639, 1_000));
    assert_eq!(clearing.areas[0].case, Case::MarginalBuyer);
    // That exchange fills by time; in a call auction of energy the two bids at 639 share.
    assert_eq!(clearing.accepted[1..3], [Energy(250), Energy(250)]);
}

/// MarketGrid, auction matching, documented example: 290 at 12,400.
#[test]
fn a_trading_platform_documents_its_auction() {
    let bids = [
        (13_000, 45),
        (12_900, 95),
        (12_800, 25),
        (12_700, 35),
        (12_600, 25),
        (12_500, 55),
        (12_400, 200),
        (12_300, 80),
        (12_200, 60),
    ];
    let asks = [
        (13_100, 35),
        (13_000, 50),
        (12_900, 10),
        (12_800, 15),
        (12_700, 10),
        (12_600, 20),
        (12_500, 90),
        (12_400, 155),
        (12_300, 125),
        (12_200, 10),
    ];
    let (clearing, volume) = one_area(&bids, &asks);
    assert_eq!((price(&clearing, 0), volume), (12_400, 290));
}

/// pymarket (gus0k/pymarket, MIT), data set 0: 3 at a price of 2, set by the ask that is shared.
#[test]
fn a_market_library_crosses_curves_at_a_shared_ask() {
    let (clearing, volume) = one_area(&[(3, 1), (4, 2), (1, 5)], &[(2, 4), (1, 1), (6, 5)]);
    assert_eq!((price(&clearing, 0), volume), (2, 3));
    assert_eq!(clearing.areas[0].case, Case::MarginalSeller);
}

/// pymarket, data set 1, prices times ten: both curves break at 6, and the price is the midpoint of 40 and 60.
#[test]
fn a_market_library_takes_the_midpoint() {
    let bids = [(67, 1), (66, 1), (65, 1), (64, 1), (63, 1), (60, 1)];
    let asks = [(10, 1), (20, 1), (30, 2), (40, 2), (61, 1)];
    let (clearing, volume) = one_area(&bids, &asks);
    assert_eq!((price(&clearing, 0), volume), (50, 6));
    assert_eq!(clearing.areas[0].case, Case::Exact);
}

/// pymarket, data set 3, quantities and prices times ten. Its Huang mechanism leaves the marginal pair out and pays buyers and
/// sellers different prices (25 traded at 30 and 25), so that nobody gains by lying; MULTI-unit MUDA splits traders at random. Ours is
/// one price for all, and every trade that is worth something: 35 at 30.
#[test]
fn truthful_mechanisms_trade_less_on_purpose() {
    let bids = [(60, 10), (50, 1), (40, 19), (30, 10)];
    let asks = [(10, 10), (20, 15), (25, 10), (40, 10)];
    let (clearing, volume) = one_area(&bids, &asks);
    assert_eq!((price(&clearing, 0), volume), (30, 35));
}

/// Zones A (1) and B (the root) with so much between them.
fn link(capacity: u64) -> Edge {
    let (up, down) = (Energy(capacity), Energy(capacity));
    Edge { child: AreaId(1), parent: AreaId(0), up, down, fee_up: Price(0), fee_down: Price(0) }
}

const ZONES: [Row; 4] = [(1, Sell, 10, 100), (1, Buy, 90, 40), (0, Sell, 50, 100), (0, Buy, 90, 60)];

/// rebase-energy/OpenEUPHEMIA (MIT), `tests/test_solver.py`.
#[test]
fn a_zonal_solver_without_and_with_congestion() {
    let clearing = cleared(&[link(1_000)], &ZONES, &[]);
    // Exactly A's 100 is wanted in both, so any price from A's 10 to B's 50 would do: that solver returns the lower end, ours is the
    // midpoint.
    assert_eq!((price(&clearing, 0), price(&clearing, 1), clearing.edges[1].flow_wh), (30, 30, 60));
    assert_eq!(clearing.areas[0].case, Case::Exact);
    let clearing = cleared(&[link(20)], &ZONES, &[]);
    assert_eq!((price(&clearing, 1), price(&clearing, 0), clearing.edges[1].flow_wh), (10, 50, 20));
}

/// The same, with a border zone at 30 behind B.
#[test]
fn a_zonal_solver_with_a_border_that_takes_any_price() {
    let border = Edge { child: AreaId(2), up: Energy(500), down: Energy(500), ..link(0) };
    let given = [GivenPrice { area: AreaId(2), price: Price(30) }];
    let clearing = cleared(&[link(1_000), border], &ZONES, &given);
    assert_eq!([price(&clearing, 1), price(&clearing, 0)], [30, 30]);
    assert_eq!(clearing.areas[0].case, Case::Border);
}

/// OpenEUPHEMIA, `tests/test_flow_selection.py`: of results of equal welfare the one that shares by volume, as published Italian flows do.
#[test]
fn a_zonal_solver_shares_one_price_over_zones() {
    let rows = |b: u64| [(1, Sell, 10, 100), (0, Sell, 10, b), (1, Buy, 4_000, 40), (0, Buy, 4_000, 60)];
    let equal = cleared(&[link(500)], &rows(100), &[]);
    assert_eq!((equal.accepted[0].0, equal.accepted[1].0, equal.edges[1].flow_wh), (50, 50, 10));
    let unequal = cleared(&[link(500)], &rows(300), &[]);
    assert_eq!((unequal.accepted[0].0, unequal.accepted[1].0, unequal.edges[1].flow_wh), (25, 75, -15));
}

/// OpenEUPHEMIA: equal prices must trade, although nobody gains.
#[test]
fn a_zonal_solver_trades_what_is_worth_nothing() {
    let clearing = cleared(&[], &[(0, Sell, 10, 50), (0, Buy, 10, 50)], &[]);
    assert_eq!(clearing.accepted, [Energy(50), Energy(50)]);
}

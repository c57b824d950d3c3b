//! The rules of the call auction one by one, on markets small enough to draw (MARKET section 5).
//!
//! A curve is drawn as `start | step [from, to] | ...`: what the area exports as the price rises, from minus all demand.

#![allow(clippy::unwrap_used)]

use Side::{Buy, Sell};
use gridbook_engine::auction::{
    AuctionOrder, AuctionRules, AuctionTree, Case, Clearing, Failure, GivenPrice, Injection, PeriodBook, clear,
};
use gridbook_engine::{AreaId, Edge, Energy, Money, Network, Price, Side};

/// A child of an area: `edge(child, parent).up(4).fees(5, 3)`; without more, a thousand each way for nothing.
fn edge(child: u16, parent: u16) -> Edge {
    let (up, down, fee_up, fee_down) = (Energy(1_000), Energy(1_000), Price(0), Price(0));
    Edge { child: AreaId(child), parent: AreaId(parent), up, down, fee_up, fee_down }
}

fn with_capacity(edge: Edge, up: u64, down: u64) -> Edge {
    Edge { up: Energy(up), down: Energy(down), ..edge }
}

fn with_fee(edge: Edge, fee: i32) -> Edge {
    Edge { fee_up: Price(fee), fee_down: Price(fee), ..edge }
}

/// Area, side, price, energy; the sequence is the place in the list.
type Row = (u16, Side, i32, u64);

fn orders(rows: &[Row]) -> Vec<AuctionOrder> {
    let order = |(sequence, (area, side, price, energy)): (usize, &Row)| AuctionOrder {
        area: AreaId(*area),
        side: *side,
        price: Price(*price),
        energy: Energy(*energy),
        sequence: sequence as u64,
    };
    rows.iter().enumerate().map(order).collect()
}

fn tree(edges: &[Edge]) -> AuctionTree {
    let areas = u16::try_from(edges.len() + 1).unwrap();
    AuctionTree::new(&Network::new(areas, 1, edges).unwrap())
}

fn cleared(edges: &[Edge], rows: &[Row]) -> Clearing {
    clear(AuctionRules::new(1, 1), &PeriodBook::plain(&tree(edges), &orders(rows)))
}

fn price(clearing: &Clearing, area: usize) -> (Option<i32>, Case) {
    (clearing.areas[area].price.map(|price| price.0), clearing.areas[area].case)
}

fn fills(clearing: &Clearing) -> Vec<u64> {
    clearing.accepted.iter().map(|energy| energy.0).collect()
}

fn injection(area: u16, side: Side, energy: u64) -> Injection {
    Injection { area: AreaId(area), side, energy: Energy(energy), sequence: 1_000 }
}

/// `-10 | sell 20 [-10, 0] | buy 30 [0, 10]`: nothing is shared, and any price from 20 to 30 would do.
#[test]
fn between_two_steps_the_price_is_the_midpoint_rounded_down_to_the_tick() {
    let rows = [(0, Sell, 20, 10), (0, Buy, 31, 10)];
    let clearing = cleared(&[], &rows);
    assert_eq!(price(&clearing, 0), (Some(25), Case::Exact));
    assert_eq!(fills(&clearing), [10, 10]);
    let coarse = clear(AuctionRules::new(10, 1), &PeriodBook::plain(&tree(&[]), &orders(&rows)));
    assert_eq!(price(&coarse, 0), (Some(20), Case::Exact));
}

/// `-6 | sell 20 [-6, 4]`, and `-10 | sell 20 [-10, -4] | buy 30 [-4, 6]`.
#[test]
fn the_step_that_is_shared_sets_the_price() {
    let clearing = cleared(&[], &[(0, Sell, 20, 10), (0, Buy, 30, 6)]);
    assert_eq!((price(&clearing, 0), fills(&clearing)), ((Some(20), Case::MarginalSeller), vec![6, 6]));
    let clearing = cleared(&[], &[(0, Sell, 20, 6), (0, Buy, 30, 10)]);
    assert_eq!((price(&clearing, 0), fills(&clearing)), ((Some(30), Case::MarginalBuyer), vec![6, 6]));
}

/// A buy alone: `-10 | buy 50 [-10, 0]`, and nothing above. Nobody at all: no step, no price.
#[test]
fn the_finite_end_is_the_price_and_without_any_there_is_none() {
    assert_eq!(price(&cleared(&[], &[(0, Buy, 50, 10)]), 0), (Some(50), Case::Empty));
    assert_eq!(price(&cleared(&[], &[(0, Sell, -7, 10)]), 0), (Some(-7), Case::Empty));
    assert_eq!(price(&cleared(&[], &[]), 0), (None, Case::Empty));
}

/// At 10: `-13 | sell [-13, -8] | border [-8, 12] | buy [12, 15]`. The sell sells all, the buy buys all, the border takes the rest.
#[test]
fn at_one_price_sells_come_before_borders_and_borders_before_buys() {
    let tree = tree(&[with_capacity(edge(1, 0), 10, 10)]);
    let orders = orders(&[(0, Sell, 10, 5), (0, Buy, 10, 3)]);
    let given = [GivenPrice { area: AreaId(1), price: Price(10) }];
    let book = PeriodBook { given: &given, ..PeriodBook::plain(&tree, &orders) };
    let clearing = clear(AuctionRules::new(1, 1), &book);
    assert_eq!(fills(&clearing), [5, 3]);
    assert_eq!(clearing.edges[1].flow_wh, -2);
    assert_eq!([price(&clearing, 0), price(&clearing, 1)], [(Some(10), Case::Border); 2]);
}

/// A seller at 20 below, a buyer at 30 above, 5 for the way: the buyer's area sees the seller at 25.
#[test]
fn a_fee_stands_between_two_prices() {
    let rows = [(1, Sell, 20, 10), (0, Buy, 30, 10)];
    let clearing = cleared(&[with_fee(edge(1, 0), 5)], &rows);
    assert_eq!([price(&clearing, 0), price(&clearing, 1)], [(Some(27), Case::Exact), (Some(22), Case::Exact)]);
    assert_eq!((clearing.edges[1].flow_wh, clearing.edges[1].fee, clearing.edges[1].rent), (10, Money(50), Money(0)));
}

/// With 11 for the way nothing flows: 31 > 30. Above, `buy 30 | 31` from below; below, the seller at 20 and what 30 leaves: 19.
#[test]
fn in_the_dead_band_nothing_flows() {
    let clearing = cleared(&[with_fee(edge(1, 0), 11)], &[(1, Sell, 20, 10), (0, Buy, 30, 10)]);
    assert_eq!([price(&clearing, 0), price(&clearing, 1)], [(Some(30), Case::Empty), (Some(19), Case::Empty)]);
    assert_eq!(fills(&clearing), [0, 0]);
}

/// Four may flow up: above `-10 | 25 from below [-10, -6] | sell 28 [-6, 4]`; below, the sell at 20 is shared.
#[test]
fn a_full_edge_earns_rent_beyond_its_fee() {
    let edges = [with_capacity(with_fee(edge(1, 0), 5), 4, 0)];
    let clearing = cleared(&edges, &[(1, Sell, 20, 10), (0, Sell, 28, 10), (0, Buy, 30, 10)]);
    assert_eq!(price(&clearing, 0), (Some(28), Case::MarginalSeller));
    assert_eq!(price(&clearing, 1), (Some(20), Case::MarginalSeller));
    assert_eq!(fills(&clearing), [4, 6, 10]);
    assert_eq!((clearing.edges[1].flow_wh, clearing.edges[1].fee, clearing.edges[1].rent), (4, Money(20), Money(12)));
}

/// Energy goes from 1 over the root to 2, where nobody trades in between. The root's price lies between what the way leaves.
#[test]
fn energy_crosses_an_area_without_orders() {
    let edges = [with_fee(edge(1, 0), 2), with_fee(edge(2, 0), 3)];
    let clearing = cleared(&edges, &[(1, Sell, 10, 8), (2, Buy, 40, 5)]);
    // Above: -5 | 12 from 1 [-5, 3] | ...: the seller is marginal.
    let case = Case::MarginalSeller;
    assert_eq!([0, 1, 2].map(|area| price(&clearing, area)), [(Some(12), case), (Some(10), case), (Some(15), case)]);
    assert_eq!([1, 2].map(|area| clearing.edges[area].flow_wh), [5, -5]);
}

/// Three children sell 100 each at 10, one of them through an edge for 10: the others share what is left equally.
#[test]
fn a_subtree_that_its_edge_cannot_carry_is_held_and_the_others_share_on() {
    let edges = [with_capacity(edge(1, 0), 10, 0), edge(2, 0), edge(3, 0)];
    let sells = [(1, Sell, 10, 100), (2, Sell, 10, 100), (3, Sell, 10, 100), (0, Buy, 50, 100)];
    assert_eq!(fills(&cleared(&edges, &sells)), [10, 45, 45, 100]);
    // The same from the other side: buyers that an edge keeps from buying.
    let edges = [with_capacity(edge(1, 0), 0, 10), edge(2, 0), edge(3, 0)];
    let buys = [(1, Buy, 50, 100), (2, Buy, 50, 100), (3, Buy, 50, 100), (0, Sell, 10, 90)];
    assert_eq!(fills(&cleared(&edges, &buys)), [10, 40, 40, 90]);
}

/// ```text
///      0 buys 90            everyone sells 100 at 10
///     / \                   at 35 of 100: 1 gives 35, 3 is held at 20, 2 gives 35: together 90
///  60/   \1000
///   1     2
/// 20|
///   3
/// ```
#[test]
fn sharing_reaches_through_edges_within_edges() {
    let edges = [with_capacity(edge(1, 0), 60, 0), edge(2, 0), with_capacity(edge(3, 1), 20, 0)];
    let rows = |wanted| [(1, Sell, 10, 100), (2, Sell, 10, 100), (3, Sell, 10, 100), (0, Buy, 50, wanted)];
    assert_eq!(fills(&cleared(&edges, &rows(90))), [35, 35, 20, 90]);
    // With 110 wanted the edge above 1 is full: 1 and 3 share its 60, of which 3's own edge lets pass 20.
    assert_eq!(fills(&cleared(&edges, &rows(110))), [40, 50, 20, 110]);
}

/// Below, 60 of 100 wanted can come in, so at least 40 of the 100 that are offered there at the same price are taken, whatever the
/// fraction elsewhere.
#[test]
fn a_subtree_that_cannot_import_takes_more_of_its_own() {
    let edges = [with_capacity(edge(1, 0), 1_000, 60)];
    let rows = [(1, Buy, 50, 100), (1, Sell, 10, 100), (0, Sell, 10, 1_000)];
    assert_eq!(fills(&cleared(&edges, &rows)), [100, 40, 60]);
}

/// A step that begins as import and ends as export costs less and more above: with fees only the import part meets a sell at 10.
#[test]
fn a_step_across_zero_is_cut_at_zero() {
    // Below: -20 | sell 10 [-20, 80]. Above sees [-20, 0] at 7 and [0, 80] at 13.
    let rows = [(1, Buy, 50, 20), (1, Sell, 10, 100), (0, Sell, 8, 5), (0, Buy, 12, 30)];
    let clearing = cleared(&[with_fee(edge(1, 0), 3)], &rows);
    // Above: -50 | 7 from below [-50, -30] | sell 8 [-30, -25] | buy 12 [-25, 5]: nothing flows, the buy is shared.
    assert_eq!(fills(&clearing), [20, 20, 5, 5]);
    assert_eq!(
        [price(&clearing, 0), price(&clearing, 1)],
        [(Some(12), Case::MarginalBuyer), (Some(10), Case::MarginalSeller)]
    );
}

#[test]
fn lots_that_cannot_be_split_go_by_largest_remainder_then_by_age() {
    // 4/7 each: 0.57, 1.14, 2.29.
    let rows = [(0, Sell, 10, 1), (0, Sell, 10, 2), (0, Sell, 10, 4), (0, Buy, 20, 4)];
    assert_eq!(fills(&cleared(&[], &rows)), [1, 1, 2, 4]);
    // 2/3 each: the two oldest.
    let rows = [(0, Sell, 10, 1), (0, Sell, 10, 1), (0, Sell, 10, 1), (0, Buy, 20, 2)];
    assert_eq!(fills(&cleared(&[], &rows)), [1, 1, 0, 2]);
    // Of a buy step, too, the oldest gets the lot rather than giving it back.
    let rows = [(0, Buy, 20, 1), (0, Buy, 20, 1), (0, Buy, 20, 1), (0, Sell, 10, 1)];
    assert_eq!(fills(&cleared(&[], &rows)), [1, 0, 0, 1]);
}

#[test]
fn of_equal_remainders_own_orders_go_before_children_and_children_by_area_number() {
    let edges = [edge(1, 0), edge(2, 0)];
    assert_eq!(fills(&cleared(&edges, &[(1, Sell, 10, 1), (0, Sell, 10, 1), (0, Buy, 20, 1)])), [0, 1, 1]);
    assert_eq!(fills(&cleared(&edges, &[(2, Sell, 10, 1), (1, Sell, 10, 1), (0, Buy, 20, 1)])), [0, 1, 1]);
    // Each child shares what it got in the same way: of area 1's three, the oldest.
    let rows = [(1, Sell, 10, 1), (1, Sell, 10, 1), (1, Sell, 10, 1), (2, Sell, 10, 3), (0, Buy, 20, 3)];
    assert_eq!(fills(&cleared(&edges, &rows)), [1, 1, 0, 1, 3]);
}

/// Where two areas are joined by flow, one step sets both prices; where the edge is full, each has its own.
#[test]
fn an_area_joined_to_its_parent_has_the_parents_case() {
    let rows = [(1, Sell, 10, 5), (0, Sell, 20, 10), (0, Buy, 50, 9)];
    let clearing = cleared(&[edge(1, 0)], &rows);
    assert_eq!([price(&clearing, 0), price(&clearing, 1)], [(Some(20), Case::MarginalSeller); 2]);
    let clearing = cleared(&[with_capacity(edge(1, 0), 5, 5)], &rows);
    // Below all is sold: nothing but the parent's 20 is above, and the midpoint of 10 and 20 is the price.
    assert_eq!(price(&clearing, 1), (Some(15), Case::Exact));
}

/// A block in one of its periods, or a schedule: it moves the curve, and bounds no price.
#[test]
fn what_is_placed_beyond_every_price_bounds_no_price() {
    let (tree, orders) = (tree(&[]), orders(&[(0, Sell, 20, 10)]));
    let clear = |injections: &[Injection]| {
        clear(AuctionRules::new(1, 1), &PeriodBook { injections, ..PeriodBook::plain(&tree, &orders) })
    };
    // -10 | sell 20 [-10, 0] | fixed [0, 10]
    let clearing = clear(&[injection(0, Buy, 10)]);
    assert_eq!((price(&clearing, 0), clearing.injected[0]), ((Some(20), Case::Exact), Energy(10)));
    let clearing = clear(&[injection(0, Buy, 4)]);
    assert_eq!((price(&clearing, 0), fills(&clearing)), ((Some(20), Case::MarginalSeller), vec![4]));
    // What does not fit is placed as far as it goes, and there is no price.
    let clearing = clear(&[injection(0, Buy, 14)]);
    assert_eq!(price(&clearing, 0), (None, Case::Failed(Failure::Unplaced)));
    assert_eq!(clearing.injected[0], Energy(10));
    // Among themselves they trade at zero.
    let clearing = clear(&[injection(0, Buy, 7), injection(0, Sell, 7)]);
    assert_eq!(price(&clearing, 0), (Some(20), Case::Exact));
}

#[test]
fn an_order_of_an_unknown_area_or_of_too_much_energy_fails_the_auction_with_its_reason() {
    let clearing = cleared(&[], &[(3, Sell, 10, 1), (0, Buy, 20, 1), (0, Sell, 10, 1)]);
    assert_eq!((price(&clearing, 0), fills(&clearing)), ((None, Case::Failed(Failure::UnknownArea)), vec![0, 0, 0]));
    let clearing = cleared(&[], &[(0, Sell, 10, u64::MAX), (0, Buy, 20, 1)]);
    assert_eq!((price(&clearing, 0), fills(&clearing)), ((None, Case::Failed(Failure::TooMuchEnergy)), vec![0, 0]));
}

/// Capacities are what is left after trades of the day: more than the edge's own one way, nothing the other.
#[test]
fn capacities_can_be_set_for_each_period() {
    let network = Network::new(2, 1, &[edge(1, 0)]).unwrap();
    let orders = orders(&[(1, Sell, 10, 50), (0, Buy, 20, 50)]);
    for (up, sold) in [(0, 0), (7, 7), (2_000, 50)] {
        let tree = AuctionTree::with_capacities(&network, &[Energy(0), Energy(up)], &[Energy(0); 2]);
        let clearing = clear(AuctionRules::new(1, 1), &PeriodBook::plain(&tree, &orders));
        assert_eq!(fills(&clearing), [sold, sold]);
    }
}

/// A border zone that trades nothing is as empty as any other, though its step lies across zero.
#[test]
fn a_border_that_trades_nothing_is_empty() {
    let tree = tree(&[edge(1, 0)]);
    let given = [GivenPrice { area: AreaId(1), price: Price(10) }];
    let clearing = clear(AuctionRules::new(1, 1), &PeriodBook { given: &given, ..PeriodBook::plain(&tree, &[]) });
    assert_eq!([price(&clearing, 0), price(&clearing, 1)], [(Some(10), Case::Empty); 2]);
}

//! Stories of certificates on their way, and all ways against those of single watt-hours.

use std::collections::BTreeMap;

use gridbook_engine::{Energy, EnergySources, MeterId, Price, Side};
use proptest::prelude::*;

use super::naive::NaiveTown;
use super::{Arrival, HOPS_MAX, Hop, Journey, Leg, Routes};
use crate::repeatable::cases;
use crate::settlement::{TradeSide, delivered};

const SOLAR: EnergySources = EnergySources::SOLAR;
const MIX: EnergySources = EnergySources::GRID_MIX;

/// `seller>buyer energy`, sold as the grid's mix.
fn leg(seller: u32, buyer: u32, energy: u64) -> Leg {
    Leg { seller: MeterId(seller), buyer: MeterId(buyer), energy: Energy(energy), sources: MIX }
}

/// Export less import of the meters 0, 1, 2...
fn routes(legs: &[Leg], net_wh: &[i64]) -> Routes {
    let known: Vec<Option<i64>> = net_wh.iter().copied().map(Some).collect();
    routes_so_far(legs, &known)
}

/// The same, where it is not known of everybody.
fn routes_so_far(legs: &[Leg], net_wh: &[Option<i64>]) -> Routes {
    Routes::new(legs.iter().copied(), |meter| net_wh.get(meter.0 as usize).map_or(Some(0), |net| net.map(i128::from)))
}

/// Everything that becomes of a solar plant's export: energy, trades, holder, why.
fn journeys(routes: &Routes, plant: u32, export: u64) -> Vec<(u64, Vec<usize>, u32, Arrival)> {
    let (mut from, mut told, mut hops) = (0, Vec::new(), Vec::new());
    while from < export {
        let journey = routes.follow(MeterId(plant), SOLAR, Energy(from), Energy(export - from), &mut hops);
        let trades = hops.iter().map(|hop| hop.trade).collect();
        told.push((journey.energy.0, trades, journey.holder.0, journey.arrival));
        from += journey.energy.0;
    }
    told
}

/// A roof gives out 1,000 Wh; 300 go to one neighbour, 500 to another, and 200 were never sold.
#[test]
fn sales_are_served_oldest_first_and_the_surplus_stays_at_home() {
    let routes = routes(&[leg(0, 1, 300), leg(0, 2, 500)], &[1_000, -300, -600]);
    assert_eq!(
        journeys(&routes, 0, 1_000),
        [(300, vec![0], 1, Arrival::Kept), (500, vec![1], 2, Arrival::Kept), (200, vec![], 0, Arrival::Unsold)]
    );
}

/// A cloud: 400 of 800 sold Wh were given out. The younger buyer gets the rest of them, and no certificate for what did not come.
#[test]
fn a_plant_that_gave_out_too_little_serves_its_oldest_buyer_first() {
    let routes = routes(&[leg(0, 1, 300), leg(0, 2, 500)], &[400, -300, -500]);
    assert_eq!(journeys(&routes, 0, 400), [(300, vec![0], 1, Arrival::Kept), (100, vec![1], 2, Arrival::Kept)]);
    assert_eq!((routes.delivered(0), routes.delivered(1)), (Energy(300), Energy(100)));
}

/// The buyer was away and took 100 of his 300 Wh: the certificates of the others stay with the plant.
#[test]
fn what_the_buyer_did_not_take_stays_with_the_plant() {
    let routes = routes(&[leg(0, 1, 300)], &[300, -100]);
    assert_eq!(journeys(&routes, 0, 300), [(100, vec![0], 1, Arrival::Kept), (200, vec![], 0, Arrival::Undelivered)]);
}

/// The picture of the module: B buys 300 of A and 200 of B's neighbour, sells 250 and 150, and keeps 100 of the neighbour's.
#[test]
fn a_resale_passes_through_oldest_to_oldest_and_the_rest_is_kept() {
    let (a, b, neighbour, c, d) = (0, 1, 2, 3, 4);
    let legs = [leg(a, b, 300), leg(neighbour, b, 200), leg(b, c, 250), leg(b, d, 150)];
    let routes = routes(&legs, &[300, -100, 200, -250, -150]);
    assert_eq!(journeys(&routes, a, 300), [(250, vec![0, 2], c, Arrival::Kept), (50, vec![0, 3], d, Arrival::Kept)]);
    let theirs = journeys(&routes, neighbour, 200);
    assert_eq!(theirs, [(100, vec![1, 3], d, Arrival::Kept), (100, vec![1], b, Arrival::Kept)]);
}

/// B sells on to C, who never takes it. B paid for it and holds its certificates, to claim elsewhere or let expire.
#[test]
fn a_resale_that_is_not_taken_leaves_the_certificates_with_the_reseller() {
    let routes = routes(&[leg(0, 1, 100), leg(1, 2, 100)], &[100, 0, 0]);
    assert_eq!(journeys(&routes, 0, 100), [(100, vec![0], 1, Arrival::Undelivered)]);
}

/// A sells to B, B to A, A to B again: 100 Wh go round in a ring that no plant feeds, and those that A made go straight to B.
#[test]
fn energy_traded_in_a_ring_has_no_plant_and_the_plants_own_goes_straight_through() {
    let routes = routes(&[leg(0, 1, 100), leg(1, 0, 100), leg(0, 1, 100)], &[100, -100]);
    assert_eq!(journeys(&routes, 0, 100), [(100, vec![2], 1, Arrival::Kept)]);
}

/// B has solar panels that gave out nothing, buys a wind park's energy, and sells "solar" to C. The wind stays with B: C asked for solar.
#[test]
fn energy_of_another_source_does_not_come_to_who_asked_for_solar() {
    let to_c = Leg { sources: SOLAR, ..leg(1, 2, 100) };
    let routes = routes(&[leg(0, 1, 100), to_c], &[100, 0, -100]);
    let mut hops = Vec::new();
    let journey = routes.follow(MeterId(0), EnergySources::WIND, Energy(0), Energy(100), &mut hops);
    assert_eq!(journey, Journey { energy: Energy(100), holder: MeterId(1), arrival: Arrival::OtherSource });
    assert_eq!(journeys(&routes, 0, 100), [(100, vec![0, 1], 2, Arrival::Kept)], "solar would have come");
}

/// Dealers hand a watt-hour on twenty times. After sixteen hands it stays.
#[test]
fn a_certificate_goes_through_sixteen_hands_at_most() {
    let legs: Vec<Leg> = (0..20).map(|dealer| leg(dealer, dealer + 1, 5)).collect();
    let mut net_wh = vec![0; 21];
    (net_wh[0], net_wh[20]) = (5, -5);
    let told = journeys(&routes(&legs, &net_wh), 0, 5);
    assert_eq!(told, [(5, (0..HOPS_MAX).collect(), 16, Arrival::TooFar)]);
}

/// After the sixteenth hand nothing depends on the seventeenth: it stays with the last dealer, for the same reason, whether the next
/// buyer's area is frozen, he took nothing of it, or he asked for wind.
#[test]
fn a_certificate_that_has_gone_far_enough_does_not_wait_for_the_next_buyer() {
    let (last, next) = (16, 17);
    let mut legs: Vec<Leg> = (0..=last).map(|dealer| leg(dealer, dealer + 1, 5)).collect();
    let mut net_wh = vec![Some(0); 18];
    net_wh[0] = Some(5);
    let stays = [(5, (0..HOPS_MAX).collect(), last, Arrival::TooFar)];
    for taken in [None, Some(0), Some(-3)] {
        net_wh[next] = taken;
        assert_eq!(journeys(&routes_so_far(&legs, &net_wh), 0, 5), stays, "{taken:?}");
    }
    legs.last_mut().unwrap().sources = EnergySources::WIND;
    assert_eq!(journeys(&routes_so_far(&legs, &net_wh), 0, 5), stays);
}

/// The buyer's area is frozen: what goes to him waits, what goes to his neighbour by way of a dealer arrives, and what the plant did not give
/// is missing whoever waits for it.
#[test]
fn what_goes_to_somebody_of_whom_nothing_is_known_yet_waits() {
    let (plant, dealer, frozen, neighbour) = (0, 1, 2, 3);
    let legs = [leg(plant, dealer, 300), leg(dealer, frozen, 100), leg(dealer, neighbour, 200), leg(plant, frozen, 80)];
    let routes = routes_so_far(&legs, &[Some(340), Some(0), None, Some(-200)]);
    assert_eq!(
        journeys(&routes, plant, 340),
        [
            (100, vec![0], dealer, Arrival::Unsettled),
            (200, vec![0, 2], neighbour, Arrival::Kept),
            (40, vec![], plant, Arrival::Unsettled)
        ]
    );
    let known = routes_so_far(&legs, &[Some(340), Some(0), Some(-30), Some(-200)]);
    let then = [(30, vec![0, 1], frozen, Arrival::Kept), (70, vec![0], dealer, Arrival::Undelivered)];
    assert_eq!(journeys(&known, plant, 100), then);
}

/// A plant that never traded, and one with a number that no trade knows.
#[test]
fn a_plant_without_trades_keeps_its_certificates() {
    let routes = routes(&[leg(0, 1, 10)], &[10, -10]);
    for plant in [1, 7] {
        assert_eq!(journeys(&routes, plant, 30), [(30, vec![], plant, Arrival::Unsold)]);
    }
    assert_eq!(journeys(&Routes::default(), 0, 1), [(1, vec![], 0, Arrival::Unsold)]);
}

fn drawn_legs(meters: u32) -> impl Strategy<Value = Vec<Leg>> {
    let sources = prop_oneof![4 => Just(MIX), 2 => Just(SOLAR), 1 => Just(EnergySources::WIND)];
    let one = (0..meters, 1..meters, 1..12_u64, sources).prop_map(move |(seller, step, energy, sources)| Leg {
        sources,
        ..leg(seller, (seller + step) % meters, energy)
    });
    proptest::collection::vec(one, 0..40)
}

/// What settlement says of one meter's side of each trade.
fn settled_side(legs: &[Leg], meter: MeterId, net_wh: i64) -> BTreeMap<usize, Energy> {
    let side_of = |leg: &Leg| match meter {
        _ if leg.seller == meter => Some(Side::Sell),
        _ if leg.buyer == meter => Some(Side::Buy),
        _ => None,
    };
    let own = legs.iter().enumerate().filter_map(|(trade, leg)| Some((trade, side_of(leg)?, leg.energy)));
    let (trades, sides): (Vec<usize>, Vec<TradeSide>) =
        own.map(|(trade, side, energy)| (trade, TradeSide { side, price: Price(1), energy })).unzip();
    let mut energies = Vec::new();
    delivered(&sides, net_wh.into(), &mut energies);
    trades.into_iter().zip(energies).collect()
}

/// Each watt-hour of each plant, by the text of the rules, and each trade as settlement counts it.
fn agree(legs: &[Leg], net_wh: &[i64]) {
    let routes = routes(legs, net_wh);
    let by_meter: BTreeMap<MeterId, i64> = (0..).map(MeterId).zip(net_wh.iter().copied()).collect();
    let known = by_meter.iter().map(|(meter, net)| (*meter, Some(*net))).collect();
    let town = NaiveTown::new(legs, &known);
    let mut carried = vec![0; legs.len()];
    let mut kept: BTreeMap<MeterId, u64> = BTreeMap::new();
    let settled: BTreeMap<MeterId, BTreeMap<usize, Energy>> =
        by_meter.iter().map(|(meter, net)| (*meter, settled_side(legs, *meter, *net))).collect();
    for (trade, leg) in legs.iter().enumerate() {
        assert_eq!(routes.delivered(trade).0, town.delivered(trade), "trade {trade}");
        let smaller = settled[&leg.seller][&trade].min(settled[&leg.buyer][&trade]);
        assert_eq!(routes.delivered(trade), smaller, "trade {trade} in settlement");
    }
    for (plant, net) in by_meter.iter().filter(|(_, net)| **net > 0) {
        let (export, mut from, mut hops) = (net.unsigned_abs(), 0, Vec::<Hop>::new());
        while from < export {
            let journey = routes.follow(*plant, SOLAR, Energy(from), Energy(export - from), &mut hops);
            let trades: Vec<usize> = hops.iter().map(|hop| hop.trade).collect();
            assert!(journey.energy.0 > 0 && journey.energy.0 <= export - from);
            for number in from..from + journey.energy.0 {
                let walked = town.walk(*plant, SOLAR, number);
                assert_eq!((trades.clone(), journey.holder, journey.arrival), walked, "{plant:?} {number}");
            }
            trades.iter().for_each(|trade| carried[*trade] += journey.energy.0);
            if journey.arrival == Arrival::Kept {
                *kept.entry(journey.holder).or_default() += journey.energy.0;
            }
            from += journey.energy.0;
        }
    }
    for (trade, carried) in carried.iter().enumerate() {
        assert!(*carried <= town.delivered(trade), "trade {trade} carries more than was delivered");
    }
    for (meter, kept) in kept {
        assert!(i128::from(kept) <= -i128::from(by_meter[&meter]), "{meter:?} keeps more than it took in");
    }
}

/// Some are not settled yet. What arrives nevertheless goes as it does when all are known, whatever is known then, and what waits is what
/// meets somebody who is not.
fn agree_so_far(legs: &[Leg], net_wh: &[i64], is_known: &[bool]) {
    let so_far: Vec<Option<i64>> = net_wh.iter().zip(is_known).map(|(net, is)| is.then_some(*net)).collect();
    let (early, late) = (routes_so_far(legs, &so_far), routes(legs, net_wh));
    let town = NaiveTown::new(legs, &(0..).map(MeterId).zip(so_far.iter().copied()).collect());
    for (plant, export) in (0..).zip(&so_far).filter_map(|(plant, net)| Some((plant, net.filter(|net| *net > 0)?))) {
        let export = export.unsigned_abs();
        let single = |routes: &Routes| {
            let told = journeys(routes, plant, export).into_iter();
            told.flat_map(|(energy, trades, holder, why)| (0..energy).map(move |_| (trades.clone(), holder, why)))
                .collect::<Vec<_>>()
        };
        for (number, (early, late)) in (0..).zip(single(&early).into_iter().zip(single(&late))) {
            let (trades, holder, arrival) = town.walk(MeterId(plant), SOLAR, number);
            assert_eq!(early, (trades, holder.0, arrival), "{plant} {number}");
            assert!(early == late || early.2 == Arrival::Unsettled, "{plant} {number}: {early:?}, then {late:?}");
        }
    }
}

/// Drawn once, while the ways of ranges were written down for the first time, and not those of their watt-hours then: `seller>buyer energy`.
#[test]
fn cases_that_once_failed_do_not_fail_again() {
    let among_five =
        [(0, 1, 2), (0, 1, 1), (0, 3, 1), (0, 1, 1), (0, 1, 1), (2, 1, 5), (2, 1, 7), (0, 1, 1), (0, 1, 1)];
    let among_dealers = [
        (1, 2, 2),
        (0, 2, 11),
        (1, 0, 5),
        (1, 2, 7),
        (1, 0, 6),
        (1, 2, 8),
        (2, 1, 3),
        (0, 2, 1),
        (0, 1, 1),
        (2, 0, 1),
        (2, 1, 6),
        (2, 1, 7),
    ];
    let cases = [
        (vec![(1, 2, 1)], vec![0, 1, 0]),
        (vec![(0, 1, 1)], vec![1, 0, 0, 0, 0]),
        (vec![(0, 1, 1), (0, 2, 5)], vec![6, 0, -1]),
        (among_five.to_vec(), vec![0, -6, 2, 0, 0]),
        (among_dealers.to_vec(), vec![0, 1, 0]),
    ];
    for (legs, net_wh) in cases {
        let legs: Vec<Leg> = legs.into_iter().map(|(seller, buyer, energy)| leg(seller, buyer, energy)).collect();
        agree(&legs, &net_wh);
        for known in 0..1_u32 << net_wh.len() {
            let is_known: Vec<bool> = (0..net_wh.len()).map(|meter| known >> meter & 1 == 1).collect();
            agree_so_far(&legs, &net_wh, &is_known);
        }
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    /// An area is frozen, and its meters' deliveries are nobody's truth: the others' certificates go where they will have gone in the end.
    #[test]
    fn what_arrives_early_has_gone_where_it_would_have_gone_late(
        legs in drawn_legs(5),
        net_wh in proptest::collection::vec(-25..25_i64, 5),
        is_known in proptest::collection::vec(proptest::bool::weighted(0.7), 5),
    ) {
        agree_so_far(&legs, &net_wh, &is_known);
    }

    /// Whatever is traded to and fro, ranges go the ways of their watt-hours; no trade carries more than was delivered of it, and nobody
    /// is given more to claim than he took in.
    #[test]
    fn ranges_go_the_ways_of_single_watt_hours(
        legs in drawn_legs(5),
        net_wh in proptest::collection::vec(-25..25_i64, 5),
    ) {
        agree(&legs, &net_wh);
    }

    /// Two or three dealers who only trade with each other: long chains, rings, and cuts at every hand.
    #[test]
    fn ranges_go_the_ways_of_single_watt_hours_among_dealers(
        legs in drawn_legs(3),
        net_wh in proptest::collection::vec(-40..40_i64, 3),
    ) {
        agree(&legs, &net_wh);
    }
}

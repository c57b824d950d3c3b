//! A whole day of a town in a toy market that asserts every rule at its door.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod toy;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use gridbook_engine::{DeliveryPeriod, Energy, LedgerTime, MarketRules, Money, Price, Side};
use gridbook_ledger::settlement::delta;
use gridbook_sim::{Intent, Measurement, MeterKind, Prosumer, Town, TownConfig};
use toy::{Notice, play, reliable, tell};

fn town(seed: u64, meters: u32) -> Town {
    Town::new(TownConfig { seed, meters, ..TownConfig::default() }).unwrap()
}

fn day_hash(seed: u64) -> u64 {
    let (_, _, sent) = play(&town(seed, 40), reliable);
    let mut hasher = DefaultHasher::new();
    sent.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn a_seed_names_one_town_and_one_day() {
    assert_eq!(town(7, 100), town(7, 100));
    assert_ne!(town(7, 100).meters(), town(8, 100).meters());
    assert_eq!(day_hash(7), day_hash(7));
    assert_ne!(day_hash(7), day_hash(8));
}

#[test]
fn a_hundred_meters_trade_a_day_and_every_intent_is_valid() {
    let town = town(1, 100);
    let (traders, market, _) = play(&town, reliable);
    let summary = market.supply.summary();
    println!("{:?}\n{summary:?}", market.counts);
    assert_eq!(market.counts.over_headroom, 0);
    assert!(market.counts.placed + market.counts.changed >= 9_000);
    assert!(market.counts.trades >= 2_000);
    // A change can cross the fill of its order, but most must find it.
    assert!(market.counts.unknown * 20 < market.counts.changed, "{:?}", market.counts);
    assert!((200_000..=900_000).contains(&summary.served_ppm), "{summary:?}");
    assert!(summary.served <= summary.traded && summary.served <= summary.demand);
    for trader in &traders {
        assert!(trader.position().paid <= trader.deposit());
    }
}

#[test]
fn what_the_traders_think_they_hold_is_what_the_market_says() {
    let town = town(2, 60);
    let (traders, market, _) = play(&town, reliable);
    let (mut bought, mut sold, mut paid, mut received) = (Energy::ZERO, Energy::ZERO, Money::ZERO, Money::ZERO);
    for trader in &traders {
        let position = trader.position();
        bought += position.bought;
        sold += position.sold;
        paid += position.paid;
        received += position.received;
        // The last periods are not over at the last batch, so they are still known.
        for period in town.periods().skip(95) {
            assert_eq!(trader.sold_net_wh(period), market.sold_net_wh(trader.meter().index, period));
        }
    }
    assert_eq!((bought, paid), (sold, received));
    assert_eq!(bought, market.supply.summary().traded);
}

#[test]
fn a_thousand_meters_send_a_day_of_at_least_ninety_thousand_orders() {
    let (_, market, sent) = play(&town(1, 1_000), reliable);
    let counts = market.counts;
    println!("{counts:?} largest bundle {:?}", sent.iter().map(Vec::len).max());
    println!("{:?}", market.supply.summary());
    assert_eq!(counts.over_headroom, 0);
    let orders = counts.placed + counts.changed;
    assert!((150_000..=400_000).contains(&orders), "{orders} orders");
    assert!(counts.trades > 50_000);
    assert!(sent.iter().all(|bundle| bundle.len() <= 64));
}

#[test]
fn positions_follow_the_forecast_to_delivery() {
    // At noon in June there is more surplus than demand, so each household must find nearly all it needs.
    let town = town(3, 200);
    let (_, market, _) = play(&town, reliable);
    let noon = town.periods().nth(52).unwrap();
    let (mut needed, mut missed) = (0, 0);
    for meter in town.meters().iter().filter(|meter| meter.kind == MeterKind::Household) {
        let net_wh = meter.forecast(noon, 0).net_wh();
        needed -= net_wh;
        missed += (net_wh - market.sold_net_wh(meter.index, noon)).abs();
    }
    assert!(missed * 10 < needed, "{missed} Wh off of {needed} Wh");
}

/// Registers only go up, by no more than the connection carries, from the beginning of the day to its end; what they add up to is what
/// flowed. A house without a battery has exactly what it did, traded or not.
#[test]
fn registers_add_up_to_what_flowed() {
    let town = town(6, 60);
    let (mut traders, _, _) = play(&town, reliable);
    for trader in &mut traders {
        let measured = trader.measure(town.ends_at());
        let meter = std::sync::Arc::clone(trader.meter());
        assert_eq!(measured.len(), 97, "the beginning of the day, and the end of each period");
        let expected = town.periods().next().unwrap().0 - 1..=town.periods().last().unwrap().0;
        assert!(measured.iter().map(|one| one.period.0).eq(expected));
        for pair in measured.windows(2) {
            let delivered = delta(&pair[0].registers, &pair[1].registers, meter.max_import, meter.max_export);
            assert_eq!(delivered, Ok(pair[1].delivery));
            if meter.battery.is_none() {
                assert_eq!(pair[1].delivery.net_wh(), i128::from(meter.actual(pair[1].period).net_wh()));
            }
        }
        assert!(trader.measure(town.ends_at()).is_empty(), "each is told once");
    }
}

/// A plant that fails gives nothing, while its trader goes on selling.
#[test]
fn a_plant_that_is_off_gives_nothing_of_what_it_sold() {
    let town = town(7, 40);
    let off = town.periods().nth(48).unwrap()..town.periods().nth(56).unwrap();
    let mut traders = town.prosumers();
    let plant = traders.iter().position(|trader| trader.meter().kind == MeterKind::Pv).unwrap();
    traders[plant].lose_plant(off.clone());
    for now in town.batch_times() {
        let _ = traders[plant].plan(now);
    }
    let measured = traders[plant].measure(town.ends_at());
    let (in_it, outside): (Vec<Measurement>, Vec<Measurement>) =
        measured.into_iter().partition(|one| off.contains(&one.period));
    assert_eq!(in_it.len(), 8);
    assert!(in_it.iter().all(|one| one.delivery.export == Energy::ZERO && one.delivery.import > Energy::ZERO));
    assert!(outside.iter().any(|one| one.delivery.export > Energy::ZERO));
}

/// A small generator for faults: the town's own draws must not be at work on both sides of a test.
struct Faults(u64);

impl Faults {
    fn one_in(&mut self, chance: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(chance)
    }
}

#[test]
fn repeated_notices_change_nothing() {
    let town = town(4, 60);
    let twice = |traders: &mut [Prosumer], notices: Vec<(u32, Notice)>, _| {
        for (meter, notice) in notices {
            tell(&mut traders[meter as usize], notice);
            // A refusal told twice cannot be told from two refusals; trades and departures can.
            if !matches!(notice, Notice::Rejected { .. }) {
                tell(&mut traders[meter as usize], notice);
            }
        }
    };
    let once_sent = play(&town, reliable).2;
    let twice_sent = play(&town, twice).2;
    assert_eq!(once_sent, twice_sent);
}

#[test]
fn lost_late_and_repeated_notices_leave_valid_orders_and_sound_batteries() {
    for seed in 0..4 {
        let town = town(5 + seed, 60);
        let mut faults = Faults(seed);
        let mut late: Vec<(u32, Notice)> = Vec::new();
        let (traders, market, _) = play(&town, |traders, notices, _| {
            let mut arriving = std::mem::take(&mut late);
            for notice in notices {
                match () {
                    () if faults.one_in(10) => {}
                    () if faults.one_in(10) => late.push(notice),
                    () if faults.one_in(10) => arriving.extend([notice, notice]),
                    () => arriving.push(notice),
                }
            }
            for (meter, notice) in arriving {
                tell(&mut traders[meter as usize], notice);
            }
        });
        // The toy market asserted tick, lot, gate and names at its door; what it refused for headroom must be rare.
        let counts = market.counts;
        assert!(counts.over_headroom * 1_000 < counts.placed + counts.changed, "{counts:?}");
        assert!(counts.trades > 1_000, "{counts:?}");
        for trader in traders {
            let Some(battery) = trader.meter().battery else { continue };
            assert!(trader.state_of_charge().unwrap() <= battery.capacity);
        }
    }
}

#[test]
fn a_lost_fill_is_found_out_when_the_order_leaves() {
    let town = town(1, 50);
    let mut trader = town.prosumers().remove(0);
    let now = town.batch_times().next().unwrap();
    let (client_id, energy, price) = first_place(&trader.plan(now));
    trader.on_gone(client_id, Energy(energy.0 / 4));
    let known = trader.position();
    assert_eq!(known.bought + known.sold, Energy(energy.0 - energy.0 / 4));
    // The notice comes after all, in two parts, and once more.
    trader.on_fill(client_id, Energy(1), price);
    trader.on_fill(client_id, Energy(energy.0 - energy.0 / 4 - 1), price);
    trader.on_fill(client_id, energy, price);
    assert_eq!(trader.position(), known);
}

#[test]
fn a_refused_place_is_tried_again_and_an_unknown_order_is_no_matter() {
    let town = town(1, 50);
    let mut trader = town.prosumers().remove(0);
    let now = town.batch_times().next().unwrap();
    let first = trader.plan(now);
    for intent in &first {
        trader.on_rejected(intent.client_id());
    }
    trader.on_fill(9_999, Energy(5), Price(100_000));
    trader.on_gone(9_999, Energy(5));
    trader.on_rejected(9_999);
    assert_eq!(trader.position().bought + trader.position().sold, Energy::ZERO);
    let again = trader.plan(now);
    assert_eq!(again.len(), first.len());
    assert!(again.iter().all(|intent| intent.client_id() > first.len() as u64));
}

fn first_place(intents: &[Intent]) -> (u64, Energy, Price) {
    let place = intents.iter().find_map(|intent| match *intent {
        Intent::Place { client_id, energy, price, .. } => Some((client_id, energy, price)),
        _ => None,
    });
    place.expect("the first plan places orders")
}

#[test]
fn a_bundle_planned_twice_asks_for_nothing_more() {
    let town = town(1, 50);
    for mut trader in town.prosumers() {
        for now in town.batch_times().take(20) {
            trader.plan(now);
            assert_eq!(trader.plan(now), []);
        }
    }
}

#[test]
fn batteries_keep_their_word_whatever_part_of_their_orders_is_filled() {
    // No market here: each order is filled by chance, whole, in part or not at all, on both sides alike.
    let config = TownConfig { meters: 30, battery_share_ppm: 1_000_000, pv_share_ppm: 0, ..TownConfig::default() };
    let town = Town::new(config).unwrap();
    for (seed, mut trader) in (0..).zip(town.prosumers()) {
        let capacity = trader.meter().battery.unwrap().capacity;
        let mut faults = Faults(seed);
        let mut open: BTreeMap<u64, (Energy, Price)> = BTreeMap::new();
        let mut promised = trader.charge_bounds().unwrap();
        let mut seen = (capacity, Energy::ZERO);
        for now in town.batch_times() {
            for intent in trader.plan(now) {
                follow(&mut open, intent);
            }
            let charge = trader.state_of_charge().unwrap();
            assert!(promised.0 <= charge && charge <= promised.1, "{charge} outside {promised:?}");
            promised = trader.charge_bounds().unwrap();
            assert!(promised.1 <= capacity);
            seen = (seen.0.min(charge), seen.1.max(charge));
            for (client_id, (energy, price)) in &mut open {
                if !faults.one_in(3) {
                    let filled = if faults.one_in(2) { *energy } else { Energy(energy.0 / 3) };
                    trader.on_fill(*client_id, filled, *price);
                    *energy -= filled;
                }
            }
        }
        assert!(seen.1 - seen.0 > Energy(capacity.0 / 5), "the battery is used: {seen:?}");
    }
}

/// What an order book does with an intent when nobody else is there.
fn follow(open: &mut BTreeMap<u64, (Energy, Price)>, intent: Intent) {
    match intent {
        Intent::Place { client_id, energy, price, .. } | Intent::Replace { client_id, energy, price } => {
            open.insert(client_id, (energy, price));
        }
        Intent::Cancel { client_id } => {
            open.remove(&client_id);
        }
        Intent::Reduce { client_id, by } => {
            let (energy, _) = open.get_mut(&client_id).unwrap();
            *energy -= by;
        }
    }
}

#[test]
fn coarse_ticks_and_lots_are_kept() {
    let rules = MarketRules {
        tick: 500,
        lot: 10,
        price_min: Price(-9_000_000),
        price_max: Price(9_000_000),
        ..MarketRules::default()
    };
    let town = Town::new(TownConfig { rules, meters: 60, ..TownConfig::default() }).unwrap();
    let (_, market, _) = play(&town, reliable);
    assert!(market.counts.trades > 500, "{:?}", market.counts);
    assert_eq!(market.counts.over_headroom, 0);
}

#[test]
fn nothing_is_sent_for_a_gate_that_would_be_closed_on_arrival() {
    let town = town(1, 50);
    let second = town.periods().nth(1).unwrap();
    let rules = town.config().rules;
    let starts = second.starts_at(rules.mtu_minutes).0;
    let last_call = starts - rules.gate_ms - town.config().safety_ms;
    let periods_at = |now: u64| -> Vec<DeliveryPeriod> {
        let intents = town.prosumers().remove(0).plan(LedgerTime(now));
        let period = |intent: &Intent| match *intent {
            Intent::Place { period, .. } => Some(period),
            _ => None,
        };
        intents.iter().filter_map(period).collect()
    };
    assert!(periods_at(last_call - 1).contains(&second));
    assert!(!periods_at(last_call).contains(&second));
    assert!(periods_at(town.ends_at().0).is_empty());
}

#[test]
fn limits_stay_between_feed_in_and_retail_and_most_neighbours_agree() {
    let town = town(1, 300);
    let noon = town.batch_times().nth(50).unwrap();
    let (mut buys, mut sells) = (Vec::new(), Vec::new());
    for mut trader in town.prosumers() {
        for intent in trader.plan(noon) {
            let Intent::Place { side, price, .. } = intent else { continue };
            assert!((town.config().feed_in..=town.config().retail).contains(&price));
            if side == Side::Buy { buys.push(price) } else { sells.push(price) }
        }
    }
    let crossing: usize = buys.iter().map(|buy| sells.iter().filter(|sell| buy >= sell).count()).sum();
    assert!(crossing * 10 > buys.len() * sells.len() * 8);
}

//! What MARKET section 7 promises of every period, checked on drawn ones.

use std::collections::BTreeMap;

use gridbook_engine::{Energy, Money, Price, Side};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_ledger::settlement::{AreaClose, AreaSums, Delivery, ImbalancePrices, TradeSide, delivered, settle_meter};
use gridbook_ledger::state::{CollateralRules, PPM};

use crate::drawn::{Dice, draw, prices, settled, sides};
use crate::twin::{self, Purse};

const SEEDS: core::ops::Range<u64> = 10_000..12_000;

fn flow(net_wh: i64) -> Delivery {
    let energy = Energy(net_wh.unsigned_abs());
    if net_wh < 0 {
        Delivery { import: energy, export: Energy::ZERO }
    } else {
        Delivery { import: Energy::ZERO, export: energy }
    }
}

/// What the trades themselves brought the account.
fn traded(trades: &[TradeSide]) -> Money {
    trades.iter().fold(Money::ZERO, |sum, TradeSide { side, price, energy }| match side {
        Side::Buy => sum - price.times(*energy),
        Side::Sell => sum + price.times(*energy),
    })
}

/// All meters' charges, what upstream gets, losses and surplus come to nothing, area by area; so do all purses of the twin; and no
/// imbalance account is left with less than nothing.
#[test]
fn money_and_energy_add_up_in_every_area() {
    for seed in SEEDS {
        let period = draw(seed);
        let outcome = twin::settle(&period);
        assert_eq!(outcome.purses.values().sum::<i128>(), 0, "seed {seed}");
        let settled = settled(&period, &outcome);
        let mut imbalances: BTreeMap<u16, i128> = BTreeMap::new();
        let mut charges: BTreeMap<u16, i128> = BTreeMap::new();
        for (number, meter) in &settled.meters {
            let area = period.meters[number].area;
            *imbalances.entry(area).or_default() += meter.imbalance_wh;
            *charges.entry(area).or_default() += meter.charge().0;
        }
        for (area, closed) in &settled.areas {
            let (imbalance, charged) = (imbalances.get(area).unwrap_or(&0), charges.get(area).unwrap_or(&0));
            assert_eq!(*imbalance, closed.losses_wh + closed.upstream_wh, "seed {seed}");
            assert_eq!(charged + closed.losses.0 - closed.upstream.0 - closed.surplus.0, 0, "seed {seed}");
            assert!(closed.surplus >= Money::ZERO, "seed {seed}");
        }
        // Over all areas trades cancel out: the sum of imbalances is the sum of net.
        let net: i128 = settled.meters.values().map(|meter| meter.net_wh).sum();
        assert_eq!(imbalances.values().sum::<i128>(), net, "seed {seed}");
    }
}

/// Purses of the twin hold what the ledger's figures say: trades at their price, less the charge. Whatever any other meter shows, an
/// account's money stays the same.
#[test]
fn nobody_pays_for_anothers_meter() {
    for seed in SEEDS {
        let period = draw(seed);
        let before = twin::settle(&period);
        let settled = settled(&period, &before);
        let somebody = u32::try_from(seed).unwrap() % u32::try_from(period.meters.len()).unwrap();
        let mut other = period.clone();
        let mut dice = Dice(seed);
        for (_, meter) in other.meters.iter_mut().filter(|(number, _)| **number != somebody) {
            (meter.start, meter.end) = (Some([0; 3]), Some([dice.below(20), dice.below(20), 1]));
        }
        let after = twin::settle(&other);
        let purse = |outcome: &twin::Outcome| outcome.purses.get(&Purse::Meter(somebody)).copied().unwrap_or(0);
        assert_eq!(purse(&before), purse(&after), "seed {seed}");
        let expected = traded(&sides(&period, somebody).0) - settled.meters[&somebody].charge();
        assert_eq!(purse(&before), expected.0, "seed {seed}");
    }
}

/// Whoever sells and gives nothing, or buys and takes nothing, has no more in the end than before: with every kind of reference, and
/// with prices above, between and below the imbalance prices.
#[test]
fn idling_earns_nothing() {
    let mut idlers = 0;
    for seed in SEEDS {
        let period = draw(seed);
        for (number, meter) in &period.meters {
            let (all, _) = sides(&period, *number);
            for side in [Side::Buy, Side::Sell] {
                let trades: Vec<TradeSide> = all.iter().filter(|trade| trade.side == side).copied().collect();
                let settled = settle_meter(&trades, flow(0), &prices(&period, meter.area));
                assert!(traded(&trades) <= settled.charge(), "seed {seed}, meter {number}");
                idlers += u32::from(!trades.is_empty());
            }
        }
    }
    assert!(idlers > 5_000);
}

/// What was bought and sold on to the last watt-hour keeps its own gain or loss, and no imbalance is made of it. Two idle meters of one
/// owner that trade with each other, at whatever prices, lose what lies between the imbalance prices.
#[test]
fn resale_earns_nothing_but_its_own_difference() {
    let mut dice = Dice(7);
    for seed in SEEDS {
        let period = draw(seed);
        let prices = prices(&period, 0);
        let energy = Energy(1 + dice.below(50));
        let price = |dice: &mut Dice| Price(i32::try_from(dice.between(-150, 150)).unwrap());
        let (bought, sold) = (price(&mut dice), price(&mut dice));
        let (buy, sell) =
            (TradeSide { side: Side::Buy, price: bought, energy }, TradeSide { side: Side::Sell, price: sold, energy });
        assert_eq!(settle_meter(&[buy, sell], flow(0), &prices).charge(), Money::ZERO);
        assert_eq!(settle_meter(&[sell, buy], flow(0), &prices).charge(), Money::ZERO);
        // One sells to the other at `sold`.
        let taker = TradeSide { side: Side::Buy, ..sell };
        let (seller, buyer) = (settle_meter(&[sell], flow(0), &prices), settle_meter(&[taker], flow(0), &prices));
        let spread = i128::from(prices.short_price().0) - i128::from(prices.long_price().0);
        assert!(seller.charge() + buyer.charge() >= Money(spread * i128::from(energy.0)), "seed {seed}");
    }
}

/// What a trade is still owed and what stays held for it cover all that its failure can cost, at the whole share.
#[test]
fn collateral_covers_every_trade_that_does_not_come_about() {
    let mut failed = 0;
    for seed in SEEDS {
        let period = draw(seed);
        let outcome = twin::settle(&period);
        let settled = settled(&period, &outcome);
        for (number, meter) in &settled.meters {
            let area = &period.areas[&period.meters[number].area];
            let price = |price: i64| Price(i32::try_from(price).unwrap());
            let rules = CollateralRules {
                short_price_cap: price(area.up_cap),
                long_price_floor: price(area.down_floor),
                ..CollateralRules::default()
            };
            let collateral = rules.at(PPM);
            let cover = sides(&period, *number).0.iter().fold(Money::ZERO, |sum, trade| {
                let TradeSide { side, price, energy } = *trade;
                let owed = collateral.payment(side.opposite(), price, energy);
                sum + owed + collateral.held(side, price, energy)
            });
            assert!(meter.own_trades <= cover, "seed {seed}, meter {number}: {} of {cover}", meter.own_trades);
            failed += u32::from(meter.own_trades > Money::ZERO);
        }
    }
    assert!(failed > 1_000);
}

/// The twin takes its time with every watt-hour, so its periods are small. One with 2^50 times the energy, a wind park in every house,
/// comes to 2^50 times the money, to the nano.
#[test]
fn a_period_of_far_more_energy_is_settled_like_a_small_one() {
    const MORE: u64 = 1 << 50;
    let more = |energy: Energy| Energy(energy.0 * MORE);
    let many = i128::from(MORE);
    for seed in SEEDS {
        let period = draw(seed);
        let outcome = twin::settle(&period);
        let small = settled(&period, &outcome);
        let (mut sums, mut energies) = (BTreeMap::new(), Vec::new());
        for (number, meter) in &period.meters {
            let (trades, places) = sides(&period, *number);
            let trades: Vec<TradeSide> =
                trades.iter().map(|trade| TradeSide { energy: more(trade.energy), ..*trade }).collect();
            let (import, export, _) = small.deliveries[number];
            let delivery = Delivery { import: more(Energy(import)), export: more(Energy(export)) };
            let large = settle_meter(&trades, delivery, &prices(&period, meter.area));
            let one = &small.meters[number];
            assert_eq!(large.imbalance_wh, one.imbalance_wh * many, "seed {seed}");
            let charges = (large.own_trades.0, large.rest.0);
            assert_eq!(charges, (one.own_trades.0 * many, one.rest.0 * many), "seed {seed}");
            delivered(&trades, delivery.net_wh(), &mut energies);
            for (place, energy) in places.iter().zip(&energies) {
                assert_eq!(*energy, more(Energy(small.delivered[place])), "seed {seed}");
            }
            sums.entry(meter.area).or_insert_with(|| AreaSums::new(0)).add(&large);
        }
        for (area, mut sums) in sums {
            sums.exchange_wh = sums.contracted_wh;
            let losses = small.residuals[&area].losses_wh() * many;
            let large = sums.close(&prices(&period, area), losses, PPM, u128::MAX).unwrap();
            let one = small.areas[&area];
            let amounts = |of: &AreaClose| [of.charges, of.upstream, of.losses, of.surplus].map(|amount| amount.0);
            assert_eq!(amounts(&large), amounts(&one).map(|amount| amount * many), "seed {seed}");
        }
    }
}

/// A limit of the rule that a meter's newest sale answers first, as MARKET has it. A plant sold 10 at 100 and stands still: missing energy
/// costs 30, but it pays 100. If it then sells another 10 to a friend at 20 and buys them back, the sale to the friend is its newest, and
/// it pays 30. Money and energy still add up, and its friend neither wins nor loses.
#[test]
fn a_round_trip_with_a_friend_makes_another_sale_the_newest() {
    let prices = ImbalancePrices::new(Price(30), Price(20), &SettlementRules::metered()).unwrap();
    let side = |side, price| TradeSide { side, price: Price(price), energy: Energy(10) };
    let sale = side(Side::Sell, 100);
    assert_eq!(settle_meter(&[sale], flow(0), &prices).charge(), Money(1_000));
    let trip = [sale, side(Side::Sell, 20), side(Side::Buy, 20)];
    assert_eq!(settle_meter(&trip, flow(0), &prices).charge(), Money(300));
}

//! Worked cases of other systems. Where they have our mechanism the figures agree; where our rule differs on purpose the test says so and
//! checks ours. Only figures are taken over: inputs and what came out.
//!
//! powertac/powertac-server @1995a9b265fc8d288fb76d4093ddce62c4f55bdd, Apache-2.0, the tests of its balancing market. A broker there is a
//! meter here. It buys in the market, consumes, and its imbalance is `bought - consumed`, as ours. Signs of money are its own: there a
//! charge is what a broker gets, so -9 is 9 to pay. Its prices are per kWh and its energies in kWh and MWh; ours are millionths and Wh.

use gridbook_engine::{Energy, Money, Price, Side};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_ledger::settlement::{
    AreaSums, Delivery, ImbalancePrices, MeterSettlement, Portion, Reference, TradeSide, portions, settle_meter,
};

const KWH: u64 = 1_000;

/// Prices up to 10 a kWh, so that theirs are within the bounds.
fn prices(short: i32, long: i32) -> ImbalancePrices {
    let rules = SettlementRules {
        short_price_cap: Price(10_000_000),
        long_price_floor: Price(-10_000_000),
        ..SettlementRules::metered()
    };
    ImbalancePrices::new(Price(short), Price(long), &rules).unwrap()
}

/// A broker that bought so much at 40 a MWh, and whose customers took so much.
fn broker(bought: u64, taken: u64, prices: &ImbalancePrices) -> MeterSettlement {
    let purchase = TradeSide { side: Side::Buy, price: Price(40_000), energy: Energy(bought) };
    let trades: &[TradeSide] = if bought > 0 { &[purchase] } else { &[] };
    settle_meter(trades, Delivery { import: Energy(taken), export: Energy::ZERO }, prices)
}

/// A broker that is so many Wh long, or short if it is negative, and bought what it took.
fn imbalanced(imbalance_wh: i64, prices: &ImbalancePrices) -> MeterSettlement {
    let energy = imbalance_wh.unsigned_abs();
    if imbalance_wh < 0 { broker(0, energy, prices) } else { broker(energy, 0, prices) }
}

/// `balance_surplus`, `balance_zero`, `balance_deficit`: 1 MWh bought, and 500, 1,000 and 1,500 kWh taken.
#[test]
fn powertac_imbalance_has_our_size_and_sign() {
    let imbalance = |taken| broker(1_000 * KWH, taken * KWH, &prices(60_000, 20_000)).imbalance_wh;
    assert_eq!([500, 1_000, 1_500].map(imbalance), [500_000, 0, -500_000]);
}

/// `three_equal_deficit`, `three_equal_surplus`, `mixed`: totals, and every broker's imbalance is given to somebody whole.
#[test]
fn powertac_imbalances_add_up_and_are_settled_whole() {
    let usual = prices(60_000, 20_000);
    for (brokers, total) in [
        ([-50_000, -50_000, -50_000], -150_000),
        ([50_000, 50_000, 50_000], 150_000),
        ([-19_599_990_000, 0, 8_791_119_000], -10_808_871_000),
    ] {
        let mut sums = AreaSums::new(-brokers.iter().map(|one: &i64| i128::from((*one).max(0))).sum::<i128>());
        for one in brokers {
            let settled = imbalanced(one, &usual);
            sums.add(&settled);
            let purchase =
                [TradeSide { side: Side::Buy, price: Price(40_000), energy: Energy(one.max(0).unsigned_abs()) }];
            let assigned: u128 =
                portions(&purchase, settled.imbalance_wh, usual.rest()).map(|part: Portion| part.energy_wh).sum();
            assert_eq!(assigned, u128::from(one.unsigned_abs()));
        }
        assert_eq!(sums.imbalance_wh, total);
        assert_eq!(sums.close(&usual, 0, 0, 0).unwrap().upstream_wh, total);
    }
}

/// `up_no_balancing_orders`: two brokers 1.5 kWh short pay 9 each, because the price is 3 and rises by 1 for each kWh that all are short
/// of: 6. Ours are set before the gate opens and do not move with what becomes of it, so that everybody knows what failing costs; at a
/// price of 6 the figures agree, and at 3 they are half.
#[test]
fn powertac_price_rises_with_the_shortage_and_ours_is_known_before() {
    for (price, charge) in [(6_000_000, 9_000_000_000), (3_000_000, 4_500_000_000)] {
        assert_eq!(imbalanced(-1_500, &prices(price, 0)).charge(), Money(charge));
    }
}

/// `down_no_balancing_orders`: two brokers 1.5 kWh long, in a market that pays to be rid of it: they pay 3 each, 2 a kWh. There as here
/// surplus can cost money. It had bought the energy at 0.04: our own-price rule changes nothing, since 0.04 is more than -2.
#[test]
fn powertac_surplus_below_zero_is_paid_for() {
    assert_eq!(imbalanced(1_500, &prices(0, -2_000_000)).charge(), Money(3_000_000_000));
}

/// `reference_prices_from_books`: books cleared at 20.2, 21.2, 19.8 and 20.1 a MWh. Its spot price is the last clearing, 0.0201, which is
/// our reference. Its two prices are made of the dearest and the cheapest clearing, with a premium of a tenth and a fee of 0.04: 0.06332
/// and -0.058. Ours come from whoever runs the upstream market; taken over, the reference lies between them and changes nothing. Where
/// missing energy is cheaper than the market was, or surplus dearer, the last clearing is what counts.
#[test]
fn powertac_spot_price_is_our_reference() {
    let spot = Reference::Auction(Price(20_100));
    let theirs = prices(63_320, -58_000).with_reference(spot);
    assert_eq!((theirs.short_rest(), theirs.long_rest()), (Price(63_320), Price(-58_000)));
    let cheap = prices(15_000, 10_000).with_reference(spot);
    assert_eq!((cheap.short_rest(), cheap.long_rest()), (Price(20_100), Price(10_000)));
    let dear = prices(40_000, 30_000).with_reference(spot);
    assert_eq!((dear.short_rest(), dear.long_rest()), (Price(40_000), Price(20_100)));
}

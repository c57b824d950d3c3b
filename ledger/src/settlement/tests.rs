//! Stories of one meter and of one area, reckoned by hand. Prices are per kWh and energies in Wh, so that money comes in whole units
//! of their product.

use gridbook_engine::{Energy, Money, Price, Side};

use super::*;
use crate::genesis::SettlementRules;
use Side::{Buy, Sell};

/// Nothing is taken for more than 1,000 or for less than -200.
fn prices(short: i32, long: i32) -> ImbalancePrices {
    let rules =
        SettlementRules { short_price_cap: Price(1_000), long_price_floor: Price(-200), ..SettlementRules::metered() };
    ImbalancePrices::new(Price(short), Price(long), &rules).unwrap()
}

/// Missing energy costs 600, energy too much brings 20.
fn usual() -> ImbalancePrices {
    prices(600, 20)
}

fn sides(trades: &[(Side, i32, u64)]) -> Vec<TradeSide> {
    let side = |&(side, price, energy)| TradeSide { side, price: Price(price), energy: Energy(energy) };
    trades.iter().map(side).collect()
}

fn flow(net_wh: i64) -> Delivery {
    let energy = Energy(net_wh.unsigned_abs());
    if net_wh < 0 {
        Delivery { import: energy, export: Energy::ZERO }
    } else {
        Delivery { import: Energy::ZERO, export: energy }
    }
}

/// What a meter with these trades and this net is charged: for its own trades, and for the rest.
#[track_caller]
fn charged(trades: &[(Side, i32, u64)], net_wh: i64, prices: ImbalancePrices) -> (i128, i128) {
    let settled = settle_meter(&sides(trades), flow(net_wh), &prices);
    assert_eq!(settled.net_wh, i128::from(net_wh));
    assert_eq!(settled.imbalance_wh, settled.net_wh - settled.contracted_wh);
    (settled.own_trades.0, settled.rest.0)
}

#[test]
fn who_does_what_was_traded_is_charged_nothing() {
    assert_eq!(charged(&[(Sell, 300, 100)], 100, usual()), (0, 0));
    assert_eq!(charged(&[(Buy, 300, 100)], -100, usual()), (0, 0));
    assert_eq!(charged(&[(Buy, 300, 100), (Sell, 350, 100)], 0, usual()), (0, 0), "bought and sold on");
    assert_eq!(charged(&[], 0, usual()), (0, 0));
}

/// The panel is covered in snow. Its 100 Wh brought 300 and cost 600: the buyer has his energy from upstream, and the seller paid for it.
#[test]
fn a_sale_that_is_not_delivered_costs_what_the_energy_costs_elsewhere() {
    assert_eq!(charged(&[(Sell, 300, 100)], 0, usual()), (60_000, 0));
    assert_eq!(charged(&[(Sell, 300, 100)], 75, usual()), (15_000, 0));
}

/// Sold at 700 while upstream asks 600: who pockets the 700 and stays idle would earn 100. He pays 700.
#[test]
fn idling_never_pays_better_than_the_sale_did() {
    assert_eq!(charged(&[(Sell, 700, 100)], 0, usual()), (70_000, 0));
}

/// Sold 40 at 700 and then 60 at 300. Of 30 missing all are of the newer sale; of 70 missing, 60 at 600 and 10 of the older at 700.
#[test]
fn the_newest_sale_is_the_first_that_was_not_delivered() {
    let trades = [(Sell, 700, 40), (Sell, 300, 60)];
    assert_eq!(charged(&trades, 70, usual()), (18_000, 0));
    assert_eq!(charged(&trades, 30, usual()), (36_000 + 7_000, 0));
}

/// It sold 10 and took 5 out of the grid without having bought them: 10 are its sale, 5 are the rest.
#[test]
fn what_was_taken_beyond_all_trades_is_the_rest() {
    assert_eq!(charged(&[(Sell, 700, 10)], -5, usual()), (7_000, 3_000));
    assert_eq!(charged(&[(Buy, 100, 40)], -45, usual()), (0, 3_000), "purchases do not make taking more any dearer");
}

/// It bought 100 and took 60. The 40 left over bring 20 each, although they cost 250.
#[test]
fn a_purchase_that_is_not_taken_brings_what_surplus_brings() {
    assert_eq!(charged(&[(Buy, 250, 100)], -60, usual()), (-800, 0));
}

/// Bought at 5 while surplus brings 20: not taking it would earn 15 a kWh. It gets its 5 back.
#[test]
fn buying_cheap_and_not_taking_it_earns_nothing() {
    assert_eq!(charged(&[(Buy, 5, 100)], 0, usual()), (-500, 0));
}

/// Bought 40 at 5 and then 60 at 250. 70 too much: 60 of the newer at 20, 10 of the older at 5.
#[test]
fn the_newest_purchase_is_the_first_that_was_not_taken() {
    assert_eq!(charged(&[(Buy, 5, 40), (Buy, 250, 60)], -30, usual()), (-1_200 - 50, 0));
}

/// A roof without an order gives 50; one that sold 30 gives 50.
#[test]
fn energy_that_nobody_bought_brings_the_price_of_surplus() {
    assert_eq!(charged(&[], 50, usual()), (0, -1_000));
    assert_eq!(charged(&[(Sell, 300, 30)], 50, usual()), (0, -400));
}

/// The auction cleared at 650: missing energy costs that much, sold by oneself or not. Surplus is worth no more than before.
#[test]
fn a_market_dearer_than_the_imbalance_price_sets_the_price_of_missing_energy() {
    let dear = usual().with_reference(Reference::Auction(Price(650)));
    assert_eq!(charged(&[(Sell, 300, 10)], -5, dear), (6_500, 3_250));
    assert_eq!(charged(&[], 50, dear), (0, -1_000));
    // A mean of 650 and a third: 651 for who is short.
    let mean = usual().with_reference(Reference::mean(Money(1_951), Energy(3)));
    assert_eq!(charged(&[(Sell, 300, 10)], -5, mean), (6_510, 3_255));
}

/// At noon everybody has too much, and the market cleared at -50: to leave energy in the grid costs 50 a kWh.
#[test]
fn surplus_in_a_market_below_zero_is_paid_for_by_who_leaves_it() {
    let noon = usual().with_reference(Reference::Auction(Price(-50)));
    assert_eq!(charged(&[], 50, noon), (0, 2_500));
    assert_eq!(charged(&[(Buy, 30, 50)], 0, noon), (2_500, 0), "bought at 30, not taken, and paid for again");
}

/// Missing energy is worth -50: the grid is glad of it. A plant that paid 110 to be rid of 100 Wh and then stood still gets 50 of it back;
/// one that paid 10 gets no more than its 10.
#[test]
fn standing_still_below_zero_brings_back_no_more_than_was_paid() {
    let glut = prices(-50, -120);
    assert_eq!(charged(&[(Sell, -110, 100)], 0, glut), (-5_000, 0));
    assert_eq!(charged(&[(Sell, -10, 100)], 0, glut), (-1_000, 0));
    assert_eq!(charged(&[(Sell, 40, 100)], 0, glut), (4_000, 0));
}

/// It was paid 30 a kWh to take 100 Wh, and took nothing: it pays the 30 back. Paid 150 where surplus costs 120: 150.
#[test]
fn who_was_paid_to_take_energy_and_did_not_gives_the_money_back() {
    assert_eq!(charged(&[(Buy, -30, 100)], 0, usual()), (3_000, 0));
    assert_eq!(charged(&[(Buy, -150, 100)], 0, prices(-50, -120)), (15_000, 0));
    assert_eq!(charged(&[(Buy, -30, 100)], 0, prices(-50, -120)), (12_000, 0));
}

/// The seller failed, the buyer took what it bought: what the buyer is charged is decided by its own meter alone.
#[test]
fn nobody_pays_for_the_other_sides_failure() {
    assert_eq!(charged(&[(Buy, 300, 100)], -100, usual()), (0, 0));
    assert_eq!(charged(&[(Sell, 300, 100)], 0, usual()), (60_000, 0));
}

/// The bill says which trade did not come about, and at what price the rest was had.
#[test]
fn the_portions_of_an_imbalance_name_their_trades() {
    let trades = sides(&[(Sell, 700, 10), (Buy, 100, 5), (Sell, 300, 20)]);
    let settled = settle_meter(&trades, flow(-7), &usual());
    // Sold 30, bought 5, took 7: short of 32.
    assert_eq!(settled.imbalance_wh, -32);
    let portion = |trade, energy_wh, price| Portion { trade, side: Sell, energy_wh, price: Price(price) };
    let all: Vec<Portion> = portions(&trades, settled.imbalance_wh, usual().rest()).collect();
    assert_eq!(all, [portion(Some(2), 20, 600), portion(Some(0), 10, 700), portion(None, 2, 600)]);
    assert_eq!(all.iter().map(Portion::charge).fold(Money::ZERO, |sum, one| sum + one), settled.charge());
}

/// Nothing that a caller may have overflows: the largest energies, to and fro, at the largest prices.
#[test]
fn the_largest_trades_there_are_are_settled_exactly() {
    let rules = SettlementRules {
        short_price_cap: Price(i32::MAX),
        long_price_floor: Price(i32::MIN),
        ..SettlementRules::metered()
    };
    let widest = ImbalancePrices::new(Price(i32::MAX), Price(i32::MIN), &rules).unwrap();
    let trades = sides(&[(Sell, i32::MIN, u64::MAX), (Sell, i32::MAX, u64::MAX)]);
    let all_in = Delivery { import: Energy(u64::MAX), export: Energy::ZERO };
    let settled = settle_meter(&trades, all_in, &widest);
    let energy = i128::from(u64::MAX);
    assert_eq!(settled.imbalance_wh, -3 * energy);
    assert_eq!((settled.own_trades.0, settled.rest.0), (2 * energy * 2_147_483_647, energy * 2_147_483_647));
}

/// Three houses: 30 short, 50 long, and one as traded.
fn street(exchange_wh: i128) -> AreaSums {
    let mut sums = AreaSums::new(exchange_wh);
    for settled in street_meters() {
        sums.add(&settled);
    }
    sums
}

/// The first sold 30 to the second and gave nothing; the second bought them and gave 20; the third neither trades nor flows.
fn street_meters() -> [MeterSettlement; 3] {
    [
        settle_meter(&sides(&[(Sell, 300, 30)]), flow(0), &usual()),
        settle_meter(&sides(&[(Buy, 300, 30)]), flow(20), &usual()),
        settle_meter(&[], flow(0), &usual()),
    ]
}

/// 30 short at 600 come in, 50 long at 20 go out, and the 20 left over bring 20 each upstream.
#[test]
fn an_area_sells_what_it_has_too_much_upstream_and_keeps_the_difference() {
    let closed = street(0).close(&usual(), 0, 0, 0).unwrap();
    let AreaClose { charges, upstream_wh, upstream, losses_wh, losses, surplus } = closed;
    assert_eq!((charges, upstream_wh, upstream), (Money(18_000 - 1_000), 20, Money(-400)));
    assert_eq!((losses_wh, losses, surplus), (0, Money(0), Money(17_400)));
}

/// 25 of the 50 are lost on the way, so 5 must be bought at 600. The operator pays 600 for each that was lost.
#[test]
fn losses_are_paid_by_the_operator_at_the_price_of_missing_energy() {
    let closed = street(0).close(&usual(), 25, 500_000, 50).unwrap();
    assert_eq!((closed.upstream_wh, closed.upstream), (-5, Money(3_000)));
    assert_eq!((closed.losses, closed.surplus), (Money(15_000), Money(17_000 + 15_000 - 3_000)));
}

/// The meters show 10 less than left the area. They are worth what surplus is worth.
#[test]
fn energy_that_meters_fail_to_show_brings_the_operator_the_price_of_surplus() {
    let closed = street(0).close(&usual(), -10, 200_000, 50).unwrap();
    assert_eq!((closed.upstream_wh, closed.upstream), (30, Money(-600)));
    assert_eq!((closed.losses, closed.surplus), (Money(-200), Money(17_000 - 200 + 600)));
}

/// A part of a watt-hour per million is not rounded away: of 49 Wh, 1 Wh is within 20,409 ppm and not within 20,408.
#[test]
fn more_lost_than_the_genesis_allows_freezes_the_area() {
    let close = |losses_wh, bound_ppm| street(0).close(&usual(), losses_wh, bound_ppm, 49);
    assert!(close(1, 20_409).is_ok() && close(-1, 20_409).is_ok());
    assert_eq!(close(1, 20_408), Err(AreaFault::Losses { losses_wh: 1, throughput_wh: 49 }));
    assert_eq!(close(-1, 20_408), Err(AreaFault::Losses { losses_wh: -1, throughput_wh: 49 }));
    assert_eq!(close(i128::MIN, 1_000_000), Err(AreaFault::Losses { losses_wh: i128::MIN, throughput_wh: 49 }));
}

/// One side of a trade was lost: the area seems to send 30 out that nobody took in.
#[test]
fn an_area_whose_trades_have_one_side_is_frozen() {
    let mut sums = AreaSums::new(0);
    sums.add(&street_meters()[0]);
    let fault = AreaFault::Contracted { contracted_wh: 30, exchange_wh: 0 };
    assert_eq!(sums.close(&usual(), 0, 0, 0), Err(fault));
    // Sold to the next area it is as it should be.
    let mut sums = AreaSums::new(30);
    sums.add(&street_meters()[0]);
    assert!(sums.close(&usual(), 0, 0, 0).is_ok());
}

/// Meters settled at other prices than the area is closed at: 30 at 30 came in, and 50 at 20 went out.
#[test]
fn an_area_that_would_pay_out_more_than_comes_in_is_frozen() {
    let mut sums = AreaSums::new(-20);
    sums.add(&settle_meter(&sides(&[(Buy, 300, 20)]), flow(-50), &prices(30, 20)));
    assert_eq!(sums.close(&usual(), 0, 0, 0), Err(AreaFault::Deficit(Money(30 * 30 - 30 * 600))));
}

#[test]
fn what_is_no_settlement_of_a_meter_freezes_the_area() {
    let settled = street_meters()[0];
    let twisted = MeterSettlement { imbalance_wh: settled.imbalance_wh + 1, ..settled };
    let huge = MeterSettlement { own_trades: Money(i128::MAX), rest: Money(1), ..settled };
    let endless = MeterSettlement { net_wh: i128::MAX, contracted_wh: -1, ..settled };
    let beyond = MeterSettlement { net_wh: 1 << 91, contracted_wh: 1 << 91, imbalance_wh: 0, ..settled };
    for wrong in [twisted, huge, endless, beyond] {
        let mut sums = street(0);
        sums.add(&wrong);
        sums.add(&settled);
        assert_eq!(sums.close(&usual(), 0, 0, 0), Err(AreaFault::Unsound), "{wrong:?}");
    }
    let torn = AreaSums { imbalance_wh: 7, ..street(0) };
    assert_eq!(torn.close(&usual(), 0, 0, 0), Err(AreaFault::Unsound));
}

/// The first house was settled as giving nothing; its reading comes after all, and shows 30. The second run comes to the same as if it
/// had been there at once, and the postings between the two take the surplus back.
#[test]
fn a_correction_settles_the_difference() {
    let before = street(0);
    let good = settle_meter(&sides(&[(Sell, 300, 30)]), flow(30), &usual());
    let mut after = before;
    after.replace(&street_meters()[0], &good);
    let mut at_once = AreaSums::new(0);
    [good, street_meters()[1], street_meters()[2]].iter().for_each(|meter| at_once.add(meter));
    assert_eq!(after, at_once);
    let (first, second) = (before.close(&usual(), 0, 0, 0).unwrap(), after.close(&usual(), 0, 0, 0).unwrap());
    let change = second.since(&first);
    // 18,000 back to the first house; 30 more sold upstream for 600; the operator's 17,400 are gone.
    assert_eq!((change.charges, change.upstream_wh, change.upstream), (Money(-18_000), 30, Money(-600)));
    assert_eq!(change.surplus, Money(-17_400));
    assert_eq!(change.charges + change.losses, change.upstream + change.surplus);
}

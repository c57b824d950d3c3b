//! The rules of MARKET sections 3 and 4 that concern a single area, one drawing each.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::{
    AreaId, Contract, DeliveryPeriod, LedgerTime, Network, NewOrder, Price, Reject, Side, TimeInForce, Top,
};
use support::drawn::{CONTRACT, Drawn, order};

const NOTHING: [&str; 0] = [];

#[test]
fn the_better_price_goes_first_then_the_older_order() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 30);
    market.sell("b1", 10, 20);
    market.sell("c1", 10, 20);
    market.buy("d1", 5, 10);
    market.shows(
        "bid  | price | ask
              |  30   | a1:10
              |  20   | b1:10 c1:10
         d1:5 |  10   |",
    );
    assert_eq!(
        market.buy("e1", 25, 30),
        ["b1 sells e1 10 at 20", "c1 sells e1 10 at 20", "a1 sells e1 5 at 30"],
        "the price is the resting order's"
    );
    market.shows(
        "bid  | price | ask
              |  30   | a1:5
         d1:5 |  10   |",
    );
}

#[test]
fn an_incoming_sell_takes_the_highest_bid_first_also_below_zero() {
    let mut market = Drawn::new();
    market.buy("a1", 10, -20);
    market.buy("b1", 10, -10);
    assert_eq!(market.sell("c1", 15, -20), ["c1 sells b1 10 at -10", "c1 sells a1 5 at -20"]);
    market.shows("a1:5 | -20 |");
}

#[test]
fn what_is_left_of_an_incoming_order_rests_at_its_limit() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 20);
    assert_eq!(market.buy("b1", 15, 25), ["a1 sells b1 10 at 20", "b1 rests 5"]);
    market.shows("b1:5 | 25 |");
}

#[test]
fn immediate_or_cancel_drops_what_is_left() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 20);
    market.sell("b1", 10, 40);
    let ioc = NewOrder { time_in_force: TimeInForce::ImmediateOrCancel, ..order("c1", Side::Buy, 15, 30) };
    assert_eq!(market.place(ioc).unwrap(), ["a1 sells c1 10 at 20", "c1 drops 5"]);
    assert_eq!(market.held("c1"), 0, "what was dropped holds no money");
    market.shows("| 40 | b1:10");
}

#[test]
fn a_market_order_is_immediate_or_cancel_at_the_price_limit() {
    let mut market = Drawn::new();
    market.buy("a1", 10, -500);
    let worst = market.engine.rules().price_min;
    let any_price =
        NewOrder { time_in_force: TimeInForce::ImmediateOrCancel, price: worst, ..order("b1", Side::Sell, 10, 0) };
    assert_eq!(market.place(any_price).unwrap(), ["b1 sells a1 10 at -500"]);
}

#[test]
fn fill_or_kill_trades_all_at_once_or_leaves_no_trace() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 20);
    market.sell("b1", 10, 30);
    let before = (market.engine.digest(), market.engine.mark());
    let fok = |energy| NewOrder { time_in_force: TimeInForce::FillOrKill, ..order("c1", Side::Buy, energy, 30) };
    assert_eq!(market.place(fok(21)), Err(Reject::MatchFillOrKill));
    assert_eq!((market.engine.digest(), market.engine.mark()), before);
    assert_eq!((market.held("a1"), market.held("c1")), (10, 0));
    assert_eq!(market.place(fok(20)).unwrap(), ["a1 sells c1 10 at 20", "b1 sells c1 10 at 30"]);
    market.shows("");
}

#[test]
fn fill_or_kill_does_not_count_what_it_cannot_trade_with() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 20);
    market.sell("b1", 10, 20);
    let fok = |energy| NewOrder { time_in_force: TimeInForce::FillOrKill, ..order("b2", Side::Buy, energy, 20) };
    assert_eq!(market.place(fok(20)), Err(Reject::MatchFillOrKill), "half of it is its own account's");
    assert_eq!(market.place(fok(10)).unwrap(), ["a1 sells b2 10 at 20"]);
    market.shows("| 20 | b1:10");
}

#[test]
fn an_order_skips_its_own_accounts_orders_which_stay() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 20);
    market.sell("b1", 10, 20);
    market.sell("c1", 10, 30);
    assert_eq!(market.buy("a2", 25, 30), ["b1 sells a2 10 at 20", "c1 sells a2 10 at 30", "a2 rests 5"]);
    market.shows(
        "a2:5 | 30 |
              | 20 | a1:10",
    );
    assert_eq!(market.buy("d1", 10, 20), ["a1 sells d1 10 at 20"], "and trades with the next one");
}

#[test]
fn post_only_is_refused_if_it_would_trade_and_only_then() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 20);
    let post_only = |name, price| NewOrder { post_only: true, ..order(name, Side::Buy, 10, price) };
    let before = market.engine.digest();
    assert_eq!(market.place(post_only("b1", 20)), Err(Reject::MatchPostOnly));
    assert_eq!((market.engine.digest(), market.held("b1")), (before, 0));
    assert_eq!(market.place(post_only("b1", 19)).unwrap(), ["b1 rests 10"]);
    assert_eq!(market.place(post_only("a2", 20)).unwrap(), ["a2 rests 10"], "its own ask is no candidate");
}

#[test]
fn post_only_contradicts_an_order_that_never_rests() {
    for time_in_force in [TimeInForce::ImmediateOrCancel, TimeInForce::FillOrKill] {
        let both = NewOrder { post_only: true, time_in_force, ..order("a1", Side::Buy, 1, 1) };
        assert_eq!(Drawn::new().place(both), Err(Reject::FormFlags));
    }
}

#[test]
fn a_reduced_order_keeps_its_place_and_leaves_at_zero() {
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    market.buy("b1", 10, 20);
    assert_eq!(market.reduce("a1", 4).unwrap(), ["a1 reduced to 6"]);
    market.shows("a1:6 b1:10 | 20 |");
    assert_eq!(market.held("a1"), 6);
    assert_eq!(market.reduce("a1", 0), Err(Reject::MatchNothingToReduce));
    assert_eq!(market.reduce("a1", 100).unwrap(), ["a1 reduced to 0"]);
    market.shows("b1:10 | 20 |");
    assert_eq!(market.held("a1"), 0);
    assert_eq!(market.reduce("a1", 1), Err(Reject::MatchUnknownOrder));
}

#[test]
fn replacing_with_less_at_the_same_price_keeps_the_place() {
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    market.buy("b1", 10, 20);
    assert_eq!(market.replace("a1", 7, 20).unwrap(), ["a1 reduced to 7"]);
    assert_eq!(market.replace("a1", 7, 20).unwrap(), ["a1 reduced to 7"], "no less is no more either");
    market.shows("a1:7 b1:10 | 20 |");
}

#[test]
fn replacing_with_more_or_another_price_goes_to_the_end() {
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    market.buy("b1", 10, 20);
    market.sell("c1", 10, 30);
    assert_eq!(market.replace("a1", 11, 20).unwrap(), ["a1 rests 11"]);
    market.shows(
        "             | 30 | c1:10
         b1:10 a1:11  | 20 |",
    );
    assert_eq!(market.replace("b1", 15, 30).unwrap(), ["c1 sells b1 10 at 30", "b1 rests 5"]);
    market.shows(
        " b1:5  | 30 |
          a1:11 | 20 |",
    );
    assert_eq!((market.held("a1"), market.held("b1")), (11, 5));
}

#[test]
fn replacing_counts_the_money_that_the_old_order_frees() {
    let mut market = Drawn::new();
    market.buy("a1", 90, 20);
    assert_eq!(market.replace("a1", 100, 20).unwrap(), ["a1 rests 100"], "190 in all would be too much");
}

#[test]
fn a_replacement_that_is_refused_leaves_the_old_order_in_its_place() {
    let mut market = Drawn::new();
    market.place(NewOrder { post_only: true, ..order("a1", Side::Buy, 10, 20) }).unwrap();
    market.buy("b1", 10, 20);
    market.sell("c1", 10, 30);
    let before = market.engine.digest();
    assert_eq!(market.replace("a1", 10, 30), Err(Reject::MatchPostOnly), "the order's own flag");
    assert_eq!(market.replace("a1", 101, 20), Err(Reject::CreditHeadroom));
    assert_eq!(market.replace("a1", 0, 20), Err(Reject::FormZeroEnergy));
    let price_max = market.engine.rules().price_max.0;
    assert_eq!(market.replace("a1", 10, price_max + 1), Err(Reject::FormPriceLimit));
    assert_eq!((market.engine.digest(), market.held("a1")), (before, 10));
    market.engine.close(CONTRACT);
    assert_eq!(market.replace("a1", 10, 21), Err(Reject::GateClosed));
    market.shows(
        "            | 30 | c1:10
         a1:10 b1:10 | 20 |",
    );
    assert_eq!(market.cancel("a1").unwrap(), ["a1 cancelled 10"], "the old handle still holds");
}

#[test]
fn only_its_own_meter_may_touch_an_order_and_only_while_it_rests() {
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    let (id, meter) = market.handle("a1");
    let thief = gridbook_engine::MeterId(meter.0 + 1);
    let stolen = market.engine.cancel(id, thief, &mut market.accounts, &mut Vec::new());
    assert_eq!(stolen, Err(Reject::MatchUnknownOrder));
    assert_eq!(market.cancel("a1").unwrap(), ["a1 cancelled 10"]);
    market.buy("b1", 10, 20);
    assert_eq!(market.cancel("a1"), Err(Reject::MatchUnknownOrder), "its handle does not hit the next order");
    market.shows("b1:10 | 20 |");
}

#[test]
fn orders_come_in_between_opening_and_gate_only() {
    // Contract 8 is delivered at 2:00, opens at 1:00, closes at 1:55; contract 12 opens at 2:00.
    let mut market = Drawn::new();
    let at = |period| NewOrder {
        contract: Contract { period: DeliveryPeriod(period), ..CONTRACT },
        ..order("a1", Side::Buy, 1, 1)
    };
    assert_eq!(market.place(at(12)), Err(Reject::GateNotOpen));
    assert_eq!(market.place(at(3)), Err(Reject::GateClosed));
    market.minute(114);
    assert!(market.place(at(8)).is_ok());
    market.minute(115);
    assert_eq!(market.place(at(8)), Err(Reject::GateClosed));
    assert_eq!(market.place(at(12)), Err(Reject::GateNotOpen));
    market.minute(120);
    assert!(market.place(at(12)).is_ok());
}

#[test]
fn a_good_till_time_order_that_is_over_on_entry_is_refused() {
    let mut market = Drawn::new();
    let until = |minute: u64| NewOrder {
        time_in_force: TimeInForce::GoodTillTime(LedgerTime(minute * 60_000)),
        ..order("a1", Side::Buy, 1, 1)
    };
    assert_eq!(market.place(until(80)), Err(Reject::GateExpired));
    assert!(market.place(until(81)).is_ok());
}

#[test]
fn an_order_whose_time_has_come_does_not_trade_though_nobody_swept_it_yet() {
    let mut market = Drawn::new();
    let until = TimeInForce::GoodTillTime(LedgerTime(90 * 60_000));
    market.place(NewOrder { time_in_force: until, ..order("a1", Side::Sell, 10, 10) }).unwrap();
    market.sell("b1", 10, 20);
    market.minute(89);
    assert_eq!(market.engine.top(CONTRACT).best_ask.unwrap().0, Price(10));
    market.minute(90);
    assert_eq!(market.engine.top(CONTRACT).best_ask.unwrap().0, Price(20));
    assert_eq!(market.buy("c1", 5, 20), ["b1 sells c1 5 at 20"]);
    assert_eq!(market.sweep(9), ["a1 over by time 10"]);
    assert_eq!(market.held("a1"), 0);
}

#[test]
fn what_is_over_leaves_first_by_time_then_by_gate_each_by_period_area_and_priority() {
    let mut market = Drawn::new();
    let place = |market: &mut Drawn, name, area, period, until: Option<u64>| {
        let contract = Contract { area: AreaId(area), period: DeliveryPeriod(period) };
        let time_in_force =
            until.map_or(TimeInForce::GoodTillGate, |minute| TimeInForce::GoodTillTime(LedgerTime(minute * 60_000)));
        market.place(NewOrder { contract, time_in_force, ..order(name, Side::Buy, 1, 1) }).unwrap();
    };
    place(&mut market, "a1", 1, 9, None);
    place(&mut market, "b1", 0, 9, Some(100));
    place(&mut market, "c1", 1, 8, None);
    place(&mut market, "d1", 0, 8, None);
    place(&mut market, "e1", 1, 8, Some(105));
    place(&mut market, "f1", 0, 9, None);
    place(&mut market, "g1", 0, 8, None);
    assert_eq!(market.engine.next_due(), Some(LedgerTime(100 * 60_000)));
    market.minute(115);
    assert_eq!(market.sweep(3), ["e1 over by time 1", "b1 over by time 1", "d1 over by gate 1"]);
    assert!(market.engine.next_due() <= Some(market.engine.now()));
    assert_eq!(market.sweep(9), ["g1 over by gate 1", "c1 over by gate 1"]);
    assert_eq!(market.engine.next_due(), Some(LedgerTime(130 * 60_000)), "the gate of period 9");
    market.minute(130);
    assert_eq!(market.sweep(9), ["f1 over by gate 1", "a1 over by gate 1"]);
    assert_eq!(market.sweep(9), NOTHING);
    assert_eq!(market.engine.next_due(), None);
}

#[test]
fn a_gate_that_comes_during_a_sweep_of_a_later_contract_goes_first() {
    let mut market = Drawn::new();
    market.contract = Contract { period: DeliveryPeriod(9), ..CONTRACT };
    market.buy("a1", 1, 1);
    market.buy("b1", 1, 1);
    let later = market.contract;
    market.contract = CONTRACT;
    market.buy("c1", 1, 1);
    market.engine.close(later);
    assert_eq!(market.sweep(1), ["a1 over by gate 1"]);
    market.minute(115);
    assert_eq!(market.sweep(9), ["c1 over by gate 1", "b1 over by gate 1"]);
}

#[test]
fn a_contract_closed_by_command_takes_no_orders_and_gives_its_orders_up() {
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    market.engine.close(CONTRACT);
    assert_eq!(market.place(order("b1", Side::Sell, 10, 20)), Err(Reject::GateClosed));
    assert_eq!(market.engine.top(CONTRACT), Top::default());
    assert_eq!(market.engine.next_due(), Some(market.engine.now()));
    assert_eq!(market.sweep(9), ["a1 over by gate 10"]);
    assert_eq!((market.held("a1"), market.engine.next_due()), (0, None));
}

#[test]
fn a_cancel_may_overtake_the_sweep() {
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    market.buy("b1", 10, 20);
    market.buy("c1", 10, 20);
    market.minute(115);
    assert_eq!(market.sweep(1), ["a1 over by gate 10"]);
    assert_eq!(market.cancel("b1").unwrap(), ["b1 cancelled 10"]);
    assert_eq!(market.sweep(9), ["c1 over by gate 10"]);
}

#[test]
fn priority_numbers_are_counted_per_period_over_all_areas() {
    let mut market = Drawn::new();
    market.buy("a1", 1, 1);
    let elsewhere = Contract { area: AreaId(1), ..CONTRACT };
    market.place(NewOrder { contract: elsewhere, ..order("b1", Side::Buy, 1, 1) }).unwrap();
    market.buy("c1", 1, 1);
    let later = Contract { period: DeliveryPeriod(9), ..CONTRACT };
    market.place(NewOrder { contract: later, ..order("d1", Side::Buy, 1, 1) }).unwrap();
    let numbers: Vec<u64> = market.engine.resting().map(|order| order.priority).collect();
    assert_eq!(numbers, [0, 2, 1, 0], "a1 and c1 in area 0, b1 in area 1, d1 in the next period");
}

#[test]
fn areas_do_not_trade_with_each_other() {
    let mut market = Drawn::new();
    market.sell("a1", 10, 20);
    let elsewhere = Contract { area: AreaId(1), ..CONTRACT };
    let told = market.place(NewOrder { contract: elsewhere, ..order("b1", Side::Buy, 10, 30) }).unwrap();
    assert_eq!(told, ["b1 rests 10"]);
}

#[test]
fn the_form_is_tested_before_the_gate_and_the_gate_before_the_money() {
    let mut market = Drawn::new();
    let closed = Contract { period: DeliveryPeriod(1), ..CONTRACT };
    let base = NewOrder { contract: closed, ..order("a1", Side::Buy, 1_000, 20) };
    let nowhere = Contract { area: AreaId(2), ..closed };
    assert_eq!(market.place(NewOrder { contract: nowhere, ..base }), Err(Reject::FormArea));
    assert_eq!(market.place(NewOrder { price: Price(i32::MAX), ..base }), Err(Reject::FormPriceLimit));
    assert_eq!(market.place(NewOrder { price: Price(i32::MIN), ..base }), Err(Reject::FormPriceLimit));
    assert_eq!(market.place(base), Err(Reject::GateClosed));
    let post_only = NewOrder { post_only: true, contract: CONTRACT, ..base };
    market.sell("b1", 1, 10);
    assert_eq!(market.place(post_only), Err(Reject::CreditHeadroom));
}

#[test]
fn energies_that_only_together_are_too_large_to_count_do_no_harm() {
    use gridbook_engine::{Energy, Engine, MarketRules, Unlimited};
    let mut engine = Engine::new(MarketRules::without_gates(), Network::single()).unwrap();
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(0) };
    let huge = |name| NewOrder { contract, energy: Energy(u64::MAX), ..order(name, Side::Sell, 0, 10) };
    engine.place(huge("a1"), &mut Unlimited, &mut Vec::new()).unwrap();
    engine.place(huge("b1"), &mut Unlimited, &mut Vec::new()).unwrap();
    assert_eq!(engine.top(contract).best_ask, Some((Price(10), Energy(u64::MAX))));
    let buy = NewOrder { side: Side::Buy, ..huge("c1") };
    assert_eq!(engine.place(buy, &mut Unlimited, &mut Vec::new()), Ok(None));
    assert_eq!(engine.resting().map(|order| order.remaining.0).collect::<Vec<_>>(), [u64::MAX]);
}

#[test]
fn without_gates_a_contract_closes_by_command_only() {
    use gridbook_engine::{Engine, MarketRules, Unlimited};
    let mut engine = Engine::new(MarketRules::without_gates(), Network::single()).unwrap();
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(0) };
    let buy = NewOrder { contract, ..order("a1", Side::Buy, 10, 10) };
    engine.advance(LedgerTime(u64::MAX));
    assert!(engine.place(buy, &mut Unlimited, &mut Vec::new()).unwrap().is_some());
    assert_eq!(engine.next_due(), None);
    engine.close(contract);
    assert_eq!(engine.place(buy, &mut Unlimited, &mut Vec::new()), Err(Reject::GateClosed));
    assert_eq!(engine.sweep(9, &mut Unlimited, &mut Vec::new()), 1);
}

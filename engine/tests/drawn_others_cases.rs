//! Worked cases of other systems. Where they have our mechanism the figures agree; where our rule differs on purpose the test says so and
//! checks ours. Only figures are taken over: inputs and what came out. Each file and each test names its source and licence.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::MarketRules;
use support::drawn::story::{Story, timeless};

/// Tells each case of a file, `# name` and its steps, to a market of one area. A step `setup` stands for the steps after `@ setup`.
#[track_caller]
fn tell_cases(file: &str, count: usize) {
    let steps = |part: &str| part.split_once('\n').map_or(String::new(), |(_, steps)| steps.to_owned());
    let (head, _) = file.split_once("# ").unwrap();
    let setup = head.split_once("@ ").map_or(String::new(), |(_, part)| steps(part));
    let cases: Vec<&str> = file.split("\n# ").skip(1).collect();
    assert_eq!(cases.len(), count);
    for case in cases {
        Story::over("").tell(&steps(case).replace("setup", &setup));
    }
}

/// 33 of 34; the other one is the next test.
#[test]
fn flash1_hard_cases_of_price_and_time() {
    tell_cases(include_str!("data/flash1.story"), 33);
}

/// flash1, `deep_recursive_sweep_5000`: one order takes five thousand, oldest first.
#[test]
fn flash1_a_sweep_of_five_thousand_orders() {
    let rest: Vec<String> = (1..=5_000).map(|id| format!("{id} sells 1 at 100 as 1")).collect();
    let trades: Vec<String> = (1..=5_000).map(|id| format!("{id}>5001 1@100")).collect();
    let script = format!("{}\n5001 buys 5000 at 100 ioc -> {}\nbook 0 -> |", rest.join("\n"), trades.join("; "));
    // Undoing and digesting five thousand times would take its time: only the engine, once.
    Story::over("").tell_once(&script);
}

#[test]
fn exchange_core_limits_reductions_moves_and_wrong_owners() {
    tell_cases(include_str!("data/exchange_core.story"), 31);
}

#[test]
fn liquibook_limits_market_orders_replacements_and_depth() {
    tell_cases(include_str!("data/liquibook.story"), 51);
}

#[test]
fn cpptrader_market_orders_hidden_reserve_and_changes_in_flight() {
    tell_cases(include_str!("data/cpptrader.story"), 7);
}

/// The seven worked examples of the rules of continuous trading over areas; A is area 0, B area 1, C area 2, and `up` is from B to A.
#[test]
fn continuous_trading_over_areas_as_worked_out_by_hand() {
    Story::over("1>0 50/100").tell(
        "1 sells 30 at 40 in 0, 2 sells 30 at 41 in 1
         3 buys 50 at 45 in 1 -> 1>3 30@40; 2>3 20@41
         edge 1               -> flow -30 of 50/100",
    );
    Story::over("1>0 0/10").tell(
        "1 sells 30 at 40 in 0, 2 sells 30 at 41 in 1
         view 0                  -> | 40:30
         view 1                  -> | 40:10 41:30
         3 buys 50 at 45 in 1    -> 1>3 10@40; 2>3 30@41; 3 rests 10
         edge 1                  -> flow -10 of 0/10
         capacity 1 up 0 down 35 -> 1>3 10@40
         edge 1                  -> flow -20 of 0/35",
    );
    Story::over("1>0 0/20, 2>1 0/15").tell(
        "1 sells 30 at 40 in 0
         2 buys 50 at 45 in 2 ioc -> 1>2 15@40; 2 drops 35
         edge 1                   -> flow -15 of 0/20
         edge 2                   -> flow -15 of 0/15",
    );
    Story::over("1>0 0/10").tell(
        "1 sells 30 at 40 in 0
         2 buys 20 at 45 in 1 fok -> refused MatchFillOrKill
         edge 1                   -> flow 0 of 0/10",
    );
    Story::over("1>0 0/100 fee 0/3").tell(
        "1 sells 10 at 40 in 0, 2 sells 10 at 42 in 1
         3 buys 15 at 44 in 1 -> 2>3 10@42; 1>3 5@40+3
         operators            -> 1:15",
    );
}

/// joaquinbejar/OrderBook-rs @e7331f04, MIT. There the taker, the maker or both are cancelled when an account would meet itself. Here the
/// order skips its own and goes on, and the skipped one stays: where theirs ends, ours goes on.
#[test]
fn orderbook_rs_own_orders_are_skipped_not_cancelled() {
    for script in [
        "1 sells 3 at 100 as 1, 2 sells 4 at 100 as 1, 3 sells 5 at 100 as 9, 4 sells 6 at 100 as 1
         5 buys 50 at 9999990 ioc as 9 -> 1>5 3@100; 2>5 4@100; 4>5 6@100; 5 drops 37
         book 0 -> | 3:5@100",
        "1 sells 8 at 100 as 1, 2 sells 5 at 100 as 9, 3 sells 6 at 100 as 9
         4 buys 50 at 9999990 ioc as 9 -> 1>4 8@100; 4 drops 42
         book 0 -> | 2:5@100 3:6@100",
        "1 sells 4 at 100 as 1, 2 sells 5 at 100 as 9
         3 buys 20 at 9999990 ioc as 9 -> 1>3 4@100; 3 drops 16
         book 0 -> | 2:5@100",
        "1 sells 10 at 100 as 9, 2 sells 7 at 100 as 1, 3 sells 20 at 100 as 9
         4 buys 100 at 9999990 ioc as 9 -> 2>4 7@100; 4 drops 93
         book 0 -> | 1:10@100 3:20@100",
        "1 sells 10 at 100 as 7
         2 buys 10 at 100 fok as 7 -> refused MatchFillOrKill
         2 buys 5 at 100 post as 7 -> 2 rests 5",
        "1 sells 5 at 100 as 1, 2 sells 10 at 200 as 7
         3 buys 20 at 200 as 7 -> 1>3 5@100; 3 rests 15
         book 0 -> 3:15@200 | 2:10@200",
        "1 sells 10 at 100 as 1
         2 buys 10 at 9999990 ioc as 1 -> 2 drops 10
         3 buys 10 at 9999990 ioc as 2 -> 1>3 10@100",
        "1 sells 5 at 100 as 2, 2 sells 10 at 200 as 1
         3 buys 20 at 9999990 ioc as 1 -> 1>3 5@100; 3 drops 15",
        "1 sells 5 at 100 as 1, 2 sells 10 at 100 as 2
         3 buys 10 at 9999990 ioc as 1 -> 2>3 10@100
         book 0 -> | 1:5@100",
        "1 sells 5 at 100 as 1, 2 sells 3 at 100 as 1
         3 buys 10 at 9999990 ioc as 1 -> 3 drops 10",
        "1 sells 5 at 100 as 1, 2 sells 10 at 200 as 2
         3 buys 10 at 9999990 ioc as 1 -> 2>3 10@200
         book 0 -> | 1:5@100",
        "1 sells 3 at 100 as 2, 2 sells 10 at 200 as 1
         3 buys 20 at 9999990 ioc as 1 -> 1>3 3@100; 3 drops 17
         book 0 -> | 2:10@200",
    ] {
        Story::over("").tell(script);
    }
}

/// joaquinbejar/OrderBook-rs @e7331f04, MIT: the same mechanism.
#[test]
fn orderbook_rs_post_only_and_fill_or_kill_over_levels_and_reserves() {
    for script in [
        "1 sells 10 at 100
         2 buys 5 at 100 post -> refused MatchPostOnly
         book 0               -> | 1:10@100",
        "1 sells 5 at 100, 2 sells 5 at 101
         3 buys 15 at 101 fok -> refused MatchFillOrKill
         book 0               -> | 1:5@100 2:5@101
         4 buys 10 at 101 fok -> 1>4 5@100; 2>4 5@101",
        "1 sells 10 at 100 shows 2
         2 buys 10 at 100 fok
         fills                -> 1:10=1000 2:10=1000",
    ] {
        Story::over("").tell(script);
    }
}

/// energywebfoundation/origin exchange-core @dc4930d8, MIT (c) 2021 Energy Web Foundation; 16 of 21. Prices are the ask's there: asks come
/// first in all of them. Left out: buying one named offer although another is cheaper, orders for later, a subtype of a source, and a
/// vintage of "not before". A vintage is a delivery period here.
#[test]
fn origin_certificates_by_source_place_and_time() {
    for script in [
        "1 sells 1000 at 2 as 2
         2 buys 1000 at 2 as 1 -> 1>2 1000@2",
        "1 sells 1000 at 2 as 1
         2 buys 1000 at 2 as 1 -> 2 rests 1000",
        "1 sells 1000 at 2 as 2
         2 buys 1000 at 1 as 1 -> 2 rests 1000",
        "1 sells 1000 at 2 as 2, 2 sells 1000 at 2 as 2
         3 buys 2000 at 2 as 1 -> 1>3 1000@2; 2>3 1000@2",
        "1 sells 2000 at 2 as 2
         2 buys 1000 at 2 as 1 -> 1>2 1000@2
         3 buys 1000 at 2 as 1 -> 1>3 1000@2",
        "1 sells 2000 at 2 as 2
         2 buys 1000 at 2 as 1 -> 1>2 1000@2
         3 buys 2000 at 2 as 1 -> 1>3 1000@2; 3 rests 1000",
        "1 sells 2000 at 2 as 2, 2 sells 2000 at 4 as 2
         3 buys 1000 at 2 as 1 -> 1>3 1000@2
         4 buys 2000 at 4 as 1 -> 1>4 1000@2; 2>4 1000@4
         book 0                -> | 2:1000@4",
        "1 sells 10000 at 2 as 2, 2 sells 10000 at 2 as 2
         3 buys 1000 at 2 as 1 -> 1>3 1000@2
         4 buys 2000 at 2 as 1 -> 1>4 2000@2
         book 0                -> | 1:7000@2 2:10000@2",
        "1 sells 1000 at 2 as 2, 2 sells 1000 at 2 as 2, 3 sells 1000 at 2 as 2
         4 buys 10000 at 2 as 1 -> 1>4 1000@2; 2>4 1000@2; 3>4 1000@2; 4 rests 7000",
        "1 sells 1000 at 100 as 2, 2 sells 2000 at 200 as 3
         3 buys 1000 at 200 as 2 -> 2>3 1000@200
         4 buys 1000 at 200 as 2 -> 2>4 1000@200
         book 0                  -> | 1:1000@100",
        "1 sells 1000 at 2 as 2 of solar
         2 buys 1000 at 2 as 1 of solar -> 1>2 1000@2",
        "1 sells 1000 at 2 as 2 of wind, 2 sells 1000 at 2 as 2 of wind, 3 sells 1000 at 2 as 2 of solar
         4 buys 2000 at 2 as 1 of wind -> 1>4 1000@2; 2>4 1000@2
         book 0                        -> | 3:1000@2",
        "1 sells 1000 at 3 as 2 of wind, 2 sells 1000 at 2 as 2 of wind, 3 sells 1000 at 1 as 2 of solar
         4 buys 3000 at 2 as 1 -> 3>4 1000@1; 2>4 1000@2; 4 rests 1000",
        "1 sells 1000 at 2 as 2 for 10
         2 buys 1000 at 2 as 1 for 11 -> 2 rests 1000",
    ] {
        Story::over("").tell(script);
    }
    // A province 2 in a region or country 1; another one, 3.
    let places = Story::over("1>0 9999/9999, 2>1 9999/9999, 3>0 9999/9999");
    places.tell(
        "1 sells 1000 at 2 as 2 in 2
         2 buys 1000 at 2 as 1 in 3 within 1 -> 2 rests 1000
         3 buys 1000 at 2 as 1 in 1 within 1 -> 1>3 1000@2",
    );
}

/// gridsingularity/gsy-framework @ec6a9f96, GPL-3.0, figures only; rates times 100,000. There offers are gone through from the dearest to
/// the cheapest and equal rates the wrong way round; here each bid takes the cheapest and the oldest.
/// (A call phase refuses plain orders that cross own ones, so some say `within 0`, which keeps them out of auctions only.)
#[test]
fn gsy_pay_as_bid_rounds() {
    for script in [
        "4 sells 25 at 100001 as 1, 5 sells 30 at 500000 as 2, 6 sells 35 at 240000 as 3 within 0
         1 buys 10 at 100000 as 1, 2 buys 15 at 200000 as 2, 3 buys 20 at 300000 as 3
         pay 0 -> 4>3 20@300000 as bid; 4>2 5@200000 as bid",
        // Theirs matches 125 of it, the youngest offer first.
        "10 sells 55 at 100000 as 1 within 0, 11 sells 60 at 100000 as 2 within 0, 12 sells 65 at 100000 as 3 within 0
         7 buys 40 at 150000 as 1, 8 buys 45 at 200000 as 2, 9 buys 50 at 600000 as 3
         pay 0 -> 10>9 50@600000 as bid; 10>8 5@200000 as bid; 12>8 40@200000 as bid; 11>7 40@150000 as bid",
        "2 sells 30 at 310000 as 1, 1 buys 20 at 300000 as 2
         pay 0 -> nothing",
        "2 sells 30 at 100000 as 1, 1 buys 20 at 300000 as 2
         pay 0 -> 2>1 20@300000 as bid",
        // The third bid is the seller's own.
        "4 sells 70 at 100000 as 1, 1 buys 20 at 300000 as 2, 2 buys 20 at 300000 as 3
         3 buys 20 at 300000 as 1 -> refused MatchSelfCross
         3 buys 20 at 300000 as 1 within 0
         pay 0 -> 4>1 20@300000 as bid; 4>2 20@300000 as bid",
        "10 sells 20 at 100000 as 1, 11 sells 20 at 100000 as 2 within 0, 12 sells 10 at 100000 as 3, 1 buys 70 at 300000 as 2 within 0
         pay 0  -> 10>1 20@300000 as bid; 12>1 10@300000 as bid
         book 0 -> 1:40@300000 | 11:20@100000",
        "9 sells 2 at 100000 as 2, 1 buys 10 at 110000 as 1, 2 buys 10 at 90000 as 1, 3 buys 10 at 120000 as 1
         pay 0 -> 9>3 2@120000 as bid",
        "9 sells 2 at 100000 as 2, 1 buys 10 at 90000 as 1
         pay 0 -> nothing",
    ] {
        Story::over("").called().tell(script);
    }
}

/// BESTenergytrade/simply @ef07d65a, MIT (c) 2021 BEST project developers; prices times 100, energies in hundredths. Left out: a fee inside
/// one market, which is no edge of ours. Energies off the unit are cut there; here they are refused.
#[test]
fn simply_pay_as_bid_rounds() {
    for script in [
        "1 sells 100 at 100, 0 buys 100 at 100
         pay 0 -> 1>0 100@100 as bid",
        "1 sells 100 at 250, 0 buys 100 at 200
         pay 0 -> nothing",
        "1 sells 100 at 50, 0 buys 100 at 200
         pay 0 -> 1>0 100@200 as bid",
        "1 sells 100 at 100, 0 buys 10 at 100
         pay 0 -> 1>0 10@100 as bid",
        "1 sells 30 at 100, 0 buys 10000 at 100
         pay 0 -> 1>0 30@100 as bid",
        "0 buys 10 at 110, 1 buys 1100 at 100, 2 sells 200 at 100
         pay 0 -> 2>0 10@110 as bid; 2>1 190@100 as bid",
        "0 buys 10000 at 100, 1 sells 1000 at 60, 2 sells 2000 at 70, 3 sells 3000 at 80, 4 sells 5000 at 90
         pay 0 -> 1>0 1000@100 as bid; 2>0 2000@100 as bid; 3>0 3000@100 as bid; 4>0 4000@100 as bid",
        "1 buys 2^63-1 at 100 as 9 within 0, 2 sells 2^63-1 at 100 as 9 within 0
         pay 0 -> nothing",
    ] {
        Story::over("").called().tell(script);
    }
    Story::over("").rules(MarketRules { lot: 10, ..timeless() }).tell(
        "1 sells 10 at 1 -> 1 rests 10
         2 sells 30 at 1 -> 2 rests 30
         3 sells 9 at 1  -> refused FormLot
         4 sells 55 at 1 -> refused FormLot",
    );
}

/// gridsingularity/gsy-e wiki, grid-fee-accounting @ab358e7e, GPL-3.0, figures only; cents. Left out: fees as a share of the price.
///
/// ```text
///           Grid 0
///   2 up /         \ 1 down
/// Quarter 1        Quarter 3
///   1 up |         | 0
///  House 2         House 4
/// ```
#[test]
fn gsy_fees_of_the_grid() {
    let story = Story::over("1>0 99/99 fee 2/2, 2>1 99/99 fee 1/0, 3>0 99/99 fee 2/1, 4>3 99/99 fee 1/0");
    story.tell(
        "1 sells 1 at 10 in 2
         view 1    -> | 11:1
         view 0    -> | 13:1
         view 3    -> | 14:1
         view 4    -> | 14:1
         2 buys 1 at 14 in 4 -> 1>2 1@10+4
         operators -> 1:2 2:1 3:1 4:0",
    );
    story.tell(
        "2 buys 1 at 30 in 4
         view 0    -> 29:1 |
         1 sells 1 at 10 in 2 -> 1>2 1@30-4
         operators -> 1:2 2:1 3:1 4:0",
    );
}

/// BESTenergytrade/simply @ef07d65a, MIT (c) 2021 BEST project developers: two clusters, and a fee of 1 between them. Prices times 10.
/// Continuous trading gives its figures where one side was there before.
#[test]
fn simply_clusters_with_a_fee_between_them() {
    for script in [
        "3 sells 1 at 25 in 0
         2 buys 1 at 20 in 0 -> 2 rests 1",
        "3 sells 1 at 20 in 1
         2 buys 1 at 25 in 1 -> 3>2 1@20",
        "4 sells 1 at 30 in 1
         2 buys 1 at 30 in 0 -> 2 rests 1",
        "2 sells 1 at 20 in 1
         4 buys 1 at 30 in 0 -> 2>4 1@20+10",
        "3 sells 1 at 40 in 1, 4 sells 1 at 30 in 0
         2 buys 1 at 50 in 1 -> 3>2 1@40",
        "1 sells 1 at 10 in 1, 2 sells 2 at 20 in 1, 3 sells 3 at 30 in 1, 5 sells 5 at 40 in 1
         4 buys 10 at 50 in 0 -> 1>4 1@10+10; 2>4 2@20+10; 3>4 3@30+10; 5>4 4@40+10",
    ] {
        Story::over("1>0 99/99 fee 10/10").tell(script);
    }
}

/// BESTenergytrade/simply @ef07d65a, MIT: its "fair" market is an auction, with the highest ask that was met as the price of a cluster. The
/// same orders are met here; the price lies in the middle of what would do.
#[test]
fn simply_clusters_in_an_auction() {
    let story = Story::over("1>0 99/99 fee 10/10").called();
    // The remote buyer gains more, even with the fee.
    story.tell(
        "2 sells 1 at 20 in 0, 3 buys 1 at 20 in 0, 4 buys 1 at 40 in 1
         auction -> 2 fills 1@25; 4 fills 1@35; edge 1 -1 fee 10 rent 0; 0=25 Exact; 1=35 Exact",
    );
    // Thirty are met there too, but one of them over the edge: it need not be.
    story.tell(
        "0 buys 10 at 100 in 1, 1 buys 10 at 90 in 1, 2 buys 10 at 100 in 0, 3 buys 10 at 90 in 0
         4 sells 10 at 60 in 1, 5 sells 10 at 40 in 1, 6 sells 10 at 71 in 0
         auction -> 2 fills 10@95; 6 fills 10@95; 0 fills 10@87; 1 fills 10@87; 4 fills 10@87; 5 fills 10@87
         ; 0=95 Exact; 1=87 Exact",
    );
}

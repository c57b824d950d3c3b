//! The rules at the ends of what numbers there are: nothing overflows, and money is exact to the last unit.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::{LedgerTime, MarketRules, Price};
use support::drawn::story::{Story, timeless};

/// Every price that fits 32 bits.
fn all_prices() -> MarketRules {
    MarketRules { price_min: Price(i32::MIN), price_max: Price(i32::MAX), ..timeless() }
}

/// 2^64 - 1 Wh at the lowest and the highest price there is.
#[test]
fn all_energy_at_the_lowest_and_the_highest_price() {
    Story::over("").rules(all_prices()).tell(
        "a1 sells 2^64-1 at -2^31
         b1 buys 2^64-1 at 2^31-1 -> a1>b1 18446744073709551615@-2147483648
         fills                    -> a1:18446744073709551615=-39614081257132168794624491520 b1:18446744073709551615=-39614081257132168794624491520
         b2 buys 2^64-1 at 2^31-1 -> b2 rests 18446744073709551615
         a2 sells 2^64-1 at -2^31 -> a2>b2 18446744073709551615@2147483647
         fills                    -> a2:18446744073709551615=39614081238685424720914939905 b2:18446744073709551615=39614081238685424720914939905",
    );
}

/// What rests adds up to more than 64 bits: it is shown as far as one can count, and sold to the last.
#[test]
fn more_energy_than_one_number_holds() {
    Story::over("").rules(all_prices()).tell(
        "a1 sells 2^64-1 at 5, c1 sells 2^64-1 at 5, d1 sells 1 at 2^31-1
         view 0                     -> | 5:18446744073709551615 2147483647:1
         b1 buys 2^64-1 at 5 fok    -> a1>b1 18446744073709551615@5
         b2 buys 2^64-1 at 5 post   -> refused MatchPostOnly
         b2 buys 2^64-2 at 5 fok    -> c1>b2 18446744073709551614@5
         b3 buys 2 at 5 fok         -> refused MatchFillOrKill
         b3 buys 3 at 2^31-1        -> c1>b3 1@5; d1>b3 1@2147483647; b3 rests 1",
    );
}

#[test]
fn hidden_reserve_of_all_energy() {
    Story::over("").rules(all_prices()).tell(
        "a1 sells 2^64-1 at 5 shows 18446744073709551 -> refused FormDisplay
         a1 sells 2^64-1 at 5 shows 18446744073709552 -> a1 rests 18446744073709551615
         b1 buys 18446744073709553 at 5 -> a1>b1 18446744073709552@5; a1>b1 1@5
         reduce a1 18428297329635842061 -> a1 reduced to 1
         reduce a1 2^64-1               -> a1 reduced to 0",
    );
}

/// ```text
///     0     a billion up and a billion down: two billions from 1 to 2
///    / \
///   1   2
/// ```
#[test]
fn the_highest_fees_there_are() {
    let story = Story::over("1>0 2^60/2^60 fee 1000000000/1000000000, 2>0 2^60/2^60 fee 1000000000/1000000000");
    story.rules(all_prices()).tell(
        "a1 sells 5 at 147483648 in 1
         b1 buys 5 at 2^31-1 in 2 -> b1 rests 5
         a2 sells 5 at 147483647 in 1 -> a2>b1 5@2147483647-2000000000
         b2 buys 5 at 2^31-1 in 2 -> b2 rests 5
         a3 sells 5 at 2^31-1 in 1 -> a3 rests 5
         view 2                   -> 2147483647:5 |
         view 1                   -> 147483647:5 | 147483648:5 2147483647:5
         b3 buys 5 at -2^31 in 2
         view 1                   -> 147483647:5 | 147483648:5 2147483647:5
         a4 sells 5 at -2^31 in 1 -> a4>b2 5@2147483647-2000000000
         a5 sells 5 at -2^31 in 1 -> a5 rests 5
         b4 buys 5 at -147483648 in 2 -> a5>b4 5@-2147483648+2000000000
         operators                -> 1:15000000000 2:15000000000
         deal d1 a to b 5 at 147483647 from 1 into 2 -> d1 a>b 5@147483647+2000000000 agreed
         deal d2 a to b 5 at 147483648 from 1 into 2 -> refused FormPriceLimit
         deal d2 a to b 5 at 2^31-1 from 1 into 2    -> refused FormPriceLimit
         deal d2 a to b 5 at -2^31 from 1 into 2     -> d2 a>b 5@-2147483648+2000000000 agreed",
    );
}

/// 2^60 one way, then 2^61 back, and 2^61 forth, at a billion a kWh.
#[test]
fn the_largest_capacities_there_are() {
    Story::over("1>0 2^60/2^60 fee 1000000000/0").rules(all_prices()).tell(
        "a1 sells 2^64-1 at -2^31 in 1
         c1 sells 2^64-1 at -2^31 in 0 with e
         b1 buys 2^64-1 at 2^31-1 in 0 ioc -> a1>b1 1152921504606846976@-2147483648+1000000000; b1 drops 17293822569102704639
         edge 1                            -> flow 1152921504606846976 of 1152921504606846976/1152921504606846976
         e1 buys 2^62 at 2^31-1 in 1 with c ioc -> c1>e1 2305843009213693952@-2147483648; e1 drops 2305843009213693952
         edge 1                            -> flow -1152921504606846976 of 1152921504606846976/1152921504606846976
         b2 buys 2^61+1 at 2^31-1 in 0 fok -> refused MatchFillOrKill
         b2 buys 2^61 at 2^31-1 in 0 fok   -> a1>b2 2305843009213693952@-2147483648+1000000000
         operators                         -> 1:3458764513820540928000000000
         capacity 1 up 0 down 2^60         -> overload 1 up by 1152921504606846976
         capacity 1 up 0 down 0            -> overload 1 up by 1152921504606846976
         e2 buys 2^61 at 2^31-1 in 1 with c ioc -> c1>e2 1152921504606846976@-2147483648; e2 drops 1152921504606846976
         edge 1                            -> flow 0 of 0/0",
    );
}

/// 2^60 sold and 2^60 bought is the most that is cleared; the midpoint of all prices, rounded down, is -1.
#[test]
fn an_auction_of_as_much_as_can_be_cleared_and_of_one_more() {
    let story = Story::over("").rules(all_prices()).called();
    story.tell(
        "a1 sells 2^60 at -2^31, b1 buys 2^60 at 2^31-1
         auction -> a1 fills 1152921504606846976@-1; b1 fills 1152921504606846976@-1; 0=-1 Exact",
    );
    story.tell(
        "a1 sells 2^60 at -2^31, b1 buys 2^60 at 2^31-1, c1 buys 1 at 0
         auction -> 0=none Failed; a1>b1 1152921504606846976@-2147483648
         book 0  -> c1:1@0 |",
    );
    story.tell(
        "a1 sells 2^64-1 at -2^31, b1 buys 2^64-1 at 2^31-1, c1 buys 2^64-1 at 2^31-1
         auction -> 0=none Failed; a1>b1 18446744073709551615@-2147483648",
    );
}

/// ```text
///     0   b1:2^59@2^31-1
///     |  2^60/2^60 fee 10^9 up
///     1   a1:2^59@-2^31
/// ```
/// The prices are a billion apart, and the fee is 2^59 x 10^9.
#[test]
fn an_auction_over_the_dearest_edge() {
    let story = Story::over("1>0 2^60/2^60 fee 1000000000/0").rules(all_prices()).called();
    story.tell(
        "a1 sells 2^59 at -2^31 in 1, b1 buys 2^59 at 2^31-1
         auction   -> b1 fills 576460752303423488@499999999; a1 fills 576460752303423488@-500000001
         ; edge 1 +576460752303423488 fee 576460752303423488000000000 rent 0; 0=499999999 Exact; 1=-500000001 Exact
         operators -> 1:576460752303423488000000000",
    );
}

/// A full edge between the lowest and the highest price: the rent is the most there can be.
#[test]
fn the_highest_rent_there_is() {
    let story = Story::over("1>0 2^58/0").rules(all_prices()).called();
    story.tell(
        "a1 sells 2^59 at -2^31 in 1, b1 buys 2^59 at 2^31-1
         auction -> b1 fills 288230376151711744@2147483647 left 288230376151711744
         ; a1 fills 288230376151711744@-2147483648 left 288230376151711744
         ; edge 1 +288230376151711744 fee 0 rent 1237940038997149898747412480; 0=2147483647 MarginalBuyer; 1=-2147483648 MarginalSeller",
    );
}

/// Sellers pay to get rid of it, everywhere: in the book, over edges, in auctions, blocks, rounds and deals.
#[test]
fn prices_below_zero_work_everywhere() {
    Story::over("1>0 99/99 fee 3/3").tell(
        "b1 buys 10 at -20
         a1 sells 4 at -30            -> a1>b1 4@-20
         a2 sells 4 at -23 in 1       -> a2>b1 4@-20-3
         b2 buys 9 at -22 in 1 fok    -> refused MatchFillOrKill
         a3 sells 9 at -25            -> a3>b1 2@-20; a3 rests 7
         b2 buys 9 at -23 in 1        -> b2 rests 9
         replace b2 9 at -22          -> a3>b2 7@-25+3; b2 rests 2
         deal d1 a to b 5 at -40 from 1 into 0 -> d1 a>b 5@-40+3 agreed",
    );
    let story = Story::over("1>0 99/99 fee 3/3").called();
    let script = |limit: i32, outcome: &str| {
        format!(
            "b1 buys 30 at -10, a1 sells 10 at -20, block k1 sells at {limit} of 8:20
             pay 0     -> a1>b1 10@-10 as bid
             a2 sells 4 at -20 in 1
             auction   -> {outcome}"
        )
    };
    story.tell(&script(-17, "b1 fills 20@-17; 0=-17 Exact; 1=-20 Empty; k1 fills 20@-17; k1 Accepted"));
    story.tell(&script(
        -16,
        "b1 fills 4@-10 left 16; a2 fills 4@-13; edge 1 +4 fee 12 rent 0; 0=-10 MarginalBuyer; 1=-13 MarginalBuyer
         ; k1 ParadoxicallyRejected",
    ));
}

/// The last period and the last millisecond there are.
#[test]
fn the_end_of_time() {
    Story::over("").tell(
        "a1 sells 5 at 9 for 4294967295
         b1 buys 5 at 9 for 4294967295 -> a1>b1/4294967295 5@9
         capacity 0 up 0 down 0 for 4294967295 -> refused FormEdge
         c1 sells 5 at 9 until 307445734561825
         clock 307445734561825
         due                           -> 307445734561825
         sweep                         -> c1 over by time 5
         clock 1
         d1 sells 5 at 9               -> d1 rests 5
         due                           -> never",
    );
    let late = LedgerTime(u64::MAX);
    let rules = MarketRules { open_lead_ms: u64::MAX - 1, gate_ms: 0, cross_area_gate_ms: u64::MAX, ..timeless() };
    assert!(rules.validate().is_ok() && late > rules.gate_closes_at(gridbook_engine::Contract::default()));
    Story::over("1>0 9/9").rules(rules).tell(
        "a1 sells 5 at 9 in 1 for 4294967295 -> a1 rests 5
         b1 buys 5 at 9 in 0 for 4294967295  -> b1 rests 5
         b2 buys 5 at 9 in 1 for 4294967295  -> a1>b2/4294967295 5@9
         a2 sells 5 at 9 for 0               -> refused GateClosed",
    );
}

/// The coarsest tick and the largest lot.
#[test]
fn the_coarsest_steps() {
    let max = i32::MAX;
    let rules = MarketRules { tick: max, lot: u64::MAX, price_min: Price(-max), price_max: Price(max), ..timeless() };
    Story::over("1>0 2^60/2^60").rules(rules).tell(
        "a1 sells 2^64-1 at -2147483647 in 1
         b1 buys 2^64-1 at 2147483647 in 0   -> b1 rests 18446744073709551615     // no edge carries a lot
         b2 buys 2^64-2 at 0 in 1            -> refused FormLot
         b2 buys 2^64-1 at 1 in 1            -> refused FormTick
         b2 buys 2^64-1 at -2^31 in 1        -> refused FormPriceLimit
         b2 buys 2^64-1 at 0 in 1            -> a1>b2 18446744073709551615@-2147483647",
    );
}

/// Baskets that would take everything of several makers.
#[test]
fn a_basket_of_all_energy() {
    Story::over("").rules(all_prices()).tell(
        "a1 sells 2^64-1 at 5, c1 sells 2^64-1 at 6
         basket b1 buys 2^64-1 at 9 + b2 buys 2^64-1 at 9 + b3 buys 1 at 9 -> refused 2 MatchFillOrKill
         basket b1 buys 2^64-1 at 9 + b2 buys 2^64-1 at 9 -> a1>b1 18446744073709551615@5; c1>b2 18446744073709551615@6",
    );
}

/// Pay-as-bid and re-matching of all energy.
#[test]
fn a_round_of_all_energy() {
    Story::over("").rules(all_prices()).called().tell(
        "a1 sells 2^64-1 at -2^31 shows 2^63, c1 sells 2^64-1 at -2^31, b1 buys 2^64-1 at 2^31-1, d1 buys 2^64-1 at 0
         pay 0 -> a1>b1 18446744073709551615@2147483647 as bid; c1>d1 18446744073709551615@0 as bid",
    );
    Story::over("1>0 0/0").rules(all_prices()).tell(
        "a1 sells 2^64-1 at -2^31 in 1, b1 buys 2^64-1 at 2^31-1 in 0
         capacity 1 up 2^60 down 2^60 -> a1>b1 1152921504606846976@-2147483648",
    );
}

/// Too much to be cleared: no price is told, so no block would have gained by one.
#[test]
fn a_block_in_an_auction_that_failed_is_rejected() {
    Story::over("").rules(all_prices()).called().tell(
        "a1 sells 2^60 at -2^31, b1 buys 2^60 at 2^31-1, c1 buys 1 at 0
         block k1 sells at -5 of 8:1
         block k2 buys at 5 of 8:1
         auction -> 0=none Failed; k1 Rejected; k2 Rejected; a1>b1 1152921504606846976@-2147483648",
    );
}

//! Pay-as-bid rounds and pre-arranged trades (MARKET section 6).
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::MarketRules;
use support::drawn::story::{Story, timed};

/// ```text
/// bid   | price | ask
/// b1:10 |  50   |
/// d1:10 |  45   |
///       |  43   | c1:10
///       |  40   | a1:15
/// ```
#[test]
fn in_a_pay_as_bid_round_every_buyer_pays_his_own_bid() {
    Story::over("").called().tell(
        "c1 sells 10 at 43, a1 sells 15 at 40, d1 buys 10 at 45, b1 buys 10 at 50
         pay 0  -> a1>b1 10@50 as bid; a1>d1 5@45 as bid; c1>d1 5@45 as bid
         book 0 -> | c1:5@43
         pay 0  -> nothing",
    );
}

#[test]
fn at_one_price_the_older_bid_and_the_older_ask_come_first() {
    Story::over("").called().tell(
        "a1 sells 10 at 40, c1 sells 10 at 40, b1 buys 5 at 50, d1 buys 10 at 50
         pay 0 -> a1>b1 5@50 as bid; a1>d1 5@50 as bid; c1>d1 5@50 as bid",
    );
}

/// ```text
/// bid                | price | ask
/// b1:10              |  50   |
/// d1:10 of wind      |  45   |
///                    |  42   | b2:10
///                    |  41   | c1:10 of wind
///                    |  40   | a1:10 only to z
/// ```
#[test]
fn a_round_keeps_to_accounts_and_preferences() {
    Story::over("").called().tell(
        "a1 sells 10 at 40 with z, c1 sells 10 at 41 of wind, b2 sells 10 at 51
         b1 buys 6 at 50, d1 buys 10 at 45 of wind, b3 buys 1 at 49
         replace b2 10 at 52
         pay 0  -> c1>b1 6@50 as bid; c1>b3 1@49 as bid; c1>d1 3@45 as bid
         book 0 -> d1:7@45 | a1:10@40 b2:10@52",
    );
}

#[test]
fn a_round_counts_what_is_hidden_and_does_not_end_the_call_phase() {
    Story::over("").called().tell(
        "a1 sells 30 at 40 shows 10, b1 buys 25 at 50 shows 5
         pay 0                 -> a1>b1 25@50 as bid
         book 0                -> | a1:5@40
         d1 buys 9 at 60 ioc   -> refused GateCallPhase
         d1 buys 2 at 60       -> d1 rests 2
         auction               -> a1 fills 2@40 left 3; d1 fills 2@40; 0=40 MarginalSeller",
    );
}

/// Each contract for itself: nothing comes over the edge.
#[test]
fn a_round_is_for_one_contract() {
    Story::over("1>0 99/99").called().tell(
        "a1 sells 10 at 40 in 1, b1 buys 10 at 50, a2 sells 10 at 40 for 9
         pay 0   -> nothing
         pay 2   -> refused FormArea
         close 0
         pay 0   -> refused GateClosed",
    );
}

#[test]
fn in_a_continuous_book_there_is_nothing_to_pay_as_bid() {
    Story::over("").tell(
        "a1 sells 10 at 40, b1 buys 10 at 39
         pay 0 -> nothing",
    );
}

/// ```text
///     0   b buys
///     |  20/0 fee 3
///     1   a sells at 40
/// ```
#[test]
fn an_agreed_trade_takes_capacity_and_pays_the_fees() {
    Story::over("1>0 20/0 fee 3/0").tell(
        "deal d1 a to b 15 at 40 from 1 into 0 -> d1 a>b 15@40+3 agreed
         operators                             -> 1:45
         edge 1                                -> flow 15 of 20/0
         deal d2 a to b 6 at 40 from 1 into 0  -> refused MatchCapacity
         deal d2 a to b 5 at 40 from 1 into 0  -> d2 a>b 5@40+3 agreed
         deal d3 b to a 1 at 40 from 0 into 1  -> d3 b>a 1@40 agreed
         edge 1                                -> flow 19 of 20/0",
    );
}

/// It neither sees the book nor is seen by it, and it needs no capacity at home.
#[test]
fn an_agreed_trade_passes_the_book_by() {
    Story::over("").tell(
        "c1 sells 10 at 30, e1 buys 10 at 29
         deal d1 a to b 15 at 99 -> d1 a>b 15@99 agreed
         deal d2 a to b 15 at -99 -> d2 a>b 15@-99 agreed
         book 0                  -> e1:10@29 | c1:10@30",
    );
}

#[test]
fn an_agreed_trade_is_fine_in_a_call_phase() {
    Story::over("1>0 9/9").called().tell(
        "a1 sells 10 at 10, b1 buys 10 at 90
         deal d1 a to b 5 at 40 from 0 into 1 -> d1 a>b 5@40 agreed
         auction -> a1 fills 10@50; b1 fills 10@50; 0=50 Exact; 1=50 Empty",
    );
}

/// ```text
///     0   b1:10@45
///     |  5/5, 5 flow up
///     1   a1:15@40
/// ```
/// The deal sends 4 down: 4 more can go up.
#[test]
fn room_that_an_agreed_trade_makes_is_used_at_once() {
    Story::over("1>0 5/5").tell(
        "a1 sells 15 at 40 in 1
         b1 buys 15 at 45 in 0                -> a1>b1 5@40; b1 rests 10
         deal d1 c to e 4 at 99 from 0 into 1 -> d1 c>e 4@99 agreed; a1>b1 4@40
         edge 1                               -> flow 5 of 5/5",
    );
}

#[test]
fn both_sides_of_an_agreed_trade_are_covered_or_it_is_refused() {
    Story::over("").budget(10).tell(
        "b1 buys 5 at 9
         deal d1 a to b 6 at 40  -> refused CreditHeadroom
         deal d1 a to b 5 at 40  -> d1 a>b 5@40 agreed
         deal d1 a to c 11 at 40 -> refused CreditHeadroom",
    );
}

/// Contract 8 opens at minute 60, closes across areas at 90, at home at 115.
#[test]
fn an_agreed_trade_keeps_to_the_gates() {
    Story::over("1>0 99/99").rules(timed()).tell(
        "deal d1 a to b 5 at 40 from 1 into 0 -> refused GateNotOpen
         clock 60
         deal d1 a to b 5 at 40 from 1 into 0 -> d1 a>b 5@40 agreed
         clock 90
         deal d2 a to b 5 at 40 from 1 into 0 -> refused GateCrossArea
         deal d2 a to b 5 at 40 from 1 into 1 -> d2 a>b 5@40 agreed
         clock 115
         deal d3 a to b 5 at 40 from 1 into 1 -> refused GateClosed",
    );
    Story::over("1>0 99/99").tell(
        "cut 1
         deal d1 a to b 5 at 40 from 1 into 0 -> refused GateCrossArea
         close 0
         deal d1 a to b 5 at 40 from 1 into 0 -> refused GateClosed
         deal d1 a to b 5 at 40 from 1 into 1 -> d1 a>b 5@40 agreed",
    );
}

#[test]
fn an_agreed_trade_is_malformed_like_an_order() {
    let rules = MarketRules { tick: 10, lot: 5, ..support::drawn::story::timeless() };
    Story::over("1>0 99/99 fee 30/0").rules(rules).tell(
        "deal d1 a to b 5 at 40 from 2 into 0               -> refused FormArea
         deal d1 a to b 5 at 40 from 0 into 2               -> refused FormArea
         deal d1 a to b 0 at 40                             -> refused FormZeroEnergy
         deal d1 a to b 7 at 40                             -> refused FormLot
         deal d1 a to b 5 at 9999991                        -> refused FormPriceLimit
         deal d1 a to b 5 at -9999991                       -> refused FormPriceLimit
         deal d1 a to b 5 at 9999970 from 1 into 0          -> refused FormPriceLimit
         deal d1 a to b 5 at 41                             -> refused FormTick
         deal d1 a to a 5 at 40                             -> refused MatchSelfTrade
         deal d1 a to b 5 at 9999960 from 1 into 0          -> d1 a>b 5@9999960+30 agreed",
    );
    Story::islands(2).tell("deal d1 a to b 5 at 40 from 1 into 0 -> refused MatchCapacity");
}

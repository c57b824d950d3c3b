//! The call phase with which contracts may open, its auction, and what comes after (MARKET sections 2, 3 and 5).
//!
//! An auction is told as `a1 fills 10@45` for each order, `edge 1 +5 fee 10 rent 15` for each edge, `0=45 Exact` for each area.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::MarketRules;
use support::drawn::story::{Story, timed};

const MINUTE_MS: u64 = 60_000;

/// Contract 8 (2:00) opens at minute 60, is called until 90, and closes across areas at 110 and at home at 115.
fn opening() -> MarketRules {
    MarketRules { auction_at_open: true, call_ms: 30 * MINUTE_MS, cross_area_gate_ms: 10 * MINUTE_MS, ..timed() }
}

/// ```text
/// bid        | price | ask
/// b1:10 d1:5 |  50   |
///            |  40   | a1:12
/// ```
/// `-15 | sell 40 [-15, -3] | buy 50 [-3, 12]`: the buyers share 12 as 8 and 4, at their price.
#[test]
fn orders_wait_for_the_end_of_the_call_phase_and_meet_at_one_price() {
    Story::over("").rules(opening()).tell(
        "clock 59
         a1 sells 12 at 40  -> refused GateNotOpen
         due                -> never
         clock 60
         a1 sells 12 at 40  -> a1 rests 12
         b1 buys 10 at 50   -> b1 rests 10
         d1 buys 5 at 50    -> d1 rests 5
         due                -> 90
         clock 89
         sweep              -> nothing
         clock 90
         due                -> 90
         sweep              -> a1 fills 12@50; b1 fills 8@50 left 2; d1 fills 4@50 left 1; 0=50 MarginalBuyer
         held b1            -> 2
         due                -> 115",
    );
}

/// ```text
/// bid            | price | ask
/// b1:10          |  50   |
/// d1:5           |  44   |
///                |  40   | a1:10
///                |  47   | c1:5
/// ```
/// b1 and a1 meet between 40 (or 44, where the next buyer waits) and 47. What is left trades on, in its old order.
#[test]
fn what_the_auction_leaves_over_trades_on_in_its_old_place() {
    Story::over("").called().tell(
        "b1 buys 10 at 50, d1 buys 5 at 44, e1 buys 5 at 44, a1 sells 10 at 40, c1 sells 5 at 47
         auction            -> b1 fills 10@45; a1 fills 10@45; 0=45 Exact
         book 0             -> d1:5@44 e1:5@44 | c1:5@47
         f1 sells 7 at 44   -> f1>d1 5@44; f1>e1 2@44
         f2 buys 6 at 47    -> c1>f2 5@47; f2 rests 1
         auction            -> 0=47 Empty",
    );
}

/// Held by command in the middle of the call phase: it is over for good, and nothing is due at 90.
#[test]
fn an_auction_by_command_ends_the_call_phase() {
    Story::over("").rules(opening()).tell(
        "clock 70
         a1 sells 10 at 40, b1 buys 10 at 50
         auction            -> a1 fills 10@45; b1 fills 10@45; 0=45 Exact
         c1 sells 10 at 40  -> c1 rests 10
         d1 buys 4 at 50    -> c1>d1 4@40
         clock 90
         sweep              -> nothing",
    );
}

/// Nobody came to the auction, so nobody knows of the period. Who comes at 90 trades at once.
#[test]
fn who_comes_after_the_call_phase_trades_at_once() {
    Story::over("").rules(opening()).tell(
        "clock 90
         sweep              -> nothing
         a1 sells 10 at 40  -> a1 rests 10
         b1 buys 10 at 50   -> a1>b1 10@40",
    );
}

/// Before the sweep that holds the auction, the phase is not over: what comes in at 91 waits too, and takes part.
#[test]
fn the_phase_lasts_until_the_auction_is_held() {
    Story::over("").rules(opening()).tell(
        "clock 60
         a1 sells 10 at 40
         clock 91
         b1 buys 10 at 50       -> b1 rests 10
         b2 buys 10 at 50 ioc   -> refused GateCallPhase
         sweep                  -> a1 fills 10@45; b1 fills 10@45; 0=45 Exact",
    );
}

/// Periods 8 and 9 open together at minute 60. A block over both is taken whole: 30 of demand each, `sell 40` of 10 each.
#[test]
fn periods_that_open_together_are_cleared_together() {
    let rules = MarketRules { periods_per_opening: 2, ..opening() };
    Story::over("").rules(rules).tell(
        "clock 60
         b1 buys 30 at 50, b2 buys 30 at 50 for 9
         a1 sells 10 at 40, a2 sells 10 at 40 for 9
         block k1 sells at 20 of 8:20 9:20 -> k1 rests 40
         clock 90
         sweep -> b1 fills 30@45; a1 fills 10@45; 0=45 Exact
         ; b2 fills 30@45/9; a2 fills 10@45/9; 0/9=45 Exact; k1 fills 20@45 left 20; k1 fills 20@45/9; k1 Accepted
         due   -> never",
    );
}

/// Periods 8 and 9 open a quarter of an hour apart: two auctions.
#[test]
fn a_sweep_of_one_piece_holds_one_opening() {
    Story::over("").rules(opening()).tell(
        "clock 60, a1 sells 10 at 40
         clock 75, a2 sells 10 at 40 for 9
         clock 105
         sweep 1 -> 0=40 Empty
         sweep 1 -> 0/9=40 Empty
         sweep 1 -> nothing",
    );
}

/// ```text
/// bid   | price | ask
/// b1:10 |  30   |
///       |  20   | a1:10 of solar
/// ```
/// There are no pairs in an auction, so only b1 takes part, and sets the price. Then all meet, what gains most first, at the older
/// one's price.
#[test]
fn orders_with_preferences_wait_for_continuous_trading() {
    Story::over("").called().tell(
        "a1 sells 10 at 20 of solar, b1 buys 10 at 30
         c1 buys 3 at 60 with a
         d1 sells 3 at 10 within 0
         auction -> 0=30 Empty; a1>c1 3@20; d1>b1 3@30; a1>b1 7@20
         book 0  -> |",
    );
}

/// ```text
/// bid   | price | ask
/// b1:10 |  40   |        b may not sell at 40 or below
/// ```
#[test]
fn an_order_that_crosses_its_own_accounts_in_a_call_phase_is_refused() {
    Story::over("1>0 9/9").called().tell(
        "b1 buys 10 at 40
         b2 sells 5 at 40                -> refused MatchSelfCross
         b2 sells 5 at -9                -> refused MatchSelfCross
         b2 sells 5 at 41                -> b2 rests 5
         b3 buys 5 at 41                 -> refused MatchSelfCross
         replace b1 10 at 41             -> refused MatchSelfCross
         b4 sells 5 at 40 of solar       -> b4 rests 5      // takes no part in the auction
         b5 sells 5 at 40 in 1           -> b5 rests 5      // another contract
         b6 sells 5 at 40 for 9          -> b6 rests 5
         a1 sells 5 at 40                -> a1 rests 5
         cancel b1                       -> b1 cancelled 10
         b2 sells 5 at 40                -> b2 rests 5
         auction
         b7 buys 5 at 41                 -> a1>b7 5@40",
    );
}

#[test]
fn an_own_order_that_is_over_is_not_crossed() {
    Story::over("").rules(opening()).tell(
        "clock 60
         b1 buys 10 at 40 until 70
         clock 70
         b2 sells 5 at 40 -> b2 rests 5
         sweep            -> b1 over by time 10",
    );
}

#[test]
fn what_cannot_wait_is_refused_and_post_only_is_not() {
    Story::over("").called().tell(
        "a1 sells 10 at 40
         b1 buys 5 at 50 ioc           -> refused GateCallPhase
         b1 buys 5 at 50 fok           -> refused GateCallPhase
         basket b1 buys 5 at 50        -> refused 0 GateCallPhase
         b1 buys 5 at 50 post          -> b1 rests 5
         auction                       -> a1 fills 5@40 left 5; b1 fills 5@40; 0=40 MarginalSeller
         b2 buys 5 at 50 post          -> refused MatchPostOnly",
    );
}

/// ```text
/// bid   | price | ask
/// b1:25 |  50   |
///       |  40   | a1:30, of which 10 show
/// ```
#[test]
fn hidden_reserve_takes_part_with_all_it_has() {
    Story::over("").called().tell(
        "a1 sells 30 at 40 shows 10, c1 sells 2 at 41, b1 buys 22 at 50
         auction          -> a1 fills 22@40 left 8; b1 fills 22@40; 0=40 MarginalSeller
         book 0           -> | a1:8@40 c1:2@41
         d1 buys 9 at 41  -> a1>d1 8@40; c1>d1 1@41",
    );
}

/// ```text
///     0   b1:10@50
///     |  5/0, fee 2 up
///     1   a1:10@40
/// ```
/// Five can go up. Above, the buyer sets the price of 50; below, the seller his 40. Of the 10 between them 2 are fee and 8 rent.
#[test]
fn an_edge_that_is_full_earns_its_fee_and_rent() {
    Story::over("1>0 5/0 fee 2/0").called().tell(
        "a1 sells 10 at 40 in 1, b1 buys 10 at 50
         edge 1    -> flow 0 of 5/0
         auction   -> b1 fills 5@50 left 5; a1 fills 5@40 left 5; edge 1 +5 fee 10 rent 40
         ; 0=50 MarginalBuyer; 1=40 MarginalSeller
         operators -> 1:10+40
         edge 1    -> flow 5 of 5/0
         capacity 1 up 7 down 0 -> a1>b1 2@40+2
         operators -> 1:14+40",
    );
}

/// In the call phase nothing is matched, whatever the capacity; the auction uses what there is then.
#[test]
fn a_capacity_that_is_set_in_the_call_phase_counts_in_the_auction() {
    Story::over("1>0 0/0").called().tell(
        "a1 sells 10 at 40 in 1, b1 buys 10 at 50
         capacity 1 up 4 down 0  -> nothing
         auction                 -> b1 fills 4@50 left 6; a1 fills 4@40 left 6; edge 1 +4 fee 0 rent 40
         ; 0=50 MarginalBuyer; 1=40 MarginalSeller",
    );
}

/// The edge takes 12, lots are of 5: 10.
#[test]
fn an_auction_sends_whole_lots_only() {
    let lots = MarketRules { lot: 5, auction_at_open: true, ..support::drawn::story::timeless() };
    Story::over("1>0 12/0").rules(lots).tell(
        "a1 sells 20 at 40 in 1, b1 buys 20 at 50
         auction -> b1 fills 10@50 left 10; a1 fills 10@40 left 10; edge 1 +10 fee 0 rent 100
         ; 0=50 MarginalBuyer; 1=40 MarginalSeller",
    );
}

#[test]
fn who_is_over_or_closed_takes_no_part() {
    Story::over("1>0 99/99").rules(opening()).tell(
        "clock 60
         a1 sells 10 at 40 in 1, b1 buys 10 at 50 until 90, d1 buys 10 at 45, e1 sells 10 at 20
         close 1
         clock 90
         auction -> d1 fills 10@32; e1 fills 10@32; 0=32 Exact; 1=32 Empty
         sweep   -> b1 over by time 10; a1 over by gate 10",
    );
}

/// Before the auction of 90 is held, `sweep` takes out what is over by time and by gate.
#[test]
fn a_sweep_takes_out_what_is_over_before_it_clears() {
    Story::over("1>0 99/99").rules(opening()).tell(
        "clock 60
         a1 sells 10 at 40 in 1, b1 buys 10 at 50 until 90, d1 buys 10 at 45, e1 sells 10 at 20
         close 1
         clock 90
         sweep -> b1 over by time 10; a1 over by gate 10; d1 fills 10@32; e1 fills 10@32; 0=32 Exact; 1=32 Empty",
    );
}

/// Everybody in an area gets one price, and equal orders of a shared step the same fraction; what does not divide goes by the largest
/// remainder, then by age: 7 for three who want 5 each is 3, 2, 2.
#[test]
fn equal_orders_share_and_the_odd_lot_goes_to_the_oldest() {
    Story::over("").called().tell(
        "a1 sells 7 at 40, b1 buys 5 at 50, c1 buys 5 at 50, d1 buys 5 at 50
         auction -> a1 fills 7@50; b1 fills 3@50 left 2; c1 fills 2@50 left 3; d1 fills 2@50 left 3; 0=50 MarginalBuyer",
    );
}

/// Twice named is held once; a period that is over is left out; nothing at all is nothing.
#[test]
fn an_auction_of_the_same_period_twice_is_one() {
    Story::over("").rules(opening()).tell(
        "clock 75
         a1 sells 10 at 40, b1 buys 10 at 50
         auction 8 8 3 9 8 -> a1 fills 10@45; b1 fills 10@45; 0=45 Exact; 0/9=none Empty
         a2 sells 10 at 40 for 9 -> a2 rests 10
         b2 buys 10 at 50 for 9  -> a2>b2/9 10@40",
    );
}

/// The call phase ends at 90, when trading across areas ends too: whoever waited is cleared at home, and the edge is not used.
#[test]
fn after_the_cross_area_gate_every_area_clears_alone() {
    let rules = MarketRules { auction_at_open: true, call_ms: 30 * MINUTE_MS, ..timed() };
    Story::over("1>0 99/99 fee 2/2").rules(rules).tell(
        "clock 60
         a1 sells 10 at 40 in 1, b1 buys 10 at 50, c1 buys 4 at 44 in 1, d1 sells 3 at 48
         clock 90
         sweep -> b1 fills 3@50 left 7; d1 fills 3@50; a1 fills 4@40 left 6; c1 fills 4@40; 0=50 MarginalBuyer
         ; 1=40 MarginalSeller
         edge 1 -> flow 0 of 99/99
         view 0 -> 50:7 |",
    );
}

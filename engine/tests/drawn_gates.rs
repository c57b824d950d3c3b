//! Who may trade when, and with whom (MARKET sections 2 and 4, Time).
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::MarketRules;
use support::drawn::story::{Story, timed};

/// Contract 8 (2:00) opens at minute 60, closes across areas at 90 and at home at 115.
#[test]
fn a_contract_trades_across_areas_until_one_gate_and_at_home_until_the_next() {
    Story::over("1>0 99/99").rules(timed()).tell(
        "clock 59
         a1 sells 30 at 40 in 1  -> refused GateNotOpen
         clock 60
         a1 sells 30 at 40 in 1  -> a1 rests 30
         clock 89
         b1 buys 5 at 45 in 0    -> a1>b1 5@40
         clock 90
         b2 buys 5 at 45 in 0    -> b2 rests 5
         b3 buys 5 at 45 in 1    -> a1>b3 5@40
         clock 114
         b4 buys 5 at 45 in 1    -> a1>b4 5@40
         clock 115
         b5 buys 5 at 45 in 1    -> refused GateClosed
         due                     -> 115
         sweep                   -> b2 over by gate 5; a1 over by gate 15
         due                     -> never",
    );
}

/// ```text
///     0   b1:10@45 came at 89, c1:10@45 comes at 91
///     |  0/0 until 91
///     1   a1:10@40
/// ```
#[test]
fn more_capacity_after_the_cross_area_gate_matches_nothing() {
    Story::over("1>0 0/0").rules(timed()).tell(
        "clock 89
         a1 sells 30 at 40 in 1, b1 buys 5 at 45 in 0
         clock 90
         capacity 1 up 99 down 99 -> nothing
         clock 115
         capacity 1 up 99 down 99 -> refused GateClosed",
    );
}

/// ```text
///     0   b1
///     |
///     1   c1, cut off
///     |
///     2   a1
/// ```
#[test]
fn an_area_that_is_cut_off_trades_at_home_and_passes_energy_on() {
    Story::over("1>0 99/99, 2>1 99/99").tell(
        "a1 sells 10 at 40 in 2, c1 sells 10 at 30 in 1
         cut 1
         b1 buys 15 at 45 in 0  -> a1>b1 10@40; b1 rests 5
         edge 1                 -> flow 10 of 99/99
         d1 buys 15 at 45 in 1  -> c1>d1 10@30; d1 rests 5
         e1 sells 9 at 20 in 2  -> e1>b1 5@45; e1 rests 4
         e2 sells 9 at 20 in 1  -> e2>d1 5@45; e2 rests 4",
    );
}

/// Nothing that rests meets over an edge of a cut-off area any more, neither its own orders nor those of the others with it.
#[test]
fn a_cut_off_area_is_left_out_of_a_rematch() {
    Story::over("1>0 0/0, 2>1 99/99").tell(
        "a1 sells 10 at 40 in 2, c1 sells 10 at 30 in 1, b1 buys 30 at 45 in 0
         cut 1
         capacity 1 up 99 down 0 -> a1>b1 10@40
         close 0
         d1 sells 5 at 40 in 2   -> d1 rests 5
         sweep                   -> b1 over by gate 20",
    );
}

/// ```text
///     0   b1:10@50        cut off: clears alone
///     |
///     1   c1:10@60 a1:10@40
/// ```
#[test]
fn in_an_auction_a_cut_off_area_clears_alone_and_passes_energy_on() {
    Story::over("1>0 99/99 fee 2/2, 2>1 99/99 fee 3/3").called().tell(
        "b1 buys 10 at 60 in 0, a1 sells 10 at 40 in 2
         c1 buys 10 at 30 in 1, d1 sells 10 at 20 in 1
         cut 1
         auction   -> b1 fills 10@52; c1 fills 10@25; d1 fills 10@25; a1 fills 10@47
         ; edge 1 +10 fee 20 rent 0; edge 2 +10 fee 30 rent 0; 0=52 Exact; 1=25 Exact; 2=47 Exact
         operators -> 1:20 2:30",
    );
}

#[test]
fn a_closed_contract_is_not_traded_with_from_elsewhere() {
    Story::over("1>0 99/99").tell(
        "a1 sells 10 at 40 in 1
         close 1
         b1 buys 10 at 45 in 0   -> b1 rests 10
         b2 buys 10 at 45 in 1   -> refused GateClosed
         replace a1 10 at 39     -> refused GateClosed
         reduce a1 4             -> a1 reduced to 6
         replace a1 5 at 40      -> a1 reduced to 5
         sweep                   -> a1 over by gate 5
         held a1                 -> 0",
    );
}

#[test]
fn an_order_that_is_over_trades_no_more_even_if_nobody_swept() {
    Story::over("1>0 99/99").rules(timed()).tell(
        "clock 60
         a1 sells 10 at 40 in 1 until 60 -> refused GateExpired
         a1 sells 10 at 40 in 1 until 61 -> a1 rests 10
         a2 sells 10 at 40 in 0 until 61
         clock 61
         b1 buys 10 at 45 in 0 fok       -> refused MatchFillOrKill
         b1 buys 10 at 45 in 0 post      -> b1 rests 10
         cancel a2                       -> a2 cancelled 10
         sweep                           -> a1 over by time 10",
    );
}

/// In order: what is over by time, by period, area and age; then what is behind a gate.
#[test]
fn a_sweep_goes_by_period_area_and_age() {
    Story::over("1>0 99/99").rules(timed()).tell(
        "clock 80
         a1 sells 1 at 40 in 1 for 9 until 100, a2 sells 1 at 40 in 1 until 100, a3 sells 1 at 40 in 0 until 99
         a4 sells 1 at 40 in 1, a5 sells 1 at 50 in 0, a6 sells 1 at 41 in 1 until 98, a7 sells 1 at 9 in 1
         clock 115
         sweep 2 -> a3 over by time 1; a2 over by time 1
         sweep 3 -> a6 over by time 1; a1 over by time 1; a5 over by gate 1
         sweep   -> a4 over by gate 1; a7 over by gate 1
         due     -> never",
    );
}

/// By command a contract opens early, and for good.
#[test]
fn a_contract_may_be_opened_and_closed_by_command() {
    Story::over("1>0 99/99").rules(timed()).tell(
        "a1 sells 10 at 40 in 1 -> refused GateNotOpen
         open 1
         a1 sells 10 at 40 in 1 -> a1 rests 10
         b1 buys 10 at 40 in 0  -> refused GateNotOpen
         open 0
         b1 buys 4 at 40 in 0   -> a1>b1 4@40
         close 0
         open 0
         b1 buys 4 at 40 in 0   -> refused GateClosed
         open 9, close 9, cut 9",
    );
}

/// Time does not go backwards, and a command twice is a command once.
#[test]
fn what_is_done_already_changes_nothing() {
    Story::over("1>0 99/99").rules(timed()).tell(
        "clock 60
         a1 sells 10 at 40 in 1
         clock 30
         a2 sells 10 at 40 in 1  -> a2 rests 10
         cut 1, cut 1, close 1, close 1, open 1
         sweep -> a1 over by gate 10; a2 over by gate 10
         sweep -> nothing",
    );
}

/// Quarter-hours in groups of four: contract 8 opens with 11.
#[test]
fn periods_that_open_together_open_with_the_first_of_them() {
    let rules = MarketRules { periods_per_opening: 4, ..timed() };
    Story::over("").rules(rules).tell(
        "clock 59
         a1 sells 1 at 40 for 11 -> refused GateNotOpen
         clock 60
         a1 sells 1 at 40 for 11 -> a1 rests 1
         a2 sells 1 at 40 for 12 -> refused GateNotOpen",
    );
}

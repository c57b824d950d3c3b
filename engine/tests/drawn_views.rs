//! What an area sees of the market: its own orders, and of the others what can reach it (MARKET section 4).
//!
//! A view is told as `bids | asks`, each `price:energy`, best first, at delivered prices.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use support::drawn::story::{Story, timed};

/// ```text
///     0   b1:10@35   d1:10@44
///     |  8/6 fee 3/2
///     1   a1:20@40   c1:10@33
/// ```
#[test]
fn a_view_shows_remote_orders_at_delivered_prices_and_as_far_as_they_reach() {
    Story::over("1>0 8/6 fee 3/2").tell(
        "b1 buys 10 at 35 in 0, d1 sells 10 at 44 in 0, a1 sells 20 at 40 in 1, c1 buys 10 at 33 in 1
         view 0 -> 35:10 31:6 | 43:8 44:10
         view 1 -> 33:10 32:8 | 40:20 46:6",
    );
}

/// ```text
///         0    sees
///         |  12/0
///         1
///        / \
///    10/0   10/0
///      2     3
/// ```
/// Ten from 2, which is cheaper, leave two of the common edge for 3.
#[test]
fn remote_orders_share_the_edges_best_price_first() {
    Story::over("1>0 12/0, 2>1 10/0, 3>1 10/0").tell(
        "a1 sells 50 at 40 in 2, c1 sells 50 at 41 in 3
         view 0 -> | 40:10 41:2
         view 1 -> | 40:10 41:10
         view 2 -> | 40:50
         view 3 -> | 41:50",
    );
}

#[test]
fn a_full_edge_hides_what_lies_beyond() {
    Story::over("1>0 5/0").tell(
        "a1 sells 20 at 40 in 1
         b1 buys 5 at 40 in 0 -> a1>b1 5@40
         view 0               -> |
         view 1               -> | 40:15
         capacity 1 up 2 down 0 -> overload 1 up by 3
         view 0               -> |",
    );
}

#[test]
fn levels_of_one_delivered_price_are_added_and_only_the_best_are_told() {
    Story::over("1>0 99/99 fee 3/3").tell(
        "a1 sells 20 at 40 in 1, c1 sells 5 at 43 in 0, d1 sells 1 at 44 in 0, e1 sells 1 at 50 in 0
         f1 buys 3 at 39 in 0, g1 buys 4 at 39 in 0, h1 buys 4 at 20 in 1
         view 0       -> 39:7 17:4 | 43:25 44:1 50:1
         view 0 top 1 -> 39:7 | 43:25
         view 0 top 0 -> |
         view 7       -> |",
    );
}

#[test]
fn who_trades_with_others_no_more_sees_its_own_orders_only() {
    Story::over("1>0 99/99, 2>1 99/99").tell(
        "a1 sells 20 at 40 in 1, c1 sells 5 at 43 in 0, d1 sells 6 at 44 in 2
         cut 1
         view 0  -> | 43:5 44:6
         view 1  -> | 40:20
         close 2
         view 0  -> | 43:5
         view 2  -> |",
    );
}

#[test]
fn who_is_over_is_not_seen() {
    Story::over("1>0 99/99").rules(timed()).tell(
        "clock 60
         a1 sells 20 at 40 in 1 until 70, c1 sells 5 at 43 in 1
         view 0 -> | 40:20 43:5
         clock 70
         view 0 -> | 43:5
         clock 90
         view 0 -> |
         view 1 -> | 43:5
         clock 115
         view 1 -> |",
    );
}

/// ```text
///     0   b1 buys 10@50 only from c
///     |
///     1   a1:10@40
/// ```
/// Preferences do not change what is seen: the view looks crossed, and is not.
#[test]
fn a_view_may_look_crossed_between_orders_that_do_not_go_together() {
    Story::over("1>0 99/99").tell(
        "a1 sells 10 at 40 in 1
         b1 buys 10 at 50 in 0 with c -> b1 rests 10
         view 0 -> 50:10 | 40:10",
    );
}

//! Capacities that change, and what rests and meets afterwards (MARKET section 4, Re-match and Less capacity).
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use support::drawn::story::Story;

/// ```text
///     0   b1:30 was filled
///     |  100/0, then 20/0: 30 flow
///     1   a1:30 was sold
/// ```
#[test]
fn less_capacity_than_flows_undoes_no_trade_and_is_told_to_the_operator() {
    Story::over("1>0 100/0 fee 2/0").tell(
        "a1 sells 40 at 40 in 1
         b1 buys 30 at 50 in 0      -> a1>b1 30@40+2
         capacity 1 up 20 down 0    -> overload 1 up by 10
         edge 1                     -> flow 30 of 20/0
         operators                  -> 1:60
         b2 buys 5 at 50 in 0       -> b2 rests 5
         capacity 1 up 30 down 0    -> nothing
         capacity 1 up 29 down 5    -> overload 1 up by 1
         capacity 1 up 33 down 0    -> a1>b2 3@40+2",
    );
}

/// ```text
///     0   c1 sells here
///     |  0/0 with 30 flowing up
///     1   d1 buys here
/// ```
#[test]
fn an_overload_downwards_is_told_with_its_direction() {
    Story::over("1>0 0/50").tell(
        "c1 sells 50 at 40 in 0
         d1 buys 50 at 40 in 1   -> c1>d1 50@40
         edge 1                  -> flow -50 of 0/50
         capacity 1 up 0 down 49 -> overload 1 down by 1
         capacity 1 up 9 down 0  -> overload 1 down by 50",
    );
}

/// ```text
///     0   b2:10@45, only from a
///     |  100/0, then 20/0, with 30 flowing up
///     1   a2:10@40, only to b
/// ```
/// Fifteen the other way leave a flow of 15: now 5 can go up again, and they do, at the older order's price.
#[test]
fn trades_the_other_way_bring_an_overloaded_edge_back_and_then_others_follow() {
    Story::over("1>0 100/0").tell(
        "a1 sells 30 at 40 in 1
         b1 buys 30 at 40 in 0          -> a1>b1 30@40
         capacity 1 up 20 down 0        -> overload 1 up by 10
         a2 sells 10 at 40 in 1 with b
         b2 buys 10 at 45 in 0 with a   -> b2 rests 10
         c1 sells 40 at 50 in 0         -> c1 rests 40
         d1 buys 10 at 50 in 1          -> c1>d1 10@50
         edge 1                         -> flow 20 of 20/0
         d2 buys 5 at 50 in 1           -> c1>d2 5@50; a2>b2 5@40
         edge 1                         -> flow 20 of 20/0
         book 0                         -> b2:5@45 | c1:25@50
         book 1                         -> | a2:5@40",
    );
}

/// ```text
/// bid in 0     | price | ask in 1, the edge is shut
/// b1:15, 3rd   |  45   |
/// d1:5, 4th    |  44   |
///              |  40   | a1:10, 1st
///              |  38   | c1:10, 2nd
/// ```
/// 45 - 38 first, at c1's price, who is older than b1; then 45 - 40; then the edge is full, and 44 - 40 stays.
#[test]
fn more_capacity_matches_what_gains_most_first() {
    Story::over("1>0 0/0").tell(
        "a1 sells 10 at 40 in 1, c1 sells 10 at 38 in 1
         b1 buys 15 at 45 in 0, d1 buys 5 at 44 in 0
         capacity 1 up 12 down 0 -> c1>b1 10@38; a1>b1 2@40
         book 0                  -> b1:3@45 d1:5@44 |
         capacity 1 up 99 down 0 -> a1>b1 3@40; a1>d1 5@40",
    );
}

/// ```text
/// bid in 0     | price | ask in 1, the edge is shut, fee 3 up
/// b1:10, 1st   |  45   |
///              |  42   | a1:10, 2nd: gets 45 - 3
///              |  43   | c1:10, 3rd: 43 + 3 is too much
/// ```
#[test]
fn of_two_that_rested_the_older_ones_price_counts_and_the_younger_bears_the_fee() {
    Story::over("1>0 0/0 fee 3/0").tell(
        "b1 buys 20 at 45 in 0
         a1 sells 10 at 42 in 1, c1 sells 10 at 43 in 1
         capacity 1 up 99 down 0 -> a1>b1 10@45-3
         operators               -> 1:30
         cancel c1, c2 sells 9 at 50 in 1, d1 buys 9 at 51 in 0
         replace d1 9 at 53      -> c2>d1 9@50+3",
    );
}

/// ```text
///     0   a1:10@40, older
///     |
///     1   c1:10@40
///     |  0/0, then 0/15
///     2   b1:20@45, the oldest
/// ```
#[test]
fn of_two_pairs_that_gain_alike_the_one_with_fewer_edges_goes_first() {
    Story::over("1>0 99/99, 2>1 0/0").tell(
        "b1 buys 20 at 45 in 2, a1 sells 10 at 40 in 0, c1 sells 10 at 40 in 1
         capacity 2 up 0 down 15 -> c1>b1 10@45; a1>b1 5@45",
    );
}

/// ```text
/// bid in 0   | price | ask in 1     all as many edges away, all gain 5
/// b1 1st, d1 3rd | 45 |
///                | 40 | a1 2nd, c1 4th
/// ```
#[test]
fn of_pairs_alike_the_one_with_the_oldest_order_goes_first_and_then_its_older_partner() {
    Story::over("1>0 0/0").tell(
        "b1 buys 6 at 45 in 0, a1 sells 10 at 40 in 1, d1 buys 10 at 45 in 0, c1 sells 10 at 40 in 1
         capacity 1 up 99 down 0 -> a1>b1 6@45; a1>d1 4@40; c1>d1 6@45
         book 1                  -> | c1:4@40",
    );
}

/// ```text
///     0   b1:10@45
///     |  0/0
///     1   a1:10@40, of which 4 show
/// ```
/// The first clip trades at a1's price, who is older. The next clip is younger than b1: now b1's price counts.
#[test]
fn a_fresh_clip_is_younger_in_a_rematch_too() {
    Story::over("1>0 0/0").tell(
        "a1 sells 10 at 40 in 1 shows 4, b1 buys 10 at 45 in 0
         capacity 1 up 9 down 0 -> a1>b1 4@40; a1>b1 4@45; a1>b1 1@45
         book 1                 -> | a1:1@40",
    );
}

/// ```text
///     0   b1:20@45 shows 8
///     |  0/0
///     1   a1:20@40 shows 5
/// ```
/// Never more than both show: 5 of 8, then 3 of 5, then the fresh 8 takes 2, and so on.
#[test]
fn a_rematch_trades_what_both_show() {
    Story::over("1>0 0/0").tell(
        "a1 sells 20 at 40 in 1 shows 5, b1 buys 20 at 45 in 0 shows 8
         capacity 1 up 99 down 0 -> a1>b1 5@40; a1>b1 3@45; a1>b1 2@40; a1>b1 5@45; a1>b1 1@45; a1>b1 4@40
         book 0                  -> |",
    );
}

/// ```text
///     0   b1:10@45, a2:5@50
///     |  0/0
///     1   a1:10@40 within 0, c1:10@41 of solar
/// ```
/// a1 stays at home, a2 is a's own, b1 takes every source.
#[test]
fn a_rematch_keeps_to_preferences_and_accounts() {
    Story::over("1>0 0/0").tell(
        "a1 sells 10 at 40 in 1 within 0, c1 sells 5 at 41 in 1 of solar, a3 sells 5 at 42 in 1
         b1 buys 10 at 45 in 0 of grid_mix, a2 buys 5 at 50 in 0 of grid_mix
         capacity 1 up 99 down 0 -> a3>b1 5@42
         book 0                  -> a2:5@50 b1:5@45 |
         d1 buys 7 at 45 in 0    -> c1>d1 5@41; d1 rests 2",
    );
}

/// ```text
///     0   b1:10@45
///     |  0/0
///     1   a1:10@40
///     |  99/99
///     2   c1:10@39
/// ```
/// The bottleneck moves: with the upper edge open and the lower one shut, only a1 can reach b1.
#[test]
fn a_pair_with_no_room_does_not_keep_the_next_pair_from_trading() {
    Story::over("1>0 0/0, 2>1 99/99").tell(
        "b1 buys 15 at 45 in 0, a1 sells 10 at 40 in 1, c1 sells 10 at 39 in 2
         capacity 2 up 0 down 0  -> nothing
         capacity 1 up 20 down 0 -> a1>b1 10@45
         capacity 2 up 3 down 0  -> c1>b1 3@45
         edge 1                  -> flow 13 of 20/0",
    );
}

/// ```text
///     0   a1:10@40   b1 buys here, not from the account d
///     |  5/5, and 5 flow up
///     1   d1:10@30   c1:10@50
/// ```
/// What was sold down makes room up for a better pair that waited: it trades after the command's own events.
#[test]
fn a_trade_that_makes_room_lets_others_follow_it() {
    Story::over("1>0 5/5").tell(
        "d1 sells 15 at 30 in 1
         e1 buys 5 at 30 in 0         -> d1>e1 5@30
         b1 buys 10 at 45 in 0        -> b1 rests 10
         a1 sells 10 at 46 in 0       -> a1 rests 10
         c1 buys 8 at 50 in 1 with a  -> a1>c1 8@46; d1>b1 8@30
         edge 1                       -> flow 5 of 5/5",
    );
}

/// ```text
///     0   b1:10@45 until minute 70
///     |  0/0
///     1   a1:10@40
/// ```
#[test]
fn what_is_over_does_not_rematch() {
    Story::over("1>0 0/0").tell(
        "a1 sells 10 at 40 in 1, b1 buys 10 at 45 in 0 until 70
         clock 70
         capacity 1 up 9 down 9 -> nothing
         sweep                  -> b1 over by time 10",
    );
}

#[test]
fn the_same_capacity_again_or_none_at_all_does_nothing() {
    Story::over("1>0 5/5").tell(
        "a1 sells 10 at 40 in 1, b1 buys 10 at 45 in 0
         edge 1                 -> flow 5 of 5/5
         capacity 1 up 5 down 5 -> nothing
         capacity 1 up 2^60 down 2^60 -> a1>b1 5@40
         capacity 1 up 10 down 0 -> nothing
         edge 1                 -> flow 10 of 10/0",
    );
}

/// ```text
///     0   b1:10@45                 b1 is reduced and cancelled while the edge is shut
///     |  0/0
///     1   a1:10@40
/// ```
#[test]
fn only_what_is_left_rematches() {
    Story::over("1>0 0/0").tell(
        "a1 sells 10 at 40 in 1, b1 buys 10 at 45 in 0, b2 buys 10 at 44 in 0
         reduce b1 7            -> b1 reduced to 3
         cancel b2              -> b2 cancelled 10
         capacity 1 up 9 down 0 -> a1>b1 3@40",
    );
}

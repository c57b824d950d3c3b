//! Orders that meet over the edges of a tree (MARKET section 4), one drawing each.
//!
//! A tree is drawn with its root on top; an edge as `up/down`, with `fee up/down` where there is one. A trade is told as `a1>b1 10@40+3`:
//! the seller a1 gets 40, and the buyer b1, who came in, pays 43.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::MarketRules;
use support::drawn::story::{Story, timeless};

/// ```text
///             0
/// fee 3/9   /   \   fee 8/4
///          1     2                          bid in 2 | price | ask in 1
///                                           b1:10    |  47   |
///                                           c1:10    |  46   |
///                                                    |  40   | a1:10
/// ```
/// 40 + 3 + 4 = 47: c1 is one short of it.
#[test]
fn a_buyer_pays_the_ask_and_every_fee_of_the_way_and_each_edge_gets_its_own() {
    Story::over("1>0 100/100 fee 3/9, 2>0 100/100 fee 8/4").tell(
        "a1 sells 10 at 40 in 1 -> a1 rests 10
         c1 buys 10 at 46 in 2  -> c1 rests 10
         b1 buys 10 at 47 in 2  -> a1>b1 10@40+7
         operators              -> 1:30 2:40
         edge 1                 -> flow 10 of 100/100
         edge 2                 -> flow -10 of 100/100",
    );
}

/// ```text
///     0
///     |  fee 3/0
///     1
/// bid in 0 | price | ask in 1
/// b1:10    |  45   |
///          |  42   | a1:10 comes in: gets 45 - 3
///          |  43   | c1:10 comes in: 45 - 3 is below 43
/// ```
#[test]
fn a_seller_who_comes_in_bears_the_fee_and_never_gets_less_than_his_limit() {
    Story::over("1>0 100/100 fee 3/0").tell(
        "b1 buys 10 at 45 in 0  -> b1 rests 10
         c1 sells 10 at 43 in 1 -> c1 rests 10
         a1 sells 10 at 42 in 1 -> a1>b1 10@45-3
         operators              -> 1:30
         book 1                 -> | c1:10@43",
    );
}

/// ```text
///     0   d1:10@42              delivered in 0:  d1 42, a1 40 + 3
///     |  fee 3/0
///     1   a1:10@40
/// ```
#[test]
fn the_best_delivered_price_goes_first_not_the_lowest_ask() {
    Story::over("1>0 100/100 fee 3/0").tell(
        "a1 sells 10 at 40 in 1, d1 sells 10 at 42 in 0
         b1 buys 15 at 44 in 0 -> d1>b1 10@42; a1>b1 5@40+3
         operators             -> 1:15",
    );
}

/// ```text
///     0   a1:10@40, the oldest
///     |
///     1   c1:10@40
///     |
///     2   d1:10@40, the youngest; the buyer is here
/// ```
#[test]
fn at_one_delivered_price_neighbours_come_first_then_fewer_edges() {
    Story::over("1>0 100/100, 2>1 100/100").tell(
        "a1 sells 10 at 40 in 0, c1 sells 10 at 40 in 1, d1 sells 10 at 40 in 2
         b1 buys 25 at 40 in 2 -> d1>b1 10@40; c1>b1 10@40; a1>b1 5@40",
    );
}

/// ```text
///       0   the buyer
///   /   |   \
///  1    2    3
/// c1   a1   d1     10@40 each; a1 came first, then d1, then c1
/// ```
#[test]
fn as_many_edges_away_the_older_order_comes_first() {
    Story::over("1>0 100/100, 2>0 100/100, 3>0 100/100").tell(
        "a1 sells 10 at 40 in 2, d1 sells 10 at 40 in 3, c1 sells 10 at 40 in 1
         b1 buys 25 at 40 in 0 -> a1>b1 10@40; d1>b1 10@40; c1>b1 5@40",
    );
}

/// ```text
///     0   b1:10@45 comes in; d1:10@41
///     |  0/0
///     1   a1:10@30
/// ```
#[test]
fn what_no_edge_can_carry_is_passed_over_and_stays() {
    Story::over("1>0 0/0").tell(
        "a1 sells 10 at 30 in 1, d1 sells 10 at 41 in 0
         b1 buys 10 at 45 in 0 -> d1>b1 10@41
         b2 buys 10 at 45 in 0 -> b2 rests 10
         book 1                -> | a1:10@30
         c1 buys 4 at 30 in 1  -> a1>c1 4@30",
    );
}

/// ```text
///     0   d1:10@41; b1:20@45 comes in
///     |  7/0
///     1   a1:10@30
/// ```
#[test]
fn a_full_edge_sends_the_rest_to_the_next_price() {
    Story::over("1>0 7/0").tell(
        "a1 sells 10 at 30 in 1, d1 sells 10 at 41 in 0
         b1 buys 20 at 45 in 0 -> a1>b1 7@30; d1>b1 10@41; b1 rests 3
         book 0                -> b1:3@45 |
         book 1                -> | a1:3@30",
    );
}

/// ```text
///     0   b1:20@45, b2:5@45      lots of 5 Wh: of 12 only 10 can go
///     |  12/0
///     1   a1:20@40
/// ```
#[test]
fn an_edge_carries_whole_lots_only() {
    Story::over("1>0 12/0").rules(MarketRules { lot: 5, ..timeless() }).tell(
        "a1 sells 20 at 40 in 1
         b1 buys 20 at 45 in 0 -> a1>b1 10@40; b1 rests 10
         edge 1                -> flow 10 of 12/0
         b2 buys 5 at 45 in 0  -> b2 rests 5
         capacity 1 up 14 down 0 -> nothing
         capacity 1 up 15 down 0 -> a1>b1 5@40",
    );
}

/// ```text
///     0
///     |  10/5
///     1
/// ```
/// Ten go up. Then fifteen can go down: the ten back, and five. Then fifteen up again.
#[test]
fn what_flows_one_way_makes_room_the_other_way_to_the_last_watt_hour() {
    Story::over("1>0 10/5").tell(
        "a1 sells 10 at 40 in 1
         b1 buys 10 at 40 in 0       -> a1>b1 10@40
         c1 sells 99 at 40 in 0
         d1 buys 16 at 40 in 1 fok   -> refused MatchFillOrKill
         d1 buys 15 at 40 in 1 fok   -> c1>d1 15@40
         edge 1                      -> flow -5 of 10/5
         d2 buys 1 at 40 in 1        -> d2 rests 1
         cancel c1 -> c1 cancelled 84
         cancel d2 -> d2 cancelled 1
         e1 sells 99 at 40 in 1
         b2 buys 16 at 40 in 0 fok   -> refused MatchFillOrKill
         b2 buys 15 at 40 in 0 fok   -> e1>b2 15@40
         edge 1                      -> flow 10 of 10/5",
    );
}

/// ```text
///          0
///   1/10 /   \ 30/3          fees up/down
///       1     2
/// 2/20  |     |  40/4
///       3     4
///   a1:10@50   b1 pays 50 + 2 + 1 + 3 + 4
/// ```
#[test]
fn a_way_of_four_edges_takes_each_ones_fee_in_its_own_direction() {
    Story::over("1>0 50/50 fee 1/10, 2>0 50/50 fee 30/3, 3>1 50/50 fee 2/20, 4>2 50/50 fee 40/4").tell(
        "a1 sells 10 at 50 in 3
         b1 buys 10 at 59 in 4 -> b1 rests 10
         c1 buys 10 at 60 in 4 -> a1>c1 10@50+10
         operators             -> 1:10 2:30 3:20 4:40
         d1 sells 10 at -16 in 4 -> d1>b1 10@59
         d2 sells 1 at 0 in 4
         e1 buys 1 at 99 in 3  -> e1 rests 1
         e2 buys 1 at 100 in 3 -> d2>e2 1@0+100
         edge 3                -> flow 9 of 50/50
         operators             -> 1:20 2:60 3:40 4:80",
    );
}

/// ```text
///        0
///        |  99/99
///        1
///  20/9 / \ 9/15
///      2   3
/// ```
/// The narrowest edge says how much: 15 of 20.
#[test]
fn the_narrowest_edge_of_the_way_says_how_much_can_go() {
    Story::over("1>0 99/99, 2>1 20/9, 3>1 9/15").tell(
        "a1 sells 30 at 40 in 2
         b1 buys 50 at 45 in 3 ioc -> a1>b1 15@40; b1 drops 35
         edge 2                    -> flow 15 of 20/9
         edge 3                    -> flow -15 of 9/15",
    );
}

/// ```text
///        0
///        |  0/0
///        1
///       / \
///      2   3
/// ```
#[test]
fn neighbours_below_one_area_do_not_need_the_edge_above_it() {
    Story::over("1>0 0/0 fee 50/50, 2>1 99/99, 3>1 99/99").tell(
        "a1 sells 30 at 40 in 2
         b1 buys 30 at 40 in 3 -> a1>b1 30@40
         edge 1                -> flow 0 of 0/0",
    );
}

/// ```text
///        0      b1 comes in
///        |  12/0
///        1
///       / \
///      2   3
///  a1:10   c1:10       both at 40
/// ```
#[test]
fn two_sellers_share_the_edge_above_both() {
    Story::over("1>0 12/0, 2>1 99/99, 3>1 99/99").tell(
        "a1 sells 10 at 40 in 2, c1 sells 10 at 40 in 3
         b1 buys 20 at 40 in 0 fok -> refused MatchFillOrKill
         b1 buys 20 at 40 in 0     -> a1>b1 10@40; c1>b1 2@40; b1 rests 8",
    );
}

/// ```text
///     0   d1:10@42
///     |  10/0 fee 1/0
///     1   a1:30@40
/// ```
#[test]
fn fill_or_kill_counts_capacity_and_fees() {
    Story::over("1>0 10/0 fee 1/0").tell(
        "a1 sells 30 at 40 in 1, d1 sells 10 at 42 in 0
         b1 buys 21 at 45 in 0 fok -> refused MatchFillOrKill
         b1 buys 11 at 41 in 0 fok -> refused MatchFillOrKill
         b1 buys 10 at 40 in 0 fok -> refused MatchFillOrKill
         b1 buys 20 at 42 in 0 fok -> a1>b1 10@40+1; d1>b1 10@42",
    );
}

/// ```text
///     0
///     |  10/0
///     1   a1:30@40, of which 2 show
/// ```
#[test]
fn fill_or_kill_counts_hidden_reserve_over_an_edge_too() {
    Story::over("1>0 10/0").tell(
        "a1 sells 30 at 40 in 1 shows 4
         b1 buys 11 at 40 in 0 fok -> refused MatchFillOrKill
         b1 buys 10 at 40 in 0 fok -> a1>b1 4@40; a1>b1 4@40; a1>b1 2@40
         book 1                    -> | a1:20@40(2)",
    );
}

/// ```text
///     0   post-only bids
///     |  10/0 fee 2/0
///     1   a1:30@40
/// ```
#[test]
fn post_only_looks_over_edges_but_not_over_full_ones() {
    Story::over("1>0 10/0 fee 2/0").tell(
        "a1 sells 30 at 40 in 1
         b1 buys 5 at 42 in 0 post  -> refused MatchPostOnly
         b1 buys 5 at 41 in 0 post  -> b1 rests 5
         a2 buys 5 at 60 in 0 post  -> a2 rests 5      // its own account's
         c1 buys 10 at 42 in 0      -> a1>c1 10@40+2
         b2 buys 5 at 42 in 0 post  -> b2 rests 5      // the edge is full
         replace b1 5 at 43         -> b1 rests 5
         d1 sells 2 at 60 in 0 post -> refused MatchPostOnly",
    );
}

/// ```text
///     0   b1:10@40                 0   b1:10@40
///     |  99/99                     |  99/99
///     1   a1:10@40 comes in        1   b2:10@40 comes in
/// ```
#[test]
fn an_order_skips_its_own_accounts_orders_over_edges_too() {
    Story::over("1>0 99/99").tell(
        "b1 buys 10 at 40 in 0
         b2 sells 10 at 40 in 1      -> b2 rests 10
         b3 sells 10 at 40 in 1 fok  -> refused MatchFillOrKill
         b4 sells 10 at 40 in 1 post -> b4 rests 10
         a1 sells 10 at 40 in 1      -> a1>b1 10@40",
    );
}

/// ```text
///     0
///     |  99/99 fee 4/4
///     1
/// bid in 0 | price | ask in 1
///          |  -10  |
/// b1:10    |  -12  |
///          |  -16  | a1:10 comes in, gets -12 - 4
/// ```
#[test]
fn below_zero_a_seller_pays_the_fee_on_top_of_what_he_pays_the_buyer() {
    Story::over("1>0 99/99 fee 4/4").tell(
        "b1 buys 10 at -12 in 0
         c1 sells 10 at -15 in 1 -> c1 rests 10
         a1 sells 10 at -16 in 1 -> a1>b1 10@-12-4
         b2 buys 10 at -11 in 0  -> c1>b2 10@-15+4
         operators               -> 1:80",
    );
}

#[test]
fn areas_without_edges_never_meet() {
    Story::islands(2).tell(
        "a1 sells 10 at 10 in 0
         b1 buys 10 at 90 in 1 -> b1 rests 10
         edge 0                -> none
         edge 1                -> none
         view 1                -> 90:10 |
         b2 buys 10 at 90 in 0 -> a1>b2 10@10",
    );
}

/// ```text
///     0
///     |  10/10
///     1
/// ```
/// Full in period 8, empty in period 9.
#[test]
fn each_delivery_period_has_its_own_capacity() {
    Story::over("1>0 10/10").tell(
        "a1 sells 20 at 40 in 1, a2 sells 20 at 40 in 1 for 9
         b1 buys 20 at 40 in 0       -> a1>b1 10@40; b1 rests 10
         b2 buys 20 at 40 in 0 for 9 -> a2>b2/9 10@40; b2 rests 10
         capacity 1 up 15 down 0 for 9 -> a2>b2/9 5@40
         edge 1                      -> flow 10 of 10/10
         edge 1 for 9                -> flow 15 of 15/0",
    );
}

/// ```text
///     0   b1:10@41, b may hold 10 Wh
///     |  99/99 fee 3/3
///     1   a1:10@40
/// ```
/// A replacement is one step: what the old order held counts for the new one, and if the new one is refused the old one stays as it is.
#[test]
fn a_replaced_order_comes_in_anew_over_edges_and_loses_nothing_if_it_is_refused() {
    Story::over("1>0 99/99 fee 3/3").budget(10).tell(
        "a1 sells 10 at 40 in 1
         b1 buys 8 at 41 in 0 post, c1 buys 5 at 41 in 0
         replace b1 11 at 42 -> refused CreditHeadroom
         replace b1 8 at 43  -> refused MatchPostOnly
         replace b1 8 at 41  -> b1 reduced to 8
         replace b1 10 at 41 -> b1 rests 10
         book 0              -> c1:5@41 b1:10@41 |
         replace c1 6 at 43  -> a1>c1 6@40+3
         replace c1 1 at 43  -> refused MatchUnknownOrder
         held c1             -> 0
         replace a1 5 at 38  -> a1>b1 5@41-3
         operators           -> 1:33",
    );
}

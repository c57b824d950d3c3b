//! Orders of which only a part shows (MARKET sections 3 and 4, hidden reserve). `a1:30@40(10)`: 30 left, of which 10 show.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use support::drawn::story::Story;

/// ```text
///  | price | ask
///  |  40   | a1:30(10) c1:10
/// ```
#[test]
fn a_fresh_clip_goes_to_the_end_of_its_level() {
    Story::over("").tell(
        "a1 sells 30 at 40 shows 10, c1 sells 10 at 40
         book 0            -> | a1:30@40(10) c1:10@40
         b1 buys 10 at 40  -> a1>b1 10@40
         book 0            -> | c1:10@40 a1:20@40(10)
         b2 buys 15 at 40  -> c1>b2 10@40; a1>b2 5@40
         book 0            -> | a1:15@40(5)",
    );
}

/// ```text
///  | price | ask
///  |  40   | a1:20(10) c1:20(5)
/// ```
#[test]
fn two_reserves_take_turns_clip_by_clip() {
    Story::over("").tell(
        "a1 sells 20 at 40 shows 10, c1 sells 20 at 40 shows 5
         b1 buys 37 at 40 -> a1>b1 10@40; c1>b1 5@40; a1>b1 10@40; c1>b1 5@40; c1>b1 5@40; c1>b1 2@40
         book 0           -> | c1:3@40",
    );
}

#[test]
fn a_clip_that_is_not_used_up_keeps_its_place_and_is_not_filled_up() {
    Story::over("").tell(
        "a1 sells 30 at 40 shows 10, c1 sells 10 at 40
         b1 buys 9 at 40 -> a1>b1 9@40
         book 0          -> | a1:21@40(1) c1:10@40
         b2 buys 2 at 40 -> a1>b2 1@40; c1>b2 1@40
         book 0          -> | c1:9@40 a1:20@40(10)",
    );
}

#[test]
fn the_last_clip_is_what_is_left() {
    Story::over("").tell(
        "a1 sells 25 at 40 shows 10
         b1 buys 20 at 40 -> a1>b1 10@40; a1>b1 10@40
         book 0           -> | a1:5@40
         b2 buys 9 at 40  -> a1>b2 5@40; b2 rests 4",
    );
}

/// ```text
///            | price | ask
/// b1:12(10)  |  40   | a1:18 was there
/// ```
#[test]
fn what_comes_in_trades_with_all_it_has_and_only_what_rests_is_shown_in_clips() {
    Story::over("").tell(
        "a1 sells 18 at 40
         b1 buys 30 at 40 shows 10 -> a1>b1 18@40; b1 rests 12
         book 0                    -> b1:12@40(10) |
         view 0                    -> 40:10 |
         c1 sells 11 at 40         -> c1>b1 10@40; c1>b1 1@40
         book 0                    -> b1:1@40 |",
    );
}

#[test]
fn less_than_a_clip_rests_openly() {
    Story::over("").tell(
        "a1 sells 25 at 40
         b1 buys 30 at 40 shows 10 -> a1>b1 25@40; b1 rests 5
         book 0                    -> b1:5@40 |",
    );
}

#[test]
fn reduce_takes_what_is_hidden_first_and_keeps_the_place() {
    Story::over("").tell(
        "a1 sells 30 at 40 shows 10, c1 sells 10 at 40
         reduce a1 20     -> a1 reduced to 10
         book 0           -> | a1:10@40 c1:10@40
         reduce a1 4      -> a1 reduced to 6
         book 0           -> | a1:6@40 c1:10@40
         b1 buys 7 at 40  -> a1>b1 6@40; c1>b1 1@40
         d1 sells 30 at 41 shows 10
         reduce d1 12     -> d1 reduced to 18
         book 0           -> | c1:9@40 d1:18@41(10)
         reduce d1 99     -> d1 reduced to 0
         held d1          -> 0",
    );
}

/// At the same price with less it is a reduce and keeps its place; with more, or another price, it goes to the end, and shows as much as
/// it did, unless that is all of it.
#[test]
fn a_replaced_order_shows_as_much_as_before() {
    Story::over("").tell(
        "a1 sells 30 at 40 shows 10, c1 sells 10 at 40
         replace a1 20 at 40 -> a1 reduced to 20
         book 0              -> | a1:20@40(10) c1:10@40
         replace a1 21 at 40 -> a1 rests 21
         book 0              -> | c1:10@40 a1:21@40(10)
         replace a1 40 at 39 -> a1 rests 40
         book 0              -> | a1:40@39(10) c1:10@40
         replace a1 10 at 41 -> a1 rests 10
         book 0              -> | c1:10@40 a1:10@41
         replace a1 50 at 41 -> a1 rests 50
         book 0              -> | c1:10@40 a1:50@41",
    );
}

#[test]
fn fill_or_kill_counts_what_is_hidden() {
    Story::over("").tell(
        "a1 sells 30 at 40 shows 10, c1 sells 10 at 40
         b1 buys 41 at 40 fok -> refused MatchFillOrKill
         b1 buys 40 at 40 fok -> a1>b1 10@40; c1>b1 10@40; a1>b1 10@40; a1>b1 10@40
         book 0               -> |",
    );
}

#[test]
fn the_view_shows_clips_only() {
    Story::over("1>0 12/0").tell(
        "a1 sells 30 at 40 in 1 shows 10, c1 sells 30 at 40 in 1 shows 7, d1 sells 5 at 41 in 0
         view 1 -> | 40:17
         view 0 -> | 40:12 41:5",
    );
}

/// Showing 7 of 30 with lots of one: five clips, the last of 2. All of it is reserved for, and freed on cancel.
#[test]
fn what_is_hidden_is_covered_like_the_rest() {
    Story::over("").budget(30).tell(
        "a1 sells 30 at 40 shows 7
         held a1          -> 30
         a2 sells 1 at 40 -> refused CreditHeadroom
         b1 buys 10 at 40 -> a1>b1 7@40; a1>b1 3@40
         held a1          -> 20
         cancel a1        -> a1 cancelled 20
         held a1          -> 0
         a2 sells 30 at 40 -> a2 rests 30",
    );
}

/// ```text
/// bid            | price | ask
/// d1:10          |  45   |              d1 buys only from a
/// ```
#[test]
fn clips_keep_to_preferences_too() {
    Story::over("").tell(
        "d1 buys 10 at 45 with a shows 4
         c1 sells 10 at 40 shows 6   -> c1 rests 10
         a1 sells 9 at 44 with d shows 2 -> a1>d1 4@45; a1>d1 4@45; a1>d1 1@45
         book 0                      -> d1:1@45 | c1:10@40(6)",
    );
}

#[test]
fn a_thousand_clips_are_the_most() {
    Story::over("").tell(
        "a1 sells 10001 at 40 shows 10 -> refused FormDisplay
         a1 sells 10000 at 40 shows 10 -> a1 rests 10000
         replace a1 10001 at 41        -> refused FormDisplay
         book 0                        -> | a1:10000@40(10)",
    );
}

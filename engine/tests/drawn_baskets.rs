//! Fill-or-kill orders over several contracts that execute all or not at all (MARKET sections 3 and 4, Basket).
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use support::drawn::story::Story;

/// ```text
/// period 8: a1:10@40        period 9: a2:10@41        period 10: nobody
/// ```
#[test]
fn a_basket_over_several_periods_happens_whole_or_not_at_all() {
    Story::over("").tell(
        "a1 sells 10 at 40, a2 sells 10 at 41 for 9
         basket b1 buys 5 at 50 + b2 buys 5 at 50 for 9 + b3 buys 5 at 50 for 10 -> refused 2 MatchFillOrKill
         basket b1 buys 5 at 50 + b2 buys 11 at 50 for 9 -> refused 1 MatchFillOrKill
         held b1 -> 0
         book 0  -> | a1:10@40
         basket b1 buys 5 at 50 + b2 buys 10 at 50 for 9 -> a1>b1 5@40; a2>b2/9 10@41
         book 0  -> | a1:5@40",
    );
}

#[test]
fn orders_of_a_basket_take_from_what_the_ones_before_them_left() {
    Story::over("").tell(
        "a1 sells 10 at 40
         basket b1 buys 6 at 50 + c1 buys 5 at 50 -> refused 1 MatchFillOrKill
         basket b1 buys 6 at 50 + c1 buys 4 at 50 -> a1>b1 6@40; a1>c1 4@40",
    );
}

/// ```text
///     0   d1:50@40
///     |  10/3
///     1   a1:50@40
/// ```
/// Ten up and no more; but ten up and then thirteen down.
#[test]
fn orders_of_a_basket_share_the_edges_and_make_room_for_each_other() {
    Story::over("1>0 10/3").tell(
        "a1 sells 50 at 40 in 1 with b, d1 sells 50 at 40 in 0 with c
         basket b1 buys 6 at 40 in 0 + b2 buys 5 at 40 in 0    -> refused 1 MatchFillOrKill
         basket c1 buys 13 at 40 in 1 + b1 buys 10 at 40 in 0  -> refused 0 MatchFillOrKill
         basket b1 buys 10 at 40 in 0 + c1 buys 13 at 40 in 1  -> a1>b1 10@40; d1>c1 13@40
         edge 1                                                -> flow -3 of 10/3",
    );
}

/// Each account may have 10 Wh open. Filled orders hold nothing any more.
#[test]
fn a_basket_that_cannot_be_covered_leaves_no_trace() {
    Story::over("").budget(10).tell(
        "a1 sells 10 at 40, c1 sells 10 at 40 for 9
         basket b1 buys 10 at 40 + b2 buys 11 at 40 for 9 -> refused 1 CreditHeadroom
         held b1 -> 0
         basket b1 buys 10 at 40 + b2 buys 10 at 40 for 9 -> a1>b1 10@40; c1>b2/9 10@40",
    );
}

/// Nobody's order ever rests out of a basket: two of its own orders cannot meet.
#[test]
fn the_orders_of_a_basket_do_not_meet_each_other() {
    Story::over("").tell("basket a1 sells 10 at 40 + b1 buys 10 at 40 -> refused 0 MatchFillOrKill");
}

#[test]
fn a_basket_is_fill_or_kill_from_its_first_order_to_its_hundredth() {
    let many = |count: usize| (0..count).map(|at| format!("b{at} buys 1 at 40")).collect::<Vec<_>>().join(" + ");
    let trades: Vec<String> = (0..100).map(|at| format!("a1>b{at} 1@40")).collect();
    Story::over("").tell(&format!(
        "a1 sells 200 at 40
         basket -> refused 0 FormBasket
         basket b1 buys 5 at 50 + b2 buys 5 at 50 rests -> refused 1 FormBasket
         basket b1 buys 5 at 50 rests + b2 buys 0 at 50 rests -> refused 0 FormBasket
         basket {} -> refused 0 FormBasket
         basket {} -> {}",
        many(101),
        many(100),
        trades.join("; ")
    ));
}

#[test]
fn the_first_bad_order_of_a_basket_is_named() {
    Story::over("1>0 9/9").tell(
        "a1 sells 200 at 40
         basket b1 buys 5 at 50 + b2 buys 5 at 50 in 7 + b3 buys 0 at 50 -> refused 1 FormArea
         basket b1 buys 5 at 50 + b2 buys 0 at 50                        -> refused 1 FormZeroEnergy
         basket b1 buys 5 at 50 + b2 buys 5 at 50 shows 1                -> refused 1 FormDisplay
         basket b1 buys 5 at 50 + b2 buys 5 at 50 with b                 -> refused 1 FormPartner
         basket b1 buys 5 at 50 + b2 buys 5 at 50 post                   -> refused 1 FormFlags
         close 1
         basket b1 buys 5 at 50 + b2 buys 5 at 50 in 1                   -> refused 1 GateClosed",
    );
}

/// ```text
///     0   b9:10@45 from a only; d1:9@50
///     |  0/0 with nothing flowing
///     1   a9:10@40
/// ```
/// The basket sends 4 and then 3 down, which makes room for 7 up: the pair that waited meets after the whole basket.
#[test]
fn what_a_basket_made_room_for_meets_at_its_end() {
    Story::over("1>0 0/99").tell(
        "a9 sells 10 at 40 in 1 with b, b9 buys 10 at 45 in 0 with a, d1 sells 9 at 50 in 0
         basket c1 buys 4 at 50 in 1 + c2 buys 3 at 50 in 1 -> d1>c1 4@50; d1>c2 3@50; a9>b9 7@40
         edge 1 -> flow 0 of 0/99",
    );
}

#[test]
fn what_baskets_made_room_for_meets_period_by_period() {
    Story::over("1>0 0/99").tell(
        "a9 sells 10 at 40 in 1 with b, b9 buys 10 at 45 in 0 with a, d1 sells 9 at 50 in 0
         a8 sells 10 at 40 in 1 for 7 with b, b8 buys 10 at 45 in 0 for 7 with a, d2 sells 9 at 50 in 0 for 7
         basket c1 buys 4 at 50 in 1 + c2 buys 3 at 50 in 1 for 7 -> d1>c1 4@50; d2>c2/7 3@50; a8>b8/7 3@40; a9>b9 4@40",
    );
}

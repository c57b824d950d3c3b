//! Block orders: one price, several periods, all or nothing (MARKET sections 3 and 5). In all drawings, each period has
//!
//! ```text
//! bid   | price | ask
//! b1:30 |  50   |
//!       |  40   | a1:10
//! ```
//!
//! With 20 Wh of a block all 30 are met, between 40 and 50: 45. Without it 10 are, at the buyer's 50.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use gridbook_engine::MarketRules;
use support::drawn::story::{Story, timed};

const BOOK: &str = "b1 buys 30 at 50, a1 sells 10 at 40\n";
const BOTH: &str = "b1 buys 30 at 50, a1 sells 10 at 40, b2 buys 30 at 70 for 9, a2 sells 10 at 60 for 9\n";
const WITH: &str = "b1 fills 30@45; a1 fills 10@45; 0=45 Exact";
const WITHOUT: &str = "b1 fills 10@50 left 20; a1 fills 10@50; 0=50 MarginalBuyer";

#[track_caller]
fn tell(book: &str, script: &str) {
    Story::over("").called().tell(&(book.to_owned() + &script.replace("WITHOUT", WITHOUT).replace("WITH", WITH)));
}

#[test]
fn a_block_in_the_money_is_accepted_whole() {
    tell(
        BOOK,
        "block k1 sells at 45 of 8:20 -> k1 rests 20
         held k1                      -> 20
         auction                      -> WITH; k1 fills 20@45; k1 Accepted
         held k1                      -> 0
         unblock k1                   -> refused MatchUnknownOrder",
    );
}

#[test]
fn a_block_that_would_lose_is_rejected_and_what_was_held_for_it_is_freed() {
    tell(
        BOOK,
        "block k1 sells at 51 of 8:20 -> k1 rests 20
         auction                      -> WITHOUT; k1 Rejected
         held k1                      -> 0",
    );
}

/// At 47 it loses with itself in (45), and would have gained without (50).
#[test]
fn a_block_left_out_although_it_would_gain_is_told_so() {
    tell(
        BOOK,
        "block k1 sells at 47 of 8:20
         auction -> WITHOUT; k1 ParadoxicallyRejected",
    );
}

/// 45 in period 8 and 65 in period 9: 55 on average. At 55 it is in, at 56 it is out, although it would like 70 and 50.
#[test]
fn a_block_over_two_periods_counts_their_average() {
    tell(
        BOTH,
        "block k1 sells at 55 of 8:20 9:20 -> k1 rests 40
         auction 8 9 -> WITH; b2 fills 30@65/9; a2 fills 10@65/9; 0/9=65 Exact
         ; k1 fills 20@45 left 20; k1 fills 20@65/9; k1 Accepted",
    );
    tell(
        BOTH,
        "block k1 sells at 56 of 8:20 9:20
         auction 8 9 -> WITHOUT; b2 fills 10@70/9 left 20; a2 fills 10@70/9; 0/9=70 MarginalBuyer
         ; k1 ParadoxicallyRejected",
    );
}

/// A buying block mirrors it: `a1:30@40`, `b1:10@50`, and 20 for the block at 45.
#[test]
fn a_buying_block_pays_no_more_than_its_limit() {
    let book = "a1 sells 30 at 40, b1 buys 10 at 50\n";
    tell(
        book,
        "block k1 buys at 45 of 8:20
         auction -> a1 fills 30@45; b1 fills 10@45; 0=45 Exact; k1 fills 20@45; k1 Accepted",
    );
    tell(
        book,
        "block k1 buys at 44 of 8:20
         auction -> a1 fills 10@40 left 20; b1 fills 10@40; 0=40 MarginalSeller; k1 ParadoxicallyRejected",
    );
    tell(
        book,
        "block k1 buys at 39 of 8:20
         auction -> a1 fills 10@40 left 20; b1 fills 10@40; 0=40 MarginalSeller; k1 Rejected",
    );
}

/// Forty do not fit into a demand of thirty, and a block is never cut.
#[test]
fn a_block_that_does_not_fit_whole_stays_out() {
    tell(
        BOOK,
        "block k1 sells at 10 of 8:31
         auction -> WITHOUT; k1 ParadoxicallyRejected",
    );
}

/// Both of 20 do not fit: the newer one goes.
#[test]
fn of_blocks_that_do_not_fit_together_the_newest_goes_first() {
    tell(
        BOOK,
        "block k1 sells at 30 of 8:20, block k2 sells at 20 of 8:20
         auction -> WITH; k1 fills 20@45; k1 Accepted; k2 ParadoxicallyRejected",
    );
}

/// Both fit (10 + 10), the price is 45: k2 wants 49 and k1 46, so k2, which loses most, goes first. Then the price is 50, and k1 is in.
#[test]
fn of_blocks_that_lose_the_one_that_loses_most_goes_first() {
    tell(
        "b1 buys 30 at 50, a1 sells 10 at 40\n",
        "block k1 sells at 46 of 8:10, block k2 sells at 49 of 8:10
         auction -> b1 fills 20@50 left 10; a1 fills 10@50; 0=50 MarginalBuyer
         ; k1 fills 10@50; k1 Accepted; k2 ParadoxicallyRejected",
    );
}

#[test]
fn a_selling_and_a_buying_block_may_meet() {
    Story::over("").called().tell(
        "block k1 sells at 40 of 8:20, block k2 buys at 40 of 8:20
         a1 sells 5 at 40
         auction -> 0=40 Exact; k1 fills 20@40; k1 Accepted; k2 fills 20@40; k2 Accepted",
    );
}

/// ```text
///     0   b1:30@50
///     |  20/0 fee 3
///     1   k1 20, a1:10@40
/// ```
#[test]
fn a_block_uses_edges_and_their_capacity() {
    let script = |up: u64| {
        format!(
            "capacity 1 up {up} down 0
             b1 buys 30 at 50, a1 sells 10 at 49 in 1, block k1 sells at 20 in 1 of 8:20
             auction -> "
        )
    };
    let story = Story::over("1>0 0/0 fee 3/0").called();
    story.tell(
        &(script(20)
            + "b1 fills 20@50 left 10; edge 1 +20 fee 60 rent 0; 0=50 MarginalBuyer; 1=47 Exact
             ; k1 fills 20@47; k1 Accepted"),
    );
    story.tell(&(script(19) + "0=51 Empty; 1=48 Empty; k1 ParadoxicallyRejected"));
}

#[test]
fn a_block_is_cancelled_by_its_owner_and_by_nobody_else() {
    tell(
        BOOK,
        "block k1 sells at 45 of 8:20 9:5 -> k1 rests 25
         unblock k1 as b -> refused MatchUnknownOrder
         unblock k2      -> refused MatchUnknownOrder
         unblock k1      -> k1 cancelled 25
         held k1         -> 0
         unblock k1      -> refused MatchUnknownOrder
         auction         -> WITHOUT",
    );
}

#[test]
fn a_block_of_a_period_that_was_cleared_without_the_other_is_rejected() {
    tell(
        BOOK,
        "block k1 sells at 20 of 8:20 9:20, block k2 sells at 20 of 9:20
         auction    -> WITHOUT; k1 Rejected
         unblock k2 -> k2 cancelled 20",
    );
}

#[test]
fn a_closed_contract_shuts_its_blocks_out() {
    tell(
        BOOK,
        "block k1 sells at 20 of 8:20 9:20
         close 0 for 9
         due     -> 0
         sweep   -> k1 over by gate 40
         held k1 -> 0
         auction -> WITHOUT",
    );
    tell(
        BOOK,
        "block k1 sells at 20 of 8:20 9:20
         close 0 for 9
         auction 8 9 -> WITHOUT; 0/9=none Empty; k1 Rejected",
    );
}

/// An area cut off by command clears alone and takes no blocks.
#[test]
fn a_contract_cut_off_from_the_others_takes_no_blocks() {
    Story::over("1>0 99/99").called().tell(
        "b1 buys 30 at 50 in 1, a1 sells 10 at 40 in 1
         block k1 sells at 20 in 1 of 8:20
         cut 1
         auction -> b1 fills 10@50 left 20; a1 fills 10@50; 0=none Empty; 1=50 MarginalBuyer; k1 Rejected",
    );
}

/// Periods 8 and 9 open at minutes 60 and 75: at 75 both are in their call phase, at 90 period 8 is cleared without period 9.
#[test]
fn a_block_is_taken_only_in_the_call_phase_of_all_its_periods() {
    let rules = MarketRules { auction_at_open: true, call_ms: 30 * 60_000, cross_area_gate_ms: 10 * 60_000, ..timed() };
    Story::over("").rules(rules).tell(
        "clock 60
         block k1 sells at 20 of 8:20 9:20 -> refused GateNotOpen
         clock 75
         block k1 sells at 20 of 8:20 9:20 -> k1 rests 40
         due     -> 90
         block k1 sells at 20 of 9:20      -> refused MatchDuplicate
         clock 90
         block k2 sells at 20 of 8:5       -> k2 rests 5       // the phase lasts until the auction is held
         sweep                             -> 0=none Empty; k2 Rejected; k1 Rejected
         block k2 sells at 20 of 8:20      -> refused GateNoCall
         block k2 sells at 20 of 9:20      -> k2 rests 20",
    );
}

#[test]
fn a_market_without_opening_auctions_takes_no_blocks() {
    Story::over("").tell("block k1 sells at 20 of 8:20 -> refused GateNoCall");
}

/// Ten each hold all there is: a block needs cover in every period, or none is held.
#[test]
fn a_block_is_covered_in_all_its_periods_or_refused() {
    Story::over("").called().budget(30).tell(
        "block k1 sells at 20 of 8:20 9:11 -> refused CreditHeadroom
         held k1                           -> 0
         block k1 sells at 20 of 8:20 9:10 -> k1 rests 30
         held k1                           -> 30",
    );
}

//! Stories of consensus cores alone: whatever the seed draws, no rule is broken.

use gridbook_ledger::crypto::SignatureMemo;
use gridbook_sim::consensus::{Cast, Climate, Story, Strategy};

fn all_end_well(seeds: std::ops::Range<u64>, story: impl Fn(u64) -> Story) -> (u64, usize) {
    let _memo = SignatureMemo::on_this_thread();
    let (mut views, mut guilty) = (0, 0);
    for seed in seeds {
        let ending = story(seed).run();
        assert_eq!(ending.violation, None, "{:?}\n{}", story(seed), story(seed).tell().told.join("\n"));
        views += ending.views;
        guilty += ending.guilty;
    }
    (views, guilty)
}

#[test]
fn whatever_is_drawn_no_rule_is_broken() {
    let (views, guilty) = all_end_well(0..300, Story::new);
    assert!(views > 600, "views end: {views}");
    assert!(guilty > 10, "liars are found out: {guilty}");
}

#[test]
fn seven_validators_break_no_rule() {
    all_end_well(1_000..1_040, |seed| Story { validators: 7, ..Story::new(seed) });
}

#[test]
fn no_liar_divides_or_stops_the_others() {
    for (number, strategy) in (0..).zip(Strategy::ALL) {
        let seeds = 2_000 + 100 * number..2_010 + 100 * number;
        all_end_well(seeds, |seed| Story { cast: Cast::One(strategy), ..Story::new(seed) });
    }
}

#[test]
fn fair_weather_needs_one_leader_and_no_view_change() {
    let fair = |seed| Story { climate: Climate::Fair, cast: Cast::Honest, ..Story::new(seed) };
    assert_eq!(all_end_well(3_000..3_010, fair).0, 10, "one view each");
}

#[test]
fn an_equivocating_leader_splits_nobody() {
    let guilty = |seed| Story { cast: Cast::One(Strategy::Equivocator), ..Story::new(seed) };
    let (_, guilty) = all_end_well(3_100..3_140, guilty);
    assert!(guilty > 10, "found out in {guilty} of 40");
}

#[test]
fn a_double_voter_is_found_out_and_stops_nothing() {
    let double = |seed| Story { climate: Climate::Fair, cast: Cast::One(Strategy::DoubleVoter), ..Story::new(seed) };
    let (_, guilty) = all_end_well(3_200..3_220, double);
    // Only a leader that hears both votes can tell.
    assert!(guilty > 5, "found out in {guilty} of 20");
}

/// Row 3 of CONSENSUS section 4. Two of seven may be silent, and lead one after the other.
#[test]
fn silent_leaders_in_a_row_do_not_stall_the_view_change() {
    let cast = Cast::One(Strategy::SilentLeader);
    let (views, _) = all_end_well(3_300..3_310, |seed| Story { validators: 7, cast, climate: Climate::Fair, seed });
    assert!(views > 10, "views end: {views}");
}

#[test]
fn no_climate_divides_or_stops_anybody() {
    use Climate::{Crashes, Cut, FewKnow, Laggard, Load, Ragged, RecordLost, Slow, Storm};
    for (number, climate) in (0..).zip([Storm, Crashes, Cut, Slow, FewKnow, RecordLost, Laggard, Ragged]) {
        let seeds = 5_000 + 100 * number..5_012 + 100 * number;
        all_end_well(seeds, |seed| Story { climate, cast: Cast::Honest, ..Story::new(seed) });
    }
    all_end_well(6_000..6_001, |seed| Story { climate: Load, cast: Cast::Honest, ..Story::new(seed) });
}

#[test]
fn the_same_story_has_the_same_trace() {
    let trace = |seed| Story::new(seed).run();
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7).trace, trace(8).trace);
}

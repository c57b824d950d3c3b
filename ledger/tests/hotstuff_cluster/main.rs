//! The consensus core in a whole set of validators: virtual time, a network that drops, doubles, delays and parts, crashes
//! between any two effects, and validators that lie. After every step no two validators have different final headers at one
//! height, finals come once and in order, and no word on disk is contradicted (see `validator.rs`); after healing, everything
//! becomes final.

mod accusations;
mod byzantine;
mod cluster;
mod defects;
mod ring;
mod rng;
mod solo;
mod toy_log;
mod validator;
mod words;

use byzantine::Strategy;
use cluster::{Cluster, Weather};

/// Long after the longest timer times a few leaders that fail.
const BOUND_US: u64 = 40_000_000;

fn run(count: u8, seed: u64, weather: Weather, byzantine: &[(usize, Strategy)]) -> Cluster {
    let mut cluster = Cluster::new(count, seed, weather, byzantine);
    let done = cluster.run_until_all_final(weather.heal_at_us + BOUND_US);
    assert!(done, "seed {seed}, n {count}, {byzantine:?}: not everything became final");
    cluster
}

#[test]
fn fair_weather_needs_one_leader_and_no_view_change() {
    for seed in 0..10 {
        let weather = Weather { heal_at_us: 1_000_000, ..Weather::FAIR };
        let cluster = run(4, seed, weather, &[]);
        assert!(cluster.validators.iter().all(|v| v.core.view() == 1), "seed {seed}");
        cluster.assert_nothing_certified_was_lost();
    }
}

#[test]
fn four_validators_in_a_storm_agree_and_lose_nothing_certified() {
    for seed in 0..100 {
        run(4, seed, Weather::STORM, &[]).assert_nothing_certified_was_lost();
    }
}

#[test]
fn seven_validators_in_a_storm_agree_and_lose_nothing_certified() {
    for seed in 1_000..1_020 {
        run(7, seed, Weather { commands: 6, ..Weather::STORM }, &[]).assert_nothing_certified_was_lost();
    }
}

#[test]
fn an_equivocating_leader_splits_nobody() {
    let mut guilty = 0;
    for seed in 2_000..2_060 {
        let cluster = run(4, seed, Weather::STORM, &[(1, Strategy::Equivocator)]);
        guilty += cluster.guilty.len();
    }
    assert!(guilty > 30, "the equivocator was found out only {guilty} times");
}

#[test]
fn a_leader_that_never_proposes_costs_time_only() {
    for seed in 3_000..3_030 {
        run(4, seed, Weather::STORM, &[(1, Strategy::SilentLeader)]).assert_nothing_certified_was_lost();
    }
}

#[test]
fn a_lying_timeout_does_not_stop_the_next_leader() {
    for seed in 4_000..4_040 {
        run(4, seed, Weather::STORM, &[(2, Strategy::LyingTimeouts)]).assert_nothing_certified_was_lost();
    }
}

#[test]
fn a_double_voter_is_found_out_and_stops_nothing() {
    let mut guilty = 0;
    for seed in 5_000..5_020 {
        guilty += run(4, seed, Weather::FAIR, &[(3, Strategy::DoubleVoter)]).guilty.len();
    }
    assert!(guilty > 10, "the double voter was found out only {guilty} times");
}

#[test]
fn two_liars_of_seven_split_nobody() {
    for seed in 6_000..6_010 {
        let liars = [(1, Strategy::Equivocator), (2, Strategy::LyingTimeouts)];
        run(7, seed, Weather { commands: 5, ..Weather::STORM }, &liars);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| run(4, seed, Weather::STORM, &[]).trace();
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn an_idle_network_is_quiet() {
    let mut cluster = run(4, 1, Weather { heal_at_us: 1_000_000, ..Weather::FAIR }, &[]);
    cluster.run_for(1_000_000);
    let (sent, view) = (cluster.sent, cluster.validators[0].core.view());
    cluster.run_for(60_000_000);
    assert_eq!(cluster.sent, sent, "messages in an idle network");
    assert_eq!(cluster.validators[0].core.view(), view);
}

#[test]
fn a_leader_under_load_serves_its_term_and_hands_over() {
    let weather = Weather { commands: 300, heal_at_us: 5_000_000, ..Weather::FAIR };
    let cluster = run(4, 1, weather, &[]);
    let views: std::collections::BTreeSet<u64> = cluster.finals.values().map(|(_, p)| p.header.rank.view).collect();
    // Terms of 1.5 s in 5 s of load.
    assert!((3..=5).contains(&views.len()), "views {views:?}");
}

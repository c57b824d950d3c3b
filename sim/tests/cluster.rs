//! Many seeds of the cluster simulation: each is a story of its own, and must end well.

use gridbook_sim::cluster::{ClusterConfig, Faults, Report, run};

fn all_end_well(seeds: std::ops::Range<u64>, faults: Faults, validators: usize, virtual_seconds: u64) -> Vec<Report> {
    let story = |seed| run(ClusterConfig { faults, validators, virtual_seconds, ..ClusterConfig::new(seed) });
    seeds
        .map(|seed| story(seed).unwrap_or_else(|error| panic!("{faults:?}, {validators} validators: {error}")))
        .collect()
}

/// Nothing goes wrong: no view is given up but at the end of a leader's term, and there is trade.
#[test]
fn without_trouble_the_market_just_runs() {
    for report in all_end_well(0..2, Faults::None, 4, 8) {
        assert!(report.views <= 2, "{report:?}");
        assert!(report.trades > 5 && report.bundles == report.bundles_final, "{report:?}");
        assert_eq!((report.crashes, report.evidence), (0, 0));
    }
}

/// Validators are killed, the leader too, and come back from their disks.
#[test]
fn kills_and_restarts_lose_nothing_final() {
    let reports = all_end_well(100..110, Faults::Crash, 4, 8);
    assert!(reports.iter().map(|report| report.crashes).sum::<u64>() > 10);
}

/// Messages are lost, doubled, overtaken; groups cannot hear each other; clocks differ.
#[test]
fn a_bad_network_delays_and_divides_nothing() {
    all_end_well(200..210, Faults::Network, 4, 8);
}

/// One of four lies.
#[test]
fn a_byzantine_validator_divides_nothing_and_stops_nothing() {
    all_end_well(300..310, Faults::Byzantine, 4, 8);
}

#[test]
fn everything_at_once() {
    all_end_well(400..408, Faults::All, 4, 8);
    all_end_well(500..502, Faults::All, 7, 6);
}

/// Whoever finds a bad seed must be able to show it to others.
#[test]
fn the_same_seed_twice_is_the_same_story() {
    let story = || all_end_well(600..601, Faults::All, 4, 6).remove(0);
    assert_eq!(story(), story());
}

//! Many seeds of the cluster simulation: each is a story of its own, and must end well.

use std::ops::Range;

use gridbook_sim::cluster::{Attack, ClusterConfig, Faults, Kind, Kinds, Report, run};

fn all_end_well(seeds: Range<u64>, story: impl Fn(u64) -> ClusterConfig) -> Vec<Report> {
    seeds.map(|seed| run(story(seed)).unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn short(seed: u64, faults: Faults, validators: usize) -> ClusterConfig {
    ClusterConfig { faults, validators, virtual_seconds: 8, meters: Some(6), ..ClusterConfig::new(seed) }
}

fn sum(reports: &[Report], of: impl Fn(&Report) -> u64) -> u64 {
    reports.iter().map(of).sum()
}

/// Nothing goes wrong: there is trade, nobody is caught at anything, and everything submitted is final.
#[test]
fn without_trouble_the_market_just_runs() {
    for report in all_end_well(0..3, |seed| short(seed, Faults::None, 4)) {
        assert!(report.commands > 20 && report.bundles == report.bundles_final, "{report:?}");
        assert_eq!((report.crashes, report.evidence), (0, 0));
    }
}

/// Validators are killed or lose power, the leader too, their disks are full or stall, and they come back from what is on them.
#[test]
fn kills_and_restarts_lose_nothing_final() {
    let reports = all_end_well(100..120, |seed| short(seed, Faults::Crash, 4));
    assert!(sum(&reports, |report| report.crashes) > 20);
    assert!(sum(&reports, |report| report.full_disks) > 0);
    assert!(sum(&reports, |report| report.restarts_compared) > 0);
}

/// Messages are lost, doubled, overtaken; groups cannot hear each other; clocks differ and are set.
#[test]
fn a_bad_network_delays_and_divides_nothing() {
    let reports = all_end_well(200..220, |seed| short(seed, Faults::Network, 4));
    assert!(sum(&reports, |report| report.troubles) > 20);
}

/// One of four lies, in each of the ways there are.
#[test]
fn a_byzantine_validator_divides_nothing_and_stops_nothing() {
    let (mut evidence, mut convictions) = (0, 0);
    for (seed, attack) in (300..).zip(Attack::ALL) {
        let story = |seed| ClusterConfig { attack: Some(attack), ..short(seed, Faults::Byzantine, 4) };
        let reports = all_end_well(seed..seed + 1, story);
        evidence += sum(&reports, |report| report.evidence);
        convictions += sum(&reports, |report| report.convictions);
    }
    assert!(evidence > 0 && convictions > 0, "{evidence} proofs, {convictions} of them on the ledger");
}

/// Two of seven lie together.
#[test]
fn two_of_one_party_divide_nothing_and_stop_nothing() {
    for (seed, attack) in (350..).zip(Attack::ALL).step_by(3) {
        let story = |seed| ClusterConfig { attack: Some(attack), ..short(seed, Faults::Byzantine, 7) };
        all_end_well(seed..seed + 1, story);
    }
}

#[test]
fn everything_at_once() {
    let reports = all_end_well(400..430, |seed| short(seed, Faults::All, 4));
    assert!(sum(&reports, |report| report.trades_refereed) > 50);
    assert!(sum(&reports, |report| report.promises_kept) > 200);
    all_end_well(500..504, |seed| short(seed, Faults::All, 7));
}

/// Meters are read, wrongly now and then or not at all; operators read edges, and meters in their owners' place. While validators are
/// killed, lie, and take back what was not final, all of them settle the same, and what is final stays so.
#[test]
fn whatever_happens_deliveries_are_settled_alike() {
    let metered = |seed, faults| ClusterConfig { metered: Some(true), virtual_seconds: 12, ..short(seed, faults, 4) };
    let mut reports = all_end_well(800..806, |seed| metered(seed, Faults::Crash));
    reports.extend(all_end_well(806..818, |seed| metered(seed, Faults::All)));
    assert!(sum(&reports, |report| report.readings) > 300);
    assert!(sum(&reports, |report| report.settled) > 150);
    assert!(sum(&reports, |report| report.settled_again) > 3);
    assert!(sum(&reports, |report| report.frozen) > 0);
    assert!(sum(&reports, |report| report.periods_final) > 60);
}

/// Snapshots are taken and joined by in the middle of settlement.
#[test]
fn whoever_joins_goes_on_settling_where_the_others_are() {
    let with = Kinds::of(&[Kind::Wipe]);
    let calm = |seed| ClusterConfig { faults: Faults::None, metered: Some(true), with, ..ClusterConfig::new(seed) };
    let reports = all_end_well(820..823, calm);
    assert!(sum(&reports, |report| report.joins) > 3);
    assert!(sum(&reports, |report| report.settled) > 300);
}

/// Whoever finds a bad seed must be able to show it to others.
#[test]
fn the_same_seed_twice_is_the_same_story() {
    let story = || all_end_well(600..603, |seed| short(seed, Faults::All, 4));
    assert_eq!(story(), story());
}

/// A Byzantine leader leaves one honest validator out of its last messages, and then all is done: without a word of the others it would
/// know less than they until something happens again.
#[test]
fn who_is_left_out_of_the_last_messages_hears_of_them_from_others() {
    let report = run(ClusterConfig {
        faults: Faults::All,
        virtual_seconds: 20,
        metered: Some(false),
        ..ClusterConfig::new(1_101)
    });
    report.unwrap_or_else(|error| panic!("{error}"));
}

/// Disks are lost, and replaced by empty ones, while others remove the log that is missing. Who lost one follows and signs nothing until the
/// next epoch; it comes back by a snapshot, and ends in the same state as all.
#[test]
fn whoever_lost_its_disk_joins_again_by_a_snapshot() {
    let with = Kinds::of(&[Kind::Wipe]);
    let calm = |seed| ClusterConfig { faults: Faults::None, with, ..ClusterConfig::new(seed) };
    let reports = all_end_well(40..44, calm);
    assert!(sum(&reports, |report| report.disks_lost) > 10);
    assert!(sum(&reports, |report| report.joins) > 8);
    let with = Kinds::of(&[Kind::Wipe, Kind::Kill, Kind::PowerCut, Kind::Split, Kind::Full]);
    all_end_well(700..704, |seed| ClusterConfig { with, virtual_seconds: 12, ..calm(seed) });
}

/// Clocks are set forward and back by seconds while all are killed again and again: a certified header then looks dated far ahead to those who
/// have to carry it into the next view, and was dropped.
#[test]
fn what_was_certified_outlives_clocks_that_are_set_back() {
    let report = run(ClusterConfig {
        faults: Faults::All,
        virtual_seconds: 20,
        metered: Some(false),
        ..ClusterConfig::new(274)
    });
    report.unwrap_or_else(|error| panic!("{error}"));
}

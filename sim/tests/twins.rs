//! Scenarios of Twins: a slice of all of them, and samples of larger ones. `gridbook sim twins` goes through all.

use gridbook_ledger::crypto::SignatureMemo;
use gridbook_sim::twins::{Scenario, Shape, Tally};

fn all_clean(shape: Shape, numbers: impl Iterator<Item = u64>) -> Tally {
    let _memo = SignatureMemo::on_this_thread();
    let mut tally = Tally::default();
    for number in numbers {
        let scenario = Scenario { shape, number };
        let outcome = scenario.run();
        let story = || scenario.tell().told.join("\n");
        assert_eq!(outcome.violation, None, "{number}: {}\n{}", scenario.describe(), story());
        tally.add(number, &outcome);
    }
    tally
}

/// Some thousand of all.
#[test]
fn a_validator_that_runs_twice_divides_nobody() {
    let tally = all_clean(Shape::USUAL, (0..Shape::USUAL.count()).step_by(263));
    assert!(tally.early > tally.scenarios / 4, "in some something is final before all heals: {tally:?}");
    assert!(tally.guilty > tally.scenarios / 20, "in some the copies are found out: {tally:?}");
    assert!(tally.views >= 4, "{tally:?}");
}

#[test]
fn four_rounds_divide_nobody() {
    let shape = Shape { rounds: 4, ..Shape::USUAL };
    all_clean(shape, shape.sample(1, 200));
}

#[test]
fn two_of_seven_that_run_twice_divide_nobody() {
    let shape = Shape { validators: 7, twins: 2, rounds: 3 };
    all_clean(shape, shape.sample(2, 60));
}

#[test]
fn a_number_is_a_scenario_and_always_ends_the_same_way() {
    let scenario = Scenario { shape: Shape::USUAL, number: 123_456 };
    assert_eq!(scenario.run(), scenario.run());
    assert_eq!(scenario.tell().steps, scenario.run().steps);
    assert!(!scenario.tell().told.is_empty());
}

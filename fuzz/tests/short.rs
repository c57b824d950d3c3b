//! Every target takes its seeds, what was once found, and some seconds of mutations. `GRIDBOOK_FUZZ_RUNS=1000000` tries so many
//! for each target instead, `GRIDBOOK_FUZZ_SEED=7` others.

use gridbook_fuzz::scale::Scale;
use gridbook_fuzz::{by_name, campaign, targets};

#[global_allocator]
static SCALE: Scale = Scale;

fn short(name: &str) {
    let target = by_name(name).unwrap_or_else(|| panic!("there is no target {name}"));
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let runs = number("GRIDBOOK_FUZZ_RUNS").unwrap_or_else(|| target.short_runs.into());
    campaign::run(&target, number("GRIDBOOK_FUZZ_SEED").unwrap_or(2026), |tried| tried < runs);
}

macro_rules! short_runs {
    ($($name:ident)*) => {
        $(#[test] fn $name() { short(stringify!($name)); })*

        #[test]
        fn no_target_is_left_out() {
            let tested = [$(stringify!($name)),*];
            let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
            assert_eq!(names, tested);
        }
    };
}

short_runs! {
    frames peer_message replica
    statements
    bundle command door entry execution
    reconfigure epoch_proof
    header record receipt origin history facts
    sequenced evidence
    log_record audit log_segment safety_file safety_record checkpoint_file checkpoint snapshot pieces snapshot_file
    meter_request meter_answer
    genesis order_file auction_files config key_file words
}

/// A target that lets everything through would never find anything: here is one that must break.
#[test]
#[should_panic(expected = "bytes were held")]
fn an_input_that_is_given_much_memory_is_found() {
    let greedy = gridbook_fuzz::Target {
        name: "greedy",
        seeds: || vec![vec![1; 8]],
        run: |bytes| drop(std::hint::black_box(vec![bytes.len(); 1 << 16])),
        held_bytes_max: (1 << 10, 8),
        short_runs: 1,
    };
    campaign::run(&greedy, 1, |tried| tried < 1);
}

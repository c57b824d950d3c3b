//! A validator that is told to end, killed where it hurts, or started where another one runs.

use std::time::Duration;

use rustix::process::Signal;

use crate::house::{Home, gridbook, network};

/// An impatient operator presses Ctrl-C, and again, and something sends SIGTERM too. The first one counts, the end is clean.
#[test]
fn asking_twice_to_end_does_not_spoil_the_end() {
    let home = Home::of(0);
    let mut process = home.start();
    process.wait_until_up();
    for signal in [Signal::TERM, Signal::TERM, Signal::INT, Signal::TERM] {
        process.signal(signal);
        std::thread::sleep(Duration::from_millis(5));
    }
    let (status, said) = process.end();
    assert!(status.success() && said.contains("validator stopped cleanly"), "{status}:\n{said}");
    home.start().runs_and_ends_well();
}

/// Whoever started it dies: its standard input ends, and so does it, as if it had been asked to.
#[test]
fn a_validator_does_not_outlive_whoever_holds_its_standard_input() {
    let home = Home::of(1);
    let mut process = home.start();
    process.wait_until_up();
    process.let_go();
    let (status, said) = process.end();
    assert!(status.success() && said.contains("validator stopped cleanly"), "{status}:\n{said}");
}

/// made | lock | safety | log | index | up: killed at each of these moments, on an empty directory and on one with data. The next start
/// must never find something half made that it refuses.
#[test]
fn a_kill_at_any_moment_of_the_start_leaves_a_directory_that_opens() {
    for full in [false, true] {
        let home = if full { Home::of(0) } else { Home::empty(0) };
        for after_ms in [0, 3, 6, 10, 15, 20, 30, 45, 60, 90, 130, 200] {
            let process = home.start();
            std::thread::sleep(Duration::from_millis(after_ms));
            process.kill();
        }
        home.start().runs_and_ends_well();
    }
}

/// The index is gone, as after a repair; it is made again, and that is killed again and again. In the end it is whole: the log and the
/// index agree, or the start would make it anew once more.
#[test]
fn a_kill_while_the_index_is_made_again_loses_nothing() {
    let home = Home::of(2);
    std::fs::remove_dir_all(home.data().join("index")).unwrap();
    for after_ms in [10, 25, 40, 60, 80, 120, 160] {
        let process = home.start();
        std::thread::sleep(Duration::from_millis(after_ms));
        process.kill();
    }
    home.start().runs_and_ends_well();
    let said = home.start().runs_and_ends_well();
    assert!(!said.contains("made again"), "the index is whole:\n{said}");
    let (data, genesis) = (home.data(), network().join("genesis.json"));
    let verified = gridbook().args(["verify", "chain"]).arg(data).arg("--genesis").arg(genesis).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// Two processes with one key look like a traitor: the second one is refused before it has said anything to anybody.
#[test]
fn a_second_validator_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let home = Home::of(1);
    let mut first = home.start();
    first.wait_until_up();
    home.start().refuses("is in use by another process");
    first.signal(Signal::TERM);
    let (status, said) = first.end();
    assert!(status.success(), "{said}");
}

/// The battery of the clock is empty: it shows an hour before the last final header. The validator starts all the same, and its ledger
/// time does not go back.
#[test]
fn a_validator_whose_clock_went_back_starts_and_keeps_what_it_has() {
    let home = Home::of(0);
    let data = home.data();
    let verified = || {
        let genesis = network().join("genesis.json");
        let output = gridbook().args(["--json", "verify", "chain"]).arg(&data).arg("--genesis").arg(genesis).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let before = verified();
    home.start_with(&["--clock-offset-ms=-3600000"]).runs_and_ends_well();
    let after = verified();
    for kept in ["height", "state_root", "ledger_time_ms", "last_seq"] {
        assert_eq!(before[kept], after[kept], "{kept}");
    }
}

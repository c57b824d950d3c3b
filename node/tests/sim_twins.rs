//! `gridbook sim twins` and `gridbook sim defects` from the command line.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use serde_json::Value;

fn gridbook(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gridbook")).args(arguments).output().unwrap()
}

/// A slice of all scenarios, then one of them by its number, and the same again message by message.
#[test]
fn a_slice_is_clean_and_a_scenario_is_its_number() {
    let slice = gridbook(&["sim", "twins", "--from", "5000", "--to", "5100", "--jobs", "2", "--json"]);
    assert_eq!(slice.status.code(), Some(0), "{slice:?}");
    let tally: Value = serde_json::from_slice(&slice.stdout).unwrap();
    assert_eq!((&tally["scenarios"], &tally["of"]), (&Value::from(100), &Value::from(262_144)));
    assert_eq!(tally["broken"], Value::Array(Vec::new()));
    let one = |more: &[&str]| gridbook(&[&["sim", "twins", "--scenario", "5042", "--json"], more].concat());
    let (plain, told) = (one(&[]), one(&["--trace"]));
    assert_eq!(plain.stdout, told.stdout);
    assert!(plain.stderr.is_empty());
    assert!(String::from_utf8(told.stderr).unwrap().contains("enters view 1"));
}

#[test]
fn a_shape_or_a_number_that_makes_no_sense_is_wrong_usage() {
    for arguments in [
        &["--validators", "5"][..],
        &["--twins", "2"],
        &["--twins", "0"],
        &["--rounds", "0"],
        &["--rounds", "11"],
        &["--scenario", "262144"],
        &["--from", "7", "--to", "7"],
        &["--to", "262145"],
        &["--trace"],
        &["--sample", "5", "--from", "1"],
    ] {
        let output = gridbook(&[&["sim", "twins"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

/// No build that runs a market can leave a rule out, and it says how to make one that can.
#[cfg(not(feature = "defects"))]
#[test]
fn an_ordinary_build_has_no_switches() {
    let output = gridbook(&["sim", "defects"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--features defects"));
}

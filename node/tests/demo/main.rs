//! A whole market day, and what its log says afterwards; and days that are broken off.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod interrupted;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn gridbook(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gridbook")).args(args).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    (output.status.code(), text)
}

fn verified_chain(network: &Path, validator: u16) -> Value {
    let data = network.join(format!("validator-{validator}/data"));
    let genesis = network.join("genesis.json");
    let data = data.to_str().expect("a plain path");
    let (code, text) =
        gridbook(&["--json", "verify", "chain", data, "--genesis", genesis.to_str().expect("a plain path")]);
    assert_eq!(code, Some(0), "the log of validator {validator} holds");
    serde_json::from_str(&text).expect("json")
}

/// A day from its first quarter-hour on: where its network lies, and its report. A busy machine may not have registered the meters in time, and the
/// report says so; then another day is played, with more time before it.
fn whole_day(home: &Path) -> (PathBuf, Value) {
    let day = ["demo", "--meters", "20", "--seconds", "12", "--headless", "--kill-one"];
    for lead in [&[][..], &["--lead", "30"], &["--lead", "150"]] {
        let name = lead.concat();
        let (network, report) = (home.join(format!("day{name}")), home.join(format!("report{name}.json")));
        let (network_arg, report_arg) = (network.to_str().expect("plain"), report.to_str().expect("plain"));
        let kept = ["--keep", network_arg, "--report", report_arg];
        let (code, _) = gridbook(&[&day[..], lead, &kept].concat());
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&report).expect("a report")).expect("json");
        if report["began_late"] == false {
            assert_eq!(code, Some(0), "the day ends well: {report}");
            return (network, report);
        }
    }
    panic!("two and a half minutes are not enough to start four validators and register twenty meters");
}

/// A small town trades a day, and the leader is killed at noon and comes back. Then the input log that each validator wrote is
/// executed again from genesis, twice: the trades, the energy and the roots must be those of the day.
#[test]
fn the_input_log_of_a_day_gives_the_same_trades_and_roots_again_and_again() {
    let home = tempfile::tempdir().expect("a directory");
    let (network, report) = whole_day(home.path());
    let settlement = &report["settlement"];
    assert_eq!(
        (&settlement["periods_settled"], &settlement["periods_final"]),
        (&96.into(), &97.into()),
        "{settlement}"
    );
    assert!(settlement["quarters_estimated"].as_u64() > Some(0) && settlement["violations"] == 0, "{settlement}");
    assert_eq!(report["stories"].as_array().map(Vec::len), Some(4), "{}", report["stories"]);
    assert!(report["trades"].as_u64() > Some(0) && report["receipts"]["verified"] == report["receipts"]["requested"]);

    let chains: Vec<Value> = (0..4).map(|validator| verified_chain(&network, validator)).collect();
    let first = &chains[0];
    assert_eq!(first["trades"], report["trades"], "the log holds the trades that the day reported");
    assert_eq!(first["energy_wh"], report["energy_wh"]);
    assert_eq!(first["money_sum_nano"], "0");
    for (validator, chain) in chains.iter().enumerate() {
        for what in ["state_root", "results", "log_digest", "trades", "height"] {
            assert_eq!(chain[what], first[what], "{what} of validator {validator}");
        }
    }
    assert_eq!(&verified_chain(&network, 0), first, "a second time gives the same");
}

//! Power cuts of four real validators on a disk that forgets what was not flushed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn powercut(report: &Path, more: &[&str]) -> (Output, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbook"));
    command.args(["sim", "powercut", "--json", "--report"]).arg(report).args(more);
    let output = command.output().expect("the binary runs");
    let text = std::fs::read_to_string(report).unwrap_or_else(|_| String::from_utf8_lossy(&output.stdout).into_owned());
    let json = serde_json::from_str(&text);
    let story = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, json.unwrap_or_else(|error| panic!("no report ({error}):\n{text}\n{story}")))
}

/// Twenty times the power of the whole house goes: while the meters trade, while the validators start, while they make their indexes again.
/// Of what was not flushed, sectors are lost here and there. Every safety record that was kept must be found again, every answer must hold.
#[test]
fn nothing_acknowledged_is_lost_in_twenty_power_cuts() {
    let home = tempfile::tempdir().expect("a directory");
    let (output, report) = powercut(&home.path().join("report.json"), &["--cuts", "20", "--seed", "3"]);
    if let Some(why) = report["skipped"].as_str() {
        return eprintln!("skipped: {why}");
    }
    assert!(output.status.success(), "{report:#}\n{}", String::from_utf8_lossy(&output.stderr));
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    assert!(count("/power_cuts") >= 20, "{report:#}");
    for met in
        ["/sectors_lost", "/sectors_kept_unflushed", "/flushes", "/promises_kept", "/bundles/final", "/disk_errors"]
    {
        assert!(count(met) > 0, "{met}: {report:#}");
    }
    assert_eq!(count("/receipts/verified"), count("/bundles/final"));
    assert_eq!(count("/logs_verified"), 4);
}

/// Validators that do not sync their logs lose what they promised when the power goes. A check that does not find that would find nothing.
#[test]
fn what_is_lost_without_syncing_is_found() {
    let home = tempfile::tempdir().expect("a directory");
    let keep = home.path().join("network");
    let keep = keep.to_str().expect("a plain path");
    let more = ["--cuts", "12", "--seed", "4", "--no-sync", "--keep", keep];
    let (output, report) = powercut(&home.path().join("report.json"), &more);
    if let Some(why) = report["skipped"].as_str() {
        return eprintln!("skipped: {why}");
    }
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert!(report["failures"].as_array().is_some_and(|failures| !failures.is_empty()), "{report:#}");
}

//! Real validators under real trouble, and what their disks say afterwards.

use std::process::Command;

use serde_json::Value;

/// Four validators trade for half a minute while they are killed (the leader, a follower, two, all, while starting, while indexing, while
/// ending), stopped, told to end once and twice, cut off, given a bad line and a full disk. The seed shuffles the order. Afterwards every answer
/// that a client got is looked for in the final logs.
#[test]
fn nothing_acknowledged_is_lost_while_validators_are_killed_cut_off_and_starved() {
    let home = tempfile::tempdir().expect("a directory");
    let (network, report) = (home.path().join("network"), home.path().join("report.json"));
    let output = Command::new(env!("CARGO_BIN_EXE_gridbook"))
        .args(["sim", "chaos", "--kills", "20", "--seed", "5", "--meters", "24", "--rate", "60", "--json"])
        .arg("--keep")
        .arg(&network)
        .arg("--report")
        .arg(&report)
        .output()
        .expect("the binary runs");
    let story = String::from_utf8_lossy(&output.stderr);
    let report: Value = match std::fs::read_to_string(&report) {
        Ok(text) => serde_json::from_str(&text).expect("json"),
        Err(error) => panic!("no report ({error}):\n{story}"),
    };
    if !output.status.success() {
        // The directory is about to be removed: what it takes to understand goes along with the failure.
        panic!("{:#}\n{story}", report["failures"]);
    }
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    assert!(count("/kills") >= 20 && count("/restarts") >= count("/kills"), "{report:#}");
    for met in [
        "/pauses",
        "/cut_offs",
        "/bad_lines",
        "/outages",
        "/leader_deaths",
        "/promises_kept",
        "/trades",
        "/sequenced/kept",
        "/certified",
    ] {
        assert!(count(met) > 0, "{met}: {report:#}");
    }
    assert!(count("/bundles/final") > 0 && count("/bundles/unanswered") == 0, "{report:#}");
    assert_eq!(count("/receipts/verified"), count("/bundles/final"), "a receipt for every final bundle");
    assert_eq!(count("/logs_verified"), 4);
    match report["left_out"].as_array().expect("a list") {
        out if out.is_empty() => assert!(count("/full_disks") > 0, "{report:#}"),
        out => eprintln!("skipped here: {out:?}"),
    }
}

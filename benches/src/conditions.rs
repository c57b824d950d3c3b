//! Under what conditions a figure was taken.

use std::fs;
use std::process::Command;

/// One line for every table: machine, load, profile, commit.
pub fn line() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let profile = if cfg!(debug_assertions) { "DEBUG BUILD" } else { "release, thin LTO, overflow checks on" };
    format!("{model}, {cores} cores, load {load} at the start; {profile}; commit {}", commit())
}

/// The commit that was measured, and whether something was changed since.
fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    if changed { format!("{commit} and changes") } else { commit }
}

/// User and system time that a process has used, in seconds; `self` for this one.
pub fn cpu_seconds(process: &str) -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may hold anything; what follows it is numbers.
    let numbers = stat.rsplit_once(") ").map_or("", |(_, numbers)| numbers);
    let field = |place| numbers.split(' ').nth(place).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (field(11) + field(12)) / TICKS_PER_SECOND
}

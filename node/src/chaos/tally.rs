//! What was done to the validators, and when.

use std::collections::BTreeMap;

use super::one_dead::Windows;
use super::power::Lost;

/// Counts of a run's troubles.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How often each kind of trouble was met.
    pub(super) troubles: BTreeMap<&'static str, u64>,
    /// SIGKILLs.
    pub(super) kills: u64,
    /// Starts after the first.
    pub(super) restarts: u64,
    /// SIGSTOPs.
    pub(super) pauses: u64,
    /// Validators cut off.
    pub(super) cut_offs: u64,
    /// Lines that lost and delayed.
    pub(super) bad_lines: u64,
    /// Disks filled.
    pub(super) full_disks: u64,
    /// Validators that ended by themselves because writes or flushes failed.
    pub(super) disk_errors: u64,
    /// Times that the power went.
    pub(super) power_cuts: u64,
    /// What became of the sectors that were not flushed then.
    pub(super) sectors: Lost,
    /// How often the disk was flushed in all.
    pub(super) flushes: u64,
    /// Kinds of trouble that cannot be made on this machine, and why.
    pub(super) left_out: Vec<String>,
    /// Speed with all validators and with one dead, if that was measured.
    pub(super) windows: Windows,
    /// Leaders that were killed.
    pub(super) leader_deaths: Vec<LeaderDeath>,
    /// Times at which more validators were dead than the ledger can do without.
    pub(super) outages: Vec<Outage>,
}

/// A leader was killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaderDeath {
    /// When, in microseconds since the Unix epoch.
    pub(super) at_us: u64,
    /// The view that it led.
    pub(super) view: u64,
}

/// More than f validators were dead, from the moment when the last of them was seen to have ended until the first of them was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    /// In microseconds since the Unix epoch.
    pub(super) from_us: u64,
    /// In microseconds since the Unix epoch.
    pub(super) until_us: u64,
}

//! Whole replicas of four validators, their clocks, disks and network in the hands of the story.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod leaders;
mod quartet;
mod restarts;

//! Storage under bad disks, bad files and power cuts.
#![allow(clippy::unwrap_used)] // A test may stop where it stands.

mod batches;
mod bench;
mod checkpoint;
mod data_dir;
mod facts;
mod incoming;
mod index;
mod log;
mod log_damage;
mod log_power;
mod origins;
mod prune;
mod safety;
mod sums;

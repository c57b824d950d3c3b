//! What a network goes through that runs for years: validators come and go, disks are lost, old log is let go of. Over QUIC and real disks.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod epochs;
mod house;
mod join;
mod lost;
#[path = "../validators/mod.rs"]
mod validators;

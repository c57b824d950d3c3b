//! One validator process: signals, disks and clocks that are not as they should be.

#![allow(clippy::unwrap_used)] // A test may stop where it stands.

mod house;
mod signals;
mod storage;

//! A leader breaks its word, and a client brings the proof of it: four validator processes, over QUIC on loopback, logs synced to disk.
//!
//! No honest leader does that, so the tests lie in its name, with its key: about a view that it really led, on places that are really
//! final. All tests share one network, which holds nothing against anybody but what they hand in.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod absurd;
mod door;
mod forged;
mod house;
mod liar;
mod lying_door;
mod quota;
mod story;
#[path = "../validators/mod.rs"]
mod validators;

//! Against a real network: four validator processes of this binary, over QUIC on loopback, logs synced to disk.
//!
//! All tests share one network. Each has meters of its own, so that they do not disturb each other's nonces, money and headroom.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod book;
mod connections;
mod fixture;
mod proofs;
mod receipts;
mod registry;
mod sequenced;
mod statement;
mod trade;
#[path = "../validators/mod.rs"]
mod validators;
mod watch;

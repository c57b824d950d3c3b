//! Gridbook's ledger.
#![deny(clippy::float_arithmetic)]
pub mod admission;
pub mod bytes;
pub mod command;
pub mod crypto;
pub mod entry;
pub mod genesis;
pub mod header;
pub mod hotstuff;
pub mod merkle;
pub mod receipt;
pub mod record;
pub mod reject;
pub mod replica;
pub mod state;
pub mod store;
pub mod validators;

//! Gridbook's ledger.
#![deny(clippy::float_arithmetic)]
pub mod bytes;
pub mod crypto;
pub mod header;
pub mod hotstuff;
pub mod validators;

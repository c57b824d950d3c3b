//! Gridbook's ledger.
#![deny(clippy::float_arithmetic)]
pub mod crypto;

//! Everything behind the `gridbook` binary: the validator process, the meter protocol and its client library, the command line
//! and the demo. The crate has no rules of the market and none of the consensus protocol: those are the ledger's and the engine's.

// A command must not end because nobody can read its remarks: see `note`.
#![warn(clippy::print_stderr)]

#[macro_use]
mod note;

pub mod admin;
pub mod amounts;
mod area_report;
pub mod auction_file;
mod bill;
pub mod chaos;
pub mod cli;
pub mod client;
mod cluster;
mod columns;
mod conduct_text;
pub mod config;
pub mod demo;
pub mod epoch_file;
mod free_ports;
mod interrupt;
pub mod keyfile;
#[cfg(test)]
mod lies;
pub mod logging;
pub mod metrics;
pub mod moment;
pub mod network;
pub mod order_file;
mod pieces;
pub mod protocol;
mod receipts;
pub mod record_text;
mod registration;
mod settled_text;
pub mod uses;
pub mod validator;
pub mod whole_file;

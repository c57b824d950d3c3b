//! Order files: JSON lines, one command a line, run through a market offline; for replay, backtests and conformance.
//!
//! A line goes through these rooms:
//!
//! | module | makes of it |
//! |---|---|
//! | `reader` | bytes, unzipped, one line at a time |
//! | `line`, `number` | a typed line, names still text |
//! | `plan`, `names`, `id_set`, `routes`, `setup` | a `command` in numbers for one shard or for all, or a [`Refusal`] |
//! | `shard`, `wide` | events of a [`FileMarket`] |
//! | `answer`, `output`, `final_books` | lines of text or JSON, and the closing digest |
//!
//! **Architecture invariant:** what a file answers depends on the file alone: not on how many lines are planned ahead, nor over how
//! many markets its periods are spread, nor on the build.
//!
//! **Architecture invariant:** every line that is not blank and cannot be carried out is answered with a code and a sentence, and
//! changes no market.
//!
//! **Architecture invariant:** memory grows with what rests and with the names, ids and periods that a file uses, never with its length.

mod answer;
mod command;
mod final_books;
mod id_set;
mod line;
mod market;
mod names;
mod number;
mod output;
mod plan;
mod reader;
mod refusal;
mod routes;
mod runner;
mod setup;
mod shard;
mod wide;

pub use market::FileMarket;
pub use names::ISLANDS_MAX;
pub use output::{Format, Tally};
pub use reader::{LINE_BYTES_MAX, LineReader, RawLine};
pub use refusal::Refusal;
pub use runner::{Progress, RunError, Settings, Summary, run};

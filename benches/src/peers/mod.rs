//! Order books of others, driven by the same operations. Behind the feature `peers`.
//!
//! Each keeps one book per contract in a plain list, and is driven through what its own documentation names as the way in.
//! Their self-trade checks are off where they have any; no trade of a workload depends on one.

mod lobster;
mod matchcore;
mod orderbook_rs;

pub use lobster::Lobster;
pub use matchcore::{Matchcore, NamedMatchcore};
pub use orderbook_rs::OrderbookRs;

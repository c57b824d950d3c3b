//! What the benchmarks share: seeded workloads, the engines they drive, a small town for the ledger, and how figures are taken
//! and printed. The benchmarks themselves are in `benches/`; what they measured is in `README.md`.
//!
//! Every workload is drawn from a seed before the clock starts. Every table names its conditions.

pub mod allocations;
pub mod cluster;
pub mod conditions;
pub mod contenders;
pub mod cores;
pub mod dice;
mod drawer;
pub mod driven;
pub mod engines;
pub mod grid;
pub mod history;
pub mod lengths;
pub mod load;
pub mod measure;
#[cfg(feature = "peers")]
pub mod peers;
pub mod proof;
pub mod purses;
pub mod town;
pub mod trading;
pub mod week;
pub mod workload;

//! What the benchmarks share: seeded workloads, the engines they drive, a small town for the ledger, and how figures are taken
//! and printed. The benchmarks themselves are in `benches/`; what they measured is in `README.md`.
//!
//! Every workload is drawn from a seed before the clock starts. Every table names its conditions.

pub mod cluster;
pub mod conditions;
pub mod dice;
pub mod engines;
pub mod load;
pub mod measure;
#[cfg(feature = "peers")]
pub mod peer;
pub mod proof;
pub mod town;
pub mod trading;
pub mod workload;

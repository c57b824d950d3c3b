//! Conduct: what misconduct and faults cost, by fixed numbers and from proofs on the ledger only (MARKET section 7, Collateral; DESIGN
//! section 4).
//!
//! An account begins with a score of [`SCORE_FULL`]. The score decides which share of the imbalance that its trades may cause must be
//! covered by collateral. Nothing here is an opinion: what is entered, and what for, follows from records and signatures that anybody
//! can check.
//!
//! What it never does: look at the state, or decide what is true.

mod share;

pub use share::{SCORE_FULL, ShareRules};

//! Every decoder and verifier that sees bytes from outside, as a function that takes any bytes at all and must come back.
//!
//! A [`Target`] is a plain function with its invariants inside: what was decoded encodes to what it was decoded from, a proof that
//! verifies says only what somebody signed, a refusal changes nothing. A broken invariant panics, as the code under test does when it
//! breaks. [`seeds`](Target::seeds) are made by the production encoders, so that mutation begins deep inside of the formats.
//!
//! Three things drive the targets: `tests/short.rs` with a seeded mutator for some seconds on every run of the tests, the example
//! `campaign` with the same mutator for as long as one likes, and libFuzzer, which is guided by coverage, from the folder
//! `libfuzzer`. What they find is kept in `found/` and tried again by every run of the tests.
//!
//! What it never does: it has no rules of its own about what is valid. It is not part of any binary.

pub mod campaign;
mod chain;
mod dice;
mod mutator;
mod quartet;
pub mod scale;
mod targets;
mod village;

pub use dice::Dice;
pub use mutator::Mutator;
pub use targets::{Target, by_name, targets};

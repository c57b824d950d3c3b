//! The replicated state from outside: entries in, records out, and what the accounts say afterwards.

#![allow(clippy::unwrap_used)]

mod money;
mod orders;
mod random;
mod refusals;
mod snapshots;
mod town;
mod work;

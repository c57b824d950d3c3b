//! The ledger of the Gridbook electricity market: signed commands, log, HotStuff consensus, replicated state, proofs and storage.
//!
//! The way through it: bytes of a gateway become a [`command::SignedBundle`], pass [`admission`] and are
//! [`admission::Admitted`], get their place in the log as an [`entry::Entry`], are executed by [`state::State`] with one
//! [`record::Record`] for each command, are covered by a [`header::Header`], made final by [`hotstuff`], and proven by a
//! [`receipt::Receipt`]. [`replica::Replica`] joins all of that in one pure core; [`store`] keeps it on disk.
//!
//! What it never does: read a clock or a socket, start a thread, compute with floats, or iterate over an unordered map where the
//! order could be seen. Only [`store`] touches a disk, and only [`crypto`] asks the system for randomness, to make keys.
//!
//! Architecture invariant: signed and hashed bytes are laid by hand ([`bytes`]); archives of rkyv carry messages and snapshots,
//! are validated on the way in, and are never signed or hashed.
//!
//! Architecture invariant: refused at admission, a command leaves no trace; refused in execution, it is in the log, its nonce is used,
//! and its result can be proven.

#![deny(clippy::float_arithmetic)]

pub mod admission;
pub mod bytes;
pub mod command;
pub mod conduct;
pub mod consent;
pub mod crypto;
pub mod defects;
pub mod entry;
pub mod epoch;
pub mod evidence;
pub mod genesis;
pub mod header;
pub mod hotstuff;
pub mod merkle;
pub mod origin;
pub mod receipt;
pub mod record;
pub mod registry;
pub mod reject;
#[cfg(test)]
#[path = "../../engine/tests/support/repeatable.rs"]
mod repeatable;
pub mod replica;
pub mod sequenced;
pub mod settlement;
pub mod shelf;
pub mod snapshot;
pub mod state;
pub mod store;
pub mod validators;

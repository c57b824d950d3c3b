//! Two-chain HotStuff with Jolteon's view change and the carry rule (CONSENSUS sections 2 and 3), sans-IO.
//!
//! [`Core`] takes [`Input`]s and gives [`Effect`]s. It knows headers, certificates and views; it knows the log only by digests,
//! through [`LogView`]. It never reads a clock, a socket or a disk, and never executes a command.

mod boundary;
mod carry;
mod cert_bytes;
mod certificate;
mod commit;
mod core;
mod finality;
mod follow;
mod form;
mod idle;
mod lead;
mod messages;
mod pacemaker;
mod requests;
mod sayings;
#[cfg(test)]
pub(crate) mod scenes;
mod start;
pub(crate) mod statement;
mod timeouts;
mod tree;
mod views;
mod vote_rule;
mod votes;

pub use self::core::Core;
pub use boundary::{
    Body, CoreConfig, Effect, FinalHeader, Input, LogRelation, LogView, Recipient, SafetyRecord, Timing, Verdict,
    WallTime,
};
pub use certificate::CertError;
pub(crate) use form::check_certificates;
pub use form::{FormError, HEADER_COMMANDS_MAX, SLOTS_LIMIT};
pub use messages::{ConsensusMessage, Proposal, QcNote, QuorumCert, Timeout, TimeoutCert, TimeoutEntry, Vote};

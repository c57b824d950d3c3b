//! Two-chain HotStuff with Jolteon's view change.
mod boundary;
mod messages;
pub use boundary::{
    Body, CoreConfig, Effect, FinalHeader, Input, LogRelation, LogView, Recipient, SafetyRecord, Timing, Verdict,
    WallTime,
};
pub use messages::{ConsensusMessage, Proposal, QcNote, QuorumCert, Timeout, TimeoutCert, TimeoutEntry, Vote};

//! The replica's door: what happens to it, and what it wants done.

use crate::admission::Admitted;
use crate::crypto::Hash;
use crate::epoch::{EpochProof, Reconfigure};
use crate::hotstuff::{ConsensusMessage, Proposal, Recipient, SafetyRecord, WallTime};
use crate::validators::ValidatorIndex;

use super::log_record::{FinalProof, LogRecord};
use super::messages::{PeerMessage, VerifiedChunk, VerifiedRun, VerifiedStep};
use super::snapshot::TakenSnapshot;

/// What happens to a replica. Whatever came from outside has been verified by then, which the types say.
#[derive(Clone, Debug)]
pub enum Input {
    /// Everything durable was read: begin.
    Start,
    /// Signed bundles that were admitted here, from this validator's own clients.
    Submitted(Vec<Admitted>),
    /// Signed bundles that another validator relayed, admitted here.
    Relayed(Vec<Admitted>),
    /// A consensus message from an authenticated validator.
    Consensus {
        /// Who sent it.
        from: ValidatorIndex,
        /// What it says.
        message: ConsensusMessage,
    },
    /// A piece of log from the leader of a view.
    Chunk(VerifiedChunk),
    /// The leader of a view signed a chunk that breaks the rules.
    BadChunk {
        /// The epoch.
        epoch: u32,
        /// The view.
        view: u64,
    },
    /// The answer to a pull.
    Pulled(VerifiedRun),
    /// A validator asks for a piece of log.
    Pull {
        /// Who.
        from: ValidatorIndex,
        /// Up to where.
        target: crate::header::LogPoint,
        /// From where on.
        floor_seq: u64,
    },
    /// Final headers from another validator, with their log.
    Synced(Vec<VerifiedStep>),
    /// A validator asks for final headers.
    SyncRequest {
        /// Who.
        from: ValidatorIndex,
        /// The first height wanted.
        from_height: u64,
    },
    /// A change of validators, from a client or another validator.
    Reconfigure(Box<Reconfigure>),
    /// Another validator tells how epochs ended. Nothing of it was verified.
    Epochs {
        /// Who.
        from: ValidatorIndex,
        /// The proofs, oldest first.
        proofs: Vec<EpochProof>,
    },
    /// A connection to a validator is up.
    Connected(ValidatorIndex),
    /// Everything before the [`Effect::Notify`] of this number is durable.
    Durable(u64),
    /// No more input is waiting: send what has gathered. Also when [`Effect::WakeAt`] is due.
    Tick,
}

/// A final header with all that it did.
#[derive(Clone, Debug)]
pub struct FinalStep {
    /// The header, with the certificate it builds on.
    pub proposal: Proposal,
    /// Its hash.
    pub hash: Hash,
    /// The canonical records of its commands, in sequence.
    pub records: Vec<Vec<u8>>,
    /// Its bundles, in sequence.
    pub bundles: Vec<FinalBundle>,
    /// What proves it, with the last of several that became final at once.
    pub proof: Option<Box<FinalProof>>,
}

/// A bundle in a final header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalBundle {
    /// Its content hash.
    pub id: Hash,
    /// The sequence number of its first command.
    pub first_seq: u64,
    /// How many commands it has.
    pub count: u64,
}

/// What a replica wants done, in this order.
#[derive(Clone, Debug)]
#[must_use]
pub enum Effect {
    /// Append to the log; need not be durable yet.
    Append(LogRecord),
    /// Make everything appended so far durable, then write the safety record durably.
    Persist(Box<SafetyRecord>),
    /// Say [`Input::Durable`] once everything before this is durable.
    Notify(u64),
    /// Send once everything before this is durable: the sender's word depends on it.
    Send {
        /// To whom.
        to: Recipient,
        /// What.
        message: ConsensusMessage,
    },
    /// Send at once: nothing is promised by it.
    Post {
        /// To whom.
        to: Recipient,
        /// What.
        message: PeerMessage,
    },
    /// Answer another validator's sync request out of the log.
    ServeSync {
        /// Who asks.
        to: ValidatorIndex,
        /// The first height wanted.
        from_height: u64,
    },
    /// A header is final: tell those who wait, and index it.
    Final(Box<FinalStep>),
    /// A new epoch began: connections follow its validators, which [`Replica::epochs`](super::Replica::epochs) tells.
    Epoch(u32),
    /// The state as of the header that became final just now, for those who join later: to be kept with this place in the log.
    Snapshot(Box<TakenSnapshot>),
    /// A new view began.
    View {
        /// The view.
        view: u64,
        /// Its leader.
        leader: ValidatorIndex,
    },
    /// Two statements that no honest validator makes.
    Evidence {
        /// Whose.
        culprit: ValidatorIndex,
        /// What.
        what: &'static str,
    },
    /// The validators certified something that differs from own execution: stop, and look into it.
    Halt(String),
    /// Call with [`Input::Tick`] at this time; replaces any earlier wish.
    WakeAt(WallTime),
}

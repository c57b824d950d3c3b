//! The replica's door: what happens to it, and what it wants done.

use crate::admission::Admitted;
use crate::command::BundleId;
use crate::crypto::Hash;
use crate::epoch::{EpochProof, Reconfigure};
use crate::evidence::VerifiedEvidence;
use crate::header::HeaderRef;
use crate::hotstuff::{ConsensusMessage, Proposal, Recipient, SafetyRecord, WallTime};
use crate::sequenced::{Place, SequencedChunk};
use crate::validators::ValidatorIndex;

use super::join::{SnapshotEffect, VerifiedSnapshotMessage};
use super::log_record::{FinalProof, LogRecord};
use super::messages::{PeerMessage, VerifiedChunk, VerifiedRun, VerifiedStep};

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
    Chunk(Box<VerifiedChunk>),
    /// The leader of a view signed a chunk that breaks the rules.
    BadChunk {
        /// The epoch.
        epoch: u32,
        /// The view.
        view: u64,
    },
    /// The answer to a pull.
    Pulled {
        /// Who sent it.
        from: ValidatorIndex,
        /// The entries.
        run: VerifiedRun,
    },
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
    Synced {
        /// Who sent them.
        from: ValidatorIndex,
        /// The headers, oldest first.
        steps: Vec<VerifiedStep>,
    },
    /// Proof that a validator broke the rules, from another one; checked.
    Evidence(Box<VerifiedEvidence>),
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
    /// What [`Effect::ServeSync`] wanted was sent, or there was nothing to send.
    Served {
        /// To whom.
        to: ValidatorIndex,
        /// How long it was.
        bytes: u64,
    },
    /// A validator said something about snapshots.
    Snapshot {
        /// Who.
        from: ValidatorIndex,
        /// What.
        message: VerifiedSnapshotMessage,
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

impl FinalBundle {
    /// A bundle at its place.
    pub(super) fn at(place: Place) -> Self {
        Self { id: place.entry, first_seq: place.first_seq, count: place.count }
    }
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
    /// Answer another validator's sync request out of the log, and say [`Input::Served`].
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
    /// Something about snapshots.
    Snapshot(SnapshotEffect),
    /// A new view began.
    View {
        /// The view.
        view: u64,
        /// Its leader.
        leader: ValidatorIndex,
    },
    /// A validator is proven to have broken the rules, in a way that was not known of it before.
    Evidence(Box<VerifiedEvidence>),
    /// The leader of this view gave these bundles their places, and said so under its signature: S0. They are not final.
    Sequenced(Box<SequencedChunk>),
    /// A quorum certified a header that covers these bundles: S1. They are not final.
    Certified {
        /// The header.
        header: HeaderRef,
        /// The bundles that it covers and none told of before did, in sequence.
        bundles: Vec<FinalBundle>,
    },
    /// A bundle of an own client is final already, and was told of as such before.
    AlreadyFinal(BundleId),
    /// The validators certified something that differs from own execution: stop, and look into it.
    Halt(String),
    /// Call with [`Input::Tick`] at this time; replaces any earlier wish.
    WakeAt(WallTime),
}

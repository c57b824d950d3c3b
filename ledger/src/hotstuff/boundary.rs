//! The core's door: what goes in and what comes out.

use super::messages::{ConsensusMessage, Proposal, QuorumCert, TimeoutCert};
use crate::crypto::{Hash, SecretKey};
use crate::epoch::EpochProof;
use crate::evidence::Evidence;
use crate::header::{Header, HeaderRef, LogPoint, Rank};
use crate::validators::{ValidatorIndex, ValidatorSet};

/// Wall time in microseconds since the Unix epoch, made monotonic by whoever supplies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

/// How two places in (possibly different) logs relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRelation {
    /// The same place.
    Same,
    /// The first log runs through the second place and further.
    FirstContainsSecond,
    /// The second log runs through the first place and further.
    SecondContainsFirst,
    /// They part before either ends.
    Conflict,
    /// Not all of it is known here.
    Unknown,
}

/// What the core asks about the logs it knows only by their digests.
pub trait LogView {
    /// How two places relate.
    fn relation(&self, first: LogPoint, second: LogPoint) -> LogRelation;

    /// Whether a header of this ledger time is so far in the future that no honest validator can have voted for it: it would be held
    /// until its time has come, for longer than clocks differ. A log without time has no such headers.
    fn is_far_ahead(&self, _time_ms: u64) -> bool {
        false
    }
}

/// The answer to [`Effect::Check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Log, results and state are what the header says, and its time may be voted for.
    Holds,
    /// Own execution of the same log gives something else.
    Differs,
}

/// What the leader's log and execution put into a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// See [`Header`].
    pub time_ms: u64,
    /// See [`Header`].
    pub first_seq: u64,
    /// See [`Header`].
    pub last_seq: u64,
    /// See [`Header`].
    pub log_digest: Hash,
    /// See [`Header`].
    pub inputs_root: Hash,
    /// See [`Header`].
    pub results_root: Hash,
    /// See [`Header`].
    pub state_root: Hash,
    /// See [`Header`].
    pub snapshot_root: Hash,
    /// See [`Header`].
    pub flags: u32,
    /// See [`Header`].
    pub next_set_hash: Hash,
}

/// What happens to the core.
#[derive(Clone, Debug)]
pub enum Input {
    /// The process is up and everything durable was read: resume (CONSENSUS section 3, restart).
    Start,
    /// A message from an authenticated validator.
    Message {
        /// Who sent it.
        from: ValidatorIndex,
        /// What it says.
        message: ConsensusMessage,
    },
    /// The answer to [`Effect::Check`]. It may come late or never.
    Checked {
        /// The header.
        hash: Hash,
        /// What was found.
        verdict: Verdict,
    },
    /// The answer to [`Effect::Build`], for that rank. Ignored if the core has moved on.
    Built {
        /// The rank asked for.
        rank: Rank,
        /// What to propose.
        body: Body,
    },
    /// Whether commands are known here that are not yet sequenced, or duties that the leader lets lie. Sent when it changes.
    Waiting(bool),
    /// The log plane proved the leader of this view faulty (a chunk that breaks the rules).
    LeaderFault {
        /// The view.
        view: u64,
    },
    /// More of the log is known than before: ask [`LogView`] again where it said unknown.
    LogGrew,
    /// Headers and their certificates from another validator's store, oldest first, each already executed and found to hold.
    CaughtUp(Vec<Proposal>),
    /// Another validator says that this epoch has ended, and proves it.
    EpochEnded(Box<EpochProof>),
    /// Time passed.
    Tick,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// One validator, never oneself.
    One(ValidatorIndex),
    /// Every other validator.
    Others,
}

/// What must be on disk before the core's word is given (CONSENSUS section 3, record).
#[derive(Clone, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SafetyRecord {
    /// The validator set's number.
    pub epoch: u32,
    /// Rank and hash of the last header voted for.
    pub last_voted: Option<HeaderRef>,
    /// The vote's bytes, to be sent again.
    pub last_vote: Vec<u8>,
    /// The last view given up; 0 if none was.
    pub timeout_view: u64,
    /// The timeout's bytes, to be sent again.
    pub last_timeout: Vec<u8>,
    /// The highest certificate seen.
    pub high_qc: QuorumCert,
    /// The highest timeout certificate seen.
    pub high_tc: Option<TimeoutCert>,
    /// The last rank proposed.
    pub led: Rank,
}

/// A header that is final, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalHeader {
    /// The header, with the certificate it builds on.
    pub proposal: Proposal,
    /// Its hash.
    pub hash: Hash,
}

/// What the core wants done, in this order. An effect that persists stands before the sends it protects.
#[derive(Clone, Debug)]
#[must_use]
pub enum Effect {
    /// Append a proposal to the log: it is about to be voted for, proposed or certified.
    KeepProposal(Box<Proposal>),
    /// Make the log durable, then write the record durably.
    Persist(Box<SafetyRecord>),
    /// Send, once everything before it is durable.
    Send {
        /// To whom.
        to: Recipient,
        /// What.
        message: ConsensusMessage,
    },
    /// Find out whether a header's log, results and state hold, pulling the log from the sources if it is missing, and answer
    /// with [`Input::Checked`].
    Check {
        /// The header.
        header: Box<Header>,
        /// Who should have its log, the likeliest first.
        sources: Vec<ValidatorIndex>,
    },
    /// This validator leads and may propose at this rank: answer with [`Input::Built`] as soon as there is log, at once if `tail`.
    Build {
        /// The rank to propose at.
        rank: Rank,
        /// The header to build on; the log continues after its end.
        parent: Box<Header>,
        /// The log must run at least to here, with this digest.
        carry: Option<LogPoint>,
        /// Whether an empty header is wanted, to make final what is not yet.
        tail: bool,
    },
    /// The log up to a place is needed to judge a tip; pull it and say [`Input::LogGrew`].
    PullLog {
        /// The place.
        point: LogPoint,
        /// Who should have it.
        sources: Vec<ValidatorIndex>,
    },
    /// A new view: whoever led before leads no more.
    EnteredView {
        /// The view.
        view: u64,
        /// Its leader.
        leader: ValidatorIndex,
    },
    /// The term of this validator as leader is over: append nothing more to the log in this view. What is sequenced is still
    /// asked for by [`Effect::Build`] and made final, then the view ends.
    TermOver {
        /// The view.
        view: u64,
    },
    /// These are final, oldest first, each told once. After one that ends the epoch nothing is told any more.
    Final {
        /// Oldest first, never empty.
        headers: Vec<FinalHeader>,
        /// From the last one to the parent of C: none but at the end of an epoch, whose last header may be final only by a descendant's
        /// child, and that descendant never is.
        via: Vec<Header>,
        /// Header C: the direct child of the last of all these, consecutive in its view.
        child: Box<Header>,
        /// The certificate of C.
        qc: QuorumCert,
    },
    /// A certified header is far ahead of what is known here: fetch headers and log from others.
    Behind {
        /// The certified header.
        target: HeaderRef,
        /// Who should have it.
        sources: Vec<ValidatorIndex>,
    },
    /// Two statements of one signer that no honest validator makes; verified.
    Evidence {
        /// Whose.
        culprit: ValidatorIndex,
        /// The two statements.
        evidence: Box<Evidence>,
    },
    /// A certified header differs from own execution: stop voting.
    Diverged {
        /// The header.
        header: HeaderRef,
    },
    /// Call with [`Input::Tick`] at this time; replaces any earlier wish.
    WakeAt(WallTime),
}

/// Durations of the pacemaker, in wall-clock milliseconds (CONSENSUS section 3, timer and term).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The timer's first value, before anything was measured.
    pub first_ms: u64,
    /// The timer is never shorter.
    pub min_ms: u64,
    /// The timer is never longer.
    pub max_ms: u64,
    /// How long a leader serves.
    pub term_ms: u64,
    /// How long others wait beyond that.
    pub term_grace_ms: u64,
    /// How many headers a leader may propose in one view.
    pub slots_max: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self { first_ms: 1_000, min_ms: 50, max_ms: 8_000, term_ms: 10_000, term_grace_ms: 1_000, slots_max: 10_000 }
    }
}

/// What the core is made from.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// The validators.
    pub set: ValidatorSet,
    /// Which of them this is; [`ValidatorIndex::OBSERVER`] if it is none: then it follows and signs nothing.
    pub me: ValidatorIndex,
    /// Its key.
    pub key: SecretKey,
    /// The epoch's number.
    pub epoch: u32,
    /// What the epoch begins after: the genesis header, or the one that ended the epoch before. Under this epoch's rank (0, 0) it is its
    /// root.
    pub root: Header,
    /// The pacemaker's durations.
    pub timing: Timing,
}

//! Proof that a validator broke the rules: two statements under one key that no honest validator makes together, or one that stands against
//! what a quorum certified or made final (CONSENSUS section 3, Evidence).
//!
//! An [`Evidence`] stands for itself: whoever knows the chain and the validators of its epoch can check it, offline, and believes
//! nobody. Statements are compared, never signatures: the same statement signed twice proves nothing. A kind of misconduct is in here
//! only if nothing that an honest validator does, crashes and restarts included, can look like it: what an honest validator signs is on its disk
//! first, and never contradicts what is there.
//!
//! What it never does: find evidence (the consensus core, the replica and clients do) or punish.

mod bytes;
mod execution;
mod kept;
mod leading;
mod statement;
#[cfg(test)]
mod tests;
mod voting;

pub use bytes::EVIDENCE_BYTES_MAX;
pub use kept::{EvidenceKey, KeptEvidence};
pub use statement::{SignedHeader, SignedTimeout, Statement};

use crate::crypto::Hash;
use crate::validators::{ValidatorIndex, ValidatorSet};

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EvidenceKind {
    /// Proposed two headers of one rank.
    DoubleProposal = 1,
    /// Signed two chunks of one number in one view.
    DoubleChunk = 2,
    /// Led one view along two logs: chunks that do not follow each other, or a header that ends beside them.
    TwoLogs = 3,
    /// Voted for two headers of one rank.
    DoubleVote = 4,
    /// Gave one view up with two different statements.
    DoubleTimeout = 5,
    /// Voted in a view that it gave up, or hid that vote when it gave the view up.
    VoteAfterTimeout = 6,
    /// Forgot a certificate or a vote of its own: a timeout knows less than what was signed in an earlier view.
    Amnesia = 7,
    /// Gave a place in the log of its view to an entry by an S0 receipt, and to another, or to one although another was final there.
    ReceiptBreach = 8,
    /// Proposed a header with other results than the quorum's for the same log.
    ExecutionFault = 9,
}

impl EvidenceKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::DoubleProposal,
        Self::DoubleChunk,
        Self::TwoLogs,
        Self::DoubleVote,
        Self::DoubleTimeout,
        Self::VoteAfterTimeout,
        Self::Amnesia,
        Self::ReceiptBreach,
        Self::ExecutionFault,
    ];

    /// The kind with this number, as files and the wire carry it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::DoubleProposal => "double proposal",
            Self::DoubleChunk => "double chunk",
            Self::TwoLogs => "two logs in one view",
            Self::DoubleVote => "double vote",
            Self::DoubleTimeout => "double timeout",
            Self::VoteAfterTimeout => "vote after timeout",
            Self::Amnesia => "amnesia",
            Self::ReceiptBreach => "receipt breach",
            Self::ExecutionFault => "execution fault",
        }
    }

    /// Whether only a leader can do it, so that its view is to be given up.
    pub fn is_of_leader(self) -> bool {
        matches!(
            self,
            Self::DoubleProposal | Self::DoubleChunk | Self::TwoLogs | Self::ReceiptBreach | Self::ExecutionFault
        )
    }

    /// Whether the statements, in this order, contradict each other in this way. Signatures are not looked at.
    fn contradicts(self, a: &Statement, b: &Statement) -> bool {
        match self {
            Self::DoubleProposal => leading::double_proposal(a, b),
            Self::DoubleChunk => leading::double_chunk(a, b),
            Self::TwoLogs => leading::two_logs(a, b),
            Self::DoubleVote => voting::double_vote(a, b),
            Self::DoubleTimeout => voting::double_timeout(a, b),
            Self::VoteAfterTimeout => voting::vote_after_timeout(a, b),
            Self::Amnesia => voting::amnesia(a, b),
            Self::ReceiptBreach => leading::receipt_breach(a, b),
            Self::ExecutionFault => execution::fault(a, b),
        }
    }

    /// Whether the two statements could change places: then the one whose bytes are less stands first, so that a pair is one
    /// evidence and not two.
    fn is_symmetric(self) -> bool {
        matches!(self, Self::DoubleProposal | Self::DoubleChunk | Self::DoubleVote | Self::DoubleTimeout)
    }
}

/// Two statements and what they prove together. Nothing is proven until [`Evidence::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What was done.
    pub kind: EvidenceKind,
    /// The first statement.
    pub a: Statement,
    /// The second.
    pub b: Statement,
}

/// Why an evidence proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Of another validator set.
    #[error("a statement is of epoch {found}, and these are the validators of epoch {expected}")]
    Epoch {
        /// What the statement says.
        found: u32,
        /// What it was checked against.
        expected: u32,
    },
    /// Of two signers.
    #[error("the statements are of two validators, {} and {}", .0.0, .1.0)]
    Signers(ValidatorIndex, ValidatorIndex),
    /// Of nobody in the set.
    #[error("a signer is not in the validator set")]
    Stranger,
    /// They fit together, or are the same, or are not what this kind is made of.
    #[error("the statements do not contradict each other in this way")]
    Compatible,
    /// The pair stands the other way round.
    #[error("the statements are not in their order")]
    Order,
    /// Of another ledger.
    #[error("a statement is of another ledger")]
    Chain,
    /// Not signed by whom it names, or not of this chain.
    #[error("a statement is not signed by the validator that it names, on this chain")]
    Signature,
}

impl Evidence {
    /// What two statements prove, in whichever order they were found; nothing if they fit together. Signatures are not looked at.
    pub fn of(a: Statement, b: Statement) -> Option<Self> {
        let found = |kind: &EvidenceKind| {
            if kind.contradicts(&a, &b) {
                Some((*kind, true))
            } else if kind.contradicts(&b, &a) {
                Some((*kind, false))
            } else {
                None
            }
        };
        let (kind, mut in_order) = EvidenceKind::ALL.iter().find_map(found)?;
        if kind.is_symmetric() {
            in_order = a.encode() < b.encode();
        }
        let (a, b) = if in_order { (a, b) } else { (b, a) };
        Some(Self { kind, a, b })
    }

    /// The epoch whose validators it must be checked against.
    pub fn epoch(&self) -> u32 {
        self.a.epoch()
    }

    /// The view in which it was done, or first.
    pub fn view(&self) -> u64 {
        self.a.view()
    }

    /// Whom it accuses, of these validators. Nothing is proven by that.
    pub fn accused(&self, set: &ValidatorSet) -> Option<ValidatorIndex> {
        self.a.signer(set)
    }

    /// Checks all of it against the validators of an epoch, and says who did it.
    ///
    /// # Errors
    /// Says why it proves nothing.
    pub fn verify(&self, chain: Hash, epoch: u32, set: &ValidatorSet) -> Result<ValidatorIndex, EvidenceError> {
        for statement in [&self.a, &self.b] {
            if statement.chain().is_some_and(|found| found != chain) {
                return Err(EvidenceError::Chain);
            }
            if statement.epoch() != epoch {
                return Err(EvidenceError::Epoch { found: statement.epoch(), expected: epoch });
            }
        }
        let culprit = self.accused(set).ok_or(EvidenceError::Stranger)?;
        // What a quorum certified or made final has no one signer; it stands against the first statement's.
        if let Some(other) = self.b.signer(set).filter(|other| *other != culprit) {
            return Err(EvidenceError::Signers(culprit, other));
        }
        if set.key(culprit).is_none() {
            return Err(EvidenceError::Stranger);
        }
        if !self.kind.contradicts(&self.a, &self.b) {
            return Err(EvidenceError::Compatible);
        }
        if self.kind.is_symmetric() && self.a.encode() >= self.b.encode() {
            return Err(EvidenceError::Order);
        }
        let signed = [&self.a, &self.b].iter().all(|statement| statement.verify(chain, set));
        if signed { Ok(culprit) } else { Err(EvidenceError::Signature) }
    }
}

/// Evidence that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvidence {
    culprit: ValidatorIndex,
    evidence: Evidence,
}

impl VerifiedEvidence {
    /// Checks an evidence.
    ///
    /// # Errors
    /// As [`Evidence::verify`].
    pub fn check(evidence: Evidence, chain: Hash, epoch: u32, set: &ValidatorSet) -> Result<Self, EvidenceError> {
        evidence.verify(chain, epoch, set).map(|culprit| Self { culprit, evidence })
    }

    /// Who did it.
    pub fn culprit(&self) -> ValidatorIndex {
        self.culprit
    }

    /// What proves it.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What it is kept under: one of each kind is enough against a validator in an epoch.
    pub fn key(&self) -> EvidenceKey {
        EvidenceKey { epoch: self.evidence.epoch(), culprit: self.culprit, kind: self.evidence.kind }
    }
}

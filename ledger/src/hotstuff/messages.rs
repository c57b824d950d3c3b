//! What validators say to each other about headers (CONSENSUS section 2).

use rkyv::{Archive, Deserialize, Serialize};

use crate::crypto::{Hash, Signature};
use crate::header::{Header, HeaderRef, Rank};
use crate::validators::ValidatorIndex;

/// 2f + 1 votes for one header. The certificate of an epoch's root is empty and has rank (0, 0).
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct QuorumCert {
    /// The validator set's number.
    pub epoch: u32,
    /// What was voted for.
    pub header: HeaderRef,
    /// Who voted, a bit for each validator: nobody can be named twice.
    pub signers: u64,
    /// Their signatures, by ascending index.
    pub signatures: Vec<Signature>,
}

/// A header on offer, with what makes it votable.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Proposal {
    /// The header.
    pub header: Header,
    /// The proposer's signature over it.
    pub signature: Signature,
    /// Certificate of the header it builds on.
    pub justify: QuorumCert,
    /// What opened the view; only in slot 0, and not in view 1.
    pub tc: Option<TimeoutCert>,
}

/// A validator's word that it checked a header, sent to the view's leader.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Vote {
    /// The validator set's number.
    pub epoch: u32,
    /// What is voted for.
    pub header: HeaderRef,
    /// Who votes.
    pub voter: ValidatorIndex,
    /// Signature over chain, epoch, rank and hash.
    pub signature: Signature,
}

/// A validator's word that it gave a view up.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Timeout {
    /// The validator set's number.
    pub epoch: u32,
    /// The view given up.
    pub view: u64,
    /// The highest certificate the sender knows.
    pub high_qc: QuorumCert,
    /// The last header the sender voted for, if any.
    pub tip: Option<HeaderRef>,
    /// Who gives up.
    pub voter: ValidatorIndex,
    /// Signature over chain, epoch, view, rank of `high_qc`, and tip.
    pub signature: Signature,
    /// The certificate by which the sender entered the view, if it entered by one. Outside the signature.
    pub entry: Option<TimeoutCert>,
}

/// What a timeout certificate keeps of one timeout.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TimeoutEntry {
    /// Who gave up.
    pub voter: ValidatorIndex,
    /// The rank of its highest certificate.
    pub high_qc_rank: Rank,
    /// The last header it voted for.
    pub tip: Option<HeaderRef>,
    /// Its signature.
    pub signature: Signature,
}

/// 2f + 1 validators gave a view up: the only way into slot 0 of the next.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct TimeoutCert {
    /// The validator set's number.
    pub epoch: u32,
    /// The view given up.
    pub view: u64,
    /// Distinct voters, by ascending index.
    pub entries: Vec<TimeoutEntry>,
    /// The highest of the entries' certificates.
    pub high_qc: QuorumCert,
}

/// The last certificate, told to all when nothing follows it.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct QcNote {
    /// The certificate.
    pub qc: QuorumCert,
    /// What opened the view the sender is in, for one that was left behind.
    pub tc: Option<TimeoutCert>,
}

impl ConsensusMessage {
    /// The epoch that it belongs to; none for questions, which name a header by its hash.
    pub fn epoch(&self) -> Option<u32> {
        match self {
            Self::Proposal(proposal) | Self::HeaderResponse(proposal) => Some(proposal.header.epoch),
            Self::Vote(vote) => Some(vote.epoch),
            Self::Timeout(timeout) => Some(timeout.epoch),
            Self::TimeoutCert(tc) => Some(tc.epoch),
            Self::QcNote(note) => Some(note.qc.epoch),
            Self::HeaderRequest(_) => None,
        }
    }
}

/// Everything on the consensus plane.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum ConsensusMessage {
    /// A header on offer.
    Proposal(Box<Proposal>),
    /// A vote.
    Vote(Vote),
    /// A view given up.
    Timeout(Box<Timeout>),
    /// A view closed.
    TimeoutCert(Box<TimeoutCert>),
    /// The last certificate.
    QcNote(Box<QcNote>),
    /// Asks for a header by hash.
    HeaderRequest(Hash),
    /// Answers with the whole proposal.
    HeaderResponse(Box<Proposal>),
}

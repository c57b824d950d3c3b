//! What validators sign, each taken out of the message that it came in.

use crate::crypto::{Hash, Signature};
use crate::header::{Header, HeaderRef, Rank};
use crate::hotstuff::{Proposal, QuorumCert, Timeout, Vote, statement};
use crate::merkle::Path;
use crate::receipt::Receipt;
use crate::record::leaf_hash;
use crate::sequenced::{ChunkStatement, SequencedReceipt};
use crate::validators::{ValidatorIndex, ValidatorSet};

/// A header and its proposer's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header.
    pub header: Header,
    /// The signature of the proposer that it names.
    pub signature: Signature,
}

/// What a timeout's signature is over, and the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedTimeout {
    /// The validator set's number.
    pub epoch: u32,
    /// The view given up.
    pub view: u64,
    /// The rank of the highest certificate known to the voter.
    pub high_qc_rank: Rank,
    /// The last header it voted for.
    pub tip: Option<HeaderRef>,
    /// Who gave up.
    pub voter: ValidatorIndex,
    /// Its signature.
    pub signature: Signature,
}

/// Something that a validator signed, or that stands against what it signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A proposal, without the certificates that came with it.
    Header(Box<SignedHeader>),
    /// A chunk of a leader's log.
    Chunk(ChunkStatement),
    /// A vote.
    Vote(Vote),
    /// A vote, with the header it is for.
    VoteFor(Vote, Box<Header>),
    /// A view given up.
    Timeout(SignedTimeout),
    /// An S0 receipt.
    Sequenced(Box<SequencedReceipt>),
    /// A proposal, and a record under its results root.
    Result {
        /// The proposal.
        header: Box<SignedHeader>,
        /// The record's canonical bytes.
        record: Vec<u8>,
        /// The way from its leaf to the header's results root.
        path: Path,
    },
    /// A header that a quorum certified. It is nobody's statement: 2f + 1 validators executed its log and found what it says.
    Certified(Box<Header>, QuorumCert),
    /// A record that is final, with what made it so; without the proofs of epochs. It is nobody's statement: 2f + 1 validators made it final, and
    /// the honest among them voted for no header of a view but its leader's.
    Final(Box<Receipt>),
}

impl Statement {
    /// That of a proposal.
    pub fn of_proposal(proposal: &Proposal) -> Self {
        let Proposal { header, signature, .. } = proposal;
        Self::Header(Box::new(SignedHeader { header: header.clone(), signature: *signature }))
    }

    /// That of a timeout.
    pub fn of_timeout(timeout: &Timeout) -> Self {
        Self::Timeout(SignedTimeout {
            epoch: timeout.epoch,
            view: timeout.view,
            high_qc_rank: timeout.high_qc.rank(),
            tip: timeout.tip,
            voter: timeout.voter,
            signature: timeout.signature,
        })
    }

    /// That of a final receipt.
    pub fn of_receipt(receipt: &Receipt) -> Self {
        Self::Final(Box::new(Receipt { epochs: Vec::new(), ..receipt.clone() }))
    }

    /// The ledger that it names itself, where it does. The others are bound to theirs by their signatures.
    pub(super) fn chain(&self) -> Option<Hash> {
        match self {
            Self::Header(signed) | Self::Result { header: signed, .. } => Some(signed.header.chain),
            Self::VoteFor(_, header) | Self::Certified(header, _) => Some(header.chain),
            Self::Final(receipt) => Some(receipt.child.chain),
            Self::Chunk(_) | Self::Vote(_) | Self::Timeout(_) | Self::Sequenced(_) => None,
        }
    }

    /// The validator set's number.
    pub fn epoch(&self) -> u32 {
        match self {
            Self::Header(signed) | Self::Result { header: signed, .. } => signed.header.epoch,
            Self::Chunk(chunk) => chunk.epoch,
            Self::Vote(vote) | Self::VoteFor(vote, _) => vote.epoch,
            Self::Timeout(timeout) => timeout.epoch,
            Self::Sequenced(receipt) => receipt.chunk.epoch,
            Self::Certified(header, _) => header.epoch,
            Self::Final(receipt) => receipt.child.epoch,
        }
    }

    /// The view it is about.
    pub fn view(&self) -> u64 {
        match self {
            Self::Header(signed) | Self::Result { header: signed, .. } => signed.header.rank.view,
            Self::Chunk(chunk) => chunk.view,
            Self::Vote(vote) | Self::VoteFor(vote, _) => vote.header.rank.view,
            Self::Timeout(timeout) => timeout.view,
            Self::Sequenced(receipt) => receipt.chunk.view,
            Self::Certified(header, _) => header.rank.view,
            Self::Final(receipt) => receipt.child.rank.view,
        }
    }

    /// Who has to have signed it; nobody for what a quorum certified or made final.
    pub(super) fn signer(&self, set: &ValidatorSet) -> Option<ValidatorIndex> {
        match self {
            Self::Header(signed) | Self::Result { header: signed, .. } => Some(signed.header.proposer),
            Self::Chunk(chunk) => Some(chunk.leader(set)),
            Self::Vote(vote) | Self::VoteFor(vote, _) => Some(vote.voter),
            Self::Timeout(timeout) => Some(timeout.voter),
            Self::Sequenced(receipt) => Some(receipt.chunk.leader(set)),
            Self::Certified(..) | Self::Final(_) => None,
        }
    }

    /// Whether its signer signed it on this chain, and what it shows besides hangs on what was signed.
    pub(super) fn verify(&self, chain: Hash, set: &ValidatorSet) -> bool {
        match self {
            Self::Header(signed) => signed.verify(chain, set),
            Self::Chunk(chunk) => chunk.verify(chain, set),
            Self::Vote(vote) => vote.verify(chain, set),
            Self::VoteFor(vote, header) => vote.header == header.reference() && vote.verify(chain, set),
            Self::Timeout(timeout) => timeout.verify(chain, set),
            Self::Sequenced(receipt) => receipt.verify(chain, receipt.chunk.epoch, set).is_ok(),
            Self::Result { header, record, path } => {
                path.verify(&leaf_hash(record), &header.header.results_root) && header.verify(chain, set)
            }
            Self::Certified(header, qc) => {
                let fits = header.chain == chain && qc.header == header.reference() && qc.epoch == header.epoch;
                fits && qc.verify(chain, set).is_ok()
            }
            Self::Final(receipt) => {
                receipt.epochs.is_empty() && receipt.verify_within(chain, receipt.child.epoch, set).is_ok()
            }
        }
    }
}

impl SignedHeader {
    fn verify(&self, chain: Hash, set: &ValidatorSet) -> bool {
        let signed = statement::proposal_bytes(&self.header);
        self.header.chain == chain
            && set.key(self.header.proposer).is_some_and(|key| key.verify(&signed, &self.signature))
    }
}

impl SignedTimeout {
    fn verify(&self, chain: Hash, set: &ValidatorSet) -> bool {
        let signed = statement::timeout_bytes(chain, self.epoch, self.view, self.high_qc_rank, self.tip);
        set.key(self.voter).is_some_and(|key| key.verify(&signed, &self.signature))
    }
}

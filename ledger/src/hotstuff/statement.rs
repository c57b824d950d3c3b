//! What validators sign: canonical bytes under a domain tag, the chain and the epoch (CONSENSUS section 2).

use super::messages::{Proposal, Timeout, Vote};
use crate::bytes::Writer;
use crate::crypto::{Hash, SecretKey};
use crate::header::{Header, HeaderRef, Rank};
use crate::validators::{ValidatorIndex, ValidatorSet};

/// The bytes of a vote. They do not name the voter: the key does, and so one message serves a whole certificate.
pub(super) fn vote_bytes(chain: Hash, epoch: u32, header: HeaderRef) -> Vec<u8> {
    let mut w = Writer::new();
    w.domain("gridbook/vote/1").bytes(&chain.0).u32(epoch);
    w.u64(header.rank.view).u32(header.rank.slot).bytes(&header.hash.0);
    w.finish()
}

/// The bytes of a timeout.
pub(crate) fn timeout_bytes(chain: Hash, epoch: u32, view: u64, high_qc_rank: Rank, tip: Option<HeaderRef>) -> Vec<u8> {
    let mut w = Writer::new();
    w.domain("gridbook/timeout/1").bytes(&chain.0).u32(epoch).u64(view);
    w.u64(high_qc_rank.view).u32(high_qc_rank.slot).u8(tip.is_some().into());
    let tip = tip.unwrap_or_default();
    w.u64(tip.rank.view).u32(tip.rank.slot).bytes(&tip.hash.0);
    w.finish()
}

/// The bytes of a proposal: the header's hash stands for all of it.
pub(crate) fn proposal_bytes(header: &Header) -> Vec<u8> {
    let mut w = Writer::new();
    w.domain("gridbook/proposal/1").bytes(&header.chain.0).u32(header.epoch).bytes(&header.hash().0);
    w.finish()
}

impl Vote {
    /// A signed vote.
    pub fn sign(chain: Hash, epoch: u32, header: HeaderRef, voter: ValidatorIndex, key: &SecretKey) -> Self {
        let signature = key.sign(&vote_bytes(chain, epoch, header));
        Self { epoch, header, voter, signature }
    }

    /// What its signature is over.
    pub fn signed_bytes(&self, chain: Hash) -> Vec<u8> {
        vote_bytes(chain, self.epoch, self.header)
    }

    /// Whether its voter signed it.
    #[must_use]
    pub fn verify(&self, chain: Hash, set: &ValidatorSet) -> bool {
        set.key(self.voter).is_some_and(|key| key.verify(&self.signed_bytes(chain), &self.signature))
    }
}

impl Timeout {
    /// What its signature is over: the rank of its certificate, not the certificate, and not the entry.
    pub fn signed_bytes(&self, chain: Hash) -> Vec<u8> {
        timeout_bytes(chain, self.epoch, self.view, self.high_qc.rank(), self.tip)
    }

    /// Whether its voter signed it. Says nothing about the certificates in it.
    #[must_use]
    pub fn verify(&self, chain: Hash, set: &ValidatorSet) -> bool {
        set.key(self.voter).is_some_and(|key| key.verify(&self.signed_bytes(chain), &self.signature))
    }
}

impl Proposal {
    /// What the proposer's signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        proposal_bytes(&self.header)
    }

    /// The proposer's signature over a header.
    pub fn sign(header: &Header, key: &SecretKey) -> crate::crypto::Signature {
        key.sign(&proposal_bytes(header))
    }

    /// Whether the proposer it names signed it. Says nothing about the certificates in it.
    #[must_use]
    pub fn verify(&self, set: &ValidatorSet) -> bool {
        set.key(self.header.proposer).is_some_and(|key| key.verify(&self.signed_bytes(), &self.signature))
    }
}

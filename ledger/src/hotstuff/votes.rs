//! The leader's ballot box for the header it proposed last.

use std::collections::BTreeMap;

use super::certificate::quorum_of_votes;
use super::messages::{QuorumCert, Vote};
use crate::crypto::{Batch, Hash, Signature};
use crate::defects::{Defect, omits};
use crate::header::HeaderRef;
use crate::validators::{ValidatorIndex, ValidatorSet};

/// At most one vote of each validator, for the one rank that is voted on. Signatures are verified together when there are
/// enough; a bad one is dropped and the rest still count.
#[derive(Debug)]
pub(super) struct VoteBox {
    target: HeaderRef,
    votes: BTreeMap<ValidatorIndex, Ballot>,
    done: bool,
}

#[derive(Clone, Debug)]
struct Ballot {
    vote: Vote,
    verified: bool,
}

/// What came of a vote.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nothing yet.
    Waiting,
    /// The header is certified.
    Certified(QuorumCert),
    /// The voter voted for two headers of one rank.
    Double(Box<[Vote; 2]>),
}

impl VoteBox {
    pub(super) fn new(target: HeaderRef) -> Self {
        Self { target, votes: BTreeMap::new(), done: false }
    }

    pub(super) fn target(&self) -> HeaderRef {
        self.target
    }

    /// What a voter said in this box, verified or not.
    pub(super) fn vote_of(&self, voter: ValidatorIndex) -> Option<&Vote> {
        self.votes.get(&voter).map(|ballot| &ballot.vote)
    }

    /// The votes whose signatures were found to hold.
    pub(super) fn verified(&self) -> impl Iterator<Item = &Vote> {
        self.votes.values().filter(|ballot| ballot.verified).map(|ballot| &ballot.vote)
    }

    /// Counts a vote for the target's rank.
    pub(super) fn add(&mut self, vote: Vote, chain: Hash, set: &ValidatorSet) -> Counted {
        if vote.header.rank != self.target.rank || set.key(vote.voter).is_none() {
            return Counted::Waiting;
        }
        if let Some(double) = self.double(&vote, chain, set) {
            return Counted::Double(Box::new(double));
        }
        let fits = vote.header == self.target;
        let replaces = self.votes.get(&vote.voter).is_none_or(|b| b.vote.header != self.target && fits);
        if replaces {
            self.votes.insert(vote.voter, Ballot { vote, verified: false });
        }
        if fits { self.tally(chain, set) } else { Counted::Waiting }
    }

    /// Two votes of one voter for different headers, both really signed.
    fn double(&mut self, vote: &Vote, chain: Hash, set: &ValidatorSet) -> Option<[Vote; 2]> {
        let ballot = self.votes.get(&vote.voter)?;
        let resigned = omits(Defect::ResignedIsDouble) && ballot.vote.signature != vote.signature;
        let differ = ballot.vote.header != vote.header || resigned;
        let signed = differ && vote.verify(chain, set) && (ballot.verified || ballot.vote.verify(chain, set));
        signed.then(|| [ballot.vote.clone(), vote.clone()])
    }

    fn tally(&mut self, chain: Hash, set: &ValidatorSet) -> Counted {
        let target = self.target;
        let quorum = quorum_of_votes(set);
        if self.done || self.votes.values().filter(|b| b.vote.header == target).count() < quorum {
            return Counted::Waiting;
        }
        self.verify_pending(chain, set);
        let votes: Vec<&Vote> = self.votes.values().map(|b| &b.vote).filter(|v| v.header == target).collect();
        if votes.len() < quorum {
            return Counted::Waiting;
        }
        let signers = votes.iter().fold(0, |bits, v| bits | 1 << v.voter.0);
        let signatures: Vec<Signature> = votes.iter().map(|v| v.signature).collect();
        let qc = QuorumCert { epoch: votes[0].epoch, header: target, signers, signatures };
        self.done = true;
        Counted::Certified(qc)
    }

    fn verify_pending(&mut self, chain: Hash, set: &ValidatorSet) {
        let target = self.target;
        let mut batch = Batch::default();
        let mut voters = Vec::new();
        for ballot in self.votes.values().filter(|b| !b.verified && b.vote.header == target) {
            let Some(key) = set.key(ballot.vote.voter) else { continue };
            batch.push(key, &ballot.vote.signed_bytes(chain), &ballot.vote.signature);
            voters.push(ballot.vote.voter);
        }
        let mut bad = batch.verify().err().map(|e| e.bad).unwrap_or_default();
        if omits(Defect::OddVotePoisons) || omits(Defect::QcSignatures) {
            bad.clear();
        }
        for (place, voter) in voters.iter().enumerate() {
            if bad.contains(&place) {
                self.votes.remove(voter);
            } else if let Some(ballot) = self.votes.get_mut(voter) {
                ballot.verified = true;
            }
        }
    }
}

//! What each validator was last heard to sign, to notice when it contradicts itself later.
//!
//! Timeouts go to all, votes to the leader only: so a leader sees votes without timeouts that should name them, and everybody sees
//! timeouts that forget earlier ones.

use std::collections::{BTreeMap, BTreeSet};

use super::boundary::Effect;
use super::core::Core;
use super::messages::{Timeout, Vote};
use crate::crypto::Hash;
use crate::evidence::{Evidence, EvidenceKind, SignedTimeout, Statement};
use crate::header::Header;
use crate::validators::ValidatorIndex;

/// One vote and one timeout of each validator, the highest that were verified; so whatever is said takes no more room.
#[derive(Debug, Default)]
pub(super) struct Sayings {
    votes: BTreeMap<ValidatorIndex, Vote>,
    timeouts: BTreeMap<ValidatorIndex, SignedTimeout>,
    /// What was proven already: it is not looked for again.
    accused: BTreeSet<(ValidatorIndex, EvidenceKind)>,
}

impl Sayings {
    /// Remembers a verified vote.
    pub(super) fn remember_vote(&mut self, vote: &Vote) {
        let last = self.votes.get(&vote.voter).map(|last| last.header.rank);
        if last.is_none_or(|last| last < vote.header.rank) {
            self.votes.insert(vote.voter, vote.clone());
        }
    }

    /// Remembers a verified timeout.
    fn remember_timeout(&mut self, timeout: SignedTimeout) {
        let last = self.timeouts.get(&timeout.voter).map(|last| last.view);
        if last.is_none_or(|last| last < timeout.view) {
            self.timeouts.insert(timeout.voter, timeout);
        }
    }

    /// What a timeout proves together with what is remembered of its voter; `header` knows headers by hash.
    fn against_timeout(&self, timeout: &Timeout, header: impl Fn(Hash) -> Option<Header>) -> Vec<Evidence> {
        let voter = timeout.voter;
        let vote = self.votes.get(&voter);
        let whole = vote.and_then(|vote| Some(Statement::VoteFor(vote.clone(), Box::new(header(vote.header.hash)?))));
        let earlier = self.timeouts.get(&voter).map(|earlier| Statement::Timeout(*earlier));
        let said = [vote.cloned().map(Statement::Vote), whole, earlier];
        let pairs = said.into_iter().flatten().filter_map(|said| Evidence::of(said, Statement::of_timeout(timeout)));
        pairs.filter(|evidence| !self.accused.contains(&(voter, evidence.kind))).collect()
    }
}

impl Core {
    /// Compares a timeout, whose signature may not have been looked at yet, with what its voter signed before.
    pub(super) fn compare_timeout(&mut self, timeout: &Timeout, out: &mut Vec<Effect>) {
        if let Some(vote) = self.votes.as_ref().and_then(|votes| votes.vote_of(timeout.voter)).cloned()
            && vote.verify(self.chain, &self.set)
        {
            self.sayings.remember_vote(&vote);
        }
        let header = |hash| self.tree.header(hash).cloned();
        for evidence in self.sayings.against_timeout(timeout, header) {
            self.accuse(evidence, out);
        }
    }

    /// Remembers a timeout whose signature holds.
    pub(super) fn remember_timeout(&mut self, timeout: &Timeout) {
        if let Statement::Timeout(said) = Statement::of_timeout(timeout) {
            self.sayings.remember_timeout(said);
        }
    }

    /// Two statements of one signer: if they contradict each other and are really signed, everybody is to know.
    pub(super) fn accuse_by(&mut self, a: Statement, b: Statement, out: &mut Vec<Effect>) {
        if let Some(evidence) = Evidence::of(a, b) {
            self.accuse(evidence, out);
        }
    }

    fn accuse(&mut self, evidence: Evidence, out: &mut Vec<Effect>) {
        let Ok(culprit) = evidence.verify(self.chain, self.epoch, &self.set) else { return };
        let is_new = self.sayings.accused.insert((culprit, evidence.kind));
        // Proposals are few, one pair for each rank; votes and timeouts cost nothing to make up.
        if is_new || evidence.kind.is_of_leader() {
            out.push(Effect::Evidence { culprit, evidence: Box::new(evidence) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Signature;
    use crate::header::{HeaderRef, Rank};

    /// A Byzantine validator signs votes and timeouts of a million ranks: one of each is remembered.
    #[test]
    fn a_flood_of_statements_leaves_one_vote_and_one_timeout_for_each_voter() {
        let mut sayings = Sayings::default();
        let (voter, signature) = (ValidatorIndex(2), Signature([0; 64]));
        for view in 0..1_000 {
            let rank = Rank { view, slot: 0 };
            let header = HeaderRef { rank, hash: Hash::ZERO };
            sayings.remember_vote(&Vote { epoch: 0, header, voter, signature });
            let tip = Some(header);
            sayings.remember_timeout(SignedTimeout { epoch: 0, view, high_qc_rank: rank, tip, voter, signature });
        }
        assert_eq!((sayings.votes.len(), sayings.timeouts.len()), (1, 1));
        assert_eq!(sayings.votes[&voter].header.rank.view, 999);
    }
}

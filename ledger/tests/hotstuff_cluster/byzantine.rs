//! Validators that do not keep to the rules. Each runs a real core and changes what it says.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_ledger::crypto::{Hash, Signature};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, QcNote, QuorumCert, Recipient, Vote};
use gridbook_ledger::validators::ValidatorIndex;

use crate::ring::{Ring, index};
use crate::toy_log::{Universe, state_root};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Never proposes.
    SilentLeader,
    /// Proposes two headers at each rank, to one half each, and certifies whatever it can.
    Equivocator,
    /// Reports a tip that does not exist and no certificate.
    LyingTimeouts,
    /// Votes for everything it hears of, and for something that nobody proposed.
    DoubleVoter,
}

pub(crate) struct Byzantine {
    strategy: Strategy,
    heard: BTreeMap<(Rank, Hash), BTreeMap<ValidatorIndex, Signature>>,
}

type Sends = Vec<(Recipient, ConsensusMessage)>;

impl Byzantine {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self { strategy, heard: BTreeMap::new() }
    }

    pub(crate) fn hear(&mut self, ring: &Ring, me: usize, message: &ConsensusMessage) -> Sends {
        match (self.strategy, message) {
            (Strategy::Equivocator, ConsensusMessage::Vote(vote)) => self.certify(ring, me, vote),
            (Strategy::DoubleVoter, ConsensusMessage::Proposal(proposal)) => {
                let header = proposal.header.reference();
                let made_up = HeaderRef { rank: header.rank, hash: Hash::of("toy/made-up", &header.hash.0) };
                let leader = Recipient::One(ring.set.leader(header.rank.view));
                let votes = [made_up, header].map(|h| ConsensusMessage::Vote(ring.vote(me, h)));
                votes
                    .into_iter()
                    .map(|vote| (leader, vote))
                    .filter(|(to, _)| *to != Recipient::One(index(me)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Adds its own vote to those of others and tells only some of the certificate.
    fn certify(&mut self, ring: &Ring, me: usize, vote: &Vote) -> Sends {
        let votes = self.heard.entry((vote.header.rank, vote.header.hash)).or_default();
        votes.insert(vote.voter, vote.signature);
        votes.insert(index(me), ring.vote(me, vote.header).signature);
        if votes.len() < ring.set.quorum() {
            return Vec::new();
        }
        let signers = votes.keys().fold(0, |bits, v| bits | 1 << v.0);
        let signatures = votes.values().copied().collect();
        let qc = QuorumCert { epoch: 0, header: vote.header, signers, signatures };
        let note = ConsensusMessage::QcNote(Box::new(QcNote { qc, tc: None }));
        vec![(Recipient::One(index((me + 1) % ring.keys.len())), note)]
    }

    pub(crate) fn say(
        &mut self,
        ring: &Ring,
        universe: &mut Universe,
        has: &mut BTreeSet<Hash>,
        me: usize,
        to: Recipient,
        message: ConsensusMessage,
    ) -> Sends {
        match (self.strategy, message) {
            (Strategy::SilentLeader, ConsensusMessage::Proposal(_)) => Vec::new(),
            (Strategy::Equivocator, ConsensusMessage::Proposal(proposal)) if proposal.header.proposer == index(me) => {
                let other = twin(ring, universe, has, &proposal, me);
                let others = (0..ring.keys.len()).filter(|who| *who != me);
                let pick = |who: usize| if who.is_multiple_of(2) { proposal.clone() } else { Box::new(other.clone()) };
                others.map(|who| (Recipient::One(index(who)), ConsensusMessage::Proposal(pick(who)))).collect()
            }
            (Strategy::LyingTimeouts, ConsensusMessage::Timeout(timeout)) => {
                let tip = HeaderRef { rank: Rank { view: timeout.view, slot: 3 }, hash: Hash::of("toy/lie", b"tip") };
                let mut lie = ring.timeout(me, timeout.view, ring.root_qc(), Some(tip));
                lie.entry = timeout.entry;
                vec![(to, ConsensusMessage::Timeout(Box::new(lie)))]
            }
            (_, message) => vec![(to, message)],
        }
    }
}

/// The same header with a different log.
fn twin(ring: &Ring, universe: &mut Universe, has: &mut BTreeSet<Hash>, proposal: &Proposal, me: usize) -> Proposal {
    let mut twin = proposal.clone();
    let start = universe.back_to(proposal.header.log_end(), proposal.header.first_seq - 1).expect("own log");
    let digest = start.last().map_or(proposal.header.log_digest, |(_, e)| e.before);
    let start = gridbook_ledger::header::LogPoint { seq: proposal.header.first_seq - 1, digest };
    let end = universe.append(start, 1_000_000 + proposal.header.rank.view);
    has.insert(end.digest);
    twin.header.last_seq = end.seq;
    twin.header.log_digest = end.digest;
    twin.header.state_root = state_root(end.digest);
    twin.signature = Proposal::sign(&twin.header, &ring.keys[me]);
    twin
}

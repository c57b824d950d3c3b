//! A leader that builds on an older certificate than the one it has: what came after it would be lost.

use std::collections::VecDeque;

use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal};
use gridbook_ledger::merkle;
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Its headers, empty, take the place of the one before last: same rank as the replica's own, parent one or two further back.
#[derive(Debug)]
pub(super) struct StaleProposer {
    recent: VecDeque<Proposal>,
    dice: Dice,
}

const RECENT_MAX: usize = 32;

impl StaleProposer {
    pub(super) fn new(dice: Dice) -> Self {
        Self { recent: VecDeque::new(), dice }
    }

    fn keep(&mut self, proposal: &Proposal) {
        self.recent.push_back(proposal.clone());
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    fn named(&self, hash: gridbook_ledger::crypto::Hash) -> Option<&Proposal> {
        self.recent.iter().find(|proposal| proposal.header.hash() == hash)
    }

    /// The same header on top of its grandparent, whose certificate its parent carries.
    fn stale(&self, culprit: &Culprit, proposal: &Proposal) -> Option<Proposal> {
        let parent = self.named(proposal.header.parent)?;
        let grandparent = &self.named(parent.header.parent)?.header;
        let nothing = merkle::root(&[]);
        let header = Header {
            parent: parent.header.parent,
            height: grandparent.height + 1,
            justify: parent.justify.header,
            time_ms: grandparent.time_ms,
            first_seq: grandparent.last_seq + 1,
            last_seq: grandparent.last_seq,
            log_digest: grandparent.log_digest,
            inputs_root: nothing,
            results_root: nothing,
            state_root: grandparent.state_root,
            ..proposal.header.clone()
        };
        let signature = Proposal::sign(&header, &culprit.key);
        Some(Proposal { header, signature, justify: parent.justify.clone(), tc: proposal.tc.clone() })
    }
}

impl Mischief for StaleProposer {
    fn observe(&mut self, message: &PeerMessage) {
        if let PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) = message {
            self.keep(proposal);
        }
    }

    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        let PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) = &message else { return vec![message] };
        if proposal.header.proposer != culprit.me {
            return vec![message];
        }
        self.keep(proposal);
        // Mostly in the first slot, where a certificate that is too old would do the most harm.
        let slot = proposal.header.rank.slot;
        match self.stale(culprit, proposal).filter(|_| slot == 0 || self.dice.per_mille(100)) {
            Some(stale) => vec![PeerMessage::Consensus(ConsensusMessage::Proposal(Box::new(stale)))],
            None => vec![message],
        }
    }
}

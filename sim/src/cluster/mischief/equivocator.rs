//! A leader that shows one half of the validators another header than the other half.

use std::collections::BTreeMap;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal};
use gridbook_ledger::merkle;
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::{Culprit, Mischief};

/// Beside each header with log there is an empty one of the same rank, valid and signed.
#[derive(Debug, Default)]
pub(super) struct Equivocator {
    headers: BTreeMap<Hash, Header>,
}

impl Equivocator {
    fn twin(&self, culprit: &Culprit, proposal: &Proposal) -> Option<Proposal> {
        let parent = self.headers.get(&proposal.header.parent)?;
        let nothing = merkle::root(&[]);
        let header = Header {
            time_ms: parent.time_ms,
            first_seq: parent.last_seq + 1,
            last_seq: parent.last_seq,
            log_digest: parent.log_digest,
            inputs_root: nothing,
            results_root: nothing,
            state_root: parent.state_root,
            ..proposal.header.clone()
        };
        let signature = Proposal::sign(&header, &culprit.key);
        Some(Proposal { header, signature, ..proposal.clone() })
    }
}

impl Mischief for Equivocator {
    fn observe(&mut self, message: &PeerMessage) {
        if let PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) = message {
            self.headers.insert(proposal.header.hash(), proposal.header.clone());
        }
    }

    fn twist(&mut self, culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        self.observe(&message);
        if let PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) = &message
            && proposal.header.proposer == culprit.me
            && to.0 % 2 == 1
            && let Some(twin) = self.twin(culprit, proposal)
        {
            return vec![PeerMessage::Consensus(ConsensusMessage::Proposal(Box::new(twin)))];
        }
        vec![message]
    }
}

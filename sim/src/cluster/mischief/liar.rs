//! A leader whose headers claim a state that does not follow from their log.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::{Culprit, Mischief};

/// The wrong state root is signed like a right one.
#[derive(Debug)]
pub(super) struct Liar;

impl Mischief for Liar {
    fn name(&self) -> &'static str {
        "wrong state root"
    }

    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Consensus(ConsensusMessage::Proposal(mut proposal))
                if proposal.header.proposer == culprit.me =>
            {
                proposal.header.state_root = Hash::of("gridbook/no-state/1", &proposal.header.state_root.0);
                proposal.signature = Proposal::sign(&proposal.header, &culprit.key);
                vec![PeerMessage::Consensus(ConsensusMessage::Proposal(proposal))]
            }
            message => vec![message],
        }
    }
}

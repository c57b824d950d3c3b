//! A validator that says everything in the names of the epochs before and after as well, properly signed.

use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, Vote};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::{Culprit, Mischief};

/// In front of each of its own statements comes the same one of another epoch.
#[derive(Debug)]
pub(super) struct EpochCrosser;

fn of_epoch(culprit: &Culprit, message: &PeerMessage, epoch: u32) -> Option<PeerMessage> {
    Some(match message {
        PeerMessage::Consensus(ConsensusMessage::Vote(vote)) => {
            let vote = Vote::sign(culprit.chain, epoch, vote.header, culprit.me, &culprit.key);
            PeerMessage::Consensus(ConsensusMessage::Vote(vote))
        }
        PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)) => {
            let mut timeout = timeout.clone();
            timeout.epoch = epoch;
            timeout.signature = culprit.key.sign(&timeout.signed_bytes(culprit.chain));
            PeerMessage::Consensus(ConsensusMessage::Timeout(timeout))
        }
        PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) if proposal.header.proposer == culprit.me => {
            let mut proposal = proposal.clone();
            proposal.header.epoch = epoch;
            proposal.signature = Proposal::sign(&proposal.header, &culprit.key);
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal))
        }
        PeerMessage::Chunk(chunk) => {
            let mut chunk = chunk.clone();
            chunk.epoch = epoch;
            PeerMessage::Chunk(Box::new(chunk.sign(culprit.chain, &culprit.key)))
        }
        _ => return None,
    })
}

impl Mischief for EpochCrosser {
    fn twist(&mut self, culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        let epoch = if to.0.is_multiple_of(2) { 1 } else { u32::MAX };
        of_epoch(culprit, &message, epoch).into_iter().chain([message]).collect()
    }
}

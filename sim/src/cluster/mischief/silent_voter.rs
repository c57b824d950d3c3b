//! A validator that follows everything and keeps its word back: quorums are as small as they can be.

use gridbook_ledger::hotstuff::ConsensusMessage;
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// It does not vote, or does not give views up, or neither; always, or for some leaders only.
#[derive(Debug)]
pub(super) struct SilentVoter {
    votes: bool,
    timeouts: bool,
    towards: u64,
}

impl SilentVoter {
    pub(super) fn new(mut dice: Dice) -> Self {
        let kind = dice.below(3);
        let towards = if dice.per_mille(500) { u64::MAX } else { dice.below(u64::MAX) };
        Self { votes: kind != 1, timeouts: kind != 0, towards }
    }
}

impl Mischief for SilentVoter {
    fn twist(&mut self, _culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        let withheld = match &message {
            PeerMessage::Consensus(ConsensusMessage::Vote(_)) => self.votes,
            PeerMessage::Consensus(ConsensusMessage::Timeout(_) | ConsensusMessage::TimeoutCert(_)) => self.timeouts,
            _ => false,
        };
        if withheld && self.towards >> to.0 & 1 == 1 { Vec::new() } else { vec![message] }
    }
}

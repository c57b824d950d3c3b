//! A validator that says everything late, so that it arrives when views end.

use gridbook_ledger::hotstuff::ConsensusMessage;
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Proposals and votes are kept back for up to a second, everything else a little.
#[derive(Debug)]
pub(super) struct Laggard {
    votes_us: u64,
    dice: Dice,
}

impl Laggard {
    pub(super) fn new(mut dice: Dice) -> Self {
        let votes_us = 20_000 << dice.below(6);
        Self { votes_us, dice }
    }
}

impl Mischief for Laggard {
    fn twist(&mut self, _culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        vec![message]
    }

    fn keeps_back_us(&mut self, message: &PeerMessage) -> u64 {
        match message {
            PeerMessage::Consensus(ConsensusMessage::Proposal(_) | ConsensusMessage::Vote(_)) => {
                self.dice.below(self.votes_us)
            }
            _ => self.dice.below(20_000),
        }
    }
}

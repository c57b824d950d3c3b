//! A validator whose answers to requests for log and history are something else.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::hotstuff::ConsensusMessage;
use gridbook_ledger::replica::{PeerMessage, Run, SyncStep};
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Each answer is forged in another way: cut short, mixed up, of another header, without what proves it, or not given at all.
#[derive(Debug)]
pub(super) struct Forger {
    headers: Vec<ConsensusMessage>,
    dice: Dice,
}

const HEADERS_MAX: usize = 30;

impl Forger {
    pub(super) fn new(dice: Dice) -> Self {
        Self { headers: Vec::new(), dice }
    }

    fn forge_run(&mut self, run: &mut Run) {
        match self.dice.below(5) {
            0 => run.entries.clear(),
            1 => _ = run.entries.pop(),
            2 => run.entries.reverse(),
            3 => run.start.seq = run.start.seq.wrapping_add(1),
            _ => run.start.digest = Hash::of("gridbook/no-log/1", &run.start.digest.0),
        }
    }

    fn forge_steps(&mut self, steps: &mut Vec<SyncStep>) {
        let place = self.dice.place(steps.len().max(1));
        let Some(step) = steps.get_mut(place) else { return };
        match self.dice.below(5) {
            0 => self.forge_run(&mut step.run),
            1 => step.proposal.header.state_root = Hash::of("gridbook/no-state/1", &step.proposal.header.state_root.0),
            2 => _ = steps.remove(place),
            3 => steps.truncate(place),
            _ => steps.reverse(),
        }
    }
}

impl Mischief for Forger {
    fn observe(&mut self, message: &PeerMessage) {
        if let PeerMessage::Consensus(message @ ConsensusMessage::Proposal(_)) = message
            && self.headers.len() < HEADERS_MAX
        {
            self.headers.push(message.clone());
        }
    }

    fn twist(&mut self, _culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Pulled { .. } | PeerMessage::SyncResponse { .. } if self.dice.per_mille(200) => Vec::new(),
            PeerMessage::Pulled { end, mut run } => {
                self.forge_run(&mut run);
                vec![PeerMessage::Pulled { end, run }]
            }
            PeerMessage::SyncResponse { mut steps, beyond, tip } => {
                let tip = if self.dice.per_mille(200) { None } else { tip };
                self.forge_steps(&mut steps);
                vec![PeerMessage::SyncResponse { steps, beyond, tip }]
            }
            PeerMessage::Consensus(ConsensusMessage::HeaderResponse(_)) if !self.headers.is_empty() => {
                let other = match self.headers[self.dice.place(self.headers.len())].clone() {
                    ConsensusMessage::Proposal(proposal) => ConsensusMessage::HeaderResponse(proposal),
                    other => other,
                };
                vec![PeerMessage::Consensus(other)]
            }
            message => vec![message],
        }
    }
}

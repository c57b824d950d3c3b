//! A leader whose headers claim what does not follow from their log.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// One of the digests is wrong, the same one each time, in some headers or in all, and signed like a right one.
#[derive(Debug)]
pub(super) struct Liar {
    which: u64,
    often: u64,
}

impl Liar {
    pub(super) fn new(mut dice: Dice) -> Self {
        Self { which: dice.below(5), often: 1 + dice.below(3) }
    }

    fn claim(&self, header: &mut Header) {
        let field = match self.which {
            0 => &mut header.state_root,
            1 => &mut header.results_root,
            2 => &mut header.inputs_root,
            3 => &mut header.log_digest,
            _ => &mut header.snapshot_root,
        };
        *field = Hash::of("gridbook/no-such-thing/1", &field.0);
    }
}

impl Mischief for Liar {
    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Consensus(ConsensusMessage::Proposal(mut proposal))
                if proposal.header.proposer == culprit.me
                    && u64::from(proposal.header.rank.slot).is_multiple_of(self.often) =>
            {
                self.claim(&mut proposal.header);
                proposal.signature = Proposal::sign(&proposal.header, &culprit.key);
                vec![PeerMessage::Consensus(ConsensusMessage::Proposal(proposal))]
            }
            message => vec![message],
        }
    }
}

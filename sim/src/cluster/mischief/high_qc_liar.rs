//! A validator that keeps the newest certificates to itself when it gives a view up.

use std::collections::VecDeque;

use gridbook_ledger::hotstuff::{ConsensusMessage, QuorumCert};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Its timeouts and notes tell of a certificate some steps older than its newest, to some validators of another than to others.
/// What it voted for it tells.
#[derive(Debug)]
pub(super) struct HighQcLiar {
    certificates: VecDeque<QuorumCert>,
    dice: Dice,
}

const CERTIFICATES_MAX: usize = 12;

impl HighQcLiar {
    pub(super) fn new(dice: Dice) -> Self {
        Self { certificates: VecDeque::new(), dice }
    }

    fn learn(&mut self, certificate: &QuorumCert) {
        if self.certificates.iter().all(|known| known.rank() < certificate.rank()) {
            self.certificates.push_back(certificate.clone());
        }
        if self.certificates.len() > CERTIFICATES_MAX {
            self.certificates.pop_front();
        }
    }

    fn older(&mut self, than: &QuorumCert) -> QuorumCert {
        self.learn(than);
        self.certificates[self.dice.place(self.certificates.len())].clone()
    }
}

impl Mischief for HighQcLiar {
    fn observe(&mut self, message: &PeerMessage) {
        if let PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) = message {
            self.learn(&proposal.justify);
        }
    }

    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Consensus(ConsensusMessage::Timeout(mut timeout)) => {
                timeout.high_qc = self.older(&timeout.high_qc);
                timeout.signature = culprit.key.sign(&timeout.signed_bytes(culprit.chain));
                vec![PeerMessage::Consensus(ConsensusMessage::Timeout(timeout))]
            }
            PeerMessage::Consensus(ConsensusMessage::QcNote(mut note)) => {
                note.qc = self.older(&note.qc);
                vec![PeerMessage::Consensus(ConsensusMessage::QcNote(note))]
            }
            message => vec![message],
        }
    }
}

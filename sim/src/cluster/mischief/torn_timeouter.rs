//! A validator that breaks the certificates that travel with its timeouts: no signature of its own covers them.

use gridbook_ledger::crypto::Signature;
use gridbook_ledger::hotstuff::{ConsensusMessage, TimeoutCert};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Entries are left out, doubled, put in another order or changed, or the whole certificate is missing.
#[derive(Debug)]
pub(super) struct TornTimeouter {
    dice: Dice,
}

impl TornTimeouter {
    pub(super) fn new(dice: Dice) -> Self {
        Self { dice }
    }

    fn tear(&mut self, certificate: &mut TimeoutCert) {
        let entries = &mut certificate.entries;
        let place = self.dice.place(entries.len().max(1));
        match self.dice.below(6) {
            0 => entries.truncate(place),
            1 => entries.reverse(),
            2 => entries.extend(entries.get(place).cloned()),
            3 => entries.iter_mut().skip(place).for_each(|entry| entry.signature = Signature([7; 64])),
            4 => entries.iter_mut().skip(place).for_each(|entry| entry.tip = None),
            _ => certificate.view = certificate.view.wrapping_add(1),
        }
    }
}

impl Mischief for TornTimeouter {
    fn twist(&mut self, _culprit: &Culprit, _to: ValidatorIndex, mut message: PeerMessage) -> Vec<PeerMessage> {
        match &mut message {
            PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)) => {
                if let Some(entry) = &mut timeout.entry
                    && !self.dice.per_mille(300)
                {
                    self.tear(entry);
                } else {
                    timeout.entry = None;
                }
            }
            PeerMessage::Consensus(ConsensusMessage::TimeoutCert(certificate)) => self.tear(certificate),
            PeerMessage::Consensus(ConsensusMessage::QcNote(note)) => {
                if let Some(certificate) = &mut note.tc {
                    self.tear(certificate);
                }
            }
            _ => {}
        }
        vec![message]
    }
}

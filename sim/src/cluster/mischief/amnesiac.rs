//! A validator that forgets, whenever it gives a view up, what it voted for.

use gridbook_ledger::hotstuff::{ConsensusMessage, QuorumCert};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::{Culprit, Mischief};

/// Its timeouts tell of no tip, and of the first certificate it ever saw as the highest.
#[derive(Debug, Default)]
pub(super) struct Amnesiac {
    oldest: Option<QuorumCert>,
}

impl Mischief for Amnesiac {
    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Consensus(ConsensusMessage::Timeout(mut timeout)) => {
                timeout.high_qc = self.oldest.get_or_insert_with(|| timeout.high_qc.clone()).clone();
                timeout.tip = None;
                timeout.signature = culprit.key.sign(&timeout.signed_bytes(culprit.chain));
                vec![PeerMessage::Consensus(ConsensusMessage::Timeout(timeout))]
            }
            message => vec![message],
        }
    }
}

//! A leader that sends headers and keeps their log to itself.

use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::{Culprit, Mischief};

/// Chunks and the answers to pulls are withheld from all, or from all but two: then the header can be certified, and the rest
/// must get its log from those two.
#[derive(Debug)]
pub(super) struct Withholder {
    pub(super) from_all: bool,
}

impl Mischief for Withholder {
    fn twist(&mut self, culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        let favoured = !self.from_all && (to.0 + 4 - culprit.me.0 % 4) % 4 <= 2;
        match message {
            PeerMessage::Chunk(_) | PeerMessage::Pulled { .. } | PeerMessage::SyncResponse { .. } if !favoured => {
                vec![]
            }
            message => vec![message],
        }
    }
}

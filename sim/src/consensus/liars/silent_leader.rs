//! Never proposes.

use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient};

use super::{Liar, Sends, Stage};

#[derive(Debug)]
pub(super) struct SilentLeader;

impl Liar for SilentLeader {
    fn say(&mut self, _: &mut Stage<'_>, to: Recipient, message: ConsensusMessage) -> Sends {
        if matches!(message, ConsensusMessage::Proposal(_)) { Vec::new() } else { vec![(to, message)] }
    }
}

//! Proposes a hundred headers for each that it should, asked for or not.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient};

use super::{Liar, Sends, Stage, to_each};
use crate::consensus::ring::index;

#[derive(Debug, Default)]
pub(super) struct Flooder {
    count: u64,
}

/// So many for each that it should.
const BURST: u64 = 60;
/// In all.
const COUNT_MAX: u64 = 240;

impl Liar for Flooder {
    fn say(&mut self, stage: &mut Stage<'_>, to: Recipient, message: ConsensusMessage) -> Sends {
        let mut sends = Vec::new();
        if let ConsensusMessage::Proposal(model) = &message
            && model.header.proposer == index(stage.me.place)
            && self.count < COUNT_MAX
        {
            for _ in 0..BURST {
                self.count += 1;
                let root = Hash::of("sim/junk", &self.count.to_le_bytes());
                let junk = Box::new(stage.ring.altered(model, stage.me.place, |p| p.header.inputs_root = root));
                sends.extend(to_each(stage, &ConsensusMessage::HeaderResponse(junk.clone())));
                sends.extend(to_each(stage, &ConsensusMessage::Proposal(junk)));
            }
        }
        sends.push((to, message));
        sends
    }
}

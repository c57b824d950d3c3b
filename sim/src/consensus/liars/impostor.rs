//! Proposes in the views of others, in its own name and in theirs.

use gridbook_ledger::hotstuff::ConsensusMessage;

use super::equivocator::double;
use super::{Liar, Sends, Stage, to_each};
use crate::consensus::ring::index;

#[derive(Debug)]
pub(super) struct Impostor;

impl Liar for Impostor {
    fn hear(&mut self, stage: &mut Stage<'_>, message: &ConsensusMessage) -> Sends {
        let ConsensusMessage::Proposal(proposal) = message else { return Vec::new() };
        let me = stage.me.place;
        if proposal.header.proposer == index(me) || !stage.me.has.contains(&proposal.header.log_digest) {
            return Vec::new();
        }
        let in_their_name = double(stage, proposal);
        let in_its_own = stage.ring.altered(&in_their_name, me, |p| p.header.proposer = index(me));
        let both = [in_their_name, in_its_own].map(|p| to_each(stage, &ConsensusMessage::Proposal(Box::new(p))));
        both.concat()
    }
}

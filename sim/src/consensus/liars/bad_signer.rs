//! Signs its votes badly.

use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient};

use super::{Liar, Sends, Stage};
use crate::consensus::ring::index;

#[derive(Debug)]
pub(super) struct BadSigner;

impl Liar for BadSigner {
    /// At once, so that it is among the first.
    fn hear(&mut self, stage: &mut Stage<'_>, message: &ConsensusMessage) -> Sends {
        let ConsensusMessage::Proposal(proposal) = message else { return Vec::new() };
        let (me, leader) = (stage.me.place, stage.ring.set.leader(proposal.header.rank.view));
        if leader == index(me) {
            return Vec::new();
        }
        let mut vote = stage.ring.vote(me, proposal.header.reference());
        vote.signature.0[7] ^= 1;
        vec![(Recipient::One(leader), ConsensusMessage::Vote(vote))]
    }

    fn say(&mut self, _: &mut Stage<'_>, to: Recipient, message: ConsensusMessage) -> Sends {
        if matches!(message, ConsensusMessage::Vote(_)) { Vec::new() } else { vec![(to, message)] }
    }
}

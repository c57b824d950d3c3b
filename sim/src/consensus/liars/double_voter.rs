//! Votes for everything it hears of, and for something that nobody proposed.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient};

use super::{Liar, Sends, Stage};
use crate::consensus::ring::index;

#[derive(Debug)]
pub(super) struct DoubleVoter;

impl Liar for DoubleVoter {
    fn hear(&mut self, stage: &mut Stage<'_>, message: &ConsensusMessage) -> Sends {
        let ConsensusMessage::Proposal(proposal) = message else { return Vec::new() };
        let header = proposal.header.reference();
        let made_up = HeaderRef { rank: header.rank, hash: Hash::of("sim/made-up", &header.hash.0) };
        let (me, leader) = (stage.me.place, stage.ring.set.leader(header.rank.view));
        if leader == index(me) {
            return Vec::new();
        }
        let vote = |header| (Recipient::One(leader), ConsensusMessage::Vote(stage.ring.vote(me, header)));
        [made_up, header].map(vote).into()
    }
}

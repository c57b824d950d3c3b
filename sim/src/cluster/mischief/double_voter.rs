//! A voter that votes for two headers of each rank.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::HeaderRef;
use gridbook_ledger::hotstuff::{ConsensusMessage, Vote};
use gridbook_ledger::replica::PeerMessage;
use gridbook_ledger::validators::ValidatorIndex;

use super::{Culprit, Mischief};

/// The second vote is for a header that nobody has, and comes first.
#[derive(Debug)]
pub(super) struct DoubleVoter;

impl Mischief for DoubleVoter {
    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        let PeerMessage::Consensus(ConsensusMessage::Vote(vote)) = &message else { return vec![message] };
        let other = HeaderRef { rank: vote.header.rank, hash: Hash::of("gridbook/no-header/1", &vote.header.hash.0) };
        let other = Vote::sign(culprit.chain, vote.epoch, other, culprit.me, &culprit.key);
        vec![PeerMessage::Consensus(ConsensusMessage::Vote(other)), message]
    }
}

//! A validator that sends whatever others might keep or work on, without end.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, Timeout, Vote};
use gridbook_ledger::replica::{Chunk, PeerMessage};
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief, Words};

/// Besides what its replica says, it votes for headers that nobody made, gives up views in a million years, proposes in slots and
/// views to come, streams chunks of them, asks for log and history that there is not, and sends junk.
#[derive(Debug)]
pub(super) struct Flooder {
    proposal: Option<Box<Proposal>>,
    timeout: Option<Box<Timeout>>,
    chunk: Option<Box<Chunk>>,
    dice: Dice,
}

/// How much of each kind at a time.
const BURST: u64 = 8;
/// The longest piece of junk, in bytes.
const JUNK_MAX: u64 = 2_000;

impl Flooder {
    pub(super) fn new(dice: Dice) -> Self {
        Self { proposal: None, timeout: None, chunk: None, dice }
    }

    /// Of the near future, of a far one, or of the last that there is.
    fn far(&mut self, from: u64) -> u64 {
        match self.dice.below(4) {
            0 => from.saturating_add(self.dice.between(1, 5)),
            1 => from.saturating_add(self.dice.below(1 << 20)),
            2 => u64::MAX - self.dice.below(5),
            _ => self.dice.below(from.saturating_add(1)),
        }
    }

    fn vote(&mut self, culprit: &Culprit, view: u64) -> PeerMessage {
        let rank = Rank { view: self.far(view), slot: u32::try_from(self.dice.below(20_000)).unwrap_or(0) };
        let header = HeaderRef { rank, hash: self.hash() };
        PeerMessage::Consensus(ConsensusMessage::Vote(Vote::sign(culprit.chain, 0, header, culprit.me, &culprit.key)))
    }

    fn hash(&mut self) -> Hash {
        Hash::of("gridbook/no-header/1", &self.dice.below(u64::MAX).to_le_bytes())
    }

    fn proposal(&mut self, culprit: &Culprit) -> Option<PeerMessage> {
        let mut proposal = self.proposal.clone()?;
        let header = &mut proposal.header;
        header.rank.slot = header.rank.slot.saturating_add(u32::try_from(self.dice.between(1, 30)).unwrap_or(1));
        if self.dice.per_mille(500) {
            // Views that it will lead itself.
            header.rank.view = header.rank.view.saturating_add(self.dice.between(1, 9) * 4);
        }
        header.state_root = self.hash();
        proposal.signature = Proposal::sign(&proposal.header, &culprit.key);
        Some(PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)))
    }

    fn timeout(&mut self, culprit: &Culprit) -> Option<PeerMessage> {
        let mut timeout = self.timeout.clone()?;
        timeout.view = self.far(timeout.view);
        timeout.signature = culprit.key.sign(&timeout.signed_bytes(culprit.chain));
        Some(PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)))
    }

    fn chunk(&mut self, culprit: &Culprit) -> Option<PeerMessage> {
        let mut chunk = self.chunk.clone()?;
        chunk.number = u32::try_from(self.dice.below(1 << 31)).unwrap_or(0);
        chunk.view = chunk.view.saturating_add(self.dice.between(0, 3) * 4);
        Some(PeerMessage::Chunk(Box::new(chunk.sign(culprit.chain, &culprit.key))))
    }

    fn request(&mut self) -> PeerMessage {
        let target = LogPoint { seq: self.dice.below(1 << 20), digest: self.hash() };
        match self.dice.below(3) {
            0 => PeerMessage::Pull { target, floor_seq: self.dice.below(target.seq + 1) },
            1 => PeerMessage::SyncRequest { from_height: self.dice.below(200) },
            _ => PeerMessage::Consensus(ConsensusMessage::HeaderRequest(target.digest)),
        }
    }

    fn junk(&mut self) -> Vec<u8> {
        let length = self.dice.below(JUNK_MAX);
        (0..length).map(|_| u8::try_from(self.dice.below(256)).unwrap_or(0)).collect()
    }
}

impl Mischief for Flooder {
    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        match &message {
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) if proposal.header.proposer == culprit.me => {
                self.proposal = Some(proposal.clone());
            }
            PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)) => self.timeout = Some(timeout.clone()),
            PeerMessage::Chunk(chunk) => self.chunk = Some(chunk.clone()),
            _ => {}
        }
        vec![message]
    }

    fn volunteer(&mut self, culprit: &Culprit, _to: ValidatorIndex) -> Vec<Words> {
        let view = self.timeout.as_ref().map_or(1, |timeout| timeout.view);
        let mut words = Vec::new();
        for _ in 0..self.dice.below(BURST) {
            let message = match self.dice.below(6) {
                0 => Some(self.vote(culprit, view)),
                1 => self.proposal(culprit),
                2 => self.timeout(culprit),
                3 => self.chunk(culprit),
                4 => Some(self.request()),
                _ => {
                    words.push(Words::Junk(self.junk()));
                    None
                }
            };
            words.extend(message.map(Words::Message));
        }
        words
    }
}

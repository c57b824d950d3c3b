//! A leader whose chunks are signed and wrong.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::replica::{Chunk, PeerMessage};
use gridbook_ledger::validators::ValidatorIndex;

use super::super::dice::Dice;
use super::{Culprit, Mischief};

/// Now and then a chunk is spoiled, for some validators or all.
#[derive(Debug)]
pub(super) struct ChunkSpoiler {
    dice: Dice,
}

impl ChunkSpoiler {
    pub(super) fn new(dice: Dice) -> Self {
        Self { dice }
    }

    fn spoil(&mut self, chunk: &mut Chunk) {
        let place = self.dice.place(chunk.run.entries.len().max(1));
        let Some(entry) = chunk.run.entries.get_mut(place) else { return };
        match self.dice.below(5) {
            // Not an entry.
            0 => entry.truncate(1),
            // A bundle that its signer did not sign like that.
            1 => *entry.last_mut().expect("entries have a tag") ^= 1,
            // Something else than the digest says.
            2 => chunk.end.digest = Hash::of("gridbook/no-log/1", &chunk.end.digest.0),
            3 => chunk.end.seq += 1,
            _ => _ = chunk.run.entries.pop(),
        }
    }
}

impl Mischief for ChunkSpoiler {
    fn twist(&mut self, culprit: &Culprit, _to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        match message {
            PeerMessage::Chunk(mut chunk) if self.dice.per_mille(200) => {
                self.spoil(&mut chunk);
                vec![PeerMessage::Chunk(Box::new(chunk.sign(culprit.chain, &culprit.key)))]
            }
            message => vec![message],
        }
    }
}

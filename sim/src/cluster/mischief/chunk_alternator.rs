//! A leader that streams the log of two branches in turn: followers undo and execute again.

use gridbook_engine::LedgerTime;
use gridbook_ledger::entry::Entry;
use gridbook_ledger::replica::{Chunk, PeerMessage, Run, end_of};
use gridbook_ledger::sequenced::places_root;
use gridbook_ledger::validators::ValidatorIndex;

use super::{Culprit, Mischief};

/// In front of each chunk comes another one from the same place, of the same number for every other validator.
#[derive(Debug)]
pub(super) struct ChunkAlternator;

/// A chunk that begins where this one does and holds nothing but a moment of ledger time.
fn other_branch(culprit: &Culprit, chunk: &Chunk, to: ValidatorIndex) -> Option<Chunk> {
    let start = chunk.run.start;
    let entry = Entry::Time(LedgerTime(start.seq)).encode();
    let end = end_of(start, &entry)?;
    let number = if to.0.is_multiple_of(2) { chunk.number } else { chunk.number + (1 << 30) };
    let run = Run { start, entries: vec![entry] };
    let places_root = places_root(&run.verify().ok()?.places());
    Some(Chunk { number, run, end, places_root, ..chunk.clone() }.sign(culprit.chain, &culprit.key))
}

impl Mischief for ChunkAlternator {
    fn twist(&mut self, culprit: &Culprit, to: ValidatorIndex, message: PeerMessage) -> Vec<PeerMessage> {
        let PeerMessage::Chunk(chunk) = &message else { return vec![message] };
        let other = other_branch(culprit, chunk, to).map(|other| PeerMessage::Chunk(Box::new(other)));
        other.into_iter().chain([message]).collect()
    }
}

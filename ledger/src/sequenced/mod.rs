//! S0: the leader's signed word that a bundle has its place in the log of its view. Accountable, not final
//! (CONSENSUS section 1).
//!
//! A leader signs every chunk of its log once. What it signs covers a Merkle root over the places in the chunk, so that one
//! signature makes a receipt for each bundle in it, of a few hundred bytes: no bundle costs a signature of its own, and whoever got
//! the chunk, a follower too, can hand the receipt out. A chunk leaves the leader only once `led` is on its disk, and so does the receipt.

mod bytes;
mod chunk;
mod fate;
#[cfg(test)]
mod tests;

pub use chunk::{ChunkStatement, Place, places_root};
pub use fate::{Fate, FateError};

use crate::crypto::Hash;
use crate::merkle::Path;
use crate::validators::{ValidatorIndex, ValidatorSet};

/// A bundle's place in a leader's log, with what proves that the leader gave it. Nothing is proven until
/// [`SequencedReceipt::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencedReceipt {
    /// The chunk that holds it.
    pub chunk: ChunkStatement,
    /// The bundle and its sequence numbers.
    pub place: Place,
    /// The way from the place to the chunk's root.
    pub path: Path,
}

/// What a receipt of this kind proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedSequenced {
    /// Who gave its word.
    pub leader: ValidatorIndex,
    /// The view it led.
    pub view: u64,
    /// The bundle's place.
    pub place: Place,
}

/// Why a receipt of this kind proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequencedError {
    /// Of another validator set.
    #[error("the receipt is of another epoch than the validators it is checked against")]
    Epoch,
    /// Outside the chunk.
    #[error("the place does not lie in the chunk")]
    Place,
    /// The path does not lead to the chunk's root.
    #[error("the place is not under the root that the leader signed")]
    Path,
    /// Not signed by the leader of the view.
    #[error("the chunk is not signed by the leader of its view")]
    Leader,
}

impl SequencedReceipt {
    /// Checks all of it against the validators of an epoch.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn verify(&self, chain: Hash, epoch: u32, set: &ValidatorSet) -> Result<VerifiedSequenced, SequencedError> {
        if self.chunk.epoch != epoch {
            return Err(SequencedError::Epoch);
        }
        self.verify_place()?;
        if !self.chunk.verify(chain, set) {
            return Err(SequencedError::Leader);
        }
        let view = self.chunk.view;
        Ok(VerifiedSequenced { leader: set.leader(view), view, place: self.place })
    }

    /// The place lies in the chunk and under its root.
    fn verify_place(&self) -> Result<(), SequencedError> {
        let last_seq = self.place.last_seq();
        let inside =
            self.place.first_seq > self.chunk.start.seq && last_seq.is_some_and(|last| last <= self.chunk.end.seq);
        if !inside {
            return Err(SequencedError::Place);
        }
        if self.path.verify(&self.place.leaf(), &self.chunk.places_root) { Ok(()) } else { Err(SequencedError::Path) }
    }
}

/// A chunk's places, ready to make receipts of: the leaves are hashed once for all of them.
#[derive(Clone, Debug)]
pub struct SequencedChunk {
    statement: ChunkStatement,
    places: Vec<Place>,
}

impl SequencedChunk {
    /// For a chunk whose root is over these places.
    pub fn new(statement: ChunkStatement, places: Vec<Place>) -> Self {
        Self { statement, places }
    }

    /// What the leader signed.
    pub fn statement(&self) -> &ChunkStatement {
        &self.statement
    }

    /// The places, in sequence.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Receipts for the entries at some indices, which must ascend. One tree is built for all of them.
    pub fn receipts(&self, indices: &[usize]) -> Vec<SequencedReceipt> {
        if indices.is_empty() {
            return Vec::new();
        }
        let leaves: Vec<Hash> = self.places.iter().map(Place::leaf).collect();
        let paths = Path::build_many(&leaves, indices);
        let known = indices.iter().filter_map(|index| self.places.get(*index));
        let receipt = |(place, path): (&Place, Path)| SequencedReceipt { chunk: self.statement, place: *place, path };
        known.zip(paths).map(receipt).collect()
    }
}

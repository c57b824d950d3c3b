//! What a validator keeps besides its log, for its next start and for others: where things lie in the log, and the last snapshots.
//!
//! Files and bytes only; whoever drives a replica says when something is written, and on which thread.

mod places;
mod start;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::crypto::Hash;
use crate::snapshot::{Manifest, Snapshot};
use crate::state::PieceError;
use crate::store::{CheckpointMark, CheckpointReader, Checkpoints, StoreError};

pub use places::Places;
pub use start::{PassedOver, Start};

/// The snapshots that a validator keeps for others, newest last. Pieces are read from their files when they are asked for.
#[derive(Clone, Debug)]
pub struct Shelf {
    reader: CheckpointReader,
    kept: Arc<Mutex<Vec<Kept>>>,
}

#[derive(Clone, Debug)]
struct Kept {
    seq: u64,
    manifest: Arc<Manifest>,
    /// Where the state begins in the file.
    state_at: u64,
}

/// How many are kept, as many as [`Checkpoints`] keeps.
const KEPT: usize = 2;

/// Why a piece cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// What the disk says.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is not what was written: to send that would be held against the sender.
    #[error("the snapshot of {seq} on this disk is damaged, check the disk: {why}")]
    Damaged {
        /// Which snapshot.
        seq: u64,
        /// What does not hold.
        why: PieceError,
    },
}

impl Shelf {
    /// The shelf of a directory, with what lies there, and the numbers of those that are damaged. Only the fronts of the files are read.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open(files: &Checkpoints) -> Result<(Self, Vec<u64>), StoreError> {
        let shelf = Self { reader: files.reader(), kept: Arc::default() };
        let mut damaged = Vec::new();
        for mark in files.marks()? {
            match shelf.read_front(mark.seq)? {
                Some((manifest, state_at)) => shelf.put(mark.seq, manifest, state_at),
                None => damaged.push(mark.seq),
            }
        }
        Ok((shelf, damaged))
    }

    fn read_front(&self, seq: u64) -> Result<Option<(Manifest, u64)>, StoreError> {
        let Some(length) = self.reader.part(seq, 0, 8)? else { return Ok(None) };
        let places = length.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let Some(front_at) = places.checked_add(8) else { return Ok(None) };
        let read = |offset: u64, length| self.reader.part(seq, front_at.checked_add(offset)?, length).ok()?;
        Ok(Manifest::read_front(read).ok().map(|(manifest, front_bytes)| (manifest, front_at + front_bytes)))
    }

    /// Writes a snapshot and puts it on the shelf. Gives its length in bytes.
    ///
    /// # Errors
    /// What the system reports.
    pub fn write(
        &self,
        files: &mut Checkpoints,
        mark: CheckpointMark,
        places: &Places,
        snapshot: Snapshot,
    ) -> Result<u64, StoreError> {
        let (places, front) = (places.to_front(), Snapshot::encode_front(&snapshot.manifest));
        files.write_parts(mark, &[&places, &front, &snapshot.state])?;
        let state_at = (places.len() + front.len()) as u64;
        self.put(mark.seq, snapshot.manifest, state_at);
        Ok(state_at + snapshot.state.len() as u64)
    }

    /// The newest manifest beyond a height.
    pub fn newest_above(&self, height: u64) -> Option<Arc<Manifest>> {
        let kept = self.lock();
        kept.iter().rev().map(|kept| kept.manifest.clone()).find(|manifest| manifest.header().height > height)
    }

    /// A piece of a snapshot; nothing if it is not here.
    ///
    /// # Errors
    /// What the system reports, and a piece that is damaged on this disk.
    pub fn piece(&self, root: Hash, piece: u32) -> Result<Option<Vec<u8>>, ShelfError> {
        let Some(kept) = self.lock().iter().find(|kept| kept.manifest.root() == root).cloned() else {
            return Ok(None);
        };
        let Some(range) = kept.manifest.pieces.range(piece) else { return Ok(None) };
        let length = usize::try_from(range.end - range.start).expect("a piece is short");
        let Some(bytes) = self.reader.part(kept.seq, kept.state_at + range.start, length)? else { return Ok(None) };
        let checked = kept.manifest.pieces.check_piece(piece, &bytes);
        checked.map_err(|why| ShelfError::Damaged { seq: kept.seq, why })?;
        Ok(Some(bytes))
    }

    fn put(&self, seq: u64, manifest: Manifest, state_at: u64) {
        let mut kept = self.lock();
        kept.retain(|kept| kept.seq != seq);
        kept.push(Kept { seq, manifest: Arc::new(manifest), state_at });
        kept.sort_by_key(|kept| kept.seq);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The snapshots that this validator keeps for others, and how a piece of one is read.

use std::sync::Arc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::replica::TakenSnapshot;
use gridbook_ledger::snapshot::{Manifest, Snapshot};
use gridbook_ledger::store::{CheckpointMark, CheckpointReader, Checkpoints, StoreError};
use parking_lot::Mutex;

/// Which snapshots are kept, newest last. Pieces are read from their files when they are asked for.
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

impl Shelf {
    /// The shelf of a directory, with what lies there. Only the fronts of the files are read.
    pub(super) fn open(files: &Checkpoints) -> Result<Self, StoreError> {
        let shelf = Self { reader: files.reader(), kept: Arc::default() };
        for mark in files.marks()? {
            match shelf.read_front(mark.seq)? {
                Some((manifest, state_at)) => shelf.put(mark.seq, manifest, state_at),
                None => tracing::warn!(seq = mark.seq, "a snapshot is damaged and is not served"),
            }
        }
        Ok(shelf)
    }

    fn read_front(&self, seq: u64) -> Result<Option<(Manifest, u64)>, StoreError> {
        let Some(length) = self.reader.part(seq, 0, 8)? else { return Ok(None) };
        let places = length.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
        let Some(front_at) = places.checked_add(8) else { return Ok(None) };
        let read = |offset: u64, length| self.reader.part(seq, front_at.checked_add(offset)?, length).ok()?;
        Ok(Manifest::read_front(read).ok().map(|(manifest, front_bytes)| (manifest, front_at + front_bytes)))
    }

    /// Writes a snapshot and puts it on the shelf. Hashes all of it, which takes a while.
    pub(super) fn write(
        &self,
        files: &mut Checkpoints,
        mark: CheckpointMark,
        places: &[u8],
        taken: TakenSnapshot,
    ) -> anyhow::Result<u64> {
        self.write_whole(files, mark, places, Snapshot::new(taken)?)
    }

    /// As [`Shelf::write`], of one that was fetched.
    pub(super) fn write_whole(
        &self,
        files: &mut Checkpoints,
        mark: CheckpointMark,
        places: &[u8],
        snapshot: Snapshot,
    ) -> anyhow::Result<u64> {
        let length = (places.len() as u64).to_le_bytes();
        let front = Snapshot::encode_front(&snapshot.manifest);
        files.write_parts(mark, &[&length, places, &front, &snapshot.state])?;
        let state_at = (length.len() + places.len() + front.len()) as u64;
        self.put(mark.seq, snapshot.manifest, state_at);
        Ok(state_at + snapshot.state.len() as u64)
    }

    /// The newest manifest beyond a height.
    pub(super) fn newest_above(&self, height: u64) -> Option<Arc<Manifest>> {
        let kept = self.kept.lock();
        kept.iter().rev().map(|kept| kept.manifest.clone()).find(|manifest| manifest.header().height > height)
    }

    /// A piece of a snapshot; nothing if it is not here, or is damaged on this disk: a bad piece would be held against this validator.
    pub(super) fn piece(&self, root: Hash, piece: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(kept) = self.kept.lock().iter().find(|kept| kept.manifest.root() == root).cloned() else {
            return Ok(None);
        };
        let Some(range) = kept.manifest.pieces.range(piece) else { return Ok(None) };
        let length = usize::try_from(range.end - range.start).expect("a piece is short");
        let Some(bytes) = self.reader.part(kept.seq, kept.state_at + range.start, length)? else { return Ok(None) };
        if let Err(error) = kept.manifest.pieces.check_piece(piece, &bytes) {
            tracing::error!(%error, seq = kept.seq, "a snapshot on this disk is damaged; check the disk");
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    fn put(&self, seq: u64, manifest: Manifest, state_at: u64) {
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.seq != seq);
        kept.push(Kept { seq, manifest: Arc::new(manifest), state_at });
        kept.sort_by_key(|kept| kept.seq);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
}

//! A snapshot that comes in from others, piece by piece.

use super::{Manifest, Snapshot, SnapshotError};
use crate::genesis::Genesis;
use crate::state::PieceError;

/// The pieces that are here already. Each was checked when it came, so nothing has to be fetched twice.
#[derive(Clone, Debug)]
pub struct Incoming {
    manifest: Manifest,
    state: Vec<u8>,
    here: Vec<bool>,
    missing: u32,
}

impl Incoming {
    /// Begins to fetch what a verified manifest names.
    ///
    /// # Errors
    /// [`PieceError::List`] if the manifest was not verified and contradicts itself.
    pub fn new(manifest: Manifest) -> Result<Self, PieceError> {
        manifest.pieces.check()?;
        let bytes = usize::try_from(manifest.pieces.snapshot_bytes()).map_err(|_| PieceError::List)?;
        let mut state = vec![0; bytes];
        let front = manifest.pieces.front();
        state[..front.len()].copy_from_slice(&front);
        let missing = manifest.pieces.count();
        Ok(Self { manifest, state, here: vec![false; missing as usize], missing })
    }

    /// Goes on with what was kept of a snapshot: the bytes of its front, and of its state as far as they are there. Each piece is
    /// checked again, so torn ones are fetched anew.
    ///
    /// # Errors
    /// If the front cannot be read, or does not hold against the genesis.
    pub fn resume(genesis: &Genesis, front: &[u8], state: &[u8]) -> Result<Self, SnapshotError> {
        let read = |offset: u64, length: usize| {
            let start = usize::try_from(offset).ok()?;
            front.get(start..start.checked_add(length)?).map(<[u8]>::to_vec)
        };
        let (manifest, _) = Manifest::read_front(read)?;
        manifest.verify(genesis)?;
        let mut incoming = Self::new(manifest)?;
        for piece in 0..incoming.manifest.pieces.count() {
            let range = incoming.manifest.pieces.range(piece);
            let bytes = range.and_then(|range| {
                state.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?).map(<[u8]>::to_vec)
            });
            if let Some(bytes) = bytes {
                // One that does not hold was never written whole.
                let _ = incoming.put(piece, &bytes);
            }
        }
        Ok(incoming)
    }

    /// What is fetched.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Takes a piece in; a piece that is here already is no error.
    ///
    /// # Errors
    /// If it is not the one that the manifest names. Nothing changes then.
    pub fn put(&mut self, piece: u32, bytes: &[u8]) -> Result<(), PieceError> {
        self.manifest.pieces.check_piece(piece, bytes)?;
        let range = self.manifest.pieces.range(piece).ok_or(PieceError::Number(piece))?;
        let start = usize::try_from(range.start).map_err(|_| PieceError::Number(piece))?;
        self.state[start..start + bytes.len()].copy_from_slice(bytes);
        if !std::mem::replace(&mut self.here[piece as usize], true) {
            self.missing -= 1;
        }
        Ok(())
    }

    /// The pieces that are not here, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&self.here).filter(|(_, here)| !**here).map(|(piece, _)| piece)
    }

    /// How many pieces are not here.
    pub fn missing_count(&self) -> u32 {
        self.missing
    }

    /// The whole snapshot, once nothing is missing.
    ///
    /// # Errors
    /// Gives itself back if something is.
    pub fn finish(self) -> Result<Snapshot, Box<Self>> {
        if self.missing > 0 {
            return Err(Box::new(self));
        }
        Ok(Snapshot { manifest: self.manifest, state: self.state })
    }
}

//! All epochs of a ledger, from genesis to the present.

use super::proof::{EpochError, EpochProof};
use crate::crypto::{Hash, PublicKey};
use crate::genesis::{FIRST_EPOCH, Genesis};
use crate::header::Header;
use crate::validators::ValidatorSet;

/// The validator sets of a ledger so far, with what proves each: proof number e ends epoch e.
///
/// Architecture invariant: every proof in it was verified, or stands for what this validator made final itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epochs {
    chain: Hash,
    first: ValidatorSet,
    proofs: Vec<EpochProof>,
}

impl Epochs {
    /// Only the first: that of the genesis.
    pub fn new(genesis: &Genesis) -> Self {
        Self { chain: genesis.chain_id(), first: genesis.validators.clone(), proofs: Vec::new() }
    }

    /// The present epoch.
    pub fn present(&self) -> u32 {
        FIRST_EPOCH + u32::try_from(self.proofs.len()).expect("far fewer than 2^32 epochs")
    }

    /// The validators of an epoch, if it has begun.
    pub fn set(&self, epoch: u32) -> Option<&ValidatorSet> {
        match epoch.checked_sub(FIRST_EPOCH)? {
            0 => Some(&self.first),
            number => self.proofs.get(usize::try_from(number).ok()? - 1).map(|proof| &proof.next),
        }
    }

    /// The validators of the present epoch.
    pub fn present_set(&self) -> &ValidatorSet {
        self.proofs.last().map_or(&self.first, |proof| &proof.next)
    }

    /// The proofs from the first epoch's end on, oldest first.
    pub fn proofs(&self) -> &[EpochProof] {
        &self.proofs
    }

    /// The proofs of the ends of `epoch` and of those after it.
    pub fn proofs_from(&self, epoch: u32) -> &[EpochProof] {
        let skip = usize::try_from(epoch.saturating_sub(FIRST_EPOCH)).unwrap_or(usize::MAX);
        self.proofs.get(skip..).unwrap_or_default()
    }

    /// The proofs that lead from the genesis set to that of `epoch`: what a receipt of that epoch needs.
    pub fn proofs_to(&self, epoch: u32) -> Option<&[EpochProof]> {
        self.proofs.get(..usize::try_from(epoch.checked_sub(FIRST_EPOCH)?).ok()?)
    }

    /// The epoch of a height, if the ledger has come so far in this list: the header that ends an epoch still belongs to it.
    pub fn epoch_of(&self, height: u64) -> u32 {
        let ended = self.proofs.partition_point(|proof| proof.end().height < height);
        FIRST_EPOCH + u32::try_from(ended).expect("far fewer than 2^32 epochs")
    }

    /// The header that ended the last epoch: the present one's root. None in the first, whose root is the genesis header.
    pub fn root(&self) -> Option<&Header> {
        self.proofs.last().map(EpochProof::end)
    }

    /// Whether a key is or ever was a validator's. One that was and no longer is has been revoked for good.
    pub fn has_seen(&self, key: &PublicKey) -> bool {
        let mut sets = core::iter::once(&self.first).chain(self.proofs.iter().map(|proof| &proof.next));
        sets.any(|set| set.index_of(key).is_some())
    }

    /// Adds the proof of the present epoch's end.
    ///
    /// # Errors
    /// If it is none. Nothing changes then.
    pub fn extend(&mut self, proof: EpochProof) -> Result<(), EpochError> {
        proof.verify(self.chain, self.present(), self.present_set())?;
        self.proofs.push(proof);
        Ok(())
    }

    /// Adds the end of the present epoch as this validator made it final: certificates were verified on their way here.
    pub(crate) fn push(&mut self, proof: EpochProof) {
        assert_eq!(proof.epoch(), self.present(), "epochs end in their order");
        self.proofs.push(proof);
    }
}

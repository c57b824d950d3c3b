//! Who runs the ledger, and how many of them make it final.

use crate::crypto::PublicKey;

/// A validator by its place in the set.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct ValidatorIndex(pub u16);

/// The validators of an epoch: n = 3f + 1, 4 to 49 of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    keys: Vec<PublicKey>,
    /// Who leads, in turn.
    rota: Vec<ValidatorIndex>,
}

/// Why keys do not make a validator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// Not 3f + 1, or outside 4..=49.
    #[error("{0} validators: there must be 3f + 1 of them, from 4 to 49")]
    Size(usize),
    /// A key twice, which would count one operator twice.
    #[error("validator {0} has the key of another")]
    Duplicate(usize),
    /// A key that may not be registered.
    #[error("validator {0} has a key that is not valid")]
    Key(usize),
}

impl ValidatorSet {
    /// The fewest and the most validators.
    pub const SIZES: core::ops::RangeInclusive<usize> = 4..=49;

    /// A set of the given keys, in their order.
    pub fn new(keys: Vec<PublicKey>) -> Result<Self, ValidatorSetError> {
        if !Self::SIZES.contains(&keys.len()) || keys.len() % 3 != 1 {
            return Err(ValidatorSetError::Size(keys.len()));
        }
        for (i, key) in keys.iter().enumerate() {
            if key.check().is_err() {
                return Err(ValidatorSetError::Key(i));
            }
            if keys[..i].contains(key) {
                return Err(ValidatorSetError::Duplicate(i));
            }
        }
        let rota = (0..).take(keys.len()).map(ValidatorIndex).collect();
        Ok(Self { keys, rota })
    }

    /// The same validators with another order of leaders, which begins again when it is through. Whoever simulates may have
    /// anybody lead as often as it likes; without members that are known to be in the set this is `None`.
    pub fn with_rota(self, rota: Vec<ValidatorIndex>) -> Option<Self> {
        let known = !rota.is_empty() && rota.iter().all(|leader| self.key(*leader).is_some());
        known.then_some(Self { rota, ..self })
    }

    /// n: how many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// f: how many may misbehave.
    pub fn faulty_max(&self) -> usize {
        (self.keys.len() - 1) / 3
    }

    /// 2f + 1: any two such groups share an honest validator.
    pub fn quorum(&self) -> usize {
        2 * self.faulty_max() + 1
    }

    /// f + 1: any such group has an honest validator.
    pub fn one_honest(&self) -> usize {
        self.faulty_max() + 1
    }

    /// The key of a validator, if there is such a validator.
    pub fn key(&self, index: ValidatorIndex) -> Option<&PublicKey> {
        self.keys.get(usize::from(index.0))
    }

    /// Which validator has this key.
    pub fn index_of(&self, key: &PublicKey) -> Option<ValidatorIndex> {
        let place = self.keys.iter().position(|k| k == key)?;
        u16::try_from(place).ok().map(ValidatorIndex)
    }

    /// All of them.
    pub fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + use<> {
        (0..u16::try_from(self.keys.len()).expect("at most 49")).map(ValidatorIndex)
    }

    /// Who leads a view: in turn. The root is view 0 and nobody's.
    pub fn leader(&self, view: u64) -> ValidatorIndex {
        let place = view % (self.rota.len() as u64);
        self.rota[usize::try_from(place).expect("below the length of a list")]
    }
}

//! The evidence that a validator keeps: once for each culprit, kind and epoch.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, EvidenceKind, VerifiedEvidence};
use crate::validators::ValidatorIndex;

/// What an evidence is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvidenceKey {
    /// The validator set's number.
    pub epoch: u32,
    /// Who did it.
    pub culprit: ValidatorIndex,
    /// What was done.
    pub kind: EvidenceKind,
}

/// See the module. Whatever a culprit goes on doing takes no more room.
#[derive(Clone, Debug, Default)]
pub struct KeptEvidence {
    kept: BTreeMap<EvidenceKey, Evidence>,
}

/// The most that is kept: everything that everybody could be guilty of in several epochs of the largest set. Beyond that the oldest
/// epoch goes.
const KEPT_MAX: usize = 2_048;

impl KeptEvidence {
    /// Keeps it; false if there is one of its kind already, or too much that is newer.
    pub fn insert(&mut self, verified: VerifiedEvidence) -> bool {
        let key = verified.key();
        if self.kept.contains_key(&key) || self.is_too_old(key) {
            return false;
        }
        self.kept.insert(key, verified.evidence);
        while self.kept.len() > KEPT_MAX {
            self.kept.pop_first();
        }
        true
    }

    /// Whether there is no room for it any more. Whatever would go again at once is not taken in the first place: it would be written and
    /// told each time that somebody brings it.
    pub fn is_too_old(&self, key: EvidenceKey) -> bool {
        self.kept.len() >= KEPT_MAX && self.kept.first_key_value().is_some_and(|(oldest, _)| key < *oldest)
    }

    /// Whether there is one of this kind.
    pub fn holds(&self, key: EvidenceKey) -> bool {
        self.kept.contains_key(&key)
    }

    /// All of it, the oldest epoch first.
    pub fn iter(&self) -> impl Iterator<Item = (&EvidenceKey, &Evidence)> {
        self.kept.iter()
    }

    /// What is of an epoch or a later one, the oldest first.
    pub fn since(&self, epoch: u32) -> impl Iterator<Item = (&EvidenceKey, &Evidence)> {
        let first = EvidenceKey { epoch, culprit: ValidatorIndex(0), kind: EvidenceKind::ALL[0] };
        self.kept.range(first..)
    }

    /// Those that are proven guilty of anything in an epoch, in ascending order: whom its end may pass over when leaders take turns
    /// (CONSENSUS section 3, `leader(v)`). Where the set stays the same, a penalty list holds the first f of them.
    pub fn guilty(&self, epoch: u32) -> BTreeSet<ValidatorIndex> {
        self.kept.keys().filter(|key| key.epoch == epoch).map(|key| key.culprit).collect()
    }

    /// How much there is.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

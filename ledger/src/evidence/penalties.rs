//! Who is passed over when leaders take turns (CONSENSUS section 3, `leader(v)`).

use std::collections::BTreeSet;

use super::VerifiedEvidence;
use crate::validators::{ValidatorIndex, ValidatorSet};

/// The validators that lead no view of an epoch. Validators at different heights must agree on it, so it is fixed when the epoch
/// begins and never changes within.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Penalties {
    passed_over: BTreeSet<ValidatorIndex>,
}

/// Why a list of penalties cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PenaltyError {
    /// More than may be faulty: of the rest, too few would lead.
    #[error("{count} validators are to be passed over, and at most {faulty_max} can be")]
    TooMany {
        /// How many are named.
        count: usize,
        /// f of the set.
        faulty_max: usize,
    },
    /// Somebody who is not in the set.
    #[error("validator {} is not in the set", .0.0)]
    Stranger(ValidatorIndex),
}

impl Penalties {
    /// A list for a validator set.
    ///
    /// # Errors
    /// If it names more than f validators, or one that is not in the set.
    pub fn new(set: &ValidatorSet, named: impl IntoIterator<Item = ValidatorIndex>) -> Result<Self, PenaltyError> {
        let passed_over: BTreeSet<ValidatorIndex> = named.into_iter().collect();
        if let Some(stranger) = passed_over.iter().find(|index| set.key(**index).is_none()) {
            return Err(PenaltyError::Stranger(*stranger));
        }
        let (count, faulty_max) = (passed_over.len(), set.faulty_max());
        if count > faulty_max { Err(PenaltyError::TooMany { count, faulty_max }) } else { Ok(Self { passed_over }) }
    }

    /// The list that evidence of one epoch asks for in the next, where the same validators stay. Whoever is proven guilty of anything
    /// leads no more; beyond f of them the protocol has been broken anyhow, and the first by index are named.
    pub fn from_evidence<'a>(set: &ValidatorSet, evidence: impl IntoIterator<Item = &'a VerifiedEvidence>) -> Self {
        let guilty: BTreeSet<ValidatorIndex> = evidence.into_iter().map(VerifiedEvidence::culprit).collect();
        let known = guilty.into_iter().filter(|index| set.key(*index).is_some());
        Self { passed_over: known.take(set.faulty_max()).collect() }
    }

    /// Whether a validator is passed over.
    pub fn contains(&self, index: ValidatorIndex) -> bool {
        self.passed_over.contains(&index)
    }

    /// Those that are passed over.
    pub fn iter(&self) -> impl Iterator<Item = ValidatorIndex> {
        self.passed_over.iter().copied()
    }

    /// Has the others lead in turn.
    pub fn apply(&self, set: ValidatorSet) -> ValidatorSet {
        let rota = set.indices().filter(|index| !self.contains(*index)).collect();
        set.with_rota(rota).expect("at most f of 3f + 1 are passed over, so that others are left")
    }
}

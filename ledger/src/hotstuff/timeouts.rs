//! The timeouts of others, and one's own.

use std::collections::BTreeMap;

use super::messages::{Timeout, TimeoutCert};
use crate::validators::{ValidatorIndex, ValidatorSet};

/// The highest timeout of each validator; so views that an attacker makes up take no room.
#[derive(Debug, Default)]
pub(super) struct TimeoutBox {
    highest: BTreeMap<ValidatorIndex, Timeout>,
}

impl TimeoutBox {
    /// Whether a timeout says nothing new: its voter is already known to have given up that view or a later one.
    pub(super) fn is_old(&self, timeout: &Timeout) -> bool {
        self.highest.get(&timeout.voter).is_some_and(|t| t.view >= timeout.view)
    }

    /// Keeps a verified timeout.
    pub(super) fn add(&mut self, mut timeout: Timeout) {
        timeout.entry = None;
        if !self.is_old(&timeout) {
            self.highest.insert(timeout.voter, timeout);
        }
    }

    /// How many others gave up this view or a later one.
    pub(super) fn others_from(&self, view: u64, me: ValidatorIndex) -> usize {
        self.highest.values().filter(|t| t.view >= view && t.voter != me).count()
    }

    /// The certificate that a view was given up, if enough did.
    pub(super) fn certificate(&self, view: u64, set: &ValidatorSet) -> Option<TimeoutCert> {
        TimeoutCert::from_timeouts(self.highest.values(), view, set)
    }

    /// Forgets timeouts of views that are over.
    pub(super) fn forget_before(&mut self, view: u64) {
        self.highest.retain(|_, t| t.view >= view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Signature;
    use crate::header::HeaderRef;
    use crate::hotstuff::QuorumCert;

    /// Row 13 of CONSENSUS section 4.
    #[test]
    fn a_flood_of_views_leaves_one_timeout_for_each_voter() {
        let mut timeouts = TimeoutBox::default();
        for view in 0..1_000 {
            let voter = ValidatorIndex(u16::try_from(view % 4).unwrap());
            let high_qc = QuorumCert { epoch: 0, header: HeaderRef::default(), signers: 0, signatures: Vec::new() };
            let signature = Signature([0; 64]);
            timeouts.add(Timeout { epoch: 0, view, high_qc, tip: None, voter, signature, entry: None });
        }
        assert_eq!(timeouts.highest.len(), 4);
        assert_eq!(timeouts.others_from(997, ValidatorIndex(1)), 2);
    }
}

//! Whose key is which.

use std::collections::{BTreeMap, HashMap};

use super::KeyUse;
use crate::crypto::PublicKey;
use crate::registry::Subject;

/// What each key is, or was.
///
/// Every bundle asks for its signer, and a million keys in a tree are a dozen cache lines away from each other. So keys that sign are
/// found by hash.
///
/// Architecture invariant: nobody goes through the present keys in the order in which they lie here, which is each process' own. There is no
/// way to, in this room's interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// Those that sign for somebody.
    present: HashMap<PublicKey, Subject>,
    /// Those that signed for somebody who has another key by now.
    replaced: BTreeMap<PublicKey, Subject>,
}

impl Keys {
    /// What a key is or was; none if nobody ever had it.
    pub(super) fn used(&self, key: &PublicKey) -> Option<KeyUse> {
        let present = self.present.get(key).map(|subject| KeyUse::Present(*subject));
        present.or_else(|| self.replaced.get(key).map(|subject| KeyUse::Replaced(*subject)))
    }

    /// It signs from now on.
    pub(super) fn sign_for(&mut self, key: PublicKey, subject: Subject) {
        self.replaced.remove(&key);
        self.present.insert(key, subject);
    }

    /// It signed until now.
    pub(super) fn replace(&mut self, key: PublicKey, subject: Subject) {
        self.present.remove(&key);
        self.replaced.insert(key, subject);
    }

    /// Nobody ever had it.
    pub(super) fn forget(&mut self, key: &PublicKey) {
        self.present.remove(key);
        self.replaced.remove(key);
    }

    /// Keys that their devices have no more, ascending, with whose they were.
    pub(super) fn replaced(&self) -> impl Iterator<Item = (&PublicKey, Subject)> {
        self.replaced.iter().map(|(key, subject)| (key, *subject))
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::MeterId;

    use super::*;

    /// A meter's key is replaced, and that is taken back: each key is one thing at a time.
    #[test]
    fn a_key_is_present_or_replaced_and_never_both() {
        let (old, new, meter) = (PublicKey([1; 32]), PublicKey([2; 32]), Subject::Meter(MeterId(7)));
        let mut keys = Keys::default();
        keys.sign_for(old, meter);
        keys.replace(old, meter);
        keys.sign_for(new, meter);
        let uses = |keys: &Keys| [old, new].map(|key| keys.used(&key));
        assert_eq!(uses(&keys), [Some(KeyUse::Replaced(meter)), Some(KeyUse::Present(meter))]);
        assert_eq!(keys.replaced().collect::<Vec<_>>(), [(&old, meter)]);
        keys.forget(&new);
        keys.sign_for(old, meter);
        assert_eq!(uses(&keys), [Some(KeyUse::Present(meter)), None]);
        assert_eq!(keys.replaced().count(), 0);
        keys.forget(&old);
        assert_eq!(uses(&keys), [None, None]);
    }
}

//! Signatures that were found good once, remembered: for simulations, where one process is many validators.
//!
//! Whether a signature holds is a function of key, message and signature, so remembering that it does changes no answer. A validator
//! process never remembers: each signature comes to it about once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Hash, Hasher, KeyError, PublicKey, Signature};

thread_local! {
    /// How many ask for it.
    static HOLDERS: Cell<u32> = const { Cell::new(0) };
    static GOOD: RefCell<Option<HashSet<Hash>>> = const { RefCell::new(None) };
    static MADE: RefCell<HashMap<Hash, Signature>> = RefCell::new(HashMap::new());
    static KEYS: RefCell<BTreeSet<PublicKey>> = const { RefCell::new(BTreeSet::new()) };
}

/// How many of each kind are remembered before all are forgotten: some 20 MB, and 40 of those made.
const GOOD_MAX: usize = 1 << 18;

/// As long as it lives, its thread remembers which signatures were found good. Bad ones are checked again each time. If there are
/// several, the last one that goes takes what was remembered with it.
#[derive(Debug)]
#[must_use]
pub struct SignatureMemo(());

impl SignatureMemo {
    /// Begins to remember on this thread.
    pub fn on_this_thread() -> Self {
        HOLDERS.set(HOLDERS.get() + 1);
        GOOD.with_borrow_mut(|good| _ = good.get_or_insert_default());
        Self(())
    }
}

impl Drop for SignatureMemo {
    fn drop(&mut self) {
        HOLDERS.set(HOLDERS.get() - 1);
        if HOLDERS.get() == 0 {
            GOOD.with_borrow_mut(|good| *good = None);
            MADE.take();
            KEYS.take();
        }
    }
}

/// Names a check, if this thread remembers any.
pub(super) fn name(key: &PublicKey, message: &[u8], signature: &Signature) -> Option<Hash> {
    GOOD.with_borrow(Option::is_some).then(|| {
        // Key and signature have fixed lengths, so that no two checks share a name.
        Hasher::new("gridbook/signature-memo/1").update(&key.0).update(&signature.0).update(message).finish()
    })
}

/// Whether the signature of a name was found good before.
pub(super) fn knows(name: Hash) -> bool {
    GOOD.with_borrow(|good| good.as_ref().is_some_and(|good| good.contains(&name)))
}

/// The signature of a name was found good.
pub(super) fn remember(name: Hash) {
    GOOD.with_borrow_mut(|good| {
        let Some(good) = good else { return };
        if good.len() >= GOOD_MAX {
            good.clear();
        }
        good.insert(name);
    });
}

/// The signature of this key over this message: the one made before, if this thread remembers, for the next would be the same.
pub(super) fn made_once(key: &PublicKey, message: &[u8], sign: impl FnOnce() -> Signature) -> Signature {
    if GOOD.with_borrow(Option::is_none) {
        return sign();
    }
    let statement = Hasher::new("gridbook/statement-memo/1").update(&key.0).update(message).finish();
    if let Some(signature) = MADE.with_borrow(|made| made.get(&statement).copied()) {
        return signature;
    }
    let signature = sign();
    MADE.with_borrow_mut(|made| {
        if made.len() >= GOOD_MAX {
            made.clear();
        }
        made.insert(statement, signature);
    });
    name(key, message, &signature).into_iter().for_each(remember);
    signature
}

/// Checks a key, unless this thread remembers that it is good. Every copy of a validator set is checked anew, with the same keys in it.
pub(super) fn checked_once(key: &PublicKey, check: impl FnOnce() -> Result<(), KeyError>) -> Result<(), KeyError> {
    if HOLDERS.get() == 0 {
        return check();
    }
    if KEYS.with_borrow(|keys| keys.contains(key)) {
        return Ok(());
    }
    check()?;
    KEYS.with_borrow_mut(|keys| {
        if keys.len() >= GOOD_MAX {
            keys.clear();
        }
        keys.insert(*key);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, BatchError, SecretKey};
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_seed([5; 32])
    }

    /// A memo that took a bad signature for one it knows would hide every forgery from the simulation.
    #[test]
    fn what_is_remembered_makes_nothing_else_good() {
        let _memo = SignatureMemo::on_this_thread();
        let (key, other) = (key(), SecretKey::from_seed([6; 32]));
        let signature = key.sign(b"yes");
        for _ in 0..2 {
            assert!(key.public().verify(b"yes", &signature));
            assert!(!key.public().verify(b"no", &signature));
            assert!(!other.public().verify(b"yes", &signature));
            assert!(!key.public().verify(b"yes", &other.sign(b"yes")));
        }
    }

    /// Those that are known leave the batch, and the others must keep their places in it.
    #[test]
    fn a_batch_names_the_bad_ones_among_the_known() {
        let _memo = SignatureMemo::on_this_thread();
        let key = key();
        let good = key.sign(b"known");
        assert!(key.public().verify(b"known", &good));
        let batch = |bad: &[usize]| {
            let mut batch = Batch::default();
            for place in 0..9 {
                let over: &[u8] = if bad.contains(&place) { b"another" } else { b"known" };
                batch.push(&key.public(), b"known", &key.sign(over));
            }
            assert_eq!(batch.len(), 9);
            batch.verify()
        };
        assert_eq!(batch(&[2, 7]), Err(BatchError { bad: vec![2, 7] }));
        assert_eq!(batch(&[2, 7]), Err(BatchError { bad: vec![2, 7] }), "bad ones are checked again");
        assert_eq!(batch(&[]), Ok(()));
    }

    /// A signature made again is the same, and no other key's or message's.
    #[test]
    fn a_signature_that_is_remembered_is_the_one_that_would_be_made() {
        let (key, other) = (key(), SecretKey::from_seed([6; 32]));
        let made = [key.sign(b"yes"), key.sign(b"no"), other.sign(b"yes")];
        let _memo = SignatureMemo::on_this_thread();
        for _ in 0..2 {
            assert_eq!([key.sign(b"yes"), key.sign(b"no"), other.sign(b"yes")], made);
        }
    }

    #[test]
    fn a_bad_key_stays_bad_beside_good_ones() {
        let _memo = SignatureMemo::on_this_thread();
        let weak = PublicKey([0; 32]);
        for _ in 0..2 {
            assert_eq!(key().public().check(), Ok(()));
            assert_eq!(weak.check(), Err(KeyError::Weak));
        }
    }

    /// A validator process must never remember: only who asks for it does, and only as long.
    #[test]
    fn nothing_is_remembered_before_and_after() {
        assert_eq!(name(&key().public(), b"yes", &key().sign(b"yes")), None);
        let (outer, inner) = (SignatureMemo::on_this_thread(), SignatureMemo::on_this_thread());
        drop(inner);
        assert!(name(&key().public(), b"yes", &key().sign(b"yes")).is_some(), "one of two is left");
        drop(outer);
        assert_eq!(name(&key().public(), b"yes", &key().sign(b"yes")), None);
    }
}

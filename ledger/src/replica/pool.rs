//! Bundles that were admitted and are not final yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::admission::Admitted;
use crate::command::BundleId;
use crate::defects::{Defect, omits};

/// Bundles on their way. They stay until they are final, so that the next leader can be handed what a failed one left.
#[derive(Debug, Default)]
pub(super) struct Pool {
    held: BTreeMap<BundleId, Admitted>,
    /// Those that are in the executed log.
    sequenced: BTreeSet<BundleId>,
    /// What this validator would sequence next, as leader; may name bundles that are gone or sequenced by now.
    queue: VecDeque<BundleId>,
    /// What the leader of the view was not sent yet.
    unrelayed: VecDeque<BundleId>,
    /// The last ones that became final: a late copy of them is not sequenced again.
    recent: VecDeque<BundleId>,
    recent_set: BTreeSet<BundleId>,
}

impl Pool {
    /// The most bundles held; beyond that they are not taken.
    pub(super) const MAX: usize = 200_000;
    /// How many final ones are remembered.
    const RECENT_MAX: usize = 100_000;

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn holds(&self, id: BundleId) -> bool {
        self.held.contains_key(&id)
    }

    /// Takes a bundle in, unless it is here or was final already, or there is no room. False if it was final.
    pub(super) fn insert(&mut self, bundle: Admitted) -> bool {
        let id = bundle.id();
        if self.recent_set.contains(&id) {
            return false;
        }
        if self.held.len() >= Self::MAX || self.held.contains_key(&id) {
            return true;
        }
        self.held.insert(id, bundle);
        self.queue.push_back(id);
        self.unrelayed.push_back(id);
        true
    }

    /// The next bundle to sequence. The caller executes it, and says so with [`Pool::executed`].
    pub(super) fn next(&mut self) -> Option<Admitted> {
        while let Some(id) = self.queue.pop_front() {
            if let (Some(bundle), false) = (self.held.get(&id), self.sequenced.contains(&id)) {
                return Some(bundle.clone());
            }
        }
        None
    }

    /// Whether something waits to be sequenced.
    pub(super) fn has_next(&self) -> bool {
        self.held.len() > self.sequenced.len()
    }

    /// A bundle was executed: by this validator as leader, or out of the leader's log. It is held from now on in any
    /// case, so that a view change that undoes it does not lose it.
    pub(super) fn executed(&mut self, bundle: &Admitted) {
        self.sequenced.insert(bundle.id());
        self.held.entry(bundle.id()).or_insert_with(|| bundle.clone());
        self.tidy();
    }

    /// Its execution was undone. The log is undone from its end, so that those undone first come last here.
    pub(super) fn undone(&mut self, id: BundleId) {
        self.sequenced.remove(&id);
        if self.recent_set.contains(&id) {
            // A copy of what is final: a replay, and not worth a place again.
            self.held.remove(&id);
            return;
        }
        self.queue.push_front(id);
        self.unrelayed.push_front(id);
    }

    /// It is final.
    pub(super) fn finished(&mut self, id: BundleId) {
        self.sequenced.remove(&id);
        if !omits(Defect::FinalStaysPooled) {
            self.held.remove(&id);
        }
        if self.recent_set.insert(id) {
            self.recent.push_back(id);
        }
        if self.recent.len() > Self::RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_set.remove(&oldest);
        }
    }

    /// A new leader knows nothing of what waits here. It is told in the order of arrival: a meter's later nonce must not overtake
    /// its earlier one.
    pub(super) fn forget_relays(&mut self) {
        let mut seen = BTreeSet::new();
        let waits = |id: &BundleId| self.held.contains_key(id) && !self.sequenced.contains(id);
        self.unrelayed = self.queue.iter().filter(|id| waits(id) && seen.insert(**id)).copied().collect();
    }

    /// Unsequenced bundles that the present leader has not been sent; it has been, from now on.
    pub(super) fn take_unrelayed(&mut self) -> Vec<Admitted> {
        let ids = std::mem::take(&mut self.unrelayed);
        ids.into_iter().filter(|id| !self.sequenced.contains(id)).filter_map(|id| self.held.get(&id).cloned()).collect()
    }

    /// The first of those that wait to be sequenced, in the order of their arrival.
    pub(super) fn waiting(&self, count_max: usize) -> Vec<Admitted> {
        let waiting = self.queue.iter().filter(|id| !self.sequenced.contains(id)).filter_map(|id| self.held.get(id));
        waiting.take(count_max).cloned().collect()
    }

    /// Drops queue entries that stand for nothing any more, now and then: a follower never takes from the queue.
    fn tidy(&mut self) {
        let waiting = self.held.len() - self.sequenced.len();
        if self.queue.len() > 2 * waiting + 1_024 {
            let (held, sequenced) = (&self.held, &self.sequenced);
            self.queue.retain(|id| held.contains_key(id) && !sequenced.contains(id));
            self.unrelayed.retain(|id| held.contains_key(id) && !sequenced.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::LedgerTime;

    use super::*;
    use crate::command::{Bundle, Command};
    use crate::crypto::{Hash, SecretKey};
    use crate::entry::{Entry, verify_entries};

    fn bundle(nonce: u64) -> Admitted {
        let key = SecretKey::from_seed([7; 32]);
        let commands = vec![Command::Cancel { client_id: nonce }];
        let bundle =
            Bundle { chain: Hash::ZERO, signer: key.public(), nonce, expires_at: LedgerTime(u64::MAX), commands };
        let bytes = [&[1][..], bundle.sign(&key).bytes()].concat();
        let entry = Entry::decode_unverified(&bytes).expect("a bundle entry is its tag and the signed bytes");
        match verify_entries(vec![entry]).expect("signed").remove(0) {
            Entry::Bundle(admitted) => admitted,
            other => panic!("{other:?} is not a bundle"),
        }
    }

    fn nonces(bundles: &[Admitted]) -> Vec<u64> {
        bundles.iter().map(|bundle| bundle.bundle().nonce).collect()
    }

    /// A meter sent bundles 1 to 20, the leader died with some of them in its log, and the next leader is told of all again.
    /// In any other order than that of arrival a higher nonce would overtake a lower one, which is then refused as a replay.
    #[test]
    fn a_new_leader_is_told_of_bundles_in_the_order_of_their_arrival() {
        let mut pool = Pool::default();
        let bundles: Vec<Admitted> = (1..=20).map(bundle).collect();
        for bundle in &bundles {
            pool.insert(bundle.clone());
        }
        assert_eq!(nonces(&pool.take_unrelayed()), (1..=20).collect::<Vec<_>>());
        for bundle in &bundles[..5] {
            pool.executed(bundle);
        }
        for bundle in bundles[..5].iter().rev() {
            pool.undone(bundle.id());
        }
        assert_eq!(
            nonces(&pool.take_unrelayed()),
            (1..=5).collect::<Vec<_>>(),
            "the same leader is told of what was undone"
        );
        pool.forget_relays();
        assert_eq!(nonces(&pool.take_unrelayed()), (1..=20).collect::<Vec<_>>());
        let sequenced: Vec<Admitted> = std::iter::from_fn(|| {
            let next = pool.next()?;
            pool.executed(&next);
            Some(next)
        })
        .collect();
        assert_eq!(nonces(&sequenced), (1..=20).collect::<Vec<_>>());
    }

    #[test]
    fn a_bundle_that_is_final_is_not_taken_in_again() {
        let mut pool = Pool::default();
        pool.insert(bundle(1));
        pool.executed(&bundle(1));
        pool.finished(bundle(1).id());
        pool.insert(bundle(1));
        assert!(!pool.has_next() && pool.len() == 0 && pool.next().is_none());
    }
}

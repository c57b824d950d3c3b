//! Bundles that were admitted and are not final yet.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::admission::Admitted;
use crate::command::BundleId;

/// Bundles on their way. They stay until they are final, so that the next leader can be handed what a failed one left.
#[derive(Debug, Default)]
pub(super) struct Pool {
    held: BTreeMap<BundleId, Admitted>,
    /// Those that are in the executed log.
    sequenced: BTreeSet<BundleId>,
    /// What this validator would sequence next, as leader; may name bundles that are gone or sequenced by now.
    queue: VecDeque<BundleId>,
    /// What the leader of the view was not sent yet.
    unrelayed: Vec<BundleId>,
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

    /// Takes a bundle in, unless it is here or was final already, or there is no room.
    pub(super) fn insert(&mut self, bundle: Admitted) {
        let id = bundle.id();
        if self.held.len() >= Self::MAX || self.held.contains_key(&id) || self.recent_set.contains(&id) {
            return;
        }
        self.held.insert(id, bundle);
        self.queue.push_back(id);
        self.unrelayed.push(id);
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

    /// Its execution was undone.
    pub(super) fn undone(&mut self, id: BundleId) {
        self.sequenced.remove(&id);
        self.queue.push_front(id);
        self.unrelayed.push(id);
    }

    /// It is final.
    pub(super) fn finished(&mut self, id: BundleId) {
        self.sequenced.remove(&id);
        self.held.remove(&id);
        if self.recent_set.insert(id) {
            self.recent.push_back(id);
        }
        if self.recent.len() > Self::RECENT_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_set.remove(&oldest);
        }
    }

    /// A new leader knows nothing of what waits here.
    pub(super) fn forget_relays(&mut self) {
        self.unrelayed = self.held.keys().filter(|id| !self.sequenced.contains(id)).copied().collect();
    }

    /// Unsequenced bundles that the present leader has not been sent; it has been, from now on.
    pub(super) fn take_unrelayed(&mut self) -> Vec<Admitted> {
        let ids = std::mem::take(&mut self.unrelayed);
        ids.into_iter().filter(|id| !self.sequenced.contains(id)).filter_map(|id| self.held.get(&id).cloned()).collect()
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

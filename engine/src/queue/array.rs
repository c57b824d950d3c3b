//! The shape of a short queue: its orders in one piece of memory, in no order at all.
//!
//! Most orders are cancelled. Where they are so few, going through all of them without a branch that depends on what is
//! found costs less than keeping them sorted: one mispredicted branch is worth twenty orders. The best one is known to the
//! header; it is looked for when the best one leaves.

use super::Orders;
use core::hint::select_unpredictable;

/// An order and the key that it is found by. They lie side by side: a book that has not been used for long costs few
/// cache misses.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u64,
    slot: u32,
}

/// Orders in any order.
#[derive(Debug)]
pub(super) struct Array {
    entries: Vec<Entry>,
}

impl Array {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// An array of orders, given as keys and slots.
    pub(super) fn of(orders: impl Iterator<Item = (u64, u32)>) -> Self {
        Self { entries: orders.map(|(key, slot)| Entry { key, slot }).collect() }
    }

    #[inline]
    pub(super) fn insert(&mut self, key: u64, slot: u32) {
        self.entries.push(Entry { key, slot });
    }

    /// Takes out the order with this key, which rests here.
    #[inline]
    pub(super) fn remove(&mut self, key: u64) {
        let mut at = usize::MAX;
        for (index, entry) in self.entries.iter().enumerate() {
            at = select_unpredictable(entry.key == key, index, at);
        }
        self.entries.swap_remove(at);
    }

    /// Key and slot of the best order.
    #[inline]
    pub(super) fn best(&self) -> Option<(u64, u32)> {
        self.least(|_| true)
    }

    /// Key and slot of the best order behind the one with this key.
    #[inline]
    pub(super) fn after(&self, key: u64) -> Option<(u64, u32)> {
        self.least(|entry| entry.key > key)
    }

    /// Key and slot of the best of the wanted orders.
    #[inline]
    fn least(&self, wanted: impl Fn(&Entry) -> bool) -> Option<(u64, u32)> {
        const NONE: Entry = Entry { key: u64::MAX, slot: super::NIL };
        let less = |one: Entry, other: Entry| select_unpredictable(other.key < one.key, other, one);
        let want = |entry: Entry| select_unpredictable(wanted(&entry), entry, NONE);
        // Two at a time: each comparison waits for the last one of its own half only.
        let (pairs, rest) = self.entries.as_chunks::<2>();
        let (mut one, mut two) = (NONE, NONE);
        for &[even, odd] in pairs {
            one = less(one, want(even));
            two = less(two, want(odd));
        }
        let least = rest.iter().fold(less(one, two), |least, &entry| less(least, want(entry)));
        (least.key != u64::MAX).then_some((least.key, least.slot))
    }

    /// Best first.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        core::iter::successors(self.best(), |&(key, _)| self.after(key)).map(|(_, slot)| slot)
    }

    /// The turned price of each level and what shows there, best first.
    pub(super) fn levels<'a, O: Orders>(&'a self, orders: &'a O) -> impl Iterator<Item = (u32, u128)> + 'a {
        let last_of = |key: u64| key | u64::from(u32::MAX);
        core::iter::successors(self.best(), move |&(key, _)| self.after(last_of(key))).map(move |(key, _)| {
            let level = self.entries.iter().filter(|entry| last_of(entry.key) == last_of(key));
            ((key >> 32) as u32, level.map(|entry| u128::from(orders.shown(entry.slot).0)).sum())
        })
    }

    /// Reads each line of the array.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        const STEP: usize = 64 / size_of::<Entry>();
        let lines = self.entries.iter().step_by(STEP).fold(0, |sum, entry| sum ^ entry.key);
        self.entries.last().map_or(0, |last| lines ^ last.key)
    }
}

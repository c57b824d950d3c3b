//! The shape of a short queue: one sorted array, the best order last, where a `Vec` grows and shrinks for free.

use super::Orders;

/// An order and the key that it is found by. They lie side by side: a book that has not been used for long costs one
/// cache miss, not two.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u64,
    slot: u32,
}

/// Orders by falling key: the best one last.
#[derive(Debug)]
pub(super) struct Array {
    entries: Vec<Entry>,
}

impl Array {
    /// Up to so many entries from the best end a look at each is faster than halving.
    const NEAR: usize = 16;

    pub(super) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// An array of orders that come best first.
    pub(super) fn of(orders: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut entries: Vec<Entry> = orders.map(|(key, slot)| Entry { key, slot }).collect();
        entries.reverse();
        Self { entries }
    }

    /// How many orders are worse: the place of an order with this key.
    fn place(&self, key: u64) -> usize {
        let mut at = self.entries.len();
        let far = at.saturating_sub(Self::NEAR);
        while at > far && self.entries[at - 1].key < key {
            at -= 1;
        }
        if at > far || far == 0 { at } else { self.entries[..far].partition_point(|entry| entry.key >= key) }
    }

    pub(super) fn insert(&mut self, key: u64, slot: u32) {
        let at = self.place(key);
        self.entries.insert(at, Entry { key, slot });
    }

    pub(super) fn remove(&mut self, key: u64) {
        let at = self.found(key);
        self.entries.remove(at);
    }

    /// The index of the order with this key, which rests here.
    fn found(&self, key: u64) -> usize {
        let above = self.place(key);
        let at = above.checked_sub(1).expect("the order rests here");
        debug_assert_eq!(self.entries[at].key, key, "the order rests here");
        at
    }

    /// Key and slot of the best order.
    pub(super) fn best(&self) -> Option<(u64, u32)> {
        self.entries.last().map(|entry| (entry.key, entry.slot))
    }

    pub(super) fn after(&self, key: u64) -> Option<u32> {
        let at = self.found(key).checked_sub(1)?;
        Some(self.entries[at].slot)
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries.iter().rev().map(|entry| entry.slot)
    }

    pub(super) fn levels<'a, O: Orders>(&'a self, orders: &'a O) -> impl Iterator<Item = (u32, u128)> + 'a {
        self.entries.chunk_by(|one, other| one.key >> 32 == other.key >> 32).rev().map(|level| {
            let shown = level.iter().map(|entry| u128::from(orders.shown(entry.slot).0)).sum();
            ((level[0].key >> 32) as u32, shown)
        })
    }

    /// Reads the line that holds the best orders.
    pub(super) fn touch(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.key)
    }
}

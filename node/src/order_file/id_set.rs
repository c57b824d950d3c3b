//! Which ids were used: intervals, so that a file that counts upwards costs nothing however long it is.

use std::collections::BTreeMap;

/// A set of numbers as intervals that do not touch, each by its first and its last number.
#[derive(Debug, Default)]
pub(super) struct IdSet(BTreeMap<u64, u64>);

impl IdSet {
    /// Adds a number; whether it is new.
    pub(super) fn insert(&mut self, id: u64) -> bool {
        let before = self.0.range(..=id).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| id <= last) {
            return false;
        }
        let joins_before = before.filter(|&(_, last)| last.checked_add(1) == Some(id));
        let after = id.checked_add(1).and_then(|next| self.0.remove(&next));
        let first = joins_before.map_or(id, |(first, _)| first);
        self.0.insert(first, after.unwrap_or(id));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_remembers_what_a_plain_set_remembers_and_neighbours_grow_together() {
        let (mut set, mut plain) = (IdSet::default(), BTreeSet::new());
        let mut state = 7_u64;
        for _ in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = state >> 55;
            assert_eq!(set.insert(id), plain.insert(id), "{id}");
        }
        let intervals = plain.iter().filter(|&&id| id == 0 || !plain.contains(&(id - 1))).count();
        assert_eq!(set.0.len(), intervals);
        assert!(set.insert(u64::MAX) && !set.insert(u64::MAX));
        assert!(set.insert(u64::MAX - 1) && !set.insert(u64::MAX), "the last number has none after it");
    }
}

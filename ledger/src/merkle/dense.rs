//! A tree that is kept and changed, instead of built anew.

use super::{Path, node, root_of};
use crate::crypto::Hash;

/// A Merkle tree over the places 0..n whose leaves change. Asking for the root costs only the paths that changed since it
/// was last asked for.
#[derive(Clone, Debug, Default)]
pub struct DenseTree {
    leaves: Vec<Hash>,
    /// The levels above the leaves, up to the single top node.
    above: Vec<Vec<Hash>>,
    /// Places whose paths are out of date, in no order, some perhaps twice.
    dirty: Vec<usize>,
}

impl DenseTree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves it has.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The leaf at a place.
    pub fn leaf(&self, index: usize) -> Option<&Hash> {
        self.leaves.get(index)
    }

    /// Adds a leaf behind the last.
    pub fn push(&mut self, leaf: Hash) {
        self.dirty.push(self.leaves.len());
        self.leaves.push(leaf);
    }

    /// Changes a leaf.
    ///
    /// # Panics
    /// If there is none at `index`.
    pub fn set(&mut self, index: usize, leaf: Hash) {
        assert!(index < self.leaves.len(), "no leaf at {index}: there are {}", self.leaves.len());
        if self.leaves[index] != leaf {
            self.leaves[index] = leaf;
            self.dirty.push(index);
        }
    }

    /// Drops the leaves from place `count` on.
    pub fn truncate(&mut self, count: usize) {
        if count >= self.leaves.len() {
            return;
        }
        self.leaves.truncate(count);
        self.dirty.retain(|place| *place < count);
        // Of the nodes that stay, only the last of each level lose a child, and they all stand above the last leaf.
        self.dirty.extend(count.checked_sub(1));
    }

    /// The root, equal to [`super::root`] of the same leaves.
    pub fn root(&mut self) -> Hash {
        self.update();
        let top = self.above.last().unwrap_or(&self.leaves).first();
        root_of(self.leaves.len() as u64, top.unwrap_or(&Hash::ZERO))
    }

    /// The path of the leaf at `index`, if there is such a leaf.
    pub fn path(&mut self, index: usize) -> Option<Path> {
        if index >= self.leaves.len() {
            return None;
        }
        self.update();
        let (mut place, mut siblings) = (index, Vec::new());
        for level in core::iter::once(&self.leaves).chain(&self.above) {
            siblings.extend(level.get(place ^ 1));
            place /= 2;
        }
        Some(Path { index: index as u64, count: self.leaves.len() as u64, siblings })
    }

    /// Brings the levels above the leaves up to date.
    fn update(&mut self) {
        self.fit_levels();
        let mut places = core::mem::take(&mut self.dirty);
        places.sort_unstable();
        places.dedup();
        for height in 0..self.above.len() {
            let (below, above) = self.above.split_at_mut(height);
            let below = below.last().unwrap_or(&self.leaves);
            for place in &mut places {
                *place /= 2;
            }
            places.dedup();
            for place in &places {
                let left = &below[2 * place];
                above[0][*place] = below.get(2 * place + 1).map_or(*left, |right| node(left, right));
            }
        }
        places.clear();
        self.dirty = places; // keeps its room for the next time
    }

    /// Gives every level its length: half of the one below, down to one node.
    fn fit_levels(&mut self) {
        let (mut width, mut height) = (self.leaves.len(), 0);
        while width > 1 {
            width = width.div_ceil(2);
            if height == self.above.len() {
                self.above.push(Vec::new());
            }
            self.above[height].resize(width, Hash::ZERO);
            height += 1;
        }
        self.above.truncate(height);
    }
}

//! Binary Merkle trees over BLAKE3 hashes.
//!
//! Leaves are hashes that the caller made under a domain of its own; nodes and roots have theirs. A node without a neighbour
//! moves up as it is. The root covers the count, which fixes the shape, so that a node cannot pass for a leaf.

mod dense;
#[cfg(test)]
mod tests;

pub use dense::DenseTree;

use std::sync::LazyLock;

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Hasher, PairHasher};

static NODES: LazyLock<PairHasher> = LazyLock::new(|| PairHasher::new("gridbook/node/1"));

fn node(left: &Hash, right: &Hash) -> Hash {
    NODES.join(left, right)
}

/// A level's next one up.
fn level_above(level: &[Hash]) -> Vec<Hash> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            _ => pair[0],
        })
        .collect()
}

fn root_of(count: u64, top: &Hash) -> Hash {
    let mut hasher = Hasher::new("gridbook/root/1");
    hasher.update(&count.to_le_bytes()).update(&top.0);
    hasher.finish()
}

/// The root over some leaves. Without leaves the top is all zero, and the count says that there are none.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level_above(&level);
    }
    root_of(leaves.len() as u64, level.first().unwrap_or(&Hash::ZERO))
}

/// How many leaves a page has: the leaves of a tree can be checked page by page.
pub const PAGE_LEAVES: usize = 1 << 10;

/// The node over one page of leaves: [`PAGE_LEAVES`] of them from a multiple of it on, fewer only at the end of the tree. All zero
/// for no leaves.
pub fn page_node(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level_above(&level);
    }
    level.first().copied().unwrap_or(Hash::ZERO)
}

/// The root of a tree of `count` leaves, from the nodes over its pages: equal to [`root`] of the leaves.
pub fn root_of_pages(count: u64, nodes: &[Hash]) -> Hash {
    root_of(count, &page_node(nodes))
}

/// The way from one leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The leaf's place.
    pub index: u64,
    /// How many leaves there are.
    pub count: u64,
    /// The neighbours on the way, from the leaf up; none where a node moved up alone.
    pub siblings: Vec<Hash>,
}

impl Path {
    /// The most neighbours a path can have.
    pub const SIBLINGS_MAX: usize = 64;

    /// The path of the leaf at `index`, if there is such a leaf.
    pub fn build(leaves: &[Hash], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let (mut level, mut place, mut siblings) = (leaves.to_vec(), index, Vec::new());
        while level.len() > 1 {
            siblings.extend(level.get(place ^ 1));
            level = level_above(&level);
            place /= 2;
        }
        Some(Self { index: index as u64, count: leaves.len() as u64, siblings })
    }

    /// The paths of several leaves, in their order; those of leaves that are not there are left out. The tree is hashed once.
    pub fn build_many(leaves: &[Hash], indices: &[usize]) -> Vec<Self> {
        let mut levels = vec![leaves.to_vec()];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            levels.push(level_above(level));
        }
        let path = |index: usize| {
            let siblings = levels.iter().enumerate().filter_map(|(height, level)| level.get((index >> height) ^ 1));
            Self { index: index as u64, count: leaves.len() as u64, siblings: siblings.copied().collect() }
        };
        indices.iter().filter(|index| **index < leaves.len()).map(|index| path(*index)).collect()
    }

    /// Lays it into something longer.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u64(self.index).u64(self.count);
        w.u8(u8::try_from(self.siblings.len()).expect("within SIBLINGS_MAX"));
        for sibling in &self.siblings {
            w.bytes(&sibling.0);
        }
    }

    /// Reads what [`Path::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (index, count, siblings) = (r.u64()?, r.u64()?, usize::from(r.u8()?));
        if siblings > Self::SIBLINGS_MAX {
            return Err(BytesError::TooLong);
        }
        let siblings = (0..siblings).map(|_| Ok(Hash(r.array()?))).collect::<Result<_, BytesError>>()?;
        Ok(Self { index, count, siblings })
    }

    /// Whether it leads from `leaf` to `root`.
    #[must_use]
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> bool {
        self.top(leaf).is_some_and(|top| root_of(self.count, &top) == *root)
    }

    /// The top node, or nothing if the neighbours do not fit the shape.
    fn top(&self, leaf: &Hash) -> Option<Hash> {
        if self.index >= self.count {
            return None;
        }
        let (mut place, mut width, mut at) = (self.index, self.count, *leaf);
        let mut siblings = self.siblings.iter();
        while width > 1 {
            if place ^ 1 < width {
                let sibling = siblings.next()?;
                at = if place.is_multiple_of(2) { node(&at, sibling) } else { node(sibling, &at) };
            }
            (place, width) = (place / 2, width.div_ceil(2));
        }
        siblings.next().is_none().then_some(at)
    }
}

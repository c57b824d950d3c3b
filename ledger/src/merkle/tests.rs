//! The tree against a slow twin, and against those who would prove what is not in it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::repeatable::cases;

fn leaf(number: u64) -> Hash {
    Hash::of("gridbook/test/1", &number.to_le_bytes())
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(leaf).collect()
}

/// The slow and obvious twin: the left part is the largest power of two that leaves something to the right.
fn top_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::ZERO,
        [one] => *one,
        more => {
            let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
            node(&top_of(left), &top_of(right))
        }
    }
}

/// Promoting the odd node is the well-known shape of a split at a power of two.
#[test]
fn the_root_is_that_of_the_recursive_definition() {
    for count in 0..130 {
        assert_eq!(root(&leaves(count)), root_of(count, &top_of(&leaves(count))), "{count} leaves");
    }
}

/// Trees of different leaves must not share a root: not with one leaf doubled, not with a node as a leaf, not empty.
#[test]
fn different_leaves_have_different_roots() {
    let mut trees: Vec<Vec<Hash>> = (0..40).map(leaves).collect();
    trees.push(vec![Hash::ZERO]);
    trees.push(vec![Hash::ZERO; 2]);
    trees.push(vec![leaf(0), leaf(1), leaf(2), leaf(2)]);
    trees.push(vec![node(&leaf(0), &leaf(1)), node(&leaf(2), &leaf(3))]);
    trees.push(vec![leaf(1), leaf(0)]);
    let roots: BTreeSet<Hash> = trees.iter().map(|tree| root(tree)).collect();
    assert_eq!(roots.len(), trees.len());
}

/// Everyone can prove his own leaf.
#[test]
fn every_leaf_of_every_small_tree_has_its_path() {
    for count in 1..70 {
        let leaves = leaves(count);
        let (root, mut tree) = (root(&leaves), DenseTree::new());
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        for (i, leaf) in leaves.iter().enumerate() {
            let path = Path::build(&leaves, i).unwrap();
            assert!(path.verify(leaf, &root), "{i} of {count}");
            assert_eq!(tree.path(i), Some(path));
        }
        assert_eq!(Path::build(&leaves, leaves.len()), None);
        assert_eq!(tree.path(leaves.len()), None);
    }
}

/// Nobody can prove another leaf, another place or another count with it, nor with neighbours left out or added.
#[test]
fn a_path_proves_nothing_else() {
    for count in 1..20 {
        let leaves = leaves(count);
        let root = root(&leaves);
        for (i, leaf) in leaves.iter().enumerate() {
            let path = Path::build(&leaves, i).unwrap();
            assert!(!path.verify(&self::leaf(99), &root));
            for index in (0..count + 2).filter(|index| *index != i as u64) {
                assert!(!Path { index, ..path.clone() }.verify(leaf, &root), "{i} of {count} as {index}");
            }
            for other in (0..count + 5).filter(|other| *other != count).chain([u64::MAX]) {
                assert!(!Path { count: other, ..path.clone() }.verify(leaf, &root), "{i} of {count} as of {other}");
            }
            let mut longer = path.clone();
            longer.siblings.push(Hash::ZERO);
            assert!(!longer.verify(leaf, &root));
            let mut shorter = path;
            if shorter.siblings.pop().is_some() {
                assert!(!shorter.verify(leaf, &root));
            }
        }
    }
}

/// A node of the tree is shown as if it were a leaf, one level up.
#[test]
fn a_node_does_not_pass_for_a_leaf() {
    let leaves = leaves(4);
    let path = Path::build(&leaves, 0).unwrap();
    let shorter = Path { siblings: path.siblings[1..].to_vec(), ..path };
    for count in 1..5 {
        assert!(!Path { count, ..shorter.clone() }.verify(&node(&leaves[0], &leaves[1]), &root(&leaves)));
    }
}

#[derive(Clone, Debug)]
enum Change {
    Push(u64),
    Set(usize, u64),
    Truncate(usize),
    Root,
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<u64>().prop_map(Change::Push),
        4 => (any::<usize>(), any::<u64>()).prop_map(|(place, number)| Change::Set(place, number)),
        1 => any::<usize>().prop_map(Change::Truncate),
        2 => Just(Change::Root),
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    /// The tree that is kept never differs from the one built anew, whatever happens between two looks at its root.
    #[test]
    fn a_changed_tree_has_the_root_of_one_built_anew(changes in prop::collection::vec(any_change(), 0..120)) {
        let (mut tree, mut leaves) = (DenseTree::new(), Vec::new());
        for change in changes {
            match change {
                Change::Push(number) => {
                    tree.push(leaf(number));
                    leaves.push(leaf(number));
                }
                Change::Set(place, number) if !leaves.is_empty() => {
                    let place = place % leaves.len();
                    tree.set(place, leaf(number));
                    leaves[place] = leaf(number);
                }
                Change::Truncate(count) => {
                    let count = count % (leaves.len() + 2);
                    tree.truncate(count);
                    leaves.truncate(count);
                }
                Change::Set(..) | Change::Root => prop_assert_eq!(tree.root(), root(&leaves)),
            }
            prop_assert_eq!(tree.len(), leaves.len());
        }
        prop_assert_eq!(tree.root(), root(&leaves));
        for place in 0..leaves.len() {
            prop_assert_eq!(tree.path(place), Path::build(&leaves, place));
        }
    }
}

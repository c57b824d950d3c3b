//! What a certificate makes final (CONSENSUS section 3, `commit_rule`).

use crate::defects::{Defect, omits};
use crate::header::Rank;

/// Whether a certificate of the header at `child` makes its parent at `parent` final: same view, consecutive slots.
pub(super) fn commit_rule(parent: Rank, child: Rank) -> bool {
    (parent.view == child.view || omits(Defect::CommitView))
        && (parent.slot.checked_add(1) == Some(child.slot) || omits(Defect::CommitSlot))
}

/// In a chain of certified headers, oldest first, the place of the child whose certificate makes the most final. The first
/// rank is that of the last header known final.
pub(super) fn last_committing_child(ranks: &[Rank]) -> Option<usize> {
    (2..ranks.len()).rev().find(|&i| commit_rule(ranks[i - 1], ranks[i]))
}

/// How many of the headers that a certificate would make final are: none after one that ends the epoch. Told is, oldest first, which
/// of them do.
pub(super) fn last_of_epoch(ends: &[bool]) -> usize {
    ends.iter().position(|ends| *ends).map_or(ends.len(), |place| place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(ranks: &[(u64, u32)]) -> Vec<Rank> {
        ranks.iter().map(|&(view, slot)| Rank { view, slot }).collect()
    }

    /// The first is the last final header; which certificate makes more final?
    #[test]
    fn only_consecutive_slots_of_one_view_commit() {
        type Chain = &'static [(u64, u32)];
        let cases: [(Chain, Option<usize>); 7] = [
            (&[(0, 0)], None),
            (&[(0, 0), (1, 0)], None),
            (&[(0, 0), (1, 0), (1, 1)], Some(2)),
            (&[(0, 0), (1, 0), (2, 0)], None),
            (&[(0, 0), (1, 0), (2, 0), (2, 1)], Some(3)),
            (&[(0, 0), (1, 0), (1, 1), (2, 0)], Some(2)),
            // The last final header is not made final again.
            (&[(1, 0), (1, 1), (2, 0)], None),
        ];
        for (chain, expected) in cases {
            assert_eq!(last_committing_child(&ranks(chain)), expected, "{chain:?}");
        }
        assert!(!commit_rule(Rank { view: 1, slot: 0 }, Rank { view: 1, slot: 2 }), "a slot is left out");
        assert!(!commit_rule(Rank { view: 1, slot: 0 }, Rank { view: 2, slot: 1 }), "another view");
    }

    #[test]
    fn nothing_after_the_header_that_ends_the_epoch_is_final() {
        assert_eq!(last_of_epoch(&[]), 0);
        assert_eq!(last_of_epoch(&[false, false]), 2);
        assert_eq!(last_of_epoch(&[false, true]), 2);
        assert_eq!(last_of_epoch(&[true, false, false]), 1);
    }
}

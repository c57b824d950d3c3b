//! What a certificate makes final (CONSENSUS section 3, `commit_rule`).

use crate::header::Rank;

/// Whether a certificate of the header at `child` makes its parent at `parent` final: same view, consecutive slots.
pub(super) fn commit_rule(parent: Rank, child: Rank) -> bool {
    parent.view == child.view && parent.slot.checked_add(1) == Some(child.slot)
}

/// In a chain of certified headers, oldest first, the place of the child whose certificate makes the most final. The first
/// rank is that of the last header known final.
pub(super) fn last_committing_child(ranks: &[Rank]) -> Option<usize> {
    (2..ranks.len()).rev().find(|&i| commit_rule(ranks[i - 1], ranks[i]))
}

//! Whether a header may be voted for (CONSENSUS section 3, `may_vote`).

use super::messages::TimeoutCert;
use crate::header::{Header, HeaderRef, Rank};

/// What the rule looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct VoteCase<'a> {
    pub(super) header: &'a Header,
    /// What the proposal came with.
    pub(super) tc: Option<&'a TimeoutCert>,
    /// The epoch's root.
    pub(super) root: HeaderRef,
    /// The view this validator is in.
    pub(super) view: u64,
    /// The highest rank it voted for; (0, 0) if none.
    pub(super) last_voted: Rank,
    /// The last view it gave up.
    pub(super) timeout_view: u64,
    /// What `carry_ok` says; only asked in slot 0.
    pub(super) carry_ok: bool,
}

/// The clause that forbids a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// v == current view.
    OtherView,
    /// H.rank > last_voted.
    AlreadyVoted,
    /// v > timeout_view.
    GivenUp,
    /// justify.rank < H.rank, parent == justify.hash.
    Justify,
    /// s > 0: justify.rank == (v, s - 1).
    SlotGap,
    /// s == 0: the root in view 1, or tc.view == v - 1.
    NoEntry,
    /// s == 0: justify.rank >= every entry's.
    StaleJustify,
    /// s == 0: carry_ok.
    Carry,
}

/// `may_vote(H)`, clause by clause.
pub(super) fn may_vote(case: VoteCase<'_>) -> Result<(), Refusal> {
    let VoteCase { header, tc, root, .. } = case;
    let Rank { view, slot } = header.rank;
    let refuse = |if_not: bool, refusal| if if_not { Ok(()) } else { Err(refusal) };
    refuse(view == case.view, Refusal::OtherView)?;
    refuse(header.rank > case.last_voted, Refusal::AlreadyVoted)?;
    refuse(view > case.timeout_view, Refusal::GivenUp)?;
    refuse(header.justify.rank < header.rank && header.parent == header.justify.hash, Refusal::Justify)?;
    if slot > 0 {
        return refuse(header.justify.rank == Rank { view, slot: slot - 1 }, Refusal::SlotGap);
    }
    if view == 1 && header.justify == root {
        return Ok(());
    }
    let tc = tc.filter(|tc| tc.view.checked_add(1) == Some(view)).ok_or(Refusal::NoEntry)?;
    refuse(tc.entries.iter().all(|e| header.justify.rank >= e.high_qc_rank), Refusal::StaleJustify)?;
    refuse(case.carry_ok, Refusal::Carry)
}

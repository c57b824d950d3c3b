//! Whether a header may be voted for (CONSENSUS section 3, `may_vote`).

use super::messages::TimeoutCert;
use crate::defects::{Defect, omits};
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
    refuse(view == case.view || omits(Defect::VoteOtherView), Refusal::OtherView)?;
    refuse(header.rank > case.last_voted || omits(Defect::VoteTwice), Refusal::AlreadyVoted)?;
    refuse(view > case.timeout_view || omits(Defect::VoteAfterTimeout), Refusal::GivenUp)?;
    let builds_on = header.justify.rank < header.rank && header.parent == header.justify.hash;
    refuse(builds_on || omits(Defect::JustifyUnchecked), Refusal::Justify)?;
    if slot > 0 {
        let follows = header.justify.rank == Rank { view, slot: slot - 1 };
        return refuse(follows || omits(Defect::SlotGap), Refusal::SlotGap);
    }
    if view == 1 && header.justify == root {
        return Ok(());
    }
    let tc = match tc.filter(|tc| tc.view.checked_add(1) == Some(view)) {
        Some(tc) => tc,
        None if omits(Defect::NoEntry) => return Ok(()),
        None => return Err(Refusal::NoEntry),
    };
    let is_fresh = tc.entries.iter().all(|e| header.justify.rank >= e.high_qc_rank);
    refuse(is_fresh || omits(Defect::StaleJustify), Refusal::StaleJustify)?;
    refuse(case.carry_ok, Refusal::Carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Hash, Signature};
    use crate::hotstuff::{QuorumCert, TimeoutEntry};
    use crate::validators::ValidatorIndex;

    fn rank(view: u64, slot: u32) -> Rank {
        Rank { view, slot }
    }

    const ROOT: HeaderRef = HeaderRef { rank: Rank { view: 0, slot: 0 }, hash: Hash([9; 32]) };

    fn header(at: Rank, justify: Rank) -> Header {
        let hash = if justify == ROOT.rank { ROOT.hash } else { Hash([1; 32]) };
        let mut header = crate::hotstuff::scenes::root_header();
        (header.rank, header.parent, header.justify) = (at, hash, HeaderRef { rank: justify, hash });
        header
    }

    fn tc(view: u64, high: Rank) -> TimeoutCert {
        let reference = HeaderRef { rank: high, hash: Hash([1; 32]) };
        let high_qc = QuorumCert { epoch: 0, header: reference, signers: 0, signatures: Vec::new() };
        let signature = Signature([0; 64]);
        let entry = TimeoutEntry { voter: ValidatorIndex(0), high_qc_rank: high, tip: None, signature };
        TimeoutCert { epoch: 0, view, entries: vec![entry], high_qc }
    }

    /// One row for each clause: rank, justify, current view, last voted, timeout view, TC, carry.
    #[test]
    fn each_clause_forbids_what_it_should() {
        use Refusal::*;
        let none = Rank::default();
        type Row = (Rank, Rank, u64, Rank, u64, Option<TimeoutCert>, bool, Result<(), Refusal>);
        let rows: [Row; 14] = [
            (rank(1, 0), none, 1, none, 0, None, true, Ok(())),
            (rank(1, 1), rank(1, 0), 1, rank(1, 0), 0, None, true, Ok(())),
            (rank(3, 0), rank(2, 4), 3, rank(2, 5), 2, Some(tc(2, rank(2, 4))), true, Ok(())),
            // A vote that was skipped is no obstacle.
            (rank(1, 7), rank(1, 6), 1, rank(1, 2), 0, None, true, Ok(())),
            (rank(1, 1), rank(1, 0), 2, none, 0, None, true, Err(OtherView)),
            (rank(1, 1), rank(1, 0), 1, rank(1, 1), 0, None, true, Err(AlreadyVoted)),
            (rank(1, 0), none, 1, rank(1, 1), 0, None, true, Err(AlreadyVoted)),
            (rank(1, 1), rank(1, 0), 1, none, 1, None, true, Err(GivenUp)),
            (rank(1, 1), rank(1, 1), 1, none, 0, None, true, Err(Justify)),
            (rank(2, 2), rank(2, 0), 2, none, 0, None, true, Err(SlotGap)),
            (rank(2, 0), rank(1, 3), 2, none, 0, None, true, Err(NoEntry)),
            (rank(3, 0), rank(1, 3), 3, none, 0, Some(tc(1, none)), true, Err(NoEntry)),
            (rank(3, 0), rank(2, 3), 3, none, 0, Some(tc(2, rank(2, 4))), true, Err(StaleJustify)),
            (rank(3, 0), rank(2, 4), 3, none, 0, Some(tc(2, rank(2, 4))), false, Err(Carry)),
        ];
        for (place, (at, justify, view, last_voted, timeout_view, tc, carry_ok, expected)) in rows.iter().enumerate() {
            let (header, tc) = (header(*at, *justify), tc.as_ref());
            let (view, last_voted, timeout_view, carry_ok) = (*view, *last_voted, *timeout_view, *carry_ok);
            let case = VoteCase { header: &header, tc, root: ROOT, view, last_voted, timeout_view, carry_ok };
            assert_eq!(may_vote(case), *expected, "row {place}");
        }
    }

    #[test]
    fn a_parent_other_than_the_certified_header_is_refused() {
        let mut header = header(rank(1, 0), Rank::default());
        header.parent = Hash([7; 32]);
        let (view, last_voted, timeout_view) = (1, Rank::default(), 0);
        let case = VoteCase { header: &header, tc: None, root: ROOT, view, last_voted, timeout_view, carry_ok: true };
        assert_eq!(may_vote(case), Err(Refusal::Justify));
    }
}

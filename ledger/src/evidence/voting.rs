//! What a voter must not sign together.
//!
//! A validator votes in rising ranks, and not in a view it gave up or an earlier one. Its timeout names its last vote, exactly, and the
//! highest certificate it knows; both only rise. All of it is on its disk before anybody hears of it.

use super::{SignedTimeout, Statement};
use crate::defects::{Defect, omits};
use crate::header::HeaderRef;
use crate::hotstuff::Vote;

/// Two headers of one rank.
pub(super) fn double_vote(a: &Statement, b: &Statement) -> bool {
    let (Statement::Vote(a), Statement::Vote(b)) = (a, b) else { return false };
    let resigned = omits(Defect::ResignedIsDouble) && a.signature != b.signature;
    let differ = a.header.hash != b.header.hash || resigned;
    a.epoch == b.epoch && a.voter == b.voter && a.header.rank == b.header.rank && differ
}

/// One view given up in two ways.
pub(super) fn double_timeout(a: &Statement, b: &Statement) -> bool {
    let (Statement::Timeout(a), Statement::Timeout(b)) = (a, b) else { return false };
    let differ = a.high_qc_rank != b.high_qc_rank || a.tip != b.tip;
    a.epoch == b.epoch && a.voter == b.voter && a.view == b.view && differ
}

/// A vote of a view, and a timeout of the same view whose tip is not that vote or a later one.
pub(super) fn vote_after_timeout(a: &Statement, b: &Statement) -> bool {
    let (Statement::Vote(vote), Statement::Timeout(timeout)) = (a, b) else { return false };
    same_voter(vote, timeout) && vote.header.rank.view == timeout.view && forgets(timeout.tip, vote.header)
}

/// A timeout of a later view that knows less than what was signed before: a vote, the certificate that the voted header builds on, or an
/// earlier timeout. Where the header is shown, the view may be the same: a voter knows the certificate before it votes.
pub(super) fn amnesia(a: &Statement, b: &Statement) -> bool {
    let Statement::Timeout(later) = b else { return false };
    match a {
        Statement::Vote(vote) => {
            same_voter(vote, later) && vote.header.rank.view < later.view && forgets(later.tip, vote.header)
        }
        Statement::VoteFor(vote, header) => {
            same_voter(vote, later)
                && vote.header.rank.view <= later.view
                && header.epoch == vote.epoch
                && later.high_qc_rank < header.justify.rank
        }
        Statement::Timeout(earlier) => {
            let forgot = later.high_qc_rank < earlier.high_qc_rank
                || earlier.tip.is_some_and(|earlier| forgets(later.tip, earlier));
            earlier.epoch == later.epoch && earlier.voter == later.voter && earlier.view < later.view && forgot
        }
        _ => false,
    }
}

fn same_voter(vote: &Vote, timeout: &SignedTimeout) -> bool {
    vote.epoch == timeout.epoch && vote.voter == timeout.voter
}

/// Whether a tip is not what was voted for, nor a later vote.
fn forgets(tip: Option<HeaderRef>, voted: HeaderRef) -> bool {
    tip.is_none_or(|tip| tip.rank < voted.rank || (tip.rank == voted.rank && tip.hash != voted.hash))
}

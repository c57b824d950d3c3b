//! What a new view must carry over from the old one (CONSENSUS section 3, `carry_ok`).
//!
//! A header that 2f + 1 voted for may be certified without anybody in the next view knowing. The carry rule keeps its log:
//! trades that a client has seen do not vanish with their leader. It only restricts votes, so safety does not rest on it.

use std::collections::BTreeSet;

use super::boundary::LogRelation;
use super::messages::TimeoutCert;
use crate::crypto::Hash;
use crate::header::{HeaderRef, LogPoint, Rank};

/// What is known of a tip's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TipHeader {
    /// Not here.
    Missing,
    /// It breaks the rules, so no honest validator voted for it.
    Broken,
    /// Its log ends here.
    EndsAt(LogPoint),
}

/// What a timeout certificate demands of the log of the header that opens the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Carry {
    /// Nothing.
    Free,
    /// It must run through one of these: the tips left at the highest rank where one is left.
    Through(Vec<LogPoint>),
    /// It cannot be told yet. A log that runs through one of `logs` is fine in any case.
    Wait {
        /// Headers of tips that are needed.
        headers: Vec<Hash>,
        /// Ends of tips whose logs are needed.
        logs: Vec<LogPoint>,
    },
}

/// Judges the tips above the justifying header, highest rank first.
///
/// `justify_end` is where the log of the justifying header ends. A tip whose log is not longer than that one is contained in
/// it or conflicts with it, and is skipped in either case.
pub(super) fn judge_tips(
    tc: &TimeoutCert,
    quorum: usize,
    justify_rank: Rank,
    justify_end: LogPoint,
    header: impl Fn(HeaderRef) -> TipHeader,
    relation: impl Fn(LogPoint, LogPoint) -> LogRelation,
) -> Carry {
    let above: BTreeSet<(Rank, Hash)> =
        tc.entries.iter().filter_map(|e| e.tip).filter(|t| t.rank > justify_rank).map(|t| (t.rank, t.hash)).collect();
    let ranks: BTreeSet<Rank> = above.iter().map(|(rank, _)| *rank).collect();
    for rank in ranks.into_iter().rev() {
        let (mut left, mut headers, mut logs) = (Vec::new(), Vec::new(), Vec::new());
        for &(_, hash) in above.range((rank, Hash::ZERO)..=(rank, Hash([0xff; 32]))) {
            let tip = HeaderRef { rank, hash };
            if denials(tc, tip) >= quorum {
                continue;
            }
            match header(tip) {
                TipHeader::Missing => headers.push(hash),
                TipHeader::Broken => {}
                TipHeader::EndsAt(end) if end.seq <= justify_end.seq => {}
                TipHeader::EndsAt(end) => match relation(end, justify_end) {
                    LogRelation::FirstContainsSecond => left.push(end),
                    LogRelation::Unknown => logs.push(end),
                    LogRelation::Same | LogRelation::SecondContainsFirst | LogRelation::Conflict => {}
                },
            }
        }
        if !left.is_empty() {
            return Carry::Through(left);
        }
        if !headers.is_empty() || !logs.is_empty() {
            return Carry::Wait { headers, logs };
        }
    }
    Carry::Free
}

/// How many entries deny a tip: no tip, a lower rank, or the same rank with another hash.
fn denials(tc: &TimeoutCert, tip: HeaderRef) -> usize {
    let denies = |other: HeaderRef| other.rank < tip.rank || (other.rank == tip.rank && other.hash != tip.hash);
    tc.entries.iter().filter(|e| e.tip.is_none_or(denies)).count()
}

/// Whether a log runs through a place.
pub(super) fn runs_through(
    log_end: LogPoint,
    place: LogPoint,
    relation: impl Fn(LogPoint, LogPoint) -> LogRelation,
) -> LogRelation {
    if log_end == place {
        LogRelation::Same
    } else if log_end.seq < place.seq {
        LogRelation::Conflict
    } else {
        relation(log_end, place)
    }
}

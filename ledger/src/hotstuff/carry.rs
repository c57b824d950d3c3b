//! What a new view must carry over from the old one (CONSENSUS section 3, `carry_ok`).
//!
//! A header that 2f + 1 voted for may be certified without anybody in the next view knowing. The carry rule keeps its log:
//! trades that a client has seen do not vanish with their leader. It only restricts votes, so safety does not rest on it.

use std::collections::BTreeSet;

use super::boundary::LogRelation;
use super::messages::TimeoutCert;
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::header::{HeaderRef, LogPoint, Rank};

/// What is known of a tip's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TipHeader {
    /// Not here.
    Missing,
    /// It breaks the rules, so no honest validator voted for it.
    Broken,
    /// Its log ends here, and by the clock here its time has not nearly come. Either nobody honest voted for it, and a quorum will deny it;
    /// or a clock was set.
    FarAhead(LogPoint),
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
        /// Ends of tips whose time has not nearly come: they are denied by a quorum, or it comes.
        ahead: Vec<LogPoint>,
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
    if omits(Defect::NoCarry) {
        return Carry::Free;
    }
    let ranks: BTreeSet<Rank> = above.iter().map(|(rank, _)| *rank).collect();
    for rank in ranks.into_iter().rev() {
        let (mut left, mut headers, mut logs, mut ahead) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for &(_, hash) in above.range((rank, Hash::ZERO)..=(rank, Hash([0xff; 32]))) {
            let tip = HeaderRef { rank, hash };
            if denials(tc, tip) >= quorum && !omits(Defect::NoDenial) {
                continue;
            }
            let (end, wanted) = match header(tip) {
                TipHeader::Missing => {
                    headers.push(hash);
                    continue;
                }
                TipHeader::Broken => continue,
                TipHeader::FarAhead(end) => (end, &mut ahead),
                TipHeader::EndsAt(end) => (end, &mut left),
            };
            if omits(Defect::NoPrefixExemption) {
                wanted.push(end);
            } else if end.seq > justify_end.seq {
                match relation(end, justify_end) {
                    LogRelation::FirstContainsSecond => wanted.push(end),
                    LogRelation::Unknown => logs.push(end),
                    LogRelation::Same | LogRelation::SecondContainsFirst | LogRelation::Conflict => {}
                }
            }
        }
        if !left.is_empty() {
            return Carry::Through(left);
        }
        if !headers.is_empty() || !logs.is_empty() || !ahead.is_empty() {
            return Carry::Wait { headers, logs, ahead };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Signature;
    use crate::hotstuff::{QuorumCert, TimeoutEntry};
    use crate::validators::ValidatorIndex;

    fn tip(view: u64, slot: u32, name: u8) -> HeaderRef {
        HeaderRef { rank: Rank { view, slot }, hash: Hash([name; 32]) }
    }

    fn tc(tips: &[Option<HeaderRef>]) -> TimeoutCert {
        let high_qc = QuorumCert { epoch: 0, header: HeaderRef::default(), signers: 0, signatures: Vec::new() };
        let entry = |(voter, tip): (u16, &Option<HeaderRef>)| TimeoutEntry {
            voter: ValidatorIndex(voter),
            high_qc_rank: Rank::default(),
            tip: *tip,
            signature: Signature([0; 64]),
        };
        TimeoutCert { epoch: 0, view: 9, entries: (0..).zip(tips).map(entry).collect(), high_qc }
    }

    /// A tip's log is as long as its name says, and its own.
    fn end(name: u8) -> LogPoint {
        LogPoint { seq: name.into(), digest: Hash([name; 32]) }
    }

    fn judge(tips: &[Option<HeaderRef>], missing: &[u8], broken: &[u8], relation: LogRelation) -> Carry {
        let header = |tip: HeaderRef| match tip.hash.0[0] {
            name if missing.contains(&name) => TipHeader::Missing,
            name if broken.contains(&name) => TipHeader::Broken,
            name => TipHeader::EndsAt(end(name)),
        };
        let justify_end = LogPoint { seq: 4, digest: Hash([4; 32]) };
        judge_tips(&tc(tips), 3, Rank { view: 1, slot: 1 }, justify_end, header, |_, _| relation)
    }

    const LONGER: LogRelation = LogRelation::FirstContainsSecond;

    #[test]
    fn a_tip_above_the_certificate_is_carried_and_the_highest_decides() {
        let (a, b) = (Some(tip(2, 0, 5)), Some(tip(2, 1, 6)));
        assert_eq!(judge(&[a, a, None], &[], &[], LONGER), Carry::Through(vec![end(5)]));
        assert_eq!(judge(&[a, b, None], &[], &[], LONGER), Carry::Through(vec![end(6)]));
        assert_eq!(judge(&[Some(tip(1, 1, 5)); 3], &[], &[], LONGER), Carry::Free, "not above");
    }

    /// Entries: b, nothing, a, another of b's rank. Three of four deny b.
    #[test]
    fn a_tip_that_a_quorum_denies_is_skipped() {
        let (a, b, c) = (Some(tip(2, 0, 5)), Some(tip(3, 0, 6)), Some(tip(3, 0, 7)));
        assert_eq!(judge(&[b, None, None, None], &[6], &[], LONGER), Carry::Free);
        assert_eq!(judge(&[b, None, a, None], &[6], &[], LONGER), Carry::Through(vec![end(5)]));
        assert_eq!(judge(&[b, c, c, a], &[6], &[], LONGER), Carry::Through(vec![end(7)]));
        let wait = Carry::Wait { headers: vec![Hash([6; 32])], logs: Vec::new(), ahead: Vec::new() };
        assert_eq!(judge(&[b, None, a], &[6], &[], LONGER), wait, "two denials are not enough");
    }

    #[test]
    fn a_tip_that_breaks_the_rules_or_is_contained_or_conflicts_is_skipped() {
        let a = Some(tip(2, 0, 5));
        assert_eq!(judge(&[a, a, a], &[], &[5], LONGER), Carry::Free);
        assert_eq!(judge(&[a, a, a], &[], &[], LogRelation::Conflict), Carry::Free);
        assert_eq!(judge(&[a, a, a], &[], &[], LogRelation::SecondContainsFirst), Carry::Free);
        let shorter = Some(tip(2, 0, 3));
        assert_eq!(judge(&[shorter; 3], &[], &[], LogRelation::Unknown), Carry::Free);
    }

    /// By the clock of whoever judges it. It may have been certified before that clock was set back, and then it must not be dropped; if only
    /// its own leader voted for it, everybody else denies it.
    #[test]
    fn a_tip_dated_far_ahead_is_neither_carried_nor_dropped_until_a_quorum_denies_it() {
        let header = |tip: HeaderRef| match tip.hash.0[0] {
            6 => TipHeader::FarAhead(end(6)),
            name => TipHeader::EndsAt(end(name)),
        };
        let justify_end = LogPoint { seq: 4, digest: Hash([4; 32]) };
        let judge = |tips: &[Option<HeaderRef>]| {
            judge_tips(&tc(tips), 3, Rank { view: 1, slot: 1 }, justify_end, header, |_, _| LONGER)
        };
        let (a, dated) = (Some(tip(2, 0, 5)), Some(tip(3, 0, 6)));
        let wait = Carry::Wait { headers: Vec::new(), logs: Vec::new(), ahead: vec![end(6)] };
        assert_eq!(judge(&[dated, a, a]), wait);
        assert_eq!(judge(&[dated, a, a, a]), Carry::Through(vec![end(5)]));
        assert_eq!(judge(&[dated, None, None, None]), Carry::Free);
    }

    #[test]
    fn a_tip_whose_log_is_not_here_is_waited_for() {
        let a = Some(tip(2, 0, 5));
        let wait = Carry::Wait { headers: Vec::new(), logs: vec![end(5)], ahead: Vec::new() };
        assert_eq!(judge(&[a, a, None], &[], &[], LogRelation::Unknown), wait);
    }
}

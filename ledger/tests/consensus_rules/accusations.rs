//! What the core proves against others, and what it bears with (CONSENSUS section 3, Evidence and Bounds). One core, all messages by hand.

use gridbook_ledger::evidence::EvidenceKind;
use gridbook_ledger::header::{Header, HeaderRef, LogPoint};
use gridbook_ledger::hotstuff::{ConsensusMessage, Effect, HEADER_COMMANDS_MAX, Input, QuorumCert, Timeout};

use crate::ring::rank;
use crate::solo::{Solo, sent, timeouts, votes};
use crate::toy_log::body;

/// Who is accused of what.
fn accused(effects: &[Effect]) -> Vec<(u16, EvidenceKind)> {
    let one = |effect: &Effect| match effect {
        Effect::Evidence { culprit, evidence } => Some((culprit.0, evidence.kind)),
        _ => None,
    };
    effects.iter().filter_map(one).collect()
}

fn says(timeout: Timeout) -> ConsensusMessage {
    ConsensusMessage::Timeout(Box::new(timeout))
}

/// Validator 1 leads view 1 and has a header certified, with the votes of these.
fn lead(solo: &mut Solo, slot: u32, parent: &Header, voters: &[usize]) -> Header {
    let end = solo.universe.append(parent.log_end(), slot.into());
    let built = solo.input(Input::Built { rank: rank(1, slot), body: body(parent, end, 0) });
    let proposed =
        sent(&built).find_map(|m| if let ConsensusMessage::Proposal(p) = m { Some(p.clone()) } else { None });
    let header = proposed.expect("proposed").header;
    for voter in voters {
        let vote = ConsensusMessage::Vote(solo.ring.vote(*voter, header.reference()));
        assert_eq!(accused(&solo.hear(*voter, vote)), []);
    }
    header
}

/// Validator 3 votes for (1, 0). When the view ends it says that it voted for nothing, so that nobody need carry what it voted for.
#[test]
fn who_hides_its_vote_when_the_view_ends_is_found_out_by_the_leader() {
    let mut solo = Solo::started(1);
    let root = solo.ring.root.clone();
    let a = lead(&mut solo, 0, &root, &[0, 3]);
    let hides = solo.ring.timeout(3, 1, solo.ring.root_qc(), None);
    assert_eq!(accused(&solo.hear(3, says(hides))), [(3, EvidenceKind::VoteAfterTimeout)]);
    // The other one tells it as it is.
    let honest = solo.ring.timeout(0, 1, solo.ring.root_qc(), Some(a.reference()));
    assert_eq!(accused(&solo.hear(0, says(honest))), []);
}

/// Its vote came late, when the header was certified without it.
#[test]
fn a_late_vote_is_remembered_against_its_voter() {
    let mut solo = Solo::started(1);
    let root = solo.ring.root.clone();
    lead(&mut solo, 0, &root, &[0, 2, 3]);
    let hides = solo.ring.timeout(3, 1, solo.ring.root_qc(), None);
    assert_eq!(accused(&solo.hear(3, says(hides))), [(3, EvidenceKind::VoteAfterTimeout)]);
}

/// It votes for (1, 1), which builds on a certificate of (1, 0), and does not know that certificate afterwards.
#[test]
fn who_forgets_the_certificate_that_it_built_on_is_found_out() {
    let mut solo = Solo::started(1);
    let root = solo.ring.root.clone();
    let a = lead(&mut solo, 0, &root, &[0, 3]);
    let b = lead(&mut solo, 1, &a, &[0, 3]);
    let forgets = solo.ring.timeout(3, 1, solo.ring.root_qc(), Some(b.reference()));
    assert_eq!(accused(&solo.hear(3, says(forgets))), [(3, EvidenceKind::Amnesia)]);
    let qc = solo.qc_of(&a);
    let honest = solo.ring.timeout(0, 1, qc, Some(b.reference()));
    assert_eq!(accused(&solo.hear(0, says(honest))), []);
}

/// Timeouts go to all: also who never leads sees that one knows less than an earlier one.
#[test]
fn a_timeout_that_forgets_an_earlier_one_is_evidence_for_everybody() {
    let mut solo = Solo::started(0);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let qc = solo.qc_of(&a.header);
    let before = solo.ring.timeout(3, 1, qc.clone(), Some(a.header.reference()));
    assert_eq!(accused(&solo.hear(3, says(before))), []);
    let honest = solo.ring.timeout(3, 2, qc, Some(a.header.reference()));
    assert_eq!(accused(&solo.hear(3, says(honest))), []);
    let forgets = solo.ring.timeout(3, 3, solo.ring.root_qc(), Some(a.header.reference()));
    assert_eq!(accused(&solo.hear(3, says(forgets))), [(3, EvidenceKind::Amnesia)]);
}

/// One view is given up in a thousand ways: it is told once. One of them is not signed: that accuses nobody.
#[test]
fn a_flood_of_timeouts_for_one_view_is_told_once() {
    let mut solo = Solo::started(0);
    let tip = |hash: u8| HeaderRef { rank: rank(1, 0), hash: gridbook_ledger::crypto::Hash([hash; 32]) };
    let timeout = |solo: &Solo, tip| solo.ring.timeout(3, 1, solo.ring.root_qc(), tip);
    let first = timeout(&solo, None);
    assert_eq!(accused(&solo.hear(3, says(first.clone()))), []);
    assert_eq!(accused(&solo.hear(3, says(first.clone()))), [], "the same again");
    let mut unsigned = timeout(&solo, Some(tip(9)));
    unsigned.signature = first.signature;
    assert_eq!(accused(&solo.hear(3, says(unsigned))), []);
    let mut told = 0;
    for hash in 0..100 {
        let other = timeout(&solo, Some(tip(hash)));
        told += accused(&solo.hear(3, says(other))).len();
    }
    assert_eq!(told, 1);
}

/// ```text
/// root - (1,0) - (2,0) - (4,0) - (5,0) - ...      all certified, no two of one view: nothing is final
/// ```
/// Beyond 64 of them a header that adds log gets no vote, and nobody is blamed for it; an empty one does, for only such can make the others
/// final.
#[test]
fn log_is_not_voted_for_64_headers_beyond_what_is_final() {
    let mut solo = Solo::started(3);
    let mut parent = solo.ring.root.clone();
    let offer = |solo: &mut Solo, view: u64, commands: &[u64], before: &Header| {
        let qc: QuorumCert = solo.qc_of(before);
        let tip = (before.height > 0).then(|| before.reference());
        let tc = (view > 1).then(|| solo.tc(view - 1, &qc, tip));
        let proposal = solo.propose(rank(view, 0), before, tc, commands);
        let effects = solo.hear_proposal(&proposal);
        let voted = votes(&effects).contains(&proposal.header.reference());
        // What ends here is the view before, by the certificate that the proposal came with.
        assert!(!timeouts(&effects).contains(&view), "view {view} is not given up");
        (proposal.header, voted)
    };
    // Views that this validator leads itself are left out.
    let mut views = (1..).filter(|view| view % 4 != 3);
    for depth in 0..64 {
        let view = views.next().expect("endless");
        let (header, voted) = offer(&mut solo, view, &[view], &parent);
        assert!(voted, "{depth} headers are not final");
        parent = header;
    }
    let view = views.next().expect("endless");
    assert!(!offer(&mut solo, view, &[view], &parent).1, "it would be the 65th");
    let view = views.next().expect("endless");
    assert!(offer(&mut solo, view, &[], &parent).1, "an empty one is always votable");
}

/// A leader puts a million commands into one header, so that whoever misses it can never be sent its log in one answer: the leader is given
/// up.
#[test]
fn a_header_with_more_commands_than_fit_into_an_answer_ends_its_view() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let mut sized = |count: u64| {
        let end = LogPoint { seq: count, digest: gridbook_ledger::crypto::Hash([1; 32]) };
        let proposal = solo.ring.proposal(rank(1, 0), &root, solo.ring.root_qc(), None, body(&root, end, 0));
        timeouts(&solo.hear_proposal(&proposal))
    };
    assert!(sized(HEADER_COMMANDS_MAX).is_empty());
    assert_eq!(sized(HEADER_COMMANDS_MAX + 1), [1]);
}

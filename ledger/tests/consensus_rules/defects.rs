//! Known defects of other implementations (CONSENSUS section 4), each kept out by a test. One core, all messages by hand.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{
    CertError, ConsensusMessage, Effect, Input, Proposal, QcNote, QuorumCert, Timeout, Verdict,
};

use crate::ring::{Ring, rank};
use crate::solo::{Solo, finals, has_evidence, last_record, sent, timeouts, votes};
use crate::toy_log::body;

/// Rows 1 and 14.
///
/// ```text
/// root - A(1,0) - B(2,0) - C(2,1)      QC(B) makes nothing final: A is of another view
///                                      QC(C) makes A and B final, in this order, once
/// ```
#[test]
fn a_header_of_another_view_is_not_committed_by_its_child_and_ancestors_come_oldest_first() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let qc_a = solo.qc_of(&a.header);
    let tc = solo.tc(1, &qc_a, Some(a.header.reference()));
    let b = solo.propose(rank(2, 0), &a.header, Some(tc), &[2]);
    let c = solo.propose(rank(2, 1), &b.header, None, &[3]);
    solo.hear_proposal(&a);
    solo.hear_proposal(&b);
    assert!(finals(&solo.hear_cert(b.header.reference())).is_empty());
    solo.hear_proposal(&c);
    assert_eq!(finals(&solo.hear_cert(c.header.reference())), [1, 2]);
    assert!(finals(&solo.hear_cert(c.header.reference())).is_empty(), "told once");
}

/// Row 2. Two validators sign, one of them twice.
#[test]
fn a_signer_counts_once_in_a_certificate() {
    let ring = Ring::new(4);
    let header = HeaderRef { rank: rank(1, 0), hash: Hash::of("x", b"y") };
    let mut qc = ring.qc(&[0, 1], header);
    qc.signatures.push(qc.signatures[1]);
    let count = CertError::Count { signers: 2, signatures: 3 };
    assert_eq!(qc.verify(ring.root.chain, &ring.set), Err(count));
    let twice = [0, 1, 1].map(|i| ring.timeout(i, 1, ring.root_qc(), None));
    assert_eq!(ring.tc(1, &twice).verify(ring.root.chain, &ring.set, &ring.root_qc()), Err(CertError::Order));
    let whole = ring.qc(&[0, 1, 3], header);
    assert_eq!(whole.verify(ring.root.chain, &ring.set), Ok(()));
    let other_chain = Hash::of("toy/chain", b"other");
    assert_eq!(whole.verify(other_chain, &ring.set), Err(CertError::Signature));
    let stranger = QuorumCert { signers: 0b1_0000_0011, ..whole };
    assert_eq!(stranger.verify(ring.root.chain, &ring.set), Err(CertError::Stranger));
}

/// Rows 4 and 5. It votes for A, crashes, and is offered A' of the same rank, then A again.
#[test]
fn a_restarted_validator_repeats_its_vote_and_gives_no_other() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let other = solo.propose(rank(1, 0), &root, None, &[2]);
    let before = solo.hear_proposal(&a);
    let vote = sent(&before).find(|m| matches!(m, ConsensusMessage::Vote(_))).cloned();
    let (mut solo, effects) = solo.restarted(3, last_record(&before), vec![a.clone()]);
    assert_eq!(sent(&effects).find(|m| matches!(m, ConsensusMessage::Vote(_))).cloned(), vote, "byte for byte");
    let again = solo.hear_proposal(&a);
    assert_eq!(sent(&again).next().cloned(), vote, "the same header again: the stored vote");
    assert!(!votes(&solo.hear_proposal(&other)).contains(&other.header.reference()));
}

/// Row 4. It gave view 1 up and crashed.
#[test]
fn a_restarted_validator_stays_out_of_a_view_it_gave_up() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let gave_up = solo.input(Input::LeaderFault { view: 1 });
    assert_eq!(timeouts(&gave_up), [1]);
    let (mut solo, effects) = solo.restarted(3, last_record(&gave_up), Vec::new());
    assert_eq!(timeouts(&effects), [1], "said again");
    assert!(votes(&solo.hear_proposal(&a)).is_empty());
}

/// Row 6. The leader gets a vote with a bad signature and one for nothing, and three good ones with its own.
#[test]
fn one_odd_vote_does_not_poison_a_certificate() {
    let mut solo = Solo::started(1);
    let root = solo.ring.root.clone();
    let end = solo.universe.append(LogPoint::default(), 1);
    let built = solo.input(Input::Built { rank: rank(1, 0), body: body(&root, end, 0) });
    let proposal =
        sent(&built).find_map(|m| if let ConsensusMessage::Proposal(p) = m { Some(p.clone()) } else { None });
    let header = proposal.expect("proposed").header.reference();
    let mut bad = solo.ring.vote(0, header);
    bad.signature.0[7] ^= 1;
    let odd = solo.ring.vote(2, HeaderRef { hash: Hash::of("x", b"odd"), ..header });
    solo.hear(0, ConsensusMessage::Vote(bad));
    solo.hear(2, ConsensusMessage::Vote(odd));
    solo.hear(3, ConsensusMessage::Vote(solo.ring.vote(3, header)));
    assert_eq!(solo.core.high_qc().header.rank, Rank::default());
    let double = solo.hear(2, ConsensusMessage::Vote(solo.ring.vote(2, header)));
    assert!(has_evidence(&double));
    solo.hear(0, ConsensusMessage::Vote(solo.ring.vote(0, header)));
    assert_eq!(solo.core.high_qc().header, header);
    assert_eq!(solo.core.high_qc().verify(solo.ring.root.chain, &solo.ring.set), Ok(()));
}

/// Row 7. The same statement under another signature is no second statement.
#[test]
fn a_statement_signed_again_is_no_equivocation() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    solo.hear_proposal(&a);
    let mut again = a.clone();
    again.signature.0[40] ^= 1;
    assert!(!has_evidence(&solo.hear_proposal(&again)));
    assert!(timeouts(&solo.hear_proposal(&a)).is_empty());
}

#[test]
fn two_headers_of_one_rank_are_evidence_and_end_the_view() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let b = solo.propose(rank(1, 0), &root, None, &[2]);
    solo.hear_proposal(&a);
    let effects = solo.hear_proposal(&b);
    assert!(has_evidence(&effects));
    assert_eq!(timeouts(&effects), [1]);
    assert_eq!(sent(&effects).filter(|m| matches!(m, ConsensusMessage::Proposal(_))).count(), 2, "told as a pair");
}

/// Row 8. One timeout of another moves nobody, f + 1 do.
#[test]
fn one_honest_timeout_moves_everyone() {
    let mut solo = Solo::started(3);
    let timeout =
        |solo: &Solo, i| ConsensusMessage::Timeout(Box::new(solo.ring.timeout(i, 1, solo.ring.root_qc(), None)));
    let first = timeout(&solo, 0);
    assert!(timeouts(&solo.hear(0, first.clone())).is_empty());
    assert!(timeouts(&solo.hear(0, first)).is_empty(), "the same again is still one");
    let second = timeout(&solo, 2);
    assert_eq!(timeouts(&solo.hear(2, second)), [1]);
    assert_eq!(solo.core.view(), 2, "with its own there are 2f + 1");
}

#[test]
fn a_leader_that_gives_its_view_up_moves_everyone_at_once() {
    let mut solo = Solo::started(3);
    let timeout = solo.ring.timeout(1, 1, solo.ring.root_qc(), None);
    assert_eq!(timeouts(&solo.hear(1, ConsensusMessage::Timeout(Box::new(timeout)))), [1]);
}

/// Row 9. All voted for A, nobody knows its certificate.
///
/// ```text
/// root - A(1,0) [1]        TC(1): tips A A A
///    \ - B(2,0) []         drops A's log: no vote, the view is over
///    \ - C(2,0) [1, 2]     runs through it: vote
/// ```
#[test]
fn a_header_that_may_be_certified_is_not_dropped_by_the_next_leader() {
    for carries in [false, true] {
        let mut solo = Solo::started(3);
        let root = solo.ring.root.clone();
        let a = solo.propose(rank(1, 0), &root, None, &[1]);
        solo.hear_proposal(&a);
        let tc = solo.tc(1, &solo.ring.root_qc(), Some(a.header.reference()));
        let log: &[u64] = if carries { &[1, 2] } else { &[] };
        let next = solo.propose(rank(2, 0), &root, Some(tc), log);
        let effects = solo.hear_proposal(&next);
        assert_eq!(votes(&effects).contains(&next.header.reference()), carries);
        assert_eq!(timeouts(&effects).contains(&2), !carries);
    }
}

/// Row 9, from the leader's side: it is told what to carry, and its `led` is on disk before it is asked to build.
#[test]
fn a_new_leader_builds_through_the_tip() {
    let mut solo = Solo::started(2);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    solo.hear_proposal(&a);
    let tc = solo.tc(1, &solo.ring.root_qc(), Some(a.header.reference()));
    let effects = solo.hear(0, ConsensusMessage::TimeoutCert(Box::new(tc)));
    let build = effects.iter().position(|e| {
        matches!(e, Effect::Build { rank: at, carry, tail: true, .. }
            if *at == rank(2, 0) && *carry == Some(a.header.log_end()))
    });
    let led = effects.iter().position(|e| matches!(e, Effect::Persist(r) if r.led == rank(2, 0)));
    assert!(led.expect("persisted") < build.expect("asked to build"));
}

/// Row 11. Headers come from another's store, and with them a lock.
#[test]
fn certificates_of_synced_headers_are_kept() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let b = solo.propose(rank(1, 1), &a.header, None, &[2]);
    let c = solo.propose(rank(1, 2), &b.header, None, &[3]);
    let effects = solo.input(Input::CaughtUp(vec![a, b.clone(), c]));
    assert_eq!(finals(&effects), [1]);
    assert_eq!(solo.core.high_qc().header, b.header.reference());
    let gave_up = solo.input(Input::LeaderFault { view: 1 });
    let told = sent(&gave_up).find_map(|m| if let ConsensusMessage::Timeout(t) = m { Some(&t.high_qc) } else { None });
    assert_eq!(told.expect("a timeout").header, b.header.reference());
}

/// Row 13. Ranks of the attacker's choice.
#[test]
fn made_up_ranks_take_no_room() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    for view in 1..200 {
        let mut header = solo.propose(rank(4 * view + 1, 0), &root, None, &[view]).header;
        header.tc_hash = Hash::of("x", b"made up");
        let signature = Proposal::sign(&header, &solo.ring.keys[1]);
        let proposal = Proposal { header, signature, justify: solo.ring.root_qc(), tc: None };
        solo.hear_proposal(&proposal);
        let unsigned = QuorumCert { header: proposal.header.reference(), ..solo.ring.qc(&[1], HeaderRef::default()) };
        let note = QcNote { qc: unsigned, tc: None };
        solo.hear(1, ConsensusMessage::QcNote(Box::new(note)));
        let slot = u32::try_from(view).unwrap();
        let twice = solo.propose(rank(1, slot), &root, None, &[view]);
        solo.hear_proposal(&twice);
    }
    assert_eq!(solo.core.unfinal().count(), 0);
    assert_eq!(solo.core.view(), 1);
    // Different headers of one rank: no more than the two that are the evidence.
    for command in 0..50 {
        let doubled = solo.propose(rank(1, 0), &root, None, &[command]);
        solo.hear_proposal(&doubled);
    }
    assert_eq!(solo.core.unfinal().count(), 2);
}

/// Row 16. Two validators entered view 2 and gave it up; this one never saw TC(1).
#[test]
fn a_timeout_brings_the_certificate_that_opened_its_view() {
    let mut solo = Solo::started(3);
    let entry = solo.tc(1, &solo.ring.root_qc(), None);
    let mut timeout = solo.ring.timeout(0, 2, solo.ring.root_qc(), None);
    timeout.entry = Some(entry);
    solo.hear(0, ConsensusMessage::Timeout(Box::new(timeout)));
    assert_eq!(solo.core.view(), 2);
    let gave_up = solo.input(Input::LeaderFault { view: 2 });
    let own = sent(&gave_up).find_map(|m| if let ConsensusMessage::Timeout(t) = m { t.entry.as_ref() } else { None });
    assert_eq!(own.map(|tc| tc.view), Some(1), "its own carries it on");
}

/// Row 16. A timeout of a view that is over is answered with what ended it.
#[test]
fn one_left_behind_is_told_what_it_missed() {
    let mut solo = Solo::started(3);
    let tc = solo.tc(1, &solo.ring.root_qc(), None);
    solo.hear(0, ConsensusMessage::TimeoutCert(Box::new(tc)));
    let late = solo.ring.timeout(1, 1, solo.ring.root_qc(), None);
    let effects = solo.hear(1, ConsensusMessage::Timeout(Box::new(late)));
    let answer = sent(&effects).find_map(|m| if let ConsensusMessage::QcNote(n) = m { n.tc.as_ref() } else { None });
    assert_eq!(answer.map(|tc| tc.view), Some(1));
}

/// Row 17. Tip T was voted for by one validator; the others' log goes another way and is certified.
///
/// ```text
/// root - T(1,0) [1]                     TC(2): tips T; A, A and the certificate of nothing above root
///    \ - A(2,0) [2] - B(3,0) [2, 3]     B carries A; T is not demanded: A's rank is higher
/// ```
#[test]
fn an_overtaken_tip_is_not_demanded() {
    let mut solo = Solo::started(0);
    let root = solo.ring.root.clone();
    let root_qc = solo.ring.root_qc();
    let t = solo.propose(rank(1, 0), &root, None, &[1]);
    solo.hear_proposal(&t);
    let tc1 = solo.tc(1, &root_qc, None);
    let a = solo.propose(rank(2, 0), &root, Some(tc1), &[2]);
    solo.hear_proposal(&a);
    let tips = [a.header.reference(), a.header.reference(), t.header.reference()];
    let entries: Vec<Timeout> = (0..3).map(|i| solo.ring.timeout(i + 1, 2, root_qc.clone(), Some(tips[i]))).collect();
    let tc2 = solo.ring.tc(2, &entries);
    let b = solo.propose(rank(3, 0), &root, Some(tc2), &[2, 3]);
    assert!(votes(&solo.hear_proposal(&b)).contains(&b.header.reference()));
}

/// Row 18. It led view 1, proposed, and crashed.
#[test]
fn a_restarted_leader_does_not_propose_in_its_view_again() {
    let mut solo = Solo::started(1);
    let root = solo.ring.root.clone();
    let end = solo.universe.append(LogPoint::default(), 1);
    let built = solo.input(Input::Built { rank: rank(1, 0), body: body(&root, end, 0) });
    let record = last_record(&built);
    assert_eq!(record.led, rank(1, 0));
    let (mut solo, effects) = solo.restarted(1, record, Vec::new());
    assert_eq!(timeouts(&effects), [1]);
    assert!(!effects.iter().any(|e| matches!(e, Effect::Build { .. })));
    let other = solo.universe.append(LogPoint::default(), 2);
    let again = solo.input(Input::Built { rank: rank(1, 0), body: body(&root, other, 0) });
    assert!(again.is_empty());
}

/// Row 19. What a timeout reports was given to the disk first: header and log, then the record, then the word.
#[test]
fn a_voted_header_is_on_disk_before_the_record_and_the_record_before_the_vote() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let effects = solo.hear_proposal(&a);
    let keep = effects.iter().position(|e| matches!(e, Effect::KeepProposal(p) if **p == a));
    let persist =
        effects.iter().position(|e| matches!(e, Effect::Persist(r) if r.last_voted == Some(a.header.reference())));
    let send = effects.iter().position(|e| matches!(e, Effect::Send { message: ConsensusMessage::Vote(_), .. }));
    assert!(keep.unwrap() < persist.unwrap() && persist.unwrap() < send.unwrap());
}

/// A certified header that differs from own execution: stop voting.
#[test]
fn a_difference_from_a_certified_header_stops_votes() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let b = solo.propose(rank(1, 1), &a.header, None, &[2]);
    solo.hear_proposal(&a);
    let hash = a.header.hash();
    solo.input(Input::Checked { hash, verdict: Verdict::Differs });
    let effects = solo.hear_proposal(&b);
    assert!(effects.iter().any(|e| matches!(e, Effect::Diverged { header } if header.hash == hash)));
    assert!(votes(&effects).is_empty());
}

/// What makes a header final may be certified beside the chain, and lower than what was certified since. Found by a story with an
/// equivocating leader: the others were done and silent, and this one could not learn what they knew.
///
/// ```text
/// root - A(1,0) - B(1,1)               QC(B) makes A final; it comes last
///             \ - C(2,0) - D(4,0)      QC(C), QC(D) make nothing final
/// ```
#[test]
fn a_late_certificate_beside_the_chain_still_makes_its_parent_final() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    let b = solo.propose(rank(1, 1), &a.header, None, &[2]);
    let qc_a = solo.qc_of(&a.header);
    let tc1 = solo.tc(1, &qc_a, Some(a.header.reference()));
    let c = solo.propose(rank(2, 0), &a.header, Some(tc1), &[]);
    let qc_c = solo.qc_of(&c.header);
    let tc3 = solo.tc(3, &qc_c, Some(c.header.reference()));
    let d = solo.propose(rank(4, 0), &c.header, Some(tc3), &[]);
    for proposal in [&a, &b, &c, &d] {
        solo.hear_proposal(proposal);
    }
    assert!(finals(&solo.hear_cert(d.header.reference())).is_empty());
    assert_eq!(finals(&solo.hear_cert(b.header.reference())), [1]);
    assert!(finals(&solo.hear_cert(b.header.reference())).is_empty(), "told once");
}

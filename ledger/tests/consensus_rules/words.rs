//! Words of validators that are false, stale or beyond all bounds, each said to one core by hand.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::{
    CertError, ConsensusMessage, Effect, Input, Proposal, QcNote, QuorumCert, SLOTS_LIMIT,
};

use crate::ring::{Ring, rank};
use crate::solo::{Solo, finals, has_evidence, sent, timeouts, votes};
use crate::toy_log::body;

fn note(qc: QuorumCert) -> ConsensusMessage {
    ConsensusMessage::QcNote(Box::new(QcNote { qc, tc: None }))
}

fn made_up(view: u64) -> HeaderRef {
    HeaderRef { rank: rank(view, 0), hash: Hash::of("toy/made-up", &view.to_le_bytes()) }
}

/// A leader counts votes: two of them name a header that nobody proposed, and two are not a quorum for the real one.
#[test]
fn votes_for_a_header_that_nobody_proposed_make_no_certificate() {
    let mut solo = Solo::started(1);
    let root = solo.ring.root.clone();
    let end = solo.universe.append(root.log_end(), 1);
    solo.input(Input::Built { rank: rank(1, 0), body: body(&root, end, 0) });
    for voter in [0, 2, 3] {
        let effects = solo.hear(voter, ConsensusMessage::Vote(solo.ring.vote(voter, made_up(1))));
        assert!(finals(&effects).is_empty() && !has_evidence(&effects));
    }
    assert_eq!(solo.core.high_qc().header.rank, Rank::default());
    assert_eq!(solo.core.view(), 1);
}

/// f + 1 signatures prove that one honest validator voted, and make nothing certified.
#[test]
fn a_certificate_of_one_more_than_the_faulty_proves_nothing() {
    for (count, signers) in [(4, 2), (7, 3), (7, 4)] {
        let ring = Ring::new(count);
        let qc = ring.qc(&(0..signers).collect::<Vec<_>>(), made_up(1));
        assert_eq!(qc.verify(ring.root.chain, &ring.set), Err(CertError::Quorum(signers)));
    }
    let mut solo = Solo::started(3);
    solo.hear(0, note(solo.ring.qc(&[0, 1], made_up(5))));
    assert_eq!((solo.core.view(), solo.core.high_qc().header.rank), (1, Rank::default()));
}

/// What 2f + 1 signed in one epoch, or in another validator set, is no certificate in this.
#[test]
fn a_certificate_of_another_epoch_or_set_proves_nothing() {
    let mut solo = Solo::started(3);
    let header = made_up(5);
    let relabelled = QuorumCert { epoch: 1, ..solo.ring.qc(&[0, 1, 2], header) };
    let strangers = Ring::new(7);
    let foreign = strangers.qc(&[4, 5, 6], header);
    let beyond = QuorumCert { signers: 0b111 << 61, ..solo.ring.qc(&[0, 1, 2], header) };
    for qc in [relabelled, foreign, beyond] {
        assert!(qc.verify(solo.ring.root.chain, &solo.ring.set).is_err(), "{qc:?}");
        solo.hear(0, note(qc));
        assert_eq!((solo.core.view(), solo.core.high_qc().header.rank), (1, Rank::default()));
    }
}

/// A header of another epoch is not voted for, however well it is signed.
#[test]
fn a_header_of_another_epoch_or_ledger_is_not_voted_for() {
    let foreign: [fn(&mut Header); 2] = [|header| header.epoch = 1, |header| header.chain = Hash([9; 32])];
    for change in foreign {
        let mut solo = Solo::started(3);
        let root = solo.ring.root.clone();
        let mut proposal = solo.propose(rank(1, 0), &root, None, &[1]);
        change(&mut proposal.header);
        proposal.signature = Proposal::sign(&proposal.header, &solo.ring.keys[1]);
        assert!(votes(&solo.hear_proposal(&proposal)).is_empty());
        assert_eq!(solo.core.unfinal().count(), 0);
    }
}

/// ```text
/// root - A(1,0) - B(1,1)      B says that it builds on A's certificate, and names the root as its parent
/// ```
#[test]
fn a_header_whose_parent_is_not_what_was_certified_is_not_voted_for() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    solo.hear_proposal(&a);
    let mut b = solo.propose(rank(1, 1), &a.header, None, &[2]);
    b.header.parent = root.hash();
    b.signature = Proposal::sign(&b.header, &solo.ring.keys[1]);
    let effects = solo.hear_proposal(&b);
    assert!(votes(&effects).is_empty());
    assert_eq!(timeouts(&effects), [1], "its leader signed what no honest leader signs");
}

/// A view has 10,000 slots. What comes after is proof against its leader.
#[test]
fn a_header_beyond_the_last_slot_is_not_voted_for() {
    let mut solo = Solo::started(3);
    let mut before = solo.ring.root.clone();
    (before.rank, before.height) = (rank(1, SLOTS_LIMIT - 1), 9);
    let proposal = solo.propose(rank(1, SLOTS_LIMIT), &before, None, &[1]);
    let effects = solo.hear_proposal(&proposal);
    assert!(votes(&effects).is_empty());
    assert_eq!(timeouts(&effects), [1]);
}

/// Everything that ended views 1 and 2 is said again in view 3: it moves nobody and makes nobody vote.
#[test]
fn a_replayed_view_change_changes_nothing() {
    let mut solo = Solo::started(3);
    let root_qc = solo.ring.root_qc();
    let old: Vec<ConsensusMessage> = [1, 2]
        .into_iter()
        .flat_map(|view| {
            let mut messages: Vec<ConsensusMessage> = (0..3)
                .map(|voter| ConsensusMessage::Timeout(Box::new(solo.ring.timeout(voter, view, root_qc.clone(), None))))
                .collect();
            messages.push(ConsensusMessage::TimeoutCert(Box::new(solo.tc(view, &root_qc, None))));
            messages
        })
        .collect();
    for message in old.clone() {
        solo.hear(0, message);
    }
    assert_eq!(solo.core.view(), 3);
    let record = solo.core.record().clone();
    for message in old.iter().chain(&old) {
        let effects = solo.hear(0, message.clone());
        assert!(votes(&effects).is_empty() && timeouts(&effects).is_empty() && !has_evidence(&effects));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::EnteredView { .. } | Effect::Persist(_))));
    }
    assert_eq!((solo.core.view(), solo.core.record()), (3, &record));
}

/// One validator says everything there is to say about the last view there can be.
#[test]
fn the_last_view_there_can_be_moves_nobody_and_overflows_nothing() {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let liar = 0;
    // It leads the first of them.
    for view in [u64::MAX - 3, u64::MAX] {
        let lone = solo.ring.qc(&[liar], made_up(view));
        let tc = solo.ring.tc(view, &[solo.ring.timeout(liar, view, lone.clone(), Some(made_up(view)))]);
        let mut proposal = solo.propose(Rank { view, slot: u32::MAX }, &root, Some(tc.clone()), &[1]);
        for slot in [0, 1, u32::MAX] {
            proposal.header.rank.slot = slot;
            proposal.signature = Proposal::sign(&proposal.header, &solo.ring.keys[liar]);
            let message = ConsensusMessage::Proposal(Box::new(proposal.clone()));
            assert!(votes(&solo.hear(liar, message)).is_empty());
        }
        solo.hear(liar, ConsensusMessage::Vote(solo.ring.vote(liar, made_up(view))));
        solo.hear(liar, ConsensusMessage::TimeoutCert(Box::new(tc.clone())));
        solo.hear(liar, note(lone.clone()));
        for (qc, entry) in [(solo.ring.root_qc(), None), (solo.ring.root_qc(), Some(tc)), (lone, None)] {
            let mut timeout = solo.ring.timeout(liar, view, qc, Some(made_up(view)));
            timeout.entry = entry;
            let effects = solo.hear(liar, ConsensusMessage::Timeout(Box::new(timeout)));
            assert!(timeouts(&effects).is_empty(), "one of four moves nobody");
        }
    }
    assert_eq!(solo.core.view(), 1);
    let a = solo.propose(rank(1, 0), &root, None, &[1]);
    assert_eq!(votes(&solo.hear_proposal(&a)), [a.header.reference()], "the view goes on");
    assert_eq!(sent(&solo.input(Input::Tick)).count(), 0);
}

//! What random schedules hardly come to, played by hand.

use gridbook_ledger::crypto::{Hash, Signature};
use gridbook_ledger::header::{HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Effect, Input, Recipient};

use super::resigned::sign_anew;
use super::solo::{Solo, sent, vote};
use crate::cluster::dice::Dice;
use crate::consensus::{Cluster, Command, Ring, Violation, Weather, body, index};

fn must(holds: bool, what: &'static str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::Scene(what)) }
}

/// It votes, crashes, and comes up again: the vote may never have been sent.
pub(super) fn a_restarted_validator_repeats_its_vote() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose((1, 0), &root, None, &[1]);
    let before = solo.hear_proposal(&a);
    let said = vote(&before).cloned();
    let record = before.iter().rev().find_map(|effect| match effect {
        Effect::Persist(record) => Some((**record).clone()),
        _ => None,
    });
    let Some(record) = record.filter(|_| said.is_some()) else {
        return Err(Violation::Scene("a good header is not voted for"));
    };
    let (mut solo, effects) = solo.restarted(3, record, vec![a.clone()]);
    must(vote(&effects).cloned() == said, "a restarted validator does not repeat its vote")?;
    let again = solo.hear_proposal(&a);
    must(vote(&again).cloned() == said, "a header that comes again is not answered with the stored vote")
}

/// It crashes in view 2, and what it says when it is up again must be of view 2: a restart of all would otherwise begin views anew
/// for which everybody has already voted.
pub(super) fn a_restarted_validator_is_in_the_view_it_was_in() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let tc = solo.tc(1, &solo.ring.root_qc(), [None; 3]);
    let effects = solo.hear(0, ConsensusMessage::TimeoutCert(Box::new(tc)));
    let gave_up = solo.input(Input::LeaderFault { view: 2 });
    let record = effects.iter().chain(&gave_up).rev().find_map(|effect| match effect {
        Effect::Persist(record) => Some((**record).clone()),
        _ => None,
    });
    let Some(record) = record else { return Err(Violation::Scene("a view is given up without a word on disk")) };
    let (solo, _) = solo.restarted(3, record, Vec::new());
    must(solo.core.view() == 2, "a restarted validator is in another view than it was in")
}

/// Row 16 of CONSENSUS section 4, from the other side: one that was cut off still wants view 1 to end.
pub(super) fn who_gives_up_a_view_that_is_over_is_told_what_ended_it() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let root_qc = solo.ring.root_qc();
    let tc = solo.tc(1, &root_qc, [None; 3]);
    solo.hear(0, ConsensusMessage::TimeoutCert(Box::new(tc)));
    let late = solo.ring.timeout(1, 1, root_qc, None);
    let effects = solo.hear(1, ConsensusMessage::Timeout(Box::new(late)));
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Send { to: Recipient::One(to), message: ConsensusMessage::QcNote(note) } if *to == index(1) => {
            note.tc.as_ref().map(|tc| tc.view)
        }
        _ => None,
    });
    must(answer == Some(1), "a timeout of a view that is over is not answered with what ended it")
}

/// Headers come from another's store, and with them a lock: what is said next must tell of it.
pub(super) fn synced_headers_bring_their_lock() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose((1, 0), &root, None, &[1]);
    let b = solo.propose((1, 1), &a.header, None, &[2]);
    let c = solo.propose((1, 2), &b.header, None, &[3]);
    solo.input(Input::CaughtUp(vec![a, b.clone(), c]));
    let gave_up = solo.input(Input::LeaderFault { view: 1 });
    let told = sent(&gave_up).find_map(|message| match message {
        ConsensusMessage::Timeout(timeout) => Some(timeout.high_qc.header),
        _ => None,
    });
    must(told == Some(b.header.reference()), "a certificate that came with synced headers is forgotten")
}

/// A validator that was cut off hears of a certificate two views on.
pub(super) fn a_certificate_of_a_later_view_moves_to_it() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let header = HeaderRef { rank: Rank { view: 3, slot: 1 }, hash: Hash::of("sim/scene", b"later") };
    solo.hear_certificate(0, header);
    must(solo.core.view() == 3, "a certificate of a later view does not move to it")
}

/// Row 17 of CONSENSUS section 4.
///
/// ```text
/// root - T(1,0) [1]                  voted for by 2, never certified
///    \ - A(2,0) [2]                  certified
///                  U(3,0) [1, 3]     on root, by an equivocator's certificate of timeouts; reported by 0 and 1
///          \ - B(4,0) [2, 4]         TC(3): tips U, U, none. U parted from A's log: B need not carry it
/// ```
pub(super) fn a_tip_that_parted_from_the_chain_is_not_demanded() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let (root, root_qc) = (solo.ring.root.clone(), solo.ring.root_qc());
    let tc1 = solo.tc(1, &root_qc, [None; 3]);
    let a = solo.propose((2, 0), &root, Some(tc1), &[2]);
    solo.hear_proposal(&a);
    // No honest leader would build U on the root; it is known here as what the reporters give when they are asked.
    let tc2 = solo.tc(2, &root_qc, [None; 3]);
    let u = solo.propose((3, 0), &root, Some(tc2), &[1, 3]);
    let qc_a = solo.qc(a.header.reference());
    let tip = Some(u.header.reference());
    let tc3 = solo.tc(3, &qc_a, [tip, tip, None]);
    let b = solo.propose((4, 0), &a.header, Some(tc3), &[4]);
    let mut effects = solo.hear_proposal(&b);
    let asked = sent(&effects).any(|message| matches!(message, ConsensusMessage::HeaderRequest(_)));
    if asked {
        effects.extend(solo.hear(0, ConsensusMessage::HeaderResponse(Box::new(u))));
    }
    must(vote(&effects).is_some(), "a tip that parted from the certified chain is demanded for ever")
}

/// Row 1 of CONSENSUS section 4.
///
/// ```text
/// root - A(1,0) - B(2,0) - C(2,1)      QC(B) makes nothing final: A is of another view
///                                      QC(C) makes A and B final
/// ```
pub(super) fn a_child_of_another_view_makes_nothing_final() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let a = solo.propose((1, 0), &root, None, &[1]);
    let tc = solo.tc(1, &solo.qc(a.header.reference()), [Some(a.header.reference()); 3]);
    let b = solo.propose((2, 0), &a.header, Some(tc), &[2]);
    let c = solo.propose((2, 1), &b.header, None, &[3]);
    solo.hear_proposal(&a);
    solo.hear_proposal(&b);
    solo.hear_certificate(0, b.header.reference());
    must(solo.core.final_header().height == 0, "a certified child of another view makes its parent final")?;
    solo.hear_proposal(&c);
    solo.hear_certificate(0, c.header.reference());
    must(solo.core.final_header().height == 2, "a certified child of the same view makes nothing final")
}

/// The leader tells three of four that B is certified, and then all is done. The one that it left out knows of no work and waits for
/// nothing; each of the others tells the two after itself.
///
/// ```text
/// root - A(1,0) [1] - B(1,1) []        QC(B) makes A final
/// ```
pub(super) fn who_was_left_out_hears_of_the_end_from_others() -> Result<(), Violation> {
    let mut solo = Solo::started(2);
    let root = solo.ring.root.clone();
    let a = solo.propose((1, 0), &root, None, &[1]);
    let b = solo.propose((1, 1), &a.header, None, &[]);
    solo.hear_proposal(&a);
    solo.hear_proposal(&b);
    let before = solo.hear_certificate(1, b.header.reference());
    must(solo.core.final_header().height == 1, "a certified child makes nothing final")?;
    must(told(&before).is_empty(), "what the leader tells is told again at once")?;
    let told_to = told(&solo.wait(1_000_000));
    let expected = [3, 0].map(|who| (Recipient::One(index(who)), b.header.reference())).to_vec();
    must(told_to == expected, "an idle validator does not tell those after it what is final")?;
    must(told(&solo.wait(1_000_000)).is_empty(), "an idle ledger is not quiet")
}

/// Who is told of which certificates.
fn told(effects: &[Effect]) -> Vec<(Recipient, HeaderRef)> {
    let notes = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, message: ConsensusMessage::QcNote(note) } => Some((*to, note.qc.header)),
        _ => None,
    });
    notes.collect()
}

/// One validator reports a tip that does not exist. Three of four timeouts hold two denials; the fourth brings the third.
pub(super) fn a_late_denial_frees_the_next_leader() -> Result<(), Violation> {
    let mut solo = Solo::started(2);
    let root_qc = solo.ring.root_qc();
    let lie = HeaderRef { rank: Rank { view: 1, slot: 3 }, hash: Hash::of("sim/scene", b"lie") };
    let tc = solo.tc(1, &root_qc, [Some(lie), None, None]);
    let builds = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Build { .. }));
    let before = solo.hear(0, ConsensusMessage::TimeoutCert(Box::new(tc)));
    must(!builds(&before), "two denials of four free the next leader of a tip")?;
    let late = solo.ring.timeout(3, 1, root_qc, None);
    let after = solo.hear(3, ConsensusMessage::Timeout(Box::new(late)));
    must(builds(&after), "a leader waits for a tip that three of four deny")
}

/// Validator 2 proposes in the view of 1, under its own name and signature.
pub(super) fn only_the_leader_of_a_view_is_voted_for() -> Result<(), Violation> {
    let mut solo = Solo::started(3);
    let root = solo.ring.root.clone();
    let good = solo.propose((1, 0), &root, None, &[1]);
    let stolen = solo.ring.altered(&good, 2, |p| p.header.proposer = index(2));
    let effects = solo.hear(2, ConsensusMessage::Proposal(Box::new(stolen)));
    must(vote(&effects).is_none(), "a header of one that does not lead is voted for")
}

/// Row 7 of CONSENSUS section 4: the leader hears one statement under two good signatures.
pub(super) fn a_vote_signed_again_is_no_second_vote() -> Result<(), Violation> {
    let mut solo = Solo::started(1);
    let root = solo.ring.root.clone();
    let built = solo.input(Input::Built { rank: Rank { view: 1, slot: 0 }, body: body(&root, solo_end(&root)) });
    let header = sent(&built).find_map(|message| match message {
        ConsensusMessage::Proposal(proposal) => Some(proposal.header.reference()),
        _ => None,
    });
    let Some(header) = header else { return Err(Violation::Scene("a leader with log does not propose")) };
    let vote = solo.ring.vote(0, header);
    let anew: Signature = sign_anew(&[1; 32], &vote.signed_bytes(solo.ring.root.chain));
    let again = gridbook_ledger::hotstuff::Vote { signature: anew, ..vote.clone() };
    must(anew != vote.signature && again.verify(solo.ring.root.chain, &solo.ring.set), "the second signature is bad")?;
    let mut effects = solo.hear(0, ConsensusMessage::Vote(vote));
    effects.extend(solo.hear(0, ConsensusMessage::Vote(again)));
    let accused =
        effects.iter().any(|effect| matches!(effect, Effect::Evidence { culprit, .. } if *culprit == index(0)));
    must(!accused, "one statement under two signatures counts as two")
}

/// A log of one command that is nowhere else.
fn solo_end(root: &gridbook_ledger::header::Header) -> LogPoint {
    LogPoint { seq: root.last_seq + 1, digest: Hash::of("sim/scene", b"log") }
}

/// Row 15 of CONSENSUS section 4: a client brings one command after the other, and one of four is dead from the start. Its turn to lead
/// costs a timer; that must come seldom enough to cost little.
pub(super) fn one_dead_of_four_costs_less_than_half() -> Result<(), Violation> {
    let (alone, all) = (commands_served(Some(2))?, commands_served(None)?);
    must(all > 50, "four validators serve hardly anything")?;
    must(2 * alone >= all, "one dead validator of four costs more than half of what they serve")
}

/// How many commands, one at a time, are final everywhere within three virtual seconds: two terms.
fn commands_served(dead: Option<usize>) -> Result<u64, Violation> {
    let weather = Weather { delay_us: 100, ..Weather::FAIR };
    let mut cluster = Cluster::new(Ring::of(4), &[0, 1, 2, 3], weather, Dice::new(15, 15));
    dead.into_iter().for_each(|who| cluster.bury(who));
    cluster.start();
    let (end_us, everybody) = (cluster.now.0 + 3_000_000, 0b1111);
    let mut served = 0;
    loop {
        cluster.add_command(Command { number: served + 1, known_to: everybody, offered_to: everybody });
        if !cluster.run_until(end_us, Cluster::all_final) {
            break;
        }
        served += 1;
    }
    cluster.violation.map_or(Ok(served), Err)
}

//! A malicious validator that wants to be listened to, worked for or remembered more than it deserves (CONSENSUS section 3, Bounds and
//! Evidence), and a replica that is right.

use super::tests::{chunk, config, place, replica, run};
use super::*;
use crate::admission::Admitted;
use crate::command::{Bundle, Command, NEVER};
use crate::crypto::SecretKey;
use crate::entry::Entry;
use crate::evidence::{Evidence, EvidenceKind, Statement, VerifiedEvidence};
use crate::header::{HeaderRef, Rank};
use crate::hotstuff::{ConsensusMessage, QuorumCert, Vote};

const NOW: WallTime = WallTime(2);

fn key(index: u16) -> SecretKey {
    SecretKey::from_seed([u8::try_from(index).unwrap() + 1; 32])
}

/// Where the log of a new replica begins.
fn base(replica: &Replica) -> LogPoint {
    replica.tail.base()
}

fn executed(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Append(LogRecord::Entry { .. }))).count()
}

fn undone(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Append(LogRecord::Truncate { .. })))
}

fn accused(effects: &[Effect]) -> Vec<(EvidenceKind, ValidatorIndex)> {
    let one = |effect: &Effect| match effect {
        Effect::Evidence(verified) => Some((verified.evidence().kind, verified.culprit())),
        _ => None,
    };
    effects.iter().filter_map(one).collect()
}

/// ```text
/// base - A0 (chunk 0) - A1 (chunk 1)
///      \ B0 (chunk 2)
/// ```
/// The leader's third chunk begins where its first one did. To follow it would be to undo both; instead the view is given up, and
/// the two chunks prove who did it.
#[test]
fn a_leader_that_takes_its_log_back_within_a_view_is_given_up_and_proven_guilty() {
    let mut replica = replica(0);
    let (view, leader) = replica.view();
    let first = run(base(&replica), &[1]);
    let second = run(first.end, &[2]);
    let other = run(base(&replica), &[3]);
    let end = second.end;
    let _ = replica.handle(Input::Chunk(Box::new(chunk(view, 0, first))), NOW);
    let _ = replica.handle(Input::Chunk(Box::new(chunk(view, 1, second))), NOW);
    assert_eq!(replica.tail.end(), end);
    let effects = replica.handle(Input::Chunk(Box::new(chunk(view, 2, other))), NOW);
    assert_eq!(accused(&effects), [(EvidenceKind::TwoLogs, leader)]);
    assert!(!undone(&effects) && executed(&effects) == 0, "nothing is worked for it");
    assert!(replica.core.has_given_up());
}

/// The same, but the leader leaves numbers out and has what lies between pulled: no two statements prove it, so there is no evidence. It
/// leads nowhere all the same: a thousand turns from one branch to the other undo nothing.
#[test]
fn alternating_between_two_branches_makes_nobody_work() {
    let mut replica = replica(0);
    let (view, _) = replica.view();
    let branches = [[1, 2], [3, 4]].map(|limits| run(base(&replica), &limits));
    // The first entry of each branch was pulled; the chunks hold the second ones.
    let _ = replica.handle(Input::Chunk(Box::new(chunk(view, 0, run(base(&replica), &[1])))), NOW);
    replica.branches.insert(branches[1].entries[0].clone());
    let mut work = 0;
    for number in 1..1_000_u32 {
        let branch = &branches[usize::from(number % 2 == 0)];
        let start = branch.entries[0].end;
        let limit = if number % 2 == 0 { 4 } else { 2 };
        let piece = run(start, &[limit]);
        let effects = replica.handle(Input::Chunk(Box::new(chunk(view, 2 * number, piece))), NOW);
        assert!(!undone(&effects), "turn {number}");
        work += executed(&effects);
    }
    assert!(work <= 1, "{work} entries executed");
    assert!(replica.core.has_given_up());
}

/// A leader signs two different chunks of one number, for two halves of the validators: who sees both can prove it.
#[test]
fn two_chunks_of_one_number_are_evidence() {
    let mut replica = replica(0);
    let (view, leader) = replica.view();
    let _ = replica.handle(Input::Chunk(Box::new(chunk(view, 0, run(base(&replica), &[1])))), NOW);
    let effects = replica.handle(Input::Chunk(Box::new(chunk(view, 0, run(base(&replica), &[2])))), NOW);
    assert_eq!(accused(&effects), [(EvidenceKind::DoubleChunk, leader)]);
    assert!(replica.core.has_given_up());
}

/// A network may deliver a chunk twice, or the second before the first: that is nobody's fault.
#[test]
fn chunks_that_come_twice_or_out_of_order_accuse_nobody() {
    let mut replica = replica(0);
    let (view, _) = replica.view();
    let first = run(base(&replica), &[1]);
    let second = run(first.end, &[2]);
    let end = second.end;
    let chunks = [chunk(view, 1, second), chunk(view, 0, first)];
    for chunk in [&chunks[0], &chunks[1], &chunks[0], &chunks[1]] {
        let effects = replica.handle(Input::Chunk(Box::new(chunk.clone())), NOW);
        assert_eq!(accused(&effects), []);
    }
    assert!(!replica.core.has_given_up());
    assert!(replica.knows_log(end));
}

/// S0 is told by every follower that got the chunk, with a receipt that verifies.
#[test]
fn a_follower_tells_what_the_leader_gave_its_place() {
    let mut replica = replica(0);
    let (view, leader) = replica.view();
    let effects = replica.handle(Input::Chunk(Box::new(chunk(view, 0, run(base(&replica), &[1, 2])))), NOW);
    let told = effects.iter().find_map(|e| if let Effect::Sequenced(chunk) = e { Some(chunk) } else { None });
    let receipts = told.expect("told at once").receipts(&[0, 1]);
    for (receipt, first_seq) in receipts.iter().zip(1..) {
        let verified = receipt.verify(replica.chain, 0, replica.set()).unwrap();
        assert_eq!((verified.leader, verified.place.first_seq), (leader, first_seq));
    }
    assert_eq!(receipts.len(), 2);
}

fn double_vote(culprit: u16, slot: u32) -> VerifiedEvidence {
    let chain = config(0).genesis.chain_id();
    let rank = Rank { view: 9, slot };
    let vote = |hash| {
        let header = HeaderRef { rank, hash: Hash([hash; 32]) };
        Statement::Vote(Vote::sign(chain, 0, header, ValidatorIndex(culprit), &key(culprit)))
    };
    let evidence = Evidence::of(vote(1), vote(2)).unwrap();
    VerifiedEvidence::check(evidence, chain, 0, &config(0).genesis.validators).unwrap()
}

/// Evidence comes from others a thousand times, each time another pair: it is written and told once, and is there again after a restart.
#[test]
fn evidence_is_kept_once_told_once_and_survives_a_restart() {
    let mut replica = replica(0);
    let mut records = Vec::new();
    let mut told = 0;
    for slot in 0..1_000 {
        let effects = replica.handle(Input::Evidence(Box::new(double_vote(3, slot))), NOW);
        told += accused(&effects).len();
        for effect in effects {
            match effect {
                Effect::Append(record) => records.push(record),
                Effect::Post { to, message: PeerMessage::Evidence(_) } => assert_eq!(to, Recipient::Others),
                _ => {}
            }
        }
    }
    assert_eq!((told, records.len(), replica.evidence().len()), (1, 1, 1));
    let (kind, payload) = records[0].encode();
    let mut recovery = Recovery::new(config(0));
    recovery.replay(LogRecord::decode(kind, &payload).unwrap()).unwrap();
    let mut restarted = recovery.finish(None);
    assert_eq!(restarted.evidence().len(), 1);
    let effects = restarted.handle(Input::Evidence(Box::new(double_vote(3, 5))), NOW);
    assert_eq!(accused(&effects), [], "it is known");
}

/// A leader enters what it keeps, after the time, once. A follower leaves it to the leader.
///
/// ```text
/// log:  time  double vote of 3
/// ```
#[test]
fn a_leader_puts_the_evidence_that_it_keeps_into_the_log() {
    let mut leader = replica(1);
    let (view, _) = leader.view();
    let _ = leader.handle(Input::Durable(view), NOW);
    let mut follower = replica(0);
    for replica in [&mut leader, &mut follower] {
        let _ = replica.handle(Input::Evidence(Box::new(double_vote(3, 1))), NOW);
        for later in 1..=3 {
            let _ = replica.handle(Input::Evidence(Box::new(double_vote(3, 1 + later))), NOW);
            let _ = replica.handle(Input::Tick, WallTime(NOW.0 + 1_000 * u64::from(later)));
        }
    }
    let (base, end) = (leader.tail.base(), leader.tail.end());
    let entries: Vec<&Entry> = leader.tail.between(base, end).unwrap().map(|executed| &executed.entry).collect();
    assert!(matches!(entries[..], [Entry::Time(_), Entry::Evidence(_)]), "{entries:?}");
    assert!(leader.state.holds_evidence(double_vote(3, 1).key()));
    assert_eq!(follower.tail.end(), follower.tail.base());
}

/// Who connects is shown what is kept, but not what is kept against itself.
#[test]
fn a_validator_that_connects_is_shown_the_evidence() {
    let mut replica = replica(0);
    let _ = replica.handle(Input::Evidence(Box::new(double_vote(3, 1))), NOW);
    let shown = |replica: &mut Replica, peer| {
        let effects = replica.handle(Input::Connected(ValidatorIndex(peer)), NOW);
        effects.iter().filter(|e| matches!(e, Effect::Post { message: PeerMessage::Evidence(_), .. })).count()
    };
    assert_eq!((shown(&mut replica, 1), shown(&mut replica, 3)), (1, 0));
}

/// Another validator found that the leader of this view contradicts itself: the view is given up here too.
#[test]
fn evidence_of_others_against_the_leader_ends_its_view() {
    let mut replica = replica(0);
    let (view, leader) = replica.view();
    let pair = [1, 2].map(|limit| chunk(view, 0, run(base(&replica), &[limit])).statement);
    let evidence = Evidence::of(Statement::Chunk(pair[0]), Statement::Chunk(pair[1])).unwrap();
    let verified = VerifiedEvidence::check(evidence, replica.chain, 0, replica.set()).unwrap();
    assert_eq!(verified.culprit(), leader);
    let _ = replica.handle(Input::Evidence(Box::new(verified)), NOW);
    assert!(replica.core.has_given_up());
}

/// A validator sends log that it was not asked for, or that somebody else was asked for: it fills no memory.
#[test]
fn answers_that_were_not_asked_for_are_dropped() {
    let mut replica = replica(0);
    let wanted = run(place(4), &[1]);
    let (asked, other) = (ValidatorIndex(1), ValidatorIndex(2));
    let answer = |from| Input::Pulled { from, run: wanted.clone() };
    for from in [asked, other] {
        let _ = replica.handle(answer(from), NOW);
        assert!(!replica.knows_log(wanted.end), "nobody was asked");
    }
    replica.pull(wanted.end, vec![asked, other]);
    let effects = replica.handle(Input::Tick, WallTime(1_000_000));
    assert!(effects.iter().any(|e| matches!(e, Effect::Post { to: Recipient::One(to), .. } if *to == asked)));
    let _ = replica.handle(answer(other), WallTime(1_000_000));
    assert!(!replica.knows_log(wanted.end), "the other one was not asked");
    let _ = replica.handle(answer(asked), WallTime(1_000_000));
    assert!(replica.knows_log(wanted.end));
}

/// History that was not asked for is not even looked at.
#[test]
fn history_that_was_not_asked_for_is_dropped() {
    let mut replica = replica(0);
    let proposal = Proposal {
        header: Header {
            height: 1,
            first_seq: 1,
            parent: replica.final_header().hash(),
            ..replica.final_header().clone()
        },
        signature: crate::crypto::Signature([0; 64]),
        justify: QuorumCert::root(0, replica.final_header()),
        tc: None,
    };
    let run = run(base(&replica), &[1]);
    let steps = vec![VerifiedStep { proposal, run: run.clone() }];
    let effects = replica.handle(Input::Synced { from: ValidatorIndex(1), steps }, NOW);
    assert_eq!(executed(&effects), 0);
    assert!(!replica.knows_log(run.end));
}

/// A validator asks for the same piece of log without a pause. After what it has saved up it gets its rate; another validator is not worse
/// off for it.
#[test]
fn pulls_have_a_rate_for_each_validator() {
    let mut replica = replica(0);
    let (greedy, modest) = (ValidatorIndex(1), ValidatorIndex(2));
    let target = run(base(&replica), &[1]).end;
    replica.append(Entry::Work { limit: 1 }, &mut Vec::new());
    assert_eq!(replica.tail.end(), target);
    let answers = |replica: &mut Replica, from| {
        let effects = replica.handle(Input::Pull { from, target, floor_seq: 0 }, NOW);
        effects.iter().filter(|e| matches!(e, Effect::Post { message: PeerMessage::Pulled { .. }, .. })).count()
    };
    let given: usize = (0..10_000).map(|_| answers(&mut replica, greedy)).sum();
    assert!((1_000..3_000).contains(&given), "{given}");
    assert_eq!(answers(&mut replica, modest), 1);
}

/// A validator asks for history again before it has the answer.
#[test]
fn one_history_answer_is_under_way_to_a_validator() {
    let mut replica = replica(0);
    let from = ValidatorIndex(1);
    let served = |replica: &mut Replica| {
        let effects = replica.handle(Input::SyncRequest { from, from_height: 1 }, NOW);
        effects.iter().filter(|e| matches!(e, Effect::ServeSync { .. })).count()
    };
    let begun: usize = (0..100).map(|_| served(&mut replica)).sum();
    assert_eq!(begun, 1);
    let _ = replica.handle(Input::Served { to: from, bytes: 2 << 20 }, NOW);
    assert_eq!(served(&mut replica), 1);
}

/// Leaders of a hundred views each have a header looked at that nobody certifies: where they end is forgotten with their views.
#[test]
fn headers_that_nobody_certifies_leave_no_cuts_behind() {
    let mut replica = replica(0);
    for view in 1..100 {
        let mut header = replica.final_header().clone();
        (header.height, header.rank, header.last_seq) = (1, Rank { view, slot: 0 }, 1_000 + view);
        replica.begin_check(header, Vec::new(), &mut VecDeque::new(), &mut Vec::new());
        replica.checks.clear();
        replica.enter_view(view + 1, ValidatorIndex(1), &mut Vec::new());
    }
    assert!(replica.cuts.is_empty(), "{} cuts", replica.cuts.len());
}

fn bundle(nonce: u64) -> Admitted {
    let key = SecretKey::from_seed([77; 32]);
    let chain = config(0).genesis.chain_id();
    let commands = vec![Command::CancelAll];
    let signed = Bundle { chain, signer: key.public(), nonce, expires_at: NEVER, commands }.sign(&key);
    Admitted::trusted(signed)
}

/// A bundle was admitted at the door, became final through another validator, and only then came to the core. Its client would wait for
/// an answer that nobody gives any more.
#[test]
fn a_bundle_that_became_final_between_admission_and_waiting_is_told_of() {
    let mut replica = replica(0);
    let bundle = bundle(1);
    replica.pool.executed(&bundle);
    replica.pool.finished(bundle.id());
    let effects = replica.handle(Input::Submitted(vec![bundle.clone()]), NOW);
    assert!(effects.iter().any(|e| matches!(e, Effect::AlreadyFinal(id) if *id == bundle.id())));
    assert_eq!(replica.pool_len(), 0);
}

/// One that is only on its way is not told of twice.
#[test]
fn a_bundle_on_its_way_is_not_told_of_as_final() {
    let mut replica = replica(0);
    for _ in 0..2 {
        let effects = replica.handle(Input::Submitted(vec![bundle(1)]), NOW);
        assert!(!effects.iter().any(|e| matches!(e, Effect::AlreadyFinal(_))));
    }
    assert_eq!(replica.pool_len(), 1);
}

/// A proposal of the leader says other results than its log has; a certified header of the same log comes later. The two together prove it.
#[test]
fn a_header_with_other_results_than_a_certified_one_of_its_log_is_evidence() {
    let mut replica = replica(0);
    let (view, leader) = replica.view();
    let mut header = replica.final_header().clone();
    (header.height, header.rank, header.proposer) = (1, Rank { view, slot: 0 }, leader);
    (header.parent, header.justify) = (replica.final_header().hash(), replica.final_header().reference());
    let good = header.clone();
    header.state_root = Hash([9; 32]);
    let signature = Proposal::sign(&header, &key(leader.0));
    let justify = QuorumCert::root(0, replica.final_header());
    let wrong = Proposal { header: header.clone(), signature, justify, tc: None };
    let message = ConsensusMessage::Proposal(Box::new(wrong));
    let _ = replica.handle(Input::Consensus { from: leader, message }, NOW);
    assert!(replica.disputed.contains_key(&leader), "own execution says otherwise");
    let reference = good.reference();
    let votes = (0..3).map(|index| Vote::sign(replica.chain, 0, reference, ValidatorIndex(index), &key(index)));
    let signatures = votes.map(|vote| vote.signature).collect();
    let qc = QuorumCert { epoch: 0, header: reference, signers: 0b111, signatures };
    let mut effects = Vec::new();
    replica.settle_disputes(&good, &qc, &mut effects);
    assert_eq!(accused(&effects), [(EvidenceKind::ExecutionFault, leader)]);
    assert!(replica.disputed.is_empty());
}

/// Another validator's history is right, header by header, but one comes with a certificate that nobody signed. Whoever kept that could not
/// show it to anybody.
#[test]
fn history_with_a_certificate_that_does_not_hold_is_refused_whole() {
    let (chain, set) = (config(0).genesis.chain_id(), config(0).genesis.validators);
    let replica = replica(0);
    let root = replica.final_header().clone();
    let certify = |header: &Header| {
        let reference = header.reference();
        let votes = (0..3).map(|index| Vote::sign(chain, 0, reference, ValidatorIndex(index), &key(index)));
        QuorumCert {
            epoch: 0,
            header: reference,
            signers: 0b111,
            signatures: votes.map(|vote| vote.signature).collect(),
        }
    };
    let child = |parent: &Header, slot, justify: QuorumCert| {
        let mut header = parent.clone();
        (header.rank, header.height, header.proposer) = (Rank { view: 1, slot }, parent.height + 1, ValidatorIndex(1));
        (header.parent, header.justify) = (parent.hash(), parent.reference());
        let signature = Proposal::sign(&header, &key(1));
        Proposal { header, signature, justify, tc: None }
    };
    let first = child(&root, 0, QuorumCert::root(0, &root));
    let second = child(&first.header, 1, certify(&first.header));
    let tip = certify(&second.header);
    let step = |proposal: &Proposal| {
        let run = Run { start: proposal.header.log_end(), entries: Vec::new() };
        SyncStep { proposal: proposal.clone(), run }
    };
    let check = |steps: Vec<SyncStep>| verify_sync(steps, &[], Some(&tip), chain, (0, &set)).map(|steps| steps.len());
    assert_eq!(check(vec![step(&first), step(&second)]), Ok(2));
    let mut unsigned = second.clone();
    unsigned.justify.signatures[1] = crate::crypto::Signature([1; 64]);
    assert_eq!(check(vec![step(&first), step(&unsigned)]), Err(PeerFault::Certificate));
    let mut forged = first.clone();
    forged.signature = crate::crypto::Signature([1; 64]);
    assert_eq!(check(vec![step(&forged), step(&second)]), Err(PeerFault::Certificate));
}

/// Forty thousand commands wait when a leader begins: its first header takes as many as one may have, and the next the rest.
#[test]
fn a_leader_fills_a_header_only_as_far_as_one_may_be_filled() {
    let mut replica = replica(1);
    let (view, leader) = replica.view();
    assert_eq!(leader, ValidatorIndex(1));
    let key = SecretKey::from_seed([77; 32]);
    let bundle = |nonce| {
        let (chain, commands) = (config(0).genesis.chain_id(), vec![Command::CancelAll; 1_024]);
        Admitted::trusted(Bundle { chain, signer: key.public(), nonce, expires_at: NEVER, commands }.sign(&key))
    };
    let _ = replica.handle(Input::Durable(view), NOW);
    let _ = replica.handle(Input::Submitted((1..41).map(bundle).collect()), NOW);
    let mut headers: Vec<Header> = Vec::new();
    for turn in 0..40 {
        for effect in replica.handle(Input::Tick, WallTime(10 + turn)) {
            if let Effect::Send { message: ConsensusMessage::Proposal(proposal), .. } = effect {
                headers.push(proposal.header);
            }
        }
        if headers.len() == 1 && !replica.is_eager() && turn < 30 {
            let reference = headers[0].reference();
            for voter in [0, 2, 3] {
                let vote = Vote::sign(replica.chain, 0, reference, ValidatorIndex(voter), &self::key(voter));
                let message = ConsensusMessage::Vote(vote);
                for effect in replica.handle(Input::Consensus { from: ValidatorIndex(voter), message }, WallTime(50)) {
                    if let Effect::Send { message: ConsensusMessage::Proposal(proposal), .. } = effect {
                        headers.push(proposal.header);
                    }
                }
            }
        }
    }
    let sizes: Vec<u64> = headers.iter().map(|header| header.last_seq + 1 - header.first_seq).collect();
    assert!(sizes.len() >= 2, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= hotstuff::HEADER_COMMANDS_MAX), "{sizes:?}");
}

/// A leader streams chunks that begin where nothing is known, without end, each of a log of its own. Few are kept, what an honest one
/// streams is followed meanwhile, and when the view is over nothing of it is left.
#[test]
fn log_that_hangs_together_with_nothing_takes_little_room_and_goes_with_its_view() {
    let mut replica = replica(0);
    let (view, _) = replica.view();
    for stray in 0..1_000 {
        let made_up = run(place(10 + 4 * u64::from(stray)), &[1]);
        let _ = replica.handle(Input::Chunk(Box::new(chunk(view, 2 * (stray + 1), made_up))), NOW);
    }
    let strays = replica.kept().entries;
    assert!((1..=64).contains(&strays), "{strays}");
    let first = run(base(&replica), &[1, 2, 3]);
    let end = first.end;
    let _ = replica.handle(Input::Chunk(Box::new(chunk(view, 0, first))), NOW);
    assert_eq!((replica.tail.end(), replica.kept().entries), (end, strays + 3));
    let _ = replica.handle(Input::BadChunk { epoch: 0, view }, NOW);
    replica.enter_view(view + 1, ValidatorIndex(2), &mut Vec::new());
    assert_eq!(replica.kept().entries, 0, "nobody voted for any of it");
}

/// A header that was voted for is not final when its view ends: its log is what the next leader has to carry on.
#[test]
fn log_that_a_known_header_runs_through_outlives_its_view() {
    let mut replica = replica(1);
    let (view, _) = replica.view();
    let _ = replica.handle(Input::Durable(view), NOW);
    let _ = replica.handle(Input::Submitted(vec![bundle(1)]), NOW);
    let _ = replica.handle(Input::Tick, NOW);
    let tip = replica.core.record().last_voted.expect("a leader votes for its own header");
    let end = replica.core.proposal(tip.hash).expect("it is kept").header.log_end();
    assert!(end.seq > 0);
    replica.enter_view(view + 1, ValidatorIndex(2), &mut Vec::new());
    assert!(replica.knows_log(end) && replica.branches.entry(end).is_some());
}

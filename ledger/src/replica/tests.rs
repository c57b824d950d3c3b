//! One malicious validator, or a log that begins in the middle, against a replica that is right.

use std::collections::VecDeque;

use gridbook_engine::{LedgerTime, MarketRules};

use super::lead::Build;
use super::*;
use crate::crypto::{SecretKey, Signature};
use crate::entry::Entry;
use crate::header::Rank;
use crate::hotstuff::Timing;
use crate::sequenced::{ChunkStatement, places_root};
use crate::validators::ValidatorSet;

pub(super) fn config(me: u16) -> ReplicaConfig {
    let key = |seed| SecretKey::from_seed([seed; 32]);
    let genesis = Genesis {
        name: "Kirchdorf".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: crate::genesis::SettlementRules::default(),
        areas: vec!["north".into()],
        operator: key(9).public(),
        validators: ValidatorSet::new((1..5).map(|seed| key(seed).public()).collect()).unwrap(),
    };
    ReplicaConfig { genesis, keys: vec![key(u8::try_from(me).unwrap() + 1)], timing: Timing::default() }
}

pub(super) fn replica(me: u16) -> Replica {
    let mut replica = Recovery::new(config(me)).finish(None);
    let _ = replica.handle(Input::Start, WallTime(1));
    replica
}

pub(super) fn place(seq: u64) -> LogPoint {
    LogPoint { seq, digest: Hash([7; 32]) }
}

pub(super) fn run(start: LogPoint, limits: &[u32]) -> VerifiedRun {
    let entries = limits.iter().map(|limit| Entry::Work { limit: *limit }.encode()).collect();
    Run { start, entries }.verify().unwrap()
}

/// A chunk of a view, signed by its leader.
pub(super) fn chunk(view: u64, number: u32, run: VerifiedRun) -> VerifiedChunk {
    let start = run.entries.first().map_or(run.end, |placed| placed.start);
    let (end, places_root) = (run.end, places_root(&run.places()));
    let signature = Signature([0; 64]);
    let unsigned = ChunkStatement { epoch: 0, view, number, cut: false, start, end, places_root, signature };
    let leader = SecretKey::from_seed([u8::try_from(view % 4).unwrap() + 1; 32]);
    VerifiedChunk { statement: unsigned.sign(config(0).genesis.chain_id(), &leader), run }
}

/// A validator answers a pull with no entries at all, and would be asked first again as soon as the question is put anew: the
/// log never came.
#[test]
fn an_empty_answer_does_not_end_a_pull() {
    let mut replica = replica(0);
    let wanted = place(5);
    replica.pull(wanted, vec![ValidatorIndex(1), ValidatorIndex(2)]);
    let _ = replica.handle(Input::Pulled { from: ValidatorIndex(1), run: run(wanted, &[]) }, WallTime(2));
    assert!(replica.awaited.contains_key(&(wanted.seq, wanted.digest)));
}

/// A validator streams chunks of views that it will lead in years, so that those of the next leader find no room.
#[test]
fn chunks_of_far_views_take_no_room() {
    let mut replica = replica(0);
    let view = replica.view().0;
    let chunk = |view| Input::Chunk(Box::new(chunk(view, 0, run(place(0), &[1]))));
    for far in 0..1_000 {
        let _ = replica.handle(chunk(u64::MAX - far), WallTime(2));
    }
    for _ in 0..1_000 {
        let _ = replica.handle(chunk(view + 2), WallTime(2));
    }
    let before = replica.early.len();
    assert!(before < 1_000);
    let _ = replica.handle(chunk(view + 1), WallTime(2));
    assert_eq!(replica.early.len(), before + 1);
}

/// A leader began its view's log on one branch, and then a certificate of another came, which a malicious validator had kept
/// back: the leader gives the view up. It used to panic.
#[test]
fn a_leader_whose_log_cannot_continue_its_parents_gives_the_view_up() {
    let mut replica = replica(1);
    let (view, leader) = replica.view();
    assert_eq!((view, leader), (1, ValidatorIndex(1)));
    let _ = replica.handle(Input::Durable(view), WallTime(2));
    let mut parent = replica.final_header().clone();
    (parent.last_seq, parent.log_digest) = (5, Hash([7; 32]));
    let rank = Rank { view, slot: 0 };
    let mut inputs = VecDeque::new();
    replica.begin_build(Build { rank, parent, carry: None, tail: true }, &mut inputs, &mut Vec::new());
    assert!(matches!(inputs.pop_front(), Some(hotstuff::Input::LeaderFault { view: 1 })), "{inputs:?}");
}

/// The log after a checkpoint may begin in a branch that was given up later, and go back to places in it that lie before the
/// checkpoint's part of the log. The validator must start all the same; an audit from genesis sees everything, and refuses.
#[test]
fn a_truncation_to_what_was_not_replayed_is_no_obstacle() {
    let mut recovery = Recovery::new(config(0));
    assert!(recovery.replay(LogRecord::Truncate { to_seq: 7 }).is_ok());
    let mut audit = Recovery::audit(config(0).genesis);
    assert_eq!(audit.replay(LogRecord::Truncate { to_seq: 7 }).unwrap_err(), RecoveryError::Truncated(7));
}

/// A gateway says as of which command it shows the books: as many as are executed, also after some were undone.
#[test]
fn published_books_are_of_the_place_up_to_which_the_log_is_executed() {
    let mut replica = replica(0);
    let (writer, books) = gridbook_engine::depth::DepthTable::new(1, 4);
    replica.append(Entry::Work { limit: 1 }, &mut Vec::new());
    replica.publish_depth_to(writer);
    assert_eq!(books.epoch(), 1);
    let stays = replica.tail.end();
    replica.append(Entry::Work { limit: 1 }, &mut Vec::new());
    replica.append(Entry::Work { limit: 1 }, &mut Vec::new());
    replica.publish_depth();
    assert_eq!(books.epoch(), 3);
    replica.rewind(stays, &mut Vec::new());
    replica.publish_depth();
    assert_eq!(books.epoch(), 1);
}

/// A follower logs what streams in before it hears of the header that ends in the middle of it. Executed at once, everything behind would be
/// undone and executed again at a start, header by header.
///
/// ```text
/// log:  1  2  3  4  5   header, up to 2        executed: 1  2
///       back to 4       6                      executed: 1  2, and at the end 3  4  6
/// ```
#[test]
fn a_start_executes_nothing_beyond_a_header_before_that_is_read() {
    let mut recovery = Recovery::new(config(0));
    let placed = run(recovery.replica().tail.end(), &[1; 5]).entries;
    let record = |placed: &PlacedEntry| LogRecord::Entry {
        start_seq: placed.start.seq,
        before: placed.start.digest,
        entry: placed.entry.encode(),
    };
    for entry in &placed {
        recovery.replay(record(entry)).unwrap();
    }
    let root = recovery.replica().final_header().clone();
    let end = placed[1].end;
    let header = Header { height: 1, first_seq: 1, last_seq: end.seq, log_digest: end.digest, ..root };
    let justify = recovery.replica().core.high_qc().clone();
    let proposal = Proposal { header, signature: Signature([0; 64]), justify, tc: None };
    recovery.replay(LogRecord::Proposal(Box::new(proposal))).unwrap();
    assert_eq!(recovery.replica().tail.end(), end);
    assert!(recovery.replica().tail.state_root(end).is_some(), "noted in passing");

    recovery.replay(LogRecord::Truncate { to_seq: 4 }).unwrap();
    let other = run(placed[3].end, &[7]).entries;
    recovery.replay(record(&other[0])).unwrap();
    assert_eq!(recovery.finish(None).tail.end(), other[0].end);
}

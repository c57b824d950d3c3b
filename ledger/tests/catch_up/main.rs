//! Validators that were away, or lost everything, join again without stopping the others (CONSENSUS section 3, Catching up).
//!
//! ```text
//!  1 .. 256 ...... 512 .. 520     heights
//!       |           |      `- what comes after is fetched as history, and executed
//!       `-----------`- checkpoint headers: they name the root of the state, and snapshots are taken there
//! ```

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harbour;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::replica::LogRecord;
use gridbook_ledger::snapshot::{Incoming, Snapshot, SnapshotError};
use gridbook_ledger::state::PieceError;

use harbour::{Harbour, newest_root};

/// A harbour in which 0, 1 and 2 hold a snapshot of header 256, of several pages, and are some headers beyond it.
fn with_snapshot(prepare: impl FnOnce(&mut Harbour)) -> Harbour {
    let mut harbour = Harbour::new();
    prepare(&mut harbour);
    for _ in 0..5 {
        harbour.open_accounts(0, 1_000);
        harbour.pass(20_000);
    }
    harbour.trade(0, 256);
    harbour.pass_until("all of them keep a snapshot", Some(0), |harbour| {
        (0..3).all(|place| !harbour.ships[place].kept.is_empty())
    });
    let root = newest_root(&harbour.ships[0]);
    assert!(
        harbour.ships[..3].iter().all(|ship| newest_root(ship) == root),
        "of the same header, so that they serve it together"
    );
    harbour
}

fn snapshots_in(log: &[LogRecord]) -> usize {
    log.iter().filter(|record| matches!(record, LogRecord::Snapshot(_))).count()
}

/// A validator is cut off for some headers only: it fetches them and executes them, and no snapshot.
#[test]
fn who_was_away_a_minute_fetches_what_it_missed() {
    let mut harbour = Harbour::new();
    harbour.trade(0, 10);
    harbour.away.insert(3);
    harbour.trade(0, 30);
    harbour.away.remove(&3);
    harbour.pass_until("it is there again", Some(0), |harbour| harbour.height(3) >= 40);
    harbour.assert_one_ledger();
    assert_eq!(snapshots_in(&harbour.ships[3].log), 0);
    assert_eq!(harbour.ships[3].finals.len() as u64, harbour.height(3), "its history has no gap");
}

/// A validator comes back after two hundred headers. Others' history takes its time, so the tip of their log is executed before the headers
/// that end in it are known. When they come nothing is undone and executed again for each of them.
#[test]
fn who_catches_up_does_not_execute_its_log_again_for_each_header() {
    let mut harbour = Harbour::new();
    harbour.trade(0, 10);
    harbour.away.insert(3);
    harbour.trade(0, 200);
    let (records, seq) = (harbour.ships[3].log.len(), harbour.replica(3).final_header().last_seq);
    (harbour.history_takes_us, harbour.headers_per_answer) = (300_000, 512);
    harbour.away.remove(&3);
    harbour.pass_until("it is there again", Some(0), |harbour| harbour.height(3) + 5 >= harbour.height(0));
    harbour.assert_one_ledger();
    assert_eq!(snapshots_in(&harbour.ships[3].log), 0);
    let executed = harbour.ships[3].log[records..].iter().filter(|record| matches!(record, LogRecord::Entry { .. }));
    // Every entry here is one command.
    let (executed, missed) = (executed.count() as u64, harbour.replica(3).final_header().last_seq - seq);
    assert!(missed >= 200 && executed <= 3 * missed, "{executed} entries executed, {missed} missed");
}

/// A validator is down for long. It takes over a snapshot, its log says where it goes on, and it votes again, for its record is whole.
#[test]
fn who_was_away_a_day_joins_by_a_snapshot_and_goes_on_with_its_own_log() {
    let mut harbour = with_snapshot(|harbour| {
        harbour.trade(0, 10);
        harbour.kill(3);
    });
    let signed = harbour.ships[3].signed;
    harbour.start(3);
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) >= 260 && harbour.ships[3].signed > signed
    });
    harbour.assert_one_ledger();
    assert_eq!(snapshots_in(&harbour.ships[3].log), 1);
    assert!(harbour.ships[3].first_height >= 257);
    // It starts again from what it has now.
    harbour.kill(3);
    harbour.start(3);
    assert!(harbour.height(3) >= 256);
    harbour.trade(0, 5);
    harbour.assert_one_ledger();
}

/// The disk is gone, the safety record with it: the validator is there again under load, and signs nothing, for it may have signed what it
/// does not know of.
#[test]
fn who_lost_its_disk_joins_under_load_and_signs_nothing_in_this_epoch() {
    let mut harbour = with_snapshot(|harbour| harbour.trade(0, 10));
    harbour.lose_disk(3);
    harbour.start(3);
    let before = harbour.height(0);
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) > before
    });
    harbour.trade(0, 20);
    harbour.assert_one_ledger();
    assert!(harbour.replica(3).is_muted());
    assert_eq!(harbour.ships[3].signed, 0);
    assert!(harbour.height(0) > before + 20, "nobody waited for it");
}

/// One of those who offer the snapshot sends garbage: it is found at its first piece and asked for nothing more; the others bring the rest.
#[test]
fn a_bad_piece_is_found_when_it_comes_and_its_sender_is_asked_no_more() {
    let mut harbour = with_snapshot(|harbour| {
        harbour.trade(0, 10);
        harbour.kill(3);
    });
    harbour.ships[1].garbage = true;
    harbour.start(3);
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) >= 257
    });
    harbour.assert_one_ledger();
    let refused = &harbour.ships[3].refused;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0].0.0, 1);
    assert!(matches!(refused[0].1, SnapshotError::Piece(PieceError::Hash(_))), "{refused:?}");
}

/// The power goes when some pieces are here. After the restart only the others are fetched.
#[test]
fn a_second_start_goes_on_with_the_pieces_that_are_here() {
    let mut harbour = with_snapshot(|harbour| {
        harbour.trade(0, 10);
        harbour.kill(3);
    });
    // Only one has the snapshot, so that the pieces come two by two.
    harbour.ships[1].kept.clear();
    harbour.ships[2].kept.clear();
    harbour.start(3);
    for _ in 0..100_000 {
        if harbour.ships[3].pieces_in >= 2 {
            break;
        }
        harbour.pass(100);
    }
    harbour.kill(3);
    let incoming = harbour.ships[3].incoming.clone().unwrap();
    let (missing, of) = (incoming.missing_count(), incoming.manifest().pieces.count());
    assert!(missing < of && missing > 0, "{missing} of {of}");
    harbour.ships[3].pieces_in = 0;
    harbour.start(3);
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) >= 257
    });
    assert_eq!(harbour.ships[3].pieces_in, missing as usize);
    harbour.assert_one_ledger();
}

/// The power goes after the log said that it goes on from the snapshot, and before the state was kept. The pieces are still here, so it is
/// put together again.
#[test]
fn a_snapshot_that_was_noted_and_not_kept_is_put_together_again() {
    let mut harbour = with_snapshot(|harbour| {
        harbour.trade(0, 10);
        harbour.kill(3);
    });
    harbour.restores = false;
    harbour.start(3);
    harbour.pass_until("it is whole", None, |harbour| snapshots_in(&harbour.ships[3].log) > 0);
    harbour.restores = true;
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) >= 257
    });
    assert!(snapshots_in(&harbour.ships[3].log) >= 2);
    harbour.assert_one_ledger();
}

/// The kept state is damaged after the validator joined: its log is of no use then, but does not mislead it. It joins again.
#[test]
fn who_lost_the_snapshot_it_joined_by_joins_again() {
    let mut harbour = with_snapshot(|harbour| {
        harbour.trade(0, 10);
        harbour.kill(3);
    });
    harbour.start(3);
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) >= 260
    });
    harbour.kill(3);
    harbour.ships[3].kept.clear();
    harbour.start(3);
    assert!(harbour.height(3) < 256, "it stands where it stood before");
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) >= 260
    });
    harbour.assert_one_ledger();
}

/// Nobody has the history before the snapshot any more: each says that it is not here, and the snapshot is taken however little it saves.
#[test]
fn where_history_was_removed_a_snapshot_is_taken_whatever_it_saves() {
    let mut harbour = with_snapshot(|harbour| harbour.trade(0, 10));
    harbour.kill(3);
    harbour.lose_disk(3);
    for place in 0..3 {
        let first = harbour.ships[place].kept.last().unwrap().0.manifest.header().height + 1;
        harbour.ships[place].first_height = first;
    }
    harbour.start(3);
    harbour.pass_until("it is there again", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) >= 257
    });
    harbour.assert_one_ledger();
}

/// Those who are asked first have no history left, and another has all of it. Much later the validator is away for some headers again: it
/// fetches these, and not the snapshot that lies between, for which it would give up the log of them.
#[test]
fn who_found_its_history_after_all_takes_no_snapshot_of_little_use_later() {
    let mut harbour = Harbour::new();
    harbour.trade(0, 10);
    harbour.away.insert(3);
    harbour.trade(0, 90);
    for place in [0, 1] {
        harbour.ships[place].first_height = 90;
    }
    harbour.away.remove(&3);
    harbour.pass_until("it is there again", Some(0), |harbour| harbour.height(3) + 2 >= harbour.height(0));
    let before = 235_u64.checked_sub(harbour.height(0)).unwrap();
    harbour.trade(0, before);
    harbour.pass(6_000_000);
    harbour.away.insert(3);
    harbour.trade(0, 75);
    harbour.history_takes_us = 50_000;
    harbour.away.remove(&3);
    harbour.pass_until("it is there once more", Some(0), |harbour| {
        harbour.ships[3].replica.is_some() && harbour.height(3) + 2 >= harbour.height(0)
    });
    harbour.assert_one_ledger();
    assert_eq!(harbour.ships[0].kept[0].0.manifest.header().height, 256);
    assert_eq!(snapshots_in(&harbour.ships[3].log), 0);
}

/// A snapshot file is opened offline by somebody who has the genesis. Each thing that does not hold is refused by its name.
#[test]
fn forged_snapshots_are_refused_by_name() {
    let harbour = with_snapshot(|_| {});
    let genesis = &harbour.genesis;
    let good = harbour.ships[0].kept[0].0.clone();
    let forged = |forge: fn(&mut Snapshot)| {
        let mut snapshot = good.clone();
        forge(&mut snapshot);
        snapshot.verify(genesis).map(|_| ()).unwrap_err()
    };
    assert!(good.verify(genesis).is_ok());
    let height = good.manifest.header().height;
    // A proof of another root, and of another height.
    assert_eq!(forged(|s| s.manifest.pieces.counters_hash = Hash::ZERO), SnapshotError::OtherRoot { height });
    assert_eq!(forged(|s| s.manifest.pieces.rest[0] = Hash::ZERO), SnapshotError::OtherRoot { height });
    assert_eq!(forged(|s| s.manifest.proposal.header.height += 256), SnapshotError::Proposal);
    // A forged proof: a certificate of too few, of another header, no certificate at all.
    assert!(matches!(forged(|s| s.manifest.proof.qc.signers &= 3), SnapshotError::NotFinal(_)));
    assert!(matches!(forged(|s| s.manifest.proof.child.height += 1), SnapshotError::NotFinal(_)));
    assert!(matches!(forged(|s| s.manifest.proof.qc.signatures[0].0[0] ^= 1), SnapshotError::NotFinal(_)));
    // Of another ledger or epoch, or of a header that names no state.
    assert_eq!(forged(|s| s.manifest.proposal.header.chain = Hash::ZERO), SnapshotError::Chain);
    assert_eq!(forged(|s| s.manifest.proposal.header.epoch = 1), SnapshotError::Epoch);
    assert_eq!(forged(|s| s.manifest.proposal.header.flags = 0), SnapshotError::NotCheckpoint);
    // A state that is not the one listed.
    assert_eq!(forged(|s| *s.state.last_mut().unwrap() ^= 1), SnapshotError::OtherRoot { height });
    // Its file: cut off anywhere, or lengthened.
    let file = [&Snapshot::encode_front(&good.manifest)[..], &good.state].concat();
    assert_eq!(Snapshot::decode(&file).unwrap(), good);
    for length in (0..file.len()).step_by(97) {
        assert!(Snapshot::decode(&file[..length]).is_err(), "{length}");
    }
    assert!(Snapshot::decode(&[&file[..], &[0]].concat()).is_err());
}

/// What came in of a snapshot lay on a disk that lost some of it: what is whole is kept, what is torn is fetched again.
#[test]
fn torn_pieces_are_told_from_whole_ones() {
    let harbour = with_snapshot(|_| {});
    let good = harbour.ships[0].kept[0].0.clone();
    let front = Snapshot::encode_front(&good.manifest);
    let whole = Incoming::resume(&harbour.genesis, &front, &good.state).unwrap();
    assert_eq!(whole.missing_count(), 0);
    assert_eq!(whole.finish().unwrap(), good);
    let mut torn = good.state.clone();
    torn[100] ^= 1;
    let missing: Vec<u32> = Incoming::resume(&harbour.genesis, &front, &torn).unwrap().missing().collect();
    assert_eq!(missing, [0]);
    let half = &good.state[..good.state.len() / 2];
    assert!(Incoming::resume(&harbour.genesis, &front, half).unwrap().missing_count() > 1);
    assert!(Incoming::resume(&harbour.genesis, &front[1..], &good.state).is_err());
}

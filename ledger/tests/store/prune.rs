//! Removing old segments on purpose.
//!
//! ```text
//! segments  0  1  2 | 3  4  5  6
//!           removed   first
//! ```

use std::path::Path;
use std::sync::Arc;

use gridbook_ledger::store::{Fault, Log, LogPosition, LogSurvey, MemoryDisk, PowerCut, StoreError};

use crate::bench::{append, dir, identity, open, options, segment};

fn begin(disk: &MemoryDisk) -> (Log, Vec<LogPosition>) {
    let (mut log, _) = open(disk).unwrap();
    let positions = append(&mut log, 0, 120).unwrap();
    log.sync().unwrap();
    assert!(log.end().segment >= 5, "the story needs several segments");
    (log, positions)
}

fn kept(positions: &[LogPosition], first: u64) -> Vec<LogPosition> {
    positions.iter().copied().filter(|position| position.segment >= first).collect()
}

fn read_all(log: &Log) -> Vec<LogPosition> {
    log.reader().read_from(log.start()).map(|record| record.unwrap().position).collect()
}

/// The operator keeps little; the log goes on, also after it was closed and opened, and says that what was removed is no longer here.
#[test]
fn a_pruned_log_begins_later_and_goes_on() {
    let disk = MemoryDisk::new();
    let (mut log, mut positions) = begin(&disk);
    log.prune(3).unwrap();
    assert_eq!(log.start().segment, 3);
    assert_eq!(read_all(&log), kept(&positions, 3));
    assert!(matches!(log.reader().record_at(positions[0]), Err(StoreError::Pruned { .. })));
    let head = log.head();
    drop(log);

    let (mut log, found) = open(&disk).unwrap();
    assert_eq!((found.start.segment, found.head), (3, head));
    positions.extend(append(&mut log, 120, 160).unwrap());
    log.sync().unwrap();
    log.prune(2).unwrap();
    assert_eq!(read_all(&log), kept(&positions, 3), "what is gone does not come back");
}

/// Whatever is asked for, the segment that is written to stays.
#[test]
fn the_last_segment_is_never_removed() {
    let disk = MemoryDisk::new();
    let (mut log, positions) = begin(&disk);
    let last = log.end().segment;
    log.prune(u64::MAX).unwrap();
    assert_eq!(log.start().segment, last);
    assert_eq!(read_all(&log), kept(&positions, last));
}

/// What is old stands in the segment that is written to: once that is ended, it can go too. What was appended and not synced by then is.
#[test]
fn an_ended_segment_can_be_removed() {
    let disk = MemoryDisk::new();
    let (mut log, mut positions) = begin(&disk);
    positions.extend(append(&mut log, 120, 121).unwrap());
    let last = log.end().segment;
    log.end_segment().unwrap();
    assert_eq!(log.end(), log.synced(), "all before is on the disk");
    log.end_segment().unwrap();
    assert_eq!(log.end().segment, last + 1, "an empty segment is not ended again");
    assert_eq!(read_all(&log), positions);
    log.prune(last + 1).unwrap();
    assert_eq!(read_all(&log), []);
    let after = append(&mut log, 121, 123).unwrap();
    log.sync().unwrap();
    drop(log);
    let (log, found) = open(&disk).unwrap();
    assert_eq!((found.start.segment, read_all(&log)), (last + 1, after));
}

/// A segment that nobody removed on purpose is missing, also in a pruned log.
#[test]
fn a_segment_lost_from_a_pruned_log_is_missed() {
    for lost in [3, 4] {
        let disk = MemoryDisk::new();
        let (mut log, _) = begin(&disk);
        log.prune(3).unwrap();
        drop(log);
        gridbook_ledger::store::Disk::remove(&disk, &segment(lost)).unwrap();
        let refused = open(&disk).unwrap_err();
        assert!(matches!(refused, StoreError::MissingSegment { number, .. } if number == lost), "{refused}");
    }
}

/// A validator writes and lets go of old segments all the time, and its operator looks at the log again and again: it is always there, and
/// what cannot be read of it is what was let go of just then.
#[test]
fn a_log_can_be_looked_at_while_it_lets_go_of_old_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(dir.path(), identity(), options()).unwrap();
    append(&mut log, 0, 20).unwrap();
    log.sync().unwrap();
    std::thread::scope(|scope| {
        let operator = scope.spawn(|| (0..500).for_each(|_| look_at(dir.path())));
        for n in (20..).take_while(|_| !operator.is_finished()) {
            append(&mut log, n, n + 1).unwrap();
            log.sync().unwrap();
            log.prune(log.end().segment.saturating_sub(1)).unwrap();
        }
    });
    let survey = LogSurvey::open(dir.path()).unwrap().unwrap();
    let end = log.end().segment;
    append(&mut log, 0, 60).unwrap();
    assert!(!survey.has_begun_later().unwrap() && log.end().segment > end);
    log.prune(log.end().segment).unwrap();
    assert!(survey.has_begun_later().unwrap());
}

fn look_at(dir: &Path) {
    let survey = LogSurvey::open(dir).unwrap().unwrap();
    match survey.records(survey.start()).find_map(Result::err) {
        // The record that is being written.
        None | Some(StoreError::CorruptRecord { .. }) => {}
        Some(error) => assert!(survey.has_begun_later().unwrap(), "{error}"),
    }
}

/// The power goes at every change that pruning makes. Afterwards the log is either as it was or pruned, and whole from its start on.
#[test]
fn a_power_cut_while_pruning_leaves_a_whole_log() {
    for at in 0..8 {
        for cut in [PowerCut::LosesAll, PowerCut::LosesSome(at)] {
            let disk = MemoryDisk::new();
            let (mut log, positions) = begin(&disk);
            disk.fail_at(disk.changes() + at, Fault::PowerGoes);
            let _ = log.prune(3);
            drop(log);
            disk.power_cut(cut);
            let (log, found) = Log::open_on(Arc::new(disk.clone()), dir(), identity(), options()).unwrap();
            assert!([0, 3].contains(&found.start.segment), "{found:?}");
            assert_eq!(read_all(&log), kept(&positions, found.start.segment));
        }
    }
}

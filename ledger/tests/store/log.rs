//! The log as it should be.

use std::path::Path;
use std::thread;

use gridbook_ledger::store::{
    DataDir, Disk, Log, LogOptions, LogPosition, MemoryDisk, RECORD_OVERHEAD_BYTES, StdDisk, StoreError,
};

use crate::bench::{append, count_story, dir, identity, kind, open, open_with, options, payload, segment};

#[test]
fn what_was_appended_is_read_back_over_many_segments() {
    // A hundred records of up to 300 bytes go over several segments of 4 KiB; the log is closed and opened in between.
    let disk = MemoryDisk::new();
    let (mut log, found) = open(&disk).unwrap();
    assert_eq!((found.end, found.records, found.torn), (LogPosition::START, 0, None));
    let mut positions = append(&mut log, 0, 60).unwrap();
    log.sync().unwrap();
    let (end, head) = (log.end(), log.head());
    drop(log);

    let (mut log, found) = open(&disk).unwrap();
    assert_eq!((found.end, found.head, found.records, found.torn), (end, head, 60, None));
    positions.extend(append(&mut log, 60, 100).unwrap());
    log.sync().unwrap();

    assert!(log.end().segment >= 4, "the story should need several segments");
    assert_eq!(count_story(&log), 100);
    let read: Vec<_> = log.reader().read_from(LogPosition::START).map(|record| record.unwrap().position).collect();
    assert_eq!(read, positions);
}

#[test]
fn reading_begins_at_any_record() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    let positions = append(&mut log, 0, 40).unwrap();
    log.sync().unwrap();
    for (n, position) in (0..).zip(&positions) {
        let record = log.reader().record_at(*position).unwrap();
        assert_eq!((record.position, record.kind, record.payload), (*position, kind(n), payload(n)));
        assert_eq!(log.reader().read_from(*position).count(), 40 - n as usize);
    }
    assert!(matches!(log.reader().record_at(log.end()), Err(StoreError::NoRecord { .. })));
    let between = LogPosition { offset: positions[5].offset + 8, ..positions[5] };
    assert!(matches!(log.reader().record_at(between), Err(StoreError::CorruptRecord { .. })));
}

#[test]
fn a_place_kept_at_the_end_of_a_segment_reads_on_in_the_next() {
    // A checkpoint keeps the log's end; the next record opens a new segment.
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    let mut ends = vec![log.end()];
    for n in 0..60 {
        append(&mut log, n, n + 1).unwrap();
        ends.push(log.end());
    }
    log.sync().unwrap();
    for (n, end) in (0..60).zip(&ends) {
        let record = log.reader().read_from(*end).next().unwrap().unwrap();
        assert_eq!((record.kind, record.payload), (kind(n), payload(n)));
    }
}

#[test]
fn a_reader_goes_on_with_what_was_written_since() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    let mut records = log.reader().read_from(LogPosition::START);
    for n in 0..80 {
        append(&mut log, n, n + 1).unwrap();
        log.sync().unwrap();
        assert_eq!(records.next().unwrap().unwrap().payload, payload(n));
        assert!(records.next().is_none());
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // This is about threads.
fn another_thread_reads_while_the_log_grows() {
    let home = tempfile::tempdir().unwrap();
    let options = LogOptions { segment_bytes: 16 << 10, buffer_bytes: 500, ..LogOptions::default() };
    let (mut log, _) = Log::open(&home.path().join("log"), identity(), options).unwrap();
    let reader = log.reader();
    let reading = thread::spawn(move || {
        let mut records = reader.read_from(LogPosition::START);
        for n in 0..500 {
            let record = loop {
                match records.next() {
                    Some(record) => break record.unwrap(),
                    None => thread::yield_now(),
                }
            };
            assert_eq!((record.kind, record.payload), (kind(n), payload(n)));
        }
    });
    append(&mut log, 0, 500).unwrap();
    log.sync().unwrap();
    reading.join().unwrap();
}

#[test]
fn real_files_are_reserved_closed_and_opened_again() {
    let home = tempfile::tempdir().unwrap();
    let data = DataDir::open(home.path()).unwrap();
    let options = LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() };
    let (mut log, _) = data.open_log(identity(), options).unwrap();
    append(&mut log, 0, 1000).unwrap();
    log.sync().unwrap();
    drop(log);
    assert!(data.bytes_on_disk().unwrap() >= 1 << 20, "a segment is reserved as a whole");
    let (log, found) = data.open_log(identity(), options).unwrap();
    assert_eq!((found.records, found.torn), (1000, None));
    assert_eq!(count_story(&log), 1000);
}

#[test]
fn nothing_unsynced_is_promised() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    append(&mut log, 0, 3).unwrap();
    assert_eq!(log.synced(), LogPosition::START);
    log.sync().unwrap();
    assert_eq!(log.synced(), log.end());
}

#[test]
fn a_sync_without_news_costs_nothing() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    append(&mut log, 0, 3).unwrap();
    log.sync().unwrap();
    let changes = disk.changes();
    log.sync().unwrap();
    assert_eq!(disk.changes(), changes);
}

#[test]
fn one_group_costs_one_write_one_sync_and_a_mark() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open_with(&disk, LogOptions { buffer_bytes: 1 << 20, ..options() }).unwrap();
    let changes = disk.changes();
    append(&mut log, 0, 10).unwrap();
    log.sync().unwrap();
    assert_eq!(disk.changes() - changes, 3);
}

#[test]
fn a_record_that_fits_no_segment_is_refused_and_the_log_goes_on() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    append(&mut log, 0, 2).unwrap();
    let refused = log.append(1, &[7; 4096]);
    assert!(matches!(refused, Err(StoreError::TooLong { limit_bytes: 3968, .. })), "{refused:?}");
    append(&mut log, 2, 4).unwrap();
    log.sync().unwrap();
    assert_eq!(count_story(&log), 4);
}

#[test]
fn the_largest_record_fits_and_is_found_again() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    let longest = vec![9; usize::try_from(4096 - 128 - RECORD_OVERHEAD_BYTES - 24).unwrap()];
    let positions = [log.append(1, &longest).unwrap(), log.append(2, &longest).unwrap()];
    log.sync().unwrap();
    drop(log);
    let (log, found) = open(&disk).unwrap();
    assert_eq!((found.records, found.torn), (2, None));
    assert_eq!(log.reader().record_at(positions[1]).unwrap().payload, longest);
}

#[test]
fn segments_before_the_checkpoint_are_not_read_again() {
    // The first segment is damaged, the checkpoint lies in the third: starting works, reading the damaged record does
    // not.
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    append(&mut log, 0, 80).unwrap();
    log.sync().unwrap();
    drop(log);
    let mut bytes = disk.read(&segment(0)).unwrap();
    bytes[1000] ^= 1;
    disk.plant(&segment(0), bytes);
    assert!(matches!(open(&disk), Err(StoreError::CorruptRecord { .. })));

    let verify_from = LogPosition { segment: 2, offset: 128 };
    let (log, found) = open_with(&disk, LogOptions { verify_from, ..options() }).unwrap();
    assert!(found.records < 80);
    assert!(log.reader().read_from(verify_from).all(|record| record.is_ok()));
    let last = log.reader().read_from(LogPosition::START).last().unwrap();
    assert!(matches!(last, Err(StoreError::CorruptRecord { .. })));
}

#[test]
fn positions_survive_their_bytes() {
    let position = LogPosition { segment: 0x0102_0304_0506_0708, offset: u64::MAX - 5 };
    assert_eq!(LogPosition::from_bytes(position.to_bytes()), position);
}

#[test]
fn a_read_only_directory_is_refused_by_name() {
    let disk = MemoryDisk::new();
    disk.set_read_only(true);
    assert!(matches!(open(&disk), Err(StoreError::NotWritable { .. })));
    disk.set_read_only(false);
    let (mut log, _) = open(&disk).unwrap();
    append(&mut log, 0, 5).unwrap();
    log.sync().unwrap();
    disk.set_read_only(true);
    append(&mut log, 5, 6).unwrap();
    assert!(matches!(log.sync(), Err(StoreError::NotWritable { .. })));
    assert!(matches!(log.sync(), Err(StoreError::Poisoned)));
}

#[test]
fn a_file_where_the_directory_should_be_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("log");
    std::fs::write(&path, b"no directory").unwrap();
    assert!(matches!(Log::open(&path, identity(), options()), Err(StoreError::Io { .. })));
}

#[test]
fn both_disks_agree_on_what_a_file_is() {
    // The memory disk stands in for the real one in every test of damage, so it must read, write and grow alike.
    let home = tempfile::tempdir().unwrap();
    for (disk, dir) in [(&StdDisk as &dyn Disk, home.path()), (&MemoryDisk::new(), dir())] {
        assert_eq!(disk.open(&dir.join("a")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        let file = disk.create(&dir.join("a")).unwrap();
        file.allocate(10).unwrap();
        file.write_at(b"xyz", 8).unwrap();
        file.allocate(5).unwrap();
        file.sync().unwrap();
        disk.rename(&dir.join("a"), &dir.join("b")).unwrap();
        disk.sync_dir(dir).unwrap();
        assert_eq!((disk.list(dir).unwrap(), file.size_bytes().unwrap()), (vec!["b".to_owned()], 11));
        let mut bytes = [1; 6];
        assert_eq!(disk.open(&dir.join("b")).unwrap().read_at(&mut bytes, 7).unwrap(), 4);
        assert_eq!(bytes, *b"\0xyz\x01\x01");
        disk.remove(Path::new(&dir.join("b"))).unwrap();
        assert!(disk.list(dir).unwrap().is_empty());
    }
}

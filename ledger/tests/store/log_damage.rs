//! Logs that are wrong, each with the error it deserves.

use std::sync::Arc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::store::{Log, LogIdentity, LogOptions, LogPosition, MemoryDisk, StoreError};

use crate::bench::{append, count_story, dir, identity, kind, open, open_with, options, payload, segment};

/// A log of `count` records with a sync after every `group`, closed.
fn story(count: u64, group: u64) -> (MemoryDisk, Vec<LogPosition>) {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    let mut positions = Vec::new();
    for n in 0..count {
        positions.extend(append(&mut log, n, n + 1).unwrap());
        if (n + 1) % group == 0 {
            log.sync().unwrap();
        }
    }
    positions.push(log.end());
    (disk, positions)
}

fn damage(disk: &MemoryDisk, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read(&segment(number)).unwrap();
    change(&mut bytes);
    disk.plant(&segment(number), bytes);
}

#[test]
fn a_last_record_torn_at_every_byte_is_cut_and_the_log_goes_on() {
    // Nine records are synced. A tenth is on its way when the power goes: the file ends, or is zero, or garbage from
    // some byte on.
    let (whole, positions) = story(10, 10);
    let (start, end) = (positions[9].offset as usize, positions[10].offset as usize);
    let whole = whole.read(&segment(0)).unwrap();
    for cut in start..end {
        let shortened = whole[..cut].to_vec();
        let mut zeroed = whole.clone();
        zeroed[cut..].fill(0);
        let mut garbled = whole.clone();
        garbled[cut..end].fill(0xa5);
        garbled[end..].fill(0);
        for torn in [shortened, zeroed, garbled] {
            if torn.get(..end) == Some(&whole[..end]) {
                continue; // The bytes cut off were zero anyway.
            }
            let left = torn[start.min(torn.len())..].iter().any(|byte| *byte != 0);
            let disk = MemoryDisk::new();
            disk.plant(&segment(0), torn);
            let (mut log, found) = open(&disk).unwrap();
            assert_eq!((found.records, found.end), (9, positions[9]), "cut at {cut}");
            assert_eq!(found.torn.is_some(), left, "cut at {cut}");
            append(&mut log, 9, 12).unwrap();
            log.sync().unwrap();
            let (log, found) = open(&disk).unwrap();
            assert_eq!((count_story(&log), found.torn), (12, None), "cut at {cut}");
        }
    }
}

#[test]
fn a_damaged_record_in_the_middle_is_refused_at_every_byte() {
    // Six records, all in one synced group; a byte of the third rots. Nothing later was cut, and nothing may be cut
    // now.
    let (whole, positions) = story(6, 6);
    let whole = whole.read(&segment(0)).unwrap();
    for at in positions[2].offset..positions[3].offset {
        let disk = MemoryDisk::new();
        disk.plant(&segment(0), whole.clone());
        damage(&disk, 0, |bytes| bytes[at as usize] ^= 0x10);
        let refused = open(&disk).unwrap_err();
        assert!(
            matches!(refused, StoreError::CorruptRecord { offset, .. } if offset == positions[2].offset),
            "byte {at}: {refused}"
        );
        assert_eq!(disk.read(&segment(0)).unwrap().len(), whole.len(), "a refused log is left as it is");
    }
}

#[test]
fn damage_to_the_last_synced_record_is_not_taken_for_a_torn_tail() {
    let (disk, positions) = story(6, 1);
    damage(&disk, 0, |bytes| bytes[positions[5].offset as usize + 30] ^= 1);
    let refused = open(&disk).unwrap_err();
    assert!(matches!(refused, StoreError::CorruptRecord { offset, .. } if offset == positions[5].offset), "{refused}");
}

#[test]
fn a_hole_in_an_unsynced_group_is_a_torn_tail_even_with_whole_records_behind_it() {
    // Five records are synced, five more written and not synced. The disk kept the last ones and lost the seventh.
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    append(&mut log, 0, 5).unwrap();
    log.sync().unwrap();
    let positions = append(&mut log, 5, 10).unwrap();
    let end = log.end();
    log.sync().unwrap();
    damage(&disk, 0, |bytes| {
        bytes[positions[1].offset as usize..positions[2].offset as usize].fill(0);
        bytes[end.offset as usize..].fill(0); // the mark of the second sync, which did not happen
    });
    let (log, found) = open(&disk).unwrap();
    assert_eq!((found.records, found.torn.unwrap().at), (6, positions[1]));
    assert_eq!(count_story(&log), 6);
    // What was behind the hole is gone for good.
    assert!(disk.read(&segment(0)).unwrap()[found.end.offset as usize + 24..].iter().all(|byte| *byte == 0));
}

#[test]
fn what_was_promised_elsewhere_is_never_cut() {
    // The mark is lost together with the last record; only the safety record knows that it had been synced.
    let (disk, positions) = story(6, 6);
    damage(&disk, 0, |bytes| bytes[positions[5].offset as usize + 30..].fill(0));
    let promised = LogOptions { must_reach: Some(positions[6]), ..options() };
    assert!(matches!(open_with(&disk, promised), Err(StoreError::CorruptRecord { .. })));
    damage(&disk, 0, |bytes| bytes[positions[5].offset as usize..].fill(0));
    assert!(matches!(open_with(&disk, promised), Err(StoreError::EndsEarly { end, .. }) if end == positions[5]));
    let less = LogOptions { must_reach: Some(positions[5]), ..options() };
    assert_eq!(open_with(&disk, less).unwrap().1.records, 5);
}

#[test]
fn damage_in_a_closed_segment_is_refused() {
    let (disk, positions) = story(60, 60);
    let victim = positions.iter().find(|position| position.segment == 1).unwrap();
    damage(&disk, 1, |bytes| bytes[victim.offset as usize + 40] ^= 1);
    let refused = open(&disk).unwrap_err();
    assert!(matches!(&refused, StoreError::CorruptRecord { path, .. } if *path == segment(1)), "{refused}");
}

#[test]
fn a_closed_segment_that_lost_its_end_is_refused() {
    let (disk, positions) = story(60, 60);
    let last = positions.iter().rfind(|position| position.segment == 1).unwrap();
    for keep in [last.offset as usize, last.offset as usize + 10, 128] {
        damage(&disk, 1, |bytes| bytes.truncate(keep));
        assert!(matches!(open(&disk), Err(StoreError::CorruptRecord { .. })), "cut to {keep} bytes");
    }
}

#[test]
fn a_missing_segment_is_named() {
    for missing in 0..3 {
        let (disk, positions) = story(60, 60);
        assert!(positions[60].segment >= 3);
        gridbook_ledger::store::Disk::remove(&disk, &segment(missing)).unwrap();
        let refused = open(&disk).unwrap_err();
        assert!(matches!(refused, StoreError::MissingSegment { number, .. } if number == missing), "{refused}");
    }
}

#[test]
fn a_missing_last_segment_is_known_from_what_was_promised() {
    let (disk, positions) = story(60, 60);
    let end = positions[60];
    gridbook_ledger::store::Disk::remove(&disk, &segment(end.segment)).unwrap();
    let promised = LogOptions { must_reach: Some(end), ..options() };
    assert!(matches!(open_with(&disk, promised), Err(StoreError::EndsEarly { must_reach, .. }) if must_reach == end));
}

#[test]
fn swapped_segments_are_named() {
    let (disk, _) = story(60, 60);
    let (one, two) = (disk.read(&segment(1)).unwrap(), disk.read(&segment(2)).unwrap());
    disk.plant(&segment(1), two);
    disk.plant(&segment(2), one);
    assert!(matches!(open(&disk), Err(StoreError::SwappedSegment { found: 1, path }) if path == segment(2)));
}

#[test]
fn a_duplicated_segment_is_named() {
    let (disk, positions) = story(60, 60);
    let copy = segment(positions[60].segment + 1);
    disk.plant(&copy, disk.read(&segment(1)).unwrap());
    let refused = open(&disk).unwrap_err();
    let named =
        matches!(&refused, StoreError::DuplicatedSegment { first, second } if *first == segment(1) && *second == copy);
    assert!(named, "{refused}");
}

#[test]
fn a_segment_of_another_history_is_refused() {
    // Same chain, same validator, same number: but from a directory that was begun anew.
    let (disk, _) = story(60, 60);
    let other = MemoryDisk::new();
    let (mut log, _) = open(&other).unwrap();
    append(&mut log, 1, 60).unwrap();
    log.sync().unwrap();
    disk.plant(&segment(1), other.read(&segment(1)).unwrap());
    assert!(matches!(open(&disk), Err(StoreError::CorruptRecord { path, .. }) if path == segment(0)));
}

#[test]
fn another_nodes_log_is_refused() {
    let (disk, _) = story(5, 5);
    let disk = Arc::new(disk);
    let neighbour = LogIdentity { validator: 4, ..identity() };
    let refused = Log::open_on(disk.clone(), dir(), neighbour, options()).unwrap_err();
    assert!(matches!(refused, StoreError::WrongValidator { found: 3, expected: 4, .. }), "{refused}");
    let elsewhere = LogIdentity { chain: Hash::of("test", b"another chain"), ..identity() };
    let refused = Log::open_on(disk, dir(), elsewhere, options()).unwrap_err();
    assert!(matches!(refused, StoreError::WrongChain { .. }), "{refused}");
}

#[test]
fn other_format_versions_are_told_apart() {
    let (disk, _) = story(5, 5);
    damage(&disk, 0, |bytes| bytes[8] = 0);
    assert!(matches!(open(&disk), Err(StoreError::OlderFormat { found: 0, supported: 1, .. })));
    damage(&disk, 0, |bytes| bytes[8] = 2);
    assert!(matches!(open(&disk), Err(StoreError::NewerFormat { found: 2, supported: 1, .. })));
}

#[test]
fn a_damaged_segment_header_is_refused_at_every_byte() {
    let (whole, _) = story(5, 5);
    let whole = whole.read(&segment(0)).unwrap();
    for at in 0..128 {
        let disk = MemoryDisk::new();
        disk.plant(&segment(0), whole.clone());
        damage(&disk, 0, |bytes| bytes[at] ^= 0x40);
        let refused = open(&disk).unwrap_err();
        let expected = match at {
            0..8 => matches!(refused, StoreError::Foreign { .. }),
            8..12 => matches!(refused, StoreError::NewerFormat { .. }),
            _ => matches!(refused, StoreError::CorruptHeader { .. }),
        };
        assert!(expected, "byte {at}: {refused}");
    }
}

#[test]
fn an_emptied_segment_is_refused() {
    for length in [0, 1, 127, 4096] {
        let disk = MemoryDisk::new();
        disk.plant(&segment(0), vec![0; length]);
        assert!(matches!(open(&disk), Err(StoreError::CorruptHeader { .. })), "{length} zero bytes");
    }
}

#[test]
fn a_half_made_segment_is_tidied_away() {
    let (disk, _) = story(5, 5);
    disk.plant(&dir().join("000000000001.log.new"), vec![1; 50]);
    let (log, _) = open(&disk).unwrap();
    assert_eq!(count_story(&log), 5);
    assert!(disk.read(&dir().join("000000000001.log.new")).is_none());
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    // The first record's length says 4 GiB, without a checksum for it.
    let (disk, _) = story(1, 1);
    damage(&disk, 0, |bytes| {
        bytes[128 + 8..128 + 12].fill(0xff);
        bytes[200..].fill(0);
    });
    let (_, found) = open(&disk).unwrap();
    assert_eq!((found.records, found.end), (0, LogPosition::START));
}

#[test]
fn reading_a_record_that_rotted_since_the_start_is_an_error() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    let positions = append(&mut log, 0, 5).unwrap();
    log.sync().unwrap();
    damage(&disk, 0, |bytes| bytes[positions[3].offset as usize + 30] ^= 1);
    let read: Vec<_> = log.reader().read_from(LogPosition::START).collect();
    assert_eq!(read.len(), 4);
    assert_eq!(read[2].as_ref().unwrap().payload, payload(2));
    assert_eq!(read[2].as_ref().unwrap().kind, kind(2));
    assert!(matches!(read[3], Err(StoreError::CorruptRecord { offset, .. }) if offset == positions[3].offset));
}

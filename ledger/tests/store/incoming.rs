//! A snapshot that comes in lies on disk while it does.

use std::path::Path;
use std::sync::Arc;

use gridbook_ledger::store::{Fault, IncomingBytes, IncomingDir, MemoryDisk, PowerCut, StoreError};

fn open(disk: &MemoryDisk) -> IncomingDir {
    IncomingDir::open_on(Arc::new(disk.clone()), Path::new("/data/incoming")).unwrap()
}

/// The process is killed between two pieces: what was written is found again.
#[test]
fn what_came_in_before_a_restart_is_found_again() {
    let disk = MemoryDisk::new();
    let mut incoming = open(&disk);
    assert_eq!(incoming.load().unwrap(), None);
    incoming.begin(b"front").unwrap();
    incoming.put(4, b"piece").unwrap();
    drop(incoming);
    let mut incoming = open(&disk);
    let found = incoming.load().unwrap().unwrap();
    assert_eq!(found, IncomingBytes { front: b"front".to_vec(), state: b"\0\0\0\0piece".to_vec() });
    incoming.put(0, b"more").unwrap();
    assert_eq!(incoming.load().unwrap().unwrap().state, b"morepiece");
    incoming.clear().unwrap();
    assert_eq!(incoming.load().unwrap(), None);
}

/// Another snapshot begins to come in: nothing of the one before may be taken for it.
#[test]
fn a_new_one_begins_with_nothing_of_the_old() {
    let disk = MemoryDisk::new();
    let mut incoming = open(&disk);
    incoming.begin(b"old").unwrap();
    incoming.put(0, b"old state").unwrap();
    incoming.begin(b"new").unwrap();
    assert_eq!(incoming.load().unwrap().unwrap(), IncomingBytes { front: b"new".to_vec(), state: Vec::new() });
}

/// Pieces are not synced. After a power cut the front is there, for it was, or nothing is; the pieces may be gone, which whoever loads them
/// finds out by their hashes.
#[test]
fn a_power_cut_loses_pieces_and_never_mixes_two_snapshots() {
    for seed in 0..20 {
        let disk = MemoryDisk::new();
        let mut incoming = open(&disk);
        incoming.begin(b"old").unwrap();
        incoming.put(0, &[1; 4_096]).unwrap();
        disk.fail_at(disk.changes() + seed % 8, Fault::PowerGoes);
        let _ = incoming.begin(b"new").and_then(|()| incoming.put(0, &[2; 4_096]));
        drop(incoming);
        disk.power_cut(PowerCut::LosesSome(seed));
        match open(&disk).load().unwrap() {
            None => {}
            Some(IncomingBytes { front, state }) if front == b"new" => assert!(!state.contains(&1), "seed {seed}"),
            Some(IncomingBytes { front, .. }) => assert_eq!(front, b"old", "seed {seed}"),
        }
    }
}

/// The disk is full: it says so, and the process ends as with any other file.
#[test]
fn a_full_disk_is_told_as_a_full_disk() {
    let disk = MemoryDisk::new();
    let mut incoming = open(&disk);
    incoming.begin(b"front").unwrap();
    disk.fail_at(disk.changes(), Fault::NoSpace);
    assert!(matches!(incoming.put(0, b"piece"), Err(StoreError::NoSpace { .. })));
}

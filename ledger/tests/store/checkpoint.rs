//! Checkpoints: whole or not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::store::{
    Checkpoint, CheckpointMark, Checkpoints, Fault, LogIdentity, LogPosition, MemoryDisk, PowerCut, StoreError,
};

use crate::bench::identity;

fn dir() -> &'static Path {
    Path::new("/data/checkpoints")
}

fn path(seq: u64) -> PathBuf {
    dir().join(format!("{seq:020}.checkpoint"))
}

fn open(disk: &MemoryDisk) -> Checkpoints {
    Checkpoints::open_on(Arc::new(disk.clone()), dir(), identity()).unwrap()
}

fn checkpoint(seq: u64) -> Checkpoint {
    let mark = CheckpointMark { seq, replay_from: LogPosition { segment: seq, offset: 128 + 8 * seq } };
    Checkpoint { mark, bytes: vec![u8::try_from(seq % 256).unwrap(); 700] }
}

fn write(checkpoints: &mut Checkpoints, seq: u64) -> Result<(), StoreError> {
    let checkpoint = checkpoint(seq);
    checkpoints.write(checkpoint.mark, &checkpoint.bytes)
}

fn newest_seq(disk: &MemoryDisk) -> Option<u64> {
    let newest = open(disk).newest().unwrap().checkpoint?;
    assert_eq!(newest, checkpoint(newest.mark.seq), "a checkpoint was changed");
    Some(newest.mark.seq)
}

#[test]
fn the_newest_is_read_and_two_are_kept() {
    let disk = MemoryDisk::new();
    let mut checkpoints = open(&disk);
    assert_eq!(checkpoints.newest().unwrap().checkpoint, None);
    for seq in [9, 10, 100, 1000] {
        write(&mut checkpoints, seq).unwrap();
        assert_eq!(newest_seq(&disk), Some(seq));
    }
    let there: Vec<u64> = [9, 10, 100, 1000].into_iter().filter(|seq| disk.read(&path(*seq)).is_some()).collect();
    assert_eq!(there, [100, 1000]);
}

#[test]
fn on_real_files_too() {
    let home = tempfile::tempdir().unwrap();
    let mut checkpoints = Checkpoints::open(&home.path().join("checkpoints"), identity()).unwrap();
    (1..=4).for_each(|seq| write(&mut checkpoints, seq).unwrap());
    assert_eq!(checkpoints.newest().unwrap().checkpoint, Some(checkpoint(4)));
    assert_eq!(std::fs::read_dir(home.path().join("checkpoints")).unwrap().count(), 2);
}

#[test]
fn a_newest_one_damaged_anywhere_is_passed_over_for_the_older() {
    let whole = MemoryDisk::new();
    let mut checkpoints = open(&whole);
    (1..=2).for_each(|seq| write(&mut checkpoints, seq).unwrap());
    let (first, second) = (whole.read(&path(1)).unwrap(), whole.read(&path(2)).unwrap());
    for at in 0..second.len() {
        let mut flipped = second.clone();
        flipped[at] ^= 0x80;
        for bad in [flipped, second[..at].to_vec()] {
            let disk = MemoryDisk::new();
            disk.plant(&path(1), first.clone());
            disk.plant(&path(2), bad);
            let newest = open(&disk).newest().unwrap();
            assert_eq!((newest.checkpoint, newest.damaged), (Some(checkpoint(1)), vec![path(2)]), "byte {at}");
        }
    }
}

#[test]
fn with_none_whole_the_log_is_replayed_from_its_start() {
    let disk = MemoryDisk::new();
    disk.plant(&path(1), b"garbage".to_vec());
    disk.plant(&path(2), Vec::new());
    let newest = open(&disk).newest().unwrap();
    assert_eq!((newest.checkpoint, newest.damaged.len()), (None, 2));
}

#[test]
fn another_nodes_checkpoint_is_refused() {
    let disk = MemoryDisk::new();
    write(&mut open(&disk), 1).unwrap();
    let disk = Arc::new(disk);
    let neighbour = LogIdentity { validator: 4, ..identity() };
    let refused = Checkpoints::open_on(disk.clone(), dir(), neighbour).unwrap().newest();
    assert!(matches!(refused, Err(StoreError::WrongValidator { .. })));
    let elsewhere = LogIdentity { chain: Hash::ZERO, ..identity() };
    let refused = Checkpoints::open_on(disk, dir(), elsewhere).unwrap().newest();
    assert!(matches!(refused, Err(StoreError::WrongChain { .. })));
}

#[test]
fn a_failing_disk_at_every_change_leaves_a_whole_checkpoint() {
    for fault in [Fault::PowerGoes, Fault::NoSpace, Fault::SyncFails] {
        for at in 0..30 {
            for seed in 0..6 {
                let disk = MemoryDisk::new();
                disk.fail_at(at, fault);
                let mut checkpoints = open(&disk);
                let kept = (1..=4).take_while(|seq| write(&mut checkpoints, *seq).is_ok()).last();
                if kept < Some(4) {
                    assert!(matches!(write(&mut checkpoints, 9), Err(StoreError::Poisoned)));
                }
                disk.power_cut(if seed == 0 { PowerCut::LosesAll } else { PowerCut::LosesSome(seed) });
                let found = newest_seq(&disk);
                assert!(found >= kept, "{fault:?} at change {at}, seed {seed}: kept {kept:?}, found {found:?}");
                write(&mut open(&disk), 8).unwrap();
                assert_eq!(newest_seq(&disk), Some(8));
            }
        }
    }
}

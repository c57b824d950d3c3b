//! The safety record: never an older word than the last one given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::store::{Fault, LogIdentity, MemoryDisk, PowerCut, SAFETY_BYTES_MAX, SafetyFile, StoreError};

use crate::bench::identity;

const SECTOR: usize = 64 << 10;

fn home() -> &'static Path {
    Path::new("/data")
}

fn path() -> PathBuf {
    SafetyFile::path(home())
}

fn open(disk: &MemoryDisk) -> Result<(SafetyFile, Option<Vec<u8>>), StoreError> {
    SafetyFile::open_on(Arc::new(disk.clone()), home(), identity())
}

fn record(n: usize) -> Vec<u8> {
    vec![u8::try_from(n).unwrap(); 100 + n]
}

/// A file with records 1 to `count` written.
fn written(count: usize) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (mut safety, none) = open(&disk).unwrap();
    assert_eq!(none, None);
    (1..=count).for_each(|n| safety.write(&record(n)).unwrap());
    disk
}

#[test]
fn the_last_record_is_read_back() {
    for count in 0..5 {
        let disk = written(count);
        for _ in 0..2 {
            let (safety, last) = open(&disk).unwrap();
            assert_eq!(last, (count > 0).then(|| record(count)));
            assert!(!safety.was_torn());
        }
    }
}

#[test]
fn an_empty_record_is_a_record() {
    let disk = MemoryDisk::new();
    open(&disk).unwrap().0.write(b"").unwrap();
    assert_eq!(open(&disk).unwrap().1, Some(Vec::new()));
}

#[test]
fn on_real_files_too() {
    let home = tempfile::tempdir().unwrap();
    let (mut safety, none) = SafetyFile::open(home.path(), identity()).unwrap();
    assert_eq!(none, None);
    safety.write(&vec![7; SAFETY_BYTES_MAX]).unwrap();
    drop(safety);
    assert_eq!(SafetyFile::open(home.path(), identity()).unwrap().1, Some(vec![7; SAFETY_BYTES_MAX]));
}

#[test]
fn a_record_over_the_limit_is_refused_and_the_last_one_stays() {
    let disk = written(2);
    let (mut safety, _) = open(&disk).unwrap();
    assert!(matches!(safety.write(&vec![0; SAFETY_BYTES_MAX + 1]), Err(StoreError::TooLong { .. })));
    safety.write(&record(3)).unwrap();
    assert_eq!(open(&disk).unwrap().1, Some(record(3)));
}

#[test]
fn a_write_torn_at_every_byte_leaves_the_record_before_or_the_new_one() {
    let (before, after) = (written(5).read(&path()).unwrap(), written(6).read(&path()).unwrap());
    let changed: Vec<usize> = (0..before.len()).filter(|at| before[*at] != after[*at]).collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    let mut seen_new = 0;
    for cut in first..=last + 1 {
        // What is written from the front arrives up to the cut, or from the back, or garbage lies in the middle.
        let front = [&after[..cut], &before[cut..]].concat();
        let back = [&before[..cut], &after[cut..]].concat();
        let mut garbage = after.clone();
        garbage[cut..cut + 16].fill(0x5a);
        for torn in [front, back, garbage] {
            let disk = MemoryDisk::new();
            disk.plant(&path(), torn);
            let (mut safety, found) = open(&disk).unwrap();
            let found = found.unwrap();
            assert!(found == record(5) || found == record(6), "cut at {cut}");
            seen_new += usize::from(found == record(6));
            // The next record goes over the torn sector, never over the good one.
            safety.write(&record(7)).unwrap();
            assert_eq!(open(&disk).unwrap().1, Some(record(7)));
        }
    }
    assert!(seen_new > 0 && seen_new < 3 * (last - first));
}

#[test]
fn no_whole_sector_means_do_not_sign() {
    let whole = written(4).read(&path()).unwrap();
    let mut both_torn = whole.clone();
    both_torn[40] ^= 1;
    both_torn[SECTOR + 40] ^= 1;
    let (zeros, short) = (vec![0; 2 * SECTOR], whole[..50].to_vec());
    for bytes in [both_torn, zeros, short, Vec::new()] {
        let disk = MemoryDisk::new();
        disk.plant(&path(), bytes);
        let refused = open(&disk).unwrap_err();
        assert!(matches!(refused, StoreError::DoNotSign { .. }));
        assert!(refused.to_string().contains("do not sign"));
    }
}

#[test]
fn every_flipped_bit_of_a_sector_is_seen() {
    let whole = written(4).read(&path()).unwrap();
    // Generation 4 stands in the first sector: without it, record 3 is the newest.
    for bit in 0..(96 + record(4).len()) * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let disk = MemoryDisk::new();
        disk.plant(&path(), bytes);
        let (safety, found) = open(&disk).unwrap();
        assert_eq!((found, safety.was_torn()), (Some(record(3)), true), "bit {bit}");
    }
}

#[test]
fn another_nodes_record_is_refused() {
    let disk = Arc::new(written(3));
    let neighbour = LogIdentity { validator: 4, ..identity() };
    assert!(matches!(
        SafetyFile::open_on(disk.clone(), home(), neighbour),
        Err(StoreError::WrongValidator { found: 3, expected: 4, .. })
    ));
    let elsewhere = LogIdentity { chain: Hash::ZERO, ..identity() };
    assert!(matches!(SafetyFile::open_on(disk, home(), elsewhere), Err(StoreError::WrongChain { .. })));
}

#[test]
fn other_format_versions_are_told_apart_from_damage() {
    for (version, older) in [(0, true), (2, false)] {
        let mut sector = b"GRIDSAFE".to_vec();
        sector.extend_from_slice(&[version, 0, 0, 0]);
        sector.resize(64, 0);
        let disk = MemoryDisk::new();
        disk.plant(&path(), [&Hash::of("gridbook/safety", &sector).0[..], &sector].concat());
        let refused = open(&disk).unwrap_err();
        assert_eq!(matches!(refused, StoreError::OlderFormat { found: 0, .. }), older, "{refused}");
        assert_eq!(matches!(refused, StoreError::NewerFormat { found: 2, .. }), !older, "{refused}");
    }
}

#[test]
fn a_failing_disk_at_every_change_never_takes_back_a_word() {
    // Five records are written; at some change the power goes, the disk is full or a sync fails.
    for fault in [Fault::PowerGoes, Fault::NoSpace, Fault::SyncFails] {
        for at in 0..20 {
            for seed in 0..6 {
                let disk = MemoryDisk::new();
                disk.fail_at(at, fault);
                let (given, tried) = write_until_it_fails(&disk, fault == Fault::PowerGoes && seed % 2 == 0);
                let cut = if seed == 0 { PowerCut::LosesAll } else { PowerCut::LosesSome(seed) };
                if fault == Fault::PowerGoes {
                    disk.power_cut(cut);
                }
                disk.fail_at(u64::MAX, fault);
                let story = format!("{fault:?} at change {at}, {cut:?}");
                let found = open(&disk).unwrap_or_else(|error| panic!("{story}: {error}")).1;
                let found = (0..=tried).rfind(|n| found == (*n > 0).then(|| record(*n)));
                assert!(found.is_some_and(|found| found >= given), "{story}: gave {given}, found {found:?}");
                // What was found is what counts from now on: it must survive the power as well.
                disk.power_cut(PowerCut::LosesAll);
                let again = open(&disk).unwrap().1;
                assert_eq!(again, found.filter(|n| *n > 0).map(record), "{story}");
            }
        }
    }
}

/// Record written last without an error, and record tried last.
fn write_until_it_fails(disk: &MemoryDisk, try_again: bool) -> (usize, usize) {
    let Ok((mut safety, _)) = open(disk) else { return (0, 0) };
    for n in 1..=5 {
        if safety.write(&record(n)).is_err() {
            if try_again {
                assert!(matches!(safety.write(&record(n)), Err(StoreError::Poisoned)));
            }
            return (n - 1, n);
        }
    }
    (5, 5)
}

//! Failing disks and power cuts at every step of a short history.

use gridbook_ledger::store::{Fault, LogPosition, MemoryDisk, PowerCut, StoreError};

use crate::bench::{append, count_story, open};

const RECORDS: u64 = 40;
const GROUP: u64 = 4;

/// Appends from `from` on, a sync after each group, until all is done or something fails: records synced, records
/// appended, error.
fn live(disk: &MemoryDisk, from: u64) -> (u64, u64, Option<StoreError>) {
    let mut log = match open(disk) {
        Ok((log, _)) => log,
        Err(error) => return (from, from, Some(error)),
    };
    let mut synced = from;
    for n in from..RECORDS {
        if let Err(error) = append(&mut log, n, n + 1) {
            assert!(matches!(log.append(0, b"x"), Err(StoreError::Poisoned)));
            return (synced, n + 1, Some(error));
        }
        if (n + 1) % GROUP == 0 {
            if let Err(error) = log.sync() {
                assert!(matches!(log.sync(), Err(StoreError::Poisoned)), "a failed sync must never be tried again");
                return (synced, n + 1, Some(error));
            }
            synced = n + 1;
        }
    }
    (synced, RECORDS, None)
}

fn changes_of_a_whole_life() -> u64 {
    let disk = MemoryDisk::new();
    assert!(live(&disk, 0).2.is_none());
    disk.changes()
}

/// Opens what is left: everything synced, nothing invented, and it can go on.
fn assert_kept(disk: &MemoryDisk, synced: u64, appended: u64, story: &str) -> u64 {
    let (log, found) = open(disk).unwrap_or_else(|error| panic!("{story}: {error}"));
    let kept = count_story(&log);
    assert!(kept >= synced, "{story}: {synced} records were synced, {kept} are left");
    assert!(kept <= appended, "{story}: {appended} records were appended, {kept} are there");
    assert_eq!(found.records, kept, "{story}");
    kept
}

fn cuts() -> impl Iterator<Item = PowerCut> {
    let some = (0..12).flat_map(|seed| [PowerCut::LosesSome(seed), PowerCut::Garbles(seed)]);
    std::iter::once(PowerCut::LosesAll).chain(some)
}

#[test]
fn a_power_cut_at_every_change_loses_nothing_synced_and_invents_nothing() {
    for at in 0..changes_of_a_whole_life() {
        for cut in cuts() {
            let disk = MemoryDisk::new();
            disk.fail_at(at, Fault::PowerGoes);
            let (synced, appended, error) = live(&disk, 0);
            assert!(error.is_some());
            disk.power_cut(cut);
            let story = format!("power goes at change {at}, {cut:?}");
            let kept = assert_kept(&disk, synced, appended, &story);
            // What was found at the start is durable before anyone sees it: a second cut takes nothing away.
            disk.power_cut(PowerCut::LosesAll);
            assert_eq!(assert_kept(&disk, kept, kept, &story), kept);
            assert_eq!(live(&disk, kept).2.map(|error| error.to_string()), None, "{story}");
        }
    }
}

#[test]
fn a_power_cut_during_the_repair_loses_nothing_synced() {
    // The power goes in the middle of the history, comes back, and goes again at every change of the repair.
    let first_cut = changes_of_a_whole_life() * 2 / 3;
    for seed in 0..12 {
        for at in 0..8 {
            let disk = MemoryDisk::new();
            disk.fail_at(first_cut + seed % 5, Fault::PowerGoes);
            let (synced, appended, _) = live(&disk, 0);
            disk.power_cut(PowerCut::LosesSome(seed));
            disk.fail_at(disk.changes() + at, Fault::PowerGoes);
            let _ = open(&disk);
            disk.power_cut(PowerCut::LosesSome(seed + 100));
            assert_kept(&disk, synced, appended, &format!("seed {seed}, second cut at change {at}"));
        }
    }
}

#[test]
fn a_full_disk_at_every_write_poisons_and_loses_nothing_synced() {
    let mut refusals = 0;
    for at in 0..changes_of_a_whole_life() {
        let disk = MemoryDisk::new();
        disk.fail_at(at, Fault::NoSpace);
        let (synced, appended, error) = live(&disk, 0);
        let Some(error) = error else { continue }; // That change was no write.
        assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
        refusals += 1;
        // The operator makes room and starts the node again, after a mere exit and after a power cut.
        let kept = assert_kept(&disk, synced, appended, &format!("full at change {at}"));
        disk.power_cut(PowerCut::LosesAll);
        let kept = assert_kept(&disk, kept, kept, &format!("full at change {at}"));
        assert_eq!(live(&disk, kept).1, RECORDS);
    }
    assert!(refusals > 30);
}

#[test]
fn a_failed_sync_is_final_and_the_next_start_trusts_no_cached_byte() {
    // The sync fails and the kernel forgets that the pages were never written. The process ends and starts again: it
    // can still read them. Whatever it then finds must survive a power cut.
    let mut failures = 0;
    for at in 0..changes_of_a_whole_life() {
        let disk = MemoryDisk::new();
        disk.fail_at(at, Fault::SyncFails);
        let (synced, appended, error) = live(&disk, 0);
        let Some(error) = error else { continue }; // That change was no sync.
        assert!(matches!(error, StoreError::Io { what: "sync" | "sync the directory", .. }), "{error}");
        failures += 1;
        let story = format!("sync fails at change {at}");
        let kept = assert_kept(&disk, synced, appended, &story);
        disk.power_cut(PowerCut::LosesAll);
        assert_eq!(assert_kept(&disk, kept, kept, &story), kept);
    }
    assert!(failures > 10);
}

#[test]
fn a_segment_whose_name_was_not_synced_is_not_built_upon() {
    // The sync of the directory fails after a segment was made. The process starts again, sees the segment, fills it
    // and promises what is in it: the name must have become durable too.
    for at in 0..changes_of_a_whole_life() {
        let disk = MemoryDisk::new();
        disk.fail_at(at, Fault::SyncFails);
        let (synced, _, error) = live(&disk, 0);
        let Some(StoreError::Io { what: "sync the directory", .. }) = error else { continue };
        let story = format!("sync of the directory fails at change {at}");
        let kept = assert_kept(&disk, synced, RECORDS, &story);
        assert!(live(&disk, kept).2.is_none());
        disk.power_cut(PowerCut::LosesAll);
        assert_eq!(assert_kept(&disk, RECORDS, RECORDS, &story), RECORDS);
    }
}

#[test]
fn a_disk_that_fills_during_the_start_is_reported_and_the_start_can_be_tried_again() {
    let disk = MemoryDisk::new();
    let (_, _, error) = live(&disk, 0);
    assert!(error.is_none());
    let (mut log, _) = open(&disk).unwrap();
    append(&mut log, RECORDS, RECORDS + 8).unwrap();
    drop(log);
    for at in 0..3 {
        disk.fail_at(disk.changes() + at, Fault::NoSpace);
        if let Err(error) = open(&disk) {
            assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
        }
    }
    disk.fail_at(u64::MAX, Fault::NoSpace);
    let (log, _) = open(&disk).unwrap();
    assert!(count_story(&log) >= RECORDS);
    assert!(log.end() > LogPosition::START);
}

//! The log of uses: what is noted, told, kept and let go of.

use gridbook_engine::{DeliveryPeriod, LedgerTime};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::registry::OrganisationId;
use gridbook_ledger::store::{FactOwner, FactPlace, Fault, MemoryDisk, PowerCut};

use super::*;
use crate::protocol::QueryKind;

const DIR: &str = "data/uses";
const IDENTITY: LogIdentity = LogIdentity { chain: Hash([7; 32]), validator: 2 };

fn open(disk: &Arc<MemoryDisk>) -> UseLog {
    UseLog::open(disk.clone(), Path::new(DIR), IDENTITY).unwrap()
}

/// The works read a meter's day at a moment, while an account had the meter.
fn read_by_the_works(meter: u32, account: u32, at: u64) -> Use {
    let (meter, day) = (MeterId(meter), FactPlace::first_of(DeliveryPeriod(96)));
    Use {
        at: LedgerTime(at),
        meter,
        account: AccountId(account),
        key: PublicKey([5; 32]),
        organisation: Some(OrganisationId(0)),
        scope: 1,
        question: QueryKind::Facts { owner: FactOwner::Meter(meter), from: day, to: DeliveryPeriod(191) },
    }
}

fn moments(page: &UsePage) -> Vec<(u64, u64)> {
    page.uses.iter().map(|(number, used)| (*number, used.at.0)).collect()
}

/// The works read two meters in turn. Each owner is told what was read of his own, in the order in which it was read, and after a restart again.
#[test]
fn each_meter_has_its_own_uses_also_after_a_restart() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    for at in 1..=4 {
        log.note(&[read_by_the_works(at as u32 % 2, 9, at)]).unwrap();
    }
    let before = [log.page(MeterId(0), None, 0).unwrap(), log.page(MeterId(1), None, 0).unwrap()];
    assert_eq!(before.each_ref().map(moments), [vec![(1, 2), (2, 4)], vec![(1, 1), (2, 3)]]);
    assert_eq!(before[0].uses[1].1, read_by_the_works(0, 9, 4));
    drop(log);
    let again = open(&disk);
    assert_eq!([again.page(MeterId(0), None, 0).unwrap(), again.page(MeterId(1), None, 0).unwrap()], before);
    assert_eq!(again.page(MeterId(2), None, 0).unwrap(), UsePage::default());
}

/// A meter is sold together with the house. What was read of whoever lived there before is not the new owner's business, nor the other way round.
#[test]
fn an_owner_is_told_nothing_of_the_time_before_or_after_his() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    for (account, at) in [(3, 1), (3, 2), (8, 3), (3, 4)] {
        log.note(&[read_by_the_works(0, account, at)]).unwrap();
    }
    let of = |account| moments(&log.page(MeterId(0), Some(AccountId(account)), 0).unwrap());
    assert_eq!((of(3), of(8), of(4)), (vec![(1, 1), (2, 2), (4, 4)], vec![(3, 3)], vec![]));
}

/// The power goes in the very moment in which the answer goes out: what was told is noted.
#[test]
fn what_was_noted_survives_a_power_cut() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    for at in 1..=20 {
        log.note(&[read_by_the_works(0, 9, at)]).unwrap();
        let dark = Arc::new(disk.copy());
        dark.power_cut(PowerCut::LosesAll);
        let uses = open(&dark).page(MeterId(0), None, 0).unwrap().uses;
        assert_eq!(uses.last().map(|(number, used)| (*number, used.at.0)), Some((at, at)));
    }
}

/// The disk fails: the use is not noted, so the answer must not go out; nor any other before somebody has looked at the disk.
#[test]
fn what_cannot_be_noted_is_an_error_and_stays_one() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    disk.fail_at(disk.changes() + 1, Fault::SyncFails);
    log.note(&[read_by_the_works(0, 9, 1)]).unwrap_err();
    assert!(matches!(log.note(&[read_by_the_works(0, 9, 2)]), Err(StoreError::Poisoned)));
    assert_eq!(log.page(MeterId(0), None, 0).unwrap(), UsePage::default());
}

/// More than one answer holds: whoever asks on gets all of them, each once, whichever segment they lie in.
#[test]
fn a_long_list_comes_in_pages() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    let count = 2 * USES_PER_ANSWER as u64 + 1;
    for at in 1..=count {
        log.note(&[read_by_the_works(0, 9, at)]).unwrap();
    }
    let (mut told, mut from, mut pages) = (Vec::new(), Some(0), 0);
    while let Some(number) = from {
        let page = log.page(MeterId(0), Some(AccountId(9)), number).unwrap();
        told.extend(moments(&page));
        (from, pages) = (page.next, pages + 1);
    }
    assert_eq!((told, pages), ((1..=count).map(|at| (at, at)).collect(), 3));
    assert_eq!(log.page(MeterId(0), None, count + 1).unwrap(), UsePage::default());
    assert_eq!(log.page(MeterId(0), None, u64::MAX).unwrap(), UsePage::default());
}

const TEN_DAYS: u64 = 10 * 86_400_000;

/// A meter is read every ten days. After the longest grant and a week more, what was read is let go of, a month's segment at a time, and never
/// earlier; the rest keeps its numbers, also after a restart, and what is noted then goes on from there.
#[test]
fn a_use_is_kept_as_long_as_promised_and_a_month_longer_at_most() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    for count in 1..=60 {
        let now = count * TEN_DAYS;
        log.note(&[read_by_the_works((count % 2) as u32, 9, now)]).unwrap();
        if count <= 40 {
            assert!(!log.let_go(LedgerTime(now)).unwrap(), "on day {}", count * 10);
            continue;
        }
        while log.let_go(LedgerTime(now)).unwrap() {}
        let mut kept = Vec::new();
        for meter in [0, 1] {
            let uses = moments(&log.page(MeterId(meter), None, 0).unwrap());
            assert!(uses.iter().all(|(number, at)| *number == (at / TEN_DAYS).div_ceil(2)), "{uses:?}");
            kept.extend(uses.into_iter().map(|(_, at)| at));
        }
        kept.sort_unstable();
        let oldest = kept[0];
        assert!(now - oldest < USE_KEPT_MS + SEGMENT_MS, "on day {}: of day {}", count * 10, oldest / 86_400_000);
        assert!(oldest == TEN_DAYS || now - oldest >= USE_KEPT_MS - TEN_DAYS, "on day {}", count * 10);
        assert!((oldest / TEN_DAYS..).zip(&kept).all(|(count, at)| *at == count * TEN_DAYS), "none between is missing");
    }
    let before = [0, 1].map(|meter| log.page(MeterId(meter), None, 0).unwrap());
    drop(log);
    let mut again = open(&disk);
    assert_eq!([0, 1].map(|meter| again.page(MeterId(meter), None, 0).unwrap()), before);
    again.note(&[read_by_the_works(0, 9, 61 * TEN_DAYS), read_by_the_works(0, 9, 61 * TEN_DAYS)]).unwrap();
    let uses = moments(&again.page(MeterId(0), None, 30).unwrap());
    assert_eq!(uses, [(30, 60 * TEN_DAYS), (31, 61 * TEN_DAYS), (32, 61 * TEN_DAYS)]);
}

/// Nobody reads anything for years: the last uses do not wait for others to come after them.
#[test]
fn the_last_uses_are_let_go_of_too() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    for at in 1..=3 {
        log.note(&[read_by_the_works(at as u32, 9, at)]).unwrap();
    }
    assert!(!log.let_go(LedgerTime(2 + USE_KEPT_MS)).unwrap(), "the newest of the segment may still be asked for");
    assert!(log.let_go(LedgerTime(3 + USE_KEPT_MS)).unwrap());
    assert!(!log.let_go(LedgerTime(u64::MAX)).unwrap(), "nothing is left");
    for log in [&log, &open(&Arc::new(disk.copy()))] {
        assert!((1..=3).all(|meter| log.page(MeterId(meter), None, 0).unwrap() == UsePage::default()));
    }
    log.note(&[read_by_the_works(1, 9, 10 + USE_KEPT_MS)]).unwrap();
    assert_eq!(moments(&log.page(MeterId(1), None, 0).unwrap()), [(1, 10 + USE_KEPT_MS)]);
}

/// Much was read long ago. Letting go of it is done in steps, each of one segment, so that no step is longer than any other.
#[test]
fn a_step_lets_go_of_one_segment() {
    let disk = Arc::new(MemoryDisk::new());
    let mut log = open(&disk);
    for first in 0..40 {
        let uses: Vec<Use> = (0..500).map(|at| read_by_the_works(0, 9, 500 * first + at)).collect();
        log.note(&uses).unwrap();
    }
    let first_of =
        |log: &UseLog| log.page(MeterId(0), None, 0).unwrap().uses.first().map_or(20_001, |(number, _)| *number);
    let (mut steps, mut first) = (0, 1);
    while log.let_go(LedgerTime(u64::MAX)).unwrap() {
        let gone = first_of(&log) - first;
        assert!((1..=SEGMENT_BYTES / 100).contains(&gone), "{gone} in one step");
        (steps, first) = (steps + 1, first + gone);
    }
    assert!(steps >= 3 && first == 20_001, "{steps} steps to {first}");
}

/// The power goes at every change to the disk that letting go makes, and leaves what it likes of what was not synced. Nothing younger is lost, what
/// is left has its numbers, and letting go is done again and comes to its end; also where the last use was just being noted.
#[test]
fn a_validator_killed_while_it_lets_go_loses_nothing_younger() {
    let (old, young) = (1_000, 2_000 + USE_KEPT_MS);
    let cuts = [PowerCut::LosesAll, PowerCut::LosesSome(3), PowerCut::LosesSome(4), PowerCut::Garbles(5)];
    let (mut as_before, mut torn) = (0, 0);
    for (at, cut) in (0..16).flat_map(|at| cuts.map(|cut| (at, cut))) {
        let disk = Arc::new(MemoryDisk::new());
        let mut log = open(&disk);
        let times = (0..6).map(|n| old + n).chain((6..9).map(|n| young + n));
        for (n, time) in times.enumerate() {
            log.note(&[read_by_the_works(n as u32 % 2, 9, time)]).unwrap();
        }
        disk.fail_at(disk.changes() + at, Fault::PowerGoes);
        let let_go = log.let_go(LedgerTime(young));
        let noted = let_go.and_then(|_| log.note(&[read_by_the_works(0, 9, young + 10)])).is_ok();
        drop(log);
        disk.power_cut(cut);

        let both = |log: &UseLog| [0, 1].map(|meter| moments(&log.page(MeterId(meter), None, 0).unwrap()));
        let mut log = open(&disk);
        let mut younger = [vec![(4, young + 6), (5, young + 8)], vec![(4, young + 7)]];
        let found = both(&log);
        if noted || found[0].last() == Some(&(6, young + 10)) {
            younger[0].push((6, young + 10));
        } else if found[0][0].0 == 4 {
            torn += 1;
        }
        let older = [vec![(1, old), (2, old + 2), (3, old + 4)], vec![(1, old + 1), (2, old + 3), (3, old + 5)]];
        let all = [0, 1].map(|meter| [&older[meter][..], &younger[meter]].concat());
        assert!(found == all || found == younger, "{at} {cut:?}: {found:?}");
        as_before += usize::from(found == all);
        while log.let_go(LedgerTime(young)).unwrap() {}
        assert_eq!(both(&log), younger, "{at} {cut:?}");
        log.note(&[read_by_the_works(1, 9, young + 11)]).unwrap();
        younger[1].push((5, young + 11));
        drop(log);
        assert_eq!(both(&open(&disk)), younger, "{at} {cut:?}");
    }
    assert!(as_before > 0 && torn > 0, "{as_before} cuts came before it, {torn} after it");
}

/// An older program noted uses without their numbers. They are counted, and new ones go on.
#[test]
fn uses_that_an_older_program_noted_are_kept() {
    let disk = Arc::new(MemoryDisk::new());
    let options = LogOptions { segment_bytes: SEGMENT_BYTES, ..LogOptions::default() };
    let (mut older, _) = Log::open_on(disk.clone(), Path::new(DIR), IDENTITY, options).unwrap();
    for at in 1..=2 {
        let mut w = Writer::new();
        read_by_the_works(0, 9, at).write(&mut w);
        older.append(USE, w.as_slice()).unwrap();
    }
    older.sync().unwrap();
    drop(older);
    let mut log = open(&disk);
    log.note(&[read_by_the_works(0, 9, 3)]).unwrap();
    for log in [&log, &open(&Arc::new(disk.copy()))] {
        assert_eq!(moments(&log.page(MeterId(0), None, 0).unwrap()), [(1, 1), (2, 2), (3, 3)]);
    }
}

/// A record that holds and says something else was written by another program: it is not passed over.
#[test]
fn a_record_that_is_no_use_is_refused() {
    let mut w = Writer::new();
    read_by_the_works(0, 9, 1).write(w.u64(0));
    let numbered_from_0 = w.finish();
    let payloads =
        [(USE, &[1, 2, 3][..]), (NUMBERED_USE, &[1; 8]), (NUMBERED_USE, &numbered_from_0), (NUMBERED_USE + 1, &[])];
    for (kind, payload) in payloads {
        let disk = Arc::new(MemoryDisk::new());
        drop(open(&disk));
        let (mut log, _) = Log::open_on(disk.clone(), Path::new(DIR), IDENTITY, LogOptions::default()).unwrap();
        log.append(kind, payload).unwrap();
        log.sync().unwrap();
        let refused = UseLog::open(disk, Path::new(DIR), IDENTITY).unwrap_err();
        assert!(matches!(refused, StoreError::CorruptRecord { .. }), "{refused}");
    }
}

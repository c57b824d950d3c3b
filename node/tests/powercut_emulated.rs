//! Power cuts, emulated: for machines without root, loop devices or FUSE, and for every single change of the disk.
//!
//! A disk in memory stands for the real one: it keeps what is written and what is synced apart, bytes and names, and drops unsynced sectors. On it
//! the store's own log and safety record are written, in the order of the storage thread, with the records of a log that real validators
//! wrote. What no disk in memory can tell is whether the file system and the kernel keep their side: that is `tests/powercut.rs`.

#![allow(clippy::unwrap_used)] // A test may stop where it stands.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::store::{
    Fault, Log, LogIdentity, LogOptions, LogPosition, LogRecordRef, MemoryDisk, PowerCut, SafetyFile,
};

type Records = Vec<(u8, Vec<u8>)>;

const SEGMENT_BYTES: u64 = 1 << 16;
/// Records that become durable together, in turn.
const GROUPS: [usize; 5] = [1, 7, 2, 12, 4];
/// Records of the real log that are replayed.
const RECORDS: usize = 150;

/// What was promised last: the number of the promise, and how many records were durable then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Promised {
    number: u64,
    records: u64,
}

/// The log of a validator that has traded with three others, for longer if they came to little in a moment.
fn real_log(home: &Path) -> (LogIdentity, Records) {
    let mut logs = ["4", "16", "64"].iter().map(|seconds| log_of(home, seconds));
    logs.find(|(_, records)| records.len() == RECORDS).expect("the real log is long enough")
}

fn log_of(home: &Path, seconds: &str) -> (LogIdentity, Records) {
    let network = home.join(format!("network-{seconds}"));
    let arguments = ["sim", "chaos", "--trouble", "restart", "--calm", "--seconds", seconds, "--quiet", "--keep"];
    let output = Command::new(env!("CARGO_BIN_EXE_gridbook")).args(arguments).arg(&network).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let genesis = Genesis::from_json(&std::fs::read_to_string(network.join("genesis.json")).unwrap()).unwrap();
    let identity = LogIdentity { chain: genesis.chain_id(), validator: 0 };
    let (log, _) = Log::open(&network.join("validator-0/data/log"), identity, LogOptions::default()).unwrap();
    let (mut records, mut reader) = (Vec::new(), log.reader().read_from(LogPosition::START));
    while let Some(LogRecordRef { kind, payload, .. }) = reader.advance().unwrap() {
        records.push((kind, payload.to_vec()));
    }
    records.truncate(RECORDS);
    (identity, records)
}

fn options(must_reach: Option<LogPosition>) -> LogOptions {
    LogOptions { segment_bytes: SEGMENT_BYTES, must_reach, ..LogOptions::default() }
}

/// The safety record of the emulation: how far the log is synced, and the promise.
fn payload(synced: LogPosition, promised: Promised) -> Vec<u8> {
    [&synced.to_bytes()[..], &promised.number.to_le_bytes(), &promised.records.to_le_bytes()].concat()
}

fn read(payload: &[u8]) -> (LogPosition, Promised) {
    let number = |at: usize| u64::from_le_bytes(*payload[at..].first_chunk().unwrap());
    (LogPosition::from_bytes(*payload.first_chunk().unwrap()), Promised { number: number(16), records: number(24) })
}

/// As the storage thread: append, sync the log, write the safety record, and only then is anything told. Goes on from what the disk holds
/// until all records are written or the power goes; the last promise that was told.
fn live(disk: &MemoryDisk, identity: LogIdentity, records: &Records, mut told: Promised) -> Promised {
    let Ok((mut log, mut safety, found, kept)) = open(disk, identity) else { return told };
    let mut at = usize::try_from(kept).unwrap();
    let mut number = found.number;
    while at < records.len() {
        let group = GROUPS[usize::try_from(number).unwrap() % GROUPS.len()].min(records.len() - at);
        let wrote =
            records[at..at + group].iter().try_for_each(|(kind, payload)| log.append(*kind, payload).map(|_| ()));
        at += group;
        number += 1;
        let promised = Promised { number, records: at as u64 };
        let kept = wrote.and_then(|()| log.sync()).and_then(|()| safety.write(&payload(log.synced(), promised)));
        match kept {
            Ok(()) => told = promised,
            Err(_) => return told,
        }
    }
    told
}

type Open = (Log, SafetyFile, Promised, u64);

/// Opens what is there, the safety record first, and counts the records of the log.
fn open(disk: &MemoryDisk, identity: LogIdentity) -> Result<Open, String> {
    let shared = || Arc::new(disk.clone());
    let (safety, found) = SafetyFile::open_on(shared(), Path::new("/data"), identity).map_err(|e| e.to_string())?;
    let (must_reach, promised) = found.as_deref().map(read).unzip();
    let opened = Log::open_on(shared(), Path::new("/data/log"), identity, options(must_reach));
    let (log, recovered) = opened.map_err(|e| e.to_string())?;
    Ok((log, safety, promised.unwrap_or_default(), recovered.records))
}

/// What is found after a cut: no promise is missing, no record is missing or another, and it can go on.
fn check(disk: &MemoryDisk, identity: LogIdentity, records: &Records, told: Promised, story: &str) {
    let (log, _, found, kept) = open(disk, identity).unwrap_or_else(|error| panic!("{story}: {error}"));
    assert!(found >= told, "{story}: {told:?} was told, {found:?} is found");
    assert!(kept >= found.records && kept >= told.records, "{story}: {kept} records, {found:?} was promised");
    let mut reader = log.reader().read_from(LogPosition::START);
    for (kind, expected) in records.iter().take(usize::try_from(kept).unwrap()) {
        let LogRecordRef { kind: read_kind, payload, .. } = reader.advance().unwrap().unwrap();
        assert!(read_kind == *kind && payload == &expected[..], "{story}: a record is another one");
    }
}

/// append | sync | safety record | told: the power goes at a change of the disk, comes back, goes again at a later one, until all is written.
/// Each time some of the unsynced sectors are lost, or all, or none.
#[test]
fn emulated_power_cuts_at_any_change_of_the_disk_take_back_no_promise() {
    let home = tempfile::tempdir().unwrap();
    let (identity, records) = real_log(home.path());
    let whole = MemoryDisk::new();
    let all = live(&whole, identity, &records, Promised::default());
    assert_eq!(all.records, RECORDS as u64);
    let (changes, mut cuts) = (whole.changes(), 0);
    for seed in 0..6 {
        let (disk, mut told, mut next) = (MemoryDisk::new(), Promised::default(), seed);
        while told.records < RECORDS as u64 {
            // Each life is cut a little later after its start than the one before; the last one is left alone.
            next += 5 + 2 * seed;
            if next < changes {
                disk.fail_at(disk.changes() + next, Fault::PowerGoes);
            }
            told = live(&disk, identity, &records, told);
            let cut = if cuts % 5 == 0 { PowerCut::LosesAll } else { PowerCut::LosesSome(seed * 10_000 + cuts) };
            disk.power_cut(cut);
            cuts += 1;
            check(&disk, identity, &records, told, &format!("seed {seed}, cut {cuts}, {cut:?}"));
        }
    }
    assert!(cuts >= 30, "{cuts} cuts");
}

/// The same, but something is told before the log is synced: then the emulation must find a promise that is not kept.
#[test]
fn an_emulated_cut_finds_a_promise_that_was_told_too_early() {
    let identity = LogIdentity { chain: gridbook_ledger::crypto::Hash([7; 32]), validator: 0 };
    let disk = MemoryDisk::new();
    let (mut log, mut safety, ..) = open(&disk, identity).unwrap();
    log.append(1, b"told too early").unwrap();
    let end = log.end();
    safety.write(&payload(end, Promised { number: 1, records: 1 })).unwrap();
    drop((log, safety));
    disk.power_cut(PowerCut::LosesAll);
    let sentence = open(&disk, identity).err().unwrap();
    assert!(sentence.contains("was synced through"), "{sentence}");
}

//! Storage: groups of records made durable, the safety record, checkpoints of a million accounts, and starting again from a log.

use std::path::Path;
use std::time::{Duration, Instant};

use gridbook_benches::conditions;
use gridbook_benches::history::{History, validator};
use gridbook_benches::measure::grouped;
use gridbook_benches::town::{bundle, entries, genesis, key, trusted};
use gridbook_engine::AccountId;
use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::hotstuff::Timing;
use gridbook_ledger::replica::{LogRecord, Recovery, ReplicaConfig, archive};
use gridbook_ledger::state::State;
use gridbook_ledger::store::{CheckpointMark, Checkpoints, Log, LogIdentity, LogOptions, LogPosition, SafetyFile};

const SEED: u64 = 2026;
const IDENTITY: LogIdentity = LogIdentity { chain: Hash([1; 32]), validator: 0 };

fn main() {
    let quick = std::env::var_os("GRIDBOOK_BENCH_QUICK").is_some();
    // Beside the build, on the disk that a validator would use; the system's temporary directory may be memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
    println!("storage, wall time; {}\n", conditions::line());
    append(dir.path(), if quick { Duration::from_millis(100) } else { Duration::from_secs(3) });
    safety(dir.path(), if quick { 20 } else { 1_000 });
    checkpoint(dir.path(), if quick { 10_000 } else { 1_000_000 });
    recovery(dir.path(), if quick { 9_600 } else { 480_000 });
}

/// The middle and the 99th of a hundred.
fn quantiles(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort_unstable();
    [50, 99].map(|percent| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e6)
}

fn append(dir: &Path, time: Duration) {
    let entry = entries(1, 1, 1, SEED).remove(0).encode();
    println!("log: append and one sync; records of {} bytes\n", entry.len());
    println!("| records a sync | records/s | MB/s | a sync, p50 | p99 |\n|---|---|---|---|---|");
    for group in [1, 8, 64, 512, 4_096] {
        let dir = dir.join(format!("log-{group}"));
        let (mut log, _) = Log::open(&dir, IDENTITY, LogOptions::default()).expect("a new log opens");
        let (began, mut times) = (Instant::now(), Vec::new());
        while began.elapsed() < time {
            let began = Instant::now();
            (0..group).for_each(|_| _ = log.append(1, &entry).expect("there is room on the disk"));
            log.sync().expect("there is room on the disk");
            times.push(began.elapsed());
        }
        let rate = (times.len() * group) as f64 / began.elapsed().as_secs_f64();
        let [p50, p99] = quantiles(times);
        let megabytes = rate * entry.len() as f64 / 1e6;
        println!("| {group} | {} | {megabytes:.1} | {} us | {} us |", grouped(rate), grouped(p50), grouped(p99));
    }
}

fn safety(dir: &Path, writes: usize) {
    let record = archive(&History::of(4, 96, SEED).safety_record());
    let (mut file, _) = SafetyFile::open(&dir.join("safety"), IDENTITY).expect("a new file opens");
    let write = |file: &mut SafetyFile| {
        let began = Instant::now();
        file.write(&record).expect("there is room on the disk");
        began.elapsed()
    };
    let [p50, p99] = quantiles((0..writes).map(|_| write(&mut file)).collect());
    println!(
        "\nsafety record of {} bytes, written and synced {writes} times: {} us p50, {} us p99",
        record.len(),
        grouped(p50),
        grouped(p99)
    );
}

/// A ledger with so many accounts that have nothing but their number.
fn state_of(accounts: u32) -> State {
    let genesis = genesis();
    let mut state = State::genesis(&genesis);
    let mut next_seq = 1;
    let mut records = Vec::new();
    let numbers: Vec<u32> = (0..accounts).collect();
    for (numbers, nonce) in numbers.chunks(1_024).zip(1..) {
        let register = |number: &u32| Command::RegisterAccount { account: AccountId(*number), organisation: None };
        let commands = numbers.iter().map(register).collect();
        let entry = trusted(&bundle(genesis.chain_id(), key(0).public(), nonce, commands));
        state.apply(next_seq, &entry, &mut records);
        next_seq += entry.count();
        records.clear();
        state.forget(state.mark());
    }
    assert_eq!(state.accounts_count(), accounts);
    state
}

fn checkpoint(dir: &Path, accounts: u32) {
    let mut state = state_of(accounts);
    let timed = |what: &str, took: Duration, bytes: usize| {
        println!("| {what} | {} ms | {:.1} |", grouped(took.as_secs_f64() * 1e3), bytes as f64 / 1e6);
    };
    println!(
        "\ncheckpoint of a state with {} accounts\n\n| | takes | MB |\n|---|---|---|",
        grouped(f64::from(accounts))
    );
    let began = Instant::now();
    let bytes = state.snapshot();
    timed("the state as bytes", began.elapsed(), bytes.len());
    let began = Instant::now();
    std::hint::black_box(state.snapshot_root());
    timed("the root over it, the first time", began.elapsed(), bytes.len());
    let began = Instant::now();
    std::hint::black_box(state.snapshot_root());
    timed("the root, nothing changed since", began.elapsed(), bytes.len());
    let mut checkpoints = Checkpoints::open(&dir.join("checkpoints"), IDENTITY).expect("a new directory opens");
    let began = Instant::now();
    let mark = CheckpointMark { seq: accounts.into(), replay_from: LogPosition::START };
    checkpoints.write(mark, &bytes).expect("there is room on the disk");
    timed("written and synced", began.elapsed(), bytes.len());
    let began = Instant::now();
    let newest = checkpoints.newest().expect("it was written").checkpoint.expect("it is whole");
    timed("read, its checksum checked", began.elapsed(), newest.bytes.len());
    let began = Instant::now();
    let restored = State::restore(&genesis(), &newest.bytes).expect("it is a snapshot of this ledger");
    timed("restored and audited", began.elapsed(), newest.bytes.len());
    assert_eq!(restored.accounts_count(), accounts);
}

/// A start from genesis: the log is opened, which checks every record, read, and executed again.
fn recovery(dir: &Path, orders: usize) {
    let history = History::of(1_000, orders, SEED);
    let dir = dir.join("recovery");
    let (mut log, _) = Log::open(&dir, IDENTITY, LogOptions::default()).expect("a new log opens");
    for record in &history.records {
        let (kind, payload) = record.encode();
        log.append(kind, &payload).expect("there is room on the disk");
    }
    log.sync().expect("there is room on the disk");
    drop(log);
    let began = Instant::now();
    let (log, found) = Log::open(&dir, IDENTITY, LogOptions::default()).expect("it was closed well");
    let opened = began.elapsed();
    assert_eq!(found.records, history.records.len() as u64);
    let began = Instant::now();
    let config = ReplicaConfig { genesis: genesis(), keys: vec![validator(0)], timing: Timing::default() };
    let mut recovery = Recovery::new(config);
    let mut records = log.reader().read_from(LogPosition::START);
    while let Some(record) = records.advance().expect("it was checked") {
        let record = LogRecord::decode(record.kind, record.payload).expect("it was encoded here");
        let _ = recovery.replay(record).expect("it is the log of a good validator");
    }
    let replica = recovery.finish(Some(history.safety_record()));
    let executed = began.elapsed();
    let height = history.qc.header.rank.slot;
    assert_eq!(replica.final_header().height, u64::from(height), "all but the last header are final");
    let per_million = |took: Duration| took.as_secs_f64() * 1e6 / history.commands as f64;
    println!(
        "\nstart from genesis, {} commands in bundles of 96 and headers of 960, {} records of {:.0} MB: per million commands {:.2} s to open and check the log, {:.2} s to execute it again",
        grouped(history.commands as f64),
        grouped(history.records.len() as f64),
        history.records.iter().map(|record| record.encode().1.len()).sum::<usize>() as f64 / 1e6,
        per_million(opened),
        per_million(executed)
    );
}

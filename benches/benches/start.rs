//! Starting a validator from what a crash left: the whole of what a process does before it is up, but for its sockets.

use std::path::Path;
use std::time::{Duration, Instant};

use gridbook_benches::conditions;
use gridbook_benches::history::{History, validator};
use gridbook_benches::measure::grouped;
use gridbook_benches::town::genesis;
use gridbook_ledger::hotstuff::Timing;
use gridbook_ledger::replica::{LogRecord, Recovery, ReplicaConfig};
use gridbook_ledger::store::{CheckpointMark, DataDir, Index, LogIdentity, LogOptions, LogPosition, QueryIndex};
use gridbook_node::config::{self, IndexOptions, Listen, Quotas, ValidatorConfig};
use gridbook_node::keyfile::write_key;
use gridbook_node::metrics::MemoryUse;
use gridbook_node::validator::open_data;

const SEED: u64 = 2026;
/// How many commands lie behind the last kept state: as many as between two snapshots, the worst case.
const BEHIND: u64 = 500_000;
/// So many records before it the log is read from, as if so much had not been final then.
const UNFINAL_RECORDS: usize = 64;

fn main() {
    let quick = std::env::var_os("GRIDBOOK_BENCH_QUICK").is_some();
    let millions = std::env::var("GRIDBOOK_BENCH_MILLIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_usize);
    let orders = if quick { 9_600 } else { millions * 1_000_000 };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory is writable");
    println!("start of a validator, wall time; {}\n", conditions::line());
    let config = settings(dir.path());
    let (commands, kept_at) = lay(dir.path(), orders);
    println!(
        "| {} commands in bundles of 96, headers of 960 | seconds | peak MB |\n|---|---|---|",
        grouped(commands as f64)
    );
    let timed = |what: &str| {
        let began = Instant::now();
        let opened = open_data(&config).expect("the data directory of a good validator");
        row(what, began.elapsed());
        opened
    };
    let opened = timed("no state kept, no index: everything is executed and indexed");
    opened.index.flush().expect("there is room on the disk");
    drop(opened);
    keep_state(&config, kept_at);
    drop(timed("a state kept some commands behind the end, index whole"));
    Index::remove(&dir.path().join("data/index")).expect("it is not open");
    let opened = timed("a state kept, index lost: it is filled later");
    assert!(opened.filling.is_some());
}

fn row(what: &str, took: Duration) {
    let peak = MemoryUse::of_process("self").map_or(0, |memory| memory.peak_bytes);
    println!("| {what} | {:.2} | {:.0} |", took.as_secs_f64(), peak as f64 / 1e6);
}

fn settings(dir: &Path) -> ValidatorConfig {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    std::fs::write(dir.join("genesis.json"), genesis().to_json()).expect("a new directory");
    write_key(&dir.join("validator.key"), &validator(0)).expect("a new directory");
    ValidatorConfig {
        index: 0,
        key_file: dir.join("validator.key"),
        next_key_file: None,
        genesis_file: dir.join("genesis.json"),
        data_dir: dir.join("data"),
        listen: Listen { validators: address, meters: address, admin: address },
        peers: Vec::new(),
        quotas: Quotas::default(),
        log: config::LogOptions::default(),
        index_options: IndexOptions::default(),
    }
}

fn identity() -> LogIdentity {
    LogIdentity { chain: genesis().chain_id(), validator: 0 }
}

/// Lays the log. Gives how many commands are in it, and the record at which a state is kept: [`BEHIND`] commands before the end.
fn lay(dir: &Path, orders: usize) -> (u64, usize) {
    let history = History::of(1_000, orders, SEED);
    let data = DataDir::open(&dir.join("data")).expect("a new directory");
    data.give_birth(identity()).expect("a new directory");
    let (mut log, _) = data.open_log(identity(), LogOptions::default()).expect("a new log opens");
    let kept_seq = history.commands.saturating_sub(BEHIND).max(history.commands / 10);
    let mut kept_at = 0;
    for (place, record) in history.records.iter().enumerate() {
        let (kind, payload) = record.encode();
        log.append(kind, &payload).expect("there is room on the disk");
        if matches!(record, LogRecord::Final { last_seq, .. } if *last_seq <= kept_seq) {
            kept_at = place;
        }
    }
    log.sync().expect("there is room on the disk");
    (history.commands, kept_at)
}

/// Keeps the state as of a record of the log, as the keeper would have.
fn keep_state(config: &ValidatorConfig, kept_at: usize) {
    let data = DataDir::open(&config.data_dir).expect("nobody has it open");
    let (log, _) = data.open_log(identity(), LogOptions::default()).expect("it was closed well");
    let config = ReplicaConfig { genesis: genesis(), keys: vec![validator(0)], timing: Timing::default() };
    let mut recovery = Recovery::new(config);
    let mut replay_from = LogPosition::START;
    for (place, record) in log.reader().read_from(LogPosition::START).enumerate().take(kept_at + 1) {
        let record = record.expect("it was checked");
        if place + UNFINAL_RECORDS <= kept_at {
            replay_from = record.position;
        }
        let record = LogRecord::decode(record.kind, &record.payload).expect("it was encoded here");
        let _ = recovery.replay(record).expect("it is the log of a good validator");
    }
    let mut replica = recovery.finish(None);
    let (image, seq) = (replica.checkpoint().expect("something is final"), replica.final_header().last_seq);
    let mut files = data.open_checkpoints(identity()).expect("a new directory");
    let places = 0_u64.to_le_bytes();
    files.write_parts(CheckpointMark { seq, replay_from }, &[&places, &image]).expect("there is room on the disk");
    println!("| (a state of {} MB kept after command {}) | | |", image.len() / 1_000_000, grouped(seq as f64));
}

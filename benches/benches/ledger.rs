//! The ledger on one core: execution without signatures, state roots, the door, the log, receipts.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Throughput};
use gridbook_benches::measure::{self, Clock, Cycle, bench, bench_by, grouped, per_second};
use gridbook_benches::town::{Town, bundle, entries, genesis, key};
use gridbook_benches::trading::Trading;
use gridbook_benches::{conditions, proof};
use gridbook_engine::{DeliveryPeriod, MeterId};
use gridbook_ledger::admission::{DeviceKind, DeviceStatus, Door};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::entry::Entry;
use gridbook_ledger::record::{Record, RecordEvent};
use gridbook_ledger::registry::KeyStanding;
use gridbook_ledger::store::{Log, LogIdentity, LogOptions};

const SEED: u64 = 2026;
const METERS: u32 = 1_000;
/// Orders of each stream; the ledger begins anew when they are over.
const ORDERS: usize = 192_000;
/// Commands in a header of a busy ledger.
const HEADER_COMMANDS: usize = 960;
const SIZES: [usize; 3] = [1, 16, 96];

fn main() {
    let conditions = conditions::line();
    let mut criterion = measure::criterion(3.0);
    let mut group = criterion.benchmark_group("ledger");
    println!("streams of {ORDERS} orders, {METERS} meters, seed {SEED}");
    let execution: Vec<String> = SIZES.iter().map(|orders| execution(&mut group, *orders)).collect();
    group.throughput(Throughput::Elements(1));
    let doors: Vec<String> = SIZES.iter().map(|orders| door(&mut group, *orders)).collect();
    let log: Vec<String> = [1, 64, 1_024].iter().map(|records| log(&mut group, *records)).collect();
    let receipt = receipt(&mut group);

    println!(
        "\nledger, one thread, processor time (log: wall time), median of 10 samples; {METERS} meters, {ORDERS} orders from an empty book, seed {SEED};"
    );
    println!("headers of {HEADER_COMMANDS} commands; {conditions}\n");
    println!("execution, no signatures checked\n");
    println!(
        "| orders per bundle | apply ns/order | orders/s | trades/s | with records encoded and hashed, orders/s | and a state root per header, orders/s | trades/s |\n|---|---|---|---|---|---|---|"
    );
    execution.iter().for_each(|row| println!("{row}"));
    println!(
        "\nthe door: decode, look up, verify in batches of 64\n\n| orders per bundle | bundles/s | orders/s |\n|---|---|---|"
    );
    doors.iter().for_each(|row| println!("{row}"));
    println!(
        "\nlog: append and one sync, entries of one order\n\n| entries per sync | us per sync | entries/s |\n|---|---|---|"
    );
    log.iter().for_each(|row| println!("{row}"));
    println!("\n{receipt}");
}

/// How much of a replica's execution is timed.
#[derive(Clone, Copy)]
enum Part {
    Apply,
    Records,
    Roots,
}

fn execution(group: &mut BenchmarkGroup<'_, WallTime>, orders: usize) -> String {
    let entries = entries(METERS, orders, ORDERS / orders, SEED);
    let trades = trades_per_order(&entries);
    group.throughput(Throughput::Elements(orders as u64));
    let mut ns_per_order = |name: &str, part| {
        let cycle = Cycle::new(entries.len(), || Town::of(METERS));
        let name = format!("{name}, {orders} per bundle");
        let ns = cycle.bench(group, &name, |town, place| execute(town, &entries, place, orders, part));
        ns.map_or(f64::NAN, |ns| ns / orders as f64)
    };
    let apply = ns_per_order("apply", Part::Apply);
    let records = ns_per_order("apply, records", Part::Records);
    let roots = ns_per_order("apply, records, roots", Part::Roots);
    let rate = |ns: f64, share: f64| grouped(per_second(ns, 1) * share);
    format!(
        "| {orders} | {} | {} | {} | {} | {} | {} |",
        grouped(apply),
        rate(apply, 1.0),
        rate(apply, trades),
        rate(records, 1.0),
        rate(roots, 1.0),
        rate(roots, trades),
    )
}

fn execute(town: &mut Town, entries: &[Entry], place: usize, orders: usize, part: Part) {
    let from = town.records.len();
    town.apply(&entries[place]);
    if !matches!(part, Part::Apply) {
        town.records[from..].iter().for_each(|record| _ = std::hint::black_box(record.leaf_hash()));
    }
    if (place + 1).is_multiple_of(HEADER_COMMANDS / orders) {
        if matches!(part, Part::Roots) {
            std::hint::black_box(town.state.state_root());
        }
        town.close_header();
    }
}

fn trades_per_order(entries: &[Entry]) -> f64 {
    let (mut town, mut trades, mut orders) = (Town::of(METERS), 0, 0);
    for entry in entries {
        town.apply(entry);
        orders += town.records.len();
        let events = town.records.iter().flat_map(|record: &Record| &record.events);
        trades += events.filter(|event| matches!(event, RecordEvent::Trade { .. })).count();
        town.close_header();
    }
    trades as f64 / orders as f64
}

fn door(group: &mut BenchmarkGroup<'_, WallTime>, orders: usize) -> String {
    const BUNDLES: u32 = 256;
    let chain = genesis().chain_id();
    let mut trading = Trading::new(SEED, DeliveryPeriod(1));
    let frames: Vec<Vec<u8>> = (0..BUNDLES)
        .map(|meter| {
            let key = key(meter + 1);
            let commands = (0..orders).map(|_| trading.next(meter)).collect();
            bundle(chain, key.public(), 1, commands).sign(&key).bytes().to_vec()
        })
        .collect();
    let kind = DeviceKind::Meter { meter: MeterId(0), account: gridbook_engine::AccountId(0) };
    let status = DeviceStatus { kind, standing: KeyStanding::Active, nonce: 0 };
    let door = Door { chain, now: genesis().ledger_start, lookup: |_: &_| Some(status) };
    assert!(door.admit_batch(&frames).iter().all(Result::is_ok), "what is measured is the good case");
    let ns = bench(group, &format!("door, {orders} per bundle"), || door.admit_batch(&frames).len());
    let per_s = ns.map_or(f64::NAN, |ns| per_second(ns, BUNDLES.into()));
    format!("| {orders} | {} | {} |", grouped(per_s), grouped(per_s * orders as f64))
}

fn log(group: &mut BenchmarkGroup<'_, WallTime>, records: u32) -> String {
    let entry = entries(1, 1, 1, SEED).remove(0).encode();
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let identity = LogIdentity { chain: Hash([1; 32]), validator: 0 };
    let (mut log, _) = Log::open(dir.path(), identity, LogOptions::default()).expect("a new log opens");
    let ns = bench_by(Clock::Wall, group, &format!("log, {records} per sync"), || {
        (0..records).for_each(|_| _ = log.append(1, &entry).expect("there is room on the disk"));
        log.sync().expect("the disk takes it");
    });
    let ns = ns.unwrap_or(f64::NAN);
    format!("| {records} | {} | {} |", grouped(ns / 1_000.0), grouped(per_second(ns, records.into())))
}

fn receipt(group: &mut BenchmarkGroup<'_, WallTime>) -> String {
    let mut town = Town::of(METERS);
    entries(METERS, 1, HEADER_COMMANDS, SEED).iter().for_each(|entry| town.apply(entry));
    let (genesis, receipt) = proof::receipt(&town.records);
    receipt.verify(&genesis).expect("what is measured is the good case");
    let bytes = receipt.encode();
    let ns = bench(group, "receipt", || {
        let receipt = gridbook_ledger::receipt::Receipt::decode(&bytes).expect("it is well formed");
        receipt.verify(&genesis).is_ok()
    });
    let ns = ns.unwrap_or(f64::NAN);
    let bytes = bytes.len();
    format!("a receipt out of a header of {HEADER_COMMANDS}: {bytes} bytes, {:.1} us to verify offline", ns / 1_000.0)
}

//! The engine alone, on one core, beside its slow twin and, with the feature `peers`, the order books of others.
//!
//! `cargo bench -p gridbook-benches --bench engine --features peers`

use criterion::Criterion;
use gridbook_benches::engines::{Driven, Gridbook, Purses, Twin, filled, trade_sequence};
use gridbook_benches::measure::{self, Cycle, grouped};
use gridbook_benches::workload::{A, B, C, C10, Mix, Workload};
use gridbook_benches::{conditions, workload};
use gridbook_engine::Unlimited;

const SEED: u64 = 2026;
/// Operations of each stream.
const OPERATIONS: usize = 3_000_000;
/// Operations over which trades are compared.
const COMPARED: usize = 300_000;
/// For what is slow: the twin.
const FEW: usize = 2_000;

struct Row {
    engine: &'static str,
    cells: Vec<String>,
}

fn main() {
    let conditions = conditions::line();
    let workloads = [A, B, C].map(|mix| Workload::draw(mix, SEED, OPERATIONS));
    let mut criterion = measure::criterion(3.0);
    let mut rows = vec![
        row::<Gridbook<Purses>>(&mut criterion, "gridbook, journal and limits", &workloads),
        row::<Gridbook<Unlimited>>(&mut criterion, "gridbook, journal, no limits", &workloads),
    ];
    #[cfg(feature = "peers")]
    rows.push(row::<gridbook_benches::peer::OrderbookRs>(&mut criterion, "orderbook-rs 0.15.3", &workloads));
    drop(workloads);
    let small = [Mix { depth: 1_000, ..A }, Mix { depth: 1_000, ..B }, Mix { books: 960, depth: 4, ..C }];
    let small = small.map(|mix| Workload::draw(mix, SEED, FEW));
    rows.push(row::<Twin>(&mut criterion, "reference twin (books of 1,000; 960 books of 4)", &small));
    let many = [Workload::draw(C10, SEED, OPERATIONS)];
    let many = row::<Gridbook<Purses>>(&mut criterion, "gridbook, journal and limits", &many);
    println!(
        "\nengine, one thread, ns of processor time per operation, median of 10 samples; seed {SEED}, streams of {OPERATIONS} operations,"
    );
    println!(
        "{} owners, {} prices a side; A and B: 1 book of 10,000 orders; C: 9,600 books of 20; no look-ahead;",
        workload::OWNERS,
        workload::LEVELS
    );
    println!("{conditions}\n");
    println!(
        "| engine | A 58/37/5 | B 41/9/50 | C 56/39/5 | trades and their hash over the first operations of A, B, C |\n|---|---|---|---|---|"
    );
    for Row { engine, cells } in &rows {
        println!("| {engine} | {} |", cells.join(" | "));
    }
    println!("\ngridbook, journal and limits, C over 96,000 books: {} ns per operation", many.cells[0]);
    compare(&rows[..rows.len() - 1]);
}

fn row<D: Driven>(criterion: &mut Criterion, engine: &'static str, workloads: &[Workload]) -> Row {
    let mut cells: Vec<String> =
        workloads.iter().map(|workload| nanoseconds::<D>(criterion, engine, workload)).collect();
    let sequences = workloads.iter().map(|workload| {
        let (trades, hash) = trade_sequence::<D>(workload, COMPARED);
        format!("{} {:08x}", grouped(trades as f64), hash >> 32)
    });
    cells.push(sequences.collect::<Vec<_>>().join(", "));
    Row { engine, cells }
}

fn nanoseconds<D: Driven>(criterion: &mut Criterion, engine: &str, workload: &Workload) -> String {
    let mut group = criterion.benchmark_group(workload.mix.name);
    let cycle = Cycle::new(workload.operations.len(), || filled::<D>(workload));
    let ns = cycle.bench(&mut group, engine, |driven: &mut D, place| driven.carry_out(&workload.operations[place]));
    ns.map_or_else(|| "-".to_owned(), |ns| if ns < 100.0 { format!("{ns:.1}") } else { grouped(ns) })
}

/// Whether all engines traded alike.
fn compare(rows: &[Row]) {
    let sequences: Vec<&String> = rows.iter().filter_map(|row| row.cells.last()).collect();
    if sequences.windows(2).all(|pair| pair[0] == pair[1]) {
        println!("all engines above the twin gave the same trades over the first {COMPARED} operations of each stream");
    } else {
        println!("NOT COMPARABLE: the engines above the twin gave different trades, see the table");
    }
}

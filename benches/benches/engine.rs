//! Matching alone, on one core, beside its slow twin and, with the feature `peers`, the order books of others.
//!
//! `cargo bench -p gridbook-benches --bench engine --features peers`; `GRIDBOOK_BENCH_MIXES=A,C` for some mixes only,
//! `GRIDBOOK_BENCH_DEPTH` and `GRIDBOOK_BENCH_LEVELS` for other books, see also [`Lengths`].

use criterion::Criterion;
use gridbook_benches::conditions;
use gridbook_benches::contenders::{OURS, OURS_WHOLE, Visitor, each_of};
use gridbook_benches::driven::{Driven, filled, trade_sequence};
use gridbook_benches::engines::Twin;
use gridbook_benches::lengths::{Lengths, variable};
use gridbook_benches::measure::{self, Cycle, Figures, grouped};
use gridbook_benches::workload::{A, B, C, C10, COMPARED, D, Mix, OWNERS, Workload};

const SEED: u64 = 2026;
const TWIN: &str = "reference twin (books of 1,000; 960 books of 4)";
/// Operations for the twin, which is slow.
const FEW: usize = 2_000;

/// What others were measured at, ns per operation of A, B and C, on another day with mixes of the same shares: those that are
/// in neither registry nor language of this table, and the two that say what a figure there is worth here.
const ELSEWHERE: [(&str, [Option<f64>; 3]); 4] = [
    ("llmes (C++, handles)", [Some(20.0), Some(40.0), None]),
    ("CppTrader (C++)", [Some(105.0), Some(125.0), Some(1_169.0)]),
    ("exchange-core direct book (Java 17)", [Some(129.0), Some(230.0), Some(1_532.0)]),
    ("Liquibook (C++)", [Some(620.0), Some(291.0), Some(1_172.0)]),
];
const BRIDGES: [(&str, [f64; 3]); 2] =
    [("matchcore 0.4.0", [171.0, 206.0, 1_366.0]), ("orderbook-rs 0.15.3", [3_403.0, 2_460.0, 9_285.0])];

#[derive(Clone, Copy)]
struct Cell {
    figures: Option<Figures>,
    trades_alike: bool,
}

/// Cells by engine and mix; engines in the order in which they were first met.
#[derive(Default)]
struct Table {
    rows: Vec<(&'static str, Vec<(&'static str, Cell)>)>,
}

struct Timing<'a> {
    criterion: &'a mut Criterion,
    workload: &'a Workload,
    table: &'a mut Table,
}

impl Visitor for Timing<'_> {
    fn visit<D: Driven, Named: Driven>(&mut self, name: &'static str) {
        let Workload { mix, operations, expected, .. } = self.workload;
        let mut group = self.criterion.benchmark_group(mix.name);
        let cycle = Cycle::new(operations.len(), || filled::<D>(self.workload));
        let figures = cycle.figures(&mut group, name, |driven, place| driven.step(operations, place));
        let trades_alike = trade_sequence::<Named>(self.workload, COMPARED) == *expected;
        self.table.put(name, mix.name, Cell { figures, trades_alike });
    }
}

fn main() {
    let (conditions, lengths) = (conditions::line(), Lengths::from_environment());
    let mut criterion = measure::criterion(lengths.seconds);
    let (mut table, mut lines) = (Table::default(), Vec::new());
    let mixes = mixes();
    for mix in &mixes {
        let workload = Workload::draw(*mix, SEED, lengths.operations);
        each_of(mix, &mut Timing { criterion: &mut criterion, workload: &workload, table: &mut table });
        lines.push(workload.line());
    }
    for mix in &mixes {
        twin(&mut criterion, &mut table, mix);
    }
    println!("\nengine, one thread, ns of processor time per operation, median of 10 samples (the least of them);");
    println!("seed {SEED}, {OWNERS} owners; {conditions}");
    lines.iter().for_each(|line| println!("- {line}"));
    table.print(&mixes);
    table.print_ratios(&mixes);
    table.print_elsewhere();
}

/// The mixes to run, all of them unless some are named, with other books where the environment says so.
fn mixes() -> Vec<Mix> {
    let named: Option<String> = variable("GRIDBOOK_BENCH_MIXES");
    let mut mixes = vec![A, B, C, C10, D];
    mixes.retain(|mix| named.as_ref().is_none_or(|names| names.split(',').any(|name| name == mix.name)));
    for mix in &mut mixes {
        mix.levels = variable("GRIDBOOK_BENCH_LEVELS").unwrap_or(mix.levels);
        mix.depth = variable("GRIDBOOK_BENCH_DEPTH").unwrap_or(mix.depth);
    }
    mixes
}

/// The twin looks at every order on every operation: smaller books, few operations.
fn twin(criterion: &mut Criterion, table: &mut Table, mix: &Mix) {
    let small = match mix.books {
        1 => Mix { depth: 1_000, ..*mix },
        9_600 => Mix { books: 960, depth: 4, ..*mix },
        _ => return,
    };
    let workload = Workload::draw(small, SEED, FEW);
    Timing { criterion, workload: &workload, table }.visit::<Twin, Twin>(TWIN);
}

impl Table {
    fn put(&mut self, engine: &'static str, mix: &'static str, cell: Cell) {
        let row = self.rows.iter().position(|(name, _)| *name == engine).unwrap_or_else(|| {
            self.rows.push((engine, Vec::new()));
            self.rows.len() - 1
        });
        self.rows[row].1.push((mix, cell));
    }

    fn cell(&self, engine: &str, mix: &str) -> Option<Cell> {
        let (_, cells) = self.rows.iter().find(|(name, _)| *name == engine)?;
        cells.iter().find(|(name, _)| *name == mix).map(|(_, cell)| *cell)
    }

    fn median(&self, engine: &str, mix: &str) -> Option<f64> {
        Some(self.cell(engine, mix)?.figures?.median)
    }

    fn print(&self, mixes: &[Mix]) {
        print_head("engine", mixes);
        for (engine, _) in &self.rows {
            let cells = mixes.iter().map(|mix| self.cell(engine, mix.name).map_or("-".to_owned(), Cell::text));
            println!("| {engine} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        let differ: Vec<String> = self.rows.iter().flat_map(|(engine, cells)| differing(engine, cells)).collect();
        if differ.is_empty() {
            println!(
                "\nEvery engine made the trades of the generator's plain books over the first {COMPARED} operations of each"
            );
            println!("stream (hash over maker, taker, price, energy, in order).");
        } else {
            println!("\nOTHER TRADES than the generator's plain books, marked *: {}", differ.join("; "));
        }
    }

    /// How many times as long the others take.
    fn print_ratios(&self, mixes: &[Mix]) {
        for ours in [OURS, OURS_WHOLE] {
            print_head(&format!("times as long as \"{ours}\", by the medians"), mixes);
            for (engine, _) in self.rows.iter().filter(|(engine, _)| *engine != ours && *engine != TWIN) {
                let ratio = |mix: &Mix| Some(self.median(engine, mix.name)? / self.median(ours, mix.name)?);
                let cells = mixes.iter().map(|mix| ratio(mix).map_or("-".to_owned(), |ratio| format!("{ratio:.2}")));
                println!("| {engine} | {} |", cells.collect::<Vec<_>>().join(" | "));
            }
        }
    }

    /// Those that cannot be built here, by what they took elsewhere beside those that can.
    fn print_elsewhere(&self) {
        for (bridge, there) in BRIDGES {
            if self.rows.iter().all(|(engine, _)| *engine != bridge) {
                continue;
            }
            print_head(&format!("ns as {bridge} would have it (times \"{OURS}\")"), &[A, B, C]);
            for (engine, figures) in ELSEWHERE {
                let cell = |column: usize, mix: &Mix| {
                    let ns = figures[column]? * self.median(bridge, mix.name)? / there[column];
                    Some(format!("{} ({:.1})", nanoseconds(ns), ns / self.median(OURS, mix.name)?))
                };
                let cells =
                    [A, B, C].iter().enumerate().map(|(column, mix)| cell(column, mix).unwrap_or("-".to_owned()));
                println!("| {engine} | {} |", cells.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

impl Cell {
    fn text(self) -> String {
        let mark = if self.trades_alike { "" } else { " *" };
        let text = |Figures { median, min }| format!("{} ({}){mark}", nanoseconds(median), nanoseconds(min));
        self.figures.map_or("-".to_owned(), text)
    }
}

fn differing(engine: &str, cells: &[(&'static str, Cell)]) -> Vec<String> {
    cells.iter().filter(|(_, cell)| !cell.trades_alike).map(|(mix, _)| format!("{engine} in {mix}")).collect()
}

fn print_head(first: &str, mixes: &[Mix]) {
    let share = |mix: &Mix| format!("{} {}/{}/{}", mix.name, mix.passive, mix.cancel, 100 - mix.passive - mix.cancel);
    let names: Vec<String> = mixes.iter().map(share).collect();
    println!("\n| {first} | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
}

fn nanoseconds(ns: f64) -> String {
    if ns < 100.0 { format!("{ns:.1}") } else { grouped(ns) }
}

//! A week of call auctions, cleared on one core by one [`Clearer`]; nothing is read or drawn while the clock runs.
//!
//! A drawn week always; a real one where `GRIDBOOK_BENCH_WEEK` names a folder of its files, or `node/tests/data/italy` is there.

use std::path::PathBuf;

use criterion::Criterion;
use gridbook_benches::lengths::Lengths;
use gridbook_benches::measure::{self, Cycle, grouped};
use gridbook_benches::week::{self, Hour, LOT, TICK};
use gridbook_benches::{conditions, lengths};
use gridbook_engine::auction::{AuctionRules, Clearer, Clearing};

const SEED: u64 = 2026;

fn main() -> anyhow::Result<()> {
    let (conditions, lengths) = (conditions::line(), Lengths::from_environment());
    let mut criterion = measure::criterion(lengths.seconds);
    let mut rows = vec![row(&mut criterion, "a drawn week", &week::drawn(SEED))];
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../node/tests/data/italy"));
    let folder = lengths::variable("GRIDBOOK_BENCH_WEEK").unwrap_or(beside);
    if folder.join("orders.csv.gz").is_file() {
        rows.push(row(
            &mut criterion,
            "the Italian day-ahead market, 1-7 April 2025, with border prices",
            &week::read(&folder)?,
        ));
    }
    println!(
        "\ncall auctions, one thread, ms of processor time for the whole week, median of 10 samples (the least of them);"
    );
    println!("orders lie sorted by zone, side and price; seed {SEED}; {conditions}\n");
    println!("| week | auctions | zones | steps | ms | ns per step | prices |\n|---|---|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

fn row(criterion: &mut Criterion, name: &str, week: &[Hour]) -> String {
    let rules = AuctionRules::new(TICK, LOT);
    let mut group = criterion.benchmark_group("auction");
    let cycle = Cycle::new(usize::MAX, || (Clearer::new(), Clearing::default()));
    let figures = cycle.figures(&mut group, name, |(clearer, clearing), _| {
        for hour in week {
            clearer.clear_into(rules, &hour.book(), clearing);
            std::hint::black_box(&*clearing);
        }
    });
    let steps: usize = week.iter().map(|hour| hour.orders.len()).sum();
    let (mut clearer, mut clearing, mut prices) = (Clearer::new(), Clearing::default(), 0);
    for hour in week {
        clearer.clear_into(rules, &hour.book(), &mut clearing);
        prices += clearing.areas.iter().filter(|area| area.price.is_some()).count() - hour.given.len();
    }
    let zones = week.iter().map(|hour| hour.tree.areas() - hour.given.len()).max().unwrap_or(0);
    let text =
        figures.map_or("-".to_owned(), |figures| format!("{:.2} ({:.2})", figures.median / 1e6, figures.min / 1e6));
    let each = figures.map_or("-".to_owned(), |figures| format!("{:.1}", figures.median / steps as f64));
    format!(
        "| {name} | {} | {zones} | {} | {text} | {each} | {} |",
        week.len(),
        grouped(steps as f64),
        grouped(prices as f64)
    )
}

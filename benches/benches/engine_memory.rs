//! What an order costs while it rests: a million books of ten orders each, weighed.
//!
//! Each engine is weighed in a process of its own, so that none finds memory that another has left. `GRIDBOOK_BENCH_BOOKS` for
//! fewer books; peers get a tenth, for a million of their books would not fit.

use std::process::Command;
use std::time::Instant;

use gridbook_benches::allocations::{Counting, count, resident_bytes};
use gridbook_benches::conditions;
use gridbook_benches::dice::Dice;
use gridbook_benches::driven::Driven;
use gridbook_benches::engines::{Bare, Gridbook};
use gridbook_benches::grid::Grid;
use gridbook_benches::lengths::{Lengths, variable};
use gridbook_benches::measure::grouped;
#[cfg(feature = "peers")]
use gridbook_benches::peers::{Lobster, Matchcore, OrderbookRs};
use gridbook_benches::workload::{C, Census, ENERGY_MAX, MIDDLE, Mix, OWNERS, Operation, Order, PERIODS, Workload};
use gridbook_engine::{Side, Unlimited};

#[global_allocator]
static COUNTING: Counting = Counting;

const ORDERS_PER_BOOK: u32 = 10;
const SEED: u64 = 2026;
/// Which engine a child process weighs.
const WEIGH: &str = "GRIDBOOK_BENCH_WEIGH";

fn main() {
    let books = Lengths::from_environment().books;
    if let Some(engine) = variable::<String>(WEIGH) {
        return match engine.as_str() {
            #[cfg(feature = "peers")]
            "matchcore 0.4.0" => weigh::<Matchcore>(&engine, books / 10),
            #[cfg(feature = "peers")]
            "lobster 0.7.0" => weigh::<Lobster>(&engine, books / 10),
            #[cfg(feature = "peers")]
            "orderbook-rs 0.15.3" => weigh::<OrderbookRs>(&engine, books / 10),
            _ => weigh::<Gridbook<Unlimited, Bare>>(&engine, books),
        };
    }
    println!(
        "\nmemory of resting orders: books of {ORDERS_PER_BOOK}, filled in turn, each order at another of 100 prices a side, as C;"
    );
    println!("seed {SEED}; {}\n", conditions::line());
    println!(
        "| engine | books | orders | resident | per order | asked for and held | ns to place one |\n|---|---|---|---|---|---|---|"
    );
    let peers: &[&str] =
        if cfg!(feature = "peers") { &["matchcore 0.4.0", "lobster 0.7.0", "orderbook-rs 0.15.3"] } else { &[] };
    for engine in ["gridbook"].iter().chain(peers) {
        let own = std::env::current_exe().expect("this benchmark is a file");
        let ended = Command::new(own).env(WEIGH, engine).status();
        assert!(ended.is_ok_and(|status| status.success()), "{engine} could not be weighed");
    }
}

fn weigh<D: Driven>(engine: &str, books: u32) {
    let areas = u16::try_from(books.div_ceil(PERIODS)).expect("a market has at most 65,535 areas");
    let mix = Mix { books, depth: ORDERS_PER_BOOK, ..C };
    let grid = Grid::islands(areas);
    let workload = Workload {
        mix,
        seed: SEED,
        grid,
        prelude: Vec::new(),
        operations: Vec::new(),
        expected: (0, 0),
        census: Census::default(),
    };
    let (resident, held) = (resident_bytes(), count().live_bytes);
    let mut driven = D::fresh(&workload);
    let mut dice = Dice::new(SEED);
    let orders = books * ORDERS_PER_BOOK;
    let began = Instant::now();
    for name in 0..orders {
        let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = 1 + dice.small(mix.levels).min(dice.small(mix.levels));
        let price = if side == Side::Buy { MIDDLE - away } else { MIDDLE + away };
        let owner = 2 * dice.small(OWNERS / 2) + u32::from(side == Side::Buy);
        let energy = 1 + dice.small(ENERGY_MAX);
        driven.carry_out(&Operation::Place(Order { name, book: name % books, owner, side, price, energy }));
    }
    let ns = began.elapsed().as_nanos() as f64 / f64::from(orders);
    let resident = resident_bytes() - resident;
    let held = count().live_bytes - held;
    println!(
        "| {engine} | {} | {} | {} MiB | {:.0} bytes | {} MiB | {} |",
        grouped(books.into()),
        grouped(orders.into()),
        grouped(resident as f64 / 1_048_576.0),
        resident as f64 / f64::from(orders),
        grouped(held as f64 / 1_048_576.0),
        grouped(ns),
    );
    drop(driven);
}

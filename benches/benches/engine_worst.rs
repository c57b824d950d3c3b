//! The slowest single operations, and what is allocated.
//!
//! Every operation of a stream is timed by itself. The stream is run several times over, and the least time of each operation counts:
//! what is slow in every pass is the engine's own, the rest is the machine's. One sample costs the clock twice; its own cost is in every
//! figure and printed beside. Allocations are those of the timed operations, once as many operations are done as the books are deep.

use std::time::Instant;

use gridbook_benches::allocations::{Counting, count};
use gridbook_benches::conditions;
use gridbook_benches::contenders::{Visitor, each_of};
use gridbook_benches::driven::{Driven, filled};
use gridbook_benches::lengths::Lengths;
use gridbook_benches::measure::grouped;
use gridbook_benches::workload::{A, B, C, D, Operation, Workload};

#[global_allocator]
static COUNTING: Counting = Counting;

const SEED: u64 = 2026;

struct Worst<'a> {
    workload: &'a Workload,
    passes: usize,
}

/// One run over a stream.
struct Pass {
    ns: Vec<u32>,
    /// Trades of each operation.
    trades: Vec<u16>,
    /// Allocations per operation in the second half.
    allocations: f64,
    /// Operations of the second half that allocated.
    allocating: f64,
}

impl Visitor for Worst<'_> {
    fn visit<D: Driven, Named: Driven>(&mut self, name: &'static str) {
        let operations = &self.workload.operations;
        let first = pass::<D>(self.workload);
        let (mut least, seen) = (first.ns.clone(), first.ns.iter().copied().max().unwrap_or(0));
        for _ in 1..self.passes {
            let again = pass::<D>(self.workload).ns;
            least.iter_mut().zip(again).for_each(|(least, ns)| *least = (*least).min(ns));
        }
        let worst = (0..least.len()).max_by_key(|place| least[*place]).unwrap_or(0);
        let kind = kind(&operations[worst], first.trades[worst]);
        let (worst_ns, mut sorted) = (least[worst], least);
        sorted.sort_unstable();
        let at = |share: f64| grouped(sorted[((sorted.len() - 1) as f64 * share) as usize].into());
        println!(
            "| {name} | {} | {:.4} | {:.2} % | {} | {} | {} | {} | {} us: {kind}, at {} | {} us |",
            self.workload.mix.name,
            first.allocations,
            100.0 * first.allocating,
            at(0.5),
            at(0.99),
            at(0.999),
            at(0.9999),
            f64::from(worst_ns) / 1_000.0,
            grouped(worst as f64),
            f64::from(seen) / 1_000.0,
        );
    }
}

fn pass<D: Driven>(workload: &Workload) -> Pass {
    let operations = &workload.operations;
    let mut driven = filled::<D>(workload);
    let (mut ns, mut trades) = (vec![0; operations.len()], vec![0_u16; operations.len()]);
    let (mut allocations, mut allocating) = (0, 0);
    for place in 0..operations.len() {
        let (before, began) = (count().calls, Instant::now());
        driven.step(operations, place);
        let (taken, calls) = (began.elapsed().as_nanos(), count().calls - before);
        ns[place] = u32::try_from(taken).unwrap_or(u32::MAX);
        driven.visit_fills(&mut |_| trades[place] = trades[place].saturating_add(1));
        if place >= operations.len() / 2 {
            allocations += calls;
            allocating += u64::from(calls > 0);
        }
    }
    let half = (operations.len() - operations.len() / 2) as f64;
    Pass { ns, trades, allocations: allocations as f64 / half, allocating: allocating as f64 / half }
}

fn kind(operation: &Operation, trades: u16) -> String {
    match operation {
        Operation::Cancel { .. } => "a cancel".to_owned(),
        Operation::Place(_) if trades == 0 => "an order that rests".to_owned(),
        Operation::Place(_) => format!("an order that trades {trades} times"),
    }
}

/// What two readings of the clock cost, in nanoseconds: the median of many.
fn clock_ns() -> u128 {
    let mut taken: Vec<u128> = (0..100_000).map(|_| Instant::now().elapsed().as_nanos()).collect();
    taken.sort_unstable();
    taken[taken.len() / 2]
}

fn main() {
    let (conditions, lengths) = (conditions::line(), Lengths::from_environment());
    println!(
        "\nsingle operations, ns of wall time, the least of {} passes for each operation; the clock's own cost of",
        lengths.passes
    );
    println!(
        "{} ns is in every figure; seed {SEED}, {} operations; allocations: second half of a pass;",
        clock_ns(),
        lengths.operations
    );
    println!("{conditions}\n");
    println!(
        "| engine | mix | allocations per operation | operations that allocate | p50 | p99 | p99.9 | p99.99 | worst | worst of one pass |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for mix in [A, B, C, D] {
        let workload = Workload::draw(mix, SEED, lengths.operations);
        each_of(&mix, &mut Worst { workload: &workload, passes: lengths.passes });
    }
}

//! Whatever is thrown at a market that knows the grid: energy and money are conserved, no edge carries more than it may, nobody trades
//! beyond a limit or with himself, and nothing that could trade is left resting.
//!
//! `GRIDBOOK_STREAMS` sets how many random streams are tried, for longer campaigns.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use gridbook_engine::Engine;
use gridbook_engine::reference::Reference;
use support::driven::Fresh;
use support::invariants::{Seen, Watched};

const STREAMS: u64 = 20;
const COMMANDS_PER_STREAM: usize = 600;

#[test]
fn the_engine_keeps_all_promises_of_the_market() {
    check_that_much_happened(&watch::<Engine>(500));
}

#[test]
fn the_reference_keeps_all_promises_of_the_market() {
    check_that_much_happened(&watch::<Reference>(0));
}

fn check_that_much_happened(seen: &Seen) {
    // All that a market can do was done, and nearly all that can be refused was.
    assert!(seen.trades > 1_000 && seen.trades_across > 250 && seen.filled > 50, "{seen:?}");
    assert!(seen.events.len() >= 18, "{} kinds: {:?}", seen.events.len(), seen.events);
    assert!(seen.refused.len() >= 26, "{} kinds: {:?}", seen.refused.len(), seen.refused);
}

/// Runs every stream and tells what happened in all of them.
fn watch<M: Fresh>(first_seed: u64) -> Seen {
    let streams = std::env::var("GRIDBOOK_STREAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(STREAMS);
    let mut seen = Seen::default();
    for seed in first_seed..first_seed + streams {
        let mut watched = Watched::<M>::new(seed);
        for step in 0..COMMANDS_PER_STREAM {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| watched.step())) {
                eprintln!("seed {seed}, step {step}");
                std::panic::resume_unwind(panic);
            }
        }
        let Seen { refused, events, trades, trades_across, filled } = watched.seen;
        seen.refused.extend(refused);
        seen.events.extend(events);
        (seen.trades, seen.trades_across) = (seen.trades + trades, seen.trades_across + trades_across);
        seen.filled += filled;
    }
    seen
}

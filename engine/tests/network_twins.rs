//! Two markets get the same commands and must say the same, after every single one: events, refusals, views, what is due, and the hash
//! over everything.
//!
//! `GRIDBOOK_STREAMS` sets how many random streams are tried, for longer campaigns.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use std::panic::catch_unwind;

use gridbook_engine::reference::Reference;
use gridbook_engine::{AreaId, Contract, Engine, Market as _};
use support::driven::{Driven, Fresh};
use support::market_stream::MarketStream;
use support::stream::Dice;
use support::world::World;

/// The market that is compared with the reference.
type Fast = Engine;

const STREAMS: u64 = 30;
const COMMANDS_PER_STREAM: usize = 400;

#[test]
fn the_engine_does_what_the_reference_does_over_the_network() {
    let streams = std::env::var("GRIDBOOK_STREAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(STREAMS);
    let run = |seed: u64| {
        let mut twins = Twins::<Fast>::new(seed);
        for step in 0..COMMANDS_PER_STREAM {
            twins.step(seed, step);
            if seed.is_multiple_of(2) && step % 61 == 60 {
                twins.restart();
            }
        }
    };
    let differ: Vec<u64> = (10_000..10_000 + streams).filter(|&seed| catch_unwind(|| run(seed)).is_err()).collect();
    assert!(differ.is_empty(), "the two differ in the streams of seeds {differ:?}");
}

struct Twins<M> {
    world: World,
    stream: MarketStream,
    dice: Dice,
    one: Driven<M>,
    reference: Driven<Reference>,
}

impl<M: Fresh> Twins<M> {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let world = World::draw(&mut dice);
        let stream = MarketStream::new(world.clone(), dice);
        let (one, reference) = (Driven::new(&world), Driven::new(&world));
        Self { world, stream, dice: Dice(!seed), one, reference }
    }

    fn step(&mut self, seed: u64, step: usize) {
        let now = self.reference.now();
        let command = self.stream.next(now);
        let case = format!("seed {seed}, step {step}, {command:?}");
        let told = self.reference.purses.entries.len();
        let expected = self.reference.carry_out(&command);
        assert_eq!(self.one.carry_out(&command), expected, "{case}");
        let [entries, expected] = [&self.one.purses.entries, &self.reference.purses.entries];
        let told = told.min(expected.len());
        assert_eq!(entries.get(told..), expected.get(told..), "{case}: what the limits were told");
        let (one, reference) = (&self.one.market, &self.reference.market);
        assert_eq!(one.now(), reference.now(), "{case}");
        assert_eq!(one.digest(), reference.digest(), "{case}");
        // What is due already is due, whenever it began to be.
        let due = [one.next_due(), reference.next_due()].map(|due| due.map(|due| due.max(one.now())));
        assert_eq!(due[0], due[1], "{case}");
        self.compare_views(&case);
    }

    /// The engine goes on as a copy made from its image.
    fn restart(&mut self) {
        self.one.restart(&self.world);
        self.reference.restart(&self.world);
    }

    fn compare_views(&mut self, case: &str) {
        let (one, reference) = (&self.one.market, &self.reference.market);
        let period = self.world.period(one.now(), &mut self.dice);
        let area = AreaId(self.dice.below(u64::from(self.world.areas()) + 1) as u16);
        let contract = Contract { area, period };
        let levels = self.dice.below(5) as usize;
        assert_eq!(one.view(contract, levels), reference.view(contract, levels), "{case}: seen from {contract:?}");
        assert_eq!(one.edge(area, period), reference.edge(area, period), "{case}");
    }
}

//! What readers are shown of the books is what the books are: after trades, after rollbacks, and when only time has gone by.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use gridbook_engine::depth::{DEPTH_LEVELS_MAX, Depth, DepthTable, Level};
use gridbook_engine::{
    AreaId, Contract, DeliveryPeriod, Energy, Engine, LedgerTime, NewOrder, OrderTerms, Price, Side, TimeInForce,
};
use support::drawn::{CONTRACT, Drawn, order};
use support::driven::Driven;
use support::market_stream::{MarketCommand, MarketStream};
use support::stream::Dice;
use support::world::World;

/// A drawn market whose depths are published.
fn shown() -> (Drawn, Arc<DepthTable>) {
    let mut market = Drawn::new();
    let (writer, table) = DepthTable::new(2, 8);
    market.engine.publish_depth_to(writer);
    (market, table)
}

/// Price and energy.
type Plain = Vec<(i32, u64)>;

/// Bids, asks.
fn read(table: &DepthTable) -> (Plain, Plain) {
    let plain = |levels: &[(Price, Energy)]| levels.iter().map(|(price, energy)| (price.0, energy.0)).collect();
    table.read(CONTRACT).map_or_else(Default::default, |depth: Depth| (plain(&depth.bids), plain(&depth.asks)))
}

/// A leader's log is given up after it was shown: the books shown are those of the log that stays, under its number.
#[test]
fn what_was_done_ahead_and_given_up_is_shown_no_more() {
    let (mut market, table) = shown();
    market.sell("a1", 10, 30);
    market.engine.publish_depth(1);
    let stays = market.engine.mark();
    market.buy("b1", 4, 30);
    market.buy("b2", 5, 20);
    market.engine.publish_depth(3);
    assert_eq!(read(&table), (vec![(20, 5)], vec![(30, 6)]));

    market.engine.rollback(stays);
    market.engine.publish_depth(1);
    assert_eq!(read(&table), (vec![], vec![(30, 10)]));
    assert_eq!((table.epoch(), table.read(CONTRACT).unwrap().epoch), (1, 1));
}

/// The book of another area did not change by going back, but its number may not be one that was given up.
#[test]
fn after_going_back_no_book_claims_to_be_of_a_later_block() {
    let (mut market, table) = shown();
    let south = Contract { area: AreaId(1), ..CONTRACT };
    market.contract = south;
    market.sell("a1", 10, 30);
    let stays = market.engine.mark();
    market.contract = CONTRACT;
    market.buy("b1", 4, 20);
    market.engine.publish_depth(9);
    assert_eq!(table.read(south).unwrap().epoch, 9);

    market.engine.rollback(stays);
    market.engine.publish_depth(5);
    let depth = table.read(south).unwrap();
    assert_eq!((table.epoch(), depth.epoch, &depth.asks[..]), (5, 5, &[(Price(30), Energy(10))][..]));
}

/// The last order of a period is swept at its gate, so that the period itself is forgotten, and then all of it is undone.
#[test]
fn a_period_that_was_forgotten_and_comes_back_is_shown_again() {
    let (mut market, table) = shown();
    market.sell("a1", 10, 30);
    market.engine.publish_depth(1);
    let before_gate = market.engine.mark();
    market.minute(115);
    market.sweep(9);
    market.engine.publish_depth(2);
    assert_eq!(read(&table), (vec![], vec![]));

    market.engine.rollback(before_gate);
    market.engine.publish_depth(1);
    assert_eq!(read(&table), (vec![], vec![(30, 10)]));
}

/// Nobody has swept yet: an order whose time is over cannot trade, and is not shown; when time itself is taken back, it is again.
#[test]
fn time_alone_changes_what_is_shown_and_so_does_taking_it_back() {
    let (mut market, table) = shown();
    let until = TimeInForce::GoodTillTime(LedgerTime(90 * 60_000));
    market.place(NewOrder { time_in_force: until, ..order("a1", Side::Sell, 10, 30) }).unwrap();
    market.buy("b1", 5, 20);
    market.engine.publish_depth(2);
    let early = market.engine.mark();
    for (minute, expected) in [(90, (vec![(20, 5)], vec![])), (115, (vec![], vec![]))] {
        market.minute(minute);
        market.engine.publish_depth(3);
        assert_eq!(read(&table), expected, "at minute {minute}");
    }
    market.engine.rollback(early);
    market.engine.publish_depth(2);
    assert_eq!(read(&table), (vec![(20, 5)], vec![(30, 10)]));
}

const STREAMS: u64 = 40;
const COMMANDS_PER_STREAM: u64 = 300;
const WINDOW: u32 = 4_096;

/// Every command there is, marks and rollbacks among them, in many markets; published after every few of them.
#[test]
fn readers_see_the_books_as_they_are_whatever_happened() {
    let mut seen = 0;
    for seed in 0..STREAMS {
        let mut dice = Dice(seed);
        let world = World::draw(&mut dice);
        let mut stream = MarketStream::new(world.clone(), dice);
        let mut driven = Driven::<Engine>::new(&world);
        let (writer, table) = DepthTable::new(world.areas(), WINDOW);
        driven.market.publish_depth_to(writer);
        let first = world.rules.period_at(driven.now()).0.saturating_sub(2);
        let mut closed = BTreeSet::new();
        for step in 0..COMMANDS_PER_STREAM {
            let command = stream.next(driven.now());
            driven.carry_out(&command);
            if let MarketCommand::Close(contract) = command {
                closed.insert(contract);
            }
            if step % 3 == seed % 3 {
                // The numbers go back now and then, as those of a log do.
                let epoch = step + 100 - (step % 7) * 5;
                driven.market.publish_depth(epoch);
                let last = world.rules.period_at(driven.now()).0 + 20;
                let case = format!("seed {seed}, step {step}, {command:?}");
                let books = Books { engine: &driven.market, closed: &closed };
                seen += books.compare(&table, first..last, epoch, &case);
            }
        }
    }
    assert!(seen > 10_000, "only {seen} levels were compared: most books are empty");
}

/// What shows at a price of a side.
type Sums = BTreeMap<(Contract, u8, Price), Energy>;

/// The books, added up order by order.
struct Books<'a> {
    engine: &'a Engine,
    /// What was closed by command at any time, and may since have been opened again by going back.
    closed: &'a BTreeSet<Contract>,
}

impl Books<'_> {
    /// Returns how many levels there were to compare.
    fn compare(&self, table: &DepthTable, periods: Range<u32>, epoch: u64, case: &str) -> usize {
        assert_eq!(table.epoch(), epoch, "{case}");
        let sums = self.sums();
        let mut seen = 0;
        for period in periods.map(DeliveryPeriod) {
            for area in (0..self.engine.areas()).map(AreaId) {
                let contract = Contract { period, area };
                let depth = table.read(contract);
                assert!(depth.is_none_or(|depth| depth.epoch <= epoch), "{case}: {contract:?} is of the future");
                let (bids, asks) = depth.map_or_else(Default::default, |depth| (depth.bids, depth.asks));
                for (side, shown) in [(Side::Buy, bids), (Side::Sell, asks)] {
                    let rests = self.levels(contract, side, &sums);
                    assert_eq!(shown[..], rests, "{case}: {side:?} of {contract:?}");
                    seen += shown.len();
                }
            }
        }
        seen
    }

    fn sums(&self) -> Sums {
        let (rules, now) = (self.engine.rules(), self.engine.now());
        let mut sums = BTreeMap::new();
        for order in self.engine.resting() {
            let OrderTerms { contract, side, price, .. } = order.terms;
            if order.until.is_none_or(|until| now < until) && now < rules.gate_closes_at(contract) {
                let sum: &mut Energy = sums.entry((contract, side as u8, price)).or_default();
                *sum = Energy(sum.0.saturating_add(order.shown.0));
            }
        }
        sums
    }

    fn levels(&self, contract: Contract, side: Side, sums: &Sums) -> Vec<Level> {
        if self.closed.contains(&contract) {
            return self.engine.depth(contract, side).take(DEPTH_LEVELS_MAX).collect();
        }
        let range = sums.range((contract, side as u8, Price(i32::MIN))..=(contract, side as u8, Price(i32::MAX)));
        let mut levels: Vec<Level> = range.map(|(&(_, _, price), &energy)| (price, energy)).collect();
        if side == Side::Buy {
            levels.reverse();
        }
        levels.truncate(DEPTH_LEVELS_MAX);
        levels
    }
}

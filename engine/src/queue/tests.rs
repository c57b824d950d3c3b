//! Queues against an ordered map of the same orders.

use super::{NIL, Orders, Queue, QueueOf, Shape};
use crate::units::Energy;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Orders as a queue sees them.
#[derive(Default)]
struct Shelf {
    keys: Vec<u64>,
    shown: Vec<u64>,
    next: Vec<u32>,
    prev: Vec<u32>,
    /// How many keys were asked for.
    looks: Cell<u32>,
}

impl Shelf {
    fn add(&mut self, price: u32, priority: u32, shown: u64) -> u32 {
        self.keys.push(u64::from(price) << 32 | u64::from(priority));
        self.shown.push(shown);
        self.next.push(NIL);
        self.prev.push(NIL);
        self.keys.len() as u32 - 1
    }
}

impl Orders for Shelf {
    fn key(&self, slot: u32) -> u64 {
        self.looks.set(self.looks.get() + 1);
        self.keys[slot as usize]
    }
    fn shown(&self, slot: u32) -> Energy {
        Energy(self.shown[slot as usize])
    }
    fn next(&self, slot: u32) -> u32 {
        self.next[slot as usize]
    }
    fn prev(&self, slot: u32) -> u32 {
        self.prev[slot as usize]
    }
    fn set_next(&mut self, slot: u32, next: u32) {
        self.next[slot as usize] = next;
    }
    fn set_prev(&mut self, slot: u32, prev: u32) {
        self.prev[slot as usize] = prev;
    }
}

/// A queue that changes its shape often, beside an ordered map of the same orders.
struct Twins {
    queue: QueueOf<12, 4>,
    model: BTreeMap<u64, u32>,
    shelf: Shelf,
    tick: u32,
    priority: u32,
}

impl Twins {
    fn new(tick: u32) -> Self {
        Self { queue: QueueOf::new(), model: BTreeMap::new(), shelf: Shelf::default(), tick, priority: 0 }
    }

    /// A new order behind all others of its price.
    fn add(&mut self, price: u32, shown: u64) -> u32 {
        self.priority += 1;
        let slot = self.shelf.add(price, self.priority, shown);
        self.insert(slot);
        slot
    }

    fn insert(&mut self, slot: u32) {
        self.queue.insert(&mut self.shelf, slot, self.tick);
        self.model.insert(self.shelf.key(slot), slot);
    }

    fn restore(&mut self, slot: u32) {
        self.queue.restore(&mut self.shelf, slot, self.tick);
        self.model.insert(self.shelf.key(slot), slot);
    }

    fn remove(&mut self, slot: u32) {
        self.queue.remove(&mut self.shelf, slot);
        self.model.remove(&self.shelf.key(slot));
    }

    fn any(&self, dice: u32) -> Option<u32> {
        self.model.values().nth(dice as usize % self.model.len().max(1)).copied()
    }

    /// What callers ask after every step.
    fn compare_best(&self) {
        assert_eq!(self.queue.len() as usize, self.model.len());
        assert_eq!(self.queue.is_empty(), self.model.is_empty());
        assert_eq!(self.queue.best_key(), self.model.keys().next().copied().unwrap_or(Queue::NOTHING));
        assert_eq!(self.queue.best(), self.model.values().next().copied());
    }

    /// Everything that the queue says must be what the map says.
    fn compare(&self) {
        let Self { queue, model, shelf, .. } = self;
        self.compare_best();
        assert!(queue.slots(shelf).eq(model.values().copied()));
        let mut levels: BTreeMap<u32, u128> = BTreeMap::new();
        for (&key, &slot) in model {
            *levels.entry((key >> 32) as u32).or_default() += u128::from(shelf.shown[slot as usize]);
        }
        assert!(queue.levels(shelf).eq(levels));
        for (&slot, after) in model.values().zip(model.values().skip(1).map(Some).chain([None])) {
            assert_eq!(queue.after(shelf, slot), after.copied());
        }
    }
}

/// Numbers without rhyme, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(sides)) as u32
    }
}

#[test]
fn orders_come_out_by_price_and_then_by_priority_wherever_they_went_in() {
    // Short, long and long with most of them far away, and inserted in an order that nothing but an undo would give.
    for tick in [1, 7, u32::MAX] {
        let mut twins = Twins::new(tick);
        twins.compare();
        let top = u32::MAX / tick;
        for (step, priority) in
            [(5, 11), (3, 12), (3, 14), (3, 13), (0, 19), (u32::MAX, 10), (5, 1), (9_000, 5), (9_000, 4)]
                .into_iter()
                .chain((0..30).map(|n| (n * 41 % 17, 100 - n)))
        {
            let slot = twins.shelf.add(step.min(top) * tick, priority, u64::MAX);
            twins.insert(slot);
            twins.compare();
        }
        while let Some(slot) = twins.any(twins.model.len() as u32 / 2) {
            twins.remove(slot);
            twins.compare();
        }
    }
}

#[test]
fn no_command_and_no_undo_tells_the_queue_from_an_ordered_map() {
    // The market drifts through the prices, some orders far from it; commands are undone last first, as a journal would.
    enum Done {
        Added(u32),
        Removed(u32),
        Less(u32, u64),
        Back(u32, u64),
    }
    for seed in 0..48 {
        let mut dice = Dice(seed);
        let tick = [1, 1, 5, 1 << 20][seed as usize % 4];
        let spread = [3, 40, 900, 5_000][seed as usize / 4 % 4];
        let top = u32::MAX / tick;
        let mut middle = [0, top, top / 2][seed as usize % 3];
        let mut twins = Twins::new(tick);
        let mut journal = Vec::new();
        for round in 0..1_500 {
            // Whole phases of filling and draining, so that it changes shape.
            let fills = if round / 150 % 2 == 0 { 60 } else { 30 };
            let chosen = twins.any(dice.roll(1 << 20)).filter(|_| dice.roll(100) >= fills);
            match (dice.roll(20), chosen) {
                (0, _) => middle = middle.saturating_add(dice.roll(spread)).min(top),
                (1, _) => middle = middle.saturating_sub(dice.roll(spread * 2)),
                (2, Some(slot)) => {
                    let less = u64::from(dice.roll(1 << 30)).min(twins.shelf.shown[slot as usize]);
                    twins.queue.shows_less(twins.shelf.key(slot), Energy(less));
                    twins.shelf.shown[slot as usize] -= less;
                    journal.push(Done::Less(slot, less));
                }
                (3, Some(slot)) => {
                    // A new clip of a hidden order: the same order with another key.
                    let key = twins.shelf.key(slot);
                    twins.remove(slot);
                    twins.priority += 1;
                    twins.shelf.keys[slot as usize] = key >> 32 << 32 | u64::from(twins.priority);
                    twins.insert(slot);
                    journal.push(Done::Back(slot, key));
                }
                (4, _) => {
                    for done in journal.drain(..).rev().take(60) {
                        match done {
                            Done::Added(slot) => twins.remove(slot),
                            Done::Removed(slot) => twins.restore(slot),
                            Done::Less(slot, less) => {
                                twins.queue.shows_more(twins.shelf.key(slot), Energy(less));
                                twins.shelf.shown[slot as usize] += less;
                            }
                            Done::Back(slot, key) => {
                                twins.remove(slot);
                                twins.shelf.keys[slot as usize] = key;
                                twins.restore(slot);
                            }
                        }
                        twins.compare_best();
                    }
                }
                (5..8, Some(_)) => {
                    let slot = twins.queue.best().expect("there is one");
                    twins.remove(slot);
                    journal.push(Done::Removed(slot));
                }
                (_, Some(slot)) => {
                    twins.remove(slot);
                    journal.push(Done::Removed(slot));
                }
                (_, None) => {
                    let reach = if dice.roll(10) == 0 { spread * 10 } else { spread };
                    let step = middle.saturating_add(dice.roll(reach)).min(top);
                    let shown = if dice.roll(3) == 0 { u64::MAX } else { u64::from(dice.roll(1 << 30)) };
                    journal.push(Done::Added(twins.add(step * tick, shown)));
                }
            }
            twins.compare_best();
            if round % 16 == 0 {
                twins.compare();
            }
        }
    }
}

#[test]
fn a_market_that_leaves_the_window_takes_it_along() {
    // Prices get better by far more steps than the window spans, then worse again, each time for good.
    let mut twins = Twins::new(1);
    for center in [1_000_000_u32, 0, u32::MAX - 5_000, 500_000, 498_000, 498_700, 498_300] {
        let before: Vec<u32> = twins.model.values().copied().collect();
        for n in 0..600 {
            twins.add(center + n * 7 % 50, 1);
            twins.compare_best();
        }
        for slot in before {
            twins.remove(slot);
            twins.compare_best();
        }
        twins.compare();
        let Shape::Long(ladder) = &twins.queue.shape else { panic!("it is long") };
        assert!(ladder.is_near(center) && ladder.is_near(center + 49), "the window went along to {center}");
    }
}

#[test]
fn orders_far_below_the_market_do_not_draw_the_window_away() {
    let mut twins = Twins::new(1);
    for n in 0..40 {
        twins.add(10_000 + n, 1);
    }
    for n in 0..2_000 {
        let slot = twins.add(90_000 + n, 1);
        twins.remove(slot);
    }
    twins.compare();
    let Shape::Long(ladder) = &twins.queue.shape else { panic!("it is long") };
    assert!(ladder.is_near(10_000) && !ladder.is_near(90_000));
}

#[test]
fn an_undone_removal_costs_no_walk_through_a_long_level() {
    // Ten thousand orders at one price; one from the middle goes and comes back. A walk would read half of them.
    let mut twins = Twins::new(1);
    for _ in 0..10_000 {
        twins.add(77, 1);
    }
    let middle = twins.any(5_000).expect("there are as many");
    twins.remove(middle);
    twins.shelf.looks.set(0);
    twins.restore(middle);
    assert!(twins.shelf.looks.get() < 20, "{} looks", twins.shelf.looks.get());
    twins.compare();
}

#[test]
fn an_order_does_not_come_back_between_neighbours_of_long_ago() {
    // 1 and 3 once stood around 2 in a long queue. They now stand side by side in another contract, at the same price. The
    // queue, short for a while, is long again when 2 comes back to it.
    let mut twins = Twins::new(1);
    let [before, order, behind] = [50, 50, 50].map(|price| twins.add(price, 1));
    let others: Vec<u32> = (0..10).map(|n| twins.add(60 + n, 1)).collect();
    for slot in others.into_iter().chain([before, behind]) {
        twins.remove(slot);
    }
    let mut other = Twins::new(1);
    for price in 40..51 {
        twins.add(price, 1);
    }
    twins.remove(order);
    core::mem::swap(&mut twins.shelf, &mut other.shelf);
    for price in 0..11 {
        other.add(price, 1);
    }
    other.insert(before);
    other.insert(behind);
    core::mem::swap(&mut twins.shelf, &mut other.shelf);
    for undone in [70, 71].map(|price| twins.add(price, 1)) {
        twins.remove(undone);
    }
    twins.restore(order);
    twins.compare();
}

#[test]
fn the_window_is_as_wide_as_so_many_orders_are_worth() {
    // A thousand orders over nine hundred prices come, and go again in no order. A ladder of few orders is small.
    let mut twins = Twins::new(3);
    let mut widest = 0;
    for n in 0..1_000 {
        twins.add(3 * (7_000 + n * 389 % 900), 1);
        twins.compare_best();
        if let Shape::Long(ladder) = &twins.queue.shape {
            assert!(ladder.steps() <= 64 || ladder.steps() <= 4 * twins.queue.len());
            widest = widest.max(ladder.steps());
        }
    }
    assert_eq!(widest, 1_024);
    twins.compare();
    let mut dice = Dice(1);
    while let Some(slot) = twins.any(dice.roll(1 << 20)) {
        twins.remove(slot);
        twins.compare_best();
        if let Shape::Long(ladder) = &twins.queue.shape {
            assert!(ladder.steps() <= 64 || ladder.steps() <= 16 * twins.queue.len());
        }
        if twins.queue.len() < 100 {
            twins.compare();
        }
    }
}

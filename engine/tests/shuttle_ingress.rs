//! The assembled ingress, several producers and the writer, under many random schedules.
//!
//! loom goes through every interleaving of two threads; this is larger than that: several producers that join late, send singly and in
//! batches through rings that are too small, and leave, or a writer that leaves before them. The files are those that ship, compiled once more into this
//! test over shuttle's atomics and locks: see `engine/src/sync.rs`. Shuttle knows no weak memory, only schedules.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::sync::Arc as PlainArc;
use std::sync::atomic::{AtomicUsize as PlainCount, Ordering as PlainOrdering};

use ingress::{IngressSender, Refused, ingress};
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

#[allow(dead_code, unreachable_pub, reason = "a part of a crate, compiled by itself")]
#[path = "../src/ingress/mod.rs"]
mod ingress;

/// What the edges are made of, in shuttle's world.
mod sync {
    use std::sync::atomic::AtomicBool as PlainBool;

    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(crate) use shuttle::sync::{Arc, Mutex};

    /// A cell that notices when two threads reach into it at a time: each lets the others run while it is inside.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T> {
        value: core::cell::UnsafeCell<T>,
        is_reached: PlainBool,
    }

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self { value: core::cell::UnsafeCell::new(value), is_reached: PlainBool::new(false) }
        }

        pub(crate) fn with_mut<R>(&self, reach: impl FnOnce(*mut T) -> R) -> R {
            assert!(!self.is_reached.swap(true, Ordering::SeqCst), "two threads in one slot");
            if !std::thread::panicking() {
                shuttle::thread::yield_now();
            }
            let reached = reach(self.value.get());
            self.is_reached.store(false, Ordering::SeqCst);
            reached
        }
    }
}

const PRODUCERS: usize = 4;
const ITEMS: usize = 12;
const SCHEDULES: usize = 4_000;
/// How many places PCT chooses for a switch of priorities: it finds each fault that needs so many with a probability that can be given
/// (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010).
const DEPTH: usize = 4;

/// An item of a producer, counted when it is dropped.
#[derive(Debug)]
struct Item {
    producer: usize,
    number: usize,
    dropped: PlainArc<PlainCount>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, PlainOrdering::Relaxed);
    }
}

/// Sends all items in batches of random length; how many the writer did not take because it was gone.
fn send_all(sender: &mut IngressSender<Item>, producer: usize, dropped: &PlainArc<PlainCount>) -> usize {
    let mut left = (0..ITEMS).map(|number| Item { producer, number, dropped: PlainArc::clone(dropped) });
    let mut waiting = None;
    let mut refused = 0;
    loop {
        let mut batch = sender.batch();
        for _ in 0..thread_rng().gen_range(1..5) {
            let Some(item) = waiting.take().or_else(|| left.next()) else { return refused };
            match batch.offer(item) {
                Ok(()) => {}
                Err(Refused::Full(back)) => {
                    waiting = Some(back);
                    break;
                }
                Err(Refused::Gone(_)) => refused += 1,
            }
        }
        drop(batch);
        thread::yield_now();
    }
}

/// Producers beget each other: all but the first join while the others are at it.
fn beget(mut sender: IngressSender<Item>, producer: usize, dropped: PlainArc<PlainCount>) -> usize {
    let next = (producer + 1 < PRODUCERS).then(|| {
        let (sender, dropped) = (sender.clone(), PlainArc::clone(&dropped));
        thread::spawn(move || beget(sender, producer + 1, dropped))
    });
    let refused = send_all(&mut sender, producer, &dropped);
    drop(sender);
    refused + next.map_or(0, |next| next.join().unwrap())
}

/// The producers end: the writer hears everything of each in its order, then that all is over.
fn producers_end_first() {
    let dropped = PlainArc::new(PlainCount::new(0));
    let (sender, mut receiver) = ingress(4);
    let producers = thread::spawn({
        let dropped = PlainArc::clone(&dropped);
        move || beget(sender, 0, dropped)
    });
    let (mut next, mut batch) = ([0; PRODUCERS], Vec::new());
    while !receiver.is_finished() {
        if receiver.drain(thread_rng().gen_range(1..9), &mut batch) == 0 {
            thread::yield_now();
        }
        for item in batch.drain(..) {
            assert_eq!(item.number, next[item.producer], "in order");
            next[item.producer] += 1;
        }
    }
    assert_eq!(next, [ITEMS; PRODUCERS]);
    assert!(receiver.is_empty());
    assert_eq!(producers.join().unwrap(), 0, "nobody was refused");
    assert_eq!(dropped.load(PlainOrdering::Relaxed), PRODUCERS * ITEMS, "each once");
}

/// The writer ends in the middle: every producer learns of it and ends too, and no item is lost from the count.
fn writer_ends_first() {
    let dropped = PlainArc::new(PlainCount::new(0));
    let (sender, mut receiver) = ingress(4);
    let producers = thread::spawn({
        let dropped = PlainArc::clone(&dropped);
        move || beget(sender, 0, dropped)
    });
    let mut batch = Vec::new();
    for _ in 0..thread_rng().gen_range(0..12) {
        receiver.drain(3, &mut batch);
        thread::yield_now();
    }
    drop(receiver);
    let refused = producers.join().unwrap();
    assert!(batch.len() + refused <= PRODUCERS * ITEMS, "none doubled");
    drop(batch);
    assert_eq!(dropped.load(PlainOrdering::Relaxed), PRODUCERS * ITEMS, "each once");
}

#[test]
fn nothing_is_lost_or_overtaken_under_random_schedules() {
    shuttle::check_random(producers_end_first, SCHEDULES);
}

#[test]
fn nothing_is_lost_or_overtaken_under_probabilistic_concurrency_testing() {
    shuttle::check_pct(producers_end_first, SCHEDULES, DEPTH);
}

#[test]
fn a_writer_that_goes_stops_every_producer_under_random_schedules() {
    shuttle::check_random(writer_ends_first, SCHEDULES);
}

#[test]
fn a_writer_that_goes_stops_every_producer_under_probabilistic_concurrency_testing() {
    shuttle::check_pct(writer_ends_first, SCHEDULES, DEPTH);
}

//! Small programs over the lock-free edges for loom to go through, each with its own claim.

use std::sync::Arc as PlainArc;
use std::sync::atomic::{AtomicUsize as PlainCount, Ordering as PlainOrdering};

use loom::model::Builder;
use loom::thread;

use crate::contract::{AreaId, Contract, DeliveryPeriod};
use crate::depth::{DepthTable, Level};
use crate::ingress::{IngressReceiver, IngressSender, Refused, ingress};
use crate::seqlock::Seqlock;
use crate::sync::Arc;
use crate::units::{Energy, Price};

/// All interleavings with up to so many switches away from a thread that could have gone on. Known faults of lock-free code show with two
/// or three (Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007). `LOOM_MAX_PREEMPTIONS` in the environment goes deeper.
fn explore(switches: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(switches));
    builder.check(model);
}

/// An item that is counted when it is dropped. (The count is no part of the model, so it is plain.)
struct Item(u8, PlainArc<PlainCount>);

impl Drop for Item {
    fn drop(&mut self) {
        self.1.fetch_add(1, PlainOrdering::Relaxed);
    }
}

/// Offers until it is taken or the writer is gone.
fn send<T>(sender: &mut IngressSender<T>, mut item: T) {
    while let Err(Refused::Full(back)) = sender.offer(item) {
        item = back;
        thread::yield_now();
    }
}

/// Drains until all producers are gone.
fn drain_all<T>(receiver: &mut IngressReceiver<T>) -> Vec<T> {
    let mut batch = Vec::new();
    while !receiver.is_finished() {
        if receiver.drain(2, &mut batch) == 0 {
            thread::yield_now();
        }
    }
    batch
}

/// Three items through a ring of two: it fills, it wraps, and both ends wait for each other.
pub(crate) fn ring_keeps_everything_in_order() {
    explore(5, || {
        let dropped = PlainArc::new(PlainCount::new(0));
        let (mut sender, mut receiver) = ingress(2);
        let count = PlainArc::clone(&dropped);
        let producer = thread::spawn(move || (0..3).for_each(|n| send(&mut sender, Item(n, PlainArc::clone(&count)))));
        let batch = drain_all(&mut receiver);
        let numbers: Vec<_> = batch.iter().map(|item| item.0).collect();
        assert_eq!(numbers, [0, 1, 2]);
        drop(batch);
        producer.join().unwrap();
        drop(receiver);
        assert_eq!(dropped.load(PlainOrdering::Relaxed), 3, "each once");
    });
}

/// Two batches of two: the writer's bounds fall between batches only.
pub(crate) fn batch_is_seen_whole() {
    explore(6, || {
        let (mut sender, mut receiver) = ingress(4);
        let producer = thread::spawn(move || {
            for first in [0, 2] {
                let mut batch = sender.batch();
                batch.offer(Box::new(first)).unwrap();
                batch.offer(Box::new(first + 1)).unwrap();
            }
        });
        let mut seen = Vec::new();
        receiver.drain(9, &mut seen);
        assert_eq!(seen.len() % 2, 0, "half a batch");
        seen.extend(drain_all(&mut receiver));
        assert_eq!(seen.iter().map(|item| **item).collect::<Vec<_>>(), [0, 1, 2, 3]);
        producer.join().unwrap();
    });
}

/// The producer sends one item and goes: nobody may take its ring for finished before the item is out.
pub(crate) fn last_items_outlive_their_producer() {
    explore(8, || {
        let (mut sender, mut receiver) = ingress(2);
        let producer = thread::spawn(move || sender.offer(Box::new(7)).unwrap());
        let mut seen = Vec::new();
        receiver.drain(1, &mut seen);
        seen.extend(drain_all(&mut receiver));
        assert_eq!(seen, [Box::new(7)], "lost");
        producer.join().unwrap();
    });
}

/// The writer goes at any moment: every item is drained, given back, or dropped with the ring, and only one of these.
pub(crate) fn writer_goes_first() {
    explore(8, || {
        let dropped = PlainArc::new(PlainCount::new(0));
        let (mut sender, mut receiver) = ingress(2);
        let count = PlainArc::clone(&dropped);
        let producer = thread::spawn(move || {
            for n in 0..3 {
                if let Err(Refused::Full(back) | Refused::Gone(back)) = sender.offer(Item(n, PlainArc::clone(&count))) {
                    assert_eq!(back.0, n, "the very item");
                }
            }
        });
        let mut batch = Vec::new();
        receiver.drain(1, &mut batch);
        drop(receiver);
        producer.join().unwrap();
        drop(batch);
        assert_eq!(dropped.load(PlainOrdering::Relaxed), 3, "each once");
    });
}

/// A producer sends, clones itself and goes, then the clone sends and goes: the writer hears both before it believes that all is over, also if the
/// change takes place while it looks from one ring to the next.
pub(crate) fn late_producer_is_heard() {
    explore(4, || {
        let (mut sender, mut receiver) = ingress(1);
        let producer = thread::spawn(move || {
            sender.offer(Box::new(1)).unwrap();
            let mut late = sender.clone();
            drop(sender);
            late.offer(Box::new(2)).unwrap();
        });
        let mut seen = drain_all(&mut receiver);
        seen.sort_unstable();
        assert_eq!(seen, [Box::new(1), Box::new(2)]);
        producer.join().unwrap();
    });
}

/// Two writings, two readings: each sees one writing whole, and the second none that is older than the first's.
pub(crate) fn seqlock_is_not_torn() {
    explore(4, || {
        let lock = Arc::new(Seqlock::<2>::new());
        let written = Arc::clone(&lock);
        let writer = thread::spawn(move || (1..3).for_each(|n| written.write([n, n])));
        let mut last = 0;
        for _ in 0..2 {
            let (first, second) = lock.read(|words| (words.word(0), words.word(1)));
            assert_eq!(first, second, "torn");
            assert!(first >= last, "time does not go back");
            last = first;
        }
        writer.join().unwrap();
    });
}

/// Two blocks change a contract. What is read is all of one of them, and at least of the one that was complete before.
pub(crate) fn depth_is_of_one_epoch() {
    const CONTRACT: Contract = Contract { area: AreaId(0), period: DeliveryPeriod(1) };
    let levels = |n: u64| -> [Level; 1] { [(Price(n as i32), Energy(n))] };
    explore(3, move || {
        let (mut writer, table) = DepthTable::new(1, 1);
        let publisher = thread::spawn(move || {
            for n in 1..3 {
                writer.publish(CONTRACT, n, &levels(n), &levels(n)[..n as usize - 1]);
                writer.complete(n);
            }
        });
        let complete = table.epoch();
        match table.read(CONTRACT) {
            None => assert_eq!(complete, 0, "behind"),
            Some(depth) => {
                assert!(depth.epoch >= complete, "behind");
                assert_eq!(depth.bids[..], levels(depth.epoch), "torn");
                assert_eq!(depth.asks.len() as u64, depth.epoch - 1, "torn");
            }
        }
        publisher.join().unwrap();
    });
}

//! The places where other threads touch the engine: the rings in front of it, the prices and depths behind it.
#![allow(clippy::disallowed_methods, reason = "these tests are about threads")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use gridbook_engine::depth::{DEPTH_LEVELS_MAX, DepthTable};
use gridbook_engine::ingress::{BURST, Refused, ingress};
use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, Price, Top, TopOfBook};
use support::drawn::{CONTRACT, Drawn};

/// A top whose four numbers all follow from one, so that a mixture of two is noticed.
fn top(n: u32) -> Top {
    let price = n as i32;
    let (bid, ask) = ((Price(-price), Energy(u64::from(n))), (Price(price), Energy(u64::from(n) << 32)));
    Top { best_bid: Some(bid), best_ask: n.is_multiple_of(3).then_some(ask) }
}

/// The writer would be through before a thread that the machine has no time for has begun. So it waits for all to have read once; one that
/// has ended is told by its join.
fn until_all_read(reading: &AtomicUsize, readers: &[thread::JoinHandle<u64>]) {
    while reading.load(Ordering::Relaxed) < readers.len() && !readers.iter().any(thread::JoinHandle::is_finished) {
        thread::yield_now();
    }
}

#[test]
fn a_reader_never_sees_half_of_one_publication_and_half_of_another() {
    const PUBLICATIONS: u32 = 200_000;
    let (mut writer, table) = TopOfBook::new(2, 3);
    let contract = Contract { area: AreaId(1), period: DeliveryPeriod(5) };
    let (done, reading) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (table, done, reading) = (Arc::clone(&table), Arc::clone(&done), Arc::clone(&reading));
            thread::spawn(move || {
                let (mut reads, mut last) = (0_u64, 0);
                while !done.load(Ordering::Relaxed) {
                    let Some(seen) = table.read(contract) else { continue };
                    let (_, Energy(n)) = seen.best_bid.unwrap();
                    let n = u32::try_from(n).unwrap();
                    assert_eq!(seen, top(n), "torn");
                    assert!(n >= last, "time does not go back");
                    if reads == 0 {
                        reading.fetch_add(1, Ordering::Relaxed);
                    }
                    (reads, last) = (reads + 1, n);
                }
                reads
            })
        })
        .collect();
    writer.publish(contract, top(1));
    until_all_read(&reading, &readers);
    for n in 2..=PUBLICATIONS {
        writer.publish(contract, top(n));
        if n % 4096 == 0 {
            thread::yield_now();
        }
    }
    done.store(true, Ordering::Relaxed);
    let reads: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    assert!(reads > 0, "somebody read");
    assert_eq!(table.read(contract), Some(top(PUBLICATIONS)));
}

#[test]
fn every_item_arrives_once_and_each_producers_in_its_order() {
    const PRODUCERS: usize = 3;
    const ITEMS: usize = 20_000;
    let (sender, mut receiver) = ingress(64);
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let mut sender = sender.clone();
            thread::spawn(move || {
                for item in 0..ITEMS {
                    let mut waiting = (producer, item);
                    while let Err(refused) = sender.offer(waiting) {
                        assert!(matches!(refused, Refused::Full(_)));
                        waiting = refused.into_item();
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    drop(sender);
    let (mut batch, mut next) = (Vec::new(), [0; PRODUCERS]);
    while !receiver.is_finished() {
        if receiver.drain(32, &mut batch) == 0 {
            thread::yield_now();
        }
        assert!(batch.len() <= 32, "no more than was asked for");
        for (producer, item) in batch.drain(..) {
            assert_eq!(item, next[producer], "in order");
            next[producer] += 1;
        }
    }
    assert_eq!(next, [ITEMS; PRODUCERS]);
    producers.into_iter().for_each(|producer| producer.join().unwrap());
}

#[test]
fn a_full_ring_gives_the_item_back_and_takes_it_once_there_is_room() {
    let (mut sender, mut receiver) = ingress(2);
    sender.offer("first").unwrap();
    sender.offer("second").unwrap();
    let refused = sender.offer("third").unwrap_err();
    assert_eq!(refused, Refused::Full("third"));

    let mut batch = Vec::new();
    assert_eq!(receiver.drain(1, &mut batch), 1);
    sender.offer(refused.into_item()).unwrap();
    receiver.drain(usize::MAX, &mut batch);
    assert_eq!(batch, ["first", "second", "third"]);
}

#[test]
fn the_writer_sees_nothing_of_a_batch_before_it_is_closed_or_the_ring_is_full() {
    let (mut sender, mut receiver) = ingress(4);
    let mut seen = Vec::new();
    let mut batch = sender.batch();
    batch.offer(1).unwrap();
    batch.offer(2).unwrap();
    assert_eq!((receiver.drain(9, &mut seen), receiver.is_empty()), (0, true));
    drop(batch);
    assert_eq!(receiver.len(), 2);
    assert_eq!(receiver.drain(9, &mut seen), 2);

    let mut batch = sender.batch();
    (3..7).for_each(|item| batch.offer(item).unwrap());
    assert_eq!(receiver.drain(9, &mut seen), 0);
    assert_eq!(batch.offer(7), Err(Refused::Full(7)), "and so the batch is shown, or this would never end");
    assert_eq!(receiver.drain(9, &mut seen), 4);
    batch.offer(7).unwrap();
    drop(batch);
    receiver.drain(9, &mut seen);
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn what_a_producer_sent_before_it_left_is_still_drained() {
    let (mut sender, mut receiver) = ingress(4);
    sender.offer(1).unwrap();
    let mut late = sender.clone();
    drop(sender);
    assert!(!receiver.is_finished());
    receiver.drain(9, &mut Vec::new());
    assert!(!receiver.is_finished(), "the other is still there");
    late.offer(2).unwrap();
    drop(late.clone());
    drop(late);
    assert!(!receiver.is_finished());
    receiver.drain(9, &mut Vec::new());
    assert!(receiver.is_finished());
}

#[test]
fn a_batch_that_nobody_closed_is_seen_at_the_latest_when_its_producer_leaves() {
    let (mut sender, mut receiver) = ingress(4);
    let mut batch = sender.batch();
    batch.offer(1).unwrap();
    std::mem::forget(batch);
    drop(sender);
    let mut seen = Vec::new();
    receiver.drain(9, &mut seen);
    assert_eq!(seen, [1]);
}

#[test]
fn every_producer_learns_that_the_writer_is_gone() {
    let (mut sender, mut receiver) = ingress(4);
    let mut known = sender.clone();
    receiver.drain(9, &mut Vec::new());
    let mut unknown = sender.clone();
    drop(receiver);
    let mut late = sender.clone();
    for sender in [&mut sender, &mut known, &mut unknown, &mut late] {
        assert_eq!(sender.offer(7), Err(Refused::Gone(7)));
    }
}

#[test]
fn what_nobody_drained_is_dropped_with_the_ring() {
    let item = Arc::new(());
    let (mut sender, mut receiver) = ingress(4);
    for turn in 0..3 {
        (0..4).for_each(|_| sender.offer(Arc::clone(&item)).unwrap());
        receiver.drain(if turn < 2 { 4 } else { 1 }, &mut Vec::new());
    }
    assert_eq!(Arc::strong_count(&item), 4);
    drop(receiver);
    assert_eq!(Arc::strong_count(&item), 4, "the producer may still look");
    drop(sender);
    assert_eq!(Arc::strong_count(&item), 1);
}

fn levels(n: u64, count: usize) -> Vec<(Price, Energy)> {
    (0..count as i32).map(|place| (Price(-place), Energy(n))).collect()
}

#[test]
fn a_depth_keeps_the_best_levels_and_the_epoch_it_is_of() {
    let (mut writer, table) = DepthTable::new(2, 4);
    let contract = |area, period| Contract { area: AreaId(area), period: DeliveryPeriod(period) };
    assert_eq!((table.epoch(), table.read(contract(1, 6))), (0, None));
    writer.publish(contract(1, 6), 41, &levels(u64::MAX, 20), &[(Price(i32::MIN), Energy(1))]);
    writer.complete(41);
    let depth = table.read(contract(1, 6)).unwrap();
    assert_eq!((table.epoch(), depth.epoch), (41, 41));
    assert_eq!(depth.bids[..], levels(u64::MAX, DEPTH_LEVELS_MAX));
    assert_eq!(depth.asks[..], [(Price(i32::MIN), Energy(1))]);
    assert_eq!(table.read(contract(1, 2)), None, "the same row, another period");
    writer.publish(contract(2, 6), 42, &[], &[]); // there is no such area

    writer.publish(contract(1, 2), 42, &[], &[]);
    assert_eq!(table.read(contract(1, 6)), Some(depth), "an old period that is cleared does not wipe out a new one");
    writer.publish(contract(1, 6), 43, &[], &levels(7, 1));
    let depth = table.read(contract(1, 6)).unwrap();
    assert_eq!((depth.epoch, depth.bids.len(), &depth.asks[..]), (43, 0, &levels(7, 1)[..]));
}

#[test]
fn a_reader_of_depths_sees_one_epoch_whole_and_none_older_than_what_is_complete() {
    const EPOCHS: u64 = 30_000;
    let (mut writer, table) = DepthTable::new(1, 1);
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(5) };
    let (bids, asks) = (|n: u64| levels(n, (n % 17) as usize), |n: u64| levels(n << 32, (n % 13) as usize));
    let reading = Arc::new(AtomicUsize::new(0));
    let reader = thread::spawn({
        let (table, reading) = (Arc::clone(&table), Arc::clone(&reading));
        move || {
            let mut reads = 0_u64;
            while table.epoch() < EPOCHS {
                let complete = table.epoch();
                let Some(seen) = table.read(contract) else { continue };
                assert!(seen.epoch >= complete, "behind");
                assert_eq!((&seen.bids[..], &seen.asks[..]), (&bids(seen.epoch)[..], &asks(seen.epoch)[..]), "torn");
                if reads == 0 {
                    reading.fetch_add(1, Ordering::Relaxed);
                }
                reads += 1;
            }
            reads
        }
    });
    writer.publish(contract, 1, &bids(1), &asks(1));
    writer.complete(1);
    until_all_read(&reading, std::slice::from_ref(&reader));
    for n in 2..=EPOCHS {
        writer.publish(contract, n, &bids(n), &asks(n));
        writer.complete(n);
        if n % 256 == 0 {
            thread::yield_now();
        }
    }
    assert!(reader.join().unwrap() > 0, "somebody read");
}

/// One producer always has a full ring, others send now and then: they wait for a burst of the noisy one, not for all it has.
#[test]
fn a_noisy_producer_does_not_starve_the_others() {
    let (mut noisy, mut receiver) = ingress(1024);
    let mut quiet = [noisy.clone(), noisy.clone()];
    let mut seen = Vec::new();
    for _ in 0..20 {
        while noisy.offer(0).is_ok() {}
        quiet.iter_mut().for_each(|quiet| quiet.offer(1).unwrap());
        receiver.drain(3 * BURST, &mut seen);
        assert_eq!(seen.iter().sum::<usize>(), 2, "both came through in one turn");
        assert_eq!(seen.drain(..).count(), 3 * BURST);
    }
}

#[test]
fn short_drains_take_from_each_in_turn() {
    let (mut first, mut receiver) = ingress(8);
    let mut second = first.clone();
    for _ in 0..4 {
        first.offer("first").unwrap();
        second.offer("second").unwrap();
    }
    let mut seen = Vec::new();
    (0..4).for_each(|_| assert_eq!(receiver.drain(1, &mut seen), 1));
    assert_eq!(seen, ["first", "second", "first", "second"]);
}

#[test]
fn what_is_published_follows_the_book_through_trades_rollbacks_and_sweeps() {
    let (writer, table) = TopOfBook::new(2, 16);
    let mut market = Drawn::new();
    market.buy("a1", 10, 20);
    market.engine.publish_to(writer);
    let best = |bid: Option<(i32, u64)>, ask: Option<(i32, u64)>| {
        let level = |level: Option<(i32, u64)>| level.map(|(price, energy)| (Price(price), Energy(energy)));
        Some(Top { best_bid: level(bid), best_ask: level(ask) })
    };
    assert_eq!(table.read(CONTRACT), best(Some((20, 10)), None), "what rested before");

    market.buy("b1", 5, 20);
    market.sell("c1", 10, 30);
    assert_eq!(table.read(CONTRACT), best(Some((20, 10)), None), "not published yet");
    market.engine.publish();
    assert_eq!(table.read(CONTRACT), best(Some((20, 15)), Some((30, 10))));

    let mark = market.engine.mark();
    market.sell("d1", 15, 20);
    market.engine.publish();
    assert_eq!(table.read(CONTRACT), best(None, Some((30, 10))));
    market.engine.rollback(mark);
    market.engine.publish();
    assert_eq!(table.read(CONTRACT), best(Some((20, 15)), Some((30, 10))));

    market.engine.advance(gridbook_engine::LedgerTime(115 * 60_000));
    market.engine.sweep(9, &mut gridbook_engine::Unlimited, &mut Vec::new());
    market.engine.publish();
    assert_eq!(table.read(CONTRACT), best(None, None));
}

//! The two places where other threads touch the engine: the ring in front of it and the prices behind it.
#![allow(clippy::disallowed_methods, reason = "these tests are about threads")]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gridbook_engine::ingress::{Refused, ingress};
use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, Price, Top, TopOfBook};
use support::drawn::{CONTRACT, Drawn};

/// A top whose four numbers all follow from one, so that a mixture of two is noticed.
fn top(n: u32) -> Top {
    let price = n as i32;
    let (bid, ask) = ((Price(-price), Energy(u64::from(n))), (Price(price), Energy(u64::from(n) << 32)));
    Top { best_bid: Some(bid), best_ask: n.is_multiple_of(3).then_some(ask) }
}

#[test]
fn a_reader_never_sees_half_of_one_publication_and_half_of_another() {
    const PUBLICATIONS: u32 = 200_000;
    let (mut writer, table) = TopOfBook::new(2, 3);
    let contract = Contract { area: AreaId(1), period: DeliveryPeriod(5) };
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (table, done) = (Arc::clone(&table), Arc::clone(&done));
            thread::spawn(move || {
                let (mut reads, mut last) = (0_u64, 0);
                while !done.load(Ordering::Relaxed) {
                    let Some(seen) = table.read(contract) else { continue };
                    let (_, Energy(n)) = seen.best_bid.unwrap();
                    let n = u32::try_from(n).unwrap();
                    assert_eq!(seen, top(n), "torn");
                    assert!(n >= last, "time does not go back");
                    (reads, last) = (reads + 1, n);
                }
                reads
            })
        })
        .collect();
    for n in 1..=PUBLICATIONS {
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
            let sender = sender.clone();
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

//! Queues against an ordered map of the same orders.

use super::{NIL, Orders, Queue};
use crate::units::Energy;
use std::collections::BTreeMap;

/// Orders as a queue sees them.
#[derive(Default)]
struct Shelf {
    keys: Vec<u64>,
    shown: Vec<u64>,
    next: Vec<u32>,
    prev: Vec<u32>,
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

/// Everything that a queue says must be what the map says.
fn compare(queue: &Queue, model: &BTreeMap<u64, u32>, shelf: &Shelf) {
    assert_eq!(queue.len() as usize, model.len());
    assert_eq!(queue.is_empty(), model.is_empty());
    assert_eq!(queue.best_key(), model.keys().next().copied().unwrap_or(Queue::NOTHING));
    assert_eq!(queue.best(), model.values().next().copied());
    assert!(queue.slots(shelf).eq(model.values().copied()));
    let mut levels: BTreeMap<u32, u128> = BTreeMap::new();
    for (&key, &slot) in model {
        *levels.entry((key >> 32) as u32).or_default() += u128::from(shelf.shown[slot as usize]);
    }
    assert!(queue.levels(shelf).eq(levels));
    for ((_, &slot), after) in model.iter().zip(model.values().skip(1).map(Some).chain([None])) {
        assert_eq!(queue.after(shelf, slot), after.copied());
    }
}

#[test]
fn orders_come_out_by_price_and_then_by_priority_wherever_they_went_in() {
    let mut shelf = Shelf::default();
    let mut queue = Queue::new();
    let mut model = BTreeMap::new();
    compare(&queue, &model, &shelf);
    for (price, priority) in [(5, 1), (3, 2), (3, 4), (3, 3), (0, 9), (u32::MAX, 0), (5, 0)] {
        let slot = shelf.add(price, priority, u64::MAX);
        queue.insert(&mut shelf, slot, 1);
        model.insert(shelf.keys[slot as usize], slot);
        compare(&queue, &model, &shelf);
    }
    while let Some((key, slot)) = model.pop_last() {
        assert_eq!(shelf.key(slot), key);
        queue.remove(&mut shelf, slot);
        compare(&queue, &model, &shelf);
    }
}

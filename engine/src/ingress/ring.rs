//! A bounded ring from one producer to one consumer, after Lamport, "Specifying concurrent program modules" (TOPLAS 1983).
//!
//! Two counters say how many items were ever put in and taken out. Each has one writer: the producer stores `put` with release after it
//! has filled slots, the consumer `taken` with release after it has emptied them, and each loads the other's with acquire before
//! it touches a slot. Each end keeps the last value it saw of the other's counter and looks again only when that one does not do, so the two
//! threads share a cache line about once per batch instead of once per item.

#![allow(unsafe_code, reason = "slots change hands between threads; the counters say whose they are")]

use core::fmt;
use core::mem::MaybeUninit;

use crossbeam::utils::CachePadded;

use super::Refused;
use crate::sync::{Arc, AtomicBool, AtomicUsize, Ordering, UnsafeCell};

struct Ring<T> {
    /// A power of two of them. Those from `taken` to `put`, modulo their number, hold an item.
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
    producer_is_gone: AtomicBool,
    consumer_is_gone: AtomicBool,
    put: CachePadded<AtomicUsize>,
    taken: CachePadded<AtomicUsize>,
}

// SAFETY: a slot is reached by the producer alone while it lies outside `taken..put`, by the consumer alone while inside, and the
// release stores and acquire loads of the counters order the two. So items are moved from thread to thread, never shared.
unsafe impl<T: Send> Sync for Ring<T> {}

/// The end where items go in.
#[derive(Debug)]
pub(super) struct Producer<T> {
    ring: Arc<Ring<T>>,
    /// How many were put in, including those not published yet.
    put: usize,
    published: usize,
    /// At least so many have been taken out.
    taken_seen: usize,
}

/// The end where items come out.
#[derive(Debug)]
pub(super) struct Consumer<T> {
    ring: Arc<Ring<T>>,
    taken: usize,
    /// At least so many have been put in.
    put_seen: usize,
}

/// A ring with room for `capacity` items, rounded up to a power of two.
///
/// # Panics
/// If `capacity` is zero.
pub(super) fn ring<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    assert!(capacity > 0, "a ring without room passes nothing on");
    let slots = (0..capacity.next_power_of_two()).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
    let ring = Arc::new(Ring {
        slots,
        producer_is_gone: AtomicBool::new(false),
        consumer_is_gone: AtomicBool::new(false),
        put: CachePadded::new(AtomicUsize::new(0)),
        taken: CachePadded::new(AtomicUsize::new(0)),
    });
    let producer = Producer { ring: Arc::clone(&ring), put: 0, published: 0, taken_seen: 0 };
    (producer, Consumer { ring, taken: 0, put_seen: 0 })
}

impl<T> Ring<T> {
    #[inline]
    fn slot(&self, count: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[count & (self.slots.len() - 1)]
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // Both ends are gone, and the last count of the ring's owners ordered what they did before this.
        let (mut count, put) = (self.taken.load(Ordering::Relaxed), self.put.load(Ordering::Relaxed));
        while count != put {
            // SAFETY: the slots from `taken` to `put` hold an item each, and nobody else can reach them any more.
            self.slot(count).with_mut(|slot| unsafe { (*slot).assume_init_drop() });
            count = count.wrapping_add(1);
        }
    }
}

impl<T> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("put", &self.put).field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl<T> Producer<T> {
    /// Puts an item in, unseen until [`Producer::publish`].
    #[inline]
    pub(super) fn put(&mut self, item: T) -> Result<(), Refused<T>> {
        if self.ring.consumer_is_gone.load(Ordering::Relaxed) {
            return Err(Refused::Gone(item));
        }
        if self.is_full() {
            self.taken_seen = self.ring.taken.load(Ordering::Acquire);
            if self.is_full() {
                // Else whoever waits for room in the middle of a batch would wait for ever.
                self.publish();
                return Err(Refused::Full(item));
            }
        }
        // SAFETY: the slot lies outside `taken..put`: the consumer emptied it, if it was ever full, before the store of `taken` that was
        // loaded here with acquire, and will not reach it before `put` is stored. There is one producer: this method takes it by `&mut`.
        self.ring.slot(self.put).with_mut(|slot| unsafe { _ = (*slot).write(item) });
        self.put = self.put.wrapping_add(1);
        Ok(())
    }

    /// Shows the consumer all that was put in, by one store.
    #[inline]
    pub(super) fn publish(&mut self) {
        if self.published != self.put {
            self.published = self.put;
            self.ring.put.store(self.put, Ordering::Release);
        }
    }

    /// How many items fit.
    pub(super) fn capacity(&self) -> usize {
        self.ring.slots.len()
    }

    fn is_full(&self) -> bool {
        self.put.wrapping_sub(self.taken_seen) == self.capacity()
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.publish();
        // Release: whoever sees the producer gone sees everything that it put in.
        self.ring.producer_is_gone.store(true, Ordering::Release);
    }
}

impl<T> Consumer<T> {
    /// Moves up to `max` items to the end of `batch`, oldest first; tells how many.
    #[inline]
    pub(super) fn take(&mut self, max: usize, batch: &mut Vec<T>) -> usize {
        let mut waiting = self.put_seen.wrapping_sub(self.taken);
        if waiting < max {
            self.put_seen = self.ring.put.load(Ordering::Acquire);
            waiting = self.put_seen.wrapping_sub(self.taken);
        }
        let count = waiting.min(max);
        if count == 0 {
            return 0;
        }
        // Before the first item is moved, so that nothing can fail once one is.
        batch.reserve(count);
        let (ring, first) = (&self.ring, self.taken);
        batch.extend((0..count).map(|offset| {
            // SAFETY: the slot lies inside `taken..put`: the producer filled it before the store of `put` that was loaded here with
            // acquire, and will not reach it before `taken` is stored. There is one consumer, and it moves past the slot below.
            ring.slot(first.wrapping_add(offset)).with_mut(|slot| unsafe { (*slot).assume_init_read() })
        }));
        self.taken = first.wrapping_add(count);
        self.ring.taken.store(self.taken, Ordering::Release);
        count
    }

    /// How many items wait. The producer may be adding to them.
    pub(super) fn len(&self) -> usize {
        self.ring.put.load(Ordering::Relaxed).wrapping_sub(self.taken)
    }

    /// Whether the producer is gone and all that it put in was taken out.
    pub(super) fn is_finished(&self) -> bool {
        // The producer first: whoever sees it gone sees all that it put in.
        self.ring.producer_is_gone.load(Ordering::Acquire) && self.len() == 0
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.ring.consumer_is_gone.store(true, Ordering::Relaxed);
    }
}

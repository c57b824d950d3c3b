//! The way in: a lock-free ring from each producer to the one writer, who empties them in turn.
//!
//! Nothing is lost and nothing blocks. A full ring says so and gives the item back; the producer decides whether to try again,
//! to answer its client, or to drop a connection. Items of one producer arrive in its order; producers among each other have none.
//! How the writer is woken is the business of whoever has threads.
//!
//! # Why a ring for each, and why our own
//!
//! Producers that share a queue pay for each other with a contended exchange per item; a ring with one producer needs plain
//! stores, and one of them makes a whole batch visible. It also bounds each producer by itself: one that floods fills its own ring,
//! and the writer takes at most [`BURST`] items from it before it looks at the next.
//!
//! The crate `rtrb` has such a ring, as fast as this one. But its atomics cannot be replaced by those of a model checker, so what holds it
//! together would have to be believed. Ours is a page, the only one in this crate with `unsafe`, and loom goes through its
//! interleavings in every run of the tests.

mod ring;

use core::fmt;

use crate::sync::{Arc, AtomicBool, Mutex, Ordering};
use ring::{Consumer, Producer, ring};

/// How many items the writer takes from one producer before it looks at the next.
pub const BURST: usize = 64;

/// Why an item was not taken in; the item comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused<T> {
    /// The producer's ring is full: try again later, or answer the client.
    #[error("the ingress ring is full")]
    Full(T),
    /// The writer is gone.
    #[error("the writer behind the ingress ring is gone")]
    Gone(T),
}

impl<T> Refused<T> {
    /// The item that was not taken in.
    pub fn into_item(self) -> T {
        match self {
            Self::Full(item) | Self::Gone(item) => item,
        }
    }
}

impl<T> fmt::Debug for Refused<T> {
    /// Names the reason only, so that items need not be printable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Gone(_) => "Gone",
        })
    }
}

/// A producer's end, with a ring of its own. Clone it for every thread that takes commands in: a clone gets a new, empty ring, which
/// takes a lock and memory once.
#[derive(Debug)]
pub struct IngressSender<T> {
    ring: Producer<T>,
    entrance: Arc<Entrance<T>>,
}

/// Items on their way in together: the writer sees none of them before this is dropped, then all of them by one store. (Or before: a ring
/// that is full shows what it has.)
#[derive(Debug)]
pub struct Batch<'a, T>(&'a mut Producer<T>);

/// The writer's end: there is one.
#[derive(Debug)]
pub struct IngressReceiver<T> {
    rings: Vec<Consumer<T>>,
    /// The ring whose turn is next.
    turn: usize,
    entrance: Arc<Entrance<T>>,
}

/// Where new rings wait until the writer takes them over.
#[derive(Debug)]
struct Entrance<T> {
    capacity: usize,
    /// Saves the writer the lock. It is changed under the lock, which orders what it stands for.
    has_newcomers: AtomicBool,
    newcomers: Mutex<Newcomers<T>>,
}

#[derive(Debug)]
struct Newcomers<T> {
    rings: Vec<Consumer<T>>,
    writer_is_gone: bool,
}

/// The first producer's end, with room for `capacity` items (rounded up to a power of two, as every clone of it will have), and the writer's.
///
/// # Panics
/// If `capacity` is zero.
pub fn ingress<T>(capacity: usize) -> (IngressSender<T>, IngressReceiver<T>) {
    let newcomers = Mutex::new(Newcomers { rings: Vec::new(), writer_is_gone: false });
    let entrance = Arc::new(Entrance { capacity, has_newcomers: AtomicBool::new(false), newcomers });
    let (producer, consumer) = ring(capacity);
    let sender = IngressSender { ring: producer, entrance: Arc::clone(&entrance) };
    (sender, IngressReceiver { rings: vec![consumer], turn: 0, entrance })
}

impl<T> IngressSender<T> {
    /// Puts an item at the end of this producer's ring.
    ///
    /// # Errors
    /// [`Refused`] with the item, if the ring is full or the writer is gone.
    #[inline]
    pub fn offer(&mut self, item: T) -> Result<(), Refused<T>> {
        self.batch().offer(item)
    }

    /// Opens a batch: what is offered to it costs the writer and this producer one meeting, not one for each item.
    #[inline]
    pub fn batch(&mut self) -> Batch<'_, T> {
        Batch(&mut self.ring)
    }

    /// How many items fit into this producer's ring.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

impl<T> Batch<'_, T> {
    /// Puts an item at the end of the batch.
    ///
    /// # Errors
    /// [`Refused`] with the item, if the ring is full or the writer is gone.
    #[inline]
    pub fn offer(&mut self, item: T) -> Result<(), Refused<T>> {
        self.0.put(item)
    }
}

impl<T> Drop for Batch<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.publish();
    }
}

impl<T> Clone for IngressSender<T> {
    fn clone(&self) -> Self {
        Self { ring: self.entrance.admit(), entrance: Arc::clone(&self.entrance) }
    }
}

impl<T> Entrance<T> {
    fn admit(&self) -> Producer<T> {
        let (producer, consumer) = ring(self.capacity);
        self.with_newcomers(|newcomers| {
            // Behind a writer who has gone the consumer's end ends here, and so the producer learns of it.
            if !newcomers.writer_is_gone {
                newcomers.rings.push(consumer);
                self.has_newcomers.store(true, Ordering::Relaxed);
            }
        });
        producer
    }

    /// Nothing that is done under the lock can leave it half done, so a thread that died with it does no harm.
    fn with_newcomers<R>(&self, look: impl FnOnce(&mut Newcomers<T>) -> R) -> R {
        look(&mut self.newcomers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl<T> IngressReceiver<T> {
    /// Moves up to `max` items to the end of `batch`, those of each producer oldest first; tells how many.
    ///
    /// Producers take turns of at most [`BURST`] items, from call to call too, until `max` are there or nobody has any left.
    pub fn drain(&mut self, max: usize, batch: &mut Vec<T>) -> usize {
        self.take_over_newcomers();
        let (mut left, mut dry_in_a_row, mut some_are_empty) = (max, 0, false);
        while left > 0 && dry_in_a_row < self.rings.len() {
            self.turn = if self.turn < self.rings.len() { self.turn } else { 0 };
            let wanted = left.min(BURST);
            let taken = self.rings[self.turn].take(wanted, batch);
            self.turn += 1;
            left -= taken;
            dry_in_a_row = if taken < wanted { dry_in_a_row + 1 } else { 0 };
            some_are_empty |= taken == 0;
        }
        if some_are_empty {
            self.rings.retain(|ring| !ring.is_finished());
        }
        max - left
    }

    /// Whether all producers are gone and everything they sent has been drained: nothing will ever come again.
    pub fn is_finished(&self) -> bool {
        // The known rings first. Only a producer brings a new one, and does so before it goes: whoever sees it gone sees the new one.
        self.rings.iter().all(Consumer::is_finished) && self.newcomers_all(Consumer::is_finished)
    }

    /// How many items wait. Others may be adding to them.
    pub fn len(&self) -> usize {
        let known: usize = self.rings.iter().map(Consumer::len).sum();
        let new = |newcomers: &mut Newcomers<T>| newcomers.rings.iter().map(Consumer::len).sum::<usize>();
        known + if self.has_newcomers() { self.entrance.with_newcomers(new) } else { 0 }
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.rings.iter().all(|ring| ring.len() == 0) && self.newcomers_all(|ring| ring.len() == 0)
    }

    fn has_newcomers(&self) -> bool {
        self.entrance.has_newcomers.load(Ordering::Relaxed)
    }

    fn newcomers_all(&self, holds: impl Fn(&Consumer<T>) -> bool) -> bool {
        !self.has_newcomers() || self.entrance.with_newcomers(|newcomers| newcomers.rings.iter().all(holds))
    }

    fn take_over_newcomers(&mut self) {
        if self.has_newcomers() {
            let Self { rings, entrance, .. } = self;
            entrance.with_newcomers(|newcomers| {
                entrance.has_newcomers.store(false, Ordering::Relaxed);
                rings.append(&mut newcomers.rings);
            });
        }
    }
}

impl<T> Drop for IngressReceiver<T> {
    fn drop(&mut self) {
        let orphans = self.entrance.with_newcomers(|newcomers| {
            newcomers.writer_is_gone = true;
            core::mem::take(&mut newcomers.rings)
        });
        drop(orphans);
    }
}

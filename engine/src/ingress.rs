//! The way in: a bounded lock-free ring from many producers to the one writer.
//!
//! Nothing is lost and nothing blocks. A full ring says so and gives the item back; the producer decides whether to try again,
//! to answer its client, or to drop a connection. How the writer is woken is the business of whoever has threads.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

/// Why an item was not taken in; the item comes back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused<T> {
    /// The ring is full: try again later, or answer the client.
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

#[derive(Debug)]
struct Ring<T> {
    items: ArrayQueue<T>,
    producers: AtomicUsize,
    writer_is_gone: AtomicBool,
}

/// A producer's end. Clone it for every thread that takes commands in.
#[derive(Debug)]
pub struct IngressSender<T>(Arc<Ring<T>>);

/// The writer's end: there is one.
#[derive(Debug)]
pub struct IngressReceiver<T>(Arc<Ring<T>>);

/// A ring with room for `capacity` items.
///
/// # Panics
/// If `capacity` is zero.
pub fn ingress<T>(capacity: usize) -> (IngressSender<T>, IngressReceiver<T>) {
    let ring = Arc::new(Ring {
        items: ArrayQueue::new(capacity),
        producers: AtomicUsize::new(1),
        writer_is_gone: AtomicBool::new(false),
    });
    (IngressSender(Arc::clone(&ring)), IngressReceiver(ring))
}

impl<T> IngressSender<T> {
    /// Puts an item at the end of the ring, behind all that this producer has put there before.
    ///
    /// # Errors
    /// [`Refused`] with the item, if the ring is full or the writer is gone.
    pub fn offer(&self, item: T) -> Result<(), Refused<T>> {
        if self.0.writer_is_gone.load(Ordering::Acquire) {
            return Err(Refused::Gone(item));
        }
        self.0.items.push(item).map_err(Refused::Full)
    }
}

impl<T> Clone for IngressSender<T> {
    fn clone(&self) -> Self {
        self.0.producers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for IngressSender<T> {
    fn drop(&mut self) {
        // Release: whoever sees this producer gone sees everything that it put in.
        self.0.producers.fetch_sub(1, Ordering::Release);
    }
}

impl<T> IngressReceiver<T> {
    /// Moves up to `max` items to the end of `batch`, oldest first; tells how many.
    pub fn drain(&mut self, max: usize, batch: &mut Vec<T>) -> usize {
        let before = batch.len();
        batch.extend(core::iter::from_fn(|| self.0.items.pop()).take(max));
        batch.len() - before
    }

    /// Whether all producers are gone and everything they sent has been drained: nothing will ever come again.
    pub fn is_finished(&self) -> bool {
        // The producers first: once they are gone, an empty ring stays empty.
        self.0.producers.load(Ordering::Acquire) == 0 && self.0.items.is_empty()
    }

    /// How many items wait. Others may be adding to them.
    pub fn len(&self) -> usize {
        self.0.items.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.items.is_empty()
    }

    /// How many items fit.
    pub fn capacity(&self) -> usize {
        self.0.items.capacity()
    }
}

impl<T> Drop for IngressReceiver<T> {
    fn drop(&mut self) {
        self.0.writer_is_gone.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_gives_the_item_back_and_takes_it_once_there_is_room() {
        let (sender, mut receiver) = ingress(2);
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
    fn what_a_producer_sent_before_it_left_is_still_drained() {
        let (sender, mut receiver) = ingress(4);
        sender.offer(1).unwrap();
        drop(sender);
        assert!(!receiver.is_finished());
        receiver.drain(9, &mut Vec::new());
        assert!(receiver.is_finished());
    }

    #[test]
    fn a_producer_learns_that_the_writer_is_gone() {
        let (sender, receiver) = ingress(4);
        drop(receiver);
        assert_eq!(sender.offer(7), Err(Refused::Gone(7)));
    }
}

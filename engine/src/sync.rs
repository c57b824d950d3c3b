//! What the lock-free edges are made of, in one place, so that the model checkers can put their own in its stead.
//!
//! A test crate that includes an edge's source file brings a module `sync` of its own, with the same names from loom or shuttle: what is
//! checked is the file that ships, and it is checked by a plain `cargo test`.

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::sync::{Arc, Mutex};

/// A cell whose value is reached through a raw pointer, so that a model checker can watch who reaches it when.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Whoever follows the pointer vouches that nobody else does at that time.
    #[inline]
    pub(crate) fn with_mut<R>(&self, reach: impl FnOnce(*mut T) -> R) -> R {
        reach(self.0.get())
    }
}

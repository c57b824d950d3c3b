//! Weighs what a thread holds in memory, so that an input that claims much is seen when it gets much.
//!
//! A program that weighs says `#[global_allocator] static SCALE: Scale = Scale;`. Without that every weight is 0.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, weighed.
#[derive(Clone, Copy, Debug)]
pub struct Scale;

#[derive(Clone, Copy, Default)]
struct Weight {
    held_bytes: i64,
    most_bytes: i64,
}

thread_local! {
    static WEIGHT: Cell<Weight> = const { Cell::new(Weight { held_bytes: 0, most_bytes: 0 }) };
}

/// The most bytes that this thread held at a time beyond what it held before, while it did `work`.
pub fn most_bytes_during(work: impl FnOnce()) -> u64 {
    let before = WEIGHT.with(|cell| {
        let held_bytes = cell.get().held_bytes;
        cell.set(Weight { held_bytes, most_bytes: held_bytes });
        held_bytes
    });
    work();
    let most = WEIGHT.with(Cell::get).most_bytes - before;
    u64::try_from(most).unwrap_or(0)
}

fn weigh(taken: usize, given_back: usize) {
    // A thread that ends may still free: then there is nothing to weigh with.
    let _ = WEIGHT.try_with(|cell| {
        let Weight { held_bytes, most_bytes } = cell.get();
        let signed = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let held_bytes = held_bytes.saturating_add(signed(taken)).saturating_sub(signed(given_back));
        cell.set(Weight { held_bytes, most_bytes: most_bytes.max(held_bytes) });
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged, and weighing allocates nothing.
unsafe impl GlobalAlloc for Scale {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        weigh(layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        weigh(layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        weigh(0, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it moves, both are there.
        weigh(size, 0);
        weigh(0, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.realloc(place, layout, size) }
    }
}

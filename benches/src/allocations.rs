//! Counts what is allocated, and weighs the process.
//!
//! A benchmark that counts says `#[global_allocator] static COUNTING: Counting = Counting;`. The count is the thread's own, a plain
//! number without atomics, so that it costs next to nothing.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counted.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// What a thread has allocated so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Allocations, and every growth of one.
    pub calls: u64,
    /// Bytes asked for in all of them.
    pub bytes: u64,
    /// Bytes asked for and not given back; what other threads give back is not seen.
    pub live_bytes: i64,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { calls: 0, bytes: 0, live_bytes: 0 }) };
}

/// What this thread has allocated since it began; all zero where nothing counts.
pub fn count() -> Count {
    COUNT.with(Cell::get)
}

fn add(taken: usize, given_back: usize) {
    // A thread that ends may still free: then there is nothing to count into.
    let _ = COUNT.try_with(|cell| {
        let Count { calls, bytes, live_bytes } = cell.get();
        let signed = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        cell.set(Count {
            calls: calls + u64::from(taken > 0),
            bytes: bytes + taken as u64,
            live_bytes: live_bytes + signed(taken) - signed(given_back),
        });
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        add(0, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Bytes of this process that are in memory.
pub fn resident_bytes() -> u64 {
    const PAGE: u64 = 4_096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE
}

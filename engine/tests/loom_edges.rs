//! Every interleaving, and every value that an atomic may show, of small programs over the lock-free edges.
//!
//! The files are those that ship, compiled once more into this test over loom's atomics and cells: see `engine/src/sync.rs`.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod models;

/// What the edges are made of, in loom's world.
mod sync {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::sync::{Arc, Mutex};
}

include!("models/sources.rs");

#[test]
fn a_ring_keeps_the_order_and_loses_and_doubles_nothing() {
    models::ring_keeps_everything_in_order();
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    models::batch_is_seen_whole();
}

#[test]
fn whoever_sees_the_producer_gone_has_seen_all_it_sent() {
    models::last_items_outlive_their_producer();
}

#[test]
fn what_is_under_way_when_the_writer_goes_is_dropped_once() {
    models::writer_goes_first();
}

#[test]
fn a_producer_that_joins_late_is_not_missed() {
    models::late_producer_is_heard();
}

#[test]
fn a_reader_of_a_seqlock_never_sees_a_mixture() {
    models::seqlock_is_not_torn();
}

#[test]
fn a_depth_is_of_one_epoch_and_no_older_than_the_completed_one() {
    models::depth_is_of_one_epoch();
}

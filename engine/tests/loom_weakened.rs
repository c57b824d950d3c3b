//! The models of `loom_edges` again, with every ordering weakened to relaxed: each must find the fault, or it would find none.
//!
//! A model that finds a fault may end its process (the ring's own destructor trips over the fault once more while the stack unwinds), so
//! each runs in a process of its own.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod models;

use std::process::Command;

/// What the edges are made of, with orderings that order nothing.
mod sync {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
    pub(crate) use loom::sync::{Arc, Mutex};

    /// Stands where the orderings stand; all its members are the weakest.
    #[derive(Debug)]
    pub(crate) struct Ordering;

    #[expect(non_upper_case_globals, reason = "the names of the orderings that they replace")]
    impl Ordering {
        pub(crate) const Relaxed: loom::sync::atomic::Ordering = loom::sync::atomic::Ordering::Relaxed;
        pub(crate) const Acquire: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(crate) const Release: loom::sync::atomic::Ordering = Self::Relaxed;
    }

    pub(crate) fn fence(_: loom::sync::atomic::Ordering) {}
}

include!("models/sources.rs");

/// Runs an ignored test of this file, which must fail and say why.
fn is_caught(test: &str, saying: &str) {
    let this = std::env::current_exe().unwrap();
    let run = Command::new(this).args(["--exact", test, "--ignored", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "{test} found no fault");
    assert!(said.contains(saying), "{test} failed, but for another reason:\n{said}");
}

#[test]
fn a_ring_whose_counters_order_nothing_is_caught() {
    is_caught("weak_ring", "Causality violation");
}

#[test]
fn a_batch_without_release_is_caught() {
    is_caught("weak_batch", "Causality violation");
}

#[test]
fn a_producer_that_seems_gone_before_its_items_are_seen_is_caught() {
    is_caught("weak_goodbye", "Causality violation");
}

#[test]
fn a_ring_that_is_dropped_before_its_items_are_seen_is_caught() {
    is_caught("weak_departure", "Causality violation");
}

#[test]
fn a_late_producer_whose_ring_orders_nothing_is_caught() {
    is_caught("weak_late_producer", "Causality violation");
}

#[test]
fn a_seqlock_without_fences_is_caught() {
    is_caught("weak_seqlock", "torn");
}

#[test]
fn a_depth_of_two_epochs_is_caught() {
    is_caught("weak_depth", "torn");
}

#[test]
#[ignore = "must fail; run by its caller above"]
fn weak_ring() {
    models::ring_keeps_everything_in_order();
}

#[test]
#[ignore = "must fail; run by its caller above"]
fn weak_batch() {
    models::batch_is_seen_whole();
}

#[test]
#[ignore = "must fail; run by its caller above"]
fn weak_goodbye() {
    models::last_items_outlive_their_producer();
}

#[test]
#[ignore = "must fail; run by its caller above"]
fn weak_seqlock() {
    models::seqlock_is_not_torn();
}

#[test]
#[ignore = "must fail; run by its caller above"]
fn weak_depth() {
    models::depth_is_of_one_epoch();
}

#[test]
#[ignore = "must fail; run by its caller above"]
fn weak_departure() {
    models::writer_goes_first();
}

#[test]
#[ignore = "must fail; run by its caller above"]
fn weak_late_producer() {
    models::late_producer_is_heard();
}

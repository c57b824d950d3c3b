//! Any bytes as an order file: the run comes to its end, and neither batches nor shards change what it answers.

#![no_main]

use std::num::NonZeroUsize;

use gridbook_engine::Engine;
use gridbook_node::order_file::{Settings, run};
use libfuzzer_sys::fuzz_target;

fn answers(file: &[u8], shards: usize, batch: usize) -> Option<Vec<u8>> {
    let count = |count| NonZeroUsize::new(count).expect("not zero");
    let settings = Settings { shards: count(shards), batch: count(batch), ..Settings::default() };
    let mut output = Vec::new();
    // Only torn gzip cannot be read on.
    run::<Engine>(file, &mut output, &settings, &mut |_| {}).ok().map(|_| output)
}

fuzz_target!(|file: &[u8]| {
    let plain = answers(file, 1, 4_096);
    assert_eq!(plain, answers(file, 3, 5));
});

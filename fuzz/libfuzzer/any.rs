//! Any target under libFuzzer: `GRIDBOOK_FUZZ_TARGET` says which. One binary for all of them compiles once.

#![no_main]

use std::sync::LazyLock;

use gridbook_fuzz::{Target, by_name};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("GRIDBOOK_FUZZ_TARGET").expect("GRIDBOOK_FUZZ_TARGET names a target");
    by_name(&name).unwrap_or_else(|| panic!("there is no target {name}"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));

//! Drives a target with mutated inputs.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use crate::scale::most_bytes_during;
use crate::{Mutator, Target};

thread_local! {
    /// What is being tried, so that a panic can be put down to it.
    static UNDER_TEST: RefCell<Option<(&'static str, Vec<u8>)>> = const { RefCell::new(None) };
}

/// Tries all seeds of a target and then mutations of them, for as long as `goes_on` says so, which is told how many were tried.
///
/// # Panics
/// If an invariant of the target is broken or it held too much memory. The input is kept in a file, whose name is printed.
pub fn run(target: &Target, seed: u64, mut goes_on: impl FnMut(u64) -> bool) {
    let mut corpus = (target.seeds)();
    corpus.extend(found(target.name));
    for input in &corpus {
        try_one(target, input);
    }
    let mut mutator = Mutator::new(seed);
    let mut tried = 0;
    while goes_on(tried) {
        try_one(target, &mutator.next(&corpus));
        tried += 1;
    }
}

/// Tries one input.
///
/// # Panics
/// As [`run`] does.
pub fn try_one(target: &Target, input: &[u8]) {
    keep_what_panics();
    UNDER_TEST.set(Some((target.name, input.to_vec())));
    let held = most_bytes_during(|| (target.run)(input));
    let most = target.held_bytes_max(input.len());
    assert!(held <= most, "{held} bytes were held over an input of {} bytes, at most {most} are allowed", input.len());
    UNDER_TEST.set(None);
}

/// Inputs that once broke a target, or nearly.
pub fn found(name: &str) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/found")).join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("it was listed")).collect()
}

/// Also where a panic aborts the process, the input outlives it.
fn keep_what_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            if let Some((name, input)) = UNDER_TEST.take() {
                let path = std::env::temp_dir().join(format!("gridbook-fuzz-{name}-{}.input", std::process::id()));
                let kept = fs::write(&path, &input).is_ok();
                let place = if kept { path.display().to_string() } else { format!("{input:02x?}") };
                eprintln!("target {name} broke on {place}\nonce it is mended, keep that file in fuzz/found/{name}/");
            }
        }));
    });
}

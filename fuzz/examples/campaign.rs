//! Tries one target after the other for a time:
//!
//! ```text
//! cargo run --release -p gridbook-fuzz --example campaign -- 60               a minute for each target
//! cargo run --release -p gridbook-fuzz --example campaign -- 600 replica      ten minutes for one
//! cargo run --release -p gridbook-fuzz --example campaign -- FILE execution   one input again
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gridbook_fuzz::scale::Scale;
use gridbook_fuzz::{Target, by_name, campaign, targets};

#[global_allocator]
static SCALE: Scale = Scale;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((first, names)) = arguments.split_first() else {
        eprintln!("say for how many seconds, or which input file, and then which targets if not all");
        return ExitCode::from(2);
    };
    let unknown = names.iter().find(|name| by_name(name).is_none());
    if let Some(name) = unknown {
        let known: Vec<&str> = targets().iter().map(|target| target.name).collect();
        eprintln!("there is no target {name}; there are {}", known.join(" "));
        return ExitCode::from(2);
    }
    let chosen =
        targets().into_iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name));
    match (first.parse::<u64>(), std::fs::read(first)) {
        (Ok(seconds), _) => chosen.for_each(|target| try_for(&target, Duration::from_secs(seconds))),
        (Err(_), Ok(input)) => chosen.for_each(|target| campaign::try_one(&target, &input)),
        (Err(_), Err(error)) => {
            eprintln!("{first} is neither a number of seconds nor a file that can be read: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn try_for(target: &Target, time: Duration) {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = u64::try_from(since_epoch.as_nanos() >> 10).unwrap_or(1);
    let (began, mut last) = (Instant::now(), 0);
    campaign::run(target, seed, |tried| {
        last = tried;
        !tried.is_multiple_of(16) || began.elapsed() < time
    });
    println!("{:<16} {last:>12} inputs in {:>4} s, seed {seed}", target.name, began.elapsed().as_secs());
}

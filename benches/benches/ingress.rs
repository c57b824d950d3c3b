//! The hop of one item from a producer to the writer: the ingress ring beside the bare queue that it is made of.

use crossbeam::queue::ArrayQueue;
use gridbook_benches::conditions;
use gridbook_benches::measure::{self, bench};
use gridbook_engine::ingress::ingress;

/// 32 bytes, as a command's reference would be.
type Item = [u64; 4];
const CAPACITY: usize = 4_096;
/// Items that go in before they are drained.
const BURST: usize = 64;

fn main() {
    let conditions = conditions::line();
    let mut criterion = measure::criterion(1.5);
    let mut group = criterion.benchmark_group("ingress");

    let bare = ArrayQueue::<Item>::new(CAPACITY);
    let mut taken = Vec::with_capacity(BURST);
    let bare_one = bench(&mut group, "bare queue, one by one", || {
        bare.push([1; 4]).expect("there is room");
        bare.pop()
    });
    let bare_burst = bench(&mut group, "bare queue, bursts of 64", || {
        taken.clear();
        (0..BURST as u64).for_each(|item| bare.push([item; 4]).expect("there is room"));
        taken.extend(core::iter::from_fn(|| bare.pop()).take(BURST));
        taken.len()
    });
    let (mut sender, mut receiver) = ingress::<Item>(CAPACITY);
    let ring_one = bench(&mut group, "ingress ring, one by one", || {
        taken.clear();
        sender.offer([1; 4]).expect("there is room");
        receiver.drain(1, &mut taken)
    });
    let ring_burst = bench(&mut group, "ingress ring, bursts of 64", || {
        taken.clear();
        (0..BURST as u64).for_each(|item| sender.offer([item; 4]).expect("there is room"));
        receiver.drain(BURST, &mut taken)
    });
    drop((sender, receiver));
    let threads = two_threads();

    println!(
        "\na 32-byte item in and out, ns of processor time per item, one thread unless said otherwise; {conditions}\n"
    );
    println!("| | one by one | bursts of {BURST} |\n|---|---|---|");
    let cell = |ns: Option<f64>, count: usize| ns.map_or("-".to_owned(), |ns| format!("{:.1}", ns / count as f64));
    println!("| bare ArrayQueue | {} | {} |", cell(bare_one, 1), cell(bare_burst, BURST));
    println!("| ingress ring | {} | {} |", cell(ring_one, 1), cell(ring_burst, BURST));
    println!(
        "\none producer thread, one writer thread, the ring never empty for long: {threads:.1} ns of wall time per item"
    );
}

/// Median of five rounds in which another thread sends as fast as it can.
fn two_threads() -> f64 {
    const ITEMS: usize = 2_000_000;
    let mut rounds: Vec<f64> = (0..5).map(|_| round(ITEMS)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[2]
}

fn round(items: usize) -> f64 {
    let (mut sender, mut receiver) = ingress::<Item>(CAPACITY);
    let began = std::time::Instant::now();
    let producer = std::thread::spawn(move || {
        for number in 0..items as u64 {
            while sender.offer([number; 4]).is_err() {
                std::thread::yield_now();
            }
        }
    });
    let (mut batch, mut taken) = (Vec::with_capacity(CAPACITY), 0);
    while taken < items {
        batch.clear();
        let drained = receiver.drain(256, &mut batch);
        taken += drained;
        if drained == 0 {
            std::thread::yield_now();
        }
    }
    let ns = began.elapsed().as_secs_f64() * 1e9;
    producer.join().expect("the producer does not panic");
    ns / items as f64
}

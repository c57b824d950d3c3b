//! The hop of one item from a producer to the writer: the ingress beside a bare single-producer ring, and beside the queues that many producers
//! can share.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel;
use crossbeam::queue::ArrayQueue;
use gridbook_benches::conditions;
use gridbook_engine::ingress::{IngressReceiver, IngressSender, ingress};

/// 32 bytes, as a command's reference would be.
type Item = [u64; 4];
const CAPACITY: usize = 4_096;
/// How many items go in together.
const BATCHES: [usize; 3] = [1, 16, 64];
/// Producers of the ingress that has many; the others have one.
const PRODUCERS: usize = 8;
/// What goes through in one round, and how many rounds. They are short, about as long as a scheduler lets a thread run: on a machine that does
/// other things too, some of them still have the processors to themselves. (Criterion's samples are long, so it does not take these figures.)
const ITEMS: usize = 100_000;
const ROUNDS: usize = 200;
/// The round that counts, from the fastest.
const COUNTED: usize = ROUNDS / 20;

/// Where items go in.
trait Inlet: Send + 'static {
    /// Puts in up to `count` items; tells how many went in.
    fn put(&mut self, count: usize) -> usize;
}

/// Where items come out.
trait Outlet {
    /// Moves up to `max` items to the end of `batch`.
    fn take(&mut self, max: usize, batch: &mut Vec<Item>);
}

/// One way from a producer to the writer, and what was measured of it, in nanoseconds per item.
struct Way {
    name: String,
    one_thread: [f64; BATCHES.len()],
    two_threads: [f64; BATCHES.len()],
}

fn main() {
    let ways = [
        way("bare ring (rtrb)", || rtrb::RingBuffer::<Item>::new(CAPACITY)),
        way("ingress, one producer", || ingress::<Item>(CAPACITY)),
        way(&format!("ingress, {PRODUCERS} producers in turn"), in_turn),
        way("crossbeam ArrayQueue", || {
            let queue = Arc::new(ArrayQueue::<Item>::new(CAPACITY));
            (Arc::clone(&queue), queue)
        }),
        way("crossbeam channel", || channel::bounded::<Item>(CAPACITY)),
    ];
    println!(
        "\na 32-byte item in and out, ns of wall time per item (times the bare ring), the {COUNTED}th fastest of {ROUNDS}"
    );
    println!("rounds of {ITEMS} items; {}", conditions::line());
    let batches = BATCHES.map(|count| if count == 1 { "one by one".to_owned() } else { format!("batches of {count}") });
    println!("\n| one thread | {} |\n|---|---|---|---|", batches.join(" | "));
    ways.iter().for_each(|way| println!("| {} |{}", way.name, cells(&way.one_thread, &ways[0].one_thread)));
    println!("\n| two threads | {} |\n|---|---|---|---|", batches.join(" | "));
    ways.iter().for_each(|way| println!("| {} |{}", way.name, cells(&way.two_threads, &ways[0].two_threads)));
}

fn cells(row: &[f64], bare: &[f64]) -> String {
    row.iter().zip(bare).map(|(ns, bare)| format!(" {ns:.1} ({:.1}x) |", ns / bare)).collect()
}

fn way<I: Inlet, O: Outlet>(name: &str, make: impl Fn() -> (I, O)) -> Way {
    let one_thread = BATCHES.map(|count| fast_round(|| alone(count, make())));
    let two_threads = BATCHES.map(|count| fast_round(|| together(count, make())));
    Way { name: name.to_owned(), one_thread, two_threads }
}

fn fast_round(round: impl Fn() -> f64) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[COUNTED]
}

/// One thread puts items in and takes them out; nanoseconds for each.
fn alone<I: Inlet, O: Outlet>(count: usize, (mut inlet, mut outlet): (I, O)) -> f64 {
    let mut batch = Vec::with_capacity(CAPACITY);
    let began = Instant::now();
    for _ in 0..ITEMS / count {
        batch.clear();
        let put = inlet.put(count);
        outlet.take(put, &mut batch);
        assert_eq!(black_box(&batch).len(), count, "there was room, and nothing is lost");
    }
    began.elapsed().as_secs_f64() * 1e9 / (ITEMS / count * count) as f64
}

/// Another thread puts items in as fast as they go; nanoseconds for each.
fn together<I: Inlet, O: Outlet>(count: usize, (mut inlet, mut outlet): (I, O)) -> f64 {
    let began = Instant::now();
    let producer = std::thread::spawn(move || {
        let mut left = ITEMS;
        while left > 0 {
            let put = inlet.put(count.min(left));
            left -= put;
            if put == 0 {
                std::thread::yield_now();
            }
        }
        inlet // as long as the writer may look
    });
    let (mut batch, mut taken) = (Vec::with_capacity(CAPACITY), 0);
    while taken < ITEMS {
        batch.clear();
        outlet.take(256, &mut batch);
        taken += black_box(&batch).len();
        if batch.is_empty() {
            std::thread::yield_now();
        }
    }
    let ns = began.elapsed().as_secs_f64() * 1e9;
    drop(producer.join().expect("the producer does not panic"));
    ns / ITEMS as f64
}

fn item(number: usize) -> Item {
    [black_box(number as u64); 4]
}

impl Inlet for rtrb::Producer<Item> {
    fn put(&mut self, count: usize) -> usize {
        if count == 1 {
            return usize::from(self.push(item(0)).is_ok());
        }
        let room = count.min(self.slots());
        self.write_chunk_uninit(room).map_or(0, |chunk| chunk.fill_from_iter((0..room).map(item)))
    }
}

impl Outlet for rtrb::Consumer<Item> {
    fn take(&mut self, max: usize, batch: &mut Vec<Item>) {
        if max == 1 {
            return batch.extend(self.pop());
        }
        let there = max.min(self.slots());
        batch.extend(self.read_chunk(there).into_iter().flatten());
    }
}

impl Inlet for IngressSender<Item> {
    fn put(&mut self, count: usize) -> usize {
        let mut batch = self.batch();
        (0..count).take_while(|&number| batch.offer(item(number)).is_ok()).count()
    }
}

impl Outlet for IngressReceiver<Item> {
    fn take(&mut self, max: usize, batch: &mut Vec<Item>) {
        self.drain(max, batch);
    }
}

/// Several producers of one ingress, each with the next batch.
struct InTurn {
    senders: Vec<IngressSender<Item>>,
    turn: usize,
}

fn in_turn() -> (InTurn, IngressReceiver<Item>) {
    let (sender, receiver) = ingress(CAPACITY / PRODUCERS);
    (InTurn { senders: vec![sender; PRODUCERS], turn: 0 }, receiver)
}

impl Inlet for InTurn {
    fn put(&mut self, count: usize) -> usize {
        self.turn = (self.turn + 1) % PRODUCERS;
        self.senders[self.turn].put(count)
    }
}

impl Inlet for Arc<ArrayQueue<Item>> {
    fn put(&mut self, count: usize) -> usize {
        (0..count).take_while(|&number| self.push(item(number)).is_ok()).count()
    }
}

impl Outlet for Arc<ArrayQueue<Item>> {
    fn take(&mut self, max: usize, batch: &mut Vec<Item>) {
        batch.extend(std::iter::from_fn(|| self.pop()).take(max));
    }
}

impl Inlet for channel::Sender<Item> {
    fn put(&mut self, count: usize) -> usize {
        (0..count).take_while(|&number| self.try_send(item(number)).is_ok()).count()
    }
}

impl Outlet for channel::Receiver<Item> {
    fn take(&mut self, max: usize, batch: &mut Vec<Item>) {
        batch.extend(self.try_iter().take(max));
    }
}

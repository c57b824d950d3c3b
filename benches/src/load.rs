//! An open-loop load: bundles go out when they are due, whether or not earlier ones were answered, and latencies count from when a
//! bundle was due. A ledger that falls behind so shows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_node::client::{Client, ClientError, FinalBundle, Submission};
use hdrhistogram::Histogram;

use crate::cluster::Cluster;
use crate::conditions::cpu_seconds;
use crate::trading::Trading;

/// How a load is made.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Orders in each bundle.
    pub orders: usize,
    /// Bundles per second, over all connections.
    pub rate: f64,
    /// How long the measured part lasts, in seconds.
    pub seconds: f64,
    /// How many meters take turns.
    pub meters: u32,
}

/// At the same rate before the measured part.
const WARM_UP: Duration = Duration::from_secs(1);

/// What came of a load. Its warm-up is not in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Bundles that were due.
    pub bundles: u64,
    /// Bundles that became final.
    pub final_bundles: u64,
    /// Their orders that were carried out.
    pub orders_done: u64,
    /// Trades.
    pub trades: u64,
    /// Bundles and orders that were refused, by code.
    pub refused: std::collections::BTreeMap<&'static str, u64>,
    /// From due to final, in microseconds.
    pub finality_us: Histogram<u64>,
    /// From due to admitted by a validator, in microseconds.
    pub accepted_us: Histogram<u64>,
    /// From the last bundle's being due to the last answer.
    pub drained_s: f64,
    /// Processor time of this process and of the validators, in seconds per second.
    pub cpu: (f64, f64),
}

impl Loaded {
    fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are valid");
        Self {
            bundles: 0,
            final_bundles: 0,
            orders_done: 0,
            trades: 0,
            refused: std::collections::BTreeMap::new(),
            finality_us: histogram(),
            accepted_us: histogram(),
            drained_s: 0.0,
            cpu: (0.0, 0.0),
        }
    }

    /// A quantile of the time to finality, in milliseconds.
    pub fn finality_ms(&self, quantile: f64) -> f64 {
        self.finality_us.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Whether everything became final, 99 of 100 bundles within a second, and nothing was left over a second after the last was due.
    pub fn is_sustained(&self) -> bool {
        self.final_bundles == self.bundles && self.finality_ms(0.99) < 1_000.0 && self.drained_s < 1.0
    }

    fn take(&mut self, due: Instant, ended: &Result<FinalBundle, ClientError>) {
        match ended {
            Ok(done) => {
                self.final_bundles += 1;
                let took = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.finality_us.saturating_record(took);
                for record in &done.records {
                    match record.outcome {
                        Outcome::Done => self.orders_done += 1,
                        Outcome::Rejected(code) => *self.refused.entry(code.name()).or_default() += 1,
                    }
                    let trades = record.events.iter().filter(|event| matches!(event, RecordEvent::Trade { .. }));
                    self.trades += trades.count() as u64;
                }
            }
            Err(ClientError::Refused(code)) => *self.refused.entry(code.name()).or_default() += 1,
            Err(_) => *self.refused.entry("no answer").or_default() += 1,
        }
    }
}

/// Signs all bundles of a load, then sends them and waits for the last answer.
pub async fn run(cluster: &Cluster, clients: &[Client], trading: &mut Trading, load: Load) -> Loaded {
    let span = WARM_UP.as_secs_f64() + load.seconds;
    let count = (load.rate * span).ceil() as u32;
    // One nonce after the other: a meter's bundles are due in the order in which they are signed.
    let bundles: Vec<Vec<u8>> = (0..count)
        .map(|number| {
            let meter = number % load.meters;
            cluster.signed(meter, (0..load.orders).map(|_| trading.next(meter)).collect())
        })
        .collect();
    let cpu = (cpu_seconds("self"), cluster.cpu_seconds());
    let (clients, meters) = (clients.to_vec(), load.meters);
    let runtime = tokio::runtime::Handle::current();
    // A thread of its own: the runtime's timers are too coarse for what is due every few microseconds.
    let sender = tokio::task::spawn_blocking(move || send_all(&runtime, &clients, bundles, load.rate, meters));
    let (result, last_due, answers) = sender.await.expect("the sender does not panic");
    for answer in answers {
        answer.await.expect("waiting for an answer does not panic");
    }
    let mut result = std::mem::replace(&mut *lock(&result), Loaded::new());
    result.drained_s = Instant::now().saturating_duration_since(last_due).as_secs_f64();
    let elapsed = span + result.drained_s;
    result.cpu = ((cpu_seconds("self") - cpu.0) / elapsed, (cluster.cpu_seconds() - cpu.1) / elapsed);
    result
}

type Answers = Vec<tokio::task::JoinHandle<()>>;

fn send_all(
    runtime: &tokio::runtime::Handle,
    clients: &[Client],
    bundles: Vec<Vec<u8>>,
    rate: f64,
    meters: u32,
) -> (Arc<Mutex<Loaded>>, Instant, Answers) {
    let result = Arc::new(Mutex::new(Loaded::new()));
    let (began, mut last_due, mut answers) = (Instant::now(), Instant::now(), Answers::new());
    for (bytes, number) in bundles.into_iter().zip(0_u32..) {
        let due = began + Duration::from_secs_f64(f64::from(number) / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // A meter stays with its gateway: on one connection its bundles keep their order.
        let client = &clients[(number % meters) as usize % clients.len()];
        let submission = client.submit_bytes(bytes);
        let result = Arc::clone(&result);
        let is_measured = due.duration_since(began) >= WARM_UP;
        answers.push(runtime.spawn(async move {
            if is_measured {
                await_answers(due, submission, &result).await;
            } else {
                // Only its load counts.
                let _ = submission.finality().await;
            }
        }));
        last_due = due;
    }
    (result, last_due, answers)
}

async fn await_answers(due: Instant, mut submission: Submission, result: &Mutex<Loaded>) {
    lock(result).bundles += 1;
    let accepted = submission.accepted().await;
    let accepted_us = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
    let ended = match accepted {
        Ok(_) => {
            lock(result).accepted_us.saturating_record(accepted_us);
            submission.finality().await
        }
        Err(error) => Err(error),
    };
    lock(result).take(due, &ended);
}

fn lock(result: &Mutex<Loaded>) -> std::sync::MutexGuard<'_, Loaded> {
    result.lock().unwrap_or_else(PoisonError::into_inner)
}

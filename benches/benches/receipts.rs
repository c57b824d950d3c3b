//! How soon a client hears of its order: the leader's word (S0), the certificate (S1), finality (S2). Four validator processes over QUIC on
//! loopback, logs synced; the client on the same machine.
//!
//! `cargo build --release && cargo bench -p gridbook-benches --bench receipts`; `GRIDBOOK_BIN` names another binary,
//! `GRIDBOOK_BENCH_ORDERS` another number of orders a row, `GRIDBOOK_BENCH_RATES` the bundles per second beside them, as in `0,200,1000`.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use gridbook_benches::cluster::{Cluster, VALIDATORS};
use gridbook_benches::conditions;
use gridbook_benches::load::{self, Load};
use gridbook_benches::trading::Trading;
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::sequenced::SequencedReceipt;
use gridbook_node::client::{Client, Step};
use hdrhistogram::Histogram;

const SEED: u64 = 2026;
/// Meters of the load; behind them comes one for each client that is measured.
const METERS: u32 = 1_000;
/// Between two orders, so that an idle ledger is idle.
const PAUSE: Duration = Duration::from_millis(5);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = runtime.block_on(async {
        tokio::select! {
            measured = measure_all() => measured,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    // The sender of a load may still have bundles to send, to nobody.
    runtime.shutdown_background();
    measured
}

async fn measure_all() -> anyhow::Result<()> {
    let orders: u32 = setting("GRIDBOOK_BENCH_ORDERS", "1000").parse()?;
    let rates = setting("GRIDBOOK_BENCH_RATES", "0,200,1000");
    let conditions = conditions::line();
    let mut rows = Vec::new();
    for rate in rates.split(',') {
        rows.extend(measure(rate.trim().parse()?, orders).await?);
    }
    println!("\nreceipts: {VALIDATORS} validator processes, the client and the load on this one machine, logs synced;");
    println!("one order after the other, each on one of four connections in turn, {PAUSE:?} after the last was final;");
    println!(
        "from the call of `submit`, the bundle being signed, to the answer at the client; seed {SEED}; {conditions}\n"
    );
    println!(
        "| bundles/s beside it | the client's validator | orders | S0 p50 ms | p99 ms | S1 p50 ms | p99 ms | S2 p50 ms | p99 ms | S0 not heard |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

/// Two rows: clients of the leader, and of the others.
async fn measure(rate: f64, orders: u32) -> anyhow::Result<Vec<String>> {
    let cluster = Cluster::start().await?;
    let clients = cluster.clients().await?;
    let measured = u32::try_from(clients.len()).expect("four");
    cluster.register(&clients[0], METERS + measured).await?;
    let mut stand = Stand {
        trading: Trading::new(SEED + 1, cluster.first_period()),
        latencies: [Latencies::new(), Latencies::new()],
        cluster: &cluster,
        clients: &clients,
    };
    if rate > 0.0 {
        // For as long as the orders take at a tenth of a second each, or until they are through.
        let load = Load { orders: 1, rate, seconds: f64::from(orders) / 10.0, meters: METERS };
        let mut trading = Trading::new(SEED, cluster.first_period());
        tokio::select! {
            loaded = load::run(&cluster, &clients, &mut trading, load) => {
                eprintln!("the load ended first, refused {:?}; the row has fewer orders", loaded.refused);
            }
            sent = stand.send(orders) => sent?,
        }
    } else {
        stand.send(orders).await?;
    }
    let names = ["leads", "follows"];
    Ok(names.iter().zip(&stand.latencies).map(|(name, latencies)| latencies.row(rate, name)).collect())
}

struct Stand<'a> {
    cluster: &'a Cluster,
    clients: &'a [Client],
    trading: Trading,
    /// Of orders at the leader, and at others.
    latencies: [Latencies; 2],
}

impl Stand<'_> {
    async fn send(&mut self, orders: u32) -> anyhow::Result<()> {
        for number in 0..orders {
            let place = number % u32::try_from(self.clients.len()).expect("four");
            let bundle = self.cluster.signed(METERS + place, vec![self.trading.next(METERS + place)]);
            self.follow(place as usize, bundle).await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// One order, and all that is heard of it.
    async fn follow(&mut self, place: usize, bundle: Vec<u8>) -> anyhow::Result<()> {
        let sent = Instant::now();
        let mut submission = self.clients[place].submit_bytes(bundle);
        let (mut word, mut certified_us) = (None, None);
        let final_us = loop {
            match submission.next().await.context("an order was not answered")? {
                Step::Accepted(_) => {}
                Step::Sequenced(receipt) => word = word.or(Some((receipt, us(sent)))),
                Step::Certified(_) => certified_us = certified_us.or(Some(us(sent))),
                Step::Final(_) => break us(sent),
            }
        };
        let leads = match &word {
            Some((receipt, _)) => self.leader(receipt)? == place,
            // Nobody said who led; the leader itself always says so first.
            None => false,
        };
        let latencies = &mut self.latencies[usize::from(!leads)];
        latencies.word_us.push(word.map(|(_, us)| us));
        certified_us.into_iter().for_each(|us| latencies.certified_us.saturating_record(us));
        latencies.final_us.saturating_record(final_us);
        Ok(())
    }

    /// Who gave the word; it must be worth something.
    fn leader(&self, receipt: &SequencedReceipt) -> anyhow::Result<usize> {
        let genesis = &self.cluster.network.genesis;
        let verified = receipt.verify(genesis.chain_id(), FIRST_EPOCH, &genesis.validators)?;
        Ok(usize::from(verified.leader.0))
    }
}

struct Latencies {
    /// None where finality was heard of first.
    word_us: Vec<Option<u64>>,
    certified_us: Histogram<u64>,
    final_us: Histogram<u64>,
}

impl Latencies {
    fn new() -> Self {
        Self { word_us: Vec::new(), certified_us: histogram(), final_us: histogram() }
    }

    fn row(&self, rate: f64, name: &str) -> String {
        let mut word_us = histogram();
        self.word_us.iter().flatten().for_each(|us| word_us.saturating_record(*us));
        let unheard = self.word_us.iter().filter(|us| us.is_none()).count();
        let figures = [&word_us, &self.certified_us, &self.final_us].map(|histogram| {
            let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
            format!("{:.2} | {:.2}", ms(0.5), ms(0.99))
        });
        format!("| {rate} | {name} | {} | {} | {unheard} |", self.word_us.len(), figures.join(" | "))
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are valid")
}

fn us(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

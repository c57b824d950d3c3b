//! Four validator processes on this machine and the load beside them: how many signed orders per second become final, and how soon.
//!
//! `cargo build --release && cargo bench -p gridbook-benches --bench end_to_end`; `GRIDBOOK_BIN` names another binary,
//! `GRIDBOOK_BENCH_SECONDS` another length of each step, `GRIDBOOK_BENCH_ORDERS` the bundle sizes, as in `1,16`.

use std::time::Duration;

use gridbook_benches::cluster::{Cluster, VALIDATORS};
use gridbook_benches::conditions;
use gridbook_benches::load::{self, Load, Loaded};
use gridbook_benches::measure::grouped;
use gridbook_benches::trading::Trading;
use gridbook_node::client::Client;

const SEED: u64 = 2026;
const METERS: u32 = 1_000;
/// Bundles per second that the ledger hardly notices.
const LIGHT: f64 = 200.0;
/// Where the search begins, in bundles per second.
const FIRST: f64 = 1_000.0;
/// Each step of the search up.
const STEP: f64 = 1.5;
/// Halvings of the last step, by ratio.
const HALVINGS: u32 = 2;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = runtime.block_on(async {
        tokio::select! {
            measured = measure_all() => measured,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    // The sender may still have bundles to send, to nobody.
    runtime.shutdown_background();
    measured
}

async fn measure_all() -> anyhow::Result<()> {
    let seconds = setting("GRIDBOOK_BENCH_SECONDS", "4").parse()?;
    let orders = setting("GRIDBOOK_BENCH_ORDERS", "1,16,96");
    let conditions = conditions::line();
    let mut rows = Vec::new();
    for orders in orders.split(',') {
        rows.extend(measure(orders.parse()?, seconds).await?);
    }
    println!(
        "\nend to end: {VALIDATORS} validator processes and the load on this one machine, logs synced, {METERS} meters"
    );
    println!(
        "on {VALIDATORS} connections, open loop, latency from when a bundle was due, {seconds} s a step, seed {SEED};"
    );
    println!("{conditions}; load {} at the end\n", load_now());
    println!(
        "| orders per signature | load | signed orders/s | trades/s | finality p50 ms | p99 ms | admitted p50 ms | p99 ms | cores: validators, load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

/// The rows of one bundle size: light, half, and the highest rate that held.
async fn measure(orders: usize, seconds: f64) -> anyhow::Result<Vec<String>> {
    let cluster = Cluster::start().await?;
    let clients = cluster.clients().await?;
    cluster.register(&clients[0], METERS).await?;
    let mut stand = Stand { trading: Trading::new(SEED, cluster.first_period()), cluster, clients, orders, seconds };
    let light = stand.step(LIGHT).await;
    let mut rows = vec![stand.row("light", &light)];
    let (mut held, mut failed) = (None, FIRST);
    loop {
        let loaded = stand.step(failed).await;
        if !loaded.is_sustained() {
            break;
        }
        held = Some((failed, loaded));
        failed *= STEP;
    }
    for _ in 0..HALVINGS {
        let below = held.as_ref().map_or(failed / 4.0, |(rate, _)| *rate);
        let between = (below * failed).sqrt();
        let loaded = stand.step(between).await;
        if loaded.is_sustained() { held = Some((between, loaded)) } else { failed = between }
    }
    let Some((rate, most)) = held else {
        rows.push(format!("| {orders} | no rate held | | | | | | | |"));
        return Ok(rows);
    };
    let half = stand.step(rate / 2.0).await;
    rows.push(stand.row("half", &half));
    rows.push(stand.row("most that held", &most));
    Ok(rows)
}

struct Stand {
    trading: Trading,
    cluster: Cluster,
    clients: Vec<Client>,
    orders: usize,
    seconds: f64,
}

impl Stand {
    async fn step(&mut self, rate: f64) -> Loaded {
        // What the step before has left behind is to be gone.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let load = Load { orders: self.orders, rate, seconds: self.seconds, meters: METERS };
        let loaded = load::run(&self.cluster, &self.clients, &mut self.trading, load).await;
        let verdict = if loaded.is_sustained() { "held" } else { "did not hold" };
        eprintln!("{rate:.0} bundles/s {verdict}; refused {:?}; {}", loaded.refused, self.row("", &loaded));
        loaded
    }

    fn row(&self, name: &str, loaded: &Loaded) -> String {
        let admitted = |quantile| loaded.accepted_us.value_at_quantile(quantile) as f64 / 1_000.0;
        format!(
            "| {} | {name} | {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2}, {:.2} |",
            self.orders,
            grouped(loaded.orders_done as f64 / self.seconds),
            grouped(loaded.trades as f64 / self.seconds),
            loaded.finality_ms(0.5),
            loaded.finality_ms(0.99),
            admitted(0.5),
            admitted(0.99),
            loaded.cpu.1,
            loaded.cpu.0,
        )
    }
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn load_now() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}

//! What the demo did and found: for people, and as JSON.

use gridbook_engine::{Energy, Money};
use gridbook_ledger::crypto::Hash;
use gridbook_sim::Town;
use serde_json::{Value, json};

use super::DemoOptions;
use super::tally::Tally;
use crate::cluster::Cluster;

/// The demo's result.
pub struct Report {
    options: DemoOptions,
    pub(super) tally: Tally,
    pub(super) interrupted: bool,
    /// Over all accounts; the worst of what the validators say. Nothing if they could not be asked.
    pub(super) money_sum: Option<Money>,
    pub(super) height: u64,
    pub(super) state_roots: Vec<Hash>,
    /// What the grid's operators have, as each validator says.
    pub(super) grid_income: Vec<Money>,
    /// The number of trades that each validator counts.
    pub(super) ledger_trades: Vec<u64>,
    pub(super) failovers: u64,
    pub(super) receipts_requested: u64,
    pub(super) receipts_verified: u64,
    /// What went wrong while checking.
    pub(super) failures: Vec<String>,
    memory_bytes: Vec<u64>,
    disk_bytes: Vec<u64>,
    pub(super) meters: usize,
}

impl Report {
    pub(super) fn new(options: &DemoOptions, town: &Town, tally: Tally) -> Self {
        Self {
            options: options.clone(),
            tally,
            interrupted: false,
            money_sum: None,
            height: 0,
            state_roots: Vec::new(),
            grid_income: Vec::new(),
            ledger_trades: Vec::new(),
            failovers: 0,
            receipts_requested: 0,
            receipts_verified: 0,
            failures: Vec::new(),
            memory_bytes: Vec::new(),
            disk_bytes: Vec::new(),
            meters: town.meters().len(),
        }
    }

    /// Notes what the validators take of the machine.
    pub(super) fn measure(&mut self, cluster: &mut Cluster) {
        self.memory_bytes = cluster.peak_memory_bytes();
        self.disk_bytes = cluster.disk_bytes();
    }

    /// Whether the day was played to its end and every promise held.
    pub fn is_good(&self) -> bool {
        !self.interrupted && self.promises().iter().all(|(_, held)| *held)
    }

    /// Every promise, and whether it held.
    pub fn promises(&self) -> Vec<(&'static str, bool)> {
        let tally = &self.tally;
        let mut promises = vec![
            ("every bundle was answered", tally.unanswered == 0),
            ("there were trades", tally.trades > 0),
            ("money over all accounts sums to zero", self.money_sum == Some(Money::ZERO)),
            ("the grid's operators have exactly the fees of all trades", self.fees_equal()),
            ("the state roots of all validators are equal", self.state_roots_equal()),
            ("every validator counts the trades that the meters were told", self.trades_equal()),
            (
                "every receipt verifies offline",
                self.receipts_requested > 0 && self.receipts_verified == self.receipts_requested,
            ),
        ];
        // A watch that moves to another validator may miss what happened in between; receipts do not.
        if self.failovers == 0 {
            let (bought, sold) = (tally.watched_bought, tally.watched_sold);
            promises.push((
                "energy bought equals energy sold, as watching meters were told",
                bought == sold && sold == tally.energy,
            ));
        }
        promises
    }

    fn state_roots_equal(&self) -> bool {
        let all_there = self.state_roots.len() == usize::from(self.options.validators);
        all_there && self.state_roots.windows(2).all(|pair| pair[0] == pair[1])
    }

    fn trades_equal(&self) -> bool {
        !self.ledger_trades.is_empty() && self.ledger_trades.iter().all(|trades| *trades == self.tally.trades)
    }

    fn fees_equal(&self) -> bool {
        !self.grid_income.is_empty() && self.grid_income.iter().all(|income| *income == self.tally.fees)
    }

    fn orders_per_second(&self) -> f64 {
        self.tally.orders_final as f64 / self.tally.traded_for.as_secs_f64().max(0.001)
    }

    /// The JSON form.
    pub fn to_json(&self) -> Value {
        let (tally, local) = (&self.tally, self.tally.local());
        let promises: serde_json::Map<String, Value> =
            self.promises().into_iter().map(|(promise, held)| (promise.to_owned(), held.into())).collect();
        json!({
            "validators": self.options.validators,
            "meters": self.meters,
            "bundles": tally.bundles,
            "signed_orders": tally.orders,
            "trades": tally.trades,
            "energy_wh": tally.energy.0,
            "trades_between_feeders": tally.trades_across,
            "grid_fees_nano": i64::try_from(tally.fees.0).map_or_else(|_| Value::from(tally.fees.0.to_string()), Value::from),
            "money_sum_nano": self.money_sum.map(|sum| i64::try_from(sum.0).map_or_else(|_| Value::from(sum.0.to_string()), Value::from)),
            "sequencing_ms": {"p50": tally.sequencing_ms(0.5), "p99": tally.sequencing_ms(0.99)},
            "finality_ms": {"p50": tally.finality_ms(0.5), "p99": tally.finality_ms(0.99)},
            "orders_per_second": self.orders_per_second(),
            "receipts": {"requested": self.receipts_requested, "verified": self.receipts_verified},
            "state_roots_equal": self.state_roots_equal(),
            "rejected": tally.rejected,
            "seed": self.options.seed,
            "good": self.is_good(),
            "promises": promises,
            "interrupted": self.interrupted,
            "commands": tally.commands,
            "unanswered_bundles": tally.unanswered,
            "seconds": self.tally.traded_for.as_secs_f64(),
            "height": self.height,
            "state_roots": self.state_roots.iter().map(|root| root.to_hex()).collect::<Vec<_>>(),
            "kill_one": self.options.kill_one,
            "failovers": self.failovers,
            "watch_events": tally.watch_events,
            "local": {"demand_wh": local.demand.0, "surplus_wh": local.surplus.0, "served_wh": local.served.0, "served_ppm": local.served_ppm},
            "memory_peak_bytes": self.memory_bytes,
            "disk_bytes": self.disk_bytes,
            "failures": self.failures,
        })
    }

    /// The form for people.
    pub fn to_text(&self) -> String {
        let (tally, local) = (&self.tally, self.tally.local());
        let mut lines = vec![
            format!(
                "{} validators, {} meters, {:.1} s{}",
                self.options.validators,
                self.meters,
                self.tally.traded_for.as_secs_f64(),
                if self.interrupted { ", interrupted" } else { "" }
            ),
            format!(
                "  signed      {} orders in {} bundles, {:.0} orders/s final",
                tally.orders,
                tally.bundles,
                self.orders_per_second()
            ),
            format!("  traded      {} trades, {}", tally.trades, kwh(tally.energy)),
            format!("  grid        {} trades between feeders, {} in fees", tally.trades_across, tally.fees),
            format!(
                "  neighbours  served {} of {} demand: {}.{:02} %",
                kwh(local.served),
                kwh(local.demand),
                local.served_ppm / 10_000,
                local.served_ppm / 100 % 100
            ),
            format!("  sequenced   p50 {:.1} ms, p99 {:.1} ms", tally.sequencing_ms(0.5), tally.sequencing_ms(0.99)),
            format!("  finality    p50 {:.1} ms, p99 {:.1} ms", tally.finality_ms(0.5), tally.finality_ms(0.99)),
            format!("  receipts    {} fetched, {} verified offline", self.receipts_requested, self.receipts_verified),
            format!(
                "  money       sum over all accounts {}",
                self.money_sum.map_or("not known".to_owned(), |sum| sum.to_string())
            ),
        ];
        if let (false, Some(root)) = (self.interrupted, self.state_roots.first()) {
            lines.push(format!("  state root  {root} at height {}", self.height));
        }
        let refused: Vec<String> = tally.rejected.iter().map(|(code, count)| format!("{code} {count}")).collect();
        lines
            .push(format!("  refused     {}", if refused.is_empty() { "none".to_owned() } else { refused.join(", ") }));
        lines.push(format!(
            "  used        memory {} MiB, disk {} MiB per validator at most",
            mib(&self.memory_bytes),
            mib(&self.disk_bytes)
        ));
        if !self.interrupted {
            lines.push(String::new());
            lines.extend(
                self.promises()
                    .into_iter()
                    .map(|(promise, held)| format!("  {} {promise}", if held { "ok  " } else { "FAIL" })),
            );
            lines.extend(self.failures.iter().map(|failure| format!("       {failure}")));
        }
        lines.join("\n")
    }
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json().to_string())
    }
}

fn kwh(energy: Energy) -> String {
    format!("{}.{} kWh", energy.0 / 1000, energy.0 % 1000 / 100)
}

fn mib(bytes: &[u64]) -> u64 {
    bytes.iter().max().unwrap_or(&0) >> 20
}

//! What the demo did and found: for people, and as JSON.

use gridbook_engine::{LedgerTime, Money};
use gridbook_ledger::crypto::Hash;
use gridbook_sim::Town;
use serde_json::{Value, json};

use super::DemoOptions;
use super::check::Again;
use super::day::SETTLING_MS;
use super::mishap::Cast;
use super::settled::{Known, Totals};
use super::stories::{Story, kwh};
use super::tally::Tally;
use crate::cluster::Cluster;

/// The demo's result.
pub struct Report {
    options: DemoOptions,
    pub(super) tally: Tally,
    pub(super) interrupted: bool,
    /// Meters were registered after the first quarter-hour had begun.
    pub(super) began_late: bool,
    /// Over all accounts; the worst of what the validators say. Nothing if they could not be asked.
    pub(super) money_sum: Option<Money>,
    pub(super) height: u64,
    pub(super) state_roots: Vec<Hash>,
    /// The hash of the header at that height, of each validator.
    pub(super) headers: Vec<Hash>,
    /// Who had a bad day.
    pub(super) cast: Cast,
    /// What the log of a validator says when it is executed again.
    pub(super) again: Option<Again>,
    /// The last reading deadline of each of the town's periods.
    due: Vec<LedgerTime>,
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
    pub(super) fn new(options: &DemoOptions, town: &Town, tally: Tally, cast: Cast) -> Self {
        Self {
            due: due_from(LedgerTime(0), options, town),
            cast,
            again: None,
            headers: Vec::new(),
            options: options.clone(),
            tally,
            interrupted: false,
            began_late: false,
            money_sum: None,
            height: 0,
            state_roots: Vec::new(),
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

    /// Whether it was broken off: then it says what was done until then.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Every promise, and whether it held.
    pub fn promises(&self) -> Vec<(&'static str, bool)> {
        let tally = &self.tally;
        let mut promises = vec![
            ("every bundle was answered", tally.unanswered == 0),
            ("there were trades", tally.trades > 0),
            ("money over all accounts sums to zero", self.money_sum == Some(Money::ZERO)),
            ("the state roots of all validators are equal", self.state_roots_equal()),
            ("all validators have the same readings and settlements: one chain of headers", self.headers_equal()),
            ("every validator counts the trades that the meters were told", self.trades_equal()),
            (
                "every receipt verifies offline",
                self.receipts_requested > 0 && self.receipts_verified == self.receipts_requested,
            ),
        ];
        if self.options.kill_one {
            promises.push(("the leader was killed, and started again", tally.killed == 1));
        }
        promises.extend(self.settlement_promises());
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

    /// Headers hold the hashes of the records before them: one header, one history. The log that is executed again has it too.
    fn headers_equal(&self) -> bool {
        let place = usize::try_from(self.height).ok().and_then(|height| height.checked_sub(1));
        let again = self.again.as_ref().zip(place).and_then(|(again, place)| {
            let skipped = usize::try_from(again.chain.from_height).ok()?;
            again.headers.get(place.checked_sub(skipped)?)
        });
        let all_there = self.headers.len() == usize::from(self.options.validators);
        all_there && again.is_some_and(|again| self.headers.iter().all(|header| header == again))
    }

    /// Meters were registered when the day had begun: they are settled from the first quarter-hour on that begins after that.
    pub(super) fn begin_late(&mut self, at: LedgerTime, town: &Town) {
        self.began_late = true;
        self.due = due_from(at, &self.options, town);
    }

    fn settlement_promises(&self) -> Vec<(&'static str, bool)> {
        let Some(Again { settled, chain, .. }) = &self.again else {
            return vec![("the log of a validator can be executed again from genesis", false)];
        };
        let totals = &settled.totals;
        // What is due at the last moment may still be under way.
        let due = self.due.iter().filter(|due| due.0 + SETTLING_MS <= chain.ledger_time.0).count() as u64;
        let mut promises = vec![
            ("every period that was due is settled", totals.periods_settled >= due && totals.periods_settled > 0),
            ("periods became final", totals.periods_final > 0),
            ("no area's settlement is frozen", totals.areas_frozen == 0),
            ("money and energy of every settled area add up, by its meters", settled.violations.is_empty()),
            ("the imbalance account is empty", chain.imbalance == Money::ZERO),
            ("the losses account is empty", chain.losses == Money::ZERO),
        ];
        // A log that was begun at a snapshot does not tell of all fees.
        if chain.from_height == 0 {
            let has = (chain.grid, totals.fees);
            promises.push((
                "the grid's operators have exactly the fees and surpluses, less losses and bills",
                has == (totals.grid(), self.tally.fees),
            ));
        }
        promises.extend(self.stories().iter().filter_map(|story| story.promise));
        promises
    }

    fn stories(&self) -> Vec<Story> {
        self.again.as_ref().map_or(Vec::new(), |again| Story::all(&self.cast, &again.settled))
    }

    fn settlement_json(&self) -> Value {
        let Some(Again { settled, chain, .. }) = &self.again else { return Value::Null };
        let Totals {
            readings,
            corrections,
            area_readings,
            periods_settled,
            periods_final,
            areas_settled,
            areas_frozen,
            ..
        } = settled.totals;
        let totals = &settled.totals;
        // Texts: more than a JSON number holds.
        let nano = |money: Money| money.0.to_string();
        let wh = |energy: i128| energy.to_string();
        let known = |known: &Known| known.energy_wh.to_string();
        json!({
            "periods_settled": periods_settled, "periods_final": periods_final, "areas_settled": areas_settled,
            "areas_frozen": areas_frozen, "readings": readings, "corrections": corrections, "area_readings": area_readings,
            "quarters_measured": totals.measured.quarters, "measured_wh": known(&totals.measured),
            "quarters_estimated": totals.estimated.quarters, "estimated_wh": known(&totals.estimated),
            "quarters_corrected": totals.corrected.quarters, "corrected_wh": known(&totals.corrected),
            "taken_wh": wh(totals.taken_wh), "given_wh": wh(totals.given_wh), "short_wh": wh(totals.short_wh),
            "long_wh": wh(totals.long_wh), "losses_wh": wh(totals.losses_wh), "for_trades_nano": nano(totals.for_trades),
            "imbalance_paid_nano": nano(totals.paid), "imbalance_got_nano": nano(totals.got), "upstream_nano": nano(totals.upstream),
            "losses_nano": nano(totals.losses), "surplus_nano": nano(totals.surplus), "fees_nano": nano(totals.fees),
            "billed_nano": nano(totals.billed), "defaulted_nano": nano(totals.defaulted),
            "imbalance_account_nano": nano(chain.imbalance), "losses_account_nano": nano(chain.losses),
            "certificates_issued_wh": wh(totals.certificates.issued), "certificates_moved_wh": wh(totals.certificates.moved),
            "certificates_claimed_wh": wh(totals.certificates.claimed), "certificates_expired_wh": wh(totals.certificates.expired),
            "misconduct": totals.misconduct, "violations": settled.violations.len(),
        })
    }

    fn settlement_text(&self) -> Vec<String> {
        let Some(Again { settled, .. }) = &self.again else { return Vec::new() };
        let totals = &settled.totals;
        let known = |name: &str, known: &Known| {
            format!("{} {name} ({})", kwh(i128::try_from(known.energy_wh).unwrap_or(i128::MAX)), known.quarters)
        };
        let mut lines = vec![
            format!(
                "  delivered   {} given, {} taken: {}, {}, {}",
                kwh(totals.given_wh),
                kwh(totals.taken_wh),
                known("measured", &totals.measured),
                known("estimated", &totals.estimated),
                known("corrected", &totals.corrected),
            ),
            format!(
                "  settled     {} periods, {} areas frozen, {} periods final; {} paid out for trades",
                totals.periods_settled, totals.areas_frozen, totals.periods_final, totals.for_trades
            ),
            format!(
                "  imbalance   {} short, {} long: meters paid {} and got {}; {} went upstream",
                kwh(totals.short_wh),
                kwh(totals.long_wh),
                totals.paid,
                totals.got,
                totals.upstream
            ),
            format!(
                "  operators   {} in fees, {} surplus of imbalance; {} lost on the way for {}, {} billed",
                totals.fees,
                totals.surplus,
                kwh(totals.losses_wh),
                totals.losses,
                totals.billed
            ),
        ];
        let certificates = &totals.certificates;
        lines.push(format!(
            "  origin      certificates of {} issued, {} moved with trades, {} claimed, {} expired",
            kwh(certificates.issued),
            kwh(certificates.moved),
            kwh(certificates.claimed),
            kwh(certificates.expired)
        ));
        lines.push(format!("  conduct     {} entries against meters", totals.misconduct));
        lines.extend(self.stories().iter().map(Story::to_text));
        lines
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
            "energy_wh": tally.energy.0.to_string(),
            "trades_between_feeders": tally.trades_across,
            "grid_fees_nano": tally.fees.0.to_string(),
            "money_sum_nano": self.money_sum.map(|sum| sum.0.to_string()),
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
            "began_late": self.began_late,
            "commands": tally.commands,
            "unanswered_bundles": tally.unanswered,
            "seconds": self.tally.traded_for.as_secs_f64(),
            "height": self.height,
            "state_roots": self.state_roots.iter().map(|root| root.to_hex()).collect::<Vec<_>>(),
            "kill_one": self.options.kill_one,
            "failovers": self.failovers,
            "watch_events": tally.watch_events,
            "settlement": self.settlement_json(),
            "stories": self.stories().iter().map(Story::to_json).collect::<Vec<_>>(),
            "local": {
                "demand_wh": local.demand.0.to_string(), "surplus_wh": local.surplus.0.to_string(),
                "served_wh": local.served.0.to_string(), "served_ppm": local.served_ppm,
            },
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
            format!("  traded      {} trades, {}", tally.trades, kwh(tally.energy.0.into())),
            format!("  grid        {} trades between feeders, {} in fees", tally.trades_across, tally.fees),
            format!(
                "  neighbours  served {} of {} demand: {}.{:02} %",
                kwh(local.served.0.into()),
                kwh(local.demand.0.into()),
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
        lines.extend(self.settlement_text());
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
            let violations = self.again.iter().flat_map(|again| again.settled.violations.iter().take(5));
            lines.extend(self.failures.iter().chain(violations).map(|failure| format!("       {failure}")));
        }
        lines.join("\n")
    }
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_json().to_string())
    }
}

fn mib(bytes: &[u64]) -> u64 {
    bytes.iter().max().unwrap_or(&0) >> 20
}

/// The reading deadlines of the town's periods that begin at a moment or later.
fn due_from(at: LedgerTime, options: &DemoOptions, town: &Town) -> Vec<LedgerTime> {
    let rules = super::settlement(super::time_scale(options.seconds).unwrap_or(1));
    let mtu_minutes = town.config().rules.mtu_minutes;
    let periods = town.periods().filter(|period| period.starts_at(mtu_minutes) >= at);
    periods.map(|period| LedgerTime(period.ends_at(mtu_minutes).0 + rules.reading_deadline_ms)).collect()
}

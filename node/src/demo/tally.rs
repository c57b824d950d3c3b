//! What the demo counts while the day goes by.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gridbook_engine::{Energy, MeterId, Money};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::{MeterSettled, Record, RecordEvent};
use gridbook_ledger::settlement::Quality;
use gridbook_sim::{LocalSummary, LocalSupply, Town};
use hdrhistogram::Histogram;

use crate::client::FinalBundle;

/// A command that led to a trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct TradedCommand {
    /// Its bundle.
    pub(super) bundle: Hash,
    /// Its place in the bundle.
    pub(super) index: u16,
    /// Whose it was.
    pub(super) meter: MeterId,
    /// The hash of its record.
    pub(super) leaf: Hash,
}

/// Counts of a day.
pub(super) struct Tally {
    /// Bundles that meters sent.
    pub(super) bundles: u64,
    /// Commands in them.
    pub(super) commands: u64,
    /// Commands among them that put an order in or give one new terms.
    pub(super) orders: u64,
    /// Orders whose bundle is final.
    pub(super) orders_final: u64,
    /// Validators that were killed and started again.
    pub(super) killed: u64,
    /// From the first bundle to the last that became final.
    pub(super) traded_for: Duration,
    /// Trades in final records.
    pub(super) trades: u64,
    /// Their energy.
    pub(super) energy: Energy,
    /// Trades between two feeders.
    pub(super) trades_across: u64,
    /// What all trades paid for their way.
    pub(super) fees: Money,
    /// Refused commands by the name of their code; those of a bundle that was refused whole, each.
    pub(super) rejected: BTreeMap<&'static str, u64>,
    /// Bundles of which nobody could say what became.
    pub(super) unanswered: u64,
    /// From submitting a bundle to its being final, in microseconds.
    pub(super) finality_us: Histogram<u64>,
    /// From submitting a bundle to its leader's word on its place, in microseconds, where that came before finality.
    pub(super) sequencing_us: Histogram<u64>,
    /// Commands that led to trades, to ask receipts for.
    pub(super) traded: Vec<TradedCommand>,
    /// Energy that watching meters were told they bought and sold.
    pub(super) watched_bought: Energy,
    /// See `watched_bought`.
    pub(super) watched_sold: Energy,
    /// Events that watches brought.
    pub(super) watch_events: u64,
    /// Readings that became final.
    pub(super) readings: u64,
    /// What watching meters were told of their settlement.
    pub(super) settlement: Watched,
    local: LocalSupply,
}

/// Settlement as it goes by; corrections count again.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Meters' quarter-hours.
    pub(super) quarters: u64,
    /// Those of them that were estimated.
    pub(super) estimated: u64,
    /// Energy that was missing, or too much.
    pub(super) imbalance_wh: u128,
    /// When the last was told.
    pub(super) last: Option<Instant>,
}

impl Watched {
    fn on_settled(&mut self, settled: &MeterSettled) {
        self.quarters += 1;
        self.estimated += u64::from(matches!(settled.quality, Quality::Estimated(_)));
        self.imbalance_wh += (settled.delivery.net_wh() - settled.contracted_wh).unsigned_abs();
        self.last = Some(Instant::now());
    }
}

impl Tally {
    pub(super) fn new(town: &Town) -> Self {
        Self {
            bundles: 0,
            commands: 0,
            orders: 0,
            orders_final: 0,
            killed: 0,
            traded_for: Duration::ZERO,
            trades: 0,
            energy: Energy::ZERO,
            trades_across: 0,
            fees: Money::ZERO,
            rejected: BTreeMap::new(),
            unanswered: 0,
            finality_us: Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are valid"),
            sequencing_us: Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are valid"),
            traded: Vec::new(),
            watched_bought: Energy::ZERO,
            watched_sold: Energy::ZERO,
            watch_events: 0,
            readings: 0,
            settlement: Watched::default(),
            local: LocalSupply::new(town),
        }
    }

    /// A meter's bundle is final. Every trade is in the record of exactly one command: that which set it off.
    pub(super) fn on_final(&mut self, done: &FinalBundle, orders: u64, took: Duration) {
        self.orders_final += orders;
        self.finality_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        for record in &done.records {
            let trades = record.events.iter().filter_map(Trade::of);
            let before = self.trades;
            for trade in trades {
                self.trades += 1;
                self.energy += trade.energy;
                self.trades_across += u64::from(trade.crosses);
                self.fees += trade.fees;
                self.local.on_trade(trade.buyer.0, trade.seller.0, trade.period, trade.energy);
            }
            if self.trades > before
                && let Some(meter) = record.meter
            {
                let (bundle, index, leaf) = (done.bundle, record.index, record.leaf_hash());
                self.traded.push(TradedCommand { bundle, index, meter, leaf });
            }
        }
    }

    /// So long after it was sent, the leader's word on a bundle's place came.
    pub(super) fn on_sequenced(&mut self, took: Option<Duration>) {
        if let Some(took) = took {
            self.sequencing_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// `count` commands were refused.
    pub(super) fn on_rejected(&mut self, code: &'static str, count: u64) {
        *self.rejected.entry(code).or_default() += count;
    }

    /// A watch brought a record that names `meter`.
    pub(super) fn on_watched(&mut self, meter: MeterId, record: &Record) {
        self.watch_events += 1;
        for event in &record.events {
            if let RecordEvent::MeterSettled(settled) = event
                && settled.meter == meter
            {
                self.settlement.on_settled(settled);
            }
        }
        for trade in record.events.iter().filter_map(Trade::of) {
            if trade.buyer == meter {
                self.watched_bought += trade.energy;
            }
            if trade.seller == meter {
                self.watched_sold += trade.energy;
            }
        }
    }

    /// How much of the town's demand neighbours have served.
    pub(super) fn local(&self) -> LocalSummary {
        self.local.summary()
    }

    /// A quantile of the time to the leader's word, in milliseconds.
    pub(super) fn sequencing_ms(&self, quantile: f64) -> f64 {
        self.sequencing_us.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// A quantile of the time to finality, in milliseconds.
    pub(super) fn finality_ms(&self, quantile: f64) -> f64 {
        self.finality_us.value_at_quantile(quantile) as f64 / 1000.0
    }
}

struct Trade {
    buyer: MeterId,
    seller: MeterId,
    period: gridbook_engine::DeliveryPeriod,
    energy: Energy,
    crosses: bool,
    fees: Money,
}

impl Trade {
    fn of(event: &RecordEvent) -> Option<Self> {
        let RecordEvent::Trade(trade) = *event else { return None };
        let (buyer, seller) = (trade.buyer().meter, trade.seller().meter);
        let (crosses, fees) = (trade.maker_area != trade.taker_area, trade.fee.times(trade.energy));
        Some(Self { buyer, seller, period: trade.period, energy: trade.energy, crosses, fees })
    }
}

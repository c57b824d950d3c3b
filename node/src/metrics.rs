//! What a validator counts, and its text form for Prometheus.
//!
//! Counters are plain atomics: whoever does the work adds to them, `/metrics` reads them. Names start with `gridbook_`, end with their
//! unit, and counters with `_total`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Only ever grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// How long things take, in buckets that grow by powers of two from 0.25 ms to 8 s.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    above: AtomicU64,
    sum_us: AtomicU64,
}

const BUCKETS: usize = 16;
const FIRST_BUCKET_US: u64 = 250;

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// What it is.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Histogram {
    /// Adds one duration.
    pub fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = (0..BUCKETS).position(|i| us <= FIRST_BUCKET_US << i);
        place.map_or(&self.above, |place| &self.buckets[place]).fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, help: &str) {
        head(text, name, "histogram", help);
        let mut count = 0;
        for (i, bucket) in self.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            line(text, &format!("{name}_bucket{{le=\"{}\"}}", seconds(FIRST_BUCKET_US << i)), count);
        }
        count += self.above.load(Ordering::Relaxed);
        line(text, &format!("{name}_bucket{{le=\"+Inf\"}}"), count);
        line(text, &format!("{name}_sum"), seconds(self.sum_us.load(Ordering::Relaxed)));
        line(text, &format!("{name}_count"), count);
    }
}

/// Everything a validator counts. One per process, shared by reference.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Bundles that came in from clients.
    pub bundles_received: Counter,
    /// Bundles that passed admission.
    pub bundles_admitted: Counter,
    /// Bundles admitted and not yet in the log.
    pub bundles_waiting: Gauge,
    /// Final commands.
    pub commands_final: Counter,
    /// Final trades.
    pub trades_final: Counter,
    /// Final energy traded, in watt-hours.
    pub energy_final_wh: Counter,
    /// Snapshots of other validators that were not taken.
    pub snapshots_refused: Counter,
    /// Commands refused in execution, provably.
    pub commands_rejected: Counter,
    /// The last final header's number.
    pub height: Gauge,
    /// The current view.
    pub view: Gauge,
    /// The leader of the current view.
    pub leader: Gauge,
    /// Ledger time of the last final header, in milliseconds.
    pub ledger_time_ms: Gauge,
    /// Sequence number of the last final command.
    pub last_seq: Gauge,
    /// View changes by timeout.
    pub timeouts: Counter,
    /// Meter connections now.
    pub meter_connections: Gauge,
    /// Validator connections now.
    pub validator_connections: Gauge,
    /// Orders resting in the books.
    pub orders_open: Gauge,
    /// Bytes appended to the log.
    pub log_bytes: Counter,
    /// From admission of a bundle here to its being final here.
    pub finality: Histogram,
    /// From admission of a bundle here to its leader's word on its place.
    pub sequencing: Histogram,
    /// Messages of other validators that were dropped: they did not hold, nobody asked for them, or their sender was not listened to.
    pub peer_messages_dropped: Counter,
    /// Validators proven to have broken the rules, each kind once for each.
    pub evidence: Counter,
    /// One wait for the disk.
    pub log_sync: Histogram,
    /// Applying one batch of commands.
    pub execution: Histogram,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// Counts a refusal at admission under the name of its code.
    pub fn refuse(&self, code: &'static str) {
        *self.refused.lock().entry(code).or_default() += 1;
    }

    /// The text that Prometheus reads, format 0.0.4.
    pub fn to_prometheus(&self) -> String {
        let mut text = String::with_capacity(8192);
        self.write_counters(&mut text);
        self.write_gauges(&mut text);
        self.finality.write(
            &mut text,
            "gridbook_finality_seconds",
            "From admission of a bundle here to its being final here.",
        );
        self.sequencing.write(
            &mut text,
            "gridbook_sequencing_seconds",
            "From admission of a bundle here to its leader's word on its place.",
        );
        self.log_sync.write(&mut text, "gridbook_log_sync_seconds", "One wait for the disk.");
        self.execution.write(&mut text, "gridbook_execution_seconds", "Applying one batch of commands.");
        text
    }

    fn write_counters(&self, text: &mut String) {
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            head(text, name, "counter", help);
            line(text, name, counter.value());
        };
        counter("gridbook_bundles_received_total", "Bundles that came in from clients.", &self.bundles_received);
        counter("gridbook_bundles_admitted_total", "Bundles that passed admission.", &self.bundles_admitted);
        counter("gridbook_commands_final_total", "Final commands.", &self.commands_final);
        counter(
            "gridbook_snapshots_refused_total",
            "Snapshots of other validators that were not taken.",
            &self.snapshots_refused,
        );
        counter("gridbook_commands_rejected_total", "Commands refused in execution.", &self.commands_rejected);
        counter("gridbook_trades_final_total", "Final trades.", &self.trades_final);
        counter("gridbook_energy_final_wh_total", "Final energy traded, in watt-hours.", &self.energy_final_wh);
        counter("gridbook_timeouts_total", "View changes by timeout.", &self.timeouts);
        counter(
            "gridbook_peer_messages_dropped_total",
            "Messages of other validators that were dropped.",
            &self.peer_messages_dropped,
        );
        counter("gridbook_evidence_total", "Validators proven to have broken the rules, by kind.", &self.evidence);
        counter("gridbook_log_bytes_total", "Bytes appended to the log.", &self.log_bytes);
        let name = "gridbook_bundles_refused_total";
        head(text, name, "counter", "Bundles refused at admission, by code.");
        for (code, count) in self.refused.lock().iter() {
            line(text, &format!("{name}{{code=\"{code}\"}}"), count);
        }
    }

    fn write_gauges(&self, text: &mut String) {
        let mut gauge = |name: &str, help: &str, value: u64| {
            head(text, name, "gauge", help);
            line(text, name, value);
        };
        gauge("gridbook_bundles_waiting", "Bundles admitted and not yet in the log.", self.bundles_waiting.value());
        gauge("gridbook_height", "Number of the last final header.", self.height.value());
        gauge("gridbook_view", "The current view.", self.view.value());
        gauge("gridbook_leader", "Index of the current view's leader.", self.leader.value());
        gauge("gridbook_ledger_time_ms", "Ledger time of the last final header.", self.ledger_time_ms.value());
        gauge("gridbook_last_seq", "Sequence number of the last final command.", self.last_seq.value());
        gauge("gridbook_meter_connections", "Meter connections now.", self.meter_connections.value());
        gauge("gridbook_validator_connections", "Validator connections now.", self.validator_connections.value());
        gauge("gridbook_orders_open", "Orders resting in the books.", self.orders_open.value());
        let memory = MemoryUse::of_process("self").unwrap_or_default();
        gauge("gridbook_resident_memory_bytes", "Memory of this process now.", memory.resident_bytes);
        gauge("gridbook_resident_memory_peak_bytes", "The most memory this process ever had.", memory.peak_bytes);
    }
}

/// Memory of a process as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Resident now (VmRSS).
    pub resident_bytes: u64,
    /// The most it ever was (VmHWM).
    pub peak_bytes: u64,
}

impl MemoryUse {
    /// Of the process with this number, or `self`. Nothing where there is no such process or no `/proc`.
    pub fn of_process(process: &str) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let bytes = |field: &str| -> Option<u64> {
            let kib = status.lines().find_map(|line| line.strip_prefix(field))?;
            Some(kib.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
        };
        Some(Self { resident_bytes: bytes("VmRSS:")?, peak_bytes: bytes("VmHWM:")? })
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, &format!("# HELP {name}"), help);
    line(text, &format!("# TYPE {name}"), kind);
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    writeln!(text, "{name} {value}").expect("writing into a string cannot fail");
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_help_and_type_before_every_sample() {
        let metrics = Metrics::default();
        metrics.refuse("AuthReplay");
        let text = metrics.to_prometheus();
        let mut declared = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                declared = rest.split(' ').next().expect("a name").to_owned();
            } else if !line.starts_with('#') {
                assert!(line.starts_with(&declared) && line.starts_with("gridbook_"), "{line} after {declared}");
                let value = line.rsplit(' ').next().expect("a value");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(text.contains("gridbook_bundles_refused_total{code=\"AuthReplay\"} 1\n"));
    }

    #[test]
    fn a_histogram_counts_each_duration_in_every_bucket_above_it() {
        let metrics = Metrics::default();
        for ms in [0, 1, 3, 20_000] {
            metrics.finality.observe(Duration::from_millis(ms));
        }
        let text = metrics.to_prometheus();
        for expected in ["le=\"0.000250\"} 1\n", "le=\"0.001000\"} 2\n", "le=\"0.004000\"} 3\n", "le=\"+Inf\"} 4\n"] {
            assert!(text.contains(&format!("gridbook_finality_seconds_bucket{{{expected}")), "{expected}");
        }
        assert!(text.contains("gridbook_finality_seconds_sum 20.004000\n"));
    }

    #[test]
    fn a_process_knows_its_memory() {
        let memory = MemoryUse::of_process("self").expect("on Linux");
        assert!(memory.resident_bytes > 0 && memory.peak_bytes >= memory.resident_bytes);
    }
}

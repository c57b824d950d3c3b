//! What the demo shows while it runs: a live view in a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gridbook_engine::LedgerTime;
use parking_lot::Mutex;

use super::DAY_MS;
use super::tally::Tally;
use crate::client::Client;
use crate::moment::format_moment;
use crate::protocol::Status;

/// Where progress is shown.
pub(super) struct Screen {
    live: bool,
    lines_drawn: usize,
    last_line: Option<Instant>,
    last: Option<(Duration, u64)>,
    orders_per_second: f64,
}

/// What each validator last said of itself, and when.
pub(super) struct Moment {
    statuses: Arc<Mutex<Vec<Option<Said>>>>,
}

type Said = (Status, Instant);

/// How often validators are asked.
const ASK: Duration = Duration::from_millis(400);

/// A validator that has said nothing for so long is shown as silent.
const SILENT: Duration = Duration::from_secs(2);

/// How often a plain line is printed.
const LINE: Duration = Duration::from_secs(1);

impl Moment {
    /// Asks every validator again and again.
    pub(super) fn watch(inspectors: &[Client]) -> Self {
        let statuses = Arc::new(Mutex::new(vec![None; inspectors.len()]));
        for (index, inspector) in inspectors.iter().enumerate() {
            let (inspector, statuses) = (inspector.clone(), Arc::downgrade(&statuses));
            tokio::spawn(async move {
                loop {
                    let status = inspector.status().await;
                    let Some(statuses) = statuses.upgrade() else { return };
                    if let Ok(status) = status {
                        statuses.lock()[index] = Some((status, Instant::now()));
                    }
                    drop(statuses);
                    tokio::time::sleep(ASK).await;
                }
            });
        }
        Self { statuses }
    }

    /// The leader that those who have spoken lately name most.
    pub(super) fn leader(&self) -> Option<usize> {
        let named: Vec<usize> = self.fresh().iter().flatten().map(|status| usize::from(status.leader.0)).collect();
        (0..self.statuses.lock().len())
            .filter(|index| named.contains(index))
            .max_by_key(|index| named.iter().filter(|other| *other == index).count())
    }

    /// How far the ledger has come, by those who have spoken lately.
    pub(super) fn ledger_time(&self) -> LedgerTime {
        self.fresh().iter().flatten().map(|status| status.ledger_time).max().unwrap_or(LedgerTime(0))
    }

    fn fresh(&self) -> Vec<Option<Status>> {
        let is_fresh = |(status, at): &Said| (at.elapsed() < SILENT).then_some(*status);
        self.statuses.lock().iter().map(|said| said.as_ref().and_then(is_fresh)).collect()
    }
}

impl Screen {
    /// A live view if standard output is a terminal and nobody asked for plain lines.
    pub(super) fn new(headless: bool) -> Self {
        let live = !headless && std::io::stdout().is_terminal();
        Self { live, lines_drawn: 0, last_line: None, last: None, orders_per_second: 0.0 }
    }

    /// A sentence that stays.
    pub(super) fn note(&self, sentence: &str) {
        // The next drawing begins below it.
        note!("{}{sentence}", if self.live { "\r\x1b[J" } else { "" });
    }

    /// Shows how things stand.
    pub(super) fn draw(
        &mut self,
        now: LedgerTime,
        ends_at: LedgerTime,
        elapsed: Duration,
        tally: &Tally,
        in_flight: usize,
        moment: &Moment,
    ) {
        self.measure(elapsed, tally.orders_final);
        let fresh = moment.fresh();
        let height = fresh.iter().flatten().map(|status| status.height).max().unwrap_or(0);
        let leader = moment.leader().map_or("?".to_owned(), |leader| leader.to_string());
        let facts = [
            format!("height {height}, leader {leader}"),
            format!("{:.0} orders/s, {} orders, {} trades", self.orders_per_second, tally.orders_final, tally.trades),
            format!("{:.1} kWh", tally.energy.0 as f64 / 1000.0),
            format!("finality p50 {:.0} ms, p99 {:.0} ms", tally.finality_ms(0.5), tally.finality_ms(0.99)),
            settlement(tally),
            format!("{in_flight} bundles on their way, {} refused commands", tally.rejected.values().sum::<u64>()),
        ];
        let clock = format_moment(LedgerTime(now.0.min(ends_at.0)));
        if self.live {
            self.redraw(&live_view(&clock, day_share(now, ends_at), &facts, &fresh));
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE) {
            self.last_line = Some(Instant::now());
            println!("{clock}  {}", facts.join(" | "));
        }
    }

    /// The view is over; what comes next is printed below it.
    pub(super) fn finish(&mut self) {
        self.lines_drawn = 0;
    }

    fn measure(&mut self, elapsed: Duration, orders: u64) {
        let Some((then, before)) = self.last else {
            self.last = Some((elapsed, orders));
            return;
        };
        let span = elapsed.saturating_sub(then);
        if span >= LINE {
            self.orders_per_second = (orders - before) as f64 / span.as_secs_f64();
            self.last = Some((elapsed, orders));
        }
    }

    fn redraw(&mut self, lines: &[String]) {
        let mut text = String::new();
        if self.lines_drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.lines_drawn));
        }
        for line in lines {
            text.push_str(&format!("\r\x1b[K{line}\n"));
        }
        text.push_str("\x1b[J");
        self.lines_drawn = lines.len();
        let mut stdout = std::io::stdout().lock();
        // A terminal that is gone needs no view.
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }
}

fn settlement(tally: &Tally) -> String {
    let watched = &tally.settlement;
    format!(
        "{} readings, {} quarter-hours settled, {} estimated, {:.1} kWh imbalance",
        tally.readings,
        watched.quarters,
        watched.estimated,
        watched.imbalance_wh as f64 / 1000.0
    )
}

fn live_view(clock: &str, share: f64, facts: &[String], fresh: &[Option<Status>]) -> Vec<String> {
    const WIDTH: usize = 48;
    let filled = ((share * WIDTH as f64) as usize).min(WIDTH);
    let mut lines = vec![
        String::new(),
        format!("  \x1b[1mGridbook\x1b[0m  {clock}  [{}{}]", "#".repeat(filled), ".".repeat(WIDTH - filled)),
    ];
    lines.extend(facts.iter().map(|fact| format!("  {fact}")));
    lines.extend(fresh.iter().enumerate().map(|(index, status)| match status {
        Some(status) => {
            format!("  validator {index}: height {}, view {}, root {:?}", status.height, status.view, status.state_root)
        }
        None => format!("  validator {index}: silent"),
    }));
    lines
}

fn day_share(now: LedgerTime, ends_at: LedgerTime) -> f64 {
    let left_ms = ends_at.0.saturating_sub(now.0).min(DAY_MS);
    1.0 - left_ms as f64 / DAY_MS as f64
}

//! What a run did and found: for people, and as JSON.

use serde_json::{Value, json};

use super::ChaosOptions;
use super::answers::Answers;
use super::tally::Tally;
use super::verdict::Words;

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    pub(super) options: ChaosOptions,
    pub(super) tally: Tally,
    pub(super) answers: Answers,
    pub(super) seconds: f64,
    /// Final height that all logs have.
    pub(super) height: u64,
    pub(super) header: String,
    pub(super) trades: u64,
    pub(super) receipts_requested: u64,
    pub(super) receipts_verified: u64,
    /// Safety records that the validators were heard to keep.
    pub(super) promises: u64,
    pub(super) words: Words,
    pub(super) logs_verified: u64,
    /// From the death of a leader to the first final header of a later view, as clients heard of it; sorted.
    pub(super) recoveries_ms: Vec<u64>,
    pub(super) memory_bytes: Vec<u64>,
    pub(super) interrupted: bool,
    /// Everything that does not hold.
    pub(super) failures: Vec<String>,
}

impl Report {
    pub(super) fn new(options: &ChaosOptions, tally: Tally, answers: Answers) -> Self {
        Self {
            options: options.clone(),
            tally,
            answers,
            seconds: 0.0,
            height: 0,
            header: String::new(),
            trades: 0,
            receipts_requested: 0,
            receipts_verified: 0,
            promises: 0,
            words: Words::default(),
            logs_verified: 0,
            recoveries_ms: Vec::new(),
            memory_bytes: Vec::new(),
            interrupted: false,
            failures: Vec::new(),
        }
    }

    /// Whether it went to its end and everything held.
    pub fn is_good(&self) -> bool {
        !self.interrupted
            && self.failures.is_empty()
            && !self.answers.finals.is_empty()
            && self.receipts_verified == self.receipts_requested
    }

    /// How many SIGKILLs there were.
    pub fn kills(&self) -> u64 {
        self.tally.kills
    }

    /// The JSON form.
    pub fn to_json(&self) -> Value {
        let Self { options, tally, answers, .. } = self;
        let finality = self.finality_ms();
        json!({
            "good": self.is_good(),
            "seed": options.seed,
            "meters": options.meters,
            "rate": options.rate,
            "commands_per_bundle": options.commands,
            "seconds": self.seconds,
            "kills": tally.kills,
            "restarts": tally.restarts,
            "pauses": tally.pauses,
            "cut_offs": tally.cut_offs,
            "bad_lines": tally.bad_lines,
            "full_disks": tally.full_disks,
            "disk_errors": tally.disk_errors,
            "power_cuts": tally.power_cuts,
            "sectors_lost": tally.sectors.sectors,
            "sectors_kept_unflushed": tally.sectors.kept_sectors,
            "flushes": tally.flushes,
            "outages": tally.outages.len(),
            "troubles": tally.troubles,
            "left_out": tally.left_out,
            "bundles": {
                "sent": answers.sent,
                "final": answers.finals.len(),
                "refused": answers.refused.len(),
                "refused_by_code": answers.refused_by_code(),
                "unanswered": answers.unknown.len(),
            },
            "commands_final": answers.commands_final(),
            "commands_rejected": answers.rejected_commands,
            "trades": self.trades,
            "finality_ms": {"p50": finality.0, "p99": finality.1, "max": finality.2},
            "receipts": {"requested": self.receipts_requested, "verified": self.receipts_verified},
            "sequenced": {"kept": self.words.kept, "void": self.words.void},
            "certified": answers.certified.len(),
            "promises_kept": self.promises,
            "logs_verified": self.logs_verified,
            "height": self.height,
            "header": self.header,
            "leader_deaths": tally.leader_deaths.len(),
            "leader_death_to_final_ms": {
                "p50": quantile(&self.recoveries_ms, 50),
                "max": self.recoveries_ms.last(),
                "all": self.recoveries_ms,
            },
            "commands_per_second": {
                "all": tally.windows.all,
                "one_dead": tally.windows.one_dead,
                "kept_percent": tally.windows.kept_percent(),
            },
            "finals_per_second": answers.finals_per_second,
            "memory_peak_bytes": self.memory_bytes,
            "interrupted": self.interrupted,
            "failures": self.failures,
        })
    }

    /// The form for people.
    pub fn to_text(&self) -> String {
        let Self { tally, answers, .. } = self;
        let troubles: Vec<String> = tally.troubles.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let (p50, p99, max) = self.finality_ms();
        let show = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        let mut lines = vec![
            format!(
                "{} kills, {} restarts in {:.0} s{}",
                tally.kills,
                tally.restarts,
                self.seconds,
                if self.interrupted { ", interrupted" } else { "" }
            ),
            format!("  troubles   {}", troubles.join(", ")),
            format!(
                "  bundles    {} sent, {} final with {} commands, {} refused, {} unanswered",
                answers.sent,
                answers.finals.len(),
                answers.commands_final(),
                answers.refused.len(),
                answers.unknown.len()
            ),
            format!(
                "  words      {} places kept and {} void of those promised (S0); {} bundles were told to be certified (S1)",
                self.words.kept,
                self.words.void,
                answers.certified.len()
            ),
            format!("  traded     {} trades up to height {}", self.trades, self.height),
            format!("  finality   p50 {} p99 {} max {}", show(p50), show(p99), show(max)),
            format!(
                "  leaders    {} killed; to the next final header p50 {} max {}",
                tally.leader_deaths.len(),
                show(quantile(&self.recoveries_ms, 50)),
                show(self.recoveries_ms.last().copied())
            ),
            format!("  receipts   {} fetched, {} verified offline", self.receipts_requested, self.receipts_verified),
            format!(
                "  promises   {} safety records were kept; {} logs were executed again",
                self.promises, self.logs_verified
            ),
        ];
        if let Some(kept) = tally.windows.kept_percent() {
            let (all, dead) = (&tally.windows.all, &tally.windows.one_dead);
            lines.push(format!(
                "  one dead   {kept} % of the speed is kept: {all:?} commands/s with all, {dead:?} without one"
            ));
        }
        if tally.power_cuts > 0 {
            lines.push(format!(
                "  power      cut {} times: {} sectors were lost, {} kept though not flushed; {} flushes",
                tally.power_cuts, tally.sectors.sectors, tally.sectors.kept_sectors, tally.flushes
            ));
        }
        lines.extend(tally.left_out.iter().map(|why| format!("  left out   {why}")));
        lines.extend(self.failures.iter().map(|failure| format!("  FAIL       {failure}")));
        if self.is_good() {
            lines.push(
                "  ok         nothing that was acknowledged is lost or doubled, and money sums to zero".to_owned(),
            );
        }
        lines.join("\n")
    }

    /// From sending to the final answer: p50, p99 and the longest, in milliseconds.
    fn finality_ms(&self) -> (Option<u64>, Option<u64>, Option<u64>) {
        let mut took: Vec<u64> = self.answers.finals.values().map(|told| told.took_us / 1_000).collect();
        took.sort_unstable();
        (quantile(&took, 50), quantile(&took, 99), took.last().copied())
    }
}

/// A quantile, in per cent, of a sorted list.
fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_list_and_an_empty_list_has_none() {
        let list: Vec<u64> = (1..=100).collect();
        assert_eq!((quantile(&list, 50), quantile(&list, 99), quantile(&list, 100)), (Some(51), Some(100), Some(100)));
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(quantile(&[7], 99), Some(7));
    }
}

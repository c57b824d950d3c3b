//! What a validator has bound itself to, as it tells whoever listens to its log.
//!
//! Every line is written after the record is durable and before anything that rests on it is sent. So whoever keeps these lines outside
//! of the validator's disk knows what must be found there after a kill or a power cut: at least the last of them.

use std::cmp::Ordering;

use gridbook_ledger::header::Rank;
use gridbook_ledger::hotstuff::SafetyRecord;
use gridbook_ledger::store::LogPosition;
use serde_json::Value;

/// The log target of the lines; at level trace, which nobody has on by accident.
pub const PROMISE_TARGET: &str = "gridbook::promise";

/// What a safety record binds its validator to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The validator set's number.
    pub epoch: u32,
    /// The rank of the last header voted for.
    pub voted: Rank,
    /// The last view given up.
    pub gave_up: u64,
    /// The last rank proposed.
    pub led: Rank,
    /// Up to where the log is durable.
    pub synced: LogPosition,
}

/// When a promise was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was written and is durable.
    Kept,
    /// It was read at a start.
    Found,
}

impl Default for Promise {
    /// Nothing.
    fn default() -> Self {
        let synced = LogPosition { segment: 0, offset: 0 };
        Self { epoch: 0, voted: Rank::default(), gave_up: 0, led: Rank::default(), synced }
    }
}

impl Promise {
    /// What a record binds its validator to, with how far the log was durable then.
    pub fn of(record: &SafetyRecord, synced: LogPosition) -> Self {
        let voted = record.last_voted.map_or(Rank::default(), |voted| voted.rank);
        Self { epoch: record.epoch, voted, gave_up: record.timeout_view, led: record.led, synced }
    }

    /// Says it.
    pub(super) fn tell(&self, told: Told) {
        let Self { epoch, voted, gave_up, led, synced } = self;
        let told = match told {
            Told::Kept => "kept",
            Told::Found => "found",
        };
        tracing::trace!(
            target: PROMISE_TARGET,
            told,
            epoch,
            voted_view = voted.view,
            voted_slot = voted.slot,
            gave_up,
            led_view = led.view,
            led_slot = led.slot,
            synced_segment = synced.segment,
            synced_offset = synced.offset,
        );
    }

    /// Reads a line of a log in JSON; nothing if it is about something else.
    pub fn read(line: &str) -> Option<(Told, Self)> {
        // Most lines are about something else: that much is seen without reading them.
        if !line.contains(PROMISE_TARGET) {
            return None;
        }
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = (line["target"] == PROMISE_TARGET).then(|| &line["fields"])?;
        let number = |name: &str| fields[name].as_u64();
        let rank = |view, slot| Some(Rank { view: number(view)?, slot: u32::try_from(number(slot)?).ok()? });
        let told = match fields["told"].as_str()? {
            "kept" => Told::Kept,
            "found" => Told::Found,
            _ => return None,
        };
        let promise = Self {
            epoch: u32::try_from(number("epoch")?).ok()?,
            voted: rank("voted_view", "voted_slot")?,
            gave_up: number("gave_up")?,
            led: rank("led_view", "led_slot")?,
            synced: LogPosition { segment: number("synced_segment")?, offset: number("synced_offset")? },
        };
        Some((told, promise))
    }

    /// Whether `later` takes nothing of this back.
    #[must_use]
    pub fn is_kept_by(&self, later: &Self) -> bool {
        match later.epoch.cmp(&self.epoch) {
            Ordering::Less => false,
            // A new epoch begins with ranks of its own; the log goes on.
            Ordering::Greater => later.synced >= self.synced,
            Ordering::Equal => {
                later.voted >= self.voted
                    && later.gave_up >= self.gave_up
                    && later.led >= self.led
                    && later.synced >= self.synced
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(voted: (u64, u32), gave_up: u64, synced: u64) -> Promise {
        let voted = Rank { view: voted.0, slot: voted.1 };
        Promise { voted, gave_up, synced: LogPosition { segment: 0, offset: synced }, ..Promise::default() }
    }

    /// voted (3, 7) | gave up 2 | synced to 4096: whoever comes back with less in any of these may sign against its own word.
    #[test]
    fn a_later_record_that_takes_anything_back_does_not_keep_the_promise() {
        let given = promise((3, 7), 2, 4096);
        assert!(given.is_kept_by(&given));
        assert!(given.is_kept_by(&promise((4, 0), 3, 5000)));
        assert!(!given.is_kept_by(&promise((3, 6), 2, 4096)));
        assert!(!given.is_kept_by(&promise((2, 9), 2, 4096)));
        assert!(!given.is_kept_by(&promise((3, 7), 1, 4096)));
        assert!(!given.is_kept_by(&promise((3, 7), 2, 4095)));
        assert!(!given.is_kept_by(&Promise::default()));
        let next_epoch = Promise { epoch: 1, ..promise((0, 0), 0, 4096) };
        assert!(given.is_kept_by(&next_epoch) && !next_epoch.is_kept_by(&given));
    }

    #[test]
    fn a_promise_is_read_from_the_line_that_tells_it_and_from_no_other() {
        let line = r#"{"timestamp":"2026-06-17T12:00:00Z","level":"TRACE","fields":{"told":"kept","epoch":0,"voted_view":3,"voted_slot":7,"gave_up":2,"led_view":0,"led_slot":0,"synced_segment":0,"synced_offset":4096},"target":"gridbook::promise"}"#;
        assert_eq!(Promise::read(line), Some((Told::Kept, promise((3, 7), 2, 4096))));
        assert_eq!(Promise::read(&line.replace("kept", "found")).map(|(told, _)| told), Some(Told::Found));
        assert_eq!(Promise::read(&line.replace("gridbook::promise", "gridbook::other")), None);
        assert_eq!(Promise::read(&line[..line.len() - 20]), None, "a line that a kill cut short");
        assert_eq!(Promise::read("gridbook::promise"), None);
    }
}

//! What became of the meters that had a bad day: one line each, by the records.

use std::fmt::Write as _;

use gridbook_engine::{DeliveryPeriod, MeterId, Money};
use gridbook_ledger::record::MeterSettled;
use gridbook_ledger::settlement::Quality;
use serde_json::{Value, json};

use super::mishap::Cast;
use super::settled::{Settled, Told};

/// One meter's story.
#[derive(Clone, Debug)]
pub(super) struct Story {
    /// What part it played.
    part: &'static str,
    meter: MeterId,
    /// What the records say.
    text: String,
    /// What must have come of it, and whether it did; nothing where the day gave no occasion.
    pub(super) promise: Option<(&'static str, bool)>,
}

impl Story {
    /// All of them.
    pub(super) fn all(cast: &Cast, settled: &Settled) -> Vec<Self> {
        let tell = |meter: Option<MeterId>, story: fn(MeterId, &Told) -> Self| {
            meter.and_then(|meter| settled.told.get(&meter).map(|told| story(meter, told)))
        };
        let stories = [
            cast.tampered
                .and_then(|meter| settled.told.get(&meter).map(|told| tampered(meter, cast.turned_back, told))),
            tell(cast.silent, silent),
            tell(cast.off, off),
            tell(cast.corrected, corrected),
        ];
        stories.into_iter().flatten().collect()
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        format!("  {:<11} meter {} {}", self.part, self.meter.0, self.text)
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        json!({"part": self.part, "meter": self.meter.0, "text": self.text})
    }
}

/// Its register ran backwards once: that was refused, and then there was no reading. Where it had bought nothing in that quarter-hour, and nobody
/// knows what it took a week before, there is nothing to estimate either.
fn tampered(meter: MeterId, turned_back: Option<DeliveryPeriod>, told: &Told) -> Story {
    let estimated = Estimated::of(told);
    let backwards = told.refused.get("MeterBackwards").copied().unwrap_or(0);
    let text = format!(
        "turned its register back: refused {backwards} x as MeterBackwards, {}, {} entries of conduct",
        estimated.text(),
        told.misconduct
    );
    let is_measured = |one: &MeterSettled| {
        Some(one.contract.period) == turned_back && matches!(one.quality, Quality::Measured | Quality::Corrected)
    };
    let held = backwards > 0 && turned_back.is_some() && !told.settled.iter().any(is_measured);
    let promise = Some(("a register that ran backwards was refused, and nobody was settled by it", held));
    Story { part: "tampered", meter, text, promise }
}

fn silent(meter: MeterId, told: &Told) -> Story {
    let estimated = Estimated::of(told);
    let text = format!("sent no readings for hours: {}", estimated.text());
    let promise = Some(("a meter that sent no readings was estimated", estimated.quarters > 0));
    Story { part: "silent", meter, text, promise }
}

/// What it sold in quarter-hours in which it gave nothing.
fn off(meter: MeterId, told: &Told) -> Story {
    let dead = |one: &&MeterSettled| one.delivery.export.is_zero() && one.trades > Money::ZERO && one.contracted_wh > 0;
    let sold_wh: i128 = told.settled.iter().filter(dead).map(|one| one.contracted_wh).sum();
    let sum =
        |of: fn(&MeterSettled) -> Money| told.settled.iter().filter(dead).fold(Money::ZERO, |sum, one| sum + of(one));
    let (earned, charged) = (sum(|one| one.trades), sum(|one| one.own_trades));
    let text =
        format!("sold {} and gave nothing: earned {earned}, paid {charged} for what it did not deliver", kwh(sold_wh));
    let promise =
        (sold_wh > 0).then_some(("a plant that gave nothing of what it sold earned nothing", charged >= earned));
    Story { part: "plant off", meter, text, promise }
}

/// The estimate, and what the correction made of it.
fn corrected(meter: MeterId, told: &Told) -> Story {
    let mut text = String::from("lost a reading: ");
    let mut corrections = 0;
    for (place, after) in told.settled.iter().enumerate() {
        let is_of_it = |one: &&MeterSettled| one.contract == after.contract;
        let Some(before) = told.settled[..place].iter().rev().find(is_of_it) else { continue };
        let (estimate, found) = (before.delivery.import.0, after.delivery.import.0);
        let moved = after.own_trades + after.rest;
        let way = if moved < Money::ZERO { "got back" } else { "paid" };
        let amount = if moved < Money::ZERO { -moved } else { moved };
        let comma = if corrections > 0 { "; " } else { "" };
        write!(text, "{comma}estimated at {estimate} Wh, corrected to {found} Wh, {way} {amount}")
            .expect("a string takes all");
        corrections += u32::from(after.quality == Quality::Corrected);
    }
    // Of a house that had bought nothing, and was never seen before, there was nothing to estimate.
    let is_corrected = told.settled.iter().any(|one| one.quality == Quality::Corrected);
    if corrections == 0 {
        text.push_str(if is_corrected {
            "nothing was estimated, and it was read later"
        } else {
            "nobody corrected it"
        });
    }
    let promise = Some(("a reading that was missing was corrected before it was final", is_corrected));
    Story { part: "corrected", meter, text, promise }
}

/// What was estimated of a meter.
#[derive(Default)]
struct Estimated {
    quarters: u64,
    import_wh: i128,
    charged: Money,
}

impl Estimated {
    fn of(told: &Told) -> Self {
        let is_estimated = |one: &&MeterSettled| matches!(one.quality, Quality::Estimated(_));
        told.settled.iter().filter(is_estimated).fold(Self::default(), |sum, one| Self {
            quarters: sum.quarters + 1,
            import_wh: sum.import_wh + i128::from(one.delivery.import.0),
            charged: sum.charged + one.own_trades + one.rest,
        })
    }

    fn text(&self) -> String {
        let (quarters, import) = (self.quarters, kwh(self.import_wh));
        format!(
            "{quarters} quarter-hours estimated against its owner at {import} taken, {} charged for imbalance",
            self.charged
        )
    }
}

/// Energy for people.
pub(super) fn kwh(wh: i128) -> String {
    let sign = if wh < 0 { "-" } else { "" };
    if wh.unsigned_abs() < 1_000 {
        return format!("{wh} Wh");
    }
    format!("{sign}{}.{} kWh", wh.unsigned_abs() / 1_000, wh.unsigned_abs() % 1_000 / 100)
}

//! What became of an area's delivery periods, for whoever runs the market or the grid.

use std::collections::BTreeMap;

use gridbook_engine::{DeliveryPeriod, Money, Price};
use gridbook_ledger::record::{AreaSettled, RecordEvent};
use gridbook_ledger::settlement::{AreaFault, Residual, ResidualQuality};
use gridbook_ledger::store::{Fact, FactRow, MetersSettled};
use serde_json::{Value, json};

use crate::amounts::format_price;
use crate::columns::{aligned, comma_separated};
use crate::moment::format_moment;
use crate::settled_text::residual_quality_text;

/// An area's periods, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AreaReport {
    pub(crate) periods: BTreeMap<DeliveryPeriod, AreaPeriod>,
    pub(crate) totals: AreaPeriod,
    /// How many periods are settled, frozen, final; and of how many the losses are an estimate.
    pub(crate) counts: [usize; 4],
}

/// One period of an area. Energies are as they were settled last, money is all that moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AreaPeriod {
    pub(crate) meters: MetersSettled,
    /// Short and long price, if it was settled.
    pub(crate) prices: Option<(Price, Price)>,
    pub(crate) net_wh: i128,
    pub(crate) contracted_wh: i128,
    /// What the area's virtual meter showed last, if the period is settled.
    pub(crate) residual: Option<Residual>,
    pub(crate) losses_wh: i128,
    pub(crate) upstream: Money,
    pub(crate) losses: Money,
    pub(crate) surplus: Money,
    pub(crate) frozen: Option<AreaFault>,
    /// Losses that its operator answers for, though they are beyond the genesis' bound.
    pub(crate) accepted_wh: Option<i64>,
    pub(crate) is_final: bool,
}

impl AreaReport {
    /// Out of an area's facts, and everybody's about the same periods.
    pub(crate) fn of(facts: &[FactRow]) -> Self {
        let mut report = Self::default();
        for row in facts {
            match &row.fact {
                Fact::Meters(sums) => report.period(row).meters.join(sums),
                Fact::Event(RecordEvent::AreaSettled(settled)) => report.period(row).settle(settled),
                Fact::Event(RecordEvent::AreaResidual(told)) => report.period(row).read_residual(told.residual),
                Fact::Event(RecordEvent::AreaFrozen { why, .. }) => report.period(row).frozen = Some(*why),
                Fact::Event(RecordEvent::LossesAccepted { losses_wh, .. }) => {
                    report.period(row).accepted_wh = Some(*losses_wh);
                }
                _ => {}
            }
        }
        for row in facts {
            if let (Fact::Event(RecordEvent::PeriodFinal { .. }), Some(period)) =
                (&row.fact, report.periods.get_mut(&row.period))
            {
                period.is_final = true;
            }
        }
        let is: [fn(&AreaPeriod) -> bool; 4] = [
            AreaPeriod::is_settled,
            |period| period.frozen.is_some(),
            |period| period.is_final,
            AreaPeriod::is_residual_estimated,
        ];
        report.counts = is.map(|is| report.periods.values().filter(|period| is(period)).count());
        report.periods.values().for_each(|period| report.totals.add(period));
        report
    }

    fn period(&mut self, row: &FactRow) -> &mut AreaPeriod {
        self.periods.entry(row.period).or_default()
    }

    /// Lines for a terminal.
    pub(crate) fn text(&self, title: &str, mtu_minutes: u32) -> String {
        let mut lines = vec![vec![title.to_owned()]];
        let head = [
            "begins (UTC)",
            "short ct",
            "long ct",
            "given Wh",
            "sold Wh",
            "up Wh",
            "lost Wh",
            "by",
            "meters",
            "est.",
            "corr.",
            "trades",
            "imbalance",
            "upstream",
            "losses",
            "surplus",
            "",
        ];
        lines.push(head.map(str::to_owned).to_vec());
        for (at, period) in &self.periods {
            let begins = format_moment(at.starts_at(mtu_minutes)).get(..16).unwrap_or_default().replace('T', " ");
            lines.push(period.cells(begins, period.standing()));
        }
        let [settled, frozen, finished, estimated] = self.counts;
        lines.push(self.totals.cells("together".into(), String::new()));
        lines.push(vec![format!("{settled} periods settled, {frozen} frozen, {finished} final.")]);
        if estimated > 0 {
            lines.push(vec![format!(
                "Of {estimated} of them the losses are estimated (est.): an edge was not read in time."
            )]);
        }
        let totals = &self.totals.meters;
        for (amount, what) in
            [(totals.billed, "billed by the grid operator"), (totals.defaulted, "borne by the default account")]
        {
            lines.extend((amount != Money::ZERO).then(|| vec![format!("{amount} of the imbalance was {what}.")]));
        }
        for (at, period) in &self.periods {
            if let Some(residual) = period.residual.filter(|_| period.is_residual_estimated()) {
                let (begins, how) = (format_moment(at.starts_at(mtu_minutes)), residual_quality_text(residual.quality));
                lines.push(vec![format!("{begins}: losses of {} Wh are {how}.", residual.losses_wh())]);
            }
            let begins = || format_moment(at.starts_at(mtu_minutes));
            if let Some(accepted_wh) = period.accepted_wh {
                lines.push(vec![format!("{}: the operator answers for losses of {accepted_wh} Wh.", begins())]);
            }
            if let Some(why) = period.frozen {
                lines.push(vec![format!("{} is frozen: {why}.", begins())]);
            }
            if let Some(AreaFault::Losses { losses_wh, .. }) = period.frozen {
                let advice = "Have its edges and meters read again; or its operator answers for them";
                let command = format!("gridbook settlement accept-losses --period {} --losses={losses_wh}Wh", begins());
                lines.push(vec![format!("  {advice}: `{command}`.")]);
            }
        }
        aligned(&lines)
    }

    /// One line for each period. Money is in nano-currency, prices in micro-currency per kWh.
    pub(crate) fn csv(&self, mtu_minutes: u32) -> String {
        let head = [
            "period",
            "begins",
            "short_price",
            "long_price",
            "net_wh",
            "contracted_wh",
            "below_wh",
            "sent_up_wh",
            "losses_wh",
            "losses_quality",
            "import_wh",
            "export_wh",
            "settlements",
            "estimated",
            "corrected",
            "trades_nano",
            "imbalance_nano",
            "billed_nano",
            "defaulted_nano",
            "upstream_nano",
            "losses_nano",
            "surplus_nano",
            "frozen",
            "final",
            "accepted_wh",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for (at, period) in &self.periods {
            let price = |price: Option<Price>| price.map_or(String::new(), |price| price.0.to_string());
            let residual = |of: fn(&Residual) -> String| period.residual.as_ref().map_or(String::new(), of);
            let meters = &period.meters;
            lines.push(vec![
                at.0.to_string(),
                format_moment(at.starts_at(mtu_minutes)),
                price(period.prices.map(|(short, _)| short)),
                price(period.prices.map(|(_, long)| long)),
                period.net_wh.to_string(),
                period.contracted_wh.to_string(),
                residual(|residual| residual.below_wh.to_string()),
                residual(|residual| residual.sent_up_wh.to_string()),
                period.losses_wh.to_string(),
                residual(|residual| residual.quality.name().to_owned()),
                meters.import_wh.to_string(),
                meters.export_wh.to_string(),
                meters.count.to_string(),
                meters.estimated.to_string(),
                meters.corrected.to_string(),
                meters.trades.0.to_string(),
                meters.imbalance.0.to_string(),
                meters.billed.0.to_string(),
                meters.defaulted.0.to_string(),
                period.upstream.0.to_string(),
                period.losses.0.to_string(),
                period.surplus.0.to_string(),
                period.frozen.map_or(String::new(), |why| why.to_string()),
                period.is_final.to_string(),
                period.accepted_wh.map_or(String::new(), |accepted_wh| accepted_wh.to_string()),
            ]);
        }
        comma_separated(&lines)
    }

    /// All of it. Energy and money are texts: more than a JSON number holds.
    pub(crate) fn json(&self, mtu_minutes: u32) -> Value {
        let periods: Vec<Value> = self
            .periods
            .iter()
            .map(|(at, period)| {
                let mut value = period.sums_json();
                value["period"] = json!(at.0);
                value["begins"] = json!(format_moment(at.starts_at(mtu_minutes)));
                period.say_how_it_stands(&mut value);
                value
            })
            .collect();
        let [settled, frozen, finished, estimated] = self.counts;
        json!({"periods": periods, "totals": self.totals.sums_json(), "settled_periods": settled, "frozen_periods": frozen,
            "final_periods": finished, "losses_estimated_periods": estimated})
    }
}

impl AreaPeriod {
    fn settle(&mut self, settled: &AreaSettled) {
        self.prices = Some((settled.short_price, settled.long_price));
        self.frozen = None;
        (self.net_wh, self.contracted_wh, self.losses_wh) = (settled.net_wh, settled.contracted_wh, settled.losses_wh);
        self.upstream += settled.upstream;
        self.losses += settled.losses;
        self.surplus += settled.surplus;
    }

    /// Where nobody has a meter, nothing but the virtual meter is told; and where an area that no longer fitted is mended and owes nothing.
    fn read_residual(&mut self, residual: Residual) {
        self.frozen = None;
        (self.net_wh, self.losses_wh) = (residual.net_wh, residual.losses_wh());
        self.residual = Some(residual);
    }

    fn is_settled(&self) -> bool {
        self.prices.is_some() || self.residual.is_some()
    }

    fn is_residual_estimated(&self) -> bool {
        self.residual.is_some_and(|residual| matches!(residual.quality, ResidualQuality::Estimated(_)))
    }

    fn add(&mut self, other: &Self) {
        self.meters.join(&other.meters);
        self.net_wh += other.net_wh;
        self.contracted_wh += other.contracted_wh;
        self.losses_wh += other.losses_wh;
        self.upstream += other.upstream;
        self.losses += other.losses;
        self.surplus += other.surplus;
    }

    fn standing(&self) -> String {
        let standing = match (self.frozen, self.is_final, self.is_settled()) {
            (Some(_), ..) => "frozen",
            (None, true, _) => "final",
            (None, false, true) => "settled",
            (None, false, false) => "under way",
        };
        standing.to_owned()
    }

    fn cells(&self, front: String, back: String) -> Vec<String> {
        let price = |price: Option<Price>| price.map_or(String::new(), format_price);
        let meters = &self.meters;
        vec![
            front,
            price(self.prices.map(|(short, _)| short)),
            price(self.prices.map(|(_, long)| long)),
            self.net_wh.to_string(),
            self.contracted_wh.to_string(),
            self.residual.map_or(String::new(), |residual| residual.sent_up_wh.to_string()),
            self.losses_wh.to_string(),
            self.residual.map_or(String::new(), |residual| how_known(residual.quality).to_owned()),
            meters.count.to_string(),
            meters.estimated.to_string(),
            meters.corrected.to_string(),
            meters.trades.to_string(),
            meters.imbalance.to_string(),
            self.upstream.to_string(),
            self.losses.to_string(),
            self.surplus.to_string(),
            back,
        ]
    }

    /// What can be added up, of one period or of all.
    fn sums_json(&self) -> Value {
        let meters = &self.meters;
        json!({
            "net_wh": self.net_wh.to_string(), "contracted_wh": self.contracted_wh.to_string(),
            "losses_wh": self.losses_wh.to_string(), "import_wh": meters.import_wh.to_string(),
            "export_wh": meters.export_wh.to_string(), "settlements": meters.count, "estimated": meters.estimated,
            "corrected": meters.corrected, "trades_nano": meters.trades.0.to_string(),
            "imbalance_nano": meters.imbalance.0.to_string(), "billed_nano": meters.billed.0.to_string(),
            "defaulted_nano": meters.defaulted.0.to_string(), "upstream_nano": self.upstream.0.to_string(),
            "losses_nano": self.losses.0.to_string(), "surplus_nano": self.surplus.0.to_string(),
        })
    }

    /// What only one period has: prices, what the virtual meter shows, and how the period stands.
    fn say_how_it_stands(&self, value: &mut Value) {
        value["short_price"] = json!(self.prices.map(|(short, _)| short.0));
        value["long_price"] = json!(self.prices.map(|(_, long)| long.0));
        value["below_wh"] = json!(self.residual.map(|residual| residual.below_wh.to_string()));
        value["sent_up_wh"] = json!(self.residual.map(|residual| residual.sent_up_wh.to_string()));
        value["losses_quality"] = json!(self.residual.map(|residual| residual.quality.name()));
        value["frozen"] = json!(self.frozen.map(|why| why.to_string()));
        value["final"] = json!(self.is_final);
        value["accepted_wh"] = json!(self.accepted_wh.map(|accepted_wh| accepted_wh.to_string()));
    }
}

/// In a column of a few letters.
fn how_known(quality: ResidualQuality) -> &'static str {
    match quality {
        ResidualQuality::AsTraded => "",
        ResidualQuality::Measured => "edge",
        ResidualQuality::Estimated(_) => "est.",
        ResidualQuality::Corrected => "corr.",
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AreaId, Contract};
    use gridbook_ledger::record::AreaResidual;

    use super::*;

    fn row(seq: u64, period: u32, fact: Fact) -> FactRow {
        FactRow { period: DeliveryPeriod(period), seq, place: 0, fact }
    }

    fn settled(period: u32, net_wh: i128, surplus: i128) -> Fact {
        Fact::Event(RecordEvent::AreaSettled(AreaSettled {
            contract: Contract { area: AreaId(1), period: DeliveryPeriod(period) },
            short_price: Price(600_000),
            long_price: Price(20_000),
            short_rest: Price(600_000),
            long_rest: Price(20_000),
            net_wh,
            contracted_wh: 400,
            losses_wh: 5,
            upstream: Money(-3),
            losses: Money(2),
            surplus: Money(surplus),
        }))
    }

    /// Three periods: one settled and corrected, one frozen, one only delivered so far. Money of the correction is added, energy replaced.
    #[test]
    fn a_report_says_of_each_period_how_it_stands_and_adds_up() {
        let contract = Contract { area: AreaId(1), period: DeliveryPeriod(901) };
        let frozen = RecordEvent::AreaFrozen { contract, why: AreaFault::Unsound };
        let meters = |count, estimated| Fact::Meters(MetersSettled { count, estimated, ..MetersSettled::default() });
        let facts = [
            row(1, 900, meters(4_096, 3)),
            row(2, 900, meters(10, 1)),
            row(2, 900, settled(900, 380, 7)),
            row(5, 900, settled(900, 390, -2)),
            row(6, 900, Fact::Event(RecordEvent::PeriodFinal { period: DeliveryPeriod(900) })),
            row(3, 901, Fact::Event(frozen)),
            row(4, 902, meters(8, 0)),
        ];
        let report = AreaReport::of(&facts);
        assert_eq!(report.counts, [1, 1, 1, 0]);
        // One that stays settled, whatever becomes known below it, is not frozen.
        let contract = Contract { period: DeliveryPeriod(900), ..contract };
        let unfit = row(7, 900, Fact::Event(RecordEvent::AreaUnfit { contract, why: AreaFault::Unsound }));
        let with_it: Vec<FactRow> = facts.iter().cloned().chain([unfit]).collect();
        assert_eq!(AreaReport::of(&with_it).counts, report.counts);
        let first = &report.periods[&DeliveryPeriod(900)];
        assert_eq!((first.meters.count, first.meters.estimated), (4_106, 4));
        assert_eq!((first.net_wh, first.surplus, first.upstream, first.is_final), (390, Money(5), Money(-6), true));
        let standing: Vec<String> = report.periods.values().map(AreaPeriod::standing).collect();
        assert_eq!(standing, ["final", "frozen", "under way"]);
        assert_eq!(report.totals.meters.count, 4_114);
        let text = report.text("Area north", 15);
        assert!(text.contains("1 periods settled, 1 frozen, 1 final."), "{text}");
        assert!(text.contains("is frozen: "), "{text}");
        assert_eq!(report.csv(15).lines().count(), 4);
        let json = report.json(15);
        assert_eq!(json["totals"]["surplus_nano"], "5");
        let counts = ["settled_periods", "frozen_periods", "final_periods"].map(|name| json[name].as_u64());
        assert_eq!(counts, [Some(1); 3]);
        // One name says one thing: a sum has no standing.
        let own = ["begins", "frozen", "final", "short_price", "sent_up_wh", "losses_quality"];
        assert!(own.iter().all(|name| json["totals"].get(name).is_none()), "{json}");
        assert!(own.iter().all(|name| json["periods"][0].get(name).is_some()), "{json}");
        assert_eq!(json["periods"][0]["begins"], "1970-01-10T09:00:00Z");
    }

    /// Two periods of an area whose edge was read late in the one, never in the other; in the third nobody has a meter there, and 3 got
    /// lost on the way through.
    #[test]
    fn a_report_says_how_the_losses_are_known() {
        let shows = |period, residual| {
            let contract = Contract { area: AreaId(1), period: DeliveryPeriod(period) };
            Fact::Event(RecordEvent::AreaResidual(AreaResidual { contract, residual }))
        };
        let facts = [
            row(2, 900, settled(900, 400, 7)),
            row(2, 900, shows(900, Residual::new(400, 0, true, None))),
            row(5, 900, settled(900, 400, 0)),
            row(5, 900, shows(900, Residual::new(400, 0, true, Some(395)).corrected())),
            row(2, 901, settled(901, 380, 7)),
            row(2, 901, shows(901, Residual::new(380, 0, true, None))),
            row(2, 902, shows(902, Residual::new(0, 50, true, Some(47)))),
        ];
        let report = AreaReport::of(&facts);
        assert_eq!(report.counts, [3, 0, 0, 1]);
        let lost: Vec<i128> = report.periods.values().map(|period| period.losses_wh).collect();
        assert_eq!((lost, report.totals.losses_wh), (vec![5, 0, 3], 8));
        let text = report.text("Area north", 15);
        assert!(text.contains("Of 1 of them the losses are estimated"), "{text}");
        assert!(text.contains("losses of 0 Wh are estimated at nothing, no reading of the edge came."), "{text}");
        let csv = report.csv(15);
        let [head, first, second, third] = csv.lines().collect::<Vec<_>>()[..] else { panic!("{csv}") };
        assert!(head.contains(",net_wh,contracted_wh,below_wh,sent_up_wh,losses_wh,losses_quality,"), "{head}");
        assert!(first.contains(",400,400,0,395,5,corrected,"), "{first}");
        assert!(second.contains(",380,400,0,380,0,estimated_no_edge_reading,"), "{second}");
        assert!(third.contains(",0,0,50,47,3,measured,"), "{third}");
        let json = report.json(15);
        assert_eq!(
            (&json["losses_estimated_periods"], &json["periods"][0]["losses_quality"]),
            (&json!(1), &json!("corrected"))
        );
        assert_eq!((&json["periods"][2]["sent_up_wh"], &json["periods"][2]["below_wh"]), (&json!("47"), &json!("50")));
    }
}

//! A bill day by day, without its lines: what a month or a year comes to.

use std::collections::BTreeMap;

use gridbook_engine::{DeliveryPeriod, MeterId};
use gridbook_ledger::settlement::statement::StatementTotals;
use gridbook_ledger::store::SumRow;
use serde_json::{Value, json};

use super::{periods_text, totals, totals_json};
use crate::columns::{aligned, comma_separated};
use crate::moment::format_moment;

/// What a meter's days come to.
pub(crate) struct DayBill {
    meter: MeterId,
    /// What the bill is for, as the reader asked.
    span: String,
    /// By the day, as 2026-06-17.
    days: BTreeMap<String, StatementTotals>,
    totals: StatementTotals,
}

impl DayBill {
    /// Puts sums together by day, UTC.
    pub(crate) fn of(meter: MeterId, span: String, rows: &[SumRow], mtu_minutes: u32) -> Self {
        let mut bill = Self { meter, span, days: BTreeMap::new(), totals: StatementTotals::default() };
        for row in rows {
            bill.days.entry(day(row.first, mtu_minutes)).or_default().join(&row.totals);
            bill.totals.join(&row.totals);
        }
        bill
    }

    /// A line for each day and the totals. Money is got if more than zero and paid if less.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            vec![format!("Bill of meter {} for {}, days in UTC", self.meter.0, self.span)],
            vec!["Money without a sign is yours to get, with a minus yours to pay. The lines of a day are shown by --day.".to_owned()],
            Vec::new(),
        ];
        if self.days.is_empty() {
            lines.push(vec!["Nothing was traded or settled then.".to_owned()]);
            return aligned(&lines);
        }
        let head = ["", "bought Wh", "sold Wh", "in Wh", "out Wh", "trades", "imbalance", "balance"];
        let mut table = vec![head.map(str::to_owned).to_vec()];
        let mut notes = Vec::new();
        for (day, totals) in &self.days {
            let energy =
                [totals.bought_wh, totals.sold_wh, totals.import_wh, totals.export_wh].map(|wh| wh.to_string());
            let money =
                [totals.bought + totals.sold, totals.imbalance, totals.balance()].map(|money| money.to_string());
            table.push([day.clone()].into_iter().chain(energy).chain(money).collect());
            if totals.doubtful > 0 {
                notes.push(vec![format!("{day}: {} periods do not add up.", totals.doubtful)]);
            }
            let notable = [totals.unsettled, totals.not_final, totals.estimated, totals.corrected];
            if notable.iter().any(|count| *count > 0) {
                notes.push(vec![format!("{day}: {}.", periods_text(totals))]);
            }
        }
        let mut sums = vec![Vec::new()];
        totals(&self.totals, &mut sums);
        // The totals are a table of other columns.
        [aligned(&lines), aligned(&table), aligned(&notes), aligned(&sums)].concat()
    }

    /// One line for each day, with a first line of names. Money is in nano-currency.
    pub(crate) fn csv(&self) -> String {
        let head = [
            "day",
            "periods",
            "bought_wh",
            "bought_nano",
            "sold_wh",
            "sold_nano",
            "fees_nano",
            "import_wh",
            "export_wh",
            "short_wh",
            "long_wh",
            "imbalance_nano",
            "billed_nano",
            "defaulted_nano",
            "balance_nano",
            "doubtful",
            "unsettled",
            "not_final",
            "estimated",
            "corrected",
            "settled_again",
            "pending_nano",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for (day, totals) in &self.days {
            let values = totals_json(totals);
            // The names of the columns are those of the values.
            let cell =
                |name: &&str| values.get(*name).map_or_else(String::new, |value| value.to_string().replace('"', ""));
            lines.push([day.clone()].into_iter().chain(head[1..].iter().map(cell)).collect());
        }
        comma_separated(&lines)
    }

    /// All of it. Sums are texts: more than a JSON number holds.
    pub(crate) fn json(&self) -> Value {
        let days: Vec<Value> = self
            .days
            .iter()
            .map(|(day, totals)| {
                let mut value = totals_json(totals);
                value["day"] = json!(day);
                value
            })
            .collect();
        json!({"meter": self.meter.0, "span": self.span, "days": days, "totals": totals_json(&self.totals)})
    }
}

fn day(period: DeliveryPeriod, mtu_minutes: u32) -> String {
    let moment = format_moment(period.starts_at(mtu_minutes));
    moment.get(..10).unwrap_or(&moment).to_owned()
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, Money};

    use super::*;

    /// Two days of a roof: on the second a reading was missing, and a period does not add up.
    fn june() -> DayBill {
        let row = |first, totals| SumRow { first: DeliveryPeriod(first), account: AccountId(3), totals };
        let sunny = StatementTotals {
            periods: 24,
            sold_wh: 400,
            sold: Money(84_000_000),
            export_wh: 380,
            ..StatementTotals::default()
        };
        let missed =
            StatementTotals { estimated: 1, doubtful: 1, imbalance: Money(-12_000_000), short_wh: 20, ..sunny };
        let rows = [row(1_979_040, sunny), row(1_979_064, sunny), row(1_979_136, missed)];
        DayBill::of(MeterId(3), "2026-06".into(), &rows, 15)
    }

    #[test]
    fn a_month_is_told_day_by_day_and_in_all() {
        let text = june().text();
        let expected = [
            "            bought Wh  sold Wh  in Wh  out Wh       trades     imbalance      balance",
            "2026-06-11          0      800      0     760  0.168000000   0.000000000  0.168000000",
            "2026-06-12          0      400      0     380  0.084000000  -0.012000000  0.072000000",
            "2026-06-12: 1 periods do not add up.",
            "2026-06-12: 24 periods, 1 by estimate.",
        ];
        assert!(text.contains(&expected.join("\n")), "{text}");
        assert!(
            text.contains("  balance                               0.240000000\n  72 periods, 1 by estimate.\n"),
            "{text}"
        );
    }

    #[test]
    fn a_month_as_a_table_and_for_programs_adds_up() {
        let (table, value) = (june().csv(), june().json());
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
        let column = |name| lines[0].iter().position(|head| *head == name).unwrap();
        assert_eq!(lines.len(), 3);
        let sum: i128 = lines[1..].iter().map(|line| line[column("balance_nano")].parse::<i128>().unwrap()).sum();
        assert_eq!((sum.to_string(), lines[2][column("estimated")]), ("240000000".into(), "1"));
        assert!(lines[1..].iter().flatten().all(|cell| !cell.is_empty()));
        assert_eq!(value["totals"]["balance_nano"], "240000000");
        assert_eq!(
            (value["days"][1]["day"].as_str(), &value["days"][1]["short_wh"]),
            (Some("2026-06-12"), &json!("20"))
        );
    }

    /// What may still be corrected is said also of a day on which all went well.
    #[test]
    fn a_day_that_is_not_final_says_so() {
        let totals = StatementTotals { periods: 96, not_final: 4, ..StatementTotals::default() };
        let row = SumRow { first: DeliveryPeriod(1_979_040), account: AccountId(3), totals };
        let text = DayBill::of(MeterId(3), "2026-06".into(), &[row], 15).text();
        assert!(text.contains("2026-06-11: 96 periods, 4 not final.\n"), "{text}");
    }

    #[test]
    fn a_month_without_anything_says_so() {
        let empty = DayBill::of(MeterId(3), "2026-06".into(), &[], 15);
        assert!(empty.text().contains("Nothing was traded or settled then."));
    }
}

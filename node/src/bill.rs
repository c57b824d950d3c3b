//! A meter's bill for people, tables and programs.

mod days;

pub(crate) use days::DayBill;

use gridbook_engine::{DeliveryPeriod, Money, Side, TradeKind};
use gridbook_ledger::settlement::statement::{
    ImbalanceLine, PeriodStatement, SettledLine, Statement, StatementTotals, TradeLine, Traded,
};
use serde_json::{Value, json};

use crate::amounts::format_price;
use crate::columns::{aligned, comma_separated};
use crate::moment::format_moment;
use crate::record_text::trade_kind_name;
use crate::settled_text::quality_text;

/// A bill with what is needed to write it down.
pub(crate) struct Bill<'a> {
    pub(crate) statement: &'a Statement,
    /// What the bill is for, as the reader asked: a period, a day, a month.
    pub(crate) span: String,
    /// The names of areas, by their numbers.
    pub(crate) areas: &'a [String],
    pub(crate) mtu_minutes: u32,
}

impl Bill<'_> {
    /// Lines for a terminal. Money is got if more than zero and paid if less.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            vec![format!("Bill of meter {} for {}, times in UTC", self.statement.meter.0, self.span)],
            vec!["Money without a sign is yours to get, with a minus yours to pay.".to_owned()],
        ];
        for period in &self.statement.periods {
            lines.push(Vec::new());
            self.period(period, &mut lines);
        }
        lines.push(Vec::new());
        if self.statement.periods.is_empty() {
            lines.push(vec!["Nothing was traded or settled then.".to_owned()]);
        } else {
            totals(&self.statement.totals, &mut lines);
        }
        aligned(&lines)
    }

    fn period(&self, period: &PeriodStatement, lines: &mut Vec<Vec<String>>) {
        let area = self.area(period);
        let standing = match (&period.settled, period.is_final) {
            (None, _) => "not settled yet".to_owned(),
            (Some(settled), is_final) => standing(settled, is_final),
        };
        lines.push(vec![format!("{} in {area}: {standing}", self.begins(period.contract.period))]);
        let head = ["", "energy Wh", "ct/kWh", "delivered Wh", "money"];
        lines.push(head.map(str::to_owned).to_vec());
        lines.extend(period.trades.iter().map(trade));
        for part in period.settled.iter().flat_map(|settled| &settled.parts) {
            lines.push(imbalance(part, &period.trades));
        }
        if let Some(settled) = &period.settled {
            let unexplained = settled.parts.is_empty() && settled.imbalance != Money::ZERO;
            let money = |name: &str, amount: Money| amounts(name, amount);
            lines.extend(unexplained.then(|| money("  imbalance", settled.imbalance)));
            let billed = (settled.billed, "  paid by the grid operator, who bills it outside of the ledger");
            for (amount, name) in [billed, (settled.defaulted, "  borne by the default account")] {
                lines.extend((amount != Money::ZERO).then(|| money(name, amount)));
            }
        }
        let pending = period.totals().pending;
        lines.extend((pending != Money::ZERO).then(|| amounts("  still to be paid out", -pending)));
        lines.push(amounts("  together", period.balance()));
        if let Some(doubt) = &period.doubt {
            lines.push(vec![format!("  These lines do not add up: {doubt}.")]);
        }
    }

    fn area(&self, period: &PeriodStatement) -> &str {
        self.areas.get(usize::from(period.contract.area.0)).map_or("?", String::as_str)
    }

    fn begins(&self, period: DeliveryPeriod) -> String {
        let text = format_moment(period.starts_at(self.mtu_minutes));
        text.get(..16).unwrap_or(&text).replace('T', " ")
    }

    /// One line for each trade and each part of an imbalance, with a first line of names. Money is in nano-currency, prices in
    /// micro-currency per kWh.
    pub(crate) fn csv(&self) -> String {
        let head = [
            "period",
            "begins",
            "area",
            "area_name",
            "line",
            "command",
            "with_meter",
            "kind",
            "energy_wh",
            "price",
            "delivered_wh",
            "money_nano",
        ];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for period in &self.statement.periods {
            let at = period.contract.period;
            let area = (period.contract.area.0.to_string(), self.area(period).to_owned());
            let front = [at.0.to_string(), format_moment(at.starts_at(self.mtu_minutes)), area.0, area.1];
            let mut push = |cells: [String; 8]| lines.push(front.iter().cloned().chain(cells).collect());
            for line in &period.trades {
                let (with, kind) = counterparty(line.traded);
                let with = with.map_or_else(String::new, |meter| meter.to_string());
                let delivered = line.delivered.map_or(String::new(), |energy| energy.0.to_string());
                let (energy, price) = (line.energy.0.to_string(), line.price.0.to_string());
                push([
                    side(line.side).into(),
                    line.seq.to_string(),
                    with,
                    kind.into(),
                    energy,
                    price,
                    delivered,
                    line.money().0.to_string(),
                ]);
            }
            for part in period.settled.iter().flat_map(|settled| &settled.parts) {
                let command = part
                    .trade
                    .and_then(|place| period.trades.get(place))
                    .map_or(String::new(), |line| line.seq.to_string());
                let is_short = period.settled.as_ref().is_some_and(|settled| settled.imbalance_wh < 0);
                let name = if is_short { "missing" } else { "too_much" };
                let (energy, price) = (part.energy_wh.to_string(), part.price.0.to_string());
                let none = String::new;
                push([name.into(), command, none(), none(), energy, price, none(), part.money.0.to_string()]);
            }
            let StatementTotals { billed, defaulted, pending, .. } = period.totals();
            for (name, amount) in [("billed", billed), ("defaulted", defaulted), ("pending", -pending)] {
                if amount != Money::ZERO {
                    let none = String::new;
                    push([name.into(), none(), none(), none(), none(), none(), none(), amount.0.to_string()]);
                }
            }
        }
        comma_separated(&lines)
    }

    /// All of it. Energy and money are texts: more than a JSON number holds.
    pub(crate) fn json(&self) -> Value {
        let told = |period: &PeriodStatement| {
            let mut value = period_json(period);
            value["begins"] = json!(format_moment(period.contract.period.starts_at(self.mtu_minutes)));
            value["area_name"] = json!(self.area(period));
            value
        };
        let periods: Vec<Value> = self.statement.periods.iter().map(told).collect();
        json!({
            "meter": self.statement.meter.0, "span": self.span, "periods": periods, "totals": totals_json(&self.statement.totals),
        })
    }
}

/// What a bill comes to. Energy and money are texts: more than a JSON number holds.
fn totals_json(totals: &StatementTotals) -> Value {
    json!({
        "bought_wh": totals.bought_wh.to_string(), "bought_nano": nano(totals.bought), "sold_wh": totals.sold_wh.to_string(),
        "sold_nano": nano(totals.sold), "fees_nano": nano(totals.fees), "import_wh": totals.import_wh.to_string(),
        "export_wh": totals.export_wh.to_string(), "short_wh": totals.short_wh.to_string(), "long_wh": totals.long_wh.to_string(),
        "imbalance_nano": nano(totals.imbalance), "billed_nano": nano(totals.billed),
        "defaulted_nano": nano(totals.defaulted), "pending_nano": nano(totals.pending), "balance_nano": nano(totals.balance()),
        "doubtful": totals.doubtful,
        "periods": totals.periods, "unsettled": totals.unsettled, "not_final": totals.not_final,
        "estimated": totals.estimated, "corrected": totals.corrected, "settled_again": totals.settled_again,
    })
}

fn standing(settled: &SettledLine, is_final: bool) -> String {
    let (import, export) = (settled.delivery.import.0, settled.delivery.export.0);
    let mut text = format!("{import} Wh in, {export} Wh out, {}", quality_text(settled.quality));
    if settled.times > 1 {
        text.push_str(&format!("; settled {} times, the lines show the outcome", settled.times));
    }
    text.push_str(if is_final { "; final" } else { "; may still be corrected" });
    text
}

fn trade(line: &TradeLine) -> Vec<String> {
    let with = match line.traded {
        Traded::With(meter, kind) => format!("with meter {}{}", meter.0, kind_text(kind)),
        Traded::Auction => "in the auction".to_owned(),
    };
    let verb = if line.side == Side::Buy { "bought" } else { "sold" };
    let delivered = line.delivered.map_or_else(|| "?".to_owned(), |energy| energy.0.to_string());
    let (energy, price) = (line.energy.0.to_string(), format_price(line.price));
    vec![format!("  {verb} {with}, command {}", line.seq), energy, price, delivered, line.money().to_string()]
}

/// For programs: the other meter, if there was one, and how the trade came about.
fn counterparty(traded: Traded) -> (Option<u32>, &'static str) {
    match traded {
        Traded::With(meter, kind) => (Some(meter.0), trade_kind_name(kind)),
        Traded::Auction => (None, "auction"),
    }
}

fn kind_text(kind: TradeKind) -> &'static str {
    match kind {
        TradeKind::Continuous => "",
        TradeKind::PayAsBid => ", pay as bid",
        TradeKind::Prearranged => ", agreed elsewhere",
    }
}

fn imbalance(part: &ImbalanceLine, trades: &[TradeLine]) -> Vec<String> {
    let text = match part.trade.and_then(|place| trades.get(place)) {
        Some(line) if line.side == Side::Sell => format!("  sold by command {} and not delivered", line.seq),
        Some(line) => format!("  bought by command {} and not taken", line.seq),
        None => "  beyond all trades".to_owned(),
    };
    vec![text, part.energy_wh.to_string(), format_price(part.price), String::new(), part.money.to_string()]
}

fn amounts(name: &str, amount: Money) -> Vec<String> {
    vec![name.to_owned(), String::new(), String::new(), String::new(), amount.to_string()]
}

fn totals(totals: &StatementTotals, lines: &mut Vec<Vec<String>>) {
    let line = |name: &str, energy: u128, amount: Money| {
        vec![name.to_owned(), energy.to_string(), String::new(), String::new(), amount.to_string()]
    };
    lines.push(vec!["Totals".to_owned()]);
    lines.push(line("  bought", totals.bought_wh, totals.bought));
    lines.push(line("  sold", totals.sold_wh, totals.sold));
    lines.push(amounts("  of that, fees to the grid", totals.fees));
    lines.push(vec![
        "  taken in".to_owned(),
        totals.import_wh.to_string(),
        String::new(),
        String::new(),
        String::new(),
    ]);
    lines.push(vec![
        "  given out".to_owned(),
        totals.export_wh.to_string(),
        String::new(),
        String::new(),
        String::new(),
    ]);
    lines.push(vec!["  missing".to_owned(), totals.short_wh.to_string(), String::new(), String::new(), String::new()]);
    lines.push(vec!["  too much".to_owned(), totals.long_wh.to_string(), String::new(), String::new(), String::new()]);
    lines.push(amounts("  imbalance", totals.imbalance));
    for (name, amount) in [
        ("  paid by the grid operator", totals.billed),
        ("  borne by the default account", totals.defaulted),
        ("  still to be paid out", -totals.pending),
    ] {
        lines.extend((amount != Money::ZERO).then(|| amounts(name, amount)));
    }
    lines.push(amounts("  balance", totals.balance()));
    lines.push(vec![format!("  {}.", periods_text(totals))]);
    if totals.doubtful > 0 {
        lines.push(vec![format!("  {} periods do not add up: their lines say why.", totals.doubtful)]);
    }
}

/// How many periods there are, and how many of them are not what one would wish.
fn periods_text(totals: &StatementTotals) -> String {
    let mut text = if totals.periods == 1 { "1 period".to_owned() } else { format!("{} periods", totals.periods) };
    let parts = [
        (totals.estimated, "by estimate"),
        (totals.corrected, "corrected"),
        (totals.unsettled, "not settled yet"),
        (totals.not_final, "not final"),
    ];
    for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    text
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "bought",
        Side::Sell => "sold",
    }
}

fn period_json(period: &PeriodStatement) -> Value {
    let trades: Vec<Value> = period.trades.iter().map(|line| {
        let (with_meter, kind) = counterparty(line.traded);
        json!({
            "seq": line.seq, "side": side(line.side), "with_meter": with_meter, "kind": kind, "energy_wh": line.energy.0.to_string(),
            "price": line.price.0, "fee": line.fee.0, "delivered_wh": line.delivered.map(|energy| energy.0.to_string()),
            "money_nano": nano(line.money()),
        })
    }).collect();
    let settled = period.settled.as_ref().map(|settled| {
        let parts: Vec<Value> = settled.parts.iter().map(|part| json!({
            "trade": part.trade, "energy_wh": part.energy_wh.to_string(), "price": part.price.0, "money_nano": nano(part.money),
        })).collect();
        json!({
            "import_wh": settled.delivery.import.0.to_string(), "export_wh": settled.delivery.export.0.to_string(),
            "quality": settled.quality.name(),
            "contracted_wh": settled.contracted_wh.to_string(), "imbalance_wh": settled.imbalance_wh.to_string(), "parts": parts,
            "imbalance_nano": nano(settled.imbalance), "billed_nano": nano(settled.billed), "defaulted_nano": nano(settled.defaulted),
            "times": settled.times,
        })
    });
    json!({
        "period": period.contract.period.0, "area": period.contract.area.0, "account": period.account.0, "trades": trades,
        "settled": settled, "final": period.is_final, "doubt": period.doubt.map(|doubt| doubt.to_string()),
        "pending_nano": nano(period.totals().pending), "balance_nano": nano(period.balance()),
    })
}

fn nano(amount: Money) -> String {
    amount.0.to_string()
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, AreaId, Contract, Energy, MeterId, Price};
    use gridbook_ledger::record::{AreaSettled, MeterSettled, PartyRef, RecordEvent, Trade};
    use gridbook_ledger::settlement::{Delivery, Quality};

    use super::*;

    /// A roof sells 400 Wh to a neighbour at 21 ct and delivers 380: the rest is bought for it at 60 ct.
    fn roof() -> Statement {
        let party = |number| PartyRef { account: AccountId(number), meter: MeterId(number), client_id: 1 };
        let period = DeliveryPeriod(1_979_088);
        let contract = Contract { area: AreaId(1), period };
        let trade = RecordEvent::Trade(Trade {
            maker: party(3),
            taker: party(7),
            period,
            maker_area: AreaId(1),
            taker_area: AreaId(1),
            taker_side: Side::Buy,
            kind: TradeKind::Continuous,
            price: Price(210_000),
            fee: Price(0),
            energy: Energy(400),
        });
        let settled = RecordEvent::MeterSettled(MeterSettled {
            meter: MeterId(3),
            account: AccountId(3),
            contract,
            delivery: Delivery { import: Energy(0), export: Energy(380) },
            quality: Quality::Measured,
            contracted_wh: 400,
            trades: Money(84_000_000),
            own_trades: Money(12_000_000),
            rest: Money(0),
            billed: Money(0),
            defaulted: Money(0),
        });
        let area = RecordEvent::AreaSettled(AreaSettled {
            contract,
            short_price: Price(600_000),
            long_price: Price(20_000),
            short_rest: Price(600_000),
            long_rest: Price(20_000),
            net_wh: 380,
            contracted_wh: 400,
            losses_wh: 0,
            upstream: Money(0),
            losses: Money(0),
            surplus: Money(0),
        });
        let events = [(4711, trade), (4800, settled), (4800, area), (4900, RecordEvent::PeriodFinal { period })];
        Statement::of(MeterId(3), events.iter().map(|(seq, event)| (*seq, event)))
    }

    fn bill(statement: &Statement, areas: &[String], show: impl Fn(&Bill<'_>) -> String) -> String {
        show(&Bill { statement, span: "2026-06-11".into(), areas, mtu_minutes: 15 })
    }

    /// What a prosumer reads: each trade, what of it came about, what the rest cost, and what is left.
    #[test]
    fn a_bill_says_what_was_traded_delivered_and_paid() {
        let areas = ["station".to_owned(), "north".to_owned()];
        let text = bill(&roof(), &areas, |bill| bill.text());
        let expected = [
            "2026-06-11 12:00 in north: 0 Wh in, 380 Wh out, measured; final",
            "                                          energy Wh   ct/kWh  delivered Wh         money",
            "  sold with meter 7, command 4711               400  21.0000           380   0.084000000",
            "  sold by command 4711 and not delivered         20  60.0000                -0.012000000",
            "  together                                                                   0.072000000",
        ];
        assert!(text.contains(&expected.join("\n")), "{text}");
        assert!(
            text.contains("  balance                                                                    0.072000000"),
            "{text}"
        );
    }

    /// Its area is frozen, or its turn has not come: what it was sold for is nobody's income yet.
    #[test]
    fn what_is_not_settled_yet_is_still_to_be_paid_out_and_no_balance() {
        let areas = ["station".to_owned(), "north".to_owned()];
        let mut statement = roof();
        statement.periods[0].settled = None;
        statement.totals = statement.periods[0].totals();
        let text = bill(&statement, &areas, |bill| bill.text());
        let shown: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for (name, amount) in
            [("still to be paid out", "-0.084000000"), ("together", "0.000000000"), ("balance", "0.000000000")]
        {
            let wanted = format!("{name} {amount}");
            assert!(shown.contains(&wanted), "{wanted}: {text}");
        }
        let table = bill(&statement, &areas, |bill| bill.csv());
        let amounts = table.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse::<i128>().unwrap());
        assert_eq!(amounts.collect::<Vec<_>>(), [84_000_000, -84_000_000]);
        let value: Value = serde_json::from_str(&bill(&statement, &areas, |bill| bill.json().to_string())).unwrap();
        let totals = &value["totals"];
        assert_eq!((&totals["pending_nano"], &totals["balance_nano"]), (&json!("84000000"), &json!("0")));
    }

    #[test]
    fn a_bill_as_a_table_has_a_line_for_each_amount() {
        let areas = ["station".to_owned(), "north".to_owned()];
        let text = bill(&roof(), &areas, |bill| bill.csv());
        let lines: Vec<&str> = text.lines().skip(1).collect();
        let begins = "1979088,2026-06-11T12:00:00Z,1,north";
        let sold = format!("{begins},sold,4711,7,continuous,400,210000,380,84000000");
        assert_eq!(lines, [sold, format!("{begins},missing,4711,,,20,600000,,-12000000")]);
        assert!(text.lines().all(|line| line.split(',').count() == 12), "{text}");
    }

    #[test]
    fn a_bill_for_programs_adds_up() {
        let areas = ["station".to_owned(), "north".to_owned()];
        let value: Value = serde_json::from_str(&bill(&roof(), &areas, |bill| bill.json().to_string())).unwrap();
        let period = &value["periods"][0];
        assert_eq!((&period["begins"], &period["area_name"]), (&json!("2026-06-11T12:00:00Z"), &json!("north")));
        let trade = &period["trades"][0];
        assert_eq!((&trade["with_meter"], &trade["kind"]), (&json!(7), &json!("continuous")));
        // The same name is the same kind of value everywhere.
        let energies = [&trade["energy_wh"], &trade["delivered_wh"], &period["settled"]["parts"][0]["energy_wh"]];
        assert_eq!(energies, ["400", "380", "20"]);
        assert_eq!((&period["settled"]["export_wh"], &value["totals"]["export_wh"]), (&json!("380"), &json!("380")));
        assert_eq!(value["totals"]["balance_nano"], "72000000");
        assert_eq!(value["periods"][0]["settled"]["parts"][0]["money_nano"], "-12000000");
        assert_eq!(value["periods"][0]["doubt"], Value::Null);
    }

    #[test]
    fn a_span_without_anything_says_so() {
        let empty = Statement::of(MeterId(3), []);
        assert!(bill(&empty, &[], |bill| bill.text()).contains("Nothing was traded or settled then."));
    }
}

//! Records as people and programs read them.

mod certificates;
pub(crate) mod consent;
mod registry;

use std::fmt;

use gridbook_engine::{BlockState, ClearingCase, DeliveryPeriod, Energy, Expiry, Side, TradeKind};
use gridbook_ledger::conduct::{Proof, terms_of_evidence};
use gridbook_ledger::record::{Outcome, PartyRef, Purse, Record, RecordEvent, Trade};
use serde_json::{Value, json};

use self::certificates::{certificates_json, certificates_text};
use self::consent::{consent_json, consent_text};
use self::registry::{registry_json, registry_text};

use crate::amounts::format_price;
use crate::moment::format_moment;
use crate::settled_text::{settled_json, settled_text};

/// A record for output: text by [`fmt::Display`], JSON by [`serde::Serialize`].
#[derive(Clone, Copy, Debug)]
pub struct RecordText<'a> {
    record: &'a Record,
    mtu_minutes: u32,
}

impl<'a> RecordText<'a> {
    /// Of a ledger with delivery periods of `mtu_minutes`.
    pub fn of(record: &'a Record, mtu_minutes: u32) -> Self {
        Self { record, mtu_minutes }
    }

    fn event_text(&self, event: &RecordEvent) -> String {
        match *event {
            RecordEvent::Trade(trade) => self.trade_text(&trade),
            RecordEvent::Rested { order, remaining } => format!("{} rests in the book with {remaining}", name(order)),
            RecordEvent::Dropped { order, remaining } => {
                format!("{}: {remaining} not filled at once and dropped", name(order))
            }
            RecordEvent::Cancelled { order, remaining } => format!("{} cancelled with {remaining} open", name(order)),
            RecordEvent::Reduced { order, remaining } => format!("{} reduced to {remaining}", name(order)),
            RecordEvent::Expired { order, remaining, cause } => {
                format!("{} expired with {remaining} open: {}", name(order), cause_text(cause))
            }
            RecordEvent::Posted { from, to, amount } => format!("{amount} from {} to {}", purse(from), purse(to)),
            RecordEvent::AccountRegistered { account } => format!("account {} opened", account.0),
            RecordEvent::MeterRegistered { meter, account } => {
                format!("meter {} registered for account {}", meter.0, account.0)
            }
            RecordEvent::Misconduct { .. }
            | RecordEvent::ValidatorMisconduct { .. }
            | RecordEvent::ConductRevised { .. }
            | RecordEvent::ConductExpired { .. }
            | RecordEvent::ScoreChanged { .. } => self.conduct_text(event),
            RecordEvent::Certificates(certificates) => certificates_text(&certificates, self.mtu_minutes),
            RecordEvent::Consent(consent) => consent_text(&consent),
            _ => registry_text(event).unwrap_or_else(|| self.market_text(event)),
        }
    }

    fn trade_text(&self, trade: &Trade) -> String {
        let how = match trade.kind {
            TradeKind::Continuous => "trade",
            TradeKind::PayAsBid => "pay-as-bid trade",
            TradeKind::Prearranged => "pre-arranged trade",
        };
        let (buyer, seller, energy) = (name(trade.buyer()), name(trade.seller()), trade.energy);
        let (paid, got) = (format_price(trade.buyer_pays()), format_price(trade.seller_gets()));
        let begins = self.begins(trade.period);
        if trade.maker_area == trade.taker_area {
            return format!("{how}: {buyer} buys {energy} from {seller} at {paid} ct/kWh, delivery {begins}");
        }
        let (from, to) = areas(trade);
        format!(
            "{how}: {buyer} in area {to} buys {energy} from {seller} in area {from} for {paid} ct/kWh, of which the seller gets {got} \
             and the grid {}, delivery {begins}",
            format_price(trade.fee)
        )
    }

    /// What auctions, edges and offers do.
    fn market_text(&self, event: &RecordEvent) -> String {
        match *event {
            RecordEvent::Filled { order, side, contract, energy, price, remaining } => format!(
                "{} {} {energy} in the auction at {} ct/kWh, {remaining} left, delivery {}",
                name(order),
                if side == Side::Buy { "bought" } else { "sold" },
                format_price(price),
                self.begins(contract.period)
            ),
            RecordEvent::Cleared { contract, price, case } => {
                let price = price.map_or("no price".to_owned(), |price| format!("{} ct/kWh", format_price(price)));
                let begins = self.begins(contract.period);
                format!("auction: {price} in area {}, set by {}, delivery {begins}", contract.area.0, case_text(case))
            }
            RecordEvent::Flow { area, period, up, fee, rent } => {
                let (from, to) = if up >= 0 { ("area", "the one above it") } else { ("the area above", "area") };
                let way =
                    if up >= 0 { format!("{from} {} to {to}", area.0) } else { format!("{from} to {to} {}", area.0) };
                format!(
                    "auction: {} flow from {way} for {fee} in fees and {rent} in rent, delivery {}",
                    Energy(up.unsigned_abs()),
                    self.begins(period)
                )
            }
            RecordEvent::Block { order, state } => format!("block, {}: {}", name(order), state_text(state)),
            RecordEvent::CapacitySet { area, period, up, down } => {
                let begins = self.begins(period);
                format!("the edge above area {} carries {up} up and {down} down, delivery {begins}", area.0)
            }
            RecordEvent::Overload { area, period, direction, by } => {
                let (way, begins) = (direction.name(), self.begins(period));
                format!("the edge above area {} is overloaded {way} by {by}, delivery {begins}", area.0)
            }
            RecordEvent::Offered { offer, to, period, side, price, energy, .. } => format!(
                "{} offers meter {} to {} {energy} at {} ct/kWh, delivery {}",
                name(offer),
                to.0,
                side.name(),
                format_price(price),
                self.begins(period)
            ),
            _ => settled_text(event, |period| self.begins(period)).expect("all other events have their text above"),
        }
    }

    /// What stands against whom, what it costs, and what becomes of it.
    fn conduct_text(&self, event: &RecordEvent) -> String {
        match *event {
            RecordEvent::Misconduct { entry, account, meter, kind, period, proof } => {
                let about = period.map_or(String::new(), |period| format!(", delivery {}", self.begins(period)));
                format!(
                    "entry {entry} against account {}: {} of meter {}{about}, {} points, proven by {}",
                    account.0,
                    kind.name(),
                    meter.0,
                    kind.terms().points,
                    records_text(&proof)
                )
            }
            RecordEvent::ValidatorMisconduct { entry, validator, kind, evidence } => format!(
                "entry {entry} against the validator with key {}: {}, {} points, proven by evidence {}",
                validator.to_hex(),
                kind.name(),
                terms_of_evidence(kind).points,
                evidence.to_hex()
            ),
            RecordEvent::ConductRevised { entry, account, state, fingerprint } => format!(
                "entry {entry} against account {} is {}, for the reasons with fingerprint {}",
                account.0,
                state.name(),
                fingerprint.to_hex()
            ),
            RecordEvent::ConductExpired { entry, account } => {
                let bearer = account.map_or("a validator".to_owned(), |account| format!("account {}", account.0));
                format!("entry {entry} against {bearer} is over")
            }
            RecordEvent::ScoreChanged { account, score, share_ppm } => format!(
                "account {} has a score of {score}, so that its orders cover {} % of the imbalance they may cause",
                account.0,
                percent(share_ppm)
            ),
            _ => unreachable!("only events of conduct come here"),
        }
    }

    fn begins(&self, period: DeliveryPeriod) -> String {
        format_moment(period.starts_at(self.mtu_minutes))
    }

    fn event_json(&self, event: &RecordEvent) -> Value {
        match *event {
            RecordEvent::Trade(trade) => trade_json(&trade),
            RecordEvent::Rested { order, remaining } => {
                json!({"rested": {"order": order_json(order), "remaining": remaining.0}})
            }
            RecordEvent::Dropped { order, remaining } => {
                json!({"dropped": {"order": order_json(order), "remaining": remaining.0}})
            }
            RecordEvent::Cancelled { order, remaining } => {
                json!({"cancelled": {"order": order_json(order), "remaining": remaining.0}})
            }
            RecordEvent::Reduced { order, remaining } => {
                json!({"reduced": {"order": order_json(order), "remaining": remaining.0}})
            }
            RecordEvent::Expired { order, remaining, cause } => {
                json!({"expired": {"order": order_json(order), "remaining": remaining.0, "cause": cause.name()}})
            }
            RecordEvent::Posted { from, to, amount } => {
                json!({"posted": {"from": purse(from), "to": purse(to), "amount_nano": amount.0.to_string()}})
            }
            RecordEvent::AccountRegistered { account } => json!({"account_registered": {"account": account.0}}),
            RecordEvent::MeterRegistered { meter, account } => {
                json!({"meter_registered": {"meter": meter.0, "account": account.0}})
            }
            RecordEvent::Misconduct { entry, account, meter, kind, period, proof } => json!({"misconduct": {
                "entry": entry, "account": account.0, "meter": meter.0, "kind": kind.name(), "points": kind.terms().points,
                "period": period.map(|period| period.0), "records": proof.records()}}),
            RecordEvent::ValidatorMisconduct { entry, validator, kind, evidence } => json!({"validator_misconduct": {
                "entry": entry, "validator": validator.to_hex(), "kind": kind.name(),
                "points": terms_of_evidence(kind).points, "evidence": evidence.to_hex()}}),
            RecordEvent::ConductRevised { entry, account, state, fingerprint } => json!({"conduct_revised": {
                "entry": entry, "account": account.0, "state": state.name(), "fingerprint": fingerprint.to_hex()}}),
            RecordEvent::ConductExpired { entry, account } => {
                json!({"conduct_expired": {"entry": entry, "account": account.map(|account| account.0)}})
            }
            RecordEvent::ScoreChanged { account, score, share_ppm } => {
                json!({"score_changed": {"account": account.0, "score": score, "share_ppm": share_ppm}})
            }
            RecordEvent::Certificates(certificates) => certificates_json(&certificates),
            RecordEvent::Consent(consent) => consent_json(&consent),
            _ => registry_json(event).unwrap_or_else(|| market_json(event)),
        }
    }
}

/// How a trade came about, for programs.
pub(crate) fn trade_kind_name(kind: TradeKind) -> &'static str {
    match kind {
        TradeKind::Continuous => "continuous",
        TradeKind::PayAsBid => "pay_as_bid",
        TradeKind::Prearranged => "prearranged",
    }
}

fn trade_json(trade: &Trade) -> Value {
    let (from, to) = areas(trade);
    let kind = trade_kind_name(trade.kind);
    json!({"trade": {
        "buyer": order_json(trade.buyer()), "seller": order_json(trade.seller()), "buyer_area": to, "seller_area": from,
        "period": trade.period.0, "price": trade.price.0, "fee": trade.fee.0, "buyer_pays": trade.buyer_pays().0,
        "seller_gets": trade.seller_gets().0, "energy": trade.energy.0, "taker_side": trade.taker_side.name(), "kind": kind}})
}

/// What auctions, edges and offers do.
fn market_json(event: &RecordEvent) -> Value {
    match *event {
        RecordEvent::Filled { order, side, contract, energy, price, remaining } => json!({"filled": {
            "order": order_json(order), "side": side.name(), "area": contract.area.0, "period": contract.period.0, "energy": energy.0, "price": price.0,
            "remaining": remaining.0}}),
        RecordEvent::Cleared { contract, price, case } => json!({"cleared": {
            "area": contract.area.0, "period": contract.period.0, "price": price.map(|price| price.0), "case": case.name()}}),
        RecordEvent::Flow { area, period, up, fee, rent } => json!({"flow": {
            "edge": area.0, "period": period.0, "up_wh": up, "fee_nano": fee.0.to_string(), "rent_nano": rent.0.to_string()}}),
        RecordEvent::Block { order, state } => {
            json!({"block": {"order": order_json(order), "state": state.name()}})
        }
        RecordEvent::CapacitySet { area, period, up, down } => {
            json!({"capacity_set": {"edge": area.0, "period": period.0, "up": up.0, "down": down.0}})
        }
        RecordEvent::Overload { area, period, direction, by } => json!({"overload": {
            "edge": area.0, "period": period.0, "direction": direction.name(), "by": by.0}}),
        RecordEvent::Offered { offer, to_account, to, period, side, price, energy } => json!({"offered": {
            "offer": order_json(offer), "to_account": to_account.0, "to_meter": to.0, "period": period.0, "side": side.name(),
            "price": price.0, "energy": energy.0}}),
        _ => settled_json(event).expect("all other events have their JSON above"),
    }
}

fn order_json(order: PartyRef) -> Value {
    json!({"account": order.account.0, "meter": order.meter.0, "client_id": order.client_id})
}

impl fmt::Display for RecordText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { seq, meter, client_id, outcome, events, .. } = self.record;
        write!(f, "#{seq}")?;
        if let Some(meter) = meter {
            write!(f, " meter {}", meter.0)?;
        }
        if *client_id != 0 {
            write!(f, " order {client_id}")?;
        }
        match outcome {
            Outcome::Done => write!(f, ": done")?,
            Outcome::Rejected(code) => write!(f, ": refused, {code}")?,
        }
        events.iter().try_for_each(|event| write!(f, "\n  {}", self.event_text(event)))
    }
}

impl serde::Serialize for RecordText<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Record { seq, entry, index, meter, client_id, outcome, events } = self.record;
        let events: Vec<Value> = events.iter().map(|event| self.event_json(event)).collect();
        let mut value = json!({
            "seq": seq, "entry": entry.to_hex(), "index": index, "meter": meter.map(|meter| meter.0), "client_id": client_id,
            "outcome": "done", "events": events,
        });
        if let Outcome::Rejected(code) = outcome {
            value["outcome"] = json!({"rejected": code.name(), "reason": code.sentence()});
        }
        value.serialize(serializer)
    }
}

/// Where the energy comes from, and where it goes.
fn areas(trade: &Trade) -> (u16, u16) {
    match trade.taker_side {
        Side::Buy => (trade.maker_area.0, trade.taker_area.0),
        Side::Sell => (trade.taker_area.0, trade.maker_area.0),
    }
}

fn name(order: PartyRef) -> String {
    format!("meter {} order {}", order.meter.0, order.client_id)
}

/// As "record 7" or "records 7 and 9".
pub(crate) fn records_text(proof: &Proof) -> String {
    match proof.records() {
        [] => "nothing".to_owned(),
        [one] => format!("record {one}"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(u64::to_string).collect();
            format!("records {} and {last}", first.join(", "))
        }
    }
}

/// Parts per million as percent, exactly: 1,200,000 as "120", 1,002,001 as "100.2001".
pub(crate) fn percent(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn case_text(case: ClearingCase) -> &'static str {
    match case {
        ClearingCase::MarginalSeller => "a seller who is filled in part",
        ClearingCase::MarginalBuyer => "a buyer who is filled in part",
        ClearingCase::Border => "an edge with room left",
        ClearingCase::Exact => "the last orders filled and the first ones not",
        ClearingCase::Empty => "no orders that meet",
        ClearingCase::Failed => "an auction that could not be held",
    }
}

fn state_text(state: BlockState) -> &'static str {
    match state {
        BlockState::Accepted => "accepted in all its delivery periods",
        BlockState::Rejected => "not accepted",
        BlockState::ParadoxicallyRejected => "not accepted, although its limit was met on average",
    }
}

fn cause_text(cause: Expiry) -> &'static str {
    match cause {
        Expiry::Until => "its good-till time came",
        Expiry::Gate => "trading of its delivery period has ended",
    }
}

fn purse(purse: Purse) -> String {
    match purse {
        Purse::Account(account) => format!("account {}", account.0),
        Purse::Outside => "outside".to_owned(),
        Purse::Operator => "grid operator".to_owned(),
        Purse::Imbalance => "imbalance".to_owned(),
        Purse::Upstream => "upstream".to_owned(),
        Purse::Losses => "losses".to_owned(),
        Purse::Rounding => "rounding".to_owned(),
        Purse::Default => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, AreaId, Contract, Direction, LedgerTime, MeterId, Money, Price};
    use gridbook_ledger::conduct::{DeviceFault, EntryState};
    use gridbook_ledger::consent::{EndCause, Grant, GrantReader, Scope};
    use gridbook_ledger::crypto::{Hash, PublicKey};
    use gridbook_ledger::evidence::EvidenceKind;
    use gridbook_ledger::record::{AreaResidual, AreaSettled, Consent, ConsentChange, MeterSettled, RegistersRead};
    use gridbook_ledger::registry::OrganisationId;
    use gridbook_ledger::settlement::{AreaFault, Delivery, Quality, Registers, Residual, Rule};

    use super::*;

    fn record(event: RecordEvent) -> Record {
        let (entry, meter) = (Hash::ZERO, Some(MeterId(2)));
        Record { seq: 9, entry, index: 0, meter, client_id: 5, outcome: Outcome::Done, events: vec![event] }
    }

    fn trade() -> Trade {
        let party = |number| PartyRef { account: AccountId(number), meter: MeterId(number), client_id: 5 };
        Trade {
            maker: party(1),
            taker: party(2),
            period: DeliveryPeriod(0),
            maker_area: AreaId(3),
            taker_area: AreaId(4),
            taker_side: Side::Buy,
            kind: TradeKind::Continuous,
            price: Price(200_000),
            fee: Price(5_000),
            energy: Energy(400),
        }
    }

    fn meter_settled() -> MeterSettled {
        MeterSettled {
            meter: MeterId(2),
            account: AccountId(2),
            contract: Contract { area: AreaId(3), period: DeliveryPeriod(0) },
            delivery: Delivery { import: Energy(400), export: Energy(20) },
            quality: Quality::Estimated(Rule::Missing),
            contracted_wh: -300,
            trades: Money(1_000),
            own_trades: Money(2_000),
            rest: Money(3_000),
            billed: Money(4_000),
            defaulted: Money(0),
        }
    }

    fn area_settled() -> AreaSettled {
        AreaSettled {
            contract: Contract { area: AreaId(3), period: DeliveryPeriod(0) },
            short_price: Price(600_000),
            long_price: Price(20_000),
            short_rest: Price(600_000),
            long_rest: Price(20_000),
            net_wh: -380,
            contracted_wh: -300,
            losses_wh: 4,
            upstream: Money(5),
            losses: Money(6),
            surplus: Money(7),
        }
    }

    /// What a house owes and why: how its energy is known, what it pays, and that others paid for it.
    #[test]
    fn a_settled_meter_reads_like_a_line_of_a_bill() {
        let record = record(RecordEvent::MeterSettled(meter_settled()));
        let text = RecordText::of(&record, 15).to_string();
        for part in [
            "400 Wh in, 20 Wh out (estimated, no reading came)",
            "gets 0.000001000 for trades",
            "pays 0.000005000 for imbalance",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(text.contains("0.000004000 of it billed by the grid operator") && !text.contains("default"), "{text}");
    }

    /// Who pays what, and who gets it: the buyer's price is not the seller's where energy goes over an edge.
    #[test]
    fn a_trade_across_edges_tells_both_prices_and_the_fee() {
        let record = record(RecordEvent::Trade(trade()));
        let text = RecordText::of(&record, 15).to_string();
        let expected = "meter 2 order 5 in area 4 buys 400 Wh from meter 1 order 5 in area 3 for 20.5000 ct/kWh, of which the seller \
                        gets 20.0000 and the grid 0.5000";
        assert!(text.contains(expected), "{text}");
        let json = serde_json::to_value(RecordText::of(&record, 15)).unwrap();
        let trade = &json["events"][0]["trade"];
        assert_eq!((&trade["buyer_pays"], &trade["seller_gets"]), (&json!(205_000), &json!(200_000)));
        assert_eq!(
            (&trade["buyer_area"], &trade["seller_area"], &trade["kind"]),
            (&json!(4), &json!(3), &json!("continuous"))
        );
    }

    /// Whoever is told of a fault is told what it costs, and by which records he can check it.
    #[test]
    fn an_entry_tells_what_it_is_what_it_costs_and_what_proves_it() {
        let (account, meter, proof) = (AccountId(1), MeterId(2), Proof::of(&[7, 9]).unwrap());
        let (kind, period) = (DeviceFault::DoubleReading, Some(DeliveryPeriod(0)));
        let record = record(RecordEvent::Misconduct { entry: 3, account, meter, kind, period, proof });
        let text = RecordText::of(&record, 15).to_string();
        let expected = "entry 3 against account 1: double reading of meter 2, delivery 1970-01-01";
        assert!(text.contains(expected) && text.contains("200 points, proven by records 7 and 9"), "{text}");
        let json = serde_json::to_value(RecordText::of(&record, 15)).unwrap();
        assert_eq!(json["events"][0]["misconduct"]["records"], json!([7, 9]));
        for (ppm, text) in [(1_200_000, "120"), (1_002_001, "100.2001"), (5, "0.0005"), (1_500_000, "150")] {
            assert_eq!(percent(ppm), text);
        }
    }

    /// Every event has a text and a JSON form of its own: a new one must not fall through.
    #[test]
    fn every_event_of_the_market_has_its_words() {
        let (order, period, area) = (trade().maker, DeliveryPeriod(0), AreaId(3));
        let (contract, energy, price) = (Contract { area, period }, Energy(400), Price(10));
        let (to_account, to, side) = (AccountId(2), MeterId(2), Side::Sell);
        let registers = Registers { import: 5_000, export: 700, counter: 9 };
        let read = RegistersRead { meter: to, account: to_account, period, registers, is_correction: false };
        let (account, kind, proof) = (AccountId(1), DeviceFault::NonceReuse, Proof::of(&[5]).unwrap());
        let (validator, vote, evidence) = (PublicKey([7; 32]), EvidenceKind::DoubleVote, Hash::ZERO);
        let state = EntryState::Struck;
        let reader = GrantReader::Organisation(OrganisationId(3));
        let consent = |change| RecordEvent::Consent(Consent { meter: to, account, reader, change });
        let events = [
            (RecordEvent::Filled { order, side, contract, energy, price, remaining: energy }, "filled"),
            (RecordEvent::Cleared { contract, price: None, case: ClearingCase::Empty }, "cleared"),
            (RecordEvent::Flow { area, period, up: -5, fee: Money(1), rent: Money(2) }, "flow"),
            (RecordEvent::Block { order, state: BlockState::Accepted }, "block"),
            (RecordEvent::CapacitySet { area, period, up: energy, down: energy }, "capacity_set"),
            (RecordEvent::Overload { area, period, direction: Direction::Up, by: energy }, "overload"),
            (RecordEvent::Offered { offer: order, to_account, to, period, side, price, energy }, "offered"),
            (RecordEvent::Read(read), "read"),
            (RecordEvent::AreaRead { contract, sent_up_wh: -5 }, "area_read"),
            (RecordEvent::LossesAccepted { contract, losses_wh: 9 }, "losses_accepted"),
            (
                RecordEvent::ImbalancePricesSet { contract, short_price: price, long_price: price },
                "imbalance_prices_set",
            ),
            (RecordEvent::MeterSettled(meter_settled()), "meter_settled"),
            (RecordEvent::AreaSettled(area_settled()), "area_settled"),
            (RecordEvent::AreaResidual(AreaResidual { contract, residual: Residual::default() }), "area_residual"),
            (RecordEvent::AreaFrozen { contract, why: AreaFault::Unsound }, "area_frozen"),
            (RecordEvent::AreaUnfit { contract, why: AreaFault::Unsound }, "area_unfit"),
            (RecordEvent::PeriodFinal { period }, "period_final"),
            (RecordEvent::CorrectionHeld { meter: to, contract, why: AreaFault::Unsound }, "correction_held"),
            (RecordEvent::Misconduct { entry: 1, account, meter: to, kind, period: None, proof }, "misconduct"),
            (RecordEvent::ValidatorMisconduct { entry: 1, validator, kind: vote, evidence }, "validator_misconduct"),
            (RecordEvent::ConductRevised { entry: 1, account, state, fingerprint: evidence }, "conduct_revised"),
            (RecordEvent::ConductExpired { entry: 1, account: None }, "conduct_expired"),
            (RecordEvent::ScoreChanged { account, score: 980, share_ppm: 1_020_000 }, "score_changed"),
            (consent(ConsentChange::Granted(Grant { scope: Scope::ALL, until: LedgerTime(9) })), "access_granted"),
            (consent(ConsentChange::Ended(EndCause::Revoked)), "access_ended"),
        ];
        for (event, name) in events {
            let record = record(event);
            assert_eq!(RecordText::of(&record, 15).to_string().lines().count(), 2, "{name}");
            let json = serde_json::to_value(RecordText::of(&record, 15)).unwrap();
            assert!(json["events"][0][name].is_object(), "{json}");
        }
    }
}

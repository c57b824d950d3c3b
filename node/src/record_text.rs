//! Records as people and programs read them.

use std::fmt;

use gridbook_engine::{Expiry, Side};
use gridbook_ledger::record::{Outcome, PartyRef, Purse, Record, RecordEvent};
use serde_json::{Value, json};

use crate::amounts::format_price;
use crate::moment::format_moment;

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
            RecordEvent::Trade { maker, taker, contract, taker_side, price, energy } => {
                let (buyer, seller) = parties(maker, taker, taker_side);
                let begins = format_moment(contract.period.starts_at(self.mtu_minutes));
                let price = format_price(price);
                format!(
                    "trade: {} buys {energy} from {} at {price} ct/kWh, delivery {begins}",
                    name(buyer),
                    name(seller)
                )
            }
            RecordEvent::Rested { order, remaining } => format!("{} rests in the book with {remaining}", name(order)),
            RecordEvent::Dropped { order, remaining } => {
                format!("{}: {remaining} not filled at once and dropped", name(order))
            }
            RecordEvent::Cancelled { order, remaining } => format!("{} cancelled with {remaining} open", name(order)),
            RecordEvent::Reduced { order, remaining } => format!("{} reduced to {remaining}", name(order)),
            RecordEvent::Expired { order, remaining, cause } => {
                format!("{} expired with {remaining} open: {}", name(order), cause_text(cause))
            }
            RecordEvent::Settled { contract, account, amount } => {
                let begins = format_moment(contract.period.starts_at(self.mtu_minutes));
                format!("delivery {begins} settled: account {} gets {amount}", account.0)
            }
            RecordEvent::Posted { from, to, amount } => format!("{amount} from {} to {}", purse(from), purse(to)),
            RecordEvent::AccountRegistered { account } => format!("account {} opened", account.0),
            RecordEvent::MeterRegistered { meter, account } => {
                format!("meter {} registered for account {}", meter.0, account.0)
            }
            RecordEvent::MeterSuspended { meter } => format!("meter {} suspended", meter.0),
            RecordEvent::MeterResumed { meter } => format!("meter {} let in again", meter.0),
        }
    }

    fn event_json(&self, event: &RecordEvent) -> Value {
        let order_json =
            |order: PartyRef| json!({"account": order.account.0, "meter": order.meter.0, "client_id": order.client_id});
        match *event {
            RecordEvent::Trade { maker, taker, contract, taker_side, price, energy } => {
                let (buyer, seller) = parties(maker, taker, taker_side);
                json!({"trade": {
                    "buyer": order_json(buyer), "seller": order_json(seller), "area": contract.area.0, "period": contract.period.0,
                    "price": price.0, "energy": energy.0, "taker_side": side_text(taker_side)}})
            }
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
                json!({"expired": {"order": order_json(order), "remaining": remaining.0, "cause": cause_name(cause)}})
            }
            RecordEvent::Settled { contract, account, amount } => json!({"settled": {
                "area": contract.area.0, "period": contract.period.0, "account": account.0, "amount_nano": amount.0.to_string()}}),
            RecordEvent::Posted { from, to, amount } => {
                json!({"posted": {"from": purse(from), "to": purse(to), "amount_nano": amount.0.to_string()}})
            }
            RecordEvent::AccountRegistered { account } => json!({"account_registered": {"account": account.0}}),
            RecordEvent::MeterRegistered { meter, account } => {
                json!({"meter_registered": {"meter": meter.0, "account": account.0}})
            }
            RecordEvent::MeterSuspended { meter } => json!({"meter_suspended": {"meter": meter.0}}),
            RecordEvent::MeterResumed { meter } => json!({"meter_resumed": {"meter": meter.0}}),
        }
    }
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

fn parties(maker: PartyRef, taker: PartyRef, taker_side: Side) -> (PartyRef, PartyRef) {
    match taker_side {
        Side::Buy => (taker, maker),
        Side::Sell => (maker, taker),
    }
}

fn name(order: PartyRef) -> String {
    format!("meter {} order {}", order.meter.0, order.client_id)
}

fn side_text(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn cause_name(cause: Expiry) -> &'static str {
    match cause {
        Expiry::Until => "until",
        Expiry::Gate => "gate",
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
    }
}

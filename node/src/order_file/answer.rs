//! What a run answers: one line each, as JSON for programs and as text for people.

use std::io::{self, Write};

use gridbook_engine::{Energy, Event, Trade, TradeKind};

use super::command::Origin;
use super::names::Names;
use super::refusal::Refusal;

/// One answer.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    Accepted {
        id: u64,
    },
    Replaced {
        id: u64,
        remaining: Energy,
        kept_place: bool,
    },
    Rejected {
        origin: Origin,
        refusal: &'a Refusal,
    },
    /// A trade with its running number, and the basket that it belongs to.
    Trade {
        seq: u64,
        basket: Option<u64>,
        trade: &'a Trade,
    },
    /// Any other event that is told.
    Event(&'a Event),
    Digest(&'a str),
}

impl<'a> Answer<'a> {
    /// The answer that an event is, if it is one: that an order rests is said by its being accepted.
    pub(super) fn of(event: &'a Event, names: &Names) -> Option<Self> {
        match event {
            Event::Trade(trade) => Some(Self::Trade { seq: 0, basket: None, trade }),
            Event::Rested { .. } => None,
            // An island that the file never named.
            Event::Cleared { contract, .. } if names.area_name(contract.area).is_none() => None,
            _ => Some(Self::Event(event)),
        }
    }

    /// Writes it as JSON, without the end of the line.
    pub(super) fn write_json(&self, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Accepted { id } => write!(out, "{{\"accepted\": {{\"id\": {id}}}}}"),
            Self::Replaced { id, remaining, kept_place } => write!(
                out,
                "{{\"replaced\": {{\"id\": {id}, \"remaining\": {}, \"kept_place\": {kept_place}}}}}",
                remaining.0
            ),
            Self::Rejected { origin, refusal } => {
                write!(out, "{{\"rejected\": {{")?;
                if let Some(id) = origin.id {
                    write!(out, "\"id\": {id}, ")?;
                }
                if origin.id.is_none() || refusal.is_unreadable() {
                    write!(out, "\"line\": {}, ", origin.line)?;
                }
                write!(out, "\"code\": \"{}\", \"reason\": ", refusal.code())?;
                quoted(&refusal.to_string(), out)?;
                write!(out, "}}}}")
            }
            Self::Trade { seq, basket, trade } => json_trade(*seq, *basket, trade, out),
            Self::Event(event) => json_event(event, names, out),
            Self::Digest(digest) => write!(out, "{{\"digest\": \"{digest}\"}}"),
        }
    }

    /// Writes it as text, without the end of the line.
    pub(super) fn write_text(&self, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Accepted { id } => write!(out, "accepted {id}"),
            Self::Replaced { id, remaining, kept_place } => {
                write!(out, "replaced {id}: {remaining} open")?;
                if *kept_place { write!(out, ", place kept") } else { Ok(()) }
            }
            Self::Rejected { origin, refusal } => {
                write!(out, "rejected")?;
                if let Some(id) = origin.id {
                    write!(out, " {id}")?;
                }
                if origin.id.is_none() || refusal.is_unreadable() {
                    write!(out, " line {}", origin.line)?;
                }
                write!(out, ": {}: {refusal}", refusal.code())
            }
            Self::Trade { seq, basket, trade } => text_trade(*seq, *basket, trade, names, out),
            Self::Event(event) => text_event(event, names, out),
            Self::Digest(digest) => write!(out, "digest {digest}"),
        }
    }
}

fn json_trade(seq: u64, basket: Option<u64>, trade: &Trade, out: &mut Vec<u8>) -> io::Result<()> {
    write!(
        out,
        "{{\"trade\": {{\"seq\": {seq}, \"buy\": {}, \"sell\": {}, \"maker\": {}, \"energy\": {}, \"price\": {}, \
         \"buyer_pays\": {}, \"seller_gets\": {}, \"fee\": {}, \"period\": {}",
        trade.buyer().tag.0,
        trade.seller().tag.0,
        trade.maker.tag.0,
        trade.energy.0,
        trade.price,
        trade.buyer_pays(),
        trade.seller_gets(),
        trade.fee,
        trade.period.0
    )?;
    if let Some(word) = kind(trade.kind) {
        write!(out, ", \"kind\": \"{word}\"")?;
    }
    if let Some(basket) = basket {
        write!(out, ", \"basket\": {basket}")?;
    }
    write!(out, "}}}}")
}

fn json_event(event: &Event, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
    match event {
        Event::Trade(_) | Event::Rested { .. } => Ok(()),
        Event::Dropped { order, remaining } | Event::Cancelled { order, remaining } => {
            write!(out, "{{\"cancelled\": {{\"id\": {}, \"remaining\": {}}}}}", order.tag.0, remaining.0)
        }
        Event::Reduced { order, remaining } => {
            write!(out, "{{\"reduced\": {{\"id\": {}, \"remaining\": {}}}}}", order.tag.0, remaining.0)
        }
        Event::Expired { order, remaining, cause } => write!(
            out,
            "{{\"expired\": {{\"id\": {}, \"remaining\": {}, \"cause\": \"{}\"}}}}",
            order.tag.0,
            remaining.0,
            cause.name()
        ),
        Event::Filled { order, contract, energy, price, .. } => write!(
            out,
            "{{\"filled\": {{\"id\": {}, \"energy\": {}, \"price\": {price}, \"period\": {}}}}}",
            order.tag.0, energy.0, contract.period.0
        ),
        Event::Cleared { contract, price, case } => {
            write!(out, "{{\"cleared\": {{\"area\": ")?;
            quoted(names.area_name(contract.area).unwrap_or_default(), out)?;
            write!(out, ", \"period\": {}, \"price\": ", contract.period.0)?;
            match price {
                Some(price) => write!(out, "{price}")?,
                None => write!(out, "null")?,
            }
            write!(out, ", \"case\": \"{}\"}}}}", case.name())
        }
        Event::Flow { child, period, up, fee, rent } => {
            write!(out, "{{\"flow\": {{\"child\": ")?;
            quoted(names.area_name(*child).unwrap_or_default(), out)?;
            write!(out, ", \"period\": {}, \"up\": {up}, \"fee\": {}, \"rent\": {}}}}}", period.0, fee.0, rent.0)
        }
        Event::Block { order, state } => {
            write!(out, "{{\"block\": {{\"id\": {}, \"state\": \"{}\"}}}}", order.tag.0, state.name())
        }
        Event::Overload { child, period, direction, by } => {
            write!(out, "{{\"overload\": {{\"child\": ")?;
            quoted(names.area_name(*child).unwrap_or_default(), out)?;
            let direction = direction.name();
            write!(out, ", \"period\": {}, \"direction\": \"{direction}\", \"by\": {}}}}}", period.0, by.0)
        }
    }
}

fn text_trade(seq: u64, basket: Option<u64>, trade: &Trade, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
    let (buyer, seller) = (trade.buyer().tag.0, trade.seller().tag.0);
    write!(out, "trade {seq}: {seller} sells {} to {buyer} at {}", trade.energy, trade.price)?;
    if trade.fee.0 != 0 {
        let (pays, gets) = (trade.buyer_pays(), trade.seller_gets());
        if pays == trade.price {
            write!(out, " (seller gets {gets}, fee {})", trade.fee)?;
        } else {
            write!(out, " (buyer pays {pays}, fee {})", trade.fee)?;
        }
    }
    let buyer_is_taker = trade.buyer() == &trade.taker;
    let (from, to) =
        if buyer_is_taker { (trade.maker_area, trade.taker_area) } else { (trade.taker_area, trade.maker_area) };
    let name = |area| names.area_name(area).unwrap_or_default();
    if from == to {
        write!(out, " in {} period {}", name(to), trade.period.0)?;
    } else {
        write!(out, " from {} to {} period {}", name(from), name(to), trade.period.0)?;
    }
    if let Some(word) = kind(trade.kind) {
        write!(out, ", {word}")?;
    }
    if let Some(basket) = basket {
        write!(out, ", basket {basket}")?;
    }
    Ok(())
}

fn text_event(event: &Event, names: &Names, out: &mut Vec<u8>) -> io::Result<()> {
    let name = |area| names.area_name(area).unwrap_or_default();
    match event {
        Event::Trade(_) | Event::Rested { .. } => Ok(()),
        Event::Dropped { order, remaining } | Event::Cancelled { order, remaining } => {
            write!(out, "cancelled {}: {remaining} were open", order.tag.0)
        }
        Event::Reduced { order, remaining } => write!(out, "reduced {}: {remaining} open", order.tag.0),
        Event::Expired { order, remaining, cause } => {
            write!(out, "expired {}: {remaining} were open ({})", order.tag.0, cause.name())
        }
        Event::Filled { order, contract, energy, price, .. } => {
            let (area, period) = (name(contract.area), contract.period.0);
            write!(out, "filled {}: {energy} at {price} in {area} period {period}", order.tag.0)
        }
        Event::Cleared { contract, price, case } => {
            let (area, period, case) = (name(contract.area), contract.period.0, case.name());
            match price {
                Some(price) => write!(out, "cleared {area} period {period} at {price} ({case})"),
                None => write!(out, "cleared {area} period {period} without a price ({case})"),
            }
        }
        Event::Flow { child, period, up, fee, rent } => {
            let (child, period) = (name(*child), period.0);
            let (energy, way) = (up.unsigned_abs(), if *up < 0 { "down to" } else { "up from" });
            write!(out, "flow {energy} Wh {way} {child} period {period} (fee {fee}, rent {rent})")
        }
        Event::Block { order, state } => write!(out, "block {} {}", order.tag.0, state.name()),
        Event::Overload { child, period, direction, by } => {
            let (child, direction) = (name(*child), direction.name());
            write!(out, "overload of {child}'s edge {direction} by {by} period {}", period.0)
        }
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    Ok(serde_json::to_writer(out, text)?)
}

fn kind(kind: TradeKind) -> Option<&'static str> {
    match kind {
        TradeKind::Continuous => None,
        TradeKind::PayAsBid => Some("pay_as_bid"),
        TradeKind::Prearranged => Some("prearranged"),
    }
}

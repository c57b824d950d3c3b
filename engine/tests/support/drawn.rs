//! A market that is set up, and looked at, as a drawing: `bid | price | ask`.
//!
//! Orders are named by a letter for the account and a number, `a1`, and drawn as `a1:10` with their energy, in priority order.

use std::collections::BTreeMap;

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, Engine, Event, Expiry, LedgerTime, MarketRules, MeterId,
    Network, NewOrder, OrderId, OrderRef, OrderTag, Price, Reject, Side,
};

use super::accounts::Accounts;

pub(crate) mod script;
pub(crate) mod story;

pub(crate) const CONTRACT: Contract = Contract { area: AreaId(0), period: DeliveryPeriod(8) };

pub(crate) struct Drawn {
    pub(crate) engine: Engine,
    pub(crate) accounts: Accounts,
    pub(crate) contract: Contract,
    handles: BTreeMap<String, (OrderId, MeterId)>,
}

/// An order as the tests write it.
pub(crate) fn order(name: &str, side: Side, energy: u64, price: i32) -> NewOrder {
    let account = u32::from(name.as_bytes()[0]);
    NewOrder::limit(tag_of(name), AccountId(account), MeterId(account), CONTRACT, side, Price(price), Energy(energy))
}

fn tag_of(name: &str) -> OrderTag {
    OrderTag(name.bytes().fold(0, |tag, byte| tag * 256 + u64::from(byte)))
}

fn name_of(tag: OrderTag) -> String {
    let bytes = tag.0.to_be_bytes();
    bytes.iter().filter(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
}

impl Drawn {
    /// Ticks of 1, lots of 1 Wh, quarter-hours that open an hour before delivery and close five minutes before; two areas;
    /// each account may hold 100 Wh. It is 1:20, so contract 8 (2:00) is open.
    pub(crate) fn new() -> Self {
        let rules = MarketRules { tick: 1, open_lead_ms: 3_600_000, ..MarketRules::default() };
        let mut engine = Engine::new(rules, Network::islands(2)).unwrap();
        engine.advance(LedgerTime(80 * 60_000));
        Self { engine, accounts: Accounts::new(100), contract: CONTRACT, handles: BTreeMap::new() }
    }

    pub(crate) fn place(&mut self, order: NewOrder) -> Result<Vec<String>, Reject> {
        let mut events = Vec::new();
        let handle = self.engine.place(order, &mut self.accounts, &mut events)?;
        if let Some(handle) = handle {
            self.handles.insert(name_of(order.tag), (handle, order.meter));
        }
        Ok(events.iter().map(told).collect())
    }

    pub(crate) fn buy(&mut self, name: &str, energy: u64, price: i32) -> Vec<String> {
        let order = NewOrder { contract: self.contract, ..order(name, Side::Buy, energy, price) };
        self.place(order).unwrap()
    }

    pub(crate) fn sell(&mut self, name: &str, energy: u64, price: i32) -> Vec<String> {
        let order = NewOrder { contract: self.contract, ..order(name, Side::Sell, energy, price) };
        self.place(order).unwrap()
    }

    pub(crate) fn cancel(&mut self, name: &str) -> Result<Vec<String>, Reject> {
        let (id, meter) = self.handles[name];
        let mut events = Vec::new();
        self.engine.cancel(id, meter, &mut self.accounts, &mut events)?;
        Ok(events.iter().map(told).collect())
    }

    pub(crate) fn reduce(&mut self, name: &str, by: u64) -> Result<Vec<String>, Reject> {
        let (id, meter) = self.handles[name];
        let mut events = Vec::new();
        self.engine.reduce(id, meter, Energy(by), &mut self.accounts, &mut events)?;
        Ok(events.iter().map(told).collect())
    }

    pub(crate) fn replace(&mut self, name: &str, energy: u64, price: i32) -> Result<Vec<String>, Reject> {
        let (id, meter) = self.handles[name];
        let mut events = Vec::new();
        let new = self.engine.replace(id, meter, Price(price), Energy(energy), &mut self.accounts, &mut events)?;
        if let Some(new) = new {
            self.handles.insert(name.to_owned(), (new, meter));
        }
        Ok(events.iter().map(told).collect())
    }

    pub(crate) fn sweep(&mut self, max: usize) -> Vec<String> {
        let mut events = Vec::new();
        let swept = self.engine.sweep(max, &mut self.accounts, &mut events);
        assert_eq!(swept, events.len());
        events.iter().map(told).collect()
    }

    pub(crate) fn handle(&self, name: &str) -> (OrderId, MeterId) {
        self.handles[name]
    }

    /// The clock, in minutes.
    pub(crate) fn minute(&mut self, minute: u64) {
        self.engine.advance(LedgerTime(minute * 60_000));
    }

    /// How much is set aside for an order.
    pub(crate) fn held(&self, name: &str) -> u64 {
        self.accounts.held(tag_of(name))
    }

    /// Compares the book with a drawing. Blanks do not matter.
    #[track_caller]
    pub(crate) fn shows(&self, drawing: &str) {
        let wanted: Vec<String> = drawing
            .lines()
            .map(|line| line.split('|').map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" ")))
            .map(|cells| cells.collect::<Vec<_>>().join(" | "))
            .filter(|line| !line.is_empty() && !line.starts_with("bid"))
            .collect();
        assert_eq!(self.draw(), wanted, "the book as drawn");
    }

    fn draw(&self) -> Vec<String> {
        let mut levels: BTreeMap<Price, [Vec<String>; 2]> = BTreeMap::new();
        for order in self.engine.resting().filter(|order| order.terms.contract == self.contract) {
            let cell = format!("{}:{}", name_of(order.terms.tag), order.remaining.0);
            levels.entry(order.terms.price).or_default()[usize::from(order.terms.side == Side::Sell)].push(cell);
        }
        let draw_level = |(price, [bids, asks]): (&Price, &[Vec<String>; 2])| {
            format!("{} | {price} | {}", bids.join(" "), asks.join(" "))
        };
        levels.iter().rev().map(draw_level).collect()
    }
}

fn told(event: &Event) -> String {
    let name = |order: &OrderRef| name_of(order.tag);
    match event {
        Event::Trade(trade) => {
            format!("{} sells {} {} at {}", name(trade.seller()), name(trade.buyer()), trade.energy.0, trade.price)
        }
        Event::Rested { order, remaining } => format!("{} rests {}", name(order), remaining.0),
        Event::Dropped { order, remaining } => format!("{} drops {}", name(order), remaining.0),
        Event::Cancelled { order, remaining } => format!("{} cancelled {}", name(order), remaining.0),
        Event::Reduced { order, remaining } => format!("{} reduced to {}", name(order), remaining.0),
        Event::Expired { order, remaining, cause: Expiry::Until } => {
            format!("{} over by time {}", name(order), remaining.0)
        }
        Event::Expired { order, remaining, cause: Expiry::Gate } => {
            format!("{} over by gate {}", name(order), remaining.0)
        }
        other => format!("{other:?}"),
    }
}

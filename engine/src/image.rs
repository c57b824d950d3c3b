//! The whole state as plain data, for snapshots, and the way back from it.

use rkyv::{Archive, Deserialize, Serialize};

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
use crate::engine::Engine;
use crate::event::OrderRef;
use crate::limits::OrderTerms;
use crate::network::Network;
use crate::order::{OrderTag, Side};
use crate::rules::{MarketRules, RulesError};
use crate::slab::{FOREVER, NIL, Node};
use crate::units::{Energy, LedgerTime, Price};

/// Everything the engine knows, as plain data in canonical order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct EngineImage {
    /// Ledger time in milliseconds.
    pub now: u64,
    /// The delivery periods in use, ascending.
    pub periods: Vec<PeriodImage>,
}

/// One delivery period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct PeriodImage {
    /// Its number.
    pub period: u32,
    /// How many priority numbers have been given out in it.
    pub priorities: u64,
    /// The books in which something rests or which are closed by command, ascending by area.
    pub books: Vec<BookImage>,
}

/// The book of one contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct BookImage {
    /// The delivery area.
    pub area: u16,
    /// Closed by command.
    pub closed: bool,
    /// The buying orders in price-time priority.
    pub bids: Vec<OrderImage>,
    /// The selling orders in price-time priority.
    pub asks: Vec<OrderImage>,
}

/// One resting order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct OrderImage {
    /// The caller's name.
    pub tag: u64,
    /// Its priority number in its period.
    pub priority: u64,
    /// What is still open, in Wh.
    pub energy: u64,
    /// Ledger time at which it is over; [`u64::MAX`] for an order that rests until the gate.
    pub until: u64,
    /// Whose it is.
    pub account: u32,
    /// Which meter's.
    pub meter: u32,
    /// Its limit.
    pub price: i32,
    /// Whether a replacement must not trade on entry either.
    pub post_only: bool,
}

/// A resting order with all that is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestingOrder {
    /// The engine's handle and the caller's names.
    pub order: OrderRef,
    /// What its reservation depends on.
    pub terms: OrderTerms,
    /// What is still open.
    pub remaining: Energy,
    /// When it is over, if before the gate.
    pub until: Option<LedgerTime>,
    /// Its priority number in its period.
    pub priority: u64,
    /// Whether it came in as post-only.
    pub post_only: bool,
}

/// What is wrong with an image. Where a period is named, the fault lies in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The market rules themselves are wrong.
    #[error("the market rules are wrong: {0}")]
    Rules(#[from] RulesError),
    /// Time at the end of time, which no engine reaches.
    #[error("the image lies at the end of time")]
    Time,
    /// Periods, areas or orders in the wrong order, or twice.
    #[error("period {0} is out of order")]
    Order(u32),
    /// A period that says nothing, or is over and empty.
    #[error("period {0} has nothing in it")]
    Empty(u32),
    /// An area that the network does not have.
    #[error("period {0} has a book in an unknown area")]
    Area(u32),
    /// A price or energy that the rules do not allow.
    #[error("period {0} has an order with a price or energy that the rules do not allow")]
    Form(u32),
    /// A priority number that was given out twice or never.
    #[error("period {0} has an order with a wrong priority number")]
    Priority(u32),
    /// A bid and an ask that should have met.
    #[error("period {0} has a bid and an ask that should have traded with each other")]
    Crossed(u32),
}

impl Engine {
    /// Everything, as plain data.
    pub fn image(&self) -> EngineImage {
        let periods = self.calendar.periods().map(|period| PeriodImage {
            period: period.period.0,
            priorities: period.priorities,
            books: self
                .calendar
                .telling_books(period)
                .map(|book| BookImage {
                    area: book.contract.area.0,
                    closed: book.closed,
                    bids: book.slots(&self.slab, Side::Buy).map(|slot| image_of(self.slab.node(slot))).collect(),
                    asks: book.slots(&self.slab, Side::Sell).map(|slot| image_of(self.slab.node(slot))).collect(),
                })
                .collect(),
        });
        EngineImage { now: self.now.0, periods: periods.collect() }
    }

    /// An engine that goes on from an image exactly as the one it was taken of. Handles are new: [`Engine::resting`] tells them.
    ///
    /// # Errors
    /// If the image is not one that an engine with these rules and this network could have made.
    pub fn from_image(rules: MarketRules, network: Network, image: EngineImage) -> Result<Self, ImageError> {
        let mut engine = Self::new(rules, network)?;
        if image.now == FOREVER.0 {
            return Err(ImageError::Time);
        }
        engine.now = LedgerTime(image.now);
        if let Some(pair) = image.periods.windows(2).find(|pair| pair[0].period >= pair[1].period) {
            return Err(ImageError::Order(pair[1].period));
        }
        for period in &image.periods {
            engine.restore_period(period)?;
        }
        engine.journal.forget(engine.journal.end());
        Ok(engine)
    }

    /// All resting orders in canonical order: by period, area, bids before asks, price-time priority. This is how their keeper learns
    /// their handles after [`Engine::from_image`].
    pub fn resting(&self) -> impl Iterator<Item = RestingOrder> + '_ {
        let books = self.calendar.periods().flat_map(|period| self.calendar.telling_books(period));
        let slots = books.flat_map(|book| book.slots(&self.slab, Side::Buy).chain(book.slots(&self.slab, Side::Sell)));
        slots.map(|slot| self.resting_at(slot))
    }

    /// The order of a handle, if it still rests.
    pub fn resting_order(&self, id: crate::OrderId) -> Option<RestingOrder> {
        self.slab.find(id).map(|slot| self.resting_at(slot))
    }

    fn resting_at(&self, slot: u32) -> RestingOrder {
        let node = self.slab.node(slot);
        RestingOrder {
            order: node.order_ref(slot),
            terms: node.terms(self.calendar.book(node.book).contract),
            remaining: node.energy,
            until: (node.until != FOREVER).then_some(node.until),
            priority: node.priority,
            post_only: node.post_only,
        }
    }

    fn restore_period(&mut self, image: &PeriodImage) -> Result<(), ImageError> {
        check_period(&self.rules, self.areas(), self.now, image)?;
        let period_index = self.calendar.open_period(DeliveryPeriod(image.period));
        for book_image in &image.books {
            let area = AreaId(book_image.area);
            let book = self.calendar.open_book(period_index, area);
            self.calendar.book_mut(book).closed = book_image.closed;
            let contract = Contract { area, period: DeliveryPeriod(image.period) };
            for (side, orders) in [(Side::Buy, &book_image.bids), (Side::Sell, &book_image.asks)] {
                for order in orders {
                    self.slab.announce();
                    self.calendar.period_mut(period_index).priorities = order.priority;
                    self.rest(contract, node_of(side, order));
                }
            }
            if book_image.closed && self.calendar.book(book).orders > 0 {
                self.calendar.closing.insert(contract);
            }
        }
        self.calendar.period_mut(period_index).priorities = image.priorities;
        Ok(())
    }
}

fn check_period(rules: &MarketRules, areas: u16, now: LedgerTime, image: &PeriodImage) -> Result<(), ImageError> {
    let period = image.period;
    if image.books.windows(2).any(|pair| pair[0].area >= pair[1].area) {
        return Err(ImageError::Order(period));
    }
    if image.books.iter().any(|book| book.area >= areas) {
        return Err(ImageError::Area(period));
    }
    let orders = || image.books.iter().flat_map(|book| book.bids.iter().chain(&book.asks));
    let over = rules.gate_closes_at(Contract { area: AreaId(0), period: DeliveryPeriod(period) }) <= now;
    let says_nothing = |book: &BookImage| !book.closed && book.bids.is_empty() && book.asks.is_empty();
    let empty = if over { orders().next().is_none() } else { image.priorities == 0 && image.books.is_empty() };
    if empty || image.books.iter().any(says_nothing) {
        return Err(ImageError::Empty(period));
    }
    let well_formed =
        |order: &OrderImage| rules.price_is_valid(Price(order.price)) && rules.energy_is_valid(Energy(order.energy));
    if !orders().all(well_formed) {
        return Err(ImageError::Form(period));
    }
    let mut priorities: Vec<u64> = orders().map(|order| order.priority).collect();
    priorities.sort_unstable();
    let twice = priorities.windows(2).any(|pair| pair[0] == pair[1]);
    if twice || priorities.last().is_some_and(|&last| last >= image.priorities) {
        return Err(ImageError::Priority(period));
    }
    for book in &image.books {
        check_book(book, now, over, period)?;
    }
    Ok(())
}

fn check_book(book: &BookImage, now: LedgerTime, over: bool, period: u32) -> Result<(), ImageError> {
    let bids_sorted = book.bids.is_sorted_by_key(|order| (core::cmp::Reverse(order.price), order.priority));
    let asks_sorted = book.asks.is_sorted_by_key(|order| (order.price, order.priority));
    if !bids_sorted || !asks_sorted {
        return Err(ImageError::Order(period));
    }
    if !over && !book.closed && is_crossed(book, now) {
        return Err(ImageError::Crossed(period));
    }
    Ok(())
}

/// Whether two orders of different accounts rest that would have traded (MARKET section 4: at rest there is no executable pair).
fn is_crossed(book: &BookImage, now: LedgerTime) -> bool {
    let alive = |order: &&OrderImage| order.until > now.0;
    let mut asks = book.asks.iter().filter(alive);
    let Some(best) = asks.next() else { return false };
    // Whoever owns the best ask may only be crossed with itself, so the best ask of anybody else is all that matters besides.
    let other = asks.find(|ask| ask.account != best.account);
    book.bids.iter().filter(alive).any(|bid| {
        let ask = if bid.account == best.account { other } else { Some(best) };
        ask.is_some_and(|ask| bid.price >= ask.price)
    })
}

fn image_of(node: &Node) -> OrderImage {
    OrderImage {
        tag: node.tag.0,
        priority: node.priority,
        energy: node.energy.0,
        until: node.until.0,
        account: node.account.0,
        meter: node.meter.0,
        price: node.price.0,
        post_only: node.post_only,
    }
}

fn node_of(side: Side, order: &OrderImage) -> Node {
    Node {
        tag: OrderTag(order.tag),
        energy: Energy(order.energy),
        until: LedgerTime(order.until),
        priority: order.priority,
        account: AccountId(order.account),
        meter: MeterId(order.meter),
        price: Price(order.price),
        next: NIL,
        prev: NIL,
        book: NIL,
        generation: 0,
        side,
        post_only: order.post_only,
    }
}

//! The whole state as plain data, for snapshots, and the way back from it.

use rkyv::{Archive, Deserialize, Serialize};

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
use crate::digest::ContractFlags;
use crate::engine::Engine;
use crate::event::OrderRef;
use crate::grid::Grid;
use crate::limits::OrderTerms;
use crate::market::EdgeState;
use crate::network::Network;
use crate::order::{EnergySources, NewBlock, NewOrder, OrderTag, Preferences, Side, TimeInForce};
use crate::period::Period;
use crate::queue::Orders as _;
use crate::rules::{MarketRules, RulesError};
use crate::slab::FOREVER;
use crate::units::{Energy, LedgerTime, Price};

/// Everything the engine knows, as plain data in canonical order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct EngineImage {
    /// Ledger time in milliseconds.
    pub now: u64,
    /// The delivery periods in use, ascending.
    pub periods: Vec<PeriodImage>,
    /// The blocks that wait, in order of arrival.
    pub blocks: Vec<BlockImage>,
}

/// One delivery period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct PeriodImage {
    /// Its number.
    pub period: u32,
    /// How many priority numbers have been given out in it.
    pub priorities: u32,
    /// Whether its opening auction was held, or none is to be.
    pub auctioned: bool,
    /// Whether re-matching was left unfinished.
    pub rematching: bool,
    /// The edges that differ from the network's, ascending by the area below them.
    pub edges: Vec<EdgeImage>,
    /// The books in which something rests or about which something was said by command, ascending by area.
    pub books: Vec<BookImage>,
}

/// One edge in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct EdgeImage {
    /// The area below it.
    pub child: u16,
    /// Its capacity up, in Wh.
    pub up: u64,
    /// Its capacity down, in Wh.
    pub down: u64,
    /// What flows, in Wh; up is positive.
    pub flow: i64,
}

/// The book of one contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct BookImage {
    /// The delivery area.
    pub area: u16,
    /// What was said by command: 1 closed, 2 closed to other areas, 4 opened.
    pub flags: u8,
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
    pub priority: u32,
    /// What is still open, in Wh.
    pub energy: u64,
    /// What of it shows, in Wh.
    pub shown: u64,
    /// How much a fresh clip shows, in Wh; zero where nothing is ever hidden.
    pub display: u64,
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
    /// The energy sources it accepts or delivers, as bits.
    pub sources: u8,
    /// The most edges to its counterpart.
    pub max_edges: u16,
    /// The only account it trades with.
    pub partner: Option<u32>,
}

/// One waiting block order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct BlockImage {
    /// The caller's name.
    pub tag: u64,
    /// Whose it is.
    pub account: u32,
    /// Which meter's.
    pub meter: u32,
    /// The delivery area.
    pub area: u16,
    /// Whether it sells.
    pub sells: bool,
    /// Its limit.
    pub price: i32,
    /// The energy of each period, in Wh.
    pub energies: Vec<(u32, u64)>,
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
    /// What of it shows.
    pub shown: Energy,
    /// How much a fresh clip shows; zero where nothing is ever hidden.
    pub display: Energy,
    /// Whom it will trade with.
    pub preferences: Preferences,
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
    /// An edge that the network does not have, or with a capacity or flow that it cannot have.
    #[error("period {0} has an edge that cannot be")]
    Edge(u32),
    /// A waiting block that could not have been taken in.
    #[error("a block order waits that could not have been taken in")]
    Block,
    /// A bid and an ask that should have met.
    #[error("period {0} has a bid and an ask that should have traded with each other")]
    Crossed(u32),
}

impl Engine {
    /// Everything, as plain data.
    pub fn image(&self) -> EngineImage {
        let side = |period: &Period, area, side| -> Vec<OrderImage> {
            period.slots(&self.slab, area, side).into_iter().map(|slot| self.order_image(slot)).collect()
        };
        let periods = self.calendar.periods().map(|period| PeriodImage {
            period: period.period.0,
            priorities: period.priorities,
            auctioned: period.auctioned,
            rematching: period.rematching,
            edges: period.grid.iter().flat_map(|grid| grid.touched(&self.network)).map(edge_image).collect(),
            books: period
                .telling()
                .map(|area| BookImage {
                    area: area.0,
                    flags: period.flags(area).0,
                    bids: side(period, area, Side::Buy),
                    asks: side(period, area, Side::Sell),
                })
                .collect(),
        });
        let blocks = self.blocks.iter().map(|(_, block)| block_image(block)).collect();
        EngineImage { now: self.now.0, periods: periods.collect(), blocks }
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
            engine.restore_period(period, &image.blocks)?;
        }
        image.blocks.iter().try_for_each(|block| engine.restore_block(block))?;
        for period in &image.periods {
            let named = DeliveryPeriod(period.period);
            let index = engine.calendar.find(named).expect("it was just restored");
            if !period.rematching && !engine.is_calling(named) && engine.best_pair(index).is_some() {
                return Err(ImageError::Crossed(period.period));
            }
        }
        engine.journal.forget(engine.journal.end());
        Ok(engine)
    }

    /// All resting orders in canonical order: by period, area, bids before asks, price-time priority. This is how their keeper learns
    /// their handles after [`Engine::from_image`].
    pub fn resting(&self) -> impl Iterator<Item = RestingOrder> + '_ {
        self.calendar.periods().flat_map(move |period| {
            period.telling().flat_map(move |area| {
                let sides = [Side::Buy, Side::Sell].into_iter();
                sides.flat_map(move |side| period.slots(&self.slab, area, side)).map(|slot| self.resting_at(slot))
            })
        })
    }

    /// The order of a handle, if it still rests.
    pub fn resting_order(&self, id: crate::OrderId) -> Option<RestingOrder> {
        self.slab.find(id).map(|slot| self.resting_at(slot))
    }

    /// A block by its tag, if it waits.
    pub fn waiting_block(&self, tag: crate::OrderTag) -> Option<&NewBlock> {
        self.blocks.find(tag).map(|arrival| self.blocks.get(arrival))
    }

    /// The blocks that wait, in order of arrival.
    pub fn waiting_blocks(&self) -> impl Iterator<Item = &NewBlock> {
        self.blocks.iter().map(|(_, block)| block)
    }

    fn resting_at(&self, slot: u32) -> RestingOrder {
        let node = self.slab.node(slot);
        let period = self.calendar.at(node.standing.period());
        RestingOrder {
            order: node.order_ref(slot),
            terms: node.terms(period.period),
            remaining: node.energy,
            until: (node.until != FOREVER).then_some(node.until),
            priority: u64::from(node.priority),
            post_only: node.standing.post_only(),
            shown: self.slab.shown(slot),
            display: self.slab.hidden(slot).map_or(Energy::ZERO, |hidden| hidden.display),
            preferences: period.preferences(node.standing),
        }
    }

    fn order_image(&self, slot: u32) -> OrderImage {
        let RestingOrder { order, terms, remaining, until, priority, post_only, shown, display, preferences } =
            self.resting_at(slot);
        OrderImage {
            tag: order.tag.0,
            priority: priority as u32,
            energy: remaining.0,
            shown: shown.0,
            display: display.0,
            until: until.unwrap_or(FOREVER).0,
            account: order.account.0,
            meter: order.meter.0,
            price: terms.price.0,
            post_only,
            sources: preferences.sources.bits(),
            max_edges: preferences.max_edges,
            partner: preferences.partner.map(|partner| partner.0),
        }
    }

    fn restore_period(&mut self, image: &PeriodImage, blocks: &[BlockImage]) -> Result<(), ImageError> {
        let named = DeliveryPeriod(image.period);
        check_period(&self.rules, self.areas(), self.now, image, blocks)?;
        let index = self.find_or_open(named);
        if image.auctioned {
            self.set_auctioned(index);
        } else if !self.rules.auction_at_open {
            return Err(ImageError::Empty(image.period));
        } else if self.calendar.at(index).auctioned {
            // Its call has ended and its auction is due.
            self.undo_auctioned(index);
        }
        self.set_rematching(index, image.rematching);
        self.restore_edges(index, image)?;
        for book in &image.books {
            self.restore_book(index, image.period, book)?;
        }
        self.calendar.at_mut(index).priorities = image.priorities;
        Ok(())
    }

    fn restore_edges(&mut self, index: u32, image: &PeriodImage) -> Result<(), ImageError> {
        let wrong = ImageError::Edge(image.period);
        if image.edges.windows(2).any(|pair| pair[0].child >= pair[1].child) {
            return Err(wrong);
        }
        for edge in &image.edges {
            let child = AreaId(edge.child);
            let state = EdgeState { up: Energy(edge.up), down: Energy(edge.down), flow: edge.flow };
            let most = Network::CAPACITY_MAX;
            let fits = state.up.max(state.down) <= most && edge.flow.unsigned_abs() <= most.0;
            if self.network.edge(child).is_none() || !fits || state == Grid::untouched(&self.network, child) {
                return Err(wrong);
            }
            self.change_edge(index, child, state);
        }
        Ok(())
    }

    fn restore_book(&mut self, index: u32, period: u32, image: &BookImage) -> Result<(), ImageError> {
        let area = AreaId(image.area);
        let contract = self.calendar.at(index).contract(area);
        for (side, orders) in [(Side::Buy, &image.bids), (Side::Sell, &image.asks)] {
            for order in orders {
                self.restore_order(index, contract, side, order).ok_or(ImageError::Form(period))?;
            }
        }
        let flags = ContractFlags(image.flags);
        if flags.any() {
            self.flag(contract, image.flags);
            if flags.has(ContractFlags::CLOSED) && self.calendar.at(index).has_orders(area) {
                self.calendar.closing.insert(contract);
            }
        }
        Ok(())
    }

    /// Puts an order back; nothing if it is not one that the market could have taken in.
    fn restore_order(&mut self, index: u32, contract: Contract, side: Side, image: &OrderImage) -> Option<()> {
        let preferences = Preferences {
            sources: EnergySources::from_bits(image.sources)?,
            max_edges: image.max_edges,
            partner: image.partner.map(AccountId),
        };
        let (energy, shown, display) = (Energy(image.energy), Energy(image.shown), Energy(image.display));
        let most = if display.is_zero() { energy } else { display.min(energy) };
        let shows_right = if display.is_zero() { shown == most } else { !shown.is_zero() && shown <= most };
        if self.network.plainest(preferences) != preferences {
            return None;
        }
        let is_own_partner = preferences.partner == Some(AccountId(image.account));
        if !shows_right || is_own_partner || display.0 % self.rules.lot != 0 || shown.0 % self.rules.lot != 0 {
            return None;
        }
        let order = NewOrder {
            tag: OrderTag(image.tag),
            account: AccountId(image.account),
            meter: MeterId(image.meter),
            contract,
            side,
            price: Price(image.price),
            energy,
            time_in_force: TimeInForce::GoodTillTime(LedgerTime(image.until)),
            post_only: image.post_only,
            display,
            preferences,
        };
        self.slab.announce();
        self.calendar.at_mut(index).priorities = image.priority;
        let slot = self.rest(Some(index), &order, energy);
        let full = self.slab.shown(slot);
        if shown != full {
            self.take(slot, Energy::ZERO, full - shown);
        }
        Some(())
    }

    fn restore_block(&mut self, image: &BlockImage) -> Result<(), ImageError> {
        let block = NewBlock {
            tag: OrderTag(image.tag),
            account: AccountId(image.account),
            meter: MeterId(image.meter),
            area: AreaId(image.area),
            side: if image.sells { Side::Sell } else { Side::Buy },
            price: Price(image.price),
            energies: image.energies.iter().map(|&(period, energy)| (DeliveryPeriod(period), Energy(energy))).collect(),
        };
        let ascending = block.energies.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let fits = block.area.0 < self.areas()
            && (1..=NewBlock::PERIODS_MAX).contains(&block.energies.len())
            && ascending
            && block.energy().is_some()
            && block
                .energies
                .iter()
                .all(|&(period, energy)| self.rules.energy_is_valid(energy) && self.calendar.find(period).is_some())
            && self.rules.price_is_valid(block.price)
            && self.blocks.find(block.tag).is_none();
        if !fits {
            return Err(ImageError::Block);
        }
        self.wait(block);
        Ok(())
    }
}

fn check_period(
    rules: &MarketRules,
    areas: u16,
    now: LedgerTime,
    image: &PeriodImage,
    blocks: &[BlockImage],
) -> Result<(), ImageError> {
    let period = image.period;
    if image.books.windows(2).any(|pair| pair[0].area >= pair[1].area) {
        return Err(ImageError::Order(period));
    }
    if image.books.iter().any(|book| book.area >= areas) {
        return Err(ImageError::Area(period));
    }
    let orders = || image.books.iter().flat_map(|book| book.bids.iter().chain(&book.asks));
    let over = rules.gate_closes_at(Contract { area: AreaId(0), period: DeliveryPeriod(period) }) <= now;
    let waits = orders().next().is_some()
        || blocks.iter().any(|block| block.energies.iter().any(|&(named, _)| named == period));
    let says_nothing = |book: &BookImage| book.flags == 0 && book.bids.is_empty() && book.asks.is_empty();
    let known = ContractFlags::CLOSED | ContractFlags::CROSS_CLOSED | ContractFlags::OPENED;
    let unknown_flags = |book: &BookImage| book.flags & !known != 0;
    if (over && !waits) || image.books.iter().any(|book| says_nothing(book) || unknown_flags(book)) {
        return Err(ImageError::Empty(period));
    }
    let well_formed =
        |order: &OrderImage| rules.price_is_valid(Price(order.price)) && rules.energy_is_valid(Energy(order.energy));
    if !orders().all(well_formed) {
        return Err(ImageError::Form(period));
    }
    let mut priorities: Vec<u32> = orders().map(|order| order.priority).collect();
    priorities.sort_unstable();
    let twice = priorities.windows(2).any(|pair| pair[0] == pair[1]);
    if twice || priorities.last().is_some_and(|&last| last >= image.priorities) {
        return Err(ImageError::Priority(period));
    }
    let sorted = |book: &BookImage| {
        book.bids.is_sorted_by_key(|order| (core::cmp::Reverse(order.price), order.priority))
            && book.asks.is_sorted_by_key(|order| (order.price, order.priority))
    };
    if image.books.iter().all(sorted) { Ok(()) } else { Err(ImageError::Order(period)) }
}

fn edge_image((child, edge): (AreaId, &EdgeState)) -> EdgeImage {
    EdgeImage { child: child.0, up: edge.up.0, down: edge.down.0, flow: edge.flow }
}

fn block_image(block: &NewBlock) -> BlockImage {
    BlockImage {
        tag: block.tag.0,
        account: block.account.0,
        meter: block.meter.0,
        area: block.area.0,
        sells: block.side == Side::Sell,
        price: block.price.0,
        energies: block.energies.iter().map(|&(period, energy)| (period.0, energy.0)).collect(),
    }
}

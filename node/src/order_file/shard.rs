//! One market with the commands that wait for it, and what became of them.

use std::collections::HashMap;
use std::ops::Range;

use gridbook_engine::{
    DeliveryPeriod, Energy, Event, LedgerTime, MeterId, NewOrder, OrderId, OrderTag, Price, Reject, Unlimited,
};

use super::command::{Origin, PeriodCommand};
use super::market::FileMarket;
use super::refusal::Refusal;
use super::routes::each_gone;

/// How much due work is done in one go.
const SWEEP_PIECES: usize = 4_096;

/// A market and its queue of commands.
#[derive(Debug)]
pub(super) struct Shard<M> {
    pub(super) market: M,
    /// What rests in it, by the file's ids.
    handles: HashMap<u64, Handle>,
    queue: Vec<(Origin, PeriodCommand)>,
    outcomes: Vec<Outcome>,
    events: Vec<Event>,
}

/// How the market knows what rests.
#[derive(Clone, Copy, Debug)]
enum Handle {
    Order(OrderId, MeterId),
    Block(MeterId),
}

/// What became of a command.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) origin: Origin,
    /// What it would have brought in: an order or a block.
    pub(super) brings: Option<u64>,
    pub(super) result: Result<Done, Refusal>,
    /// Of the shard's events.
    pub(super) events: Range<usize>,
}

/// What is answered before the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The events say it all.
    Quietly,
    Accepted(u64),
    Replaced {
        id: u64,
        remaining: Energy,
        kept_place: bool,
    },
}

impl<M: FileMarket> Shard<M> {
    pub(super) fn new(market: M) -> Self {
        Self { market, handles: HashMap::new(), queue: Vec::new(), outcomes: Vec::new(), events: Vec::new() }
    }

    pub(super) fn enqueue(&mut self, origin: Origin, command: PeriodCommand) {
        self.queue.push((origin, command));
    }

    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Carries out the queue.
    pub(super) fn run(&mut self) {
        self.outcomes.clear();
        self.events.clear();
        let mut queue = std::mem::take(&mut self.queue);
        for (origin, command) in queue.drain(..) {
            let start = self.events.len();
            let brings = command.brings();
            let result = self.carry_out(command);
            self.forget_gone(start);
            // A replacement that is a reduction says so in its answer.
            let told = matches!(result, Ok(Done::Replaced { kept_place: true, .. }));
            let events = start + usize::from(told)..self.events.len();
            self.outcomes.push(Outcome { origin, brings, result, events });
        }
        self.queue = queue;
        self.market.forget_way_back();
    }

    /// What became of the queue, in its order, and the events that the outcomes point into.
    pub(super) fn outcomes(&self) -> (&[Outcome], &[Event]) {
        (&self.outcomes, &self.events)
    }

    fn carry_out(&mut self, command: PeriodCommand) -> Result<Done, Refusal> {
        let (market, events, limits) = (&mut self.market, &mut self.events, &mut Unlimited);
        match command {
            PeriodCommand::Place(order) => {
                if let Some(handle) = market.place(order, limits, events)? {
                    self.handles.insert(order.tag.0, Handle::Order(handle, order.meter));
                }
                Ok(Done::Accepted(order.tag.0))
            }
            PeriodCommand::Cancel { id } => self.cancel(id),
            PeriodCommand::Reduce { id, by } => {
                let (handle, meter) = self.order(id)?;
                self.market.reduce(handle, meter, by, limits, &mut self.events)?;
                Ok(Done::Quietly)
            }
            PeriodCommand::Replace { id, price, energy } => self.replace(id, price, energy),
            PeriodCommand::Block(block) => {
                let (tag, meter) = (block.tag, block.meter);
                market.place_block(block, limits, events)?;
                self.handles.insert(tag.0, Handle::Block(meter));
                Ok(Done::Accepted(tag.0))
            }
            PeriodCommand::Capacity { child, period, up, down } => {
                let edge = market.edge(child, period).ok_or(Reject::FormEdge)?;
                market.set_capacity(child, period, up.unwrap_or(edge.up), down.unwrap_or(edge.down), limits, events)?;
                Ok(Done::Quietly)
            }
            PeriodCommand::Auction(periods) => {
                market.auction(&periods, limits, events);
                Ok(Done::Quietly)
            }
            PeriodCommand::PayAsBid(contract) => {
                market.pay_as_bid(contract, limits, events)?;
                Ok(Done::Quietly)
            }
            PeriodCommand::Prearranged(trade) => {
                market.prearranged(trade, limits, events)?;
                Ok(Done::Accepted(trade.tag.0))
            }
            PeriodCommand::Open(contract) => {
                market.open(contract);
                Ok(Done::Quietly)
            }
            PeriodCommand::CloseCrossArea(contract) => {
                market.close_cross_area(contract);
                Ok(Done::Quietly)
            }
            PeriodCommand::Close(contract) => {
                market.close(contract);
                self.sweep();
                Ok(Done::Quietly)
            }
        }
    }

    fn order(&self, id: u64) -> Result<(OrderId, MeterId), Reject> {
        match self.handles.get(&id) {
            Some(&Handle::Order(handle, meter)) => Ok((handle, meter)),
            Some(Handle::Block(_)) | None => Err(Reject::MatchUnknownOrder),
        }
    }

    fn cancel(&mut self, id: u64) -> Result<Done, Refusal> {
        match *self.handles.get(&id).ok_or(Reject::MatchUnknownOrder)? {
            Handle::Order(handle, meter) => self.market.cancel(handle, meter, &mut Unlimited, &mut self.events)?,
            Handle::Block(meter) => {
                self.market.cancel_block(OrderTag(id), meter, &mut Unlimited, &mut self.events)?;
            }
        }
        Ok(Done::Quietly)
    }

    fn replace(&mut self, id: u64, price: Price, energy: Energy) -> Result<Done, Refusal> {
        let (handle, meter) = self.order(id)?;
        let start = self.events.len();
        match self.market.replace(handle, meter, price, energy, &mut Unlimited, &mut self.events)? {
            Some(new) => self.handles.insert(id, Handle::Order(new, meter)),
            None => self.handles.remove(&id),
        };
        Ok(match self.events.get(start) {
            Some(&Event::Reduced { remaining, .. }) => Done::Replaced { id, remaining, kept_place: true },
            _ => Done::Replaced { id, remaining: energy, kept_place: false },
        })
    }

    fn forget_gone(&mut self, start: usize) {
        let Self { handles, events, .. } = self;
        for event in &events[start..] {
            each_gone(event, |id| {
                handles.remove(&id);
            });
        }
    }

    /// Does all that is due; how many pieces that was.
    fn sweep(&mut self) -> usize {
        let mut pieces = 0;
        loop {
            let done = self.market.sweep(SWEEP_PIECES, &mut Unlimited, &mut self.events);
            pieces += done;
            if done < SWEEP_PIECES {
                return pieces;
            }
        }
    }

    // What follows is for commands that touch all markets: each returns its events.

    /// Moves time on and does all that is then due; also how many pieces that was.
    pub(super) fn advance(&mut self, at: LedgerTime) -> (usize, Vec<Event>) {
        self.market.advance(at);
        self.alone(Self::sweep)
    }

    pub(super) fn cancel_now(&mut self, id: u64) -> Vec<Event> {
        // What a route points to and a market does not have is gone in this moment: there is nothing to tell.
        self.alone(|shard| shard.cancel(id)).1
    }

    pub(super) fn auction(&mut self, periods: &[DeliveryPeriod]) -> Vec<Event> {
        self.alone(|shard| shard.market.auction(periods, &mut Unlimited, &mut shard.events)).1
    }

    /// The part of a basket that is for this market.
    ///
    /// # Errors
    /// As [`gridbook_engine::Market::basket`].
    pub(super) fn basket(&mut self, orders: &[NewOrder]) -> Result<Vec<Event>, gridbook_engine::BasketRefused> {
        let (result, events) =
            self.alone_until_committed(|shard| shard.market.basket(orders, &mut Unlimited, &mut shard.events));
        result.map(|()| events)
    }

    /// Takes note of a committed basket.
    pub(super) fn commit(&mut self, events: &[Event]) {
        for event in events {
            each_gone(event, |id| {
                self.handles.remove(&id);
            });
        }
        self.market.forget_way_back();
    }

    fn alone<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, Vec<Event>) {
        let (result, events) = self.alone_until_committed(work);
        self.commit(&events);
        (result, events)
    }

    fn alone_until_committed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, Vec<Event>) {
        self.events.clear();
        self.outcomes.clear();
        let result = work(self);
        (result, std::mem::take(&mut self.events))
    }

    /// The blocks that wait, ascending by id.
    pub(super) fn waiting_blocks(&self) -> Vec<u64> {
        let is_block = |handle: &Handle| matches!(handle, Handle::Block(_));
        let mut blocks: Vec<u64> =
            self.handles.iter().filter(|(_, handle)| is_block(handle)).map(|(&id, _)| id).collect();
        blocks.sort_unstable();
        blocks
    }
}

//! A market that takes a stream of commands, with its limits, its handles and its marks.

use gridbook_engine::reference::Reference;
use gridbook_engine::{
    Engine, EngineImage, Event, LedgerTime, Limits, Mark, Market, MarketRules, MeterId, Network, OrderId, OrderRef,
    OrderTag, Reject,
};

use super::market_stream::MarketCommand;
use super::purses::Purses;
use super::world::World;

/// A market that tests can make.
pub(crate) trait Fresh: Market {
    fn fresh(rules: MarketRules, network: Network) -> Self;

    /// A copy made from bytes, where the market can be written as bytes.
    fn restarted(&self, _: &World) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// The handle of an order that rests, by its name.
    fn handle_of(&self, _: OrderTag) -> Option<OrderId> {
        None
    }
}

impl Fresh for Reference {
    fn fresh(rules: MarketRules, network: Network) -> Self {
        Self::new(rules, network).unwrap()
    }
}

impl Fresh for Engine {
    fn fresh(rules: MarketRules, network: Network) -> Self {
        Self::new(rules, network).unwrap()
    }

    fn restarted(&self, world: &World) -> Option<Self> {
        let image = self.image();
        let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&image).unwrap();
        let read = rkyv::from_bytes::<EngineImage, rkyv::rancor::Error>(&bytes).unwrap();
        let copy = Self::from_image(world.rules, world.network.clone(), read).unwrap();
        assert_eq!(copy.image(), image, "a copy is the same in every byte");
        Some(copy)
    }

    fn handle_of(&self, tag: OrderTag) -> Option<OrderId> {
        self.resting().find(|order| order.terms.tag == tag).map(|order| order.order.id)
    }
}

/// A handle, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle {
    pub(crate) id: OrderId,
    pub(crate) tag: OrderTag,
    pub(crate) meter: MeterId,
}

/// Where market and limits stood.
#[derive(Clone, Copy, Debug)]
struct Stand {
    market: Mark,
    purses: usize,
    digest: [u8; 32],
}

/// What a command did. Handles, which are each market's own, are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) refused: Option<(usize, Reject)>,
    /// Whether some of an order rests.
    pub(crate) rests: bool,
    /// How many pieces were swept.
    pub(crate) swept: usize,
    pub(crate) events: Vec<Event>,
}

pub(crate) struct Driven<M> {
    pub(crate) market: M,
    pub(crate) purses: Purses,
    pub(crate) handles: Vec<Handle>,
    marks: Vec<Stand>,
}

impl<M: Fresh> Driven<M> {
    pub(crate) fn new(world: &World) -> Self {
        let mut market = M::fresh(world.rules, world.network.clone());
        market.advance(world.begins_at);
        Self { market, purses: Purses::new(world.budget), handles: Vec::new(), marks: Vec::new() }
    }

    pub(crate) fn now(&self) -> LedgerTime {
        self.market.now()
    }

    /// The order of a handle given out so long ago; one that never was if there is none.
    pub(crate) fn handle(&self, ago: u64) -> Handle {
        let never = Handle { id: OrderId(u64::MAX), tag: OrderTag(0), meter: MeterId(0) };
        self.handles.iter().rev().nth(ago as usize).copied().unwrap_or(never)
    }

    /// How many marks there are to go back to.
    pub(crate) fn marks(&self) -> usize {
        self.marks.len()
    }

    pub(crate) fn carry_out(&mut self, command: &MarketCommand) -> Report {
        let mut events = Vec::new();
        let mut swept = 0;
        let result = self.answer(command, &mut events, &mut swept);
        let rests = result.is_ok_and(|id| id.is_some());
        if let Ok(Some(id)) = result {
            let (tag, meter) = match command {
                MarketCommand::Place(order) => (order.tag, order.meter),
                MarketCommand::Replace { ago, .. } => (self.handle(*ago).tag, self.handle(*ago).meter),
                other => panic!("{other:?} gives out no handle"),
            };
            self.handles.push(Handle { id, tag, meter });
        }
        events.iter_mut().for_each(hide_handles);
        Report { refused: result.err(), rests, swept, events }
    }

    fn answer(
        &mut self,
        command: &MarketCommand,
        events: &mut Vec<Event>,
        swept: &mut usize,
    ) -> Result<Option<OrderId>, (usize, Reject)> {
        let named = |ago: u64| self.handle(ago);
        let first = |why: Reject| (0, why);
        let done = |result: Result<(), Reject>| result.map(|()| None).map_err(first);
        match command {
            MarketCommand::Place(order) => self.market.place(*order, &mut self.purses, events).map_err(first),
            MarketCommand::Cancel { ago, steals } => {
                let Handle { id, meter, .. } = named(*ago);
                let meter = if *steals { MeterId(meter.0 + 1) } else { meter };
                done(self.market.cancel(id, meter, &mut self.purses, events))
            }
            MarketCommand::Reduce { ago, by } => {
                let Handle { id, meter, .. } = named(*ago);
                done(self.market.reduce(id, meter, *by, &mut self.purses, events))
            }
            MarketCommand::Replace { ago, price, energy } => {
                let Handle { id, meter, .. } = named(*ago);
                self.market.replace(id, meter, *price, *energy, &mut self.purses, events).map_err(first)
            }
            MarketCommand::Basket(orders) => {
                let answer = self.market.basket(orders, &mut self.purses, events);
                answer.map(|()| None).map_err(|refused| (refused.at, refused.why))
            }
            MarketCommand::PlaceBlock(block) => done(self.market.place_block(block.clone(), &mut self.purses, events)),
            MarketCommand::CancelBlock { tag, meter } => {
                done(self.market.cancel_block(*tag, *meter, &mut self.purses, events))
            }
            MarketCommand::SetCapacity { child, period, up, down } => {
                done(self.market.set_capacity(*child, *period, *up, *down, &mut self.purses, events))
            }
            MarketCommand::PayAsBid(contract) => done(self.market.pay_as_bid(*contract, &mut self.purses, events)),
            MarketCommand::Prearranged(trade) => done(self.market.prearranged(*trade, &mut self.purses, events)),
            unrefusable => {
                self.obey(unrefusable, events, swept);
                Ok(None)
            }
        }
    }

    fn obey(&mut self, command: &MarketCommand, events: &mut Vec<Event>, swept: &mut usize) {
        match command {
            MarketCommand::Auction(periods) => self.market.auction(periods, &mut self.purses, events),
            MarketCommand::Open(contract) => self.market.open(*contract),
            MarketCommand::CloseCrossArea(contract) => self.market.close_cross_area(*contract),
            MarketCommand::Close(contract) => self.market.close(*contract),
            MarketCommand::Advance(now) => self.market.advance(*now),
            MarketCommand::Sweep(max) => *swept = self.market.sweep(*max, &mut self.purses, events),
            MarketCommand::Mark => self.mark(),
            MarketCommand::Rollback { deep } => self.rollback(*deep as usize),
            other => panic!("{other:?} can be refused"),
        }
    }

    /// Puts a copy made from bytes in the market's place, if it can be. Marks are void then, and handles are new ones.
    pub(crate) fn restart(&mut self, world: &World) {
        self.marks.clear();
        let Some(copy) = self.market.restarted(world) else { return };
        assert_eq!(copy.digest(), self.market.digest(), "a restart changes nothing");
        for handle in &mut self.handles {
            // An old handle of an order that was replaced stays void.
            let rests = self.market.handle_of(handle.tag) == Some(handle.id);
            handle.id = copy.handle_of(handle.tag).filter(|_| rests).unwrap_or(OrderId(u64::MAX));
        }
        self.market = copy;
    }

    fn mark(&mut self) {
        // Few at a time, or the copies of the reference take too long.
        if self.marks.len() == 5 {
            self.marks.clear();
        }
        let digest = self.market.digest();
        self.marks.push(Stand { market: self.market.mark(), purses: self.purses.mark(), digest });
    }

    fn rollback(&mut self, deep: usize) {
        let Some(at) = self.marks.len().checked_sub(deep + 1) else { return };
        self.marks.truncate(at + 1);
        // Handles given out since stay in the list: they must be unknown now, never somebody else's.
        let Some(stand) = self.marks.pop() else { return };
        self.market.rollback(stand.market);
        self.purses.rollback(stand.purses);
        assert_eq!(self.market.digest(), stand.digest, "a rollback brings everything back");
    }
}

fn hide_handles(event: &mut Event) {
    let hide = |order: &mut OrderRef| order.id = OrderId(0);
    match event {
        Event::Cleared { .. } | Event::Flow { .. } | Event::Overload { .. } => {}
        Event::Trade(trade) => {
            hide(&mut trade.maker);
            hide(&mut trade.taker);
        }
        Event::Filled { order, .. }
        | Event::Block { order, .. }
        | Event::Rested { order, .. }
        | Event::Dropped { order, .. }
        | Event::Cancelled { order, .. }
        | Event::Reduced { order, .. }
        | Event::Expired { order, .. } => hide(order),
    }
}

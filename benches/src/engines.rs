//! Our engine and its slow twin, as they are driven by a workload.

use std::marker::PhantomData;

use gridbook_engine::foresight::Foreseen;
use gridbook_engine::reference::Reference;
use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, Engine, Event, LedgerTime, Market as _, MarketRules, MeterId,
    NewOrder, OrderId, OrderTag, Price, Unlimited,
};

use crate::driven::Driven;
use crate::purses::BenchLimits;
use crate::workload::{Fill, Operation, Order, PERIODS, Workload};

/// With it, 96 periods are open at noon of the first day of 1970, with the default 36 hours of lead, across areas too.
pub const FIRST_PERIOD: u32 = 52;

/// How an engine is run.
pub trait Variant {
    /// Whether changes can be undone: they are remembered, and forgotten every [`FORGET_EVERY`] operations.
    const UNDO: bool;
    /// How many operations at a time the engine is told of before they are carried out.
    const LOOK_AHEAD: usize = 0;
}

/// Nothing can be undone.
#[derive(Debug)]
pub struct Bare;

impl Variant for Bare {
    const UNDO: bool = false;
}

/// Nothing can be undone, and the engine looks at the next eight operations before it carries them out.
#[derive(Debug)]
pub struct LookAhead;

impl Variant for LookAhead {
    const UNDO: bool = false;
    const LOOK_AHEAD: usize = 8;
}

/// What was done can be undone.
#[derive(Debug)]
pub struct Undo;

impl Variant for Undo {
    const UNDO: bool = true;
}

/// Gridbook's engine, with the limits `L` behind it, run as `V` says.
#[derive(Debug)]
pub struct Gridbook<L, V = Undo> {
    engine: Engine,
    limits: L,
    events: Vec<Event>,
    /// The handle of each order of the workload by its name: what the ledger keeps by (meter, client id).
    handles: Vec<OrderId>,
    since_forgotten: u32,
    variant: PhantomData<V>,
}

/// Operations between two calls of [`Engine::forget`], about a header's worth.
pub const FORGET_EVERY: u32 = 1_024;

impl<L: BenchLimits, V: Variant> Driven for Gridbook<L, V> {
    const LOOK_AHEAD: usize = V::LOOK_AHEAD;

    fn fresh(workload: &Workload) -> Self {
        let mut engine =
            Engine::new(MarketRules::default(), workload.grid.network()).expect("the default rules are valid");
        engine.advance(LedgerTime(12 * 3_600_000));
        if !V::UNDO {
            engine.without_undo();
        }
        let handles = vec![OrderId(u64::MAX); workload.orders()];
        Self { engine, limits: L::fresh(), events: Vec::new(), handles, since_forgotten: 0, variant: PhantomData }
    }

    #[inline]
    fn announce(&mut self, coming: &[Operation]) {
        // What an order of the very same batch will be called is not known yet.
        self.engine.foresee(coming.iter().map(|operation| match operation {
            Operation::Place(order) => Foreseen::from(&new_order(order)),
            Operation::Cancel { order, .. } => Foreseen::Id(self.handles[*order as usize]),
        }));
    }

    #[inline]
    fn carry_out(&mut self, operation: &Operation) {
        self.events.clear();
        match *operation {
            Operation::Place(order) => {
                let placed = self.engine.place(new_order(&order), &mut self.limits, &mut self.events);
                if let Some(id) = placed.expect("the workload breaks no rule")
                    && let Some(handle) = self.handles.get_mut(order.name as usize)
                {
                    *handle = id;
                }
            }
            Operation::Cancel { order, owner, .. } => {
                let id = self.handles[order as usize];
                let cancelled = self.engine.cancel(id, MeterId(owner), &mut self.limits, &mut self.events);
                cancelled.expect("only what rests is cancelled");
            }
        }
        if V::UNDO {
            self.since_forgotten += 1;
            if self.since_forgotten == FORGET_EVERY {
                self.since_forgotten = 0;
                self.engine.forget(self.engine.mark());
                self.limits.forget();
            }
        }
    }

    fn visit_fills(&self, visit: &mut dyn FnMut(Fill)) {
        self.events.iter().filter_map(fill_of).for_each(visit);
    }
}

/// The slow twin.
#[derive(Debug)]
pub struct Twin {
    reference: Reference,
    events: Vec<Event>,
    handles: Vec<OrderId>,
}

impl Driven for Twin {
    fn fresh(workload: &Workload) -> Self {
        let reference = Reference::new(MarketRules::default(), workload.grid.network());
        let mut reference = reference.expect("the default rules are valid");
        reference.advance(LedgerTime(12 * 3_600_000));
        Self { reference, events: Vec::new(), handles: vec![OrderId(u64::MAX); workload.orders()] }
    }

    fn carry_out(&mut self, operation: &Operation) {
        self.events.clear();
        match *operation {
            Operation::Place(order) => {
                let placed = self.reference.place(new_order(&order), &mut Unlimited, &mut self.events);
                if let Some(id) = placed.expect("the workload breaks no rule") {
                    self.handles[order.name as usize] = id;
                }
            }
            Operation::Cancel { order, owner, .. } => {
                let id = self.handles[order as usize];
                let cancelled = self.reference.cancel(id, MeterId(owner), &mut Unlimited, &mut self.events);
                cancelled.expect("only what rests is cancelled");
            }
        }
    }

    fn visit_fills(&self, visit: &mut dyn FnMut(Fill)) {
        self.events.iter().filter_map(fill_of).for_each(visit);
    }
}

/// An order of a workload as the engine takes it.
pub fn new_order(order: &Order) -> NewOrder {
    let Order { name, book, owner, side, price, energy } = *order;
    let area = AreaId(u16::try_from(book / PERIODS).expect("a workload has at most 65,535 areas"));
    let contract = Contract { area, period: DeliveryPeriod(FIRST_PERIOD + book % PERIODS) };
    let price = Price(i32::try_from(price).expect("prices are a few thousand steps") * 10);
    NewOrder::limit(
        OrderTag(name.into()),
        AccountId(owner),
        MeterId(owner),
        contract,
        side,
        price,
        Energy(energy.into()),
    )
}

fn fill_of(event: &Event) -> Option<Fill> {
    let Event::Trade(trade) = event else { return None };
    let name = |tag: OrderTag| u32::try_from(tag.0).expect("tags are names of the stream");
    Some(Fill {
        maker: name(trade.maker.tag),
        taker: name(trade.taker.tag),
        price: u32::try_from(trade.price.0 / 10).expect("the workload's prices are positive"),
        energy: trade.energy.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driven::trade_sequence;
    use crate::purses::Purses;
    use crate::workload::{A, B, C, D, Mix};

    /// A fast engine that trades otherwise than the obvious one has no speed worth measuring.
    #[test]
    fn the_engine_its_twin_and_the_plain_books_trade_alike() {
        for mix in [Mix { depth: 200, ..A }, Mix { depth: 200, ..B }, Mix { books: 96, depth: 4, ..C }] {
            let workload = Workload::draw(mix, 3, 2_000);
            assert!(workload.expected.0 > 0, "{mix:?}: no trades");
            assert_eq!(trade_sequence::<Twin>(&workload, 2_000), workload.expected, "{mix:?}: the twin");
            assert_eq!(trade_sequence::<Gridbook<Purses>>(&workload, 2_000), workload.expected, "{mix:?}: the engine");
        }
    }

    /// The generator's own network trades as the market's rules say.
    #[test]
    fn all_three_trade_alike_over_a_grid() {
        let workload = Workload::draw(Mix { books: 12 * PERIODS, depth: 2, ..D }, 3, 1_000);
        assert!(workload.census.trades_across > 20, "{:?}", workload.census);
        assert_eq!(trade_sequence::<Twin>(&workload, 1_000), workload.expected, "the twin");
        assert_eq!(trade_sequence::<Gridbook<Purses>>(&workload, 1_000), workload.expected, "the engine");
    }
}

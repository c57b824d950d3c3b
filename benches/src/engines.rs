//! The engines that a [`Workload`] drives, all by the same operations.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use gridbook_engine::reference::Reference;
use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, Engine, Event, LedgerTime, Limits, Market as _, MarketRules,
    MeterId, Money, Network, NewOrder, OrderId, OrderTag, OrderTerms, Price, Reject, Side, Unlimited,
};

use crate::workload::{OWNERS, Operation, Order, PERIODS, Workload};

/// A trade as engines are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fill {
    /// The name of the order that rested.
    pub maker: u32,
    /// The name of the order that came in.
    pub taker: u32,
    /// In steps.
    pub price: u32,
    /// In lots.
    pub energy: u64,
}

/// Something that takes a workload's operations.
pub trait Driven {
    /// Empty books, with room for all orders of the stream in whatever the driver keeps beside them.
    fn fresh(workload: &Workload) -> Self;

    /// Carries out one operation.
    fn carry_out(&mut self, operation: &Operation);

    /// Reports the trades of the last operation, in their order.
    fn visit_fills(&self, visit: &mut dyn FnMut(Fill));
}

/// Books filled by the prelude of a workload.
pub fn filled<D: Driven>(workload: &Workload) -> D {
    let mut driven = D::fresh(workload);
    workload.prelude.iter().for_each(|operation| driven.carry_out(operation));
    driven
}

/// How many trades the first `count` operations make, and a hash over all of them in their order.
pub fn trade_sequence<D: Driven>(workload: &Workload, count: usize) -> (u64, u64) {
    let (mut driven, mut trades, mut hasher) = (filled::<D>(workload), 0, DefaultHasher::new());
    for operation in workload.operations.iter().take(count) {
        driven.carry_out(operation);
        driven.visit_fills(&mut |fill| {
            fill.hash(&mut hasher);
            trades += 1;
        });
    }
    (trades, hasher.finish())
}

/// A delivery period in which 96 periods are open: half a day after 1970 began, with the default 36 hours of lead.
const FIRST_PERIOD: u32 = 49;

/// Gridbook's engine, with the limits `L` behind it.
#[derive(Debug)]
pub struct Gridbook<L> {
    engine: Engine,
    limits: L,
    events: Vec<Event>,
    /// The handle of each order by its name: what the ledger keeps by (meter, client id).
    handles: Vec<OrderId>,
    since_forgotten: u32,
}

/// Operations between two calls of [`Engine::forget`], about a header's worth.
const FORGET_EVERY: u32 = 1_024;

impl<L: BenchLimits> Driven for Gridbook<L> {
    fn fresh(workload: &Workload) -> Self {
        let mut engine = Engine::new(MarketRules::default(), Network::islands(areas(workload)))
            .expect("the default rules are valid");
        engine.advance(LedgerTime(12 * 3_600_000));
        let handles = vec![OrderId(u64::MAX); workload.orders()];
        Self { engine, limits: L::fresh(), events: Vec::new(), handles, since_forgotten: 0 }
    }

    fn carry_out(&mut self, operation: &Operation) {
        self.events.clear();
        match *operation {
            Operation::Place(order) => {
                let placed = self.engine.place(new_order(&order), &mut self.limits, &mut self.events);
                if let Some(id) = placed.expect("the workload breaks no rule") {
                    self.handles[order.name as usize] = id;
                }
            }
            Operation::Cancel { order, owner, .. } => {
                let id = self.handles[order as usize];
                let cancelled = self.engine.cancel(id, MeterId(owner), &mut self.limits, &mut self.events);
                cancelled.expect("only what rests is cancelled");
            }
        }
        self.since_forgotten += 1;
        if self.since_forgotten == FORGET_EVERY {
            self.since_forgotten = 0;
            self.engine.forget(self.engine.mark());
            self.limits.forget();
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
        let reference = Reference::new(MarketRules::default(), Network::islands(areas(workload)));
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

fn areas(workload: &Workload) -> u16 {
    u16::try_from(workload.mix.books.div_ceil(PERIODS)).expect("a workload has at most 65,535 areas")
}

fn new_order(order: &Order) -> NewOrder {
    let Order { name, book, owner, side, price, energy } = *order;
    let area = AreaId(u16::try_from(book / PERIODS).expect("a workload has at most 65,535 areas"));
    NewOrder::limit(
        OrderTag(name.into()),
        AccountId(owner),
        MeterId(owner),
        Contract { area, period: DeliveryPeriod(FIRST_PERIOD + book % PERIODS) },
        side,
        Price(i32::try_from(price).expect("prices are a few thousand steps") * 10),
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

/// Limits that a benchmark can make and keep short.
pub trait BenchLimits: Limits {
    /// For [`OWNERS`] owners.
    fn fresh() -> Self;
    /// Gives up going back.
    fn forget(&mut self);
}

impl BenchLimits for Unlimited {
    fn fresh() -> Self {
        Self
    }
    fn forget(&mut self) {}
}

/// Money and headroom of every owner, each change remembered so that it can be undone: the least that limits can be.
#[derive(Debug)]
pub struct Purses {
    purses: Vec<Purse>,
    journal: Vec<(u32, Purse)>,
    forgotten: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Purse {
    balance: i64,
    reserved: i64,
    open: u64,
    traded: u64,
}

/// So much that no order of a workload is refused.
const MONEY: i64 = 1 << 60;

impl Purses {
    fn change(&mut self, account: AccountId) -> &mut Purse {
        let purse = &mut self.purses[account.0 as usize];
        self.journal.push((account.0, *purse));
        purse
    }
}

fn cost(terms: &OrderTerms, price: Price, energy: Energy) -> i64 {
    match terms.side {
        Side::Buy => i64::from(price.0) * i64::try_from(energy.0).expect("a workload's energies are small"),
        Side::Sell => 0,
    }
}

impl Limits for Purses {
    type Mark = usize;

    fn reserve(&mut self, terms: &OrderTerms, energy: Energy) -> Result<(), Reject> {
        let needed = cost(terms, terms.price, energy);
        let purse = self.purses[terms.account.0 as usize];
        if purse.balance - purse.reserved < needed {
            return Err(Reject::CreditMoney);
        }
        let purse = self.change(terms.account);
        purse.reserved += needed;
        purse.open += energy.0;
        Ok(())
    }

    fn release(&mut self, terms: &OrderTerms, energy: Energy) {
        let purse = self.change(terms.account);
        purse.reserved -= cost(terms, terms.price, energy);
        purse.open -= energy.0;
    }

    fn fill(&mut self, terms: &OrderTerms, energy: Energy, price: Price) {
        let purse = self.change(terms.account);
        purse.reserved -= cost(terms, terms.price, energy);
        purse.balance -= cost(terms, price, energy);
        purse.open -= energy.0;
        purse.traded += energy.0;
    }

    fn collect(&mut self, _: AreaId, _: DeliveryPeriod, _: Money, _: Money) {}

    fn mark(&self) -> usize {
        self.forgotten + self.journal.len()
    }

    fn rollback(&mut self, mark: usize) {
        for (account, before) in self.journal.drain(mark - self.forgotten..).rev() {
            self.purses[account as usize] = before;
        }
    }
}

impl BenchLimits for Purses {
    fn fresh() -> Self {
        let purse = Purse { balance: MONEY, ..Purse::default() };
        Self { purses: vec![purse; OWNERS as usize], journal: Vec::new(), forgotten: 0 }
    }

    fn forget(&mut self) {
        self.forgotten += self.journal.len();
        self.journal.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{A, B, C, Mix};

    /// A fast engine that trades otherwise than the obvious one has no speed worth measuring.
    #[test]
    fn the_engine_and_its_twin_trade_alike() {
        for mix in [Mix { depth: 200, ..A }, Mix { depth: 200, ..B }, Mix { books: 96, depth: 4, ..C }] {
            let workload = Workload::draw(mix, 3, 2_000);
            let expected = trade_sequence::<Twin>(&workload, 2_000);
            assert!(expected.0 > 0, "{mix:?}: no trades");
            assert_eq!(trade_sequence::<Gridbook<Purses>>(&workload, 2_000), expected, "{mix:?}");
        }
    }
}

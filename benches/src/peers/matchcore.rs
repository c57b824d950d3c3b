//! matchcore 0.4.0: B-trees of levels, queues of entries, a hash map of ids. No owners.
//!
//! It numbers its orders itself, by book, so its ids are kept in a table by order, as ours are.

use gridbook_engine::Side;
use matchcore::{
    CancelCmd, Command, CommandKind, CommandMeta, CommandOutcome, CommandReport, LimitOrder, NewOrder, OrderBook,
    OrderFlags, OrderId, OrderKind, Price, Quantity, QuantityPolicy, SequenceNumber, SubmitCmd, TimeInForce, Timestamp,
};

use crate::driven::Driven;
use crate::workload::{Fill, Operation, Order, Workload};

/// matchcore as it is timed.
pub struct Matchcore {
    books: Vec<(OrderBook, u64)>,
    /// Its own ids, by name.
    ids: Vec<OrderId>,
    last: Option<CommandOutcome>,
}

impl Matchcore {
    fn execute(&mut self, book: u32, kind: CommandKind) -> OrderId {
        let (book, next) = &mut self.books[book as usize];
        let meta = CommandMeta { sequence_number: SequenceNumber(*next), timestamp: Timestamp(0) };
        *next += 1;
        let outcome = book.execute(&Command { meta, kind });
        assert!(matches!(outcome, CommandOutcome::Applied(_)), "the workload breaks no rule");
        self.last = Some(outcome);
        meta.sequence_number.into()
    }
}

impl Driven for Matchcore {
    fn fresh(workload: &Workload) -> Self {
        let books = (0..workload.mix.books).map(|_| (OrderBook::new(""), 0)).collect();
        Self { books, ids: vec![OrderId(u64::MAX); workload.orders()], last: None }
    }

    fn carry_out(&mut self, operation: &Operation) {
        match *operation {
            Operation::Place(Order { name, book, side, price, energy, .. }) => {
                let side = match side {
                    Side::Buy => matchcore::Side::Buy,
                    Side::Sell => matchcore::Side::Sell,
                };
                let flags = OrderFlags::new(side, false, TimeInForce::Gtc);
                let quantity_policy = QuantityPolicy::Standard { quantity: Quantity(energy.into()) };
                let order = NewOrder::Limit(LimitOrder::new(Price(price.into()), quantity_policy, flags));
                let id = self.execute(book, CommandKind::Submit(SubmitCmd { order }));
                if let Some(place) = self.ids.get_mut(name as usize) {
                    *place = id;
                }
            }
            Operation::Cancel { order, book, .. } => {
                let order_id = self.ids[order as usize];
                self.execute(book, CommandKind::Cancel(CancelCmd { order_id, order_kind: OrderKind::Limit }));
            }
        }
    }

    /// Its trades name makers by its own ids: see [`NamedMatchcore`].
    fn visit_fills(&self, _: &mut dyn FnMut(Fill)) {}
}

/// matchcore with a table back from its ids to the names of the stream: for comparing trades, not for timing.
pub struct NamedMatchcore {
    inner: Matchcore,
    /// By book and id.
    names: Vec<Vec<u32>>,
    last: Operation,
}

impl Driven for NamedMatchcore {
    fn fresh(workload: &Workload) -> Self {
        let names = vec![Vec::new(); workload.mix.books as usize];
        Self { inner: Matchcore::fresh(workload), names, last: Operation::Cancel { order: 0, book: 0, owner: 0 } }
    }

    fn carry_out(&mut self, operation: &Operation) {
        let (Operation::Place(Order { name, book, .. }) | Operation::Cancel { order: name, book, .. }) = *operation;
        self.names[book as usize].push(name);
        self.inner.carry_out(operation);
        self.last = *operation;
    }

    fn visit_fills(&self, visit: &mut dyn FnMut(Fill)) {
        let Operation::Place(Order { name: taker, book, .. }) = self.last else { return };
        let Some(CommandOutcome::Applied(CommandReport::Submit(effects))) = &self.inner.last else { return };
        let trades = effects.target_order().match_result().map_or(&[][..], |result| result.trades());
        for trade in trades {
            let place = usize::try_from(trade.maker_order_id().0).expect("ids are counted from zero");
            let price = u32::try_from(trade.price().0).expect("the workload's prices are small");
            let maker = self.names[book as usize][place];
            visit(Fill { maker, taker, price, energy: trade.quantity().0 });
        }
    }
}

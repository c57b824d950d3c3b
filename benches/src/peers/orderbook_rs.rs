//! orderbook-rs 0.15.3: concurrent maps and queues, many producers by design.

use gridbook_engine::Side;
use orderbook_rs::{OrderBook, TradeResult};
use pricelevel::{Hash32, Id, TimeInForce};

use crate::driven::Driven;
use crate::workload::{Fill, Operation, Order, Workload};

/// orderbook-rs: a plain list of books costs it less than its own map of books would.
///
/// Its self-trade prevention stays off, as it is by default. Orders carry their owners.
pub struct OrderbookRs {
    books: Vec<OrderBook<()>>,
    last: Option<TradeResult>,
}

impl Driven for OrderbookRs {
    fn fresh(workload: &Workload) -> Self {
        let books = (0..workload.mix.books).map(|book| OrderBook::new(&book.to_string())).collect();
        Self { books, last: None }
    }

    fn carry_out(&mut self, operation: &Operation) {
        match *operation {
            Operation::Place(Order { name, book, owner, side, price, energy }) => {
                let side = match side {
                    Side::Buy => pricelevel::Side::Buy,
                    Side::Sell => pricelevel::Side::Sell,
                };
                let mut user = [0; 32];
                // Not all zero, which stands for nobody.
                user[..4].copy_from_slice(&(owner + 1).to_le_bytes());
                let placed = self.books[book as usize].add_limit_order_with_user_and_result(
                    Id::Sequential(name.into()),
                    price.into(),
                    energy.into(),
                    side,
                    TimeInForce::Gtc,
                    Hash32::new(user),
                    None,
                );
                self.last = placed.expect("the workload breaks no rule").1;
            }
            Operation::Cancel { order, book, .. } => {
                self.last = None;
                let cancelled = self.books[book as usize].cancel_order(Id::Sequential(order.into()));
                assert!(cancelled.is_ok_and(|order| order.is_some()), "only what rests is cancelled");
            }
        }
    }

    fn visit_fills(&self, visit: &mut dyn FnMut(Fill)) {
        let Some(result) = &self.last else { return };
        let name = |id: Id| {
            let number = id.as_u64().expect("orders are numbered");
            u32::try_from(number).expect("names have 32 bits")
        };
        for trade in result.match_result.trades().as_vec() {
            visit(Fill {
                maker: name(trade.maker_order_id()),
                taker: name(trade.taker_order_id()),
                price: u32::try_from(trade.price().as_u128()).expect("the workload's prices are small"),
                energy: trade.quantity().as_u64(),
            });
        }
    }
}

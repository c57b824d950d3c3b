//! lobster 0.7.0: arena of orders, a B-tree of levels, a hash map of ids. No owners.

use gridbook_engine::Side;
use lobster::{OrderBook, OrderEvent, OrderType};

use crate::driven::Driven;
use crate::workload::{Fill, Operation, Order, Workload};

/// lobster, with room for twice the depth of a book; its statistics are off, as they are by default.
pub struct Lobster {
    books: Vec<OrderBook>,
    last: OrderEvent,
}

impl Driven for Lobster {
    fn fresh(workload: &Workload) -> Self {
        let room = 2 * workload.mix.depth as usize;
        let books = (0..workload.mix.books).map(|_| OrderBook::new(room, 10, false)).collect();
        Self { books, last: OrderEvent::Unfilled { id: 0 } }
    }

    fn carry_out(&mut self, operation: &Operation) {
        let (book, order) = match *operation {
            Operation::Place(Order { name, book, side, price, energy, .. }) => {
                let side = match side {
                    Side::Buy => lobster::Side::Bid,
                    Side::Sell => lobster::Side::Ask,
                };
                (book, OrderType::Limit { id: name.into(), side, qty: energy.into(), price: price.into() })
            }
            Operation::Cancel { order, book, .. } => (book, OrderType::Cancel { id: order.into() }),
        };
        self.last = self.books[book as usize].execute(order);
    }

    fn visit_fills(&self, visit: &mut dyn FnMut(Fill)) {
        let (OrderEvent::Filled { fills, .. } | OrderEvent::PartiallyFilled { fills, .. }) = &self.last else { return };
        let name = |id: u128| u32::try_from(id).expect("names have 32 bits");
        for fill in fills {
            let price = u32::try_from(fill.price).expect("the workload's prices are small");
            visit(Fill { maker: name(fill.order_2), taker: name(fill.order_1), price, energy: fill.qty });
        }
    }
}

//! What the engine reports, in the order in which it happened.

use crate::contract::{AccountId, Contract, MeterId};
use crate::order::{OrderId, OrderTag, Side};
use crate::units::{Energy, Price};

/// An order as events name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRef {
    /// The engine's handle.
    pub id: OrderId,
    /// The caller's name.
    pub tag: OrderTag,
    /// Whose it is.
    pub account: AccountId,
    /// Which meter's.
    pub meter: MeterId,
}

/// Two orders met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// What was traded.
    pub contract: Contract,
    /// The order that rested. Its limit is the price.
    pub maker: OrderRef,
    /// The order that came in.
    pub taker: OrderRef,
    /// The side of the order that came in.
    pub taker_side: Side,
    /// Price per kWh.
    pub price: Price,
    /// How much.
    pub energy: Energy,
    /// What is left of the maker's order, hidden reserve included.
    pub maker_remaining: Energy,
}

impl Trade {
    /// The buying order.
    pub fn buyer(&self) -> &OrderRef {
        match self.taker_side {
            Side::Buy => &self.taker,
            Side::Sell => &self.maker,
        }
    }

    /// The selling order.
    pub fn seller(&self) -> &OrderRef {
        match self.taker_side {
            Side::Buy => &self.maker,
            Side::Sell => &self.taker,
        }
    }
}

/// Why an order left the book without being filled or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// Its good-till time came.
    Until,
    /// The contract's gate closed.
    Gate,
}

/// What the engine did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Two orders met.
    Trade(Trade),
    /// What is left of the incoming order now rests in the book.
    Rested {
        /// The order.
        order: OrderRef,
        /// How much rests.
        remaining: Energy,
    },
    /// What is left of an immediate-or-cancel order was dropped.
    Dropped {
        /// The order.
        order: OrderRef,
        /// How much was dropped.
        remaining: Energy,
    },
    /// A resting order was taken out by its owner.
    Cancelled {
        /// The order.
        order: OrderRef,
        /// How much of it was still open.
        remaining: Energy,
    },
    /// A resting order became smaller and kept its place.
    Reduced {
        /// The order.
        order: OrderRef,
        /// How much is open now; zero means that it left the book.
        remaining: Energy,
    },
    /// A resting order left the book for good.
    Expired {
        /// The order.
        order: OrderRef,
        /// How much of it was still open.
        remaining: Energy,
        /// Why.
        cause: Expiry,
    },
}

//! What the engine reports, in the order in which it happened.

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
use crate::network::Direction;
use crate::order::{EnergySources, OrderId, OrderTag, Side};
use crate::units::{Energy, Money, Price};

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

/// How a trade came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TradeKind {
    /// In the continuous book (MARKET section 4). The price is the maker's limit.
    Continuous,
    /// In a pay-as-bid round (MARKET section 6). The price is the buyer's limit.
    PayAsBid,
    /// Agreed on outside the book (MARKET section 6). The maker is the seller.
    Prearranged,
}

impl TradeKind {
    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::PayAsBid => "pay_as_bid",
            Self::Prearranged => "prearranged",
        }
    }
}

/// Two orders met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// When the energy is delivered.
    pub period: DeliveryPeriod,
    /// Where the maker is.
    pub maker_area: AreaId,
    /// Where the taker is.
    pub taker_area: AreaId,
    /// The side of the taker.
    pub taker_side: Side,
    /// How it came about.
    pub kind: TradeKind,
    /// The order that rested; of two that rested, the one with the lower priority number.
    pub maker: OrderRef,
    /// The order that came in.
    pub taker: OrderRef,
    /// What the seller said it delivers; the grid's mix in a pre-arranged trade.
    pub sources: EnergySources,
    /// Whether one of the two would trade with nobody but the other's account, or both agreed outside of the book: then the price is between
    /// them, and nobody else could have had it.
    pub for_partner: bool,
    /// Price per kWh: the maker's limit, or what [`TradeKind`] says.
    pub price: Price,
    /// What the edges between the two take together per kWh; the side whose limit the price is not bears it.
    pub fee: Price,
    /// How much.
    pub energy: Energy,
    /// What is left of the maker's order, hidden reserve included.
    pub maker_remaining: Energy,
    /// What is left of the taker's order.
    pub taker_remaining: Energy,
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

    /// Where and when the maker trades.
    pub fn maker_contract(&self) -> Contract {
        Contract { period: self.period, area: self.maker_area }
    }

    /// Where and when the taker trades.
    pub fn taker_contract(&self) -> Contract {
        Contract { period: self.period, area: self.taker_area }
    }

    /// What one side pays or gets per kWh. The price is the maker's; the taker bears the fee.
    pub fn price_of(&self, side: Side) -> Price {
        if side == self.taker_side { with_fee(side, self.price, self.fee) } else { self.price }
    }

    /// What the buyer pays per kWh, never above his limit.
    pub fn buyer_pays(&self) -> Price {
        self.price_of(Side::Buy)
    }

    /// What the seller gets per kWh, never below his limit.
    pub fn seller_gets(&self) -> Price {
        self.price_of(Side::Sell)
    }
}

/// What a side that bears the fee pays or gets per kWh.
#[inline]
pub(crate) fn with_fee(side: Side, price: Price, fee: Price) -> Price {
    match side {
        Side::Buy => Price(price.0 + fee.0),
        Side::Sell => Price(price.0 - fee.0),
    }
}

/// What set the price of an area in a call auction (MARKET section 5, Case).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClearingCase {
    /// A selling order that was filled in part.
    MarginalSeller,
    /// A buying order that was filled in part.
    MarginalBuyer,
    /// An edge that carries a part of what it could.
    Border,
    /// Nothing was filled in part: the price lies between two steps.
    Exact,
    /// No energy was accepted here or in areas joined by flow.
    Empty,
    /// The auction could not be held: the energies add up to more than can be cleared. Nothing traded.
    Failed,
}

impl ClearingCase {
    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::MarginalSeller => "marginal_seller",
            Self::MarginalBuyer => "marginal_buyer",
            Self::Border => "border",
            Self::Exact => "exact",
            Self::Empty => "empty",
            Self::Failed => "failed",
        }
    }
}

/// What became of a block order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockState {
    /// All of it was accepted in all its periods.
    Accepted,
    /// It was not, and would have lost by it.
    Rejected,
    /// It was not, although it would have gained at these prices.
    ParadoxicallyRejected,
}

impl BlockState {
    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::ParadoxicallyRejected => "paradoxically_rejected",
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

impl Expiry {
    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Until => "until",
            Self::Gate => "gate",
        }
    }
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
    /// A resting order traded in a call auction.
    Filled {
        /// The order.
        order: OrderRef,
        /// Which way.
        side: Side,
        /// Where and when.
        contract: Contract,
        /// How much of it.
        energy: Energy,
        /// The area's price.
        price: Price,
        /// What is left of it.
        remaining: Energy,
    },
    /// A call auction has set the price of a contract.
    Cleared {
        /// The contract.
        contract: Contract,
        /// The price; nothing if nothing was there to set one.
        price: Option<Price>,
        /// What set it.
        case: ClearingCase,
    },
    /// What a call auction sends over an edge.
    Flow {
        /// The edge, by the area below it.
        child: AreaId,
        /// When.
        period: DeliveryPeriod,
        /// In watt-hours; more than zero from the child up, less than zero down.
        up: i64,
        /// What the edge's operator takes as its fee.
        fee: Money,
        /// What the edge's operator takes because the edge was full: never negative.
        rent: Money,
    },
    /// What a call auction did with a block order. Its fills are told as [`Event::Filled`] before.
    Block {
        /// The block; its handle is zero.
        order: OrderRef,
        /// What became of it.
        state: BlockState,
    },
    /// An edge has less capacity now than already flows. No trade is undone (MARKET section 4, Less capacity).
    Overload {
        /// The edge, by the area below it.
        child: AreaId,
        /// When.
        period: DeliveryPeriod,
        /// Which way.
        direction: Direction,
        /// By how much.
        by: Energy,
    },
}

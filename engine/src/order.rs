//! Orders as the engine takes them in (MARKET.md section 3).

use crate::contract::{AccountId, Contract, MeterId};
use crate::units::{Energy, LedgerTime, Price};

/// Which way an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Takes energy in.
    Buy,
    /// Gives energy out.
    Sell,
}

impl Side {
    /// The other side.
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeInForce {
    /// Rests until it is filled, cancelled, or the contract's gate closes. The default.
    GoodTillGate,
    /// As [`TimeInForce::GoodTillGate`], but no longer than until this ledger time, exclusive.
    GoodTillTime(LedgerTime),
    /// Trades what it can at once; the rest is dropped.
    ImmediateOrCancel,
    /// Trades all at once or nothing.
    FillOrKill,
}

/// The engine's own name of a resting order. It says where the order lies and is never reused while anyone could hold it,
/// but it is a handle of one process: what is signed, hashed or shown names an order by its [`OrderTag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// The caller's name of an order, carried through and reported back untouched. The ledger puts the log's sequence number
/// of the command that placed the order here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderTag(pub u64);

/// A limit order on its way in. A market order is [`TimeInForce::ImmediateOrCancel`] at the price limit of its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The caller's name for it.
    pub tag: OrderTag,
    /// Who pays and is paid. An order never trades with one of the same account.
    pub account: AccountId,
    /// The meter that delivers or takes the energy.
    pub meter: MeterId,
    /// What is traded.
    pub contract: Contract,
    /// Which way.
    pub side: Side,
    /// The limit: the most a buyer pays, the least a seller takes, per kWh.
    pub price: Price,
    /// How much, a positive multiple of the lot.
    pub energy: Energy,
    /// How long.
    pub time_in_force: TimeInForce,
    /// Reject it instead of letting it trade on entry.
    pub post_only: bool,
}

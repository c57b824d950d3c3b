//! Market vocabulary, network, order books and matching of the Gridbook electricity market.
//!
//! Everything here is deterministic integer arithmetic in sequence order. The crate contains no keys, signatures, sockets,
//! clocks or threads, and no floating point: the same commands give the same events on every machine.

#![deny(clippy::float_arithmetic)]

pub mod contract;
pub mod event;
pub mod limits;
pub mod order;
pub mod reject;
pub mod rules;
pub mod units;

pub use contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
pub use event::{Event, Expiry, OrderRef, Trade};
pub use limits::{Limits, OrderTerms, Unlimited};
pub use order::{NewOrder, OrderId, OrderTag, Side, TimeInForce};
pub use reject::Reject;
pub use rules::{MarketRules, RulesError};
pub use units::{Energy, LedgerTime, Money, Price};

pub mod engine;
pub use engine::{Engine, EngineImage, Mark};

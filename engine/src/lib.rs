//! Market vocabulary, network, order books and matching of the Gridbook electricity market.
//!
//! Everything here is deterministic integer arithmetic in sequence order. The crate contains no keys, signatures, sockets,
//! clocks or threads, and no floating point: the same commands give the same events on every machine.
//!
//! # The way through
//!
//! A command comes through the [`ingress`] ring to the one thread that owns the [`Engine`]. The engine checks its form and gate,
//! asks the [`Limits`] to set money and headroom aside, matches it, and appends [`Event`]s. It publishes the new best
//! prices in [`top_of_book`], and at the end of a block the price levels in [`depth`]. What a command is and who may send it is decided before, in the ledger; what it costs, behind the limits.
//!
//! | module | holds |
//! |---|---|
//! | [`units`], [`contract`], [`order`], [`rules`], [`reject`], [`event`], [`limits`], [`network`], [`market`] | the vocabulary, and all that can be done as one trait |
//! | [`engine`], `checks`, `change` | the commands; what every order is tested for; the few changes that all commands are made of, and their inverses |
//! | `matching`, `search`, `rematch` | who meets whom: coming in, over the whole tree, and at rest |
//! | `auctions`, `blocks`, [`auction`] | call auctions in the life of a contract; the clearing itself, a pure function |
//! | `bilateral` | pre-arranged trades and pay-as-bid rounds |
//! | `sweep`, `deadline` | what time has made due |
//! | `calendar`, `period`, `queue`, `slab` | where things lie |
//! | `tree`, `grid` | the network as searches walk it; what flows on its edges |
//! | `journal` | every change's inverse |
//! | [`foresight`] | the memory of a batch is waited for at once |
//! | `view`, `publish` | what others are shown |
//! | `digest`, [`image`] | the state as a hash, and as plain data |
//! | [`ingress`], [`top_of_book`], [`depth`] | the lock-free edges |
//! | `seqlock`, `contract_table`, `sync` | what the two behind the engine are made of |
//! | [`mod@reference`] | the slow and obvious twin that the engine is tested against |
//!
//! # Invariants
//!
//! **Architecture invariant:** there is one writer. The engine is a deterministic state machine behind `&mut self`, so it can be replicated by
//! replaying commands. What is lock-free are its edges: the ring in front of it and the prices behind it. There is no book with many writers.
//!
//! **Architecture invariant:** time is an argument. [`Engine::advance`] sets it; no timer and no clock exist here. What is over does not trade
//! from that moment on, whenever [`Engine::sweep`] gets round to removing it.
//!
//! **Architecture invariant:** a refused command leaves no trace in state, limits, events or journal.
//!
//! **Architecture invariant:** every change goes through the journal. There is no way to change a book that cannot be undone, so fill-or-kill,
//! replace, baskets and the undoing of speculation are all the same mark and rollback.
//!
//! **Architecture invariant:** all energy of an order is reserved once, and each part of it is filled or released once. The engine knows
//! nothing else of money.
//!
//! **Architecture invariant:** no result depends on a handle, a slot or a memory layout. [`OrderId`] is one process's own; hashes and images
//! name orders by their [`OrderTag`], and nothing here iterates over an unordered map.
//!
//! **Architecture invariant:** at rest no two orders that are still alive could trade with each other, in one area or over edges with
//! room, but for what re-matching left unfinished, which is due.
//!
//! **Architecture invariant:** memory is bounded by what rests, what is open, and what the journal may still undo. A period whose gate has
//! come is forgotten when its last order leaves.
//!
//! **Architecture invariant:** `unsafe` is in one file, `ingress/ring.rs`, where items change hands between threads. A model checker goes
//! through the interleavings of all lock-free parts in every run of the tests.

#![deny(clippy::float_arithmetic)]

pub mod auction;
pub mod contract;
pub mod event;
pub mod limits;
pub mod market;
pub mod network;
pub mod order;
pub mod reject;
pub mod rules;
pub mod units;

pub use contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
pub use event::{BlockState, ClearingCase, Event, Expiry, OrderRef, Trade, TradeKind};
pub use limits::{Limits, OrderTerms, Unlimited};
pub use market::{BasketRefused, EdgeState, Market, REMATCH_TRADES_MAX, View, ViewLevel};
pub use network::{Direction, Edge, Network, NetworkError};
pub use order::{
    EnergySources, NewBlock, NewOrder, OrderId, OrderTag, Party, Prearranged, Preferences, Side, TimeInForce,
};
pub use reject::Reject;
pub use rules::{MarketRules, RulesError};
pub use units::{Energy, LedgerTime, Money, Price};

mod auctions;
mod bilateral;
mod blocks;
mod calendar;
mod change;
mod checks;
mod contract_table;
mod deadline;
pub mod depth;
mod digest;
mod divisor;
pub mod engine;
pub mod foresight;
mod grid;
pub mod image;
pub mod ingress;
mod journal;
mod matching;
mod period;
mod publish;
mod queue;
pub mod reference;
mod rematch;
mod search;
mod seqlock;
mod slab;
mod sweep;
mod sync;
pub mod top_of_book;
mod tree;
mod view;

pub use depth::{Depth, DepthTable, DepthWriter};
pub use engine::Engine;
pub use foresight::Foreseen;
pub use image::{EngineImage, ImageError, RestingOrder};
pub use journal::Mark;
pub use top_of_book::{Top, TopOfBook, TopOfBookWriter};

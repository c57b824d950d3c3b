//! The call auction: one price per area, over a tree of areas (MARKET section 5).
//!
//! A pure function in exact integers, without a solver: curves are added up from the leaves to the root, the root's net export
//! is zero, and energy and prices follow from the root to the leaves. The work is that of merging sorted lists.
//!
//! ```text
//!  p |        .--------      E(p): what an area and all below it would export at price p. It begins at minus all demand. A sell
//!    |     .--'              adds its energy at its limit, a buy gives its energy back at its limit. The parent sees it cut to
//!    |   --'                 the edge's capacities: the import part at price - fee_down, the export part at price + fee_up.
//!    +----------- E
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `book` | what goes in: [`PeriodBook`] of [`AuctionOrder`]s, [`Injection`]s and [`GivenPrice`]s; [`AuctionRules`] |
//! | `tree` | [`AuctionTree`]: areas in preorder, capacities and fees |
//! | `step`, `curve` | where a step stands among the others; curves, and how an edge cuts them |
//! | `merge` | merging sorted runs |
//! | `clearer` | [`Clearer`]: leaf to root, root to leaf |
//! | `share` | how a marginal step is shared, in whole lots |
//! | `pricing` | the interval of prices of an area, its price and its case |
//! | `clearing` | what comes out: [`Clearing`] |
//! | `blocks` | block orders over several periods |
//!
//! **Architecture invariant:** the result does not depend on the order in which orders are given, only on their sequence numbers.
//!
//! **Architecture invariant:** nothing overflows. The energies of one auction may add up to [`ENERGY_MAX_WH`]; beyond it the auction
//! fails with its reason and trades nothing. Below it every sum fits 62 bits and every product 126.

mod blocks;
mod book;
mod clearer;
mod clearing;
mod curve;
mod merge;
mod pricing;
mod share;
mod step;
mod tree;

pub use crate::event::BlockState;
pub use blocks::{BlockClearing, BlockOrder, clear_with_blocks};
pub use book::{AuctionOrder, AuctionRules, GivenPrice, Injection, PeriodBook};
pub use clearer::{Clearer, clear};
pub use clearing::{AreaClearing, Case, Clearing, EdgeClearing, Failure};
pub use tree::AuctionTree;

/// The most energy that may take part in one auction: two exawatt-hours, some eighty times what the world uses in a year.
pub const ENERGY_MAX_WH: u64 = 1 << 61;

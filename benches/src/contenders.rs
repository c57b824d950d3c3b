//! The engines that stand side by side in the tables, and how they are run.

use gridbook_engine::Unlimited;

use crate::driven::Driven;
use crate::engines::{Bare, Gridbook, LookAhead, Undo};
#[cfg(feature = "peers")]
use crate::peers::{Lobster, Matchcore, NamedMatchcore, OrderbookRs};
use crate::purses::Purses;
use crate::workload::Mix;

/// What is done with each engine.
pub trait Visitor {
    /// `D` is what is timed, `Named` the same engine where its trades are to be compared.
    fn visit<D: Driven, Named: Driven>(&mut self, name: &'static str);
}

/// The row that others are set against: ids, owners, self-trade, expiry and reports.
pub const OURS: &str = "gridbook, no undo";
/// All that a ledger needs of the engine: what speculation changed can be undone, money and headroom are set aside.
pub const OURS_WHOLE: &str = "gridbook, undo and limits";

/// Every engine that can run a mix, ours first. Nobody else's knows a grid, and nobody else's is asked for 100,000 books.
pub fn each_of(mix: &Mix, visitor: &mut impl Visitor) {
    visitor.visit::<Gridbook<Unlimited, Bare>, Gridbook<Unlimited, Bare>>(OURS);
    visitor.visit::<Gridbook<Unlimited, LookAhead>, Gridbook<Unlimited, LookAhead>>("gridbook, no undo, 8 ahead");
    visitor.visit::<Gridbook<Unlimited, Undo>, Gridbook<Unlimited, Undo>>("gridbook, undo");
    visitor.visit::<Gridbook<Purses, Undo>, Gridbook<Purses, Undo>>(OURS_WHOLE);
    #[cfg(feature = "peers")]
    if !mix.is_grid && mix.books <= 10_000 {
        visitor.visit::<Matchcore, NamedMatchcore>("matchcore 0.4.0");
        visitor.visit::<Lobster, Lobster>("lobster 0.7.0");
        visitor.visit::<OrderbookRs, OrderbookRs>("orderbook-rs 0.15.3");
    }
    #[cfg(not(feature = "peers"))]
    let _ = mix;
}

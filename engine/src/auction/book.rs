//! What goes into an auction.

use crate::contract::AreaId;
use crate::order::Side;
use crate::units::{Energy, Price};

use super::AuctionTree;

/// The grid of prices and energies (MARKET section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuctionRules {
    tick: i64,
    lot: u64,
}

impl AuctionRules {
    /// Prices lie on multiples of `tick`, energies on multiples of `lot` watt-hours.
    ///
    /// # Panics
    /// If either is not positive: there is no such market.
    pub fn new(tick: i32, lot: u64) -> Self {
        assert!(tick > 0 && lot > 0, "tick and lot are positive");
        Self { tick: i64::from(tick), lot }
    }

    /// The tick.
    pub(super) fn tick(self) -> i64 {
        self.tick
    }

    /// The lot, in watt-hours.
    pub(super) fn lot(self) -> u64 {
        self.lot
    }

    /// How many whole lots there are in an energy.
    pub(super) fn lots(self, energy: Energy) -> u64 {
        // Most markets here have the lot 1, and a division costs more than all else that is done to an order on its way in.
        if self.lot == 1 { energy.0 } else { energy.0 / self.lot }
    }
}

/// A plain limit order. What is left of its energy beyond whole lots does not take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuctionOrder {
    /// Where it trades.
    pub area: AreaId,
    /// Which way.
    pub side: Side,
    /// The worst price it accepts.
    pub price: Price,
    /// All its energy: an auction knows no hidden reserve.
    pub energy: Energy,
    /// Its age, unlike that of any other: the lower goes first where a single lot must go to one of equals.
    pub sequence: u64,
}

/// Energy that is placed beyond every price: a block order in one of its periods, or a schedule that is fixed already.
/// It never bounds a price. Where it does not fit, less of it is placed, and [`super::Clearing::injected`] says how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Where.
    pub area: AreaId,
    /// A sell puts energy in, a buy takes it out.
    pub side: Side,
    /// How much.
    pub energy: Energy,
    /// As [`AuctionOrder::sequence`].
    pub sequence: u64,
}

/// An area with a given price, such as a zone across the border: it trades any amount that its edges allow at that price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenPrice {
    /// Which area. One price per area.
    pub area: AreaId,
    /// Its price; it need not lie on the tick.
    pub price: Price,
}

/// All that takes part in the auction of one delivery period.
#[derive(Clone, Copy, Debug)]
pub struct PeriodBook<'a> {
    /// The areas, and what their edges can carry in this period.
    pub tree: &'a AuctionTree,
    /// Plain limit orders, in any order; quickest if each area's are sorted by price.
    pub orders: &'a [AuctionOrder],
    /// What is placed beyond every price.
    pub injections: &'a [Injection],
    /// Areas whose price is given.
    pub given: &'a [GivenPrice],
}

impl<'a> PeriodBook<'a> {
    /// Orders over a tree, and nothing else.
    pub fn plain(tree: &'a AuctionTree, orders: &'a [AuctionOrder]) -> Self {
        Self { tree, orders, injections: &[], given: &[] }
    }
}

//! What comes out of an auction.

use core::fmt;

use crate::units::{Energy, Money, Price};

/// The result of one auction. It can be reused: [`super::Clearer::clear_into`] overwrites it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clearing {
    /// By area.
    pub areas: Vec<AreaClearing>,
    /// How much of each order was accepted, in the order in which the orders were given.
    pub accepted: Vec<Energy>,
    /// How much of each injection was placed, in the order in which they were given.
    pub injected: Vec<Energy>,
    /// The edge above each area, by area. The root's is empty.
    pub edges: Vec<EdgeClearing>,
}

/// What the auction gives an area. Where energy was accepted there is a price, unless the area failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaClearing {
    /// What every buyer and seller of the area pays and gets. Nothing if no order says anything about it, or if the area failed.
    pub price: Option<Price>,
    /// What set the price.
    pub case: Case,
}

/// What the auction sends over the edge above an area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeClearing {
    /// The energy in watt-hours: up to the parent if positive, down from it if negative.
    pub flow_wh: i64,
    /// The grid fee on it, for the edge's operator.
    pub fee: Money,
    /// What the difference of the two prices leaves beyond the fee: never negative, and zero where the edge is not full.
    pub rent: Money,
}

/// What set an area's price (MARKET section 5, Case).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A sell step that is shared.
    MarginalSeller,
    /// A buy step that is shared.
    MarginalBuyer,
    /// A given price.
    Border,
    /// No step is shared: the price lies between two.
    Exact,
    /// No energy was accepted in areas joined by flow.
    Empty,
    /// There is no price.
    Failed(Failure),
}

/// Why an area has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Beyond [`super::ENERGY_MAX_WH`], or more than 2^32 orders. Nothing was traded in the whole auction.
    #[error("the energies of the auction add up to more than can be cleared")]
    TooMuchEnergy,
    /// An order, an injection or a given price of an area that the tree does not have. Nothing was traded in the whole auction.
    #[error("an order names an area that is not in the tree")]
    UnknownArea,
    /// There is not enough to buy, to sell or to carry for energy that is placed beyond every price.
    #[error("energy that is fixed beyond every price does not fit")]
    Unplaced,
    /// Fees move the price beyond what a price can hold.
    #[error("the price with its fees is beyond the largest price")]
    PriceOutOfRange,
}

impl Case {
    /// Its name in files: `marginal_seller`, `marginal_buyer`, `border`, `exact`, `empty` or `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MarginalSeller => "marginal_seller",
            Self::MarginalBuyer => "marginal_buyer",
            Self::Border => "border",
            Self::Exact => "exact",
            Self::Empty => "empty",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "failed: {failure}"),
            case => f.write_str(case.name()),
        }
    }
}

impl Clearing {
    /// Nothing traded yet: so many areas, orders and injections.
    pub(super) fn reset(&mut self, areas: usize, orders: usize, injections: usize) {
        self.areas.clear();
        self.areas.resize(areas, AreaClearing { price: None, case: Case::Empty });
        self.accepted.clear();
        self.accepted.resize(orders, Energy::ZERO);
        self.injected.clear();
        self.injected.resize(injections, Energy::ZERO);
        self.edges.clear();
        self.edges.resize(areas, EdgeClearing::default());
    }

    /// Nothing is traded anywhere, for this reason.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.areas.fill(AreaClearing { price: None, case: Case::Failed(failure) });
    }
}

//! Call auctions from files: a week of a wholesale market, cleared by the engine that clears a street (MARKET section 5).
//!
//! | file | holds |
//! |---|---|
//! | `decimal` | decimal text as exact integers |
//! | `table` | CSV with a header, plain or gzipped, with the line of every mistake |
//! | `tables` | the input files, row by row |
//! | `week` | [`Week`]: one auction per timestamp, with its own tree |
//! | `grid` | zones and links as a tree; each link to a border zone is a leaf of its own |
//! | `cleared` | [`ClearedWeek`]: results, and how they are written |
//! | `expected` | how many published prices and flows come out |
//!
//! Inside, prices are counted in 0.00001 per MWh (markets publish up to five decimals) and energies in watt-hours.

mod cleared;
mod decimal;
mod expected;
mod grid;
mod table;
mod tables;
mod week;

pub use cleared::{ClearedWeek, Output};
pub use decimal::{Decimal, format_energy_mwh, format_price_per_mwh};
pub use expected::{Agreement, compare_flows, compare_prices};
pub use table::FileError;
pub use week::{Auction, Inputs, Week, Zone};

use gridbook_engine::Energy;
use gridbook_engine::auction::AuctionRules;

/// Decimals of a price per MWh.
const PRICE_DECIMALS: u32 = 5;
/// Decimals of an energy in MWh.
const ENERGY_DECIMALS: u32 = 6;

/// The grid of prices and energies of an auction file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// In 0.00001 per MWh.
    tick: i32,
    /// In watt-hours.
    lot_wh: u64,
    rounding: Rounding,
}

/// What becomes of the energy of an order that is not a whole number of lots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// What is beyond whole lots does not take part, as for capacities and everywhere in the market.
    #[default]
    Down,
    /// To the nearest lot: for files whose quantities went through a float and say 74.89999999999999 for 74.9.
    Nearest,
}

impl Grid {
    /// From a lot in MWh and a tick per MWh.
    ///
    /// # Errors
    /// With a sentence, if either is not positive, or finer than a watt-hour or 0.00001.
    pub fn new(lot_mwh: Decimal, tick_per_mwh: Decimal) -> Result<Self, String> {
        let tick =
            tick_per_mwh.exact(PRICE_DECIMALS).and_then(|tick| i32::try_from(tick).ok()).filter(|tick| *tick > 0);
        let lot_wh = lot_mwh.exact(ENERGY_DECIMALS).and_then(|lot| u64::try_from(lot).ok()).filter(|lot| *lot > 0);
        Ok(Self {
            tick: tick.ok_or("the tick must be positive, with five decimals at most, such as 0.01")?,
            lot_wh: lot_wh.ok_or("the lot must be positive, with six decimals at most, such as 0.001")?,
            rounding: Rounding::default(),
        })
    }

    /// With another rounding of the energy of orders.
    #[must_use]
    pub fn with_rounding(self, rounding: Rounding) -> Self {
        Self { rounding, ..self }
    }

    /// The energy of an order in watt-hours, in whole lots; nothing if it is below zero or too large.
    fn order_energy(self, quantity: Decimal) -> Option<Energy> {
        let energy = match self.rounding {
            Rounding::Down => quantity.rounded_down(ENERGY_DECIMALS, self.lot_wh),
            Rounding::Nearest => quantity.rounded_to(ENERGY_DECIMALS, self.lot_wh),
        };
        u64::try_from(energy?).ok().map(Energy)
    }

    /// As the engine takes it.
    fn rules(self) -> AuctionRules {
        AuctionRules::new(self.tick, self.lot_wh)
    }
}

impl Default for Grid {
    /// A lot of 0.001 MWh and a tick of 0.01 per MWh.
    fn default() -> Self {
        Self { tick: 1_000, lot_wh: 1_000, rounding: Rounding::default() }
    }
}

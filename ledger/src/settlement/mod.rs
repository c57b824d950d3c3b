//! What delivered energy is worth (MARKET section 7), as pure functions over one meter, one trade side, one area.
//!
//! What it never does: look at the state, at a meter other than the one it is asked about, or at the time. Who owns a meter, when a
//! reading is late and where money is booked is decided in [`crate::state`], which only brings the rows here and the results back.
//!
//! | room | rule of section 7 | says |
//! |---|---|---|
//! | `reading` | 1 | what two readings of a meter's registers mean, why one cannot be right, and what stands for one that is missing |
//! | `prices` | 4 | what missing and surplus energy is worth in a contract |
//! | `meter` | 2, 3 | what one meter owes for the difference between what it traded and what it did |
//! | `delivered` | 5 | which trades the metered energy belongs to |
//! | [`statement`] | | all of that for one meter, out of the ledger's events, as a bill |
//! | `residual` | 1, 8 | what got lost in an area, as a meter of its own, and how that is known |
//! | `area` | 8 | that an area's energy and money add up, and what is left for its operator |
//!
//! Architecture invariant: nothing here rounds, but one thing. Price times energy is exact; only a reference that is a mean of trades is
//! brought to a whole price, up where it is paid and down where it is received, once and before it is multiplied. So no remainder of money
//! ever arises in settlement, and none can be dropped.
//!
//! Architecture invariant: nothing here fails, allocates or overflows for any rows a caller may have, but for the sums of an area, which
//! say so. Energies of one meter are added in 128 bits: a meter may trade to and fro more than 64 would hold.

mod area;
mod delivered;
mod meter;
mod prices;
mod reading;
mod residual;
pub mod statement;
#[cfg(test)]
mod tests;

pub use area::{AreaClose, AreaFault, AreaSums};
pub use delivered::delivered;
pub use meter::{MeterSettlement, Portion, Portions, TradeSide, against_its_owner, portions, settle_meter};
pub use prices::{ImbalancePrices, ImbalancePricesError, MeanPrice, Reference, RestPrices};
pub use reading::{Delivery, Implausible, Quality, Registers, Rule, delta, estimate};
pub use residual::{Residual, ResidualQuality, ResidualRule};

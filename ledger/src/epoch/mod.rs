//! Epochs: how the validators of one are replaced by those of the next, and how that is proven (CONSENSUS section 3, Changing the set).
//!
//! 2f + 1 members of the present set sign a [`Reconfigure`]. Executed, it ends the epoch: its header is flagged and names the next set,
//! and only empty headers follow until it is final. Then [`EpochProof`] leads from the old set to the new one, and a list of these,
//! [`Epochs`], from genesis to the present.

mod chain;
mod finality;
mod proof;
mod reconfigure;

pub use chain::Epochs;
pub use finality::{FinalityError, HEADERS_MAX, verify_finality};
pub use proof::{EpochError, EpochProof};
pub use reconfigure::Reconfigure;

//! The shapes of a snapshot: plain data, and its canonical bytes.
//!
//! ```text
//! accounts u32, meters u32 | accounts, 70 bytes each | meters, 95 bytes each | the rest
//! ```
//! Rows of accounts and meters are as long as each other, so that a page of them can be found, sent and checked by itself. The
//! rest is what a header's state root does not cover: books, positions, names, queued work, counters.

mod read;
mod write;

pub(super) use read::{decode, read_accounts, read_counts, read_head, read_meters};
pub(super) use write::{encode, encode_rest};

use gridbook_engine::image::EngineImage;

use super::Totals;
use crate::crypto::{Hash, PublicKey};
use crate::validators::ValidatorSet;

/// The counts that stand in front.
pub(super) const COUNTS_BYTES: usize = 8;
/// Length of an account's row.
pub(super) const ACCOUNT_BYTES: usize = 70;
/// Length of a meter's row.
pub(super) const METER_BYTES: usize = 95;

/// Everything. Lists by number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StateImage {
    pub(super) accounts: Vec<AccountImage>,
    pub(super) meters: Vec<MeterImage>,
    pub(super) rest: RestImage,
}

/// Everything but the registered accounts and meters. Periods ascending, names in the order in which they were given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RestImage {
    pub(super) chain: Hash,
    pub(super) now: u64,
    pub(super) operator_nonce: u64,
    pub(super) totals: TotalsImage,
    pub(super) system: Vec<AccountImage>,
    pub(super) periods: Vec<PeriodImage>,
    pub(super) blocks: Vec<BlockNameImage>,
    pub(super) offers: Vec<OfferImage>,
    pub(super) edges: Vec<EdgeIncomeImage>,
    pub(super) epoch: u32,
    pub(super) validators: ValidatorSet,
    pub(super) engine: EngineImage,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TotalsImage(pub(super) [u64; 8]);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct AccountImage {
    pub(super) balance: i128,
    pub(super) reserved: i128,
    pub(super) history: Hash,
    pub(super) score: u16,
    pub(super) share_ppm: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeterImage {
    pub(super) account: u32,
    pub(super) key: PublicKey,
    pub(super) area: u16,
    pub(super) import_max: u64,
    pub(super) export_max: u64,
    pub(super) suspended: bool,
    pub(super) nonce: u64,
    pub(super) history: Hash,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PeriodImage {
    pub(super) period: u32,
    pub(super) cleared: i128,
    pub(super) positions: Vec<PositionImage>,
    pub(super) payables: Vec<PayableImage>,
    pub(super) names: Vec<NameImage>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PositionImage {
    pub(super) meter: u32,
    pub(super) resting_buys: u64,
    pub(super) resting_sells: u64,
    pub(super) bought: u64,
    pub(super) sold: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PayableImage {
    pub(super) area: u16,
    pub(super) account: u32,
    pub(super) owed: i128,
    pub(super) held: i128,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct NameImage {
    pub(super) meter: u32,
    pub(super) client_id: u64,
}

/// The name of a block that waits in the engine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BlockNameImage {
    pub(super) tag: u64,
    pub(super) meter: u32,
    pub(super) client_id: u64,
}

/// An offer that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OfferImage {
    pub(super) meter: u32,
    pub(super) client_id: u64,
    pub(super) partner: u32,
    pub(super) period: u32,
    pub(super) sells: bool,
    pub(super) price: i32,
    pub(super) energy: u64,
}

/// What an edge has brought its operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EdgeIncomeImage {
    pub(super) area: u16,
    pub(super) fees: i128,
    pub(super) rent: i128,
}

impl From<Totals> for TotalsImage {
    fn from(totals: Totals) -> Self {
        let Totals { commands, rejected, orders, trades, energy_wh, settlements, expired, fills } = totals;
        Self([commands, rejected, orders, trades, energy_wh, settlements, expired, fills])
    }
}

impl From<TotalsImage> for Totals {
    fn from(TotalsImage(totals): TotalsImage) -> Self {
        let [commands, rejected, orders, trades, energy_wh, settlements, expired, fills] = totals;
        Self { commands, rejected, orders, trades, energy_wh, settlements, expired, fills }
    }
}

impl StateImage {
    /// Every amount of money in it.
    pub(super) fn money(&self) -> impl Iterator<Item = i128> + '_ {
        let accounts = self.rest.system.iter().chain(&self.accounts).flat_map(|row| [row.balance, row.reserved]);
        let payables =
            self.rest.periods.iter().flat_map(|period| &period.payables).flat_map(|row| [row.owed, row.held]);
        let edges = self.rest.edges.iter().flat_map(|edge| [edge.fees, edge.rent]);
        accounts.chain(payables).chain(edges).chain(self.rest.periods.iter().map(|period| period.cleared))
    }
}

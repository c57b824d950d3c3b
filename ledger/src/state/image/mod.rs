//! The shapes of a snapshot: plain data, and its canonical bytes.
//!
//! ```text
//! accounts u32, meters u32 | accounts, 72 bytes each | meters, 226 bytes each | the rest
//! ```
//! Rows of accounts and meters are as long as each other, so that a page of them can be found, sent and checked by itself. The
//! rest is what a header's state root does not cover: books, positions, names, queued work, counters.

mod certificates;
mod conduct;
mod consent;
mod period;
mod read;
mod registry;
mod write;

pub(super) use certificates::{CertificatesImage, CertifiedImage, IssuerImage};
pub(super) use conduct::ConductImage;
pub(super) use consent::ConsentImage;
pub(super) use read::{decode, read_accounts, read_counts, read_head, read_meters};
pub(super) use write::{encode, encode_rest};

use gridbook_engine::AreaId;
use gridbook_engine::image::EngineImage;

use super::tables::{Access, AreaIncome, AreaStage, Borne, ContractRow, DeliveryRow, ReadingRow, Stage, TradeRow};
use super::{LastBundle, Totals};
use crate::crypto::{Hash, PublicKey};
use crate::registry::{Installation, OrganisationId, OrganisationName, Plant, Roles, Subject};
use crate::settlement::{AreaSums, Residual};
use crate::validators::ValidatorSet;

/// The counts that stand in front.
pub(super) const COUNTS_BYTES: usize = 8;
/// Length of an account's row.
pub(super) const ACCOUNT_BYTES: usize = 72;
/// Length of a meter's row.
pub(super) const METER_BYTES: usize = 226;

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
    pub(super) organisations: Vec<OrganisationImage>,
    pub(super) periods: Vec<PeriodImage>,
    pub(super) blocks: Vec<BlockNameImage>,
    pub(super) offers: Vec<OfferImage>,
    pub(super) incomes: Vec<AreaIncomeImage>,
    pub(super) readings: Vec<ReadingsImage>,
    pub(super) imports: Vec<ImportsImage>,
    pub(super) corrections: Vec<(u32, u32)>,
    pub(super) replaced_keys: Vec<ReplacedKeyImage>,
    pub(super) former_facts: Vec<FormerImage>,
    pub(super) certificates: Vec<CertificatesImage>,
    pub(super) issuers: Vec<IssuerImage>,
    pub(super) epoch: u32,
    pub(super) validators: ValidatorSet,
    /// Those of the epoch before; none in the first.
    pub(super) validators_before: Option<ValidatorSet>,
    pub(super) conduct: ConductImage,
    pub(super) consent: ConsentImage,
    /// What accounts owe, by number.
    pub(super) debts: Vec<(u32, i128)>,
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
    pub(super) organisation: Option<OrganisationId>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeterImage {
    pub(super) account: u32,
    pub(super) key: PublicKey,
    pub(super) area: u16,
    pub(super) first_period: u32,
    pub(super) import_max: u64,
    pub(super) export_max: u64,
    pub(super) plant: Plant,
    pub(super) certificate: Hash,
    pub(super) access: Access,
    pub(super) last_bundle: Option<LastBundle>,
    pub(super) charge: i128,
    pub(super) history: Hash,
    pub(super) grants: Hash,
}

/// The rows of organisations are few, so that they lie with the rest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OrganisationImage {
    pub(super) key: PublicKey,
    pub(super) name: OrganisationName,
    pub(super) roles: Roles,
    pub(super) area: Option<AreaId>,
    pub(super) access: Access,
    pub(super) history: Hash,
}

/// A key that its device has no more.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReplacedKeyImage {
    pub(super) key: PublicKey,
    pub(super) subject: Subject,
}

/// What a meter was until some time in a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FormerImage {
    pub(super) meter: u32,
    pub(super) last: u32,
    pub(super) account: u32,
    pub(super) installation: Installation,
}

/// Rows that hold nothing but plain numbers stand here as they are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PeriodImage {
    pub(super) period: u32,
    pub(super) stage: Stage,
    pub(super) cleared: i128,
    pub(super) positions: Vec<PositionImage>,
    /// Their chains are made again.
    pub(super) trades: Vec<TradeRow>,
    pub(super) names: Vec<NameImage>,
    pub(super) contracts: Vec<(u16, ContractRow)>,
    pub(super) deliveries: Vec<(u32, DeliveryRow)>,
    pub(super) borne: Vec<(u32, Borne)>,
    pub(super) held_back: Vec<u32>,
    pub(super) failed: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PositionImage {
    pub(super) meter: u32,
    pub(super) resting_buys: u64,
    pub(super) resting_sells: u64,
    pub(super) bought: u64,
    pub(super) sold: u64,
    pub(super) owed: i128,
    pub(super) held: i128,
}

/// What meters showed at the end of a period.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadingsImage {
    pub(super) period: u32,
    pub(super) registers: Vec<(u32, ReadingRow)>,
}

/// What meters took in during a period that is final: by number, one more than the watt-hours, 0 where it is not known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImportsImage {
    pub(super) period: u32,
    pub(super) imports: Vec<u32>,
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

/// What an area has brought its operator, and cost him.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AreaIncomeImage {
    pub(super) area: u16,
    pub(super) income: AreaIncome,
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
    /// Every amount of money in it, and every sum of energies that is kept as a number with a sign.
    pub(super) fn amounts(&self) -> impl Iterator<Item = i128> + '_ {
        let accounts = self.rest.system.iter().chain(&self.accounts).flat_map(|row| [row.balance, row.reserved]);
        let incomes = self.rest.incomes.iter().flat_map(|AreaIncomeImage { income, .. }| {
            let AreaIncome { fees, rent, surplus, losses, billed } = *income;
            [fees.0, rent.0, surplus.0, losses.0, billed.0]
        });
        let debts = self.rest.debts.iter().map(|(_, debt)| *debt);
        accounts.chain(incomes).chain(debts).chain(self.rest.periods.iter().flat_map(PeriodImage::amounts))
    }
}

impl PeriodImage {
    fn amounts(&self) -> impl Iterator<Item = i128> + '_ {
        let positions = self.positions.iter().flat_map(|row| [row.owed, row.held]);
        let borne = self.borne.iter().flat_map(|(_, row)| [row.billed.0, row.defaulted.0]);
        let contracts = self.contracts.iter().flat_map(|(_, row)| {
            let AreaSums { exchange_wh, net_wh, contracted_wh, imbalance_wh, charges, .. } = row.sums;
            let sums = [exchange_wh, net_wh, contracted_wh, imbalance_wh, charges.0];
            let wh = |sum: u128| i128::try_from(sum).unwrap_or(i128::MAX);
            let own = [row.traded.0, row.exchange_wh, row.imbalance.0, wh(row.exported_wh), wh(row.imported_wh)];
            let Residual { net_wh, below_wh, sent_up_wh, .. } = match row.stage {
                AreaStage::Settled { residual } => residual,
                AreaStage::Open | AreaStage::Good | AreaStage::Frozen(_) => Residual::default(),
            };
            sums.into_iter().chain(own).chain([net_wh, below_wh, sent_up_wh])
        });
        core::iter::once(self.cleared).chain(positions).chain(borne).chain(contracts)
    }
}

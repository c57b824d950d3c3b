//! The rows of the tables.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, OrderId, OrderTag};

use super::by_meter::ByMeter;
use crate::conduct::{SCORE_FULL, ShareRules};
use crate::crypto::{Hash, PublicKey};
use crate::genesis::{FIRST_EPOCH, Genesis};
use crate::origin::ChargeBalance;
use crate::registry::{DeviceStanding, OrganisationId, OrganisationName, Plant, Reason, Roles, Subject};
use crate::settlement::Registers;
use crate::state::{LastBundle, SystemAccount, Totals};
use crate::validators::ValidatorSet;

/// Which epoch it is, and who may end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::state) struct EpochRow {
    pub(in crate::state) number: u32,
    pub(in crate::state) set: ValidatorSet,
    /// Those of the epoch before: what they did shortly before it ended may come to light only now.
    pub(in crate::state) before: Option<ValidatorSet>,
}

impl EpochRow {
    pub(in crate::state) fn first(genesis: &Genesis) -> Self {
        Self { number: FIRST_EPOCH, set: genesis.validators.clone(), before: None }
    }

    /// The validators of an epoch, if it is this one or the one before.
    pub(in crate::state) fn set_of(&self, epoch: u32) -> Option<&ValidatorSet> {
        if epoch == self.number {
            Some(&self.set)
        } else {
            self.before.as_ref().filter(|_| epoch.checked_add(1) == Some(self.number))
        }
    }
}

/// One account, a user's or the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Account {
    /// What it has; negative only for the issuer.
    pub(in crate::state) balance: Money,
    /// How much of it is set aside for open orders and unsettled trades.
    pub(in crate::state) reserved: Money,
    /// Chain over the records that touched it.
    pub(in crate::state) history: Hash,
    /// What its conduct is worth; full for the system's.
    pub(in crate::state) score: u16,
    /// Which share of the imbalance that it may cause it must cover: follows from the score. Kept here because every order asks for it.
    pub(in crate::state) share_ppm: u32,
    /// The organisation that it belongs to; fixed when it is registered.
    pub(in crate::state) organisation: Option<OrganisationId>,
}

impl Account {
    /// With nothing in it and nothing against it, and nobody's customer.
    pub(in crate::state) fn new(shares: &ShareRules) -> Self {
        let (balance, reserved, history) = (Money::ZERO, Money::ZERO, Hash::ZERO);
        let (score, share_ppm) = (SCORE_FULL, shares.at(SCORE_FULL));
        Self { balance, reserved, history, score, share_ppm, organisation: None }
    }

    /// What may still be spent.
    pub(in crate::state) fn free(&self) -> Money {
        self.balance - self.reserved
    }
}

/// What a meter is. Only the area and the first period are fixed for good when it is registered; the rest is changed by the registry, and the
/// connection and the plant only while nothing of the meter is open or unsettled. What it was when a period began: [`Tables::facts_at`](super::Tables::facts_at).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct MeterFacts {
    pub(in crate::state) account: AccountId,
    pub(in crate::state) key: PublicKey,
    pub(in crate::state) area: AreaId,
    /// The first period that began when it was registered or later: it is settled by none before.
    pub(in crate::state) first_period: DeliveryPeriod,
    pub(in crate::state) import_max: Energy,
    pub(in crate::state) export_max: Energy,
    pub(in crate::state) plant: Plant,
    /// The fingerprint of the certificate of installation; zero if there is none.
    pub(in crate::state) certificate: Hash,
}

/// Whether whoever has the key may give commands, and which were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Access {
    pub(in crate::state) standing: DeviceStanding,
    /// Why it stands so.
    pub(in crate::state) reason: Reason,
    /// The highest nonce that the present key has used.
    pub(in crate::state) nonce: u64,
    /// How often it has changed its key by itself since a registrar last set it.
    pub(in crate::state) rotations: u8,
}

/// What every day changes about a meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct MeterStatus {
    pub(in crate::state) access: Access,
    /// What used the nonce; nothing if no bundle of the present key and owner did, or if more than one did and that was entered.
    pub(in crate::state) last_bundle: Option<LastBundle>,
    /// What it may still be certified for as a storage.
    pub(in crate::state) charge: ChargeBalance,
    /// Chain over the records that touched it.
    pub(in crate::state) history: Hash,
    /// Over its grants: see [`grants_hash`](crate::consent::grants_hash).
    pub(in crate::state) grants: Hash,
}

/// One meter with the names of its orders.
#[derive(Clone, Debug)]
pub(in crate::state) struct Meter {
    pub(in crate::state) facts: MeterFacts,
    pub(in crate::state) status: MeterStatus,
    /// Its client ids of contracts that are not over yet.
    pub(in crate::state) names: BTreeMap<u64, Name>,
}

impl Meter {
    /// Whether it has given its last command, and told its last reading.
    pub(in crate::state) fn is_revoked(&self) -> bool {
        self.status.access.standing == DeviceStanding::Revoked
    }
}

/// One organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Organisation {
    pub(in crate::state) key: PublicKey,
    pub(in crate::state) name: OrganisationName,
    pub(in crate::state) roles: Roles,
    /// Whose grid it runs, with all areas below, if it is a grid operator.
    pub(in crate::state) area: Option<AreaId>,
    pub(in crate::state) access: Access,
    /// Chain over the records that touched it.
    pub(in crate::state) history: Hash,
}

/// What a key is, or was. Nothing is ever forgotten here: a key that was used once is nobody else's for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) enum KeyUse {
    /// It signs for somebody.
    Present(Subject),
    /// It signed for somebody who has another key by now.
    Replaced(Subject),
}

/// What a client id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Name {
    /// The last period that it is about: the name is forgotten at its gate.
    pub(in crate::state) period: DeliveryPeriod,
    pub(in crate::state) standing: Standing,
}

/// What is open under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) enum Standing {
    /// Nothing any more.
    Over,
    /// An order that rests: the engine's handle.
    Resting(OrderId),
    /// A block that waits for its auction: the tag that the engine knows it by.
    Block(OrderTag),
    /// An offer that waits for its answer.
    Offer,
}

/// What the operator of an area, and of the edge above it, has taken and spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct AreaIncome {
    /// Fees of the edge.
    pub(in crate::state) fees: Money,
    /// Congestion rent of the edge.
    pub(in crate::state) rent: Money,
    /// What imbalances left over.
    pub(in crate::state) surplus: Money,
    /// What losses cost.
    pub(in crate::state) losses: Money,
    /// What the operator paid for untraded imports of accounts without money, and bills outside of the ledger.
    pub(in crate::state) billed: Money,
}

impl AreaIncome {
    /// What is left of it.
    pub(in crate::state) fn sum(&self) -> Money {
        self.fees + self.rent + self.surplus - self.losses - self.billed
    }
}

/// One reading, and who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct ReadingRow {
    pub(in crate::state) registers: Registers,
    /// The record by which the meter itself said so, with the key and for the owner that it has now, or with one that it changed by itself since: what
    /// it says otherwise is misconduct. 0 if the operator of its area has read it in its place, a registrar has replaced its key
    /// since, or it has changed hands.
    pub(in crate::state) record: u64,
}

/// The readings at the end of one period.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct ReadingTable {
    pub(in crate::state) rows: ByMeter<Option<ReadingRow>>,
    /// How many there are.
    pub(in crate::state) count: u32,
    /// How many of them are of meters that are revoked by now.
    pub(in crate::state) of_revoked: u32,
}

impl ReadingTable {
    pub(in crate::state) fn of(&self, meter: MeterId) -> Option<ReadingRow> {
        self.rows.get(meter)
    }
}

/// The few single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Counters {
    pub(in crate::state) now: LedgerTime,
    pub(in crate::state) operator_nonce: u64,
    pub(in crate::state) totals: Totals,
}

/// An account of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::state) enum Holder {
    System(SystemAccount),
    User(AccountId),
}

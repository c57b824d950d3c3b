//! What is traded: a delivery period in a delivery area (MARKET.md section 1).

use crate::units::LedgerTime;

/// One market time unit of delivery, counted in UTC since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryPeriod(pub u32);

/// A delivery area: a place with one price when nothing is congested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaId(pub u16);

/// What is traded. Ordered by period, then area: the order in which gates close (MARKET.md section 4, Time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contract {
    /// When the energy is delivered.
    pub period: DeliveryPeriod,
    /// Where the energy is delivered.
    pub area: AreaId,
}

/// An account in the ledger's registry, by registration number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

/// A meter in the ledger's registry, by registration number. Each belongs to one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterId(pub u32);

impl DeliveryPeriod {
    /// The period that contains `time`, for a market time unit of `mtu_minutes`.
    pub fn containing(time: LedgerTime, mtu_minutes: u32) -> Self {
        let period = time.0 / (u64::from(mtu_minutes) * 60_000);
        Self(u32::try_from(period).unwrap_or(u32::MAX))
    }

    /// When delivery begins.
    pub fn starts_at(self, mtu_minutes: u32) -> LedgerTime {
        LedgerTime(u64::from(self.0) * u64::from(mtu_minutes) * 60_000)
    }

    /// When delivery ends.
    pub fn ends_at(self, mtu_minutes: u32) -> LedgerTime {
        LedgerTime((u64::from(self.0) + 1) * u64::from(mtu_minutes) * 60_000)
    }
}

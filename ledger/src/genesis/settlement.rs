//! How delivery is measured and paid for on a ledger (MARKET section 7): constants of its genesis.

use gridbook_engine::Price;
use serde::{Deserialize, Serialize};

use crate::bytes::Writer;
use crate::state::PPM;

/// No deadline and no window is longer: four hundred days, so that times never overflow and memory stays bounded.
const WINDOW_MS_MAX: u64 = 400 * 86_400_000;

/// No share of the possible imbalance is larger: ten times all of it.
const SHARE_PPM_MAX: u32 = 10 * PPM;

/// What a ledger settles by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementRules {
    /// Whether meters are read. Without, every trade counts as delivered as it was traded, and nothing else here matters but the
    /// collateral.
    pub metering: bool,
    /// How long after a delivery period's end its readings may still come, in ledger time.
    pub reading_deadline_ms: u64,
    /// How long after the deadline a settled period may still be corrected.
    pub dispute_ms: u64,
    /// What missing energy costs where no other price was set for the contract: at least `long_price`.
    pub short_price: Price,
    /// What energy too much brings where no other price was set for the contract.
    pub long_price: Price,
    /// No imbalance price, and no reference, is taken for more than this: at least 0 and `short_price`.
    pub short_price_cap: Price,
    /// Nor for less than this: at most 0 and `long_price`.
    pub long_price_floor: Price,
    /// The most energy that may be lost in an area and period, as a part of what flows there, in parts per million.
    pub loss_bound_ppm: u32,
    /// How much of the imbalance that a trade may cause is covered by collateral at the best conduct, in parts per million.
    pub share_ppm: u32,
    /// ... and at the worst: at least `share_ppm`.
    pub share_worst_ppm: u32,
}

/// Why settlement rules contradict themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementRulesError {
    /// A window that is too long.
    #[error("a deadline or window of {0} ms: at most 400 days are possible")]
    Window(u64),
    /// Prices out of order.
    #[error(
        "imbalance prices must keep to long_price_floor <= long_price <= short_price <= short_price_cap, with 0 between floor and cap"
    )]
    Prices,
    /// Shares out of order or bounds.
    #[error("collateral shares must keep to 0 < share_ppm <= share_worst_ppm <= 10,000,000")]
    Shares,
    /// More lost than there is.
    #[error("a loss bound of {0} ppm: at most 1,000,000 make sense")]
    Losses(u32),
}

impl Default for SettlementRules {
    /// Without meters, and without imbalance prices: each side covers what it may have to pay, and is paid when the period ends.
    fn default() -> Self {
        Self {
            metering: false,
            reading_deadline_ms: 0,
            dispute_ms: 0,
            short_price: Price(0),
            long_price: Price(0),
            short_price_cap: Price(0),
            long_price_floor: Price(0),
            loss_bound_ppm: 0,
            share_ppm: PPM,
            share_worst_ppm: PPM,
        }
    }
}

impl SettlementRules {
    /// Readings are due two hours after the period and stay open to correction for a day. Imbalance costs 0.60 and brings 0.02 a kWh.
    pub fn metered() -> Self {
        Self {
            metering: true,
            reading_deadline_ms: 2 * 3_600_000,
            dispute_ms: 24 * 3_600_000,
            short_price: Price(600_000),
            long_price: Price(20_000),
            short_price_cap: Price(1_000_000),
            long_price_floor: Price(-200_000),
            loss_bound_ppm: 80_000,
            share_ppm: PPM,
            share_worst_ppm: 2 * PPM,
        }
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), SettlementRulesError> {
        for window in [self.reading_deadline_ms, self.dispute_ms] {
            if window > WINDOW_MS_MAX {
                return Err(SettlementRulesError::Window(window));
            }
        }
        let ascending = [self.long_price_floor, self.long_price, self.short_price, self.short_price_cap];
        if !ascending.is_sorted() || self.long_price_floor > Price(0) || self.short_price_cap < Price(0) {
            return Err(SettlementRulesError::Prices);
        }
        if self.share_ppm == 0 || self.share_ppm > self.share_worst_ppm || self.share_worst_ppm > SHARE_PPM_MAX {
            return Err(SettlementRulesError::Shares);
        }
        if self.loss_bound_ppm > PPM {
            return Err(SettlementRulesError::Losses(self.loss_bound_ppm));
        }
        Ok(())
    }

    /// Canonical bytes, every field in its order. Taken apart whole, so that nothing new can be left out of the chain id.
    pub(super) fn write(&self, w: &mut Writer) {
        let Self {
            metering,
            reading_deadline_ms,
            dispute_ms,
            short_price,
            long_price,
            short_price_cap,
            long_price_floor,
            loss_bound_ppm,
            share_ppm,
            share_worst_ppm,
        } = *self;
        w.u8(u8::from(metering)).u64(reading_deadline_ms).u64(dispute_ms);
        for price in [short_price, long_price, short_price_cap, long_price_floor] {
            w.i32(price.0);
        }
        w.u32(loss_bound_ppm).u32(share_ppm).u32(share_worst_ppm);
    }
}

/// The JSON form. What is left out is as in [`SettlementRules::default`].
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SettlementFile {
    metering: bool,
    reading_deadline_ms: u64,
    dispute_ms: u64,
    short_price: i32,
    long_price: i32,
    short_price_cap: i32,
    long_price_floor: i32,
    loss_bound_ppm: u32,
    share_ppm: u32,
    share_worst_ppm: u32,
}

impl Default for SettlementFile {
    fn default() -> Self {
        SettlementRules::default().into()
    }
}

impl From<SettlementRules> for SettlementFile {
    fn from(rules: SettlementRules) -> Self {
        Self {
            metering: rules.metering,
            reading_deadline_ms: rules.reading_deadline_ms,
            dispute_ms: rules.dispute_ms,
            short_price: rules.short_price.0,
            long_price: rules.long_price.0,
            short_price_cap: rules.short_price_cap.0,
            long_price_floor: rules.long_price_floor.0,
            loss_bound_ppm: rules.loss_bound_ppm,
            share_ppm: rules.share_ppm,
            share_worst_ppm: rules.share_worst_ppm,
        }
    }
}

impl From<SettlementFile> for SettlementRules {
    fn from(file: SettlementFile) -> Self {
        Self {
            metering: file.metering,
            reading_deadline_ms: file.reading_deadline_ms,
            dispute_ms: file.dispute_ms,
            short_price: Price(file.short_price),
            long_price: Price(file.long_price),
            short_price_cap: Price(file.short_price_cap),
            long_price_floor: Price(file.long_price_floor),
            loss_bound_ppm: file.loss_bound_ppm,
            share_ppm: file.share_ppm,
            share_worst_ppm: file.share_worst_ppm,
        }
    }
}

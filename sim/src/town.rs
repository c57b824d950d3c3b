//! The town: its meters and their day, from a seed.

mod build;

use std::sync::Arc;

use gridbook_engine::{AreaId, DeliveryPeriod, Energy, LedgerTime, MarketRules, Price, RulesError};

use crate::calendar::{DAY_MS, Date};
use crate::measured::Measured;
use crate::meter::{Meter, MeterKind};
use crate::profiles::PERIODS_PER_DAY;
use crate::strategy::Prosumer;
use crate::sun::PPM;

/// What a town is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TownConfig {
    /// Everything that is drawn is drawn from this.
    pub seed: u64,
    /// How many meters.
    pub meters: u32,
    /// The day that is traded.
    pub date: Date,
    /// How many of a million meters have a PV plant and no battery.
    pub pv_share_ppm: u64,
    /// How many of a million meters have a PV plant and a battery.
    pub battery_share_ppm: u64,
    /// The area in which all meters lie, if there are no feeders.
    pub area: AreaId,
    /// How many feeders leave from that area: areas of the numbers behind its own, in which the meters lie in turn.
    pub feeders: u16,
    /// The rules of the market; the delivery period must be 15 minutes.
    pub rules: MarketRules,
    /// What a household pays without neighbours, per kWh: no buyer's limit is above it.
    pub retail: Price,
    /// What a plant earns without neighbours, per kWh: no seller's limit is below it.
    pub feed_in: Price,
    /// The most that imbalance can cost per kWh: what meters deposit covers their trades at that.
    pub short_price_cap: Price,
    /// For how many coming periods a meter keeps orders.
    pub horizon: u32,
    /// How long before gate closure, in ledger milliseconds, a meter stops sending for a period, so that nothing arrives too late.
    pub safety_ms: u64,
}

impl Default for TownConfig {
    /// 1,000 meters on a workday in June, a quarter with a plant, 15 % with plant and battery; 30 cents retail, 8 cents feed-in.
    fn default() -> Self {
        Self {
            seed: 1,
            meters: 1_000,
            date: Date::default(),
            pv_share_ppm: 250_000,
            battery_share_ppm: 150_000,
            area: AreaId(0),
            feeders: 0,
            rules: MarketRules::default(),
            retail: Price(300_000),
            feed_in: Price(80_000),
            short_price_cap: Price(1_000_000),
            horizon: 4,
            safety_ms: 120_000,
        }
    }
}

/// Why there is no such town.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TownError {
    /// The market's rules contradict each other.
    #[error("the market's rules: {0}")]
    Rules(#[from] RulesError),
    /// Profiles and measurements have quarter-hours.
    #[error("a delivery period of {0} minutes: the profiles have quarter-hours only")]
    Mtu(u32),
    /// There is nobody in it.
    #[error("a town needs at least one meter")]
    NoMeters,
    /// More than all meters would have a plant.
    #[error("the shares of meters with plants add up to {0} ppm, more than all of them")]
    Shares(u64),
    /// The prices leave no room to trade between them.
    #[error(
        "feed-in price {feed_in} and retail price {retail} must be valid in the market and at least 100 ticks apart"
    )]
    Prices {
        /// The lower one.
        feed_in: Price,
        /// The upper one.
        retail: Price,
    },
    /// More areas than there are numbers for.
    #[error("{0} feeders: there are not so many areas")]
    Feeders(u16),
    /// No period would ever be traded.
    #[error("a horizon of 0 periods: nothing would be traded")]
    Horizon,
}

/// A town on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Town {
    config: TownConfig,
    meters: Vec<Arc<Meter>>,
}

impl Town {
    /// A town from the standard load profiles.
    ///
    /// # Errors
    /// If the configuration makes no sense; see [`TownError`].
    pub fn new(config: TownConfig) -> Result<Self, TownError> {
        config.validate()?;
        let meters = build::from_profiles(&config);
        Ok(Self { config, meters })
    }

    /// A town whose meters follow measured households and plants: each has a file and a day of it by the seed, scaled a little.
    ///
    /// # Errors
    /// If the configuration makes no sense; see [`TownError`].
    pub fn from_measured(config: TownConfig, measured: &Measured) -> Result<Self, TownError> {
        config.validate()?;
        let meters = build::from_measured(&config, measured);
        Ok(Self { config, meters })
    }

    /// What the town was made from.
    pub fn config(&self) -> &TownConfig {
        &self.config
    }

    /// All meters, by index.
    pub fn meters(&self) -> &[Arc<Meter>] {
        &self.meters
    }

    /// An trader for each meter, by index, at the beginning of the day.
    pub fn prosumers(&self) -> Vec<Prosumer> {
        self.meters.iter().map(|meter| Prosumer::new(Arc::clone(meter), &self.config)).collect()
    }

    /// When the first delivery begins.
    pub fn starts_at(&self) -> LedgerTime {
        LedgerTime(u64::from(self.config.date.days_since_epoch()) * DAY_MS)
    }

    /// When the last delivery ends.
    pub fn ends_at(&self) -> LedgerTime {
        LedgerTime(self.starts_at().0 + DAY_MS)
    }

    /// The 96 delivery periods of the day, in order.
    pub fn periods(&self) -> impl ExactSizeIterator<Item = DeliveryPeriod> + Clone + use<> {
        let first = self.config.rules.period_at(self.starts_at()).0;
        (0..PERIODS_PER_DAY).map(move |index| DeliveryPeriod(first + index as u32))
    }

    /// When the meters send their bundles: 96 times, one period before each delivery, so that every period is traded.
    pub fn batch_times(&self) -> impl ExactSizeIterator<Item = LedgerTime> + Clone + use<> {
        let mtu_minutes = self.config.rules.mtu_minutes;
        let lead_ms = u64::from(mtu_minutes) * 60_000;
        self.periods().map(move |period| LedgerTime(period.starts_at(mtu_minutes).0.saturating_sub(lead_ms)))
    }

    /// What all meters draw from the grid in a period when nobody trades: each meter's demand less its own surplus.
    pub fn demand(&self, period: DeliveryPeriod) -> Energy {
        self.sum(period, |net_wh| net_wh.min(0))
    }

    /// What all meters feed into the grid in a period when nobody trades: each meter's surplus less its own demand.
    pub fn surplus(&self, period: DeliveryPeriod) -> Energy {
        self.sum(period, |net_wh| net_wh.max(0))
    }

    /// How many meters there are of a kind.
    pub fn count(&self, kind: MeterKind) -> usize {
        self.meters.iter().filter(|meter| meter.kind == kind).count()
    }

    fn sum(&self, period: DeliveryPeriod, part: impl Fn(i64) -> i64) -> Energy {
        Energy(self.meters.iter().map(|meter| part(meter.actual(period).net_wh()).unsigned_abs()).sum())
    }
}

impl TownConfig {
    fn validate(&self) -> Result<(), TownError> {
        self.rules.validate()?;
        if self.rules.mtu_minutes != 15 {
            return Err(TownError::Mtu(self.rules.mtu_minutes));
        }
        if self.meters == 0 {
            return Err(TownError::NoMeters);
        }
        let share_ppm = self.pv_share_ppm.saturating_add(self.battery_share_ppm);
        if share_ppm > PPM {
            return Err(TownError::Shares(share_ppm));
        }
        let (feed_in, retail) = (self.feed_in, self.retail);
        let valid = self.rules.price_is_valid(feed_in) && self.rules.price_is_valid(retail);
        let spread = i64::from(retail.0) - i64::from(feed_in.0);
        if !valid || spread < 100 * i64::from(self.rules.tick) {
            return Err(TownError::Prices { feed_in, retail });
        }
        if self.area.0.checked_add(self.feeders).is_none() {
            return Err(TownError::Feeders(self.feeders));
        }
        if self.horizon == 0 {
            return Err(TownError::Horizon);
        }
        Ok(())
    }
}

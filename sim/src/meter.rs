//! One meter of the town: its connection, its day, and what it can know of it beforehand.

use gridbook_engine::{AreaId, DeliveryPeriod, Energy};

use crate::draw::Draw;
use crate::profiles::Day;
use crate::sun::Weather;

/// What stands behind a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeterKind {
    /// A household.
    Household,
    /// A household with a PV plant.
    Pv,
    /// A household with a PV plant and a battery.
    PvBattery,
}

/// A battery that its owner lets trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatterySpec {
    /// The most it can hold.
    pub capacity: Energy,
    /// The most it can take or give, in W.
    pub power_w: u64,
    /// What can be taken out again of what was put in, in ppm. The loss is booked when charging.
    pub efficiency_ppm: u64,
    /// What it holds when the day begins.
    pub initial: Energy,
}

impl BatterySpec {
    /// The most it can take or give in a quarter-hour.
    pub fn energy_per_period(&self) -> Energy {
        Energy(self.power_w / 4)
    }
}

/// A meter and its day. All energies are per quarter-hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Its number in the town, from 0.
    pub index: u32,
    /// The area its connection lies in.
    pub area: AreaId,
    /// What stands behind it.
    pub kind: MeterKind,
    /// The most it may take from the grid in a period, from its connection power.
    pub max_import: Energy,
    /// The most it may give into the grid in a period; none without a plant.
    pub max_export: Energy,
    /// Peak power of its plant in W, 0 without one.
    pub pv_peak_w: u64,
    /// Its battery, if it has one.
    pub battery: Option<BatterySpec>,
    pub(crate) first_period: DeliveryPeriod,
    pub(crate) demand_wh: Day,
    pub(crate) surplus_wh: Day,
    pub(crate) seed: Draw,
    pub(crate) weather: Weather,
}

/// What a meter expects of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// What it will draw from the grid.
    pub demand: Energy,
    /// What its plant will feed into the grid.
    pub surplus: Energy,
}

impl Forecast {
    /// Surplus less demand, in Wh: positive where there is something to sell.
    pub fn net_wh(&self) -> i64 {
        signed(self.surplus) - signed(self.demand)
    }
}

/// The widest forecast error, reached ten quarter-hours ahead, in ppm of the best forecast.
const ERROR_PPM_MAX: u64 = 400_000;

/// How much wider a forecast error can be for each quarter-hour of lead, in ppm.
const ERROR_PPM_PER_LEAD: u64 = 40_000;

/// How far a household's quarter-hour differs from the best forecast of it at most, and a plant's for its own shade, in ppm. Half of
/// that is rare: both are the mean of two draws.
const HABIT_PPM: i64 = 240_000;
const SHADE_PPM: i64 = 60_000;

const DEMAND: u64 = 1;
const SURPLUS: u64 = 2;
const NOISE: u64 = 3;
const LASTING: u64 = u64::MAX;

impl Meter {
    /// What the meter really draws from and feeds into the grid in a period, before it trades and before its traded battery;
    /// nothing outside its day. It differs from the best forecast by what nobody can know before: the sky over the town, which all
    /// plants share, and what a household does.
    pub fn actual(&self, period: DeliveryPeriod) -> Forecast {
        let Some(index) = self.index_of(period) else { return Forecast::default() };
        let noise = |what: u64, width: i64| {
            let draw = self.seed.at(NOISE).at(what).at(u64::from(period.0));
            (draw.at(0).around_zero(width) + draw.at(1).around_zero(width)) / 2
        };
        let demand = off_by(self.demand_wh[index], noise(DEMAND, HABIT_PPM));
        let surplus = off_by(self.surplus_wh[index], self.weather.error_ppm(index) + noise(SURPLUS, SHADE_PPM));
        let peak_wh = Energy(self.pv_peak_w / 4);
        Forecast { demand: demand.min(self.max_import), surplus: surplus.min(peak_wh) }
    }

    /// What the meter expects of a period that begins `lead` quarter-hours from now. To the error that lasts (see [`Meter::actual`])
    /// comes one of at most 4 % per quarter-hour of lead (never above 40 %) and 0 without a lead; seven tenths of it last until
    /// delivery, three are drawn anew each time.
    pub fn forecast(&self, period: DeliveryPeriod, lead: u32) -> Forecast {
        let Some(index) = self.index_of(period) else { return Forecast::default() };
        let guess = |what: u64, energy: u64| {
            let draw = self.seed.at(what).at(u64::from(period.0));
            let million = 1_000_000;
            let lasting = draw.at(LASTING).around_zero(million);
            let fresh = draw.at(u64::from(lead)).around_zero(million);
            let width = signed(Energy((u64::from(lead) * ERROR_PPM_PER_LEAD).min(ERROR_PPM_MAX)));
            off_by(energy, (7 * lasting + 3 * fresh) / 10 * width / million)
        };
        Forecast { demand: guess(DEMAND, self.demand_wh[index]), surplus: guess(SURPLUS, self.surplus_wh[index]) }
    }

    /// The place of a period in the meter's day, 0 to 95.
    pub fn index_of(&self, period: DeliveryPeriod) -> Option<usize> {
        let index = usize::try_from(period.0.checked_sub(self.first_period.0)?).ok()?;
        (index < self.demand_wh.len()).then_some(index)
    }
}

/// An energy that is so much more, or less, than was expected.
fn off_by(wh: u64, error_ppm: i64) -> Energy {
    let million = 1_000_000;
    Energy(((signed(Energy(wh)) * (million + error_ppm).max(0) + million / 2) / million).unsigned_abs())
}

/// An energy as a signed number of Wh.
pub(crate) fn signed(energy: Energy) -> i64 {
    i64::try_from(energy.0).unwrap_or(i64::MAX)
}

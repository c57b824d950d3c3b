//! How a meter's day is made.

use std::sync::Arc;

use gridbook_engine::{AreaId, Energy};

use super::TownConfig;
use crate::calendar::DAY_MS;
use crate::draw::Draw;
use crate::measured::{Measured, Series};
use crate::meter::{BatterySpec, Meter, MeterKind};
use crate::profiles::{Day, PERIODS_PER_DAY, Profile};
use crate::sun::{self, PPM, Weather};

/// The connection of a house in W: 14.5 kW is what German planning reckons with (DIN 18015).
const CONNECTION_W: u64 = 14_500;

/// What a house with a plant still draws of its consumption, in ppm: without and with a battery.
const DRAWN_WITH_PV_PPM: u64 = 620_000;
const DRAWN_WITH_BATTERY_PPM: u64 = 320_000;

// The labels under which a town's and a meter's properties are drawn.
const ORDER: u64 = 1;
const SKY: u64 = 2;
const METER: u64 = 3;
const YEAR: u64 = 10;
const SHIFT: u64 = 11;
const NOISE: u64 = 12;
const PEAK: u64 = 13;
const SHADE: u64 = 14;
const BATTERY: u64 = 15;
const FILE: u64 = 16;
const OFFSET: u64 = 17;
const SCALE: u64 = 18;
const TRADER: u64 = 19;

/// The day of one meter in Wh per quarter-hour.
struct MeterDay {
    demand_wh: Day,
    surplus_wh: Day,
}

/// All meters from the standard load profiles.
pub(super) fn from_profiles(config: &TownConfig) -> Vec<Arc<Meter>> {
    let town = Draw::new(config.seed);
    let clear = sun::clear_sky_ppm(config.date);
    let sunshine = sun::shaded(&clear, &sun::sky_ppm(town.at(SKY)));
    let [h25, p25, s25] = [Profile::H25, Profile::P25, Profile::S25].map(|profile| profile.day(config.date));
    build(config, |kind, peak_w, seed| {
        let yearly_kwh = seed.at(YEAR).between(1_500, 6_000);
        let consumed = scaled(&h25, yearly_kwh);
        let drawn = match kind {
            MeterKind::Household => consumed,
            MeterKind::Pv => scaled(&p25, yearly_kwh * DRAWN_WITH_PV_PPM / PPM),
            MeterKind::PvBattery => scaled(&s25, yearly_kwh * DRAWN_WITH_BATTERY_PPM / PPM),
        };
        let plant = sun::plant_wh(peak_w, &own_shade(&sunshine, seed));
        MeterDay { demand_wh: lived_in(&drawn, seed), surplus_wh: without_own_use(&plant, &consumed, &drawn) }
    })
}

/// All meters from measured series. What a house uses of its own plant is taken off in each quarter-hour.
pub(super) fn from_measured(config: &TownConfig, measured: &Measured) -> Vec<Arc<Meter>> {
    build(config, |_, peak_w, seed| {
        let scale_ppm = seed.at(SCALE).between(850_000, 1_150_000);
        let load_w = any_day(measured.loads(), seed.at(FILE).at(0));
        let plant_wh = sun::plant_wh(peak_w, &any_day(measured.plants(), seed.at(FILE).at(1)));
        let consumed_wh: Day = std::array::from_fn(|period| load_w[period] * scale_ppm / PPM / 4);
        MeterDay {
            demand_wh: std::array::from_fn(|period| consumed_wh[period].saturating_sub(plant_wh[period])),
            surplus_wh: std::array::from_fn(|period| plant_wh[period].saturating_sub(consumed_wh[period])),
        }
    })
}

fn build(config: &TownConfig, day: impl Fn(MeterKind, u64, Draw) -> MeterDay) -> Vec<Arc<Meter>> {
    let town = Draw::new(config.seed);
    let kinds = kinds(config, town.at(ORDER));
    let weather = Weather::new(town.at(SKY));
    let first_period =
        config.rules.period_at(gridbook_engine::LedgerTime(u64::from(config.date.days_since_epoch()) * DAY_MS));
    let meters = (0..config.meters).zip(kinds).map(|(index, kind)| {
        let seed = town.at(METER).at(u64::from(index));
        let pv_peak_w = if kind == MeterKind::Household { 0 } else { seed.at(PEAK).between(30, 100) * 100 };
        let battery = (kind == MeterKind::PvBattery).then(|| battery(seed.at(BATTERY)));
        let max_import = Energy(CONNECTION_W / 4);
        let max_export = Energy((pv_peak_w + battery.map_or(0, |battery| battery.power_w)) / 4);
        let day = day(kind, pv_peak_w, seed);
        Arc::new(Meter {
            index,
            area: area(config, index),
            kind,
            max_import,
            max_export,
            pv_peak_w,
            battery,
            first_period,
            demand_wh: day.demand_wh.map(|wh| wh.min(max_import.0)),
            surplus_wh: day.surplus_wh.map(|wh| wh.min(pv_peak_w / 4)),
            seed: seed.at(TRADER),
            weather,
        })
    });
    meters.collect()
}

/// The feeder of a meter: they are dealt out in turn.
fn area(config: &TownConfig, index: u32) -> AreaId {
    let feeder = index.checked_rem(config.feeders.into()).map_or(0, |place| place + 1);
    let feeder = u16::try_from(feeder).expect("no larger than the number of feeders");
    AreaId(config.area.0 + feeder)
}

/// Exactly the configured shares of the kinds, dealt out in seeded order.
fn kinds(config: &TownConfig, seed: Draw) -> Vec<MeterKind> {
    let meters = u64::from(config.meters);
    let with_battery = meters * config.battery_share_ppm / PPM;
    let with_plant = with_battery + meters * config.pv_share_ppm / PPM;
    let kind = |index| match index {
        index if index < with_battery => MeterKind::PvBattery,
        index if index < with_plant => MeterKind::Pv,
        _ => MeterKind::Household,
    };
    let mut kinds: Vec<_> = (0..meters).map(kind).collect();
    for last in (1..kinds.len()).rev() {
        let other =
            usize::try_from(seed.at(last as u64).below(last as u64 + 1)).expect("no more than there are meters");
        kinds.swap(last, other);
    }
    kinds
}

/// 5 to 10 kWh at half a C, 88 to 95 % efficient, a third to two thirds full.
fn battery(seed: Draw) -> BatterySpec {
    let capacity = seed.at(0).between(50, 100) * 100;
    BatterySpec {
        capacity: Energy(capacity),
        power_w: capacity / 2,
        efficiency_ppm: seed.at(1).between(880_000, 950_000),
        initial: Energy(capacity * seed.at(2).between(330_000, 660_000) / PPM),
    }
}

/// A profile for a customer of `yearly_kwh`, in Wh.
fn scaled(profile: &Day, yearly_kwh: u64) -> Day {
    profile.map(|wh_per_gwh| wh_per_gwh * yearly_kwh / PPM)
}

/// A profile is the mean of many houses. A single one is up to an hour early or late and uneven: half of the mean runs always,
/// the rest by chance, and one quarter-hour in ten something large runs. The mean stays.
fn lived_in(mean_wh: &Day, seed: Draw) -> Day {
    let shift = usize::try_from(seed.at(SHIFT).below(9)).expect("below nine");
    std::array::from_fn(|period| {
        let chance = seed.at(NOISE).at(period as u64);
        let large = if chance.at(0).below(10) == 0 { 2_000_000 } else { 0 };
        let factor_ppm = 500_000 + chance.at(1).below(600_001) + large;
        mean_wh[(period + PERIODS_PER_DAY + shift - 4) % PERIODS_PER_DAY] * factor_ppm / PPM
    })
}

/// A roof's own share of the town's sunshine: up to a tenth lower, anew each quarter-hour.
fn own_shade(sunshine_ppm: &Day, seed: Draw) -> Day {
    std::array::from_fn(|period| sunshine_ppm[period] * seed.at(SHADE).at(period as u64).between(900_000, PPM) / PPM)
}

/// What a plant feeds into the grid: what the house consumes over the day without drawing it is its own use (through its own
/// battery, by night too), and is taken off the plant's output in proportion.
fn without_own_use(plant_wh: &Day, consumed_wh: &Day, drawn_wh: &Day) -> Day {
    let sum = |day: &Day| day.iter().sum::<u64>();
    let given = sum(plant_wh);
    let fed = given.saturating_sub(sum(consumed_wh).saturating_sub(sum(drawn_wh)));
    plant_wh.map(|wh| (wh * fed).checked_div(given).unwrap_or(0))
}

/// A file and a day of it.
fn any_day(series: &[Series], seed: Draw) -> Day {
    let pick = |seed: Draw, count: usize| usize::try_from(seed.below(count as u64)).expect("below a count");
    let days = &series[pick(seed, series.len())].days;
    days[pick(seed.at(OFFSET), days.len())]
}

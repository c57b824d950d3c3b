//! What the town is made of.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use gridbook_engine::{Energy, MarketRules, Price};
use gridbook_sim::{Date, MeterKind, PERIODS_PER_DAY, Town, TownConfig, TownError};

fn town(config: TownConfig) -> Town {
    Town::new(config).unwrap()
}

#[test]
fn the_shares_of_plants_and_batteries_are_exact() {
    let town =
        town(TownConfig { meters: 200, pv_share_ppm: 300_000, battery_share_ppm: 100_000, ..TownConfig::default() });
    let counts = [MeterKind::Household, MeterKind::Pv, MeterKind::PvBattery].map(|kind| town.count(kind));
    assert_eq!(counts, [120, 60, 20]);
    let first_half = town.meters()[..100].iter().filter(|meter| meter.kind == MeterKind::Household).count();
    assert!((45..=75).contains(&first_half), "the kinds are mixed: {first_half} of 100");
}

#[test]
fn a_town_draws_about_what_its_profiles_say() {
    // 1,000 households of 1,500 to 6,000 kWh a year: about 10 kWh each on a day in June, in the mean.
    let town = town(TownConfig { pv_share_ppm: 0, battery_share_ppm: 0, ..TownConfig::default() });
    let day_wh: u64 = town.periods().map(|period| town.demand(period).0).sum();
    assert!((8_000_000..=12_000_000).contains(&day_wh), "{day_wh} Wh");
    assert!(town.periods().all(|period| town.surplus(period) == Energy::ZERO));
    let night = town.demand(town.periods().nth(14).unwrap());
    let evening = town.demand(town.periods().nth(78).unwrap());
    assert!(evening.0 > night.0 * 2);
}

#[test]
fn plants_feed_in_by_day_and_less_in_december() {
    let day = |date| {
        let town = town(TownConfig { date, ..TownConfig::default() });
        town.periods().map(|period| town.surplus(period).0).collect::<Vec<_>>()
    };
    let june = day(Date::default());
    let december = day(Date::new(2025, 12, 17).unwrap());
    assert_eq!(june[..16].iter().sum::<u64>(), 0);
    assert!(june[52] > 100_000, "400 plants at noon: {} Wh", june[52]);
    assert!(december.iter().sum::<u64>() * 3 < june.iter().sum());
}

#[test]
fn no_day_exceeds_the_connection() {
    let town = town(TownConfig::default());
    for meter in town.meters() {
        for period in town.periods() {
            let actual = meter.actual(period);
            assert!(actual.demand <= meter.max_import && actual.surplus <= meter.max_export);
        }
        assert_eq!(meter.max_export == Energy::ZERO, meter.kind == MeterKind::Household);
        assert_eq!(meter.battery.is_some(), meter.kind == MeterKind::PvBattery);
    }
}

#[test]
fn forecasts_converge_to_what_can_be_known() {
    let town = town(TownConfig { meters: 200, ..TownConfig::default() });
    let error_wh = |lead: u32| -> u64 {
        let of_meter = |meter: &gridbook_sim::Meter| -> u64 {
            let miss = |period| meter.forecast(period, lead).demand.0.abs_diff(meter.forecast(period, 0).demand.0);
            town.periods().map(miss).sum()
        };
        town.meters().iter().map(|meter| of_meter(meter)).sum()
    };
    let errors: Vec<u64> = [16, 8, 4, 3, 2, 1, 0].into_iter().map(error_wh).collect();
    assert!(errors.is_sorted_by(|far, near| far > near), "{errors:?}");
    assert_eq!(errors[6], 0);
    let demand: u64 = town.periods().map(|period| town.demand(period).0).sum();
    assert!(errors[5] * 20 < demand, "the last forecast is within 5 %");
}

/// The sky is another one than was forecast, and for all plants alike: their errors have one sign, those of households both.
#[test]
fn plants_are_wrong_together_and_households_each_in_its_own_way() {
    let town = town(TownConfig { meters: 200, ..TownConfig::default() });
    let (mut lockstep, mut hours, mut demand_error, mut demand) = (0, 0, 0_i64, 0_i64);
    for period in town.periods().skip(32).take(32) {
        let (mut more, mut less) = (0_u32, 0_u32);
        for meter in town.meters() {
            let (known, actual) = (meter.forecast(period, 0), meter.actual(period));
            more += u32::from(actual.surplus > known.surplus);
            less += u32::from(actual.surplus < known.surplus);
            let (known, actual) = (known.demand.0 as i64, actual.demand.0 as i64);
            assert!((actual - known).abs() * 4 <= known + 2, "no more than a quarter off: {actual} of {known} Wh");
            demand_error += actual - known;
            demand += known;
        }
        hours += 1;
        lockstep += u32::from(more.max(less) * 10 > (more + less) * 9);
    }
    assert!(lockstep * 2 > hours, "most quarter-hours are brighter, or duller, for nearly all: {lockstep} of {hours}");
    assert!(demand_error.abs() * 100 < demand, "households cancel out: {demand_error} of {demand} Wh");
}

#[test]
fn the_day_has_96_periods_and_each_is_traded_once_it_can_be() {
    let town = town(TownConfig { meters: 1, ..TownConfig::default() });
    assert_eq!((town.periods().len(), town.batch_times().len()), (PERIODS_PER_DAY, PERIODS_PER_DAY));
    assert_eq!(town.starts_at().0, 1_750_204_800_000, "18 June 2025, 00:00 UTC");
    for (now, period) in town.batch_times().zip(town.periods()) {
        assert_eq!(now.0 + 900_000, period.starts_at(15).0);
    }
    let last = town.periods().last().unwrap();
    assert_eq!(last.ends_at(15), town.ends_at());
}

#[test]
fn senseless_configurations_are_refused_with_a_reason() {
    let refused = |config: TownConfig| Town::new(config).unwrap_err();
    let base = TownConfig::default;
    assert_eq!(refused(TownConfig { meters: 0, ..base() }), TownError::NoMeters);
    assert_eq!(refused(TownConfig { horizon: 0, ..base() }), TownError::Horizon);
    assert_eq!(refused(TownConfig { pv_share_ppm: 900_000, ..base() }), TownError::Shares(1_050_000));
    let hourly = MarketRules { mtu_minutes: 60, ..MarketRules::default() };
    assert_eq!(refused(TownConfig { rules: hourly, ..base() }), TownError::Mtu(60));
    let off_tick = refused(TownConfig { retail: Price(300_005), ..base() });
    assert_eq!(off_tick, TownError::Prices { feed_in: Price(80_000), retail: Price(300_005) });
    assert!(refused(TownConfig { retail: Price(80_000), ..base() }).to_string().contains("100 ticks apart"));
}

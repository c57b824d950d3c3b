//! What a PV plant gives on a day: a clear-sky shape for 48 degrees north under seeded clouds.
//!
//! The clear-sky output at `x` of the daylight (0 at sunrise, 1 at sunset) is `peak x noon(month) x s x (2 + 3 s) / 5` with
//! `s = 16 x (1 - x) / (5 - 4 x (1 - x))`, Bhaskara's rational form of `sin(pi x)`: integers all the way, so that a seed gives
//! the same town on every processor. Day length and noon output are round figures per month for southern Germany, with a roof
//! of 30 degrees to the south. Sun noon is at 12:10 by the clock, 13:10 in summer time.

use crate::calendar::Date;
use crate::draw::Draw;
use crate::profiles::{Day, PERIODS_PER_DAY};

/// One million: the whole of a share.
pub(crate) const PPM: u64 = 1_000_000;

/// Minutes of daylight in the middle of each month at 48 degrees north.
const DAYLIGHT_MIN: [u64; 12] = [530, 615, 715, 820, 910, 960, 935, 855, 755, 655, 560, 505];

/// Output at noon under a clear sky, in thousandths of peak, by month: air mass, angle of the roof, warm cells.
const NOON_PERMILLE: [u64; 12] = [480, 600, 720, 790, 810, 800, 790, 790, 740, 620, 500, 430];

/// Quarter-hours between two knots of the cloud curve.
const CLOUD_KNOT: usize = 4;

const SKY: u64 = 1;
const CLOUDS: u64 = 2;
const WEATHER: u64 = 3;

/// The output under a clear sky for each quarter-hour of the day, in ppm of peak power (mean over the quarter-hour).
pub(crate) fn clear_sky_ppm(date: Date) -> Day {
    let month = usize::from(date.month()) - 1;
    let noon_min = if date.is_summer_time() { 790 } else { 730 };
    let daylight_min = DAYLIGHT_MIN[month];
    let sunrise_min = noon_min - daylight_min / 2;
    std::array::from_fn(|period| {
        let middle_min = period as u64 * 15 + 7;
        let since_sunrise_min = middle_min.saturating_sub(sunrise_min).min(daylight_min);
        let s = half_sine_ppm(since_sunrise_min * PPM / daylight_min);
        let share = s * (2 * PPM + 3 * s) / (5 * PPM);
        share * NOON_PERMILLE[month] / 1_000
    })
}

/// What the clouds leave of the clear sky over the town, in ppm, for each quarter-hour: knots every hour, straight between.
/// The day's sky is drawn first (bright to dull), the knots around it.
pub(crate) fn sky_ppm(seed: Draw) -> Day {
    let lowest = seed.at(SKY).between(350_000, 800_000);
    let knot = |index: usize| seed.at(CLOUDS).at(index as u64).between(lowest, PPM);
    std::array::from_fn(|period| {
        let (index, step) = (period / CLOUD_KNOT, (period % CLOUD_KNOT) as u64);
        (knot(index) * (CLOUD_KNOT as u64 - step) + knot(index + 1) * step) / CLOUD_KNOT as u64
    })
}

/// By how much the sky over the town is brighter or duller than its forecast: one error for all plants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weather(Draw);

/// The most that the forecast of the sky is wrong, in ppm, and the quarter-hours between two knots of that error.
const WEATHER_PPM: i64 = 180_000;
const WEATHER_KNOT: usize = 8;

impl Weather {
    pub(crate) fn new(town: Draw) -> Self {
        Self(town.at(WEATHER))
    }

    /// The error in a quarter-hour of the day, in ppm: knots every two hours, straight between.
    pub(crate) fn error_ppm(self, index: usize) -> i64 {
        let knot = |knot: usize| self.0.at(knot as u64).around_zero(WEATHER_PPM);
        let (before, step) = (index / WEATHER_KNOT, (index % WEATHER_KNOT) as i64);
        let knots = WEATHER_KNOT as i64;
        (knot(before) * (knots - step) + knot(before + 1) * step) / knots
    }
}

/// The energy in Wh that a plant of `peak_w` gives in each quarter-hour, where `share` is in ppm of peak.
pub(crate) fn plant_wh(peak_w: u64, share_ppm: &Day) -> Day {
    std::array::from_fn(|period| peak_w * share_ppm[period] / PPM / 4)
}

/// Two shares in ppm multiplied, quarter-hour by quarter-hour.
pub(crate) fn shaded(clear_ppm: &Day, sky_ppm: &Day) -> Day {
    std::array::from_fn(|period| clear_ppm[period] * sky_ppm[period] / PPM)
}

/// Bhaskara's `sin(pi x)` with `x` and the result in ppm.
fn half_sine_ppm(x: u64) -> u64 {
    let hump = x * (PPM - x) / PPM;
    16 * hump * PPM / (5 * PPM - 4 * hump)
}

const _: () = assert!(PERIODS_PER_DAY.is_multiple_of(CLOUD_KNOT));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_sine_is_near_the_sine() {
        for x in (0..=1_000_000_u64).step_by(10_000) {
            let exact = (std::f64::consts::PI * x as f64 / 1e6).sin() * 1e6;
            assert!((half_sine_ppm(x) as f64 - exact).abs() < 2_000.0, "{x}");
        }
    }

    #[test]
    fn the_sun_shines_by_day_only_and_longer_in_june() {
        let june = clear_sky_ppm(Date::default());
        let december = clear_sky_ppm(Date::new(2025, 12, 15).unwrap());
        assert_eq!((june[0], june[19], june[87]), (0, 0, 0));
        assert!(june[52] > 790_000);
        let hours = |day: &Day| day.iter().filter(|&&share| share > 0).count() / 4;
        assert_eq!((hours(&june), hours(&december)), (16, 8));
        let full_load_hours = june.iter().sum::<u64>() as f64 / 4e6;
        assert!((6.0..8.5).contains(&full_load_hours), "{full_load_hours}");
    }

    #[test]
    fn clouds_leave_between_a_third_and_all() {
        for seed in 0..50 {
            let sky = sky_ppm(Draw::new(seed));
            assert!(sky.iter().all(|share| (350_000..=PPM).contains(share)));
        }
        assert_ne!(sky_ppm(Draw::new(1)), sky_ppm(Draw::new(2)));
    }
}

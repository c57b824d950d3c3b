//! The BDEW standard load profiles 2025 of households: exact figures, carried in the crate (`data/README.md`).
//!
//! A profile gives the energy per quarter-hour of customers who together draw 1 GWh in a year, by month and kind of day. The
//! figures have three decimals of a kWh, so they are whole numbers of milli-kWh; and because 1 GWh is 10^6 kWh, the same
//! whole number is the Wh in a quarter-hour of a customer who draws 10^6 kWh, times 10^-3 per MWh of his own year.

use std::sync::LazyLock;

use crate::calendar::{Date, DayKind};

/// Quarter-hours of a day.
pub const PERIODS_PER_DAY: usize = 96;

/// One number per quarter-hour of a day.
pub type Day = [u64; PERIODS_PER_DAY];

/// Which customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Households without generation.
    H25,
    /// Households with a PV plant: what they still draw from the grid.
    P25,
    /// Households with a PV plant and a battery: what they still draw from the grid.
    S25,
}

/// The figures of a profile: quarter-hour, month, kind of day, in milli-kWh for a year of 1 GWh.
struct Figures([[[u32; 3]; 12]; PERIODS_PER_DAY]);

static H25: LazyLock<Figures> = LazyLock::new(|| Figures::parse(include_str!("../data/h25.csv")));
static P25: LazyLock<Figures> = LazyLock::new(|| Figures::parse(include_str!("../data/p25.csv")));
static S25: LazyLock<Figures> = LazyLock::new(|| Figures::parse(include_str!("../data/s25.csv")));

impl Profile {
    /// A figure as published, before the day's factor: milli-kWh in the quarter-hour `period` (0 to 95) of a day of that kind
    /// in `month` (1 to 12), for a year of 1 GWh.
    ///
    /// # Panics
    /// If `period` or `month` is outside its range.
    pub fn figure(self, month: u8, kind: DayKind, period: usize) -> u32 {
        let column = match kind {
            DayKind::Saturday => 0,
            DayKind::Holiday => 1,
            DayKind::Workday => 2,
        };
        self.figures().0[period][usize::from(month) - 1][column]
    }

    /// The energy of each quarter-hour of `date` in milli-kWh for a year of 1 GWh, which is also Wh for a year of 10^6 kWh:
    /// the published figures times the factor of the day.
    pub fn day(self, date: Date) -> Day {
        let factor = day_factor_e12(date.day_of_year());
        std::array::from_fn(|period| {
            let figure = i64::from(self.figure(date.month(), date.kind(), period));
            let scaled = (i128::from(figure) * i128::from(factor) + 500_000_000_000) / 1_000_000_000_000;
            u64::try_from(scaled).expect("figures and factors are positive and small")
        })
    }

    fn figures(self) -> &'static Figures {
        match self {
            Self::H25 => &H25,
            Self::P25 => &P25,
            Self::S25 => &S25,
        }
    }
}

/// The factor by which BDEW's dynamic profiles rise and fall over the year, times 10^12, for day `t` of the year:
/// `-3.92e-10 t^4 + 3.20e-7 t^3 - 7.02e-5 t^2 + 2.1e-3 t + 1.24`. All three household profiles are dynamic.
fn day_factor_e12(day_of_year: u16) -> i64 {
    let t = i64::from(day_of_year);
    (((-392 * t + 320_000) * t - 70_200_000) * t + 2_100_000_000) * t + 1_240_000_000_000
}

impl Figures {
    /// Reads a file of the crate, so what is wrong in it is a programmer's error.
    fn parse(text: &str) -> Self {
        let mut rows = text.lines().skip(1).map(parse_row);
        let figures = Self(std::array::from_fn(|_| rows.next().expect("a profile has 96 rows")));
        assert!(rows.next().is_none(), "a profile has 96 rows");
        figures
    }
}

fn parse_row(row: &str) -> [[u32; 3]; 12] {
    let mut cells = row.split(',').skip(1).map(parse_milli);
    let months = std::array::from_fn(|_| std::array::from_fn(|_| cells.next().expect("a row has 36 figures")));
    assert!(cells.next().is_none(), "a row has 36 figures");
    months
}

/// `26.983` as 26,983: exact, because every figure has three decimals.
fn parse_milli(cell: &str) -> u32 {
    let (whole, decimals) = cell.split_once('.').expect("a figure has a decimal point");
    assert_eq!(decimals.len(), 3, "a figure has three decimals");
    let number = |text: &str| text.parse::<u32>().expect("a figure is made of digits");
    number(whole) * 1_000 + number(decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Profile; 3] = [Profile::H25, Profile::P25, Profile::S25];

    fn days_of_2025() -> impl Iterator<Item = Date> {
        (1..=12).flat_map(|month| (1..=31).filter_map(move |day| Date::new(2025, month, day).ok()))
    }

    #[test]
    fn a_year_of_each_profile_sums_to_one_gigawatt_hour() {
        assert_eq!(days_of_2025().count(), 365);
        for profile in ALL {
            let year_wh: u64 = days_of_2025().map(|date| profile.day(date).iter().sum::<u64>()).sum();
            assert!((999_000_000..=1_001_000_000).contains(&year_wh), "{profile:?} sums to {year_wh} milli-kWh");
        }
    }

    #[test]
    fn figures_are_those_of_the_published_tables() {
        assert_eq!(Profile::H25.figure(1, DayKind::Saturday, 0), 22_152);
        assert_eq!(Profile::H25.figure(6, DayKind::Workday, 0), 24_566);
        assert_eq!(Profile::P25.figure(12, DayKind::Holiday, 95), 36_050);
        assert_eq!(Profile::S25.figure(12, DayKind::Workday, 95), 59_141);
    }

    #[test]
    fn day_sums_agree_with_the_file_added_up_as_text() {
        // A second reader, by columns and without the type: 03-FT is column 8 of the file.
        let text = include_str!("../data/h25.csv");
        let cells = text.lines().skip(1).map(|line| line.split(',').nth(8).unwrap().replace('.', ""));
        let column_sum: u64 = cells.map(|cell| cell.parse::<u64>().unwrap()).sum();
        let figures = (0..PERIODS_PER_DAY).map(|period| u64::from(Profile::H25.figure(3, DayKind::Holiday, period)));
        assert_eq!(figures.sum::<u64>(), column_sum);
    }

    #[test]
    fn the_factor_of_the_day_is_high_in_winter_and_low_in_summer() {
        assert_eq!(day_factor_e12(1), 1_242_030_119_608);
        assert!((750_000_000_000..800_000_000_000).contains(&day_factor_e12(200)));
        assert!(day_factor_e12(366) > 1_200_000_000_000);
    }

    #[test]
    fn a_battery_leaves_less_to_draw_than_a_plant_alone_and_that_less_than_neither_on_a_summer_evening() {
        let evening = |profile: Profile| profile.day(Date::default())[84] as f64;
        let noon = |profile: Profile| profile.day(Date::default())[52] as f64;
        assert!(noon(Profile::P25) / evening(Profile::P25) < noon(Profile::H25) / evening(Profile::H25));
        assert!(evening(Profile::S25) < evening(Profile::P25));
    }
}

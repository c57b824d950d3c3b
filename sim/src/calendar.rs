//! The civil day that the town trades: its place in the year and its kind.

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// A day of the proleptic Gregorian calendar, from 1970 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// The three kinds of day that standard load profiles know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DayKind {
    /// `SA`; 24 and 31 December count as one unless they are a Sunday.
    Saturday,
    /// `FT`: a Sunday or a public holiday of all of Germany.
    Holiday,
    /// `WT`: any other day.
    Workday,
}

/// A date that does not exist, or is outside 1970 to 2099.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{year}-{month:02}-{day:02} is not a day between 1970 and 2099")]
pub struct DateError {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The day, checked.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        let exists = (1970..=2099).contains(&year) && (1..=12).contains(&month);
        if exists && (1..=days_in_month(year, month)).contains(&day) {
            Ok(Self { year, month, day })
        } else {
            Err(DateError { year, month, day })
        }
    }

    /// 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// 1 on the first of January, up to 366.
    pub fn day_of_year(self) -> u16 {
        let before: u16 = (1..self.month).map(|month| u16::from(days_in_month(self.year, month))).sum();
        before + u16::from(self.day)
    }

    /// Days since 1 January 1970.
    pub fn days_since_epoch(self) -> u32 {
        let years: u32 = (1970..self.year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
        years + u32::from(self.day_of_year()) - 1
    }

    /// The kind of day, by which the profile is chosen.
    pub fn kind(self) -> DayKind {
        let weekday = (self.days_since_epoch() + 4) % 7; // 0 is Sunday: 1 January 1970 was a Thursday
        if weekday == 0 || self.is_public_holiday() {
            DayKind::Holiday
        } else if weekday == 6 || (self.month == 12 && [24, 31].contains(&self.day)) {
            DayKind::Saturday
        } else {
            DayKind::Workday
        }
    }

    /// Whether clocks show summer time: from the last Sunday of March to the day before the last Sunday of October.
    pub fn is_summer_time(self) -> bool {
        let last_sunday = |month| {
            let days_31 = Self { month, day: 31, ..self }.days_since_epoch();
            days_31 - (days_31 + 4) % 7
        };
        (last_sunday(3)..last_sunday(10)).contains(&self.days_since_epoch())
    }

    fn is_public_holiday(self) -> bool {
        const FIXED: [(u8, u8); 5] = [(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)];
        // Good Friday, Easter Monday, Ascension, Whit Monday: days after Easter Sunday.
        const MOVING: [i64; 4] = [-2, 1, 39, 50];
        let after_easter = i64::from(self.days_since_epoch()) - i64::from(easter(self.year).days_since_epoch());
        FIXED.contains(&(self.month, self.day)) || MOVING.contains(&after_easter)
    }
}

impl Default for Date {
    /// Wednesday, 18 June 2025: a workday of the year for which the profiles were made.
    fn default() -> Self {
        Self { year: 2025, month: 6, day: 18 }
    }
}

/// Easter Sunday by the rule of Gauss as corrected by Lichtenberg, for 1900 to 2099 (where its century terms are constant).
fn easter(year: u16) -> Date {
    let (a, b, c) = (year % 19, year % 4, year % 7);
    let d = (19 * a + 24) % 30;
    let d = d - u16::from(d == 29 || (d == 28 && a > 10));
    let e = (2 * b + 4 * c + 6 * d + 5) % 7;
    let march_day = 22 + d + e;
    let (month, day) = if march_day > 31 { (4, march_day - 31) } else { (3, march_day) };
    Date { year, month, day: u8::try_from(day).expect("Easter is at the latest on 25 April") }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: u16, month: u8, day: u8) -> Date {
        Date::new(year, month, day).unwrap()
    }

    #[test]
    fn easter_of_known_years() {
        for (year, month, day) in
            [(1954, 4, 18), (1981, 4, 19), (2024, 3, 31), (2025, 4, 20), (2038, 4, 25), (2049, 4, 18)]
        {
            assert_eq!(easter(year), Date { year, month, day });
        }
    }

    #[test]
    fn kinds_of_known_days() {
        assert_eq!(Date::default().kind(), DayKind::Workday);
        assert_eq!(date(2025, 6, 21).kind(), DayKind::Saturday);
        assert_eq!(date(2025, 6, 22).kind(), DayKind::Holiday);
        assert_eq!(date(2025, 6, 9).kind(), DayKind::Holiday, "Whit Monday");
        assert_eq!(date(2025, 12, 24).kind(), DayKind::Saturday, "Christmas Eve on a Wednesday");
        assert_eq!(date(2023, 12, 24).kind(), DayKind::Holiday, "Christmas Eve on a Sunday");
    }

    #[test]
    fn days_are_counted_like_unix_does() {
        assert_eq!(date(1970, 1, 1).days_since_epoch(), 0);
        assert_eq!(date(2000, 3, 1).days_since_epoch(), 11_017);
        assert_eq!(date(2025, 6, 18).days_since_epoch(), 20_257);
        assert_eq!(date(2024, 12, 31).day_of_year(), 366);
    }

    #[test]
    fn summer_time_begins_and_ends_on_sundays() {
        assert!(!date(2025, 3, 29).is_summer_time());
        assert!(date(2025, 3, 30).is_summer_time());
        assert!(date(2025, 10, 25).is_summer_time());
        assert!(!date(2025, 10, 26).is_summer_time());
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        assert!(Date::new(2025, 2, 29).is_err());
        assert!(Date::new(2025, 13, 1).is_err());
        assert_eq!(Date::new(1969, 1, 1).unwrap_err().to_string(), "1969-01-01 is not a day between 1970 and 2099");
    }
}

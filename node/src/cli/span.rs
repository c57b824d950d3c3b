//! Which delivery periods a bill or a report is about.

use anyhow::Result;
use clap::Args;
use gridbook_engine::DeliveryPeriod;

use super::Usage;
use crate::moment::{parse_moment, parse_period};

/// A period, a day, a month or a year.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct SpanArgs {
    /// One delivery period, by the moment at which delivery begins, or by number.
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// All that is delivered on one day, as 2026-06-17, UTC.
    #[arg(long, value_name = "DAY")]
    day: Option<String>,
    /// All that is delivered in one month, as 2026-06, UTC.
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// All that is delivered in one year, as 2026, UTC.
    #[arg(long, value_name = "YEAR")]
    year: Option<String>,
}

/// The month after the last one begins in a year of four digits too.
const LAST_YEAR: u64 = 9998;

impl SpanArgs {
    /// What was asked for, in words.
    pub(crate) fn text(&self) -> String {
        match &self.period {
            Some(period) => format!("period {period}"),
            None => self.day.iter().chain(&self.month).chain(&self.year).next().cloned().unwrap_or_default(),
        }
    }

    /// Whether it is longer than a day: too long to look at period by period.
    pub(crate) fn is_long(&self) -> bool {
        self.month.is_some() || self.year.is_some()
    }

    /// The first and the last period.
    pub(crate) fn periods(&self, mtu_minutes: u32) -> Result<(DeliveryPeriod, DeliveryPeriod)> {
        let periods = match (&self.period, &self.day, &self.month, &self.year) {
            (Some(period), ..) => parse_period(period, mtu_minutes).map(|period| (period, period)),
            (_, Some(day), ..) => day_periods(day, mtu_minutes),
            (_, _, Some(month), _) => month_periods(month, mtu_minutes),
            (_, _, _, Some(year)) => year_periods(year, mtu_minutes),
            _ => Err("say which by --period, --day, --month or --year".to_owned()),
        };
        periods.map_err(Usage::error)
    }
}

fn day_periods(day: &str, mtu_minutes: u32) -> Result<(DeliveryPeriod, DeliveryPeriod), String> {
    if day.contains('T') {
        return Err(format!("{day:?} is not a day: write it as 2026-06-17"));
    }
    let first = DeliveryPeriod::containing(parse_moment(day)?, mtu_minutes);
    Ok((first, DeliveryPeriod(first.0 + 24 * 60 / mtu_minutes - 1)))
}

fn month_periods(month: &str, mtu_minutes: u32) -> Result<(DeliveryPeriod, DeliveryPeriod), String> {
    let wrong = || format!("{month:?} is not a month: write it as 2026-06");
    let (year, number) = month.split_once('-').ok_or_else(wrong)?;
    let (year, number): (u64, u64) = (year.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
    if !(1970..=LAST_YEAR).contains(&year) || !(1..=12).contains(&number) {
        return Err(wrong());
    }
    let (next_year, next) = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    let begins = |year: u64, month: u64| parse_moment(&format!("{year:04}-{month:02}-01")).map_err(|_| wrong());
    let first = DeliveryPeriod::containing(begins(year, number)?, mtu_minutes);
    let end = DeliveryPeriod::containing(begins(next_year, next)?, mtu_minutes);
    Ok((first, DeliveryPeriod(end.0 - 1)))
}

fn year_periods(year: &str, mtu_minutes: u32) -> Result<(DeliveryPeriod, DeliveryPeriod), String> {
    let month = |number| month_periods(&format!("{year}-{number}"), mtu_minutes);
    let (Ok((first, _)), Ok((_, last))) = (month("01"), month("12")) else {
        return Err(format!("{year:?} is not a year: write it as 2026"));
    };
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count((first, last): (DeliveryPeriod, DeliveryPeriod)) -> u32 {
        last.0 - first.0 + 1
    }

    #[test]
    fn a_day_and_a_month_have_all_their_periods_whatever_the_year() {
        assert_eq!(day_periods("2026-06-17", 15).map(count), Ok(96));
        assert_eq!(day_periods("2026-06-17", 60).map(count), Ok(24));
        for (month, days) in [("2026-06", 30), ("2026-02", 28), ("2028-02", 29), ("2026-12", 31)] {
            assert_eq!(month_periods(month, 15).map(count), Ok(96 * days), "{month}");
        }
        for (year, days) in [("2026", 365), ("2028", 366)] {
            assert_eq!(year_periods(year, 15).map(count), Ok(96 * days), "{year}");
        }
        let (first, _) = month_periods("2026-07", 15).unwrap();
        assert_eq!(month_periods("2026-06", 15).unwrap().1.0 + 1, first.0);
    }

    /// The year after the last one that fits, and the month after the last one that fits, overflowed.
    #[test]
    fn a_year_or_a_month_beyond_all_numbers_is_refused_like_any_other() {
        for month in ["18446744073709551615-12", "2026-18446744073709551615", "9999-12", "1969-12"] {
            assert!(month_periods(month, 15).unwrap_err().contains("2026-06"), "{month}");
        }
        assert!(month_periods("9998-12", 15).is_ok());
    }

    #[test]
    fn what_is_no_day_or_month_is_refused_with_what_to_write() {
        for day in ["2026-06-17T12:00", "2026-06", "today", "2026-02-30"] {
            assert!(day_periods(day, 15).is_err(), "{day}");
        }
        for month in ["2026", "2026-13", "2026-00", "June", "2026-06-17"] {
            assert!(month_periods(month, 15).unwrap_err().contains("2026-06"), "{month}");
        }
        for year in ["", "26-", "2026-06", "last", "18446744073709551615"] {
            assert!(year_periods(year, 15).unwrap_err().contains("2026"), "{year}");
        }
    }
}

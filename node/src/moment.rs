//! Moments in UTC as people write them, `2026-06-17T12:00`, and as the ledger counts them.

use gridbook_engine::{DeliveryPeriod, LedgerTime};

const DAY_MS: u64 = 86_400_000;

/// Reads `2026-06-17`, `2026-06-17T12:00` or `2026-06-17T12:00:30`, with or without a `Z` at the end; always UTC.
pub fn parse_moment(text: &str) -> Result<LedgerTime, String> {
    let wrong = || format!("{text:?} is not a moment: write it in UTC as 2026-06-17T12:00");
    let text_utc = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text_utc.split_once('T').unwrap_or((text_utc, "00:00"));
    let [year, month, day] = numbers(date, '-').as_deref().and_then(|parts| parts.try_into().ok()).ok_or_else(wrong)?;
    let clock = numbers(clock, ':').ok_or_else(wrong)?;
    let (hour, minute, second) = match clock[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return Err(wrong()),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return Err(wrong());
    }
    let days = days_since_epoch(year, month, day).ok_or_else(wrong)?;
    Ok(LedgerTime(days * DAY_MS + (hour * 3600 + minute * 60 + second) * 1000))
}

/// Reads a delivery period: its number, or the moment at which its delivery begins.
pub fn parse_period(text: &str, mtu_minutes: u32) -> Result<DeliveryPeriod, String> {
    if let Ok(number) = text.parse() {
        return Ok(DeliveryPeriod(number));
    }
    let moment = parse_moment(text)?;
    let period = DeliveryPeriod::containing(moment, mtu_minutes);
    if period.starts_at(mtu_minutes) != moment {
        let starts = format_moment(period.starts_at(mtu_minutes));
        return Err(format!(
            "no delivery period of {mtu_minutes} minutes begins at {text}; the one before begins at {starts}"
        ));
    }
    Ok(period)
}

/// As `2026-06-17T12:00:00Z`, cut to seconds.
pub fn format_moment(moment: LedgerTime) -> String {
    let (year, month, day) = civil(moment.0 / DAY_MS);
    let second = moment.0 % DAY_MS / 1000;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

fn numbers(text: &str, separator: char) -> Option<Vec<u64>> {
    let is_digits = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split(separator).map(|part| if is_digits(part) { part.parse().ok() } else { None }).collect()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day)
    {
        return None;
    }
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let months: u64 = (1..month).map(|month| days_in_month(year, month)).sum();
    Some(years + months + day - 1)
}

fn civil(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097; // 400 years
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_read_and_written_alike() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-06-17T12:00:00Z", 1_781_697_600),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(parse_moment(text), Ok(LedgerTime(seconds * 1000)));
            assert_eq!(format_moment(LedgerTime(seconds * 1000)), text);
        }
        assert_eq!(parse_moment("2026-06-17T12:00"), parse_moment("2026-06-17T12:00:00Z"));
        assert_eq!(parse_moment("2026-06-17"), parse_moment("2026-06-17T00:00:00Z"));
    }

    #[test]
    fn moments_that_do_not_exist_are_refused_with_an_example() {
        for text in ["", "noon", "2026-02-29", "2026-13-01", "2026-06-17T24:00", "2026-06-17T12", "2026-06-17T+1:00"] {
            assert!(parse_moment(text).is_err_and(|sentence| sentence.contains("2026-06-17T12:00")), "{text:?}");
        }
    }

    #[test]
    fn a_period_is_named_by_number_or_by_its_beginning_and_by_nothing_else() {
        let noon = DeliveryPeriod(1_781_697_600 / 900);
        assert_eq!(parse_period("2026-06-17T12:00", 15), Ok(noon));
        assert_eq!(parse_period(&noon.0.to_string(), 15), Ok(noon));
        let sentence = parse_period("2026-06-17T12:05", 15).expect_err("between two beginnings");
        assert!(sentence.contains("2026-06-17T12:00:00Z"), "{sentence}");
    }
}

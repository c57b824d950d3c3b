//! Prices, energies and money as people write them. Read exactly, never through a float.

use gridbook_engine::{Energy, Money, Price};

/// Reads a price: `28.5` or `28.5ct` is in cents per kWh, `285000u` in micro-currency per kWh.
pub fn parse_price(text: &str) -> Result<Price, String> {
    let micro = match text.strip_suffix('u') {
        Some(micro) => decimal(micro, 0),
        None => decimal(text.strip_suffix("ct").unwrap_or(text), 4),
    };
    micro.and_then(|micro| i32::try_from(micro).ok()).map(Price).ok_or_else(|| {
        format!("{text:?} is not a price: write 28.5 for cents per kWh (four decimals at most) or 285000u for micro-currency per kWh")
    })
}

/// Reads an energy: `400` or `400Wh` is in watt-hours, `0.4kWh` in kilowatt-hours.
pub fn parse_energy(text: &str) -> Result<Energy, String> {
    let wh = match text.strip_suffix("kWh") {
        Some(kwh) => decimal(kwh, 3),
        None => decimal(text.strip_suffix("Wh").unwrap_or(text), 0),
    };
    wh.and_then(|wh| u64::try_from(wh).ok()).map(Energy).ok_or_else(|| wrong_energy(text))
}

fn wrong_energy(text: &str) -> String {
    format!("{text:?} is not an energy: write 400 or 400Wh for watt-hours, 0.4kWh for kilowatt-hours")
}

/// Reads an energy that may be less than zero: `-3kWh` is 3,000 Wh the other way. In watt-hours.
pub fn parse_signed_energy(text: &str) -> Result<i64, String> {
    let (negative, magnitude) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let energy = parse_energy(magnitude).map_err(|_| wrong_energy(text))?;
    let wh = i64::try_from(energy.0).map_err(|_| wrong_energy(text))?;
    Ok(if negative { -wh } else { wh })
}

/// Reads an amount of money: `12.50` is in units of the currency, with nine decimals at most.
pub fn parse_money(text: &str) -> Result<Money, String> {
    let wrong = || format!("{text:?} is not an amount of money: write 12.50, with nine decimals at most");
    decimal(text, 9).map(Money).ok_or_else(wrong)
}

/// As cents per kWh with all four decimals, `28.5000`.
pub fn format_price(price: Price) -> String {
    let magnitude = price.0.unsigned_abs();
    let sign = if price.0 < 0 { "-" } else { "" };
    format!("{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000)
}

/// The number `text` times ten to the `decimals`, exact; nothing if there are more decimals, or no number.
fn decimal(text: &str, decimals: usize) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_complete = !whole.is_empty() && (digits.len() == whole.len() || !part.is_empty());
    if !is_complete || !is_number(whole) || !is_number(part) || part.len() > decimals || whole.len() > 20 {
        return None;
    }
    let value: i128 = format!("{whole}{part:0<decimals$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_their_units() {
        assert_eq!(parse_price("28.5"), Ok(Price(285_000)));
        assert_eq!(parse_price("28.5001ct"), Ok(Price(285_001)));
        assert_eq!(parse_price("-1"), Ok(Price(-10_000)));
        assert_eq!(parse_price("285000u"), Ok(Price(285_000)));
        assert_eq!(parse_energy("400"), Ok(Energy(400)));
        assert_eq!(parse_energy("0.4kWh"), Ok(Energy(400)));
        assert_eq!(parse_energy("12Wh"), Ok(Energy(12)));
        assert_eq!(parse_signed_energy("-3kWh"), Ok(-3_000));
        assert_eq!(parse_signed_energy("12"), Ok(12));
        assert_eq!(parse_money("12.50"), Ok(Money(12_500_000_000)));
        assert_eq!(format_price(Price(-5)), "-0.0005");
    }

    #[test]
    fn what_would_have_to_be_rounded_or_guessed_is_refused_with_an_example() {
        for text in ["", ".", "5.", ".5", "28,5", "28.50001", "1e3", "+5", "999999999999", "nan", "285000.5u", "--5"] {
            assert!(parse_price(text).is_err_and(|sentence| sentence.contains("28.5")), "{text:?}");
        }
        for text in ["-5", "0.4", "0.0001kWh", "400 kW"] {
            assert!(parse_energy(text).is_err(), "{text:?}");
        }
        assert!(parse_money("0.0000000001").is_err());
        for text in ["--5", "-", "18446744073709551615"] {
            assert!(parse_signed_energy(text).is_err_and(|sentence| sentence.contains("0.4kWh")), "{text:?}");
        }
    }
}

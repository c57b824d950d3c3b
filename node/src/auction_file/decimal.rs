//! Decimal text as exact integers, never through a float.

use core::str::FromStr;

use super::{ENERGY_DECIMALS, PRICE_DECIMALS};

/// A decimal number as written: `digits / 10^decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    decimals: u32,
}

/// The most digits of a number: enough for every float that was ever printed, few enough that nothing overflows.
const DIGITS_MAX: usize = 25;

impl FromStr for Decimal {
    type Err = String;

    /// Reads `-12.5`, `7`, `.5`, `1e-05` (as programs print small numbers).
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| format!("{text:?} is not a decimal number: write it like 105.3"))
    }
}

fn parse(text: &str) -> Option<Decimal> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits_total = whole.len() + part.len();
    if digits_total == 0 || digits_total > DIGITS_MAX {
        return None;
    }
    let mut digits = 0_i128;
    for digit in whole.bytes().chain(part.bytes()) {
        digits = digits * 10 + i128::from(char::from(digit).to_digit(10)?);
    }
    let decimals = i32::try_from(part.len()).ok()?.checked_sub(exponent)?;
    if decimals < 0 {
        digits = digits.checked_mul(power_of_ten(decimals.unsigned_abs())?)?;
    }
    let decimals = u32::try_from(decimals).unwrap_or(0);
    power_of_ten(decimals)?;
    Some(Decimal { digits: if is_negative { -digits } else { digits }, decimals })
}

impl Decimal {
    /// Times ten to the `decimals`, if that is a whole number.
    pub fn exact(self, decimals: u32) -> Option<i128> {
        let (over, under) = self.scaled(decimals)?;
        (over % under == 0).then(|| over / under)
    }

    /// Times ten to the `decimals`, rounded toward zero.
    pub fn toward_zero(self, decimals: u32) -> Option<i128> {
        let (over, under) = self.scaled(decimals)?;
        Some(over / under)
    }

    /// Times ten to the `decimals`, rounded down to a multiple of `unit`, which is positive.
    pub fn rounded_down(self, decimals: u32, unit: u64) -> Option<i128> {
        let (over, under) = self.scaled(decimals)?;
        let unit = i128::from(unit);
        over.div_euclid(under.checked_mul(unit)?).checked_mul(unit)
    }

    /// Times ten to the `decimals`, rounded to the nearest multiple of `unit`, which is positive; halves go away from zero.
    pub fn rounded_to(self, decimals: u32, unit: u64) -> Option<i128> {
        let (over, under) = self.scaled(decimals)?;
        let under = under.checked_mul(i128::from(unit))?;
        let rounded = over.abs().checked_add(under / 2)? / under;
        (over.signum() * rounded).checked_mul(i128::from(unit))
    }

    /// As a quotient with the power of ten above and below.
    fn scaled(self, decimals: u32) -> Option<(i128, i128)> {
        match self.decimals.checked_sub(decimals) {
            Some(more) => Some((self.digits, power_of_ten(more)?)),
            None => Some((self.digits.checked_mul(power_of_ten(decimals - self.decimals)?)?, 1)),
        }
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// A price in 0.00001 per MWh as text, with as many decimals as it needs, but one at least: `105.3`.
pub fn format_price_per_mwh(price: i64) -> String {
    format_decimal(price, PRICE_DECIMALS)
}

/// An energy in watt-hours as text in MWh, as [`format_price_per_mwh`].
pub fn format_energy_mwh(energy_wh: i64) -> String {
    format_decimal(energy_wh, ENERGY_DECIMALS)
}

fn format_decimal(units: i64, decimals: u32) -> String {
    let scale = 10_u64.pow(decimals);
    let magnitude = units.unsigned_abs();
    let sign = if units < 0 { "-" } else { "" };
    let part = format!("{:0width$}", magnitude % scale, width = decimals as usize);
    let part = part.trim_end_matches('0');
    format!("{sign}{}.{}", magnitude / scale, if part.is_empty() { "0" } else { part })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(decimal("105.3").exact(5), Some(10_530_000));
        assert_eq!(decimal("-0.0").exact(5), Some(0));
        assert_eq!(decimal("-500").exact(5), Some(-50_000_000));
        assert_eq!(decimal("155.89979").exact(5), Some(15_589_979));
        assert_eq!(decimal("155.899791").exact(5), None);
        assert_eq!(decimal("1e-05").exact(5), Some(1));
        assert_eq!(decimal("1.5E3").exact(0), Some(1_500));
    }

    /// Where a float left its dust, `74.9` is meant.
    #[test]
    fn energies_and_capacities_go_to_whole_lots_and_watt_hours() {
        assert_eq!(decimal("74.89999999999999").rounded_down(6, 1_000), Some(74_899_000));
        assert_eq!(decimal("-0.0001").rounded_down(6, 1_000), Some(-1_000));
        assert_eq!(decimal("74.89999999999999").rounded_to(6, 1_000), Some(74_900_000));
        assert_eq!(decimal("0.7000000000000001").rounded_to(6, 1_000), Some(700_000));
        assert_eq!(decimal("0.0005").rounded_to(6, 1_000), Some(1_000));
        assert_eq!(decimal("-0.0005").rounded_to(6, 1_000), Some(-1_000));
        assert_eq!(decimal("0.00049").rounded_to(6, 1_000), Some(0));
        assert_eq!(decimal("-0.0019999").toward_zero(6), Some(-1_999));
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["", ".", "-", "1,5", "nan", "inf", "1e", "1e99999999999", "0x1", "--1", "1 2", "1e-60", "1e60"] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
        assert!("9".repeat(26).parse::<Decimal>().is_err());
    }

    #[test]
    fn numbers_are_written_with_as_many_decimals_as_they_need() {
        assert_eq!(format_price_per_mwh(10_530_000), "105.3");
        assert_eq!(format_price_per_mwh(15_589_979), "155.89979");
        assert_eq!(format_price_per_mwh(-1_000), "-0.01");
        assert_eq!(format_price_per_mwh(0), "0.0");
        assert_eq!(format_energy_mwh(-400_620_000), "-400.62");
    }
}

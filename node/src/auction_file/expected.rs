//! How many published prices and flows come out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::ENERGY_DECIMALS;
use super::cleared::ClearedWeek;
use super::table::{FileError, Table};
use super::tables::price;

/// How results agree with published ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// How many were published.
    pub published: usize,
    /// How many of them came out exactly.
    pub exact: usize,
    /// How many have no counterpart here.
    pub missing: usize,
    /// The mean difference of those that have one: per MWh for prices, in MWh for flows.
    pub mean_difference: f64,
    /// The largest difference.
    pub max_difference: f64,
    /// Where it is.
    pub worst: String,
}

/// Compares prices with `timestamp,zone,price_eur_per_mwh`.
///
/// # Errors
/// If the file cannot be used.
pub fn compare_prices(week: &ClearedWeek, file: &Path) -> Result<Agreement, FileError> {
    let own: BTreeMap<(&str, &str), Option<i64>> =
        week.prices().map(|(timestamp, zone, price)| ((timestamp, zone), price)).collect();
    let mut table = Table::open(file, &["timestamp", "zone", "price_eur_per_mwh"], 0)?;
    let mut tally = Tally::default();
    while let Some(row) = table.next()? {
        let published = i64::from(price(&row, row.decimal(2)?)?.0);
        let own = own.get(&(row.text(0), row.text(1))).copied().flatten();
        tally.count(own, published, || format!("{} {}", row.text(0), row.text(1)));
    }
    Ok(tally.agreement(1e5))
}

/// Compares flows with `timestamp,from_zone,to_zone,flow_mwh`, in either direction of the link.
///
/// # Errors
/// If the file cannot be used.
pub fn compare_flows(week: &ClearedWeek, file: &Path) -> Result<Agreement, FileError> {
    let mut own: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
    for (timestamp, from, to, flow) in week.flows() {
        own.insert((timestamp, from, to), flow);
        own.insert((timestamp, to, from), -flow);
    }
    let mut table = Table::open(file, &["timestamp", "from_zone", "to_zone", "flow_mwh"], 0)?;
    let mut tally = Tally::default();
    while let Some(row) = table.next()? {
        let published = row.decimal(3)?.rounded_to(ENERGY_DECIMALS, 1).and_then(|wh| i64::try_from(wh).ok());
        let published = published.ok_or_else(|| row.wrong("the flow is too large"))?;
        let own = own.get(&(row.text(0), row.text(1), row.text(2))).copied();
        tally.count(own, published, || format!("{} {} -> {}", row.text(0), row.text(1), row.text(2)));
    }
    Ok(tally.agreement(1e6))
}

impl Agreement {
    /// Whether everything published came out exactly.
    pub fn is_exact(&self) -> bool {
        self.exact == self.published
    }
}

/// Differences in whole units, as they are counted.
#[derive(Default)]
struct Tally {
    published: usize,
    exact: usize,
    missing: usize,
    sum: i128,
    max: i64,
    worst: String,
}

impl Tally {
    fn count(&mut self, own: Option<i64>, published: i64, place: impl Fn() -> String) {
        self.published += 1;
        let Some(own) = own else {
            self.missing += 1;
            return;
        };
        let difference = own.abs_diff(published);
        self.exact += usize::from(difference == 0);
        self.sum += i128::from(difference);
        let difference = i64::try_from(difference).unwrap_or(i64::MAX);
        if difference > self.max {
            (self.max, self.worst) = (difference, place());
        }
    }

    fn agreement(self, units: f64) -> Agreement {
        let compared = (self.published - self.missing).max(1);
        Agreement {
            published: self.published,
            exact: self.exact,
            missing: self.missing,
            mean_difference: self.sum as f64 / units / compared as f64,
            max_difference: self.max as f64 / units,
            worst: self.worst,
        }
    }
}

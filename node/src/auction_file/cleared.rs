//! What came out, and how it is written.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use gridbook_engine::auction::{Case, Clearing};

use super::decimal::{format_energy_mwh, format_price_per_mwh};
use super::week::Auction;
use crate::whole_file::write_whole;

/// All auctions, cleared.
#[derive(Clone, Debug)]
pub struct ClearedWeek {
    /// In the order of the orders file.
    pub auctions: Vec<Auction>,
    /// How many orders there were in all.
    pub orders: usize,
    /// What clearing took, reading and writing apart.
    pub clearing_time: Duration,
    pub(super) clearings: Vec<Clearing>,
}

/// Where a table goes: a file, written aside and renamed when complete, or standard output for `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To standard output.
    Stdout,
    /// To a file.
    File(PathBuf),
}

impl From<PathBuf> for Output {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdout } else { Self::File(path) }
    }
}

impl ClearedWeek {
    /// How many different zones have orders.
    pub fn zones(&self) -> usize {
        let with_orders = self.auctions.iter().flat_map(|auction| &auction.zones).filter(|zone| zone.has_orders);
        with_orders.map(|zone| zone.name.as_str()).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// The price of each zone with orders, in 0.00001 per MWh, with timestamp and zone.
    pub fn prices(&self) -> impl Iterator<Item = (&str, &str, Option<i64>)> {
        self.auctions.iter().zip(&self.clearings).flat_map(|(auction, clearing)| {
            let zones = auction.zones.iter().zip(&clearing.areas).filter(|(zone, _)| zone.has_orders);
            zones.map(|(zone, area)| {
                let price = area.price.map(|price| i64::from(price.0));
                (auction.timestamp.as_str(), zone.name.as_str(), price)
            })
        })
    }

    /// The flow of each link in watt-hours, with timestamp and both zones.
    pub fn flows(&self) -> impl Iterator<Item = (&str, &str, &str, i64)> {
        self.auctions.iter().zip(&self.clearings).flat_map(|(auction, clearing)| {
            auction.links.iter().map(|link| {
                let up = clearing.edges[usize::from(link.child.0)].flow_wh;
                let flow = if link.is_up { up } else { -up };
                (auction.timestamp.as_str(), link.from.as_str(), link.to.as_str(), flow)
            })
        })
    }

    /// Every zone that failed: when, which, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str, Case)> {
        self.auctions.iter().zip(&self.clearings).flat_map(|(auction, clearing)| {
            let zones = auction.zones.iter().zip(&clearing.areas);
            let failed = zones.filter(|(_, area)| matches!(area.case, Case::Failed(_)));
            failed.map(|(zone, area)| (auction.timestamp.as_str(), zone.name.as_str(), area.case))
        })
    }

    /// How many zones have each case: `marginal_seller`, `exact`, ...
    pub fn cases(&self) -> std::collections::BTreeMap<&'static str, usize> {
        let mut cases = std::collections::BTreeMap::new();
        for (auction, clearing) in self.auctions.iter().zip(&self.clearings) {
            for (_, area) in auction.zones.iter().zip(&clearing.areas).filter(|(zone, _)| zone.has_orders) {
                *cases.entry(area.case.name()).or_default() += 1;
            }
        }
        cases
    }

    /// Writes `timestamp,zone,price_eur_per_mwh`. A zone without a price gets an empty field.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_prices(&self, output: &Output) -> io::Result<()> {
        output.write(|out| {
            let mut table = csv::Writer::from_writer(out);
            table.write_record(["timestamp", "zone", "price_eur_per_mwh"])?;
            for (timestamp, zone, price) in self.prices() {
                table.write_record([timestamp, zone, &price.map(format_price_per_mwh).unwrap_or_default()])?;
            }
            table.flush()
        })
    }

    /// Writes `timestamp,from_zone,to_zone,flow_mwh`, links across the border among them.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_flows(&self, output: &Output) -> io::Result<()> {
        output.write(|out| {
            let mut table = csv::Writer::from_writer(out);
            table.write_record(["timestamp", "from_zone", "to_zone", "flow_mwh"])?;
            for (timestamp, from, to, flow) in self.flows() {
                table.write_record([timestamp, from, to, &format_energy_mwh(flow)])?;
            }
            table.flush()
        })
    }
}

impl Output {
    fn write(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = BufWriter::new(io::stdout().lock());
                match write(&mut out).and_then(|()| out.flush()) {
                    // Whoever reads us has read enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                    other => other,
                }
            }
            Self::File(path) => write_whole(
                path,
                |error| error,
                |file| {
                    let mut out = BufWriter::new(file);
                    write(&mut out)?;
                    out.flush()
                },
            ),
        }
    }
}

//! What the grid operators' own meters show at the edges of areas, and when they say it.
//!
//! An edge's reading tells what was lost below it only if all meters there were read: what a silent meter took would look like loss.
//! So an operator speaks of an area once all its readings are on the ledger, and of the root once he has spoken of all below it.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AreaId, Contract, DeliveryPeriod};
use gridbook_ledger::command::AreaReading;
use gridbook_sim::{Measurement, Town};

/// Of a thousand Wh that flow in a feeder, so many get lost; and of those that cross the substation.
const LOST_IN_FEEDER_PER_MILLE: u64 = 12;
const LOST_IN_SUBSTATION_PER_MILLE: u64 = 4;

/// What flowed, and what of it was read.
pub(super) struct Edges {
    root: AreaId,
    /// How many meters lie in each area.
    meters: BTreeMap<AreaId, usize>,
    flows: BTreeMap<Contract, Flow>,
    /// The last period of each meter whose reading is on the ledger.
    last_read: BTreeMap<u32, DeliveryPeriod>,
    /// What left each area that was spoken of, in Wh.
    told: BTreeMap<Contract, i64>,
    first: DeliveryPeriod,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    import_wh: u64,
    export_wh: u64,
    /// How many meters have measured, and how many of their readings are on the ledger.
    measured: usize,
    read: usize,
}

impl Edges {
    pub(super) fn new(town: &Town) -> Self {
        let mut meters = BTreeMap::new();
        for meter in town.meters() {
            *meters.entry(meter.area).or_default() += 1;
        }
        let first = town.periods().next().expect("a day has 96 periods");
        let (flows, last_read, told) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { root: town.config().area, meters, flows, last_read, told, first }
    }

    /// This flowed through a connection, whatever its meter says of it.
    pub(super) fn flowed(&mut self, area: AreaId, measured: &Measurement) {
        let flow = self.flows.entry(Contract { area, period: measured.period }).or_default();
        flow.import_wh += measured.delivery.import.0;
        flow.export_wh += measured.delivery.export.0;
        flow.measured += 1;
    }

    /// A meter's reading is on the ledger, which takes one for each period.
    pub(super) fn read(&mut self, area: AreaId, meter: u32, period: DeliveryPeriod) {
        self.flows.entry(Contract { area, period }).or_default().read += 1;
        let last = self.last_read.entry(meter).or_insert(period);
        *last = period.max(*last);
    }

    /// Whether a meter's last reading on the ledger is that of a period.
    pub(super) fn is_last_read(&self, meter: u32, period: DeliveryPeriod) -> bool {
        self.last_read.get(&meter) == Some(&period)
    }

    /// What the operators can say now and have not said yet.
    pub(super) fn take_due(&mut self) -> Vec<AreaReading> {
        let mut due = Vec::new();
        let periods: BTreeSet<DeliveryPeriod> = self.flows.keys().map(|contract| contract.period).collect();
        for period in periods.into_iter().filter(|period| *period >= self.first) {
            for area in self.meters.keys().copied() {
                let contract = Contract { area, period };
                if area != self.root && !self.told.contains_key(&contract) && self.is_whole(contract) {
                    let Flow { import_wh, export_wh, .. } = self.flows[&contract];
                    let lost_wh = import_wh.max(export_wh) * LOST_IN_FEEDER_PER_MILLE / 1_000;
                    due.push((contract, signed(export_wh) - signed(import_wh) - signed(lost_wh)));
                }
            }
            self.told.extend(due.iter().copied());
            due.extend(self.root_due(period));
            self.told.extend(due.iter().copied());
        }
        due.into_iter().map(|(contract, sent_up_wh)| AreaReading { contract, sent_up_wh }).collect()
    }

    /// Everybody there was read at both ends of the period.
    fn is_whole(&self, contract: Contract) -> bool {
        let of = |period| self.flows.get(&Contract { period, ..contract }).copied().unwrap_or_default();
        let (start, end) = (of(DeliveryPeriod(contract.period.0 - 1)), of(contract.period));
        let meters = self.meters[&contract.area];
        [start.read, end.read, end.measured].iter().all(|count| *count == meters)
    }

    /// The root has no meters of its own where there are feeders.
    fn root_due(&self, period: DeliveryPeriod) -> Option<(Contract, i64)> {
        let contract = Contract { area: self.root, period };
        let below = self.meters.keys().filter(|area| **area != self.root);
        let sent: Option<Vec<i64>> =
            below.map(|area| self.told.get(&Contract { area: *area, period }).copied()).collect();
        let sent = sent.filter(|sent| !sent.is_empty() && !self.told.contains_key(&contract))?;
        let crossing_wh: u64 = sent.iter().map(|sent_up_wh| sent_up_wh.unsigned_abs()).sum();
        let lost_wh = crossing_wh * LOST_IN_SUBSTATION_PER_MILLE / 1_000;
        Some((contract, sent.iter().sum::<i64>() - signed(lost_wh)))
    }
}

/// Far below 2^63: no town takes so much.
fn signed(wh: u64) -> i64 {
    i64::try_from(wh).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use gridbook_engine::Energy;
    use gridbook_ledger::settlement::{Delivery, Registers};
    use gridbook_sim::TownConfig;

    use super::*;

    /// Two feeders of one meter each. Meter 0 gives 1,000 Wh, meter 1 takes 600 Wh, and is read late.
    #[test]
    fn an_edge_is_told_of_once_all_below_it_were_read() {
        let town = Town::new(TownConfig { meters: 2, feeders: 2, ..TownConfig::default() }).expect("a town");
        let mut edges = Edges::new(&town);
        let period = town.periods().next().expect("a day");
        let start = DeliveryPeriod(period.0 - 1);
        for (meter, import, export) in [(0, 0, 1_000), (1, 600, 0)] {
            let area = town.meters()[meter as usize].area;
            edges.read(area, meter, start);
            let delivery = Delivery { import: Energy(import), export: Energy(export) };
            let registers = Registers { import: 0, export: 0, counter: 1 };
            edges.flowed(area, &Measurement { period, delivery, registers });
        }
        let (first, second) = (town.meters()[0].area, town.meters()[1].area);
        edges.read(first, 0, period);
        let reading = |area, sent_up_wh| AreaReading { contract: Contract { area, period }, sent_up_wh };
        assert_eq!(edges.take_due(), [reading(first, 1_000 - 12)]);
        edges.read(second, 1, period);
        // 988 Wh came up, 607 Wh went down: 1,595 Wh crossed the substation, of which 6 were lost.
        assert_eq!(edges.take_due(), [reading(second, -600 - 7), reading(AreaId(0), 988 - 607 - 6)]);
        assert_eq!(edges.take_due(), []);
        assert!(edges.is_last_read(1, period) && !edges.is_last_read(1, start));
    }
}

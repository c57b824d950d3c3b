//! How much of what the town needs its neighbours gave.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridbook_engine::{DeliveryPeriod, Energy};

use crate::meter::Meter;
use crate::sun::PPM;
use crate::town::Town;

/// Counts trades against the demand of a town.
///
/// The demand of a meter in a period is what it would draw from the grid without trading: its demand less its own surplus.
/// It is served by neighbours as far as the meter bought more than it sold for that period. So energy that is bought and sold
/// again counts once, with who keeps it; what a battery stores is not demand, what it gives later serves.
#[derive(Clone, Debug)]
pub struct LocalSupply {
    meters: Vec<Arc<Meter>>,
    periods: Vec<DeliveryPeriod>,
    bought_wh: BTreeMap<(u32, DeliveryPeriod), i128>,
    traded: Energy,
}

/// A day of a town in five numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalSummary {
    /// What the meters would draw from the grid without trading.
    pub demand: Energy,
    /// What the meters would feed into the grid without trading.
    pub surplus: Energy,
    /// The sum of all trades.
    pub traded: Energy,
    /// How much of the demand was bought from neighbours.
    pub served: Energy,
    /// `served` of `demand`, in ppm; 0 without a demand.
    pub served_ppm: u64,
}

impl LocalSupply {
    /// Nothing traded yet.
    pub fn new(town: &Town) -> Self {
        Self {
            meters: town.meters().to_vec(),
            periods: town.periods().collect(),
            bought_wh: BTreeMap::new(),
            traded: Energy::ZERO,
        }
    }

    /// Counts a trade between two meters, named by their index in the town. The same trade must not be counted twice.
    pub fn on_trade(&mut self, buyer: u32, seller: u32, period: DeliveryPeriod, energy: Energy) {
        *self.bought_wh.entry((buyer, period)).or_default() += i128::from(energy.0);
        *self.bought_wh.entry((seller, period)).or_default() -= i128::from(energy.0);
        self.traded += energy;
    }

    /// The numbers so far, over the whole day.
    pub fn summary(&self) -> LocalSummary {
        let mut summary = LocalSummary { traded: self.traded, ..LocalSummary::default() };
        for meter in &self.meters {
            for &period in &self.periods {
                let net_wh = meter.actual(period).net_wh();
                let demand = Energy(net_wh.min(0).unsigned_abs());
                summary.demand += demand;
                summary.surplus += Energy(net_wh.max(0).unsigned_abs());
                summary.served += demand.min(self.kept(meter.index, period));
            }
        }
        summary.served_ppm = share_ppm(summary.served, summary.demand);
        summary
    }

    fn kept(&self, meter: u32, period: DeliveryPeriod) -> Energy {
        let bought_wh = self.bought_wh.get(&(meter, period)).copied().unwrap_or(0);
        Energy(u64::try_from(bought_wh).unwrap_or(0))
    }
}

fn share_ppm(part: Energy, whole: Energy) -> u64 {
    let share = (u128::from(part.0) * u128::from(PPM)).checked_div(u128::from(whole.0)).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

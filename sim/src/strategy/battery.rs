//! The battery: what it holds, and what is planned for it, so that it can always keep its word.

use gridbook_engine::{DeliveryPeriod, Energy};

use super::ByPeriod;
use crate::meter::BatterySpec;
use crate::sun::PPM;

/// Quarter-hours of the day in which it charges: 9 to 16 o'clock.
const CHARGES: std::ops::Range<usize> = 36..64;

/// Quarter-hours of the day in which it rests before the evening and after the night; in all others it discharges.
const RESTS: [std::ops::Range<usize>; 2] = [28..36, 64..68];

/// It plans at most this part of its room, or of its charge, for one period.
const CHARGE_PART: u64 = 4;
const DISCHARGE_PART: u64 = 8;

/// Less than this is not planned, in Wh.
const PLAN_WH_MIN: u64 = 20;

/// What a battery may do in a period, own use and market together. Fixed when the period is first looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing.
    Idle,
    /// Take at most this much.
    Charge(Energy),
    /// Give at most this much.
    Discharge(Energy),
}

/// What flowed into and out of it in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BatteryFlow {
    pub(super) taken: Energy,
    pub(super) given: Energy,
}

#[derive(Clone, Debug)]
pub(super) struct Battery {
    spec: BatterySpec,
    charge: Energy,
    plans: ByPeriod<Plan>,
}

impl Battery {
    pub(super) fn new(spec: BatterySpec) -> Self {
        Self { spec, charge: spec.initial.min(spec.capacity), plans: ByPeriod::new() }
    }

    /// What it holds.
    pub(super) fn charge(&self) -> Energy {
        self.charge
    }

    /// The least and the most it can hold if any part of the plans happens.
    pub(super) fn bounds(&self) -> (Energy, Energy) {
        let (mut low, mut high) = (self.charge, self.charge);
        for plan in self.plans.values() {
            match *plan {
                Plan::Idle => {}
                Plan::Charge(most) => high += self.stored(most),
                Plan::Discharge(most) => low -= most,
            }
        }
        (low, high)
    }

    /// The plan of a period, made when first asked for. The worst case of all plans together stays between empty and full.
    pub(super) fn plan(&mut self, period: DeliveryPeriod, index: usize) -> Plan {
        if let Some(plan) = self.plans.get(&period) {
            return *plan;
        }
        let (low, high) = self.bounds();
        let most = self.spec.energy_per_period();
        let plan = if CHARGES.contains(&index) {
            let room = (self.spec.capacity - high).0 / CHARGE_PART;
            Plan::Charge(most.min(Energy(room * PPM / self.spec.efficiency_ppm.max(1))))
        } else if RESTS.iter().any(|rest| rest.contains(&index)) {
            Plan::Idle
        } else {
            Plan::Discharge(most.min(Energy(low.0 / DISCHARGE_PART)))
        };
        let plan = match plan {
            Plan::Charge(energy) | Plan::Discharge(energy) if energy.0 < PLAN_WH_MIN => Plan::Idle,
            plan => plan,
        };
        self.plans.insert(period, plan);
        plan
    }

    /// A period was delivered: what the battery sold or bought (`sold_wh`, bought negative) has flowed, and within the plan it
    /// served the house's own deficit or took its own surplus (`house_net_wh`). What does not fit stays out: an imbalance, not a
    /// battery below empty. Gives what it took and gave.
    pub(super) fn settle(&mut self, period: DeliveryPeriod, sold_wh: i64, house_net_wh: i64) -> BatteryFlow {
        let traded = Energy(sold_wh.unsigned_abs());
        let own = Energy(house_net_wh.unsigned_abs());
        let within = |most: Energy| own.min(Energy(most.0.saturating_sub(traded.0)));
        let (taken, given) = match self.plans.remove(&period).unwrap_or(Plan::Idle) {
            Plan::Charge(most) if sold_wh <= 0 && house_net_wh > 0 => (traded + within(most), Energy::ZERO),
            Plan::Discharge(most) if sold_wh >= 0 && house_net_wh < 0 => (Energy::ZERO, traded + within(most)),
            _ if sold_wh < 0 => (traded, Energy::ZERO),
            _ => (Energy::ZERO, traded),
        };
        let fits = Energy((self.spec.capacity - self.charge).0 * PPM / self.spec.efficiency_ppm.clamp(1, PPM));
        let flow = BatteryFlow { taken: taken.min(fits), given: given.min(self.charge) };
        self.charge = Energy(self.charge.0 + self.stored(flow.taken).0).min(self.spec.capacity) - flow.given;
        flow
    }

    /// What is left of energy put in.
    fn stored(&self, taken: Energy) -> Energy {
        Energy(taken.0 * self.spec.efficiency_ppm.min(PPM) / PPM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: BatterySpec =
        BatterySpec { capacity: Energy(6_000), power_w: 3_000, efficiency_ppm: 900_000, initial: Energy(3_000) };

    #[test]
    fn charging_loses_a_tenth_and_never_overfills() {
        let mut battery = Battery::new(SPEC);
        for index in 36..64 {
            let period = DeliveryPeriod(index);
            let Plan::Charge(most) = battery.plan(period, index as usize) else { continue };
            battery.settle(period, -(most.0 as i64), 0);
            assert!(battery.charge() <= SPEC.capacity);
        }
        assert!(battery.charge() > Energy(5_800));
        let mut once = Battery::new(SPEC);
        once.plan(DeliveryPeriod(40), 40);
        once.settle(DeliveryPeriod(40), -500, 0);
        assert_eq!(once.charge(), Energy(3_450));
    }

    #[test]
    fn plans_for_many_periods_never_promise_more_than_there_is() {
        let mut battery = Battery::new(SPEC);
        for index in 68..96 {
            battery.plan(DeliveryPeriod(index), index as usize);
            assert!(battery.bounds().0 <= Energy(3_000), "a promise must show in the bounds");
        }
        // All of it happens at once.
        for index in 68..96 {
            let period = DeliveryPeriod(index);
            let Some(Plan::Discharge(most)) = battery.plans.get(&period).copied() else { continue };
            let before = battery.charge();
            battery.settle(period, most.0 as i64, 0);
            assert_eq!(battery.charge() + most, before, "nothing was cut off");
        }
    }

    #[test]
    fn own_use_stays_within_the_plan() {
        let mut battery = Battery::new(SPEC);
        let Plan::Discharge(most) = battery.plan(DeliveryPeriod(80), 80) else {
            panic!("the evening is for discharging")
        };
        battery.settle(DeliveryPeriod(80), 100, -5_000);
        assert_eq!(battery.charge(), Energy(3_000) - most);
    }
}

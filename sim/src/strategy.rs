//! What one meter wants of the market: a simple truthful trader.
//!
//! A household bids up to the retail price less a private margin, a plant asks for at least the feed-in price plus one, a battery
//! buys cheap by day and sells in the evening, its two limits in between. As delivery nears the margins shrink to a half, and orders
//! follow the forecast. Nobody bluffs, and nobody knows more than his own meter and his own fills.

mod battery;
mod intent;
mod orders;
mod pricing;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use gridbook_engine::{Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, Money, Price, Side};

use gridbook_ledger::settlement::Delivery;

use self::battery::{Battery, BatteryFlow, Plan};
pub use self::intent::Intent;
use self::orders::{Leg, Orders, Terms};
use self::pricing::Pricing;
use crate::meter::{Forecast, Meter, signed};
use crate::register::{Measurement, Register};
use crate::town::TownConfig;

/// Smaller differences than this are not worth an order, in Wh.
const DUST_WH: u64 = 3;

/// The trader of one meter. It learns of the market only by its `on_*` methods, each of which bears being called late, twice, for
/// an order it does not know, or never.
#[derive(Clone, Debug)]
pub struct Prosumer {
    meter: Arc<Meter>,
    rules: MarketRules,
    pricing: Pricing,
    horizon: u32,
    safety_ms: u64,
    /// The most that a kWh can cost.
    dearest: Price,
    orders: Orders,
    battery: Option<Battery>,
    /// The first period whose delivery is not over.
    unsettled: DeliveryPeriod,
    register: Register,
    outage: Option<Range<DeliveryPeriod>>,
}

/// What an trader has traded so far, all periods together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Energy bought.
    pub bought: Energy,
    /// Energy sold.
    pub sold: Energy,
    /// Money for the energy bought, at the prices of its trades.
    pub paid: Money,
    /// Money for the energy sold, at the prices of its trades.
    pub received: Money,
}

/// What the two legs of a meter should have traded when a period begins, in Wh, sold positive.
struct Targets {
    house_wh: i64,
    battery_wh: i64,
}

impl Prosumer {
    pub(crate) fn new(meter: Arc<Meter>, config: &TownConfig) -> Self {
        Self {
            rules: config.rules,
            pricing: Pricing::new(&meter, config),
            horizon: config.horizon,
            safety_ms: config.safety_ms,
            dearest: config.retail.max(config.short_price_cap),
            orders: Orders::default(),
            battery: meter.battery.map(Battery::new),
            unsettled: meter.first_period,
            register: Register::new(&meter),
            outage: None,
            meter,
        }
    }

    /// The meter it trades for.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// What to deposit before the day: twice the day's demand, surplus and battery cycle, each kWh at the most that it can cost to be
    /// short of one, in whole currency. That covers every purchase, and what sales set aside until they are settled.
    pub fn deposit(&self) -> Money {
        let house_wh: u64 = self.meter.demand_wh.iter().chain(&self.meter.surplus_wh).sum();
        let battery_wh = self.meter.battery.map_or(0, |battery| 2 * battery.capacity.0);
        let nano = self.dearest.times(Energy(2 * (house_wh + battery_wh))).0.max(0);
        Money((nano / 1_000_000_000 + 1) * 1_000_000_000)
    }

    /// The orders and corrections to send now, as one bundle in this order. It may be empty.
    ///
    /// Each intent is on tick and lot, is for a period whose gate stays open for the safety margin, and fits the meter's headroom
    /// if the ones before it are taken. The trader takes them as sent: a refusal must be told by [`Prosumer::on_rejected`].
    pub fn plan(&mut self, now: LedgerTime) -> Vec<Intent> {
        self.settle(now);
        self.orders.age(now, &self.rules, self.meter.area);
        let mut intents = Vec::new();
        for period in self.open_periods(now) {
            let lead = self.lead(period, now);
            let targets = self.targets(period, lead);
            self.correct(period, lead, (Leg::House, targets.house_wh), now, &mut intents);
            self.correct(period, lead, (Leg::Battery, targets.battery_wh), now, &mut intents);
        }
        intents
    }

    /// An order traded. Told twice, the second is taken for another fill of the same order as far as its energy reaches; use
    /// [`Prosumer::on_trade`] where repeats can happen.
    pub fn on_fill(&mut self, client_id: u64, energy: Energy, price: Price) {
        self.orders.on_fill(client_id, energy, price);
    }

    /// An order traded in the trade with this number. The same trade told again changes nothing.
    pub fn on_trade(&mut self, trade: u64, client_id: u64, energy: Energy, price: Price) {
        if self.orders.is_new_trade(client_id, trade) {
            self.orders.on_fill(client_id, energy, price);
        }
    }

    /// The last intent for this order was refused: a place leaves no order, a change leaves the order as it was before. An order
    /// whose changes are refused twice is taken for gone.
    pub fn on_rejected(&mut self, client_id: u64) {
        self.orders.on_rejected(client_id);
    }

    /// An order left the book with `remaining` energy: cancelled, expired, or the rest of an immediate one dropped. If the trader
    /// had thought there was more left, the difference counts as filled, for its notice was lost or is late.
    pub fn on_gone(&mut self, client_id: u64, remaining: Energy) {
        self.orders.on_gone(client_id, remaining);
    }

    /// What it has bought and sold so far.
    pub fn position(&self) -> Position {
        self.orders.total()
    }

    /// What it has sold less what it has bought for a period whose delivery is not over, in Wh.
    pub fn sold_net_wh(&self, period: DeliveryPeriod) -> i64 {
        self.orders.net_wh(period)
    }

    /// What the battery holds, counted up to the last [`Prosumer::plan`]; nothing without a battery.
    pub fn state_of_charge(&self) -> Option<Energy> {
        self.battery.as_ref().map(Battery::charge)
    }

    /// The least and the most the battery can hold if any part of what is planned for the coming periods happens.
    pub fn charge_bounds(&self) -> Option<(Energy, Energy)> {
        self.battery.as_ref().map(Battery::bounds)
    }

    /// What the meter has measured since the last time this was asked, one entry for each period whose delivery is over by `now`; the
    /// first is what its registers show when the day begins.
    pub fn measure(&mut self, now: LedgerTime) -> Vec<Measurement> {
        self.settle(now);
        self.register.take()
    }

    /// The plant gives nothing in these periods, and its trader does not know.
    pub fn lose_plant(&mut self, periods: Range<DeliveryPeriod>) {
        self.outage = Some(periods);
    }

    /// Closes the periods whose delivery is over: what was traded by the battery has flowed, and the house did what it did.
    fn settle(&mut self, now: LedgerTime) {
        let mtu_minutes = self.rules.mtu_minutes;
        if self.meter.first_period.starts_at(mtu_minutes) <= now {
            self.register.begin(self.meter.first_period);
        }
        while self.unsettled.ends_at(mtu_minutes) <= now && self.meter.index_of(self.unsettled).is_some() {
            let period = self.unsettled;
            let mut house = self.meter.actual(period);
            if self.outage.as_ref().is_some_and(|outage| outage.contains(&period)) {
                house.surplus = Energy::ZERO;
            }
            let battery = self.battery.as_mut().map_or(BatteryFlow::default(), |battery| {
                battery.settle(period, self.orders.leg_wh(period, Leg::Battery), house.net_wh())
            });
            self.register.count(period, delivery(&self.meter, house, battery));
            self.orders.forget(period);
            self.unsettled = DeliveryPeriod(period.0 + 1);
        }
    }

    /// The coming periods of the day, up to the horizon, whose gate is open long enough.
    fn open_periods(&self, now: LedgerTime) -> Vec<DeliveryPeriod> {
        let is_open = |period: &DeliveryPeriod| {
            let contract = Contract { area: self.meter.area, period: *period };
            let arrives_ms = now.0.saturating_add(self.safety_ms);
            self.rules.opens_at(contract) <= now && arrives_ms < self.rules.gate_closes_at(contract).0
        };
        let first = self.rules.period_at(now).0.max(self.unsettled.0);
        let last = self.meter.first_period.0 + self.meter.demand_wh.len() as u32;
        (first..last).map(DeliveryPeriod).filter(is_open).take(self.horizon as usize).collect()
    }

    /// Quarter-hours until delivery, rounded up.
    fn lead(&self, period: DeliveryPeriod, now: LedgerTime) -> u32 {
        let mtu_ms = u64::from(self.rules.mtu_minutes) * 60_000;
        let wait_ms = period.starts_at(self.rules.mtu_minutes).0.saturating_sub(now.0);
        u32::try_from(wait_ms.div_ceil(mtu_ms)).unwrap_or(u32::MAX)
    }

    /// The house's own battery use comes first; only the rest goes to market, so the two legs never want opposite sides.
    fn targets(&mut self, period: DeliveryPeriod, lead: u32) -> Targets {
        let net_wh = self.meter.forecast(period, lead).net_wh();
        let index = self.meter.index_of(period).unwrap_or(0);
        match self.battery.as_mut().map_or(Plan::Idle, |battery| battery.plan(period, index)) {
            Plan::Idle => Targets { house_wh: net_wh, battery_wh: 0 },
            Plan::Charge(most) => {
                let own = net_wh.clamp(0, signed(most));
                Targets { house_wh: net_wh - own, battery_wh: own - signed(most) }
            }
            Plan::Discharge(most) => {
                let own = (-net_wh).clamp(0, signed(most));
                Targets { house_wh: net_wh + own, battery_wh: signed(most) - own }
            }
        }
    }

    /// Brings one leg of a period from where it stands to its target: takes back what is on the wrong side, corrects what rests,
    /// orders what is missing.
    fn correct(
        &mut self,
        period: DeliveryPeriod,
        lead: u32,
        (leg, target_wh): (Leg, i64),
        now: LedgerTime,
        intents: &mut Vec<Intent>,
    ) {
        let position_wh = self.orders.leg_wh(period, leg);
        let missing_wh = target_wh - position_wh;
        let side = if missing_wh > 0 { Side::Sell } else { Side::Buy };
        let wanted = Energy(missing_wh.unsigned_abs() / self.rules.lot * self.rules.lot);
        let kept = self.orders.resting(period, leg, side).next();
        for extra in self.orders.all_resting(period, leg) {
            if Some(extra) != kept || wanted.is_zero() {
                intents.push(self.orders.cancel(extra));
            }
        }
        let price = self.pricing.limit(leg, side, period, lead);
        match kept {
            _ if wanted.is_zero() => {}
            Some(order) => intents.extend(self.requote(order, side, price, wanted)),
            None if wanted.0 < DUST_WH.max(self.rules.lot) => {}
            None => {
                // What was traded too much is offered back at the end without resting.
                let is_excess = missing_wh.signum() == -position_wh.signum() && lead <= 1;
                let good_till = self.last_call(period, leg, now);
                let terms = Terms { period, leg, side, price, good_till, ioc: is_excess };
                let energy = wanted.min(self.headroom(period, side));
                if self.rules.energy_is_valid(energy) {
                    intents.push(self.orders.place(terms, energy));
                }
            }
        }
    }

    /// A resting order at its new price and energy. Small differences of energy stand.
    fn requote(&mut self, order: u64, side: Side, price: Price, wanted: Energy) -> Option<Intent> {
        let (period, resting_price, remaining) = self.orders.quoted(order)?;
        let room = self.headroom(period, side) + remaining;
        let energy = wanted.min(Energy(room.0 / self.rules.lot * self.rules.lot));
        let is_sure = !self.orders.is_unsure(order);
        let is_close = energy.0.abs_diff(remaining.0) <= (remaining.0 / 50).max(DUST_WH);
        if !self.rules.energy_is_valid(energy) || (is_close && is_sure && price == resting_price) {
            None
        } else if is_sure && price == resting_price && energy < remaining {
            Some(self.orders.reduce(order, remaining - energy))
        } else {
            Some(self.orders.replace(order, price, energy))
        }
    }

    /// What may still be ordered on a side of a period (MARKET section 7), on the lot: orders that are being taken back count until
    /// they are known to be gone.
    fn headroom(&self, period: DeliveryPeriod, side: Side) -> Energy {
        let sold_wh = self.orders.net_wh(period);
        let resting_wh = signed(self.orders.committed(period, side));
        let room_wh = match side {
            Side::Buy => signed(self.meter.max_import) + sold_wh - resting_wh,
            Side::Sell => signed(self.meter.max_export) - sold_wh - resting_wh,
        };
        let room = u64::try_from(room_wh).unwrap_or(0);
        Energy(room / self.rules.lot * self.rules.lot)
    }

    /// A battery takes its orders back by itself when the safety margin before the gate begins; a house waits for the gate.
    fn last_call(&self, period: DeliveryPeriod, leg: Leg, now: LedgerTime) -> Option<LedgerTime> {
        let gate = self.rules.gate_closes_at(Contract { area: self.meter.area, period });
        let until = LedgerTime(gate.0.saturating_sub(self.safety_ms));
        (leg == Leg::Battery && until > now && until < gate).then_some(until)
    }
}

/// What flows through a connection: a battery first takes from the own roof and gives to the own house.
fn delivery(meter: &Meter, house: Forecast, battery: BatteryFlow) -> Delivery {
    let own_taken = battery.taken.min(house.surplus);
    let own_given = battery.given.min(house.demand);
    let import = house.demand - own_given + (battery.taken - own_taken);
    let export = house.surplus - own_taken + (battery.given - own_given);
    Delivery { import: import.min(meter.max_import), export: export.min(meter.max_export) }
}

/// Per period, in the order of delivery.
type ByPeriod<T> = BTreeMap<DeliveryPeriod, T>;

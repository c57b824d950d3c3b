//! What an agent knows of its own orders, from what it sent and what it was told.
//!
//! Notices can be late, repeated or lost. So a change is believed when it is sent and taken back when it is refused; an order that
//! must be gone (gate, time, immediate) is believed gone, but a late fill of it still counts; and an order that leaves with less
//! than expected has traded the difference.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, Price, Side};

use super::{ByPeriod, Intent, Position};
use crate::meter::signed;

/// An order whose changes are refused this often is taken for gone.
const REFUSALS_MAX: u8 = 2;

/// For whose sake an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leg {
    /// The house and its plant.
    House,
    /// The battery.
    Battery,
}

/// What an order says besides its energy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) period: DeliveryPeriod,
    pub(super) leg: Leg,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) good_till: Option<LedgerTime>,
    pub(super) ioc: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Resting,
    /// A cancel was sent.
    Leaving,
    /// Gone as far as the agent can tell; late fills count.
    Believed,
    /// Gone by notice or refusal; only fills that were inferred, or crossed the last change, can still come.
    Told,
}

#[derive(Clone, Debug)]
struct OwnOrder {
    terms: Terms,
    stage: Stage,
    /// What is open if everything sent was taken.
    remaining: Energy,
    /// What can still trade if a change crossed a fill on its way.
    ceiling: Energy,
    /// Price and open energy before the last change, if there was one.
    before: Option<(Price, Energy)>,
    refusals: u8,
    /// Filled by inference; the notices of these fills may still come.
    inferred: Energy,
    /// A replacement is on its way: a fill told now may belong to the time before it.
    replacing: bool,
    /// Such a fill came: `remaining` may be too low, and only the next replacement makes it certain.
    unsure: bool,
}

/// The agent's orders of all periods whose delivery is not over, and what they traded.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    last_id: u64,
    orders: BTreeMap<u64, OwnOrder>,
    by_period: ByPeriod<PeriodOrders>,
    trades: BTreeSet<(u64, u64)>,
    total: Position,
}

#[derive(Clone, Debug, Default)]
struct PeriodOrders {
    ids: Vec<u64>,
    /// Sold less bought in Wh, house and battery.
    sold_wh: [i64; 2],
}

impl Orders {
    // What is sent.

    pub(super) fn place(&mut self, terms: Terms, energy: Energy) -> Intent {
        self.last_id += 1;
        let client_id = self.last_id;
        let order = OwnOrder {
            terms,
            stage: Stage::Resting,
            remaining: energy,
            ceiling: energy,
            before: None,
            refusals: 0,
            inferred: Energy::ZERO,
            replacing: false,
            unsure: false,
        };
        self.orders.insert(client_id, order);
        self.by_period.entry(terms.period).or_default().ids.push(client_id);
        let Terms { period, side, price, good_till, ioc, .. } = terms;
        Intent::Place { client_id, period, side, price, energy, good_till: good_till.filter(|_| !ioc), ioc }
    }

    pub(super) fn cancel(&mut self, client_id: u64) -> Intent {
        self.change(client_id, |order| order.stage = Stage::Leaving);
        Intent::Cancel { client_id }
    }

    pub(super) fn reduce(&mut self, client_id: u64, by: Energy) -> Intent {
        self.change(client_id, |order| order.remaining = Energy(order.remaining.0.saturating_sub(by.0)));
        Intent::Reduce { client_id, by }
    }

    pub(super) fn replace(&mut self, client_id: u64, price: Price, energy: Energy) -> Intent {
        self.change(client_id, |order| {
            order.terms.price = price;
            order.remaining = energy;
            order.ceiling += energy;
            (order.replacing, order.unsure) = (true, false);
        });
        Intent::Replace { client_id, price, energy }
    }

    fn change(&mut self, client_id: u64, with: impl FnOnce(&mut OwnOrder)) {
        if let Some(order) = self.orders.get_mut(&client_id) {
            order.before = Some((order.terms.price, order.remaining));
            with(order);
        }
    }

    // What is told.

    pub(super) fn on_fill(&mut self, client_id: u64, energy: Energy, price: Price) {
        let Some(order) = self.orders.get_mut(&client_id) else { return };
        let expected = energy.min(order.inferred);
        order.inferred -= expected;
        let filled = (energy - expected).min(order.ceiling);
        let less = |from: Energy| Energy(from.0.saturating_sub(filled.0));
        order.ceiling -= filled;
        order.remaining = less(order.remaining);
        order.unsure |= order.replacing;
        order.before = order.before.map(|(price, remaining)| (price, less(remaining)));
        let terms = order.terms;
        self.count(terms, filled, price);
    }

    pub(super) fn on_rejected(&mut self, client_id: u64) {
        let Some(order) = self.orders.get_mut(&client_id) else { return };
        if matches!(order.stage, Stage::Believed | Stage::Told) {
            return;
        }
        order.refusals += 1;
        match order.before.take() {
            Some((price, remaining)) if order.refusals < REFUSALS_MAX => {
                order.terms.price = price;
                order.remaining = remaining;
                order.stage = Stage::Resting;
            }
            Some(_) => order.stage = Stage::Believed,
            None => {
                order.stage = Stage::Told;
                order.ceiling = Energy::ZERO;
            }
        }
    }

    pub(super) fn on_gone(&mut self, client_id: u64, remaining: Energy) {
        let Some(order) = self.orders.get_mut(&client_id) else { return };
        if order.stage == Stage::Told {
            return;
        }
        order.stage = Stage::Told;
        // What was certain is settled now; a fill that crossed the last change may still be on its way.
        order.ceiling = Energy(order.ceiling.0.saturating_sub(order.remaining.0));
        let missed = Energy(order.remaining.0.saturating_sub(remaining.0));
        order.inferred += missed;
        let terms = order.terms;
        self.count(terms, missed, terms.price);
    }

    /// Whether this is the first time that the trade is told for the order.
    pub(super) fn is_new_trade(&mut self, client_id: u64, trade: u64) -> bool {
        self.orders.contains_key(&client_id) && self.trades.insert((client_id, trade))
    }

    fn count(&mut self, terms: Terms, energy: Energy, price: Price) {
        let leg_wh = &mut self.by_period.entry(terms.period).or_default().sold_wh[terms.leg as usize];
        match terms.side {
            Side::Buy => {
                *leg_wh -= signed(energy);
                self.total.bought += energy;
                self.total.paid += price.times(energy);
            }
            Side::Sell => {
                *leg_wh += signed(energy);
                self.total.sold += energy;
                self.total.received += price.times(energy);
            }
        }
    }

    // What time does.

    /// Orders that must have left by now are believed gone; what was sent the last time is believed taken.
    pub(super) fn age(&mut self, now: LedgerTime, rules: &MarketRules, area: AreaId) {
        for order in self.orders.values_mut() {
            order.replacing = false;
            let terms = order.terms;
            let gate = rules.gate_closes_at(Contract { area, period: terms.period });
            let is_over = gate <= now || terms.good_till.is_some_and(|until| until <= now) || terms.ioc;
            match order.stage {
                Stage::Resting if is_over || (order.remaining.is_zero() && !order.unsure) => {
                    order.stage = Stage::Believed
                }
                Stage::Resting if !order.unsure => order.ceiling = order.remaining,
                Stage::Resting => {}
                Stage::Leaving => order.stage = Stage::Believed,
                Stage::Believed | Stage::Told => {}
            }
        }
    }

    /// Drops a period whose delivery is over.
    pub(super) fn forget(&mut self, period: DeliveryPeriod) {
        let Some(dropped) = self.by_period.remove(&period) else { return };
        for client_id in dropped.ids {
            self.orders.remove(&client_id);
            let trades: Vec<_> = self.trades.range((client_id, 0)..=(client_id, u64::MAX)).copied().collect();
            for trade in trades {
                self.trades.remove(&trade);
            }
        }
    }

    // What is known.

    /// Orders of a leg that rest on a side, oldest first.
    pub(super) fn resting(&self, period: DeliveryPeriod, leg: Leg, side: Side) -> impl Iterator<Item = u64> {
        let is_on_side = move |terms: &Terms| terms.leg == leg && terms.side == side;
        self.of_period(period).filter(move |(_, order)| order.rests() && is_on_side(&order.terms)).map(|(id, _)| id)
    }

    /// Orders of a leg that rest on either side, oldest first.
    pub(super) fn all_resting(&self, period: DeliveryPeriod, leg: Leg) -> Vec<u64> {
        let rests = |order: &OwnOrder| order.rests() && order.terms.leg == leg;
        self.of_period(period).filter(|(_, order)| rests(order)).map(|(id, _)| id).collect()
    }

    /// Period, limit and open energy of an order.
    pub(super) fn quoted(&self, client_id: u64) -> Option<(DeliveryPeriod, Price, Energy)> {
        self.orders.get(&client_id).map(|order| (order.terms.period, order.terms.price, order.remaining))
    }

    /// Whether a fill may have crossed the last replacement of an order, so that what is open is not known.
    pub(super) fn is_unsure(&self, client_id: u64) -> bool {
        self.orders.get(&client_id).is_some_and(|order| order.unsure)
    }

    /// What all orders on a side of a period could still trade, those that are being cancelled among them.
    pub(super) fn committed(&self, period: DeliveryPeriod, side: Side) -> Energy {
        let open =
            |order: &OwnOrder| matches!(order.stage, Stage::Resting | Stage::Leaving) && order.terms.side == side;
        Energy(self.of_period(period).filter(|(_, order)| open(order)).map(|(_, order)| order.remaining.0).sum())
    }

    /// Sold less bought by one leg for a period, in Wh.
    pub(super) fn leg_wh(&self, period: DeliveryPeriod, leg: Leg) -> i64 {
        self.by_period.get(&period).map_or(0, |of_period| of_period.sold_wh[leg as usize])
    }

    /// Sold less bought for a period, in Wh.
    pub(super) fn net_wh(&self, period: DeliveryPeriod) -> i64 {
        self.leg_wh(period, Leg::House) + self.leg_wh(period, Leg::Battery)
    }

    pub(super) fn total(&self) -> Position {
        self.total
    }

    fn of_period(&self, period: DeliveryPeriod) -> impl Iterator<Item = (u64, &OwnOrder)> {
        let ids = self.by_period.get(&period).map_or(&[][..], |of_period| &of_period.ids);
        ids.iter().filter_map(|id| self.orders.get(id).map(|order| (*id, order)))
    }
}

impl OwnOrder {
    fn rests(&self) -> bool {
        self.stage == Stage::Resting && (self.unsure || !self.remaining.is_zero())
    }
}

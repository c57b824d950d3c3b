//! Orders in and out, and the tests that they have to pass (MARKET sections 3 and 4).

use super::matching::Entered;
use super::state::Order;
use super::{Outside, Reference};
use crate::market::BasketRefused;
use crate::{
    Contract, Energy, Event, LedgerTime, Limits, MeterId, NewOrder, OrderId, Price, Reject, Side, TimeInForce,
};

/// The most orders of a basket (MARKET section 3, Linked basket).
const BASKET_MAX: usize = 100;

impl Reference {
    /// Takes one order in, then re-matches its period if an edge was used.
    pub(super) fn take_in<L: Limits>(
        &mut self,
        new: &NewOrder,
        outside: &mut Outside<'_, L>,
    ) -> Result<Option<OrderId>, Reject> {
        let entered = self.test_and_enter(new, outside)?;
        if entered.used_an_edge {
            self.rematch(new.contract.period, outside);
        }
        Ok(entered.resting)
    }

    /// MARKET section 4, *Basket*: each as fill-or-kill in their written order, then re-match.
    pub(super) fn take_all<L: Limits>(
        &mut self,
        orders: &[NewOrder],
        outside: &mut Outside<'_, L>,
    ) -> Result<(), BasketRefused> {
        let not_a_basket = |at| BasketRefused { at, why: Reject::FormBasket };
        if orders.is_empty() || orders.len() > BASKET_MAX {
            return Err(not_a_basket(0));
        }
        if let Some(at) = orders.iter().position(|order| order.time_in_force != TimeInForce::FillOrKill) {
            return Err(not_a_basket(at));
        }
        let mut periods = Vec::new();
        for (at, order) in orders.iter().enumerate() {
            let entered = self.test_and_enter(order, outside).map_err(|why| BasketRefused { at, why })?;
            if entered.used_an_edge {
                periods.push(order.contract.period);
            }
        }
        periods.sort_unstable();
        periods.dedup();
        periods.into_iter().for_each(|period| self.rematch(period, outside));
        Ok(())
    }

    fn test_and_enter<L: Limits>(&mut self, new: &NewOrder, outside: &mut Outside<'_, L>) -> Result<Entered, Reject> {
        let new = &NewOrder { preferences: self.network.plainest(new.preferences), ..*new };
        first_fault(&self.form_faults(new))?;
        first_fault(&self.gate_faults(new))?;
        self.handles += 1;
        self.enter(Order::incoming(new, OrderId(self.handles)), new.time_in_force, outside)
    }

    pub(super) fn take_out<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        outside: &mut Outside<'_, L>,
    ) -> Result<(), Reject> {
        let Order { name, terms, remaining, .. } = self.find(id, meter)?;
        self.remove(id);
        outside.limits.release(&terms, remaining);
        outside.events.push(Event::Cancelled { order: name, remaining });
        self.forget_what_is_over();
        Ok(())
    }

    pub(super) fn make_smaller<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        by: Energy,
        outside: &mut Outside<'_, L>,
    ) -> Result<(), Reject> {
        self.find(id, meter)?;
        if by.is_zero() {
            return Err(Reject::MatchNothingToReduce);
        }
        if !by.0.is_multiple_of(self.rules.lot) {
            return Err(Reject::FormLot);
        }
        self.shrink(id, by, outside);
        Ok(())
    }

    /// MARKET section 4, *Reduce*: hidden reserve first; the order keeps its place, and leaves at zero.
    fn shrink<L: Limits>(&mut self, id: OrderId, by: Energy, outside: &mut Outside<'_, L>) {
        let order = self.resting(id);
        let by = by.min(order.remaining);
        order.remaining -= by;
        order.shown = order.shown.min(order.remaining);
        let Order { name, terms, remaining, .. } = *order;
        if remaining.is_zero() {
            self.remove(id);
        }
        if !by.is_zero() {
            outside.limits.release(&terms, by);
        }
        outside.events.push(Event::Reduced { order: name, remaining });
        self.forget_what_is_over();
    }

    /// MARKET section 4, *Replace*.
    pub(super) fn exchange<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        price: Price,
        energy: Energy,
        outside: &mut Outside<'_, L>,
    ) -> Result<Option<OrderId>, Reject> {
        let old = self.find(id, meter)?;
        let new = replacing(&old, price, energy);
        first_fault(&self.form_faults(&NewOrder { display: Energy::ZERO, ..new }))?;
        if price == old.terms.price && energy <= old.remaining {
            self.shrink(id, old.remaining - energy, outside);
            return Ok(Some(id));
        }
        first_fault(&self.form_faults(&new))?;
        first_fault(&self.gate_faults(&new))?;
        self.remove(id);
        outside.limits.release(&old.terms, old.remaining);
        self.take_in(&new, outside)
    }

    /// The tests of an order's form, in their order.
    fn form_faults(&self, new: &NewOrder) -> Vec<(bool, Reject)> {
        let (rules, energy, display) = (&self.rules, new.energy.0, new.display.0);
        let hides = display != 0;
        let hides_badly = hides
            && (never_rests(new)
                || display >= energy
                || !display.is_multiple_of(rules.lot)
                || energy.div_ceil(display) > NewOrder::CLIPS_MAX);
        vec![
            (!self.has_area(new.contract.area), Reject::FormArea),
            (energy == 0, Reject::FormZeroEnergy),
            (!energy.is_multiple_of(rules.lot), Reject::FormLot),
            (new.price < rules.price_min || new.price > rules.price_max, Reject::FormPriceLimit),
            (new.price.0 % rules.tick != 0, Reject::FormTick),
            (new.post_only && never_rests(new), Reject::FormFlags),
            (hides_badly, Reject::FormDisplay),
            (new.preferences.partner == Some(new.account), Reject::FormPartner),
        ]
    }

    /// The tests of whether it may come in now, in their order.
    fn gate_faults(&self, new: &NewOrder) -> Vec<(bool, Reject)> {
        let called = self.in_call_phase(new.contract.period);
        let until = Order::incoming(new, OrderId(0)).until;
        vec![
            (!self.is_open(new.contract), Reject::GateNotOpen),
            (self.is_closed(new.contract), Reject::GateClosed),
            (until <= self.state.now, Reject::GateExpired),
            (called && never_rests(new), Reject::GateCallPhase),
            (called && self.crosses_its_own(new), Reject::MatchSelfCross),
        ]
    }

    /// MARKET section 5: an order that crosses an own resting one in the same contract.
    fn crosses_its_own(&self, new: &NewOrder) -> bool {
        let incoming = Order::incoming(new, OrderId(0));
        let crosses = |other: &Order| match new.side {
            Side::Buy => new.price >= other.terms.price,
            Side::Sell => new.price <= other.terms.price,
        };
        incoming.is_plain()
            && self.state.orders.iter().any(|other| {
                other.terms.account == new.account
                    && other.terms.contract == new.contract
                    && other.terms.side != new.side
                    && other.is_plain()
                    && self.is_alive(other)
                    && crosses(other)
            })
    }

    /// The two tests that every trade in a contract has to pass first.
    pub(super) fn open_faults(&self, contract: Contract) -> [(bool, Reject); 2] {
        [(!self.is_open(contract), Reject::GateNotOpen), (self.is_closed(contract), Reject::GateClosed)]
    }

    fn find(&self, id: OrderId, meter: MeterId) -> Result<Order, Reject> {
        let wanted = |order: &&Order| order.name.id == id && order.name.meter == meter;
        self.state.orders.iter().find(wanted).copied().ok_or(Reject::MatchUnknownOrder)
    }
}

/// What enters in the place of an order: all stays but price, energy, and a clip that hides nothing any more.
fn replacing(old: &Order, price: Price, energy: Energy) -> NewOrder {
    let terms = old.terms;
    NewOrder {
        tag: terms.tag,
        account: terms.account,
        meter: terms.meter,
        contract: terms.contract,
        side: terms.side,
        price,
        energy,
        time_in_force: match old.until {
            LedgerTime(u64::MAX) => TimeInForce::GoodTillGate,
            until => TimeInForce::GoodTillTime(until),
        },
        post_only: old.post_only,
        display: if old.display < energy { old.display } else { Energy::ZERO },
        preferences: old.preferences,
    }
}

fn never_rests(new: &NewOrder) -> bool {
    matches!(new.time_in_force, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill)
}

pub(super) fn first_fault(faults: &[(bool, Reject)]) -> Result<(), Reject> {
    faults.iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |&(_, reject)| Err(reject))
}

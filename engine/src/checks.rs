//! The tests that every order and every gate goes through, in the order of the rules (MARKET sections 2, 3 and 5).

use crate::contract::{Contract, DeliveryPeriod};
use crate::digest::ContractFlags;
use crate::engine::Engine;
use crate::order::{NewOrder, TimeInForce};
use crate::reject::Reject;
use crate::slab::{FOREVER, turned};
use crate::units::{Energy, LedgerTime, Price};

impl Engine {
    #[inline]
    pub(crate) fn check_form(&self, order: &NewOrder) -> Result<(), Reject> {
        if order.contract.area.0 >= self.areas() {
            return Err(Reject::FormArea);
        }
        self.check_energy(order.energy)?;
        self.check_price(order.price)?;
        let never_rests = matches!(order.time_in_force, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill);
        if order.post_only && never_rests {
            return Err(Reject::FormFlags);
        }
        if !order.display.is_zero() {
            let fits = !never_rests
                && order.display < order.energy
                && order.display.0.is_multiple_of(self.rules.lot)
                && order.energy.0.div_ceil(order.display.0) <= NewOrder::CLIPS_MAX;
            if !fits {
                return Err(Reject::FormDisplay);
            }
        }
        if order.preferences.partner == Some(order.account) { Err(Reject::FormPartner) } else { Ok(()) }
    }

    #[inline]
    pub(crate) fn check_energy(&self, energy: Energy) -> Result<(), Reject> {
        if energy.is_zero() {
            Err(Reject::FormZeroEnergy)
        } else if self.rules.lot != 1 && !energy.0.is_multiple_of(self.rules.lot) {
            Err(Reject::FormLot)
        } else {
            Ok(())
        }
    }

    #[inline]
    pub(crate) fn check_price(&self, price: Price) -> Result<(), Reject> {
        if !(self.rules.price_min..=self.rules.price_max).contains(&price) {
            Err(Reject::FormPriceLimit)
        } else if !self.tick.divides(price.0.unsigned_abs()) {
            Err(Reject::FormTick)
        } else {
            Ok(())
        }
    }

    /// Whether a contract takes an order that lives until then, given its period's record if there is one.
    #[inline]
    pub(crate) fn check_gate(&self, found: Option<u32>, contract: Contract, until: LedgerTime) -> Result<(), Reject> {
        let (opens_at, gate, flags) = match found.map(|index| self.calendar.at(index)) {
            Some(period) => (period.opens_at, period.gate_closes_at, period.flags(contract.area)),
            None => (self.rules.opens_at(contract), self.rules.gate_closes_at(contract), ContractFlags::default()),
        };
        if self.now < opens_at && !flags.has(ContractFlags::OPENED) {
            Err(Reject::GateNotOpen)
        } else if gate <= self.now || flags.has(ContractFlags::CLOSED) {
            Err(Reject::GateClosed)
        } else if until <= self.now {
            Err(Reject::GateExpired)
        } else {
            Ok(())
        }
    }

    /// What a call phase asks of an order (MARKET section 5): that it can wait, and meets no own one.
    pub(crate) fn check_call(&self, order: &NewOrder) -> Result<(), Reject> {
        if !self.is_calling(order.contract.period) {
            return Ok(());
        }
        if matches!(order.time_in_force, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill) {
            return Err(Reject::GateCallPhase);
        }
        if order.preferences.are_none(order.side) && self.crosses_own(order) {
            return Err(Reject::MatchSelfCross);
        }
        Ok(())
    }

    fn crosses_own(&self, order: &NewOrder) -> bool {
        let Some(period) = self.calendar.get(order.contract.period) else { return false };
        let side = order.side.opposite();
        let named = |key: u64| (order.account, order.contract.area, side, key);
        let last = u64::from(turned(side, order.price)) << 32 | u64::from(u32::MAX);
        let mut crossing = period.own.range(named(0)..=named(last));
        if self.deadlines.any_due(self.now) {
            // Some are over and not yet swept: they cross nobody any more.
            let over: Vec<u64> = self
                .deadlines
                .due(self.now)
                .map(|slot| self.slab.node(slot))
                .filter(|node| node.account == order.account && node.standing.side() == side)
                .filter(|node| self.calendar.at(node.standing.period()).period == order.contract.period)
                .map(|node| node.key())
                .collect();
            return crossing.any(|(.., key)| !over.contains(key));
        }
        crossing.next().is_some()
    }

    pub(crate) fn flags(&self, contract: Contract) -> ContractFlags {
        let area = usize::from(contract.area.0);
        let book = self.calendar.get(contract.period).and_then(|period| period.areas.get(area));
        book.map(|book| book.flags).unwrap_or_default()
    }

    /// Whether the gate of a contract has come, by time or by command.
    pub(crate) fn gate_is_closed(&self, contract: Contract) -> bool {
        self.rules.gate_closes_at(contract) <= self.now || self.flags(contract).has(ContractFlags::CLOSED)
    }

    /// When the gates of a period close: at one time in all areas.
    pub(crate) fn period_gate(&self, period: DeliveryPeriod) -> LedgerTime {
        self.rules.gate_closes_at(Contract { period, ..Contract::default() })
    }
}

/// When an order is over by its own time.
#[inline]
pub(crate) fn until_of(time_in_force: TimeInForce) -> LedgerTime {
    match time_in_force {
        TimeInForce::GoodTillTime(until) => until,
        TimeInForce::GoodTillGate | TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => FOREVER,
    }
}

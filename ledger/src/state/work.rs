//! What falls due by time, done in slices (DESIGN section 3.4): orders that are over, opening auctions, names, settlement.

use gridbook_engine::{Contract, DeliveryPeriod, Expiry, LedgerTime, Money};

use super::State;
use super::tables::{Holder, PeriodTable, Standing};
use crate::record::RecordEvent;

/// The most pieces of work that one entry does, whatever its limit says, so that no leader can stall the others.
pub const WORK_ITEMS_MAX: u32 = 4_096;

impl State {
    /// The next ledger time at which there will be something for a `Work` entry; at or before [`State::time`] if there is already.
    /// Orders whose time is over do not trade in the meantime: the engine sees to that.
    pub fn next_due(&self) -> Option<LedgerTime> {
        let periods = self.tables.periods();
        let names = periods.iter().find(|(_, table)| !table.names.is_empty()).map(|(period, _)| self.gate_of(*period));
        let delivery = periods.keys().next().map(|period| self.end_of(*period));
        [self.engine.next_due(), names, delivery].into_iter().flatten().min()
    }

    /// Whether a `Work` entry would find something to do now.
    pub fn has_work(&self) -> bool {
        self.next_due().is_some_and(|due| due <= self.time())
    }

    /// Does up to `limit` pieces of what is due, in this order: removes orders whose time is over; holds opening auctions; forgets names
    /// of closed contracts, and offers with them; pays what clearing owes for delivered contracts, by period, area, account; forgets delivered periods.
    pub(super) fn apply_work(&mut self, limit: u32) -> Vec<RecordEvent> {
        let mut events = Vec::new();
        let mut left = super::index(limit.min(WORK_ITEMS_MAX));
        left -= self.engine.sweep(left, &mut self.tables, &mut self.events);
        self.report(&mut events);
        if left > 0 {
            left -= self.forget_names(left, &mut events);
            self.settle(left, &mut events);
        }
        events
    }

    /// An offer that nobody has accepted is over when its name is forgotten.
    fn forget_names(&mut self, max: usize, events: &mut Vec<RecordEvent>) -> usize {
        for forgotten in 0..max {
            let mut periods = self.tables.periods().iter();
            let Some((period, _)) = periods.find(|(_, table)| !table.names.is_empty()) else { return forgotten };
            let period = *period;
            if self.gate_of(period) > self.time() {
                return forgotten;
            }
            if let Some((meter, client_id, Standing::Offer)) = self.tables.newest_name(period) {
                let (order, offer) = self.end_offer(meter, client_id);
                events.push(RecordEvent::Expired { order, remaining: offer.terms.energy, cause: Expiry::Gate });
            }
            self.tables.forget_name(period);
        }
        max
    }

    /// Until meters are read, a contract counts as delivered when its period ends.
    fn settle(&mut self, max: usize, events: &mut Vec<RecordEvent>) {
        for _ in 0..max {
            let Some((period, _)) = self.tables.periods().first_key_value() else { return };
            let period = *period;
            if self.end_of(period) > self.time() {
                return;
            }
            match self.tables.pop_payable(period) {
                Some((area, account, payable)) => {
                    let holder = Holder::User(account);
                    self.tables.change_account(holder, |account| account.reserved -= payable.held);
                    self.tables.pay_out(period, holder, payable.owed);
                    let contract = Contract { area, period };
                    events.push(RecordEvent::Settled { contract, account, amount: payable.owed });
                }
                None => self.close_period(period),
            }
        }
    }

    fn close_period(&mut self, period: DeliveryPeriod) {
        let PeriodTable { names, cleared, .. } = &self.tables.periods()[&period];
        assert!(names.is_empty(), "names are forgotten at the gate, before delivery");
        assert_eq!(*cleared, Money::ZERO, "what was paid in for a period is paid out");
        self.tables.drop_period(period);
    }

    /// Gates close at one time in all areas.
    pub(super) fn gate_of(&self, period: DeliveryPeriod) -> LedgerTime {
        self.engine.rules().gate_closes_at(Contract { period, ..Contract::default() })
    }

    fn end_of(&self, period: DeliveryPeriod) -> LedgerTime {
        period.ends_at(self.engine.rules().mtu_minutes)
    }
}

//! What falls due by time, done in slices (DESIGN section 3.4): orders that are over, opening auctions, names, settlement.

use gridbook_engine::{Contract, DeliveryPeriod, Expiry, LedgerTime};

use super::State;
use super::tables::Standing;
use crate::record::RecordEvent;

/// The most pieces of work that one entry does, whatever its limit says, so that no leader can stall the others.
pub const WORK_ITEMS_MAX: u32 = 4_096;

impl State {
    /// The next ledger time at which there will be something for a `Work` entry; at or before [`State::time`] if there is already.
    /// Orders whose time is over do not trade in the meantime: the engine sees to that.
    pub fn next_due(&self) -> Option<LedgerTime> {
        let names = self.tables.agenda().first_named().map(|period| self.gate_of(period));
        let rows = [self.next_conduct_due(), self.next_grant_due()];
        [self.engine.next_due(), names, self.settlement_due()].into_iter().chain(rows).flatten().min()
    }

    /// Whether a `Work` entry would find something to do now.
    pub fn has_work(&self) -> bool {
        self.next_due().is_some_and(|due| due <= self.time())
    }

    /// Does up to `limit` pieces of what is due, in this order: removes orders whose time is over; holds opening auctions; lets go of
    /// entries against accounts and validators, and of grants, that are over; forgets names of closed contracts, and offers with them; settles periods,
    /// by period; forgets those that are final.
    pub(super) fn apply_work(&mut self, limit: u32) -> Vec<RecordEvent> {
        let mut events = Vec::new();
        let mut left = super::index(limit.min(WORK_ITEMS_MAX));
        left -= self.engine.sweep(left, &mut self.tables, &mut self.events);
        self.report(&mut events);
        if left > 0 {
            left -= self.expire_conduct(left, &mut events);
            left -= self.forget_grants(left, &mut events);
            left -= self.forget_names(left, &mut events);
            self.settle(left, &mut events);
        }
        events
    }

    /// An offer that nobody has accepted is over when its name is forgotten.
    fn forget_names(&mut self, max: usize, events: &mut Vec<RecordEvent>) -> usize {
        for forgotten in 0..max {
            let Some(period) = self.tables.agenda().first_named() else { return forgotten };
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

    /// Gates close at one time in all areas.
    pub(super) fn gate_of(&self, period: DeliveryPeriod) -> LedgerTime {
        self.engine.rules().gate_closes_at(Contract { period, ..Contract::default() })
    }

    pub(super) fn end_of(&self, period: DeliveryPeriod) -> LedgerTime {
        period.ends_at(self.engine.rules().mtu_minutes)
    }
}

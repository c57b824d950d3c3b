//! Removing what is over, slice by slice (MARKET section 4, Time).

use crate::contract::{AreaId, Contract};
use crate::deadline::{Due, Sweeping};
use crate::engine::Engine;
use crate::event::{Event, Expiry};
use crate::limits::Limits;
use crate::order::Side;
use crate::units::LedgerTime;

impl Engine {
    /// The next ledger time at which there will be something to [`Engine::sweep`]; at or before `now` if there is something already.
    pub fn next_due(&self) -> Option<LedgerTime> {
        if !self.calendar.closing.is_empty() {
            return Some(self.now);
        }
        let first_gate = self.calendar.periods().find(|period| period.orders > 0).map(|p| self.period_gate(p.period));
        // The end of time is not a gate: it is never reached.
        let first_gate = first_gate.filter(|gate| gate.0 < u64::MAX);
        [self.deadlines.first(), first_gate].into_iter().flatten().min()
    }

    /// Removes up to `max` orders that are over, first those whose `until` has come, then those of closed gates, in the order
    /// period, area, priority; tells how many. Fewer than `max` means that nothing is left to sweep.
    pub fn sweep<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize {
        for swept in 0..max {
            let Some((slot, cause)) = self.next_over() else { return swept };
            let (terms, node) = self.remove(slot);
            limits.release(&terms, node.energy);
            events.push(Event::Expired { order: node.order_ref(slot), remaining: node.energy, cause });
        }
        max
    }

    /// The next order to remove, and why.
    fn next_over(&mut self) -> Option<(u32, Expiry)> {
        if self.deadlines.any_due(self.now) && self.queue.sweeping != Some(Sweeping::Until(self.now)) {
            self.fill_with_late_orders();
        }
        loop {
            if let Some(sweeping) = self.queue.sweeping {
                while let Some(due) = self.queue.pop() {
                    // It may have been cancelled while it waited.
                    if self.slab.node(due.slot).generation == due.generation {
                        return Some((due.slot, sweeping.cause()));
                    }
                }
            }
            self.fill_with_closed_book()?;
        }
    }

    /// Time is about to move: gates may come that stand before a contract which was closed by command and is being swept.
    pub(crate) fn hold_sweep_in_order(&mut self) {
        if let Some(Sweeping::Gate(contract)) = self.queue.sweeping
            && self.period_gate(contract.period) > self.now
        {
            self.queue.clear();
        }
    }

    fn fill_with_late_orders(&mut self) {
        let Self { queue, deadlines, slab, calendar, now, .. } = self;
        let late = deadlines.due(*now).map(|slot| {
            let node = slab.node(slot);
            let contract = calendar.book(node.book).contract;
            Due { contract, priority: node.priority, slot, generation: node.generation }
        });
        queue.fill(Sweeping::Until(*now), late);
    }

    fn fill_with_closed_book(&mut self) -> Option<()> {
        let contract = self.first_closed_book()?;
        let Self { queue, slab, calendar, .. } = self;
        let book = calendar.book(calendar.find_book(contract)?);
        let slots = book.slots(slab, Side::Buy).chain(book.slots(slab, Side::Sell));
        queue.fill(
            Sweeping::Gate(contract),
            slots.map(|slot| {
                let node = slab.node(slot);
                Due { contract, priority: node.priority, slot, generation: node.generation }
            }),
        );
        Some(())
    }

    /// The first contract whose gate has come and in which orders rest.
    fn first_closed_book(&self) -> Option<Contract> {
        let by_command = self.calendar.closing.first().copied();
        let by_time = self.calendar.periods().find(|period| period.orders > 0).and_then(|period| {
            if self.period_gate(period.period) > self.now {
                return None;
            }
            // Behind a closed gate books only empty: below the area swept last nothing rests any more.
            let from = match self.queue.sweeping {
                Some(Sweeping::Gate(last)) if last.period == period.period => last.area,
                _ => AreaId(0),
            };
            self.calendar.books_from(period, from).find(|book| book.orders > 0).map(|book| book.contract)
        });
        by_command.into_iter().chain(by_time).min()
    }
}

//! Doing what time has made due, slice by slice (MARKET sections 2 and 4, Time).

use crate::contract::{AreaId, Contract, DeliveryPeriod};
use crate::deadline::{Due, Sweeping};
use crate::engine::Engine;
use crate::event::{Event, Expiry};
use crate::limits::Limits;
use crate::order::{NewBlock, Side};
use crate::units::LedgerTime;

/// For how many light pieces of work an auction, or one go of re-matching, counts.
pub(crate) const HEAVY_PIECE: usize = crate::market::REMATCH_TRADES_MAX;

impl Engine {
    /// The next ledger time at which there will be something to [`Engine::sweep`]; at or before `now` if there is something already.
    pub fn next_due(&self) -> Option<LedgerTime> {
        if !self.calendar.closing.is_empty() || self.next_rematch().is_some() || self.some_blocks_are_shut_out() {
            return Some(self.now);
        }
        let waits = |period: &&crate::period::Period| period.orders > 0 || period.blocks > 0;
        let first_gate = self.calendar.periods().find(waits).map(|period| period.gate_closes_at);
        let auction = self.first_call().map(|period| self.rules.call_ends_at(period));
        let next = [self.deadlines.first(), first_gate, auction].into_iter().flatten().min();
        // The end of time is never reached.
        next.filter(|due| due.0 < u64::MAX)
    }

    /// Does up to `max` pieces of what is due, and tells how many: orders whose `until` has come leave, then those of closed gates, in
    /// the order period, area, priority; then blocks that a closed gate shuts out, in order of arrival; then opening auctions are held, all
    /// that are due at one time as one piece; then re-matching goes on where it was left. Fewer than `max` means that nothing is left to do.
    pub fn sweep<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize {
        let mut done = 0;
        while done < max
            && let Some((slot, cause)) = self.next_over()
        {
            let terms = self.terms_of(slot);
            let node = self.remove(slot);
            limits.release(&terms, node.energy);
            events.push(Event::Expired { order: node.order_ref(slot), remaining: node.energy, cause });
            done += 1;
        }
        if done < max {
            done += self.sweep_blocks(max - done, limits, events);
        }
        while done < max
            && let Some(periods) = self.next_call()
        {
            self.auction(&periods, limits, events);
            done = (done + HEAVY_PIECE).min(max);
        }
        while done < max
            && let Some(period) = self.next_rematch()
        {
            self.rematch(period, limits, events);
            done = (done + HEAVY_PIECE).min(max);
        }
        done
    }

    fn sweep_blocks<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize {
        if !self.some_blocks_are_shut_out() {
            return 0;
        }
        let shut_out = self.blocks.iter().filter(|(_, block)| self.is_shut_out(block)).map(|(arrival, _)| arrival);
        let shut_out: Vec<u64> = shut_out.take(max).collect();
        for &arrival in &shut_out {
            let block = self.withdraw(arrival, limits);
            let remaining = block.energy().expect("it was counted when it came");
            events.push(Event::Expired { order: block.order_ref(), remaining, cause: Expiry::Gate });
        }
        shut_out.len()
    }

    /// Whether any block has a closed contract. Gates that time closes are known by the first period of all; contracts that a command
    /// closed, which only order files do, are looked for one by one.
    fn some_blocks_are_shut_out(&self) -> bool {
        let Some(first) = self.blocks.first_period() else { return false };
        let by_time = self.period_gate(first) <= self.now;
        by_time || (self.calendar.closed > 0 && self.blocks.iter().any(|(_, block)| self.is_shut_out(block)))
    }

    /// Whether a contract of a block is closed.
    fn is_shut_out(&self, block: &NewBlock) -> bool {
        block.energies.iter().any(|&(period, _)| self.gate_is_closed(Contract { period, area: block.area }))
    }

    /// The first period in which re-matching is to go on.
    fn next_rematch(&self) -> Option<DeliveryPeriod> {
        self.calendar.rematching.iter().copied().find(|&period| self.period_gate(period) > self.now)
    }

    /// The first period that still has its opening auction before it.
    fn first_call(&self) -> Option<DeliveryPeriod> {
        self.calendar.calling.iter().copied().find(|&period| self.period_gate(period) > self.now)
    }

    /// The periods whose opening auction is due next, all at one time.
    fn next_call(&self) -> Option<Vec<DeliveryPeriod>> {
        let ends_at = self.rules.call_ends_at(self.first_call()?);
        if ends_at > self.now {
            return None;
        }
        let open = self.calendar.calling.iter().copied().filter(|&period| self.period_gate(period) > self.now);
        Some(open.take_while(|&period| self.rules.call_ends_at(period) == ends_at).collect())
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
            let contract = calendar.at(node.standing.period()).contract(node.standing.area());
            Due { contract, priority: node.priority, slot, generation: node.generation }
        });
        queue.fill(Sweeping::Until(*now), late);
    }

    fn fill_with_closed_book(&mut self) -> Option<()> {
        let contract = self.first_closed_book()?;
        let Self { queue, slab, calendar, .. } = self;
        let period = calendar.get(contract.period)?;
        let slots = [Side::Buy, Side::Sell].into_iter().flat_map(|side| period.slots(slab, contract.area, side));
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
            if period.gate_closes_at > self.now {
                return None;
            }
            // Behind a closed gate books only empty: below the area swept last nothing rests any more.
            let from = match self.queue.sweeping {
                Some(Sweeping::Gate(last)) if last.period == period.period => usize::from(last.area.0),
                _ => 0,
            };
            let filled =
                (from..period.areas.len()).map(|area| AreaId(area as u16)).find(|&area| period.has_orders(area))?;
            Some(period.contract(filled))
        });
        by_command.into_iter().chain(by_time).min()
    }
}

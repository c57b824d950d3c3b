//! Which orders are over next: by their own time, or with their contract's gate.

use std::collections::BTreeSet;

use crate::contract::Contract;
use crate::event::Expiry;
use crate::units::LedgerTime;

/// The resting orders that have an `until`, by time. The slot only tells entries apart; results never depend on its order.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(LedgerTime, u32)>);

impl Deadlines {
    pub(crate) fn insert(&mut self, until: LedgerTime, slot: u32) {
        self.0.insert((until, slot));
    }

    pub(crate) fn remove(&mut self, until: LedgerTime, slot: u32) {
        self.0.remove(&(until, slot));
    }

    /// The earliest `until`.
    pub(crate) fn first(&self) -> Option<LedgerTime> {
        self.0.first().map(|&(until, _)| until)
    }

    /// Whether an order is over at `now`.
    pub(crate) fn any_due(&self, now: LedgerTime) -> bool {
        self.first().is_some_and(|until| until <= now)
    }

    /// The slots of all orders that are over at `to`, and were not at `from`.
    pub(crate) fn between(&self, from: LedgerTime, to: LedgerTime) -> impl Iterator<Item = u32> + '_ {
        // No slot has the highest number.
        self.0.range((from, u32::MAX)..=(to.max(from), u32::MAX)).map(|&(_, slot)| slot)
    }

    /// The slots of all orders that are over at `now`.
    pub(crate) fn due(&self, now: LedgerTime) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().take_while(move |&&(until, _)| until <= now).map(|&(_, slot)| slot)
    }
}

/// What a [`SweepQueue`] was filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sweeping {
    /// The orders whose `until` had come at this time.
    Until(LedgerTime),
    /// The orders of a closed contract.
    Gate(Contract),
}

impl Sweeping {
    pub(crate) fn cause(self) -> Expiry {
        match self {
            Self::Until(_) => Expiry::Until,
            Self::Gate(_) => Expiry::Gate,
        }
    }
}

/// An order waiting in the queue. It may have left the book since: the generation tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) contract: Contract,
    pub(crate) priority: u32,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// The orders to be removed next, sorted once and taken slice by slice. It is a memory of work done, not state: dropping it costs
/// time and changes nothing.
#[derive(Debug, Default)]
pub(crate) struct SweepQueue {
    pub(crate) sweeping: Option<Sweeping>,
    /// The next one last.
    waiting: Vec<Due>,
}

impl SweepQueue {
    pub(crate) fn clear(&mut self) {
        self.sweeping = None;
        self.waiting.clear();
    }

    pub(crate) fn fill(&mut self, sweeping: Sweeping, orders: impl Iterator<Item = Due>) {
        self.sweeping = Some(sweeping);
        self.waiting.clear();
        self.waiting.extend(orders);
        self.waiting.sort_unstable_by_key(|due| core::cmp::Reverse((due.contract, due.priority)));
    }

    pub(crate) fn pop(&mut self) -> Option<Due> {
        self.waiting.pop()
    }
}

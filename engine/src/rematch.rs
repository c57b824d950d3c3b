//! Re-matching: resting orders that a change of the edges lets meet (MARKET section 4, Re-match).

use crate::contract::DeliveryPeriod;
use crate::digest::ContractFlags;
use crate::engine::Engine;
use crate::event::{Event, TradeKind};
use crate::limits::Limits;
use crate::market::REMATCH_TRADES_MAX;
use crate::matching::Meeting;
use crate::order::{Preferences, Side};
use crate::period::{PLAIN, Period};
use crate::queue::Orders as _;
use crate::search::{Passed, Seeker, classes_fit, surplus};
use crate::tree;

/// A pair of resting orders that can trade, and its rank: greatest surplus first, then fewest edges, then the lower of the smaller priority
/// numbers, then of the larger ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) bid: u32,
    pub(crate) ask: u32,
    rank: (i64, u16, u32, u32),
}

impl Engine {
    /// As [`Engine::rematch`], where there can be anything to do: where an edge has room now that had none, or something was left.
    pub(crate) fn rematch_if_loosened<L: Limits>(
        &mut self,
        period: DeliveryPeriod,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) {
        if self.calendar.get(period).is_some_and(|record| record.loosened || record.rematching) {
            self.rematch(period, limits, events);
        }
    }

    /// Lets resting orders of a period meet until no pair is left that could, or for [`REMATCH_TRADES_MAX`] trades; what is left then is
    /// due. Nothing happens in a call phase.
    pub(crate) fn rematch<L: Limits>(&mut self, period: DeliveryPeriod, limits: &mut L, events: &mut Vec<Event>) {
        if self.is_calling(period) {
            return;
        }
        let Some(index) = self.calendar.find(period) else { return };
        self.calendar.at_mut(index).loosened = false;
        for _ in 0..REMATCH_TRADES_MAX {
            let Some(pair) = self.best_pair(index) else {
                self.set_rematching(index, false);
                return;
            };
            self.join(index, pair, limits, events);
        }
        let rematching = self.best_pair(index).is_some();
        self.set_rematching(index, rematching);
    }

    fn join<L: Limits>(&mut self, index: u32, pair: Pair, limits: &mut L, events: &mut Vec<Event>) {
        let period = self.calendar.at(index).period;
        let (bid, ask) = (*self.slab.node(pair.bid), *self.slab.node(pair.ask));
        let (maker, taker_slot) = if bid.priority < ask.priority { (pair.bid, pair.ask) } else { (pair.ask, pair.bid) };
        let mut energy = self.slab.shown(pair.bid).min(self.slab.shown(pair.ask));
        let (from, to) = (ask.standing.area(), bid.standing.area());
        if from != to {
            energy = energy.min(self.reachable(index, from, to));
        }
        let taker = *self.slab.node(taker_slot);
        let meeting = Meeting {
            maker,
            taker_slot,
            taker: taker.order_ref(taker_slot),
            taker_terms: taker.terms(period),
            taker_preferences: self.calendar.at(index).preferences(taker.standing),
            energy,
            taker_remaining: taker.energy - energy,
            kind: TradeKind::Continuous,
            price: None,
        };
        self.meet(index, &meeting, limits, events);
    }

    /// The pair that comes first of all that could trade. At rest there is none.
    pub(crate) fn best_pair(&self, index: u32) -> Option<Pair> {
        let period = self.calendar.at(index);
        if self.now >= period.gate_closes_at {
            return None;
        }
        let mut best: Option<Pair> = None;
        for bids in period.classes_in_use(Side::Buy) {
            if self.class_might_trade(period, bids) {
                self.look_for_asks(index, period, bids, &mut best);
            }
        }
        for asks in period.special(Side::Sell).for_one_partner() {
            self.look_for_bids(index, period, asks, &mut best);
        }
        best
    }

    /// Whether any bid of a class could meet any ask that is for everybody, as far as prices, sources and edges go. Where books are cut
    /// off from the tree, which knows nothing of them then, it has to be looked.
    fn class_might_trade(&self, period: &Period, bids: u32) -> bool {
        if period.grid.is_none() || period.some_are_cut_off() {
            return true;
        }
        let seeker = seeker_of(period.class(Side::Buy, bids).preferences());
        asks_for_everybody(period).any(|asks| fits(period, &seeker, asks) && period.classes_cross(bids, asks))
    }

    /// Looks for the best ask of each bid of a class that might find one for everybody.
    fn look_for_asks(&self, index: u32, period: &Period, class: u32, best: &mut Option<Pair>) {
        let class = period.class(Side::Buy, class);
        for (area, queue) in class.filled() {
            if period.flags(area).has(ContractFlags::CLOSED) {
                continue;
            }
            for slot in queue.slots(&self.slab) {
                let bid = self.slab.node(slot);
                let seeker = Seeker {
                    side: Side::Buy,
                    account: bid.account,
                    area,
                    price: bid.price,
                    preferences: class.preferences(),
                };
                // Bids behind this one offer no more: if nothing could be had for it, or nothing better than what was found, neither
                // can be for them.
                let fitting = asks_for_everybody(period).filter(|&asks| fits(period, &seeker, asks));
                let promise = fitting.filter_map(|asks| self.might_meet(period, &seeker, asks)).min();
                let Some(promised) = promise.map(|key| surplus(bid.price, key)) else { break };
                if promised < best.map_or(0, |pair| -pair.rank.0) {
                    break;
                }
                self.note_pair(index, slot, &seeker, best);
            }
        }
    }

    /// Looks for the best bid of each ask of a class that is for one partner only: the other way round, for its partner is known.
    fn look_for_bids(&self, index: u32, period: &Period, class: u32, best: &mut Option<Pair>) {
        let class = period.class(Side::Sell, class);
        for (area, queue) in class.filled() {
            if period.flags(area).has(ContractFlags::CLOSED) {
                continue;
            }
            for slot in queue.slots(&self.slab) {
                let ask = self.slab.node(slot);
                let seeker = Seeker {
                    side: Side::Sell,
                    account: ask.account,
                    area,
                    price: ask.price,
                    preferences: class.preferences(),
                };
                self.note_pair(index, slot, &seeker, best);
            }
        }
    }

    /// Notes a resting order and its best counter-order, if they are the best pair so far.
    fn note_pair(&self, index: u32, slot: u32, seeker: &Seeker, best: &mut Option<Pair>) {
        let order = self.slab.node(slot);
        if order.until <= self.now {
            return;
        }
        let Some(found) = self.best_counter(index, seeker, &mut Passed::default()) else { return };
        let (bid, ask) = match seeker.side {
            Side::Buy => (slot, found.slot),
            Side::Sell => (found.slot, slot),
        };
        let (one, other) = (order.priority, tree::priority(found.key));
        let gained = match seeker.side {
            Side::Buy => surplus(seeker.price, found.key),
            // A bid's cost is its price turned round, fees included.
            Side::Sell => -i64::from(seeker.price.0) - tree::cost(found.key),
        };
        let rank = (-gained, tree::edges(found.key), one.min(other), one.max(other));
        if best.is_none_or(|pair| rank < pair.rank) {
            *best = Some(Pair { bid, ask, rank });
        }
    }
}

/// Somebody who stands for all bids of a class.
fn seeker_of(preferences: Preferences) -> Seeker {
    let (account, area, price) = Default::default();
    Seeker { side: Side::Buy, account, area, price, preferences }
}

/// The classes of asks that are for everybody, the plain one first.
fn asks_for_everybody(period: &Period) -> impl Iterator<Item = u32> + '_ {
    core::iter::once(PLAIN).chain(period.special(Side::Sell).for_everybody())
}

/// Whether a bid fits the asks of a class as far as sources go.
fn fits(period: &Period, bid: &Seeker, asks: u32) -> bool {
    classes_fit(bid, &period.class(Side::Sell, asks).preferences())
}

//! Re-matching: resting orders that a change of the edges lets meet (MARKET section 4, Re-match).

use crate::contract::DeliveryPeriod;
use crate::engine::Engine;
use crate::event::{Event, TradeKind};
use crate::limits::Limits;
use crate::market::REMATCH_TRADES_MAX;
use crate::matching::Meeting;
use crate::order::Side;
use crate::period::Period;
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
    /// Lets resting orders of a period meet until no pair is left that could, or for [`REMATCH_TRADES_MAX`] trades; what is left then is
    /// due. Nothing happens in a call phase.
    pub(crate) fn rematch<L: Limits>(&mut self, period: DeliveryPeriod, limits: &mut L, events: &mut Vec<Event>) {
        if self.is_calling(period) {
            return;
        }
        let Some(index) = self.calendar.find(period) else { return };
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
                self.look_for_pairs(index, period, bids, &mut best);
            }
        }
        best
    }

    /// Whether any bid of a class could meet any ask, as far as prices, sources and edges go. Where books are cut off from the tree,
    /// which knows nothing of them then, it has to be looked.
    fn class_might_trade(&self, period: &Period, bids: u32) -> bool {
        if period.grid.is_none() || period.some_are_cut_off() {
            return true;
        }
        let seeker = self.seeker_of(period.class(Side::Buy, bids).preferences());
        period.classes_in_use(Side::Sell).any(|asks| fits(period, &seeker, asks) && period.classes_cross(bids, asks))
    }

    fn seeker_of(&self, preferences: crate::Preferences) -> Seeker {
        let (account, area, price) = Default::default();
        Seeker { side: Side::Buy, account, area, price, preferences }
    }

    fn look_for_pairs(&self, index: u32, period: &Period, class: u32, best: &mut Option<Pair>) {
        let class = period.class(Side::Buy, class);
        for (area, queue) in class.filled() {
            if period.flags(area).has(crate::digest::ContractFlags::CLOSED) {
                continue;
            }
            let mut next = queue.best();
            while let Some(slot) = next {
                next = queue.after(&self.slab, slot);
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
                let fitting = period.classes_in_use(Side::Sell).filter(|&asks| fits(period, &seeker, asks));
                let promise = fitting.filter_map(|ask| self.might_meet(period, &seeker, ask)).min();
                let Some(promised) = promise.map(|key| surplus(bid.price, key)) else { break };
                if promised < best.map_or(0, |pair| -pair.rank.0) {
                    break;
                }
                if bid.until <= self.now {
                    continue;
                }
                if let Some(found) = self.best_counter(index, &seeker, &mut Passed::default()) {
                    let (bid_number, ask_number) = (bid.priority, tree::priority(found.key));
                    let rank = (
                        -surplus(bid.price, found.key),
                        tree::edges(found.key),
                        bid_number.min(ask_number),
                        bid_number.max(ask_number),
                    );
                    if best.is_none_or(|pair| rank < pair.rank) {
                        *best = Some(Pair { bid: slot, ask: found.slot, rank });
                    }
                }
            }
        }
    }
}

/// Whether a bid fits the asks of a class as far as sources go.
fn fits(period: &Period, bid: &Seeker, asks: u32) -> bool {
    classes_fit(bid, &period.class(Side::Sell, asks).preferences())
}

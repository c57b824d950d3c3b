//! Commands that touch all shards, with their events in the order in which one market alone would have told them.

use std::collections::VecDeque;

use gridbook_engine::{
    BasketRefused, DeliveryPeriod, Energy, Event, Expiry, LedgerTime, NewOrder, Reject, TimeInForce,
};

use super::final_books::shard_of;
use super::market::FileMarket;
use super::shard::Shard;

/// The most orders of a basket (MARKET section 3).
const BASKET_ORDERS_MAX: usize = 100;

/// Moves time on and does all that is due; how many pieces that was. `period_of` says where an order lies.
pub(super) fn advance<M: FileMarket>(
    shards: &mut [Shard<M>],
    at: LedgerTime,
    period_of: impl Fn(u64) -> Option<DeliveryPeriod>,
) -> (usize, Vec<Event>) {
    if let [only] = shards {
        return only.advance(at);
    }
    let (mut pieces, mut events) = (0, Vec::new());
    for shard in shards {
        let (done, told) = shard.advance(at);
        pieces += done;
        events.extend(told);
    }
    // MARKET section 4, Time: first what is over by its own time, then closed gates, inside each by period. All of a period comes
    // from one shard, in order, and the sort is stable.
    events.sort_by_key(|event| match event {
        Event::Expired { order, cause, .. } => (*cause == Expiry::Gate, period_of(order.tag.0)),
        _ => (true, None),
    });
    (pieces, events)
}

/// Holds the auctions of several periods together. Spread over shards there are no blocks that tie them together.
pub(super) fn auction<M: FileMarket>(shards: &mut [Shard<M>], periods: &[DeliveryPeriod]) -> Vec<Event> {
    if let [only] = shards {
        return only.auction(periods);
    }
    // All that the auctions say comes before the trades of those that they leave to be matched again.
    let (mut cleared, mut matched) = (Vec::new(), Vec::new());
    for &period in periods {
        let events = shards[shard_of(period, shards.len())].auction(&[period]);
        let first_trade = events.iter().position(|event| matches!(event, Event::Trade(_))).unwrap_or(events.len());
        cleared.extend_from_slice(&events[..first_trade]);
        matched.extend_from_slice(&events[first_trade..]);
    }
    cleared.append(&mut matched);
    cleared
}

/// Runs a basket: all its orders trade whole, or none does.
///
/// # Errors
/// What the first of its orders, in their written order, was refused for.
pub(super) fn basket<M: FileMarket>(shards: &mut [Shard<M>], orders: &[NewOrder]) -> Result<Vec<Event>, BasketRefused> {
    check(orders)?;
    if let [only] = shards {
        let events = only.basket(orders)?;
        only.commit(&events);
        return Ok(events);
    }
    let count = shards.len();
    let parts: Vec<Part> = (0..count).map(|index| Part::of(index, count, orders)).collect();
    let marks: Vec<_> =
        parts.iter().zip(&mut *shards).map(|(part, shard)| part.touches().then(|| shard.market.mark())).collect();
    // Periods do not see one another, so each shard's part fares as it would have in the whole.
    let results: Vec<_> = parts.iter().zip(&mut *shards).map(|(part, shard)| part.place(shard)).collect();
    let refused = results.iter().filter_map(|result| result.as_ref().err()).min_by_key(|refused| refused.at);
    if let Some(refused) = refused {
        for (mark, shard) in marks.into_iter().zip(shards) {
            if let Some(mark) = mark {
                shard.market.rollback(mark);
                shard.commit(&[]);
            }
        }
        return Err(*refused);
    }
    let events: Vec<Vec<Event>> = results.into_iter().map(Result::unwrap_or_default).collect();
    for (told, shard) in events.iter().zip(shards) {
        shard.commit(told);
    }
    Ok(merge(orders, count, events))
}

/// What is wrong with a basket as a whole.
fn check(orders: &[NewOrder]) -> Result<(), BasketRefused> {
    let refused = |at| BasketRefused { at, why: Reject::FormBasket };
    if orders.is_empty() || orders.len() > BASKET_ORDERS_MAX {
        return Err(refused(0));
    }
    let other = orders.iter().position(|order| order.time_in_force != TimeInForce::FillOrKill);
    other.map_or(Ok(()), |at| Err(refused(at)))
}

/// The orders of a basket that are for one shard, and their places in the whole.
struct Part {
    orders: Vec<NewOrder>,
    places: Vec<usize>,
}

impl Part {
    fn of(shard: usize, shards: usize, orders: &[NewOrder]) -> Self {
        let is_its = |order: &NewOrder| shard_of(order.contract.period, shards) == shard;
        let (places, orders) = orders.iter().enumerate().filter(|(_, order)| is_its(order)).unzip();
        Self { places, orders }
    }

    fn touches(&self) -> bool {
        !self.orders.is_empty()
    }

    fn place<M: FileMarket>(&self, shard: &mut Shard<M>) -> Result<Vec<Event>, BasketRefused> {
        if !self.touches() {
            return Ok(Vec::new());
        }
        shard.basket(&self.orders).map_err(|refused| BasketRefused { at: self.places[refused.at], ..refused })
    }
}

/// The events of the parts in the order of the whole: the trades of the orders as they are written, then by period those of what is
/// matched again.
fn merge(orders: &[NewOrder], shards: usize, events: Vec<Vec<Event>>) -> Vec<Event> {
    let mut queues: Vec<VecDeque<Event>> = events.into_iter().map(VecDeque::from).collect();
    let mut merged = Vec::new();
    for order in orders {
        let queue = &mut queues[shard_of(order.contract.period, shards)];
        let mut filled = Energy::ZERO;
        // Each order traded whole.
        while filled < order.energy
            && let Some(event) = queue.pop_front()
        {
            if let Event::Trade(trade) = &event {
                filled += trade.energy;
            }
            merged.push(event);
        }
    }
    let mut rest: Vec<Event> = queues.into_iter().flatten().collect();
    rest.sort_by_key(|event| match event {
        Event::Trade(trade) => Some(trade.period),
        _ => None,
    });
    merged.append(&mut rest);
    merged
}

//! Which orders may still rest, in which delivery period, and whose they are.

use std::collections::HashMap;

use gridbook_engine::{AccountId, DeliveryPeriod, Event, MeterId};

/// Where an order is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) account: AccountId,
    pub(super) meter: MeterId,
    /// A block's first.
    pub(super) period: DeliveryPeriod,
}

/// The orders that came in and are not known to be gone.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_id: HashMap<u64, Route>,
    /// By account, in the order of the file; those that are gone are taken out once in a while.
    of_account: Vec<OfAccount>,
}

#[derive(Debug, Default)]
struct OfAccount {
    ids: Vec<u64>,
    /// How many of them are not known to be gone.
    here: usize,
}

impl Routes {
    /// Notes an order that comes in.
    pub(super) fn add(&mut self, id: u64, route: Route) {
        let account = route.account.0 as usize;
        if self.of_account.len() <= account {
            self.of_account.resize_with(account + 1, OfAccount::default);
        }
        self.by_id.insert(id, route);
        let Self { by_id, of_account } = self;
        let orders = &mut of_account[account];
        orders.ids.push(id);
        orders.here += 1;
        // Half of them gone at least, so each is moved at most once on average.
        if orders.ids.len() > 2 * orders.here + 16 {
            orders.ids.retain(|id| by_id.contains_key(id));
        }
    }

    pub(super) fn find(&self, id: u64) -> Option<&Route> {
        self.by_id.get(&id)
    }

    /// Forgets an order that was refused.
    pub(super) fn remove(&mut self, id: u64) {
        if let Some(route) = self.by_id.remove(&id) {
            self.of_account[route.account.0 as usize].here -= 1;
        }
    }

    /// Forgets the orders that an event takes out.
    pub(super) fn note(&mut self, event: &Event) {
        each_gone(event, |id| self.remove(id));
    }

    /// The orders of an account, or of one of its meters, that are not known to be gone, in the order of the file.
    pub(super) fn of(&self, account: AccountId, meter: Option<MeterId>) -> Vec<u64> {
        let ids = self.of_account.get(account.0 as usize).map_or(&[][..], |orders| &orders.ids);
        let is_meant = |id: &&u64| self.find(**id).is_some_and(|route| meter.is_none_or(|meter| meter == route.meter));
        ids.iter().filter(is_meant).copied().collect()
    }
}

/// Tells the orders that rest no longer after an event.
pub(super) fn each_gone(event: &Event, mut gone: impl FnMut(u64)) {
    match event {
        Event::Trade(trade) => {
            for (order, remaining) in [(&trade.maker, trade.maker_remaining), (&trade.taker, trade.taker_remaining)] {
                if remaining.is_zero() {
                    gone(order.tag.0);
                }
            }
        }
        Event::Reduced { order, remaining } | Event::Filled { order, remaining, .. } => {
            if remaining.is_zero() {
                gone(order.tag.0);
            }
        }
        Event::Dropped { order, .. }
        | Event::Cancelled { order, .. }
        | Event::Expired { order, .. }
        | Event::Block { order, .. } => gone(order.tag.0),
        Event::Rested { .. } | Event::Cleared { .. } | Event::Flow { .. } | Event::Overload { .. } => {}
    }
}

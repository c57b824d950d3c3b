//! What must hold in every market whatever is thrown at it: energy is conserved, nobody trades beyond a limit or with
//! himself, and whoever has priority goes first. (That no trade is beyond a limit is checked by the limits themselves.)
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "support/repeatable.rs"]
mod repeatable;
mod support;

use std::collections::BTreeMap;

use gridbook_engine::{Engine, Event, Network, OrderTag, RestingOrder, Side, TimeInForce, Trade};
use proptest::prelude::*;
use support::accounts::Accounts;
use support::stream::{AREAS, Command, Stream, rules};

proptest! {
    #![proptest_config(repeatable::cases(48))]

    #[test]
    fn every_watt_hour_reserved_is_filled_released_or_resting(seed: u64) {
        let mut market = Market::new(seed);
        for _ in 0..400 {
            market.step();
            market.check_books();
        }
    }
}

struct Market {
    stream: Stream,
    engine: Engine,
    accounts: Accounts,
    handles: Vec<(gridbook_engine::OrderId, gridbook_engine::MeterId)>,
}

impl Market {
    fn new(seed: u64) -> Self {
        let engine = Engine::new(rules(), Network::islands(AREAS)).unwrap();
        Self { stream: Stream::new(seed), engine, accounts: Accounts::new(500), handles: Vec::new() }
    }

    fn step(&mut self) {
        let Self { stream, engine, accounts, handles } = self;
        let mut events = Vec::new();
        let before: Vec<RestingOrder> = engine.resting().collect();
        let now = engine.now();
        let recent = |ago: u64| handles.iter().rev().nth(ago as usize).copied();
        match stream.next() {
            Command::Advance(now) => engine.advance(now),
            Command::Close(contract) => engine.close(contract),
            Command::Sweep(max) => drop(engine.sweep(max, accounts, &mut events)),
            Command::Cancel { order } => {
                let Some((id, meter)) = recent(order) else { return };
                let _ = engine.cancel(id, meter, accounts, &mut events);
            }
            Command::Reduce { order, by } => {
                let Some((id, meter)) = recent(order) else { return };
                let _ = engine.reduce(id, meter, by, accounts, &mut events);
            }
            Command::Replace { order, price, energy } => {
                let Some((id, meter)) = recent(order) else { return };
                if let Ok(Some(id)) = engine.replace(id, meter, price, energy, accounts, &mut events) {
                    handles.push((id, meter));
                }
            }
            Command::Place(order) => {
                let result = engine.place(order, accounts, &mut events);
                if let Ok(Some(id)) = result {
                    handles.push((id, order.meter));
                }
                let traded: u64 = trades(&events).map(|trade| trade.energy.0).sum();
                if order.time_in_force == TimeInForce::FillOrKill {
                    let all = if result.is_ok() { order.energy.0 } else { 0 };
                    assert_eq!(traded, all, "all or nothing");
                }
            }
            Command::Mark | Command::Rollback | Command::Forget | Command::Steal { .. } => return,
        }
        let alive = |order: &RestingOrder| order.until.is_none_or(|until| until > now);
        check_priority(before.into_iter().filter(alive).collect(), &events);
    }

    /// Energy is conserved order by order, and no executable pair rests.
    fn check_books(&self) {
        let mut resting: BTreeMap<OrderTag, u64> = BTreeMap::new();
        for order in self.engine.resting() {
            assert!(!order.remaining.is_zero(), "no order of nothing rests");
            *resting.entry(order.terms.tag).or_default() += order.remaining.0;
        }
        for (tag, account) in &self.accounts.by_tag {
            assert_eq!(account.held(), resting.get(tag).copied().unwrap_or(0), "{tag:?}: {account:?}");
        }
        let now = self.engine.now();
        let alive: Vec<_> = self.engine.resting().filter(|order| order.until.is_none_or(|until| until > now)).collect();
        for (bid, ask) in alive.iter().flat_map(|bid| alive.iter().map(move |ask| (bid, ask))) {
            let sides = (bid.terms.side, ask.terms.side) == (Side::Buy, Side::Sell);
            let compatible = bid.terms.contract == ask.terms.contract && bid.terms.account != ask.terms.account;
            assert!(!(sides && compatible && bid.terms.price >= ask.terms.price), "{bid:?} should have met {ask:?}");
        }
    }
}

fn trades(events: &[Event]) -> impl Iterator<Item = &Trade> {
    events.iter().filter_map(|event| if let Event::Trade(trade) = event { Some(trade) } else { None })
}

/// Each maker must have been the best of all that the taker could have met, at its own price.
fn check_priority(mut book: Vec<RestingOrder>, events: &[Event]) {
    for trade in trades(events) {
        assert_ne!(trade.maker.account, trade.taker.account, "no self-trade");
        let side = trade.taker_side.opposite();
        let goodness = |order: &RestingOrder| match side {
            Side::Buy => i64::from(order.terms.price.0),
            Side::Sell => -i64::from(order.terms.price.0),
        };
        let could_meet = |order: &&mut RestingOrder| {
            order.terms.contract == trade.maker_contract()
                && order.terms.side == side
                && order.terms.account != trade.taker.account
                && !order.remaining.is_zero()
        };
        let best = book
            .iter_mut()
            .filter(could_meet)
            .min_by_key(|order| (-goodness(order), order.priority))
            .expect("a maker rested before");
        assert_eq!((best.order.id, best.terms.price), (trade.maker.id, trade.price), "price, then time");
        best.remaining -= trade.energy;
        assert_eq!(best.remaining, trade.maker_remaining);
    }
}

//! Two accounts that keep bids and asks on both sides of an edge trade to and fro, each trade making room for the next. No single command
//! may be made to work that off.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use gridbook_engine::reference::Reference;
use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Edge, Energy, Engine, Event, LedgerTime, Market, MarketRules, MeterId,
    Network, NewOrder, OrderTag, Price, REMATCH_TRADES_MAX, Side, Unlimited,
};

/// ```text
///   area 0                          area 1
///   bid | price | ask               bid | price | ask
///       |  10   | account 1             |  10   | account 2     capacity between: none yet
///  acc1 |  20   |                  acc2 |  20   |               1,000 Wh each
/// ```
fn to_and_fro<M: Market>(mut market: M) -> (M, Vec<Event>) {
    let mut events = Vec::new();
    let mut tag = 0;
    for (area, account) in [(0, 1), (1, 2)] {
        for (side, price) in [(Side::Sell, 10), (Side::Buy, 20)] {
            tag += 1;
            let contract = Contract { period: DeliveryPeriod(0), area: AreaId(area) };
            let (account, meter) = (AccountId(account), MeterId(account));
            let order = NewOrder::limit(OrderTag(tag), account, meter, contract, side, Price(price), Energy(1_000));
            market.place(order, &mut Unlimited, &mut events).unwrap();
        }
    }
    events.clear();
    market.set_capacity(AreaId(1), DeliveryPeriod(0), Energy(1), Energy(0), &mut Unlimited, &mut events).unwrap();
    (market, events)
}

fn network() -> Network {
    let (up, down) = (Energy::ZERO, Energy::ZERO);
    let (fee_up, fee_down) = (Price(0), Price(0));
    Network::new(2, 1, &[Edge { child: AreaId(1), parent: AreaId(0), up, down, fee_up, fee_down }]).unwrap()
}

fn trades(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Trade(_))).count()
}

#[test]
fn what_trades_to_and_fro_over_an_edge_is_worked_off_in_pieces() {
    let rules = MarketRules { tick: 1, ..MarketRules::without_gates() };
    let (mut engine, mut told) = to_and_fro(Engine::new(rules, network()).unwrap());
    let (mut reference, same) = to_and_fro(Reference::new(rules, network()).unwrap());
    assert_eq!((trades(&told), trades(&same)), (REMATCH_TRADES_MAX, REMATCH_TRADES_MAX));
    assert_eq!(engine.digest(), reference.digest());
    assert_eq!(Market::next_due(&engine), Some(LedgerTime(0)), "the rest is due");

    let image = engine.image();
    let mut copy = Engine::from_image(rules, network(), image).unwrap();
    let mut pieces = 0;
    while engine.sweep(1, &mut Unlimited, &mut told) == 1 {
        reference.sweep(1, &mut Unlimited, &mut Vec::new());
        copy.sweep(1, &mut Unlimited, &mut Vec::new());
        assert_eq!(engine.digest(), reference.digest());
        assert_eq!(engine.digest(), copy.digest());
        pieces += 1;
    }
    // 1,000 Wh go up and 1,000 Wh come down, one by one.
    assert_eq!((trades(&told), pieces), (2_000, 2_000_usize.div_ceil(REMATCH_TRADES_MAX) - 1));
    assert_eq!((engine.orders_open(), engine.next_due()), (0, None));
}

#[test]
fn undoing_takes_back_that_something_was_left() {
    let rules = MarketRules { tick: 1, ..MarketRules::without_gates() };
    let (mut engine, _) = to_and_fro(Engine::new(rules, network()).unwrap());
    let (before, mark) = (engine.digest(), engine.mark());
    while engine.sweep(1, &mut Unlimited, &mut Vec::new()) == 1 {}
    engine.rollback(mark);
    assert_eq!(engine.digest(), before);
    assert_eq!(engine.sweep(1, &mut Unlimited, &mut Vec::new()), 1);
}

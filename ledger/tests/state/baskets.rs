//! Baskets: all or none.

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, Money};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::record::Outcome;
use gridbook_ledger::reject::Code;

use crate::town::{PERIOD, Town, buy, fill_or_kill, refusal, sell, trades};

/// The same order a quarter-hour later.
fn later(command: Command) -> Command {
    match command {
        Command::Place(place) => Command::Place(Place { period: DeliveryPeriod(PERIOD.0 + 1), ..place }),
        other => other,
    }
}

fn basket(orders: &[Command]) -> Vec<Command> {
    let count = u16::try_from(orders.len()).unwrap();
    [&[Command::Basket { count }], orders].concat()
}

/// A battery that wants to charge now and discharge later needs both, or neither. Its trades are the basket's.
#[test]
fn a_basket_over_two_periods_is_carried_out_whole() {
    let mut town = Town::of(2);
    town.meter(1, vec![sell(1, 100, 50), later(buy(2, 300, 50))]);
    let orders = [fill_or_kill(buy(1, 100, 50)), later(fill_or_kill(sell(2, 300, 50)))];
    let records = town.meter(0, [&basket(&orders)[..], &[buy(3, 1, 1)]].concat());
    assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
    let names: Vec<u64> = trades(&records[0]).iter().map(|trade| trade.taker.client_id).collect();
    assert_eq!((names, records[1].events.len(), records[2].events.len()), (vec![1, 2], 0, 0));
    assert_eq!(records.iter().map(|record| record.client_id).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(town.refused(0, buy(2, 1, 1)), Code::MatchDuplicate, "their names are used");
    assert_eq!(town.state.totals().orders, 5);
}

/// The second leg is not to be had: the first must not happen either, and everybody is told which was at fault.
#[test]
fn a_basket_of_which_one_order_fails_does_nothing() {
    let mut town = Town::of(2);
    town.meter(1, vec![sell(1, 100, 50), later(buy(2, 300, 49))]);
    let before = town.substance();
    let orders = [fill_or_kill(buy(1, 100, 50)), later(fill_or_kill(sell(2, 300, 50))), fill_or_kill(buy(3, 100, 1))];
    let records = town.meter(0, basket(&orders));
    let codes: Vec<_> = records.iter().map(refusal).collect();
    let failed = Some(Code::MatchFillOrKill);
    assert_eq!(codes, [failed, Some(Code::MatchBasket), failed, Some(Code::MatchBasket)]);
    assert!(records.iter().all(|record| record.events.is_empty()));
    assert_eq!(town.substance(), before);
    assert_eq!(town.meter(0, basket(&orders[..1]))[1].outcome, Outcome::Done, "its names are free");
}

/// Two orders of one name, one of a used name, one of too much money: refused before or after matching, never half done.
#[test]
fn a_basket_with_a_bad_order_is_refused_with_its_reason() {
    let mut town = Town::of(2);
    town.done(1, sell(1, 1_000, 1_000));
    town.done(0, buy(9, 1, 1));
    town.operator(vec![Command::Withdraw { account: AccountId(0), amount: Money(100_000) }]);
    let order = |name, energy| fill_or_kill(buy(name, 1_000, energy));
    for (orders, at, code) in [
        ([order(1, 1), order(1, 1)], 2, Code::MatchDuplicate),
        ([order(1, 1), order(9, 1)], 2, Code::MatchDuplicate),
        ([order(1, 600), order(2, 350)], 2, Code::CreditMoney),
        ([order(1, 0), order(2, 1)], 1, Code::FormZeroEnergy),
    ] {
        let before = town.substance();
        let records = town.meter(0, basket(&orders));
        assert_eq!((refusal(&records[0]), refusal(&records[at])), (Some(code), Some(code)));
        assert_eq!(refusal(&records[3 - at]), Some(Code::MatchBasket));
        assert_eq!(town.substance(), before);
    }
    assert_eq!(town.state.position(gridbook_engine::MeterId(0), PERIOD).bought, Energy(0));
}

/// The operator does not trade: the head and all that follows it get the same answer.
#[test]
fn a_basket_of_the_operator_is_refused() {
    let mut town = Town::of(1);
    let records = town.operator(basket(&[fill_or_kill(buy(1, 1, 1))]));
    assert_eq!(records.iter().map(refusal).collect::<Vec<_>>(), [Some(Code::AuthRole), Some(Code::AuthRole)]);
}

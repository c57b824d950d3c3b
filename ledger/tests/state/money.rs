//! Where the money goes. Accounts are drawn as (balance, reserved).

use gridbook_engine::{AccountId, Money};
use gridbook_ledger::command::Command;
use gridbook_ledger::record::{Outcome, Purse, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::{State, SystemAccount};

use crate::town::{CONTRACT, Town, before, buy, delivered, sell};

fn system(town: &Town) -> (i128, i128) {
    let of = |account| town.state.system_account(account).balance.0;
    (of(SystemAccount::Issuer), of(SystemAccount::Clearing))
}

/// Two neighbours, one trade, one period delivered.
///
/// | moment         | 0 buys          | 1 sells        | issuer     | clearing |
/// |----------------|-----------------|----------------|------------|----------|
/// | start          | 1,000,000, 0    | 1,000,000, 0   | -2,000,000 | 0        |
/// | 0 bids 250x100 | 1,000,000, 25,000 |              |            |          |
/// | 1 hits it      | 975,000, 0      |                |            | 25,000   |
/// | settled        |                 | 1,025,000, 0   |            | 0        |
#[test]
fn a_trade_is_paid_at_once_and_received_when_it_is_delivered() {
    let mut town = Town::of(2);
    assert_eq!((town.purse(0), town.purse(1), system(&town)), ((1_000_000, 0), (1_000_000, 0), (-2_000_000, 0)));
    town.done(0, buy(1, 250, 100));
    assert_eq!(town.purse(0), (1_000_000, 25_000));
    town.done(1, sell(1, 200, 100));
    assert_eq!((town.purse(0), town.purse(1), system(&town)), ((975_000, 0), (1_000_000, 0), (-2_000_000, 25_000)));
    assert_eq!(town.time(delivered()), Outcome::Done);
    let records = town.work_all(100);
    let settled = records.iter().flat_map(|record| &record.events).filter_map(|event| match event {
        RecordEvent::MeterSettled(settled) => Some((settled.contract, settled.account, settled.trades)),
        _ => None,
    });
    let settled: Vec<_> = settled.collect();
    assert_eq!(settled, [(CONTRACT, AccountId(0), Money(0)), (CONTRACT, AccountId(1), Money(25_000))]);
    assert_eq!((town.purse(0), town.purse(1), system(&town)), ((975_000, 0), (1_025_000, 0), (-2_000_000, 0)));
    assert_eq!(town.state.money_sum(), Money::ZERO);
}

/// A buyer bids 300, meets an ask of 200, and must have the difference back to spend at once.
#[test]
fn what_a_better_price_saves_is_free_again() {
    let mut town = Town::of(2);
    town.done(1, sell(1, 200, 60));
    town.done(0, buy(1, 300, 100));
    assert_eq!(town.purse(0), (1_000_000 - 60 * 200, 40 * 300));
}

/// A plant that cannot stop pays to be rid of its energy.
#[test]
fn at_a_negative_price_the_seller_pays_and_the_buyer_receives() {
    let mut town = Town::of(2);
    town.done(1, sell(1, -50, 100));
    assert_eq!(town.purse(1), (1_000_000, 5_000), "the seller covers what he may have to pay");
    town.done(0, buy(1, -20, 100));
    assert_eq!((town.purse(0), town.purse(1)), ((1_000_000, 0), (995_000, 0)));
    town.time(delivered());
    town.work_all(100);
    assert_eq!((town.purse(0), town.purse(1)), ((1_005_000, 0), (995_000, 0)));
}

/// Energy given away moves no money and leaves nothing to settle but the period.
#[test]
fn a_trade_at_zero_owes_nobody() {
    let mut town = Town::of(2);
    town.done(1, sell(1, 0, 100));
    town.done(0, buy(1, 0, 100));
    town.time(delivered());
    let records = town.work_all(100);
    let moved = |event: &RecordEvent| match event {
        RecordEvent::MeterSettled(settled) => settled.trades + settled.own_trades + settled.rest,
        RecordEvent::AreaSettled(settled) => settled.upstream + settled.losses + settled.surplus,
        other => panic!("{other:?}"),
    };
    assert!(records.iter().flat_map(|record| &record.events).all(|event| moved(event) == Money::ZERO));
    assert_eq!((town.purse(0), town.purse(1)), ((1_000_000, 0), (1_000_000, 0)));
}

/// 1,000,000 buys 1,000 Wh at 1,000: not one watt-hour more, over all open orders together.
#[test]
fn nobody_buys_without_money() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 1_000, 999));
    assert_eq!(town.refused(0, buy(2, 1_001, 1)), Code::CreditMoney);
    town.done(0, buy(3, 1_000, 1));
    assert_eq!(town.purse(0), (1_000_000, 1_000_000));
    town.done(0, Command::Cancel { client_id: 1 });
    assert_eq!(town.purse(0), (1_000_000, 1_000));
}

/// Whoever pulls his money out from under his open orders would leave the sellers unpaid.
#[test]
fn only_free_money_can_be_withdrawn() {
    let mut town = Town::of(1);
    town.done(0, buy(1, 100, 100));
    let withdraw = |amount| Command::Withdraw { account: AccountId(0), amount: Money(amount) };
    let refused = town.operator(vec![withdraw(990_001)]);
    assert_eq!(refused[0].outcome, Outcome::Rejected(Code::CreditMoney));
    let done = town.operator(vec![withdraw(990_000)]);
    let (from, to) = (Purse::Account(AccountId(0)), Purse::Outside);
    assert_eq!(done[0].events, [RecordEvent::Posted { from, to, amount: Money(990_000) }]);
    assert_eq!((town.purse(0), system(&town)), ((10_000, 10_000), (-10_000, 0)));
}

/// A seller's proceeds are his when the period is over, not before: they cannot be spent twice.
#[test]
fn proceeds_are_not_there_before_delivery() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 1_000, 1_000));
    town.done(1, sell(1, 1_000, 1_000));
    assert_eq!(town.time(before(1)), Outcome::Done);
    town.work_all(100);
    assert_eq!((town.purse(0), town.purse(1)), ((0, 0), (1_000_000, 0)));
}

/// A bank pays in billions of billions, again and again. Before there is more than a snapshot can hold it is refused, so that whoever starts from
/// one starts.
#[test]
fn more_money_than_a_snapshot_holds_is_never_in_circulation() {
    let mut town = Town::of(1);
    let amount = gridbook_ledger::command::AMOUNT_MAX;
    let deposits = vec![Command::Deposit { account: AccountId(0), amount }; 400];
    let records = town.operator(deposits);
    let refused = records.iter().filter(|record| record.outcome == Outcome::Rejected(Code::CreditCirculation)).count();
    assert_eq!(refused, 400 - usize::try_from((1_i128 << 98) / amount.0).unwrap());
    let mut state = State::restore(&town.genesis, &town.state.snapshot()).expect("it holds");
    assert_eq!(state.state_root(), town.state.state_root());
    town.operator(vec![Command::Withdraw { account: AccountId(0), amount }]);
    assert_eq!(town.operator(vec![Command::Deposit { account: AccountId(0), amount }])[0].outcome, Outcome::Done);
}

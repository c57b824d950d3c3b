//! Orders by name, headroom, and what the books do with them.

use gridbook_engine::{AccountId, AreaId, Energy, MeterId, Price, Side, TimeInForce};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::record::{Outcome, RecordEvent, Trade};
use gridbook_ledger::reject::Code;

use crate::town::{PERIOD, Town, before, buy, order, register, sell};

fn open(town: &Town, meter: u32) -> Vec<(u64, u64)> {
    let orders = town.state.open_orders(MeterId(meter));
    orders.iter().map(|order| (order.client_id, order.remaining.0)).collect()
}

/// A connection carries 1,000 Wh a quarter-hour, whatever is promised to how many.
#[test]
fn resting_and_sold_energy_together_stay_within_the_connection() {
    let mut town = Town::of(2);
    town.done(0, sell(1, 100, 600));
    town.done(1, buy(1, 100, 500));
    assert_eq!(town.refused(0, sell(2, 100, 401)), Code::CreditHeadroom);
    town.done(0, sell(3, 100, 400));
    assert_eq!(town.refused(0, sell(4, 100, 1)), Code::CreditHeadroom);
    let position = town.state.position(MeterId(0), PERIOD);
    assert_eq!((position.resting_sells, position.sold), (Energy(500), Energy(500)));
}

/// Whoever bought 500 may sell 500 more than his own connection gives.
#[test]
fn what_was_bought_can_be_sold_on() {
    let mut town = Town::of(2);
    town.done(1, sell(1, 100, 500));
    town.done(0, buy(1, 100, 500));
    town.done(0, sell(2, 110, 1_500));
    assert_eq!(town.refused(0, sell(3, 110, 1)), Code::CreditHeadroom);
}

/// An energy near the end of all numbers must not wrap around into the connection's limit.
#[test]
fn absurd_energies_are_refused_and_overflow_nothing() {
    let mut town = Town::of(1);
    assert_eq!(town.refused(0, sell(1, 100, u64::MAX)), Code::CreditHeadroom);
    town.done(0, sell(2, 100, 1));
    assert_eq!(town.refused(0, sell(3, 100, u64::MAX)), Code::CreditHeadroom);
    assert_eq!(town.refused(0, buy(4, i32::MAX, 1)), Code::FormPriceLimit);
}

/// A household with two meters does not trade with itself; the neighbour behind gets the trade.
#[test]
fn an_order_skips_those_of_its_own_account() {
    let mut town = Town::of(2);
    town.operator(vec![register(2, AccountId(0), AreaId(0))]);
    town.done(0, sell(1, 100, 10));
    town.done(1, sell(1, 110, 10));
    let record = town.done(2, buy(1, 120, 10));
    let RecordEvent::Trade(Trade { maker, price, .. }) = record.events[0] else { panic!("{record:?}") };
    assert_eq!((maker.meter, price), (MeterId(1), Price(110)));
    assert_eq!((open(&town, 0), open(&town, 1), open(&town, 2)), (vec![(1, 10)], vec![], vec![]));
}

/// The same order comes in over two gateways in two bundles: it is executed once, also after it is filled or cancelled.
#[test]
fn a_client_id_stands_for_one_order() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 100, 10));
    assert_eq!(town.refused(0, buy(1, 100, 10)), Code::MatchDuplicate);
    town.done(1, sell(1, 100, 10));
    assert_eq!(town.refused(0, buy(1, 100, 10)), Code::MatchDuplicate);
    assert_eq!(town.refused(1, sell(1, 100, 10)), Code::MatchDuplicate);
    town.done(0, buy(2, 100, 10));
    town.done(0, Command::Cancel { client_id: 2 });
    assert_eq!(town.refused(0, buy(2, 100, 10)), Code::MatchDuplicate);
    town.time(before(5));
    town.work_all(1);
    let next = Place { period: gridbook_engine::DeliveryPeriod(PERIOD.0 + 1), ..order(1, Side::Buy, 100, 10) };
    town.done(0, Command::Place(next));
}

/// An order that was refused has no name: the corrected one may use it.
#[test]
fn a_refused_order_does_not_use_its_client_id_up() {
    let mut town = Town::of(1);
    assert_eq!(town.refused(0, buy(1, 100, 0)), Code::FormZeroEnergy);
    town.done(0, buy(1, 100, 1));
}

/// Cancelling a stranger's, a filled, an unknown and a cancelled order: all the same to the sender.
#[test]
fn only_ones_own_open_orders_can_be_named() {
    let mut town = Town::of(3);
    town.done(0, buy(1, 100, 10));
    town.done(1, buy(2, 90, 10));
    town.done(2, sell(3, 100, 10));
    for client_id in [1, 2, 3, 4] {
        let (by, price, energy) = (Energy(1), Price(95), Energy(1));
        for command in [
            Command::Cancel { client_id },
            Command::Reduce { client_id, by },
            Command::Replace { client_id, price, energy },
        ] {
            assert_eq!(town.refused(0, command), Code::MatchUnknownOrder);
        }
    }
    assert_eq!(open(&town, 1), [(2, 10)]);
}

/// Less of an order frees its money and its headroom; nothing of it frees all.
#[test]
fn a_reduced_order_reserves_less() {
    let mut town = Town::of(1);
    town.done(0, buy(1, 100, 1_000));
    town.done(0, Command::Reduce { client_id: 1, by: Energy(400) });
    assert_eq!((open(&town, 0), town.purse(0)), (vec![(1, 600)], (1_000_000, 60_000)));
    town.done(0, buy(2, 100, 400));
    town.done(0, Command::Reduce { client_id: 1, by: Energy(600) });
    assert_eq!((open(&town, 0), town.purse(0)), (vec![(2, 400)], (1_000_000, 40_000)));
    assert_eq!(town.refused(0, Command::Reduce { client_id: 1, by: Energy(1) }), Code::MatchUnknownOrder);
}

/// All the money lies in the old order: the new one may count on it, and if it is still too dear the old one stays.
#[test]
fn a_replacement_counts_what_the_old_order_frees() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 1_000, 1_000));
    let replace = |price, energy| Command::Replace { client_id: 1, price: Price(price), energy: Energy(energy) };
    assert_eq!(town.refused(0, replace(1_001, 1_000)), Code::CreditMoney);
    assert_eq!(open(&town, 0), [(1, 1_000)]);
    town.done(0, replace(2_000, 500));
    assert_eq!((open(&town, 0), town.purse(0)), (vec![(1, 500)], (1_000_000, 1_000_000)));
    town.done(1, sell(1, 1_500, 200));
    assert_eq!(open(&town, 0), [(1, 300)]);
    town.done(1, sell(2, 1_900, 300));
    assert_eq!((open(&town, 0), open(&town, 1)), (vec![], vec![]), "filled, and its name knows");
}

/// A replacement that trades away at once is open no more, under its old name too.
#[test]
fn a_replacement_that_is_filled_leaves_no_order() {
    let mut town = Town::of(2);
    town.done(0, buy(1, 100, 10));
    town.done(1, sell(1, 150, 10));
    let record = town.done(0, Command::Replace { client_id: 1, price: Price(150), energy: Energy(10) });
    assert!(matches!(record.events[..], [RecordEvent::Trade { .. }]), "{record:?}");
    assert_eq!((open(&town, 0), open(&town, 1)), (vec![], vec![]));
    assert_eq!(town.refused(0, Command::Cancel { client_id: 1 }), Code::MatchUnknownOrder);
}

/// A phone is stolen: one command from any meter of the account takes everything of the account out, and of nobody else.
#[test]
fn the_kill_switch_takes_out_all_orders_of_the_account_and_no_others() {
    let mut town = Town::of(2);
    town.operator(vec![register(2, AccountId(0), AreaId(1))]);
    town.done(0, buy(1, 100, 10));
    town.done(0, buy(2, 101, 10));
    town.done(1, buy(1, 102, 10));
    let south = Place { area: AreaId(1), ..order(7, Side::Sell, 500, 10) };
    town.done(2, Command::Place(south));
    let record = town.done(2, Command::CancelAllOfAccount);
    let name = |event: &RecordEvent| match event {
        RecordEvent::Cancelled { order, .. } => (order.meter.0, order.client_id),
        other => panic!("{other:?}"),
    };
    let named: Vec<_> = record.events.iter().map(name).collect();
    assert_eq!(named, [(0, 1), (0, 2), (2, 7)]);
    assert_eq!((open(&town, 0), open(&town, 1), open(&town, 2)), (vec![], vec![(1, 10)], vec![]));
    assert_eq!(town.purse(0), (1_000_000, 0));
}

/// Cancel-all is one meter's; the account's other meters go on.
#[test]
fn cancel_all_leaves_the_accounts_other_meters_alone() {
    let mut town = Town::of(1);
    town.operator(vec![register(1, AccountId(0), AreaId(0))]);
    town.done(0, buy(1, 100, 10));
    town.done(1, buy(1, 100, 10));
    town.done(0, Command::CancelAll);
    assert_eq!((open(&town, 0), open(&town, 1)), (vec![], vec![(1, 10)]));
}

/// Fill-or-kill, immediate-or-cancel, post-only: what does not rest holds no money.
#[test]
fn orders_that_do_not_rest_hold_nothing() {
    let mut town = Town::of(2);
    town.done(1, sell(1, 100, 10));
    let with = |time_in_force, post_only| Place { time_in_force, post_only, ..order(1, Side::Buy, 100, 20) };
    let kill = Command::Place(with(TimeInForce::FillOrKill, false));
    assert_eq!(town.refused(0, kill), Code::MatchFillOrKill);
    let post = Command::Place(with(TimeInForce::GoodTillGate, true));
    assert_eq!(town.refused(0, post), Code::MatchPostOnly);
    assert_eq!(town.purse(0), (1_000_000, 0));
    town.done(0, Command::Place(with(TimeInForce::ImmediateOrCancel, false)));
    assert_eq!((open(&town, 0), town.purse(0)), (vec![], (999_000, 0)));
}

/// A bundle is not all or nothing: each command has its own result under its own number.
#[test]
fn one_bad_command_does_not_take_the_bundle_down() {
    let mut town = Town::of(1);
    let records = town.meter(0, vec![buy(1, 100, 1), buy(2, 100, 0), buy(3, 100, 1)]);
    let outcomes: Vec<_> = records.iter().map(|record| (record.index, record.client_id, record.outcome)).collect();
    let rejected = Outcome::Rejected(Code::FormZeroEnergy);
    assert_eq!(outcomes, [(0, 1, Outcome::Done), (1, 2, rejected), (2, 3, Outcome::Done)]);
}

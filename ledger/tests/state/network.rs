//! Trades across edges: who pays the way, what fits through, and what the operator may say about it.

use gridbook_engine::{AccountId, AreaId, Contract, Direction, Energy, EnergySources, Money, Price, TradeKind};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::record::{Outcome, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::SystemAccount;

use crate::town::{CONTRACT, PERIOD, Town, at, before, buy, delivered, grid, grid_income, refusal, sell, trades};

/// Meter 0 in the north, 1 and 2 in the south, 3 in the north.
fn town() -> Town {
    Town::in_areas(grid(), &[1, 2, 2, 1])
}

fn flow(town: &Town, edge: u16) -> i64 {
    town.state.engine().edge(AreaId(edge), PERIOD).unwrap().flow
}

fn settle(town: &mut Town) {
    assert_eq!(town.time(delivered()), Outcome::Done);
    town.work_all(3);
    assert_eq!(town.state.money_sum(), Money::ZERO);
    assert_eq!(town.state.system_account(SystemAccount::Clearing).balance, Money::ZERO);
}

/// The north asks 200, the south bids 300, and the way up from the north and down to the south takes 10 + 40.
///
/// | moment  | north sells | south buys | north's edge | south's edge |
/// |---------|-------------|------------|--------------|--------------|
/// | traded  |             | -250 x 100 | 10 x 100     | 40 x 100     |
/// | settled | +200 x 100  |            |              |              |
#[test]
fn a_trade_across_two_edges_pays_seller_and_both_operators_to_the_nano() {
    let mut town = town();
    town.done(0, at(1, sell(1, 200, 100)));
    let record = town.done(1, at(2, buy(1, 300, 100)));
    let [trade] = trades(&record)[..] else { panic!("{record:?}") };
    assert_eq!((trade.maker_area, trade.taker_area, trade.kind), (AreaId(1), AreaId(2), TradeKind::Continuous));
    assert_eq!(
        (trade.price, trade.fee, trade.buyer_pays(), trade.seller_gets()),
        (Price(200), Price(50), Price(250), Price(200))
    );
    assert_eq!((town.purse(0), town.purse(1)), ((1_000_000, 0), (975_000, 0)));
    assert_eq!(grid_income(&town), (5_000, vec![(1_000, 0), (4_000, 0)]));
    assert_eq!((flow(&town, 1), flow(&town, 2)), (100, -100));
    settle(&mut town);
    assert_eq!((town.purse(0), town.purse(1)), ((1_020_000, 0), (975_000, 0)));
    assert_eq!(grid_income(&town).0, 5_000, "a delivered period takes nothing back");
}

/// Who comes to the other bears the fee: a seller who hits a bid gets less than the bid by it.
#[test]
fn a_seller_who_goes_to_a_remote_bid_bears_the_way() {
    let mut town = town();
    town.done(1, at(2, buy(1, 300, 100)));
    assert!(trades(&town.done(0, at(1, sell(1, 251, 100)))).is_empty(), "300 - 50 is less than 251");
    town.done(0, Command::Cancel { client_id: 1 });
    assert_eq!(trades(&town.done(0, at(1, sell(2, 250, 100)))).len(), 1);
    assert_eq!(town.purse(1), (970_000, 0));
    settle(&mut town);
    assert_eq!((town.purse(0), grid_income(&town).0), ((1_025_000, 0), 5_000));
}

/// The plant that cannot stop pays the buyer, and pays the way on top.
#[test]
fn at_a_negative_price_the_seller_pays_buyer_and_way() {
    let mut town = town();
    town.done(1, at(2, buy(1, -60, 100)));
    town.done(0, at(1, sell(1, -110, 100)));
    assert_eq!((town.purse(0), town.purse(1)), ((989_000, 0), (1_000_000, 0)));
    settle(&mut town);
    assert_eq!((town.purse(0), town.purse(1), grid_income(&town).0), ((989_000, 0), (1_006_000, 0), 5_000));
}

/// A price between zero and the fee: both sides pay in, and all of it is the grid's.
#[test]
fn a_fee_larger_than_the_price_is_paid_from_both_sides() {
    let mut town = town();
    town.done(1, at(2, buy(1, 20, 100)));
    town.done(0, at(1, sell(1, -30, 100)));
    assert_eq!((town.purse(0), town.purse(1)), ((997_000, 0), (998_000, 0)));
    settle(&mut town);
    assert_eq!((town.purse(0), town.purse(1), grid_income(&town).0), ((997_000, 0), (998_000, 0), 5_000));
}

/// The north's edge carries 300 Wh up: the fourth hundred stays in the north, for a neighbour to have.
#[test]
fn a_full_edge_lets_nothing_more_through() {
    let mut town = town();
    town.done(0, at(1, sell(1, 200, 400)));
    let record = town.done(1, at(2, buy(1, 300, 400)));
    assert_eq!(trades(&record)[0].energy, Energy(300));
    assert_eq!(record.events.len(), 2, "the rest of the bid waits beside an ask that cannot reach it");
    assert!(trades(&town.done(2, at(2, buy(1, 999, 1)))).is_empty());
    let neighbour = town.done(3, at(1, buy(1, 200, 100)));
    assert_eq!((trades(&neighbour)[0].energy, trades(&neighbour)[0].fee), (Energy(100), Price(0)));
    // What goes the other way makes room again.
    town.done(2, at(2, sell(9, 100, 50)));
    town.done(3, at(1, buy(2, 900, 50)));
    settle(&mut town);
}

/// Capacity is the operator's to say, and no meter's.
#[test]
fn more_capacity_matches_what_waited_and_less_undoes_nothing() {
    let mut town = town();
    town.done(0, at(1, sell(1, 200, 400)));
    town.done(1, at(2, buy(1, 300, 400)));
    let set = |up| Command::SetCapacity { area: AreaId(1), period: PERIOD, up: Energy(up), down: Energy(400) };
    assert_eq!(town.refused(0, set(400)), Code::AuthRole);
    let record = town.operator(vec![set(350)]).remove(0);
    let said = RecordEvent::CapacitySet { area: AreaId(1), period: PERIOD, up: Energy(350), down: Energy(400) };
    assert_eq!(record.events[0], said);
    let [trade] = trades(&record)[..] else { panic!("{record:?}") };
    assert_eq!((trade.energy, trade.price, trade.maker.meter.0), (Energy(50), Price(200), 0));
    assert_eq!(town.state.open_orders(trade.taker.meter)[0].remaining, Energy(50), "the bid still rests");
    let record = town.operator(vec![set(100)]).remove(0);
    let (direction, by) = (Direction::Up, Energy(250));
    assert_eq!(record.events[1..], [RecordEvent::Overload { area: AreaId(1), period: PERIOD, direction, by }]);
    town.done(1, Command::Cancel { client_id: 1 });
    settle(&mut town);
}

/// Whoever runs one small feeder would fill everybody's memory with the years to come: what is said of a period is kept until its gate. A week
/// before it opens is soon enough.
#[test]
fn a_capacity_that_makes_no_sense_is_refused() {
    let mut town = town();
    let set = |area, period, up| Command::SetCapacity { area: AreaId(area), period, up: Energy(up), down: Energy(1) };
    let started = gridbook_engine::DeliveryPeriod(crate::town::START);
    for (command, code) in [
        (set(9, PERIOD, 1), Code::FormArea),
        (set(0, PERIOD, 1), Code::FormEdge),
        (set(1, PERIOD, (1 << 60) + 1), Code::FormCapacity),
        (set(1, started, 1), Code::GateClosed),
        (set(1, gridbook_engine::DeliveryPeriod(PERIOD.0 + 15 * 96), 1), Code::GateNotOpen),
        (set(1, gridbook_engine::DeliveryPeriod(u32::MAX), 1), Code::GateNotOpen),
        (Command::PayAsBid { contract: Contract { area: AreaId(9), ..CONTRACT } }, Code::FormArea),
    ] {
        let before = town.state.snapshot_root();
        let record = town.operator(vec![command]).remove(0);
        assert_eq!(refusal(&record), Some(code), "{command:?}");
        assert_ne!(town.state.snapshot_root(), before, "its nonce is used");
        assert!(record.events.is_empty());
    }
}

/// Half an hour before delivery edges are closed to trade, while neighbours go on.
#[test]
fn the_gate_across_edges_comes_first() {
    let mut town = town();
    town.done(0, at(1, sell(1, 200, 100)));
    town.time(before(30));
    assert!(trades(&town.done(1, at(2, buy(1, 300, 50)))).is_empty());
    assert_eq!(trades(&town.done(3, at(1, buy(1, 200, 50)))).len(), 1);
}

fn wishing(command: Command, wish: impl FnOnce(Place) -> Place) -> Command {
    match command {
        Command::Place(place) => Command::Place(wish(place)),
        other => other,
    }
}

/// Whoever wants solar gets solar or nothing; whoever stays at home or with a friend does so although others pay more.
#[test]
fn preferences_travel_with_the_order() {
    let mut town = town();
    let solar = |place| Place { sources: Some(EnergySources::SOLAR), ..place };
    let local = |place| Place { max_edges: Some(0), ..place };
    let friend = |place| Place { partner: Some(AccountId(3)), ..place };
    town.done(0, at(1, sell(1, 100, 10)));
    assert!(trades(&town.done(1, wishing(at(2, buy(1, 300, 10)), solar))).is_empty(), "the grid's mix is not solar");
    assert!(trades(&town.done(2, wishing(at(2, buy(1, 300, 10)), local))).is_empty(), "the south has nothing to sell");
    town.done(0, Command::Cancel { client_id: 1 });
    town.done(0, wishing(at(1, sell(2, 100, 10)), friend));
    let record = town.done(3, at(1, buy(1, 100, 10)));
    assert_eq!(trades(&record)[0].seller().client_id, 2);
    let record = town.done(0, wishing(at(1, sell(3, 100, 10)), solar));
    assert_eq!(trades(&record)[0].buyer().meter.0, 1);
}

/// A partner who is not there, or is oneself, would make an order that can never trade.
#[test]
fn a_partner_must_be_somebody_else() {
    let mut town = town();
    let with = |partner| wishing(at(1, sell(1, 100, 10)), |place| Place { partner: Some(AccountId(partner)), ..place });
    assert_eq!(town.refused(0, with(99)), Code::CreditAccount);
    assert_eq!(town.refused(0, with(0)), Code::FormPartner);
}

/// Of 100 Wh only 30 show at a time; all of it is covered and can be had.
#[test]
fn hidden_reserve_comes_up_clip_by_clip() {
    let mut town = town();
    let clip = |display| wishing(at(1, sell(1, 100, 100)), |place| Place { display: Energy(display), ..place });
    assert_eq!(town.refused(0, clip(100)), Code::FormDisplay);
    town.done(0, clip(30));
    let view = town.state.engine().view(Contract { area: AreaId(1), ..CONTRACT }, 9);
    assert_eq!(view.asks[0].energy, Energy(30));
    let record = town.done(3, at(1, buy(1, 100, 70)));
    assert_eq!(trades(&record).iter().map(|trade| trade.energy.0).collect::<Vec<_>>(), [30, 30, 10]);
    assert_eq!(town.state.open_orders(gridbook_engine::MeterId(0))[0].remaining, Energy(30));
    town.done(0, Command::Cancel { client_id: 1 });
}

/// A bid of the south that waits is reached by the north when the operator's capacity comes, also after a restart from a snapshot.
#[test]
fn capacities_flows_and_incomes_are_in_the_snapshot() {
    let mut town = town();
    town.done(0, at(1, sell(1, 200, 400)));
    town.done(1, at(2, buy(1, 300, 400)));
    let state = gridbook_ledger::state::State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    let mut again = Town { genesis: town.genesis.clone(), state, next_seq: town.next_seq, past: Vec::new() };
    assert_eq!(grid_income(&again), grid_income(&town));
    let more = Command::SetCapacity { area: AreaId(1), period: PERIOD, up: Energy(999), down: Energy(0) };
    assert_eq!(again.operator(vec![more]), town.operator(vec![more]));
    assert_eq!(again.state.snapshot_root(), town.state.snapshot_root());
    assert_eq!(flow(&again, 1), 400);
}

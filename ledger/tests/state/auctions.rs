//! Opening auctions and block orders: what collects in the call phase trades at its end, by `Time` and `Work` alone.

use gridbook_engine::{AreaId, BlockState, ClearingCase, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime};
use gridbook_engine::{MeterId, Money, Price, Side, TradeKind};
use gridbook_ledger::command::{Block, BlockPart, Command, Place, Reading};
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{Outcome, PartyRef, Record, RecordEvent};
use gridbook_ledger::registry::Plant;
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::state::State;

use crate::town::{
    CONTRACT, PERIOD, START, Town, at, buy, delivered, genesis, grid, grid_income, order, sell, trades, with_calls,
};

fn after_start(minutes: u64) -> LedgerTime {
    LedgerTime(DeliveryPeriod(START).starts_at(15).0 + minutes * 60_000)
}

/// Time comes, and with it the auction.
fn hold_auction(town: &mut Town) -> Record {
    assert_eq!(town.time(after_start(15)), Outcome::Done);
    let record = town.work(100);
    assert!(!town.state.has_work());
    record
}

fn name(meter: u32, client_id: u64) -> PartyRef {
    PartyRef { account: gridbook_engine::AccountId(meter), meter: MeterId(meter), client_id }
}

/// The auction clears at 400. In the same breath a sunny ask, which had to wait for it, meets a sunny bid at 450: the newer of two sales by
/// one panel. It delivers 10 of 20, and the newer is what was not delivered: 450 each, where the older would have cost 400.
///
/// ```text
///        bid        | price | ask
/// sunny m2:10       |  450  |
///                   |  420  | m0:10 sunny
///       m1:10       |  400  | m0:10
/// ```
#[test]
fn what_is_matched_after_an_auction_is_newer_than_the_auction() {
    let settlement = SettlementRules {
        short_price: Price(300),
        long_price: Price(20),
        short_price_cap: Price(1_000),
        long_price_floor: Price(-200),
        ..SettlementRules::metered()
    };
    let mut town = Town::in_areas(with_calls(Genesis { settlement, ..genesis() }), &[0; 3]);
    crate::certificates::install(&mut town, 0, Plant::of(EnergySources::SOLAR));
    let sunny = |side, price| Place { sources: Some(EnergySources::SOLAR), ..order(2, side, price, 10) };
    town.done(2, Command::Place(sunny(Side::Buy, 450)));
    town.done(0, Command::Place(sunny(Side::Sell, 420)));
    town.done(0, sell(1, 400, 10));
    town.done(1, buy(1, 400, 10));
    let record = hold_auction(&mut town);
    assert!(matches!(record.events[0], RecordEvent::Filled { price: Price(400), .. }), "{record:?}");
    assert_eq!(trades(&record)[0].price, Price(450));
    town.time(PERIOD.starts_at(15));
    town.work_all(100);
    let reading = |period, export| Reading {
        period: DeliveryPeriod(period),
        registers: Registers { import: 0, export, counter: period.into() },
    };
    town.done(0, Command::Reading(reading(PERIOD.0 - 1, 0)));
    town.time(delivered());
    town.done(0, Command::Reading(reading(PERIOD.0, 10)));
    town.time(LedgerTime(delivered().0 + settlement.reading_deadline_ms));
    let records = town.work_all(100);
    let panel = records.iter().flat_map(|record| &record.events).find_map(|event| match event {
        RecordEvent::MeterSettled(settled) if settled.meter == MeterId(0) => Some((settled.own_trades, settled.rest)),
        _ => None,
    });
    assert_eq!(panel, Some((Money(10 * 450), Money(0))));
}

/// Bids and asks that would have met wait for each other; nobody calls the auction, only the clock.
#[test]
fn a_contract_opens_with_an_auction_that_time_alone_brings() {
    let mut town = Town::in_areas(with_calls(genesis()), &[0, 0, 0]);
    let bought = town.done(0, buy(1, 300, 100));
    assert_eq!(bought.events, [RecordEvent::Rested { order: name(0, 1), remaining: Energy(100) }]);
    town.done(1, sell(1, 200, 60));
    town.done(2, sell(1, 400, 60));
    assert_eq!(town.state.next_due(), Some(after_start(15)));
    town.time(after_start(14));
    assert!(!town.state.has_work());
    let record = hold_auction(&mut town);
    let (contract, price) = (CONTRACT, Price(300));
    let filled = |order: PartyRef, energy, remaining| {
        let (energy, remaining) = (Energy(energy), Energy(remaining));
        let side = if order.meter == MeterId(0) { Side::Buy } else { Side::Sell };
        RecordEvent::Filled { order, side, contract, energy, price, remaining }
    };
    let cleared = |area, price, case| {
        let contract = Contract { area: AreaId(area), ..CONTRACT };
        RecordEvent::Cleared { contract, price, case }
    };
    let expected = [
        filled(name(0, 1), 60, 40),
        filled(name(1, 1), 60, 0),
        cleared(0, Some(price), ClearingCase::MarginalBuyer),
        cleared(1, None, ClearingCase::Empty),
    ];
    assert_eq!(record.events, expected);
    assert_eq!(town.purse(0), (1_000_000 - 60 * 300, 40 * 300));
    assert_eq!((town.state.totals().fills, town.state.totals().energy_wh), (2, 60));
    // Continuous trading has begun.
    let record = town.done(2, sell(2, 250, 40));
    assert_eq!(trades(&record)[0].price, Price(300));
    town.time(delivered());
    town.work_all(7);
    assert_eq!((town.purse(0), town.purse(1)), ((970_000, 0), (1_018_000, 0)));
}

/// The edge of the north carries 50 of the 100 Wh that the south wants.
///
/// | area  | price | pays or gets | |
/// |-------|-------|--------------|-|
/// | north | 100   | 50 x 100     | fees 50 x (10 + 40) = 2,500 |
/// | south | 300   | 50 x 300     | rent 50 x 200 - 2,500 = 7,500 |
#[test]
fn an_auction_over_a_full_edge_leaves_fee_and_rent_to_its_operators() {
    let mut town = Town::in_areas(with_calls(grid()), &[1, 2]);
    town.operator(vec![Command::SetCapacity { area: AreaId(1), period: PERIOD, up: Energy(50), down: Energy(50) }]);
    town.done(0, at(1, sell(1, 100, 100)));
    town.done(1, at(2, buy(1, 300, 100)));
    let record = hold_auction(&mut town);
    let flows = record.events.iter().filter(|event| matches!(event, RecordEvent::Flow { .. })).count();
    assert_eq!(flows, 2, "{record:?}");
    let (balance, edges) = grid_income(&town);
    assert_eq!((balance, edges.iter().map(|(fees, _)| fees).sum::<i128>()), (10_000, 2_500));
    assert_eq!(edges[0].0, 500);
    assert_eq!(town.purse(1), (985_000, 50 * 300));
    assert_eq!(town.state.engine().edge(AreaId(1), PERIOD).unwrap().flow, 50);
    town.time(delivered());
    town.work_all(7);
    assert_eq!((town.purse(0), town.purse(1)), ((1_005_000, 0), (985_000, 0)));
    assert_eq!(town.state.money_sum(), Money::ZERO);
}

fn block(client_id: u64, side: Side, price: i32, first: u32, energies: &[u64]) -> Vec<Command> {
    let parts = energies.chunks(7).zip(0..).map(|(chunk, number)| {
        let mut part = BlockPart { first: DeliveryPeriod(first + 7 * number), energies: [Energy(0); 7] };
        for (energy, wh) in part.energies.iter_mut().zip(chunk) {
            *energy = Energy(*wh);
        }
        Command::BlockPart(part)
    });
    let parts: Vec<Command> = parts.collect();
    let count = u16::try_from(parts.len()).unwrap();
    let head = Block { client_id, area: AreaId(0), side, price: Price(price), parts: count };
    [vec![Command::Block(head)], parts].concat()
}

fn next(command: Command) -> Command {
    match command {
        Command::Place(place) => {
            Command::Place(gridbook_ledger::command::Place { period: DeliveryPeriod(PERIOD.0 + 1), ..place })
        }
        other => other,
    }
}

/// A plant that runs for half an hour or not at all. Two meters use the same name for theirs: names are each meter's own.
#[test]
fn a_block_trades_in_all_its_periods_or_in_none() {
    let mut town = Town::in_areas(with_calls(genesis()), &[0, 0, 0]);
    let cheap = town.meter(0, block(7, Side::Sell, 100, PERIOD.0, &[50, 60]));
    assert_eq!(cheap[0].events, [RecordEvent::Rested { order: name(0, 7), remaining: Energy(110) }]);
    assert!(cheap.iter().all(|record| record.outcome == Outcome::Done) && cheap[1].events.is_empty());
    let dear = town.meter(1, block(7, Side::Sell, 290, PERIOD.0, &[50, 60]));
    assert_eq!(dear[0].outcome, Outcome::Done);
    assert_eq!(town.purse(0), (1_000_000, 110 * 500), "in one period it may get as little as the market allows");
    town.meter(2, vec![buy(1, 200, 50), next(buy(2, 200, 60))]);
    let record = hold_auction(&mut town);
    let told = |of: PartyRef| {
        let is_of = move |event: &&RecordEvent| match event {
            RecordEvent::Filled { order, .. } | RecordEvent::Block { order, .. } => *order == of,
            _ => false,
        };
        record.events.iter().filter(is_of).copied().collect::<Vec<_>>()
    };
    let sold = told(name(0, 7));
    assert_eq!(sold[2], RecordEvent::Block { order: name(0, 7), state: BlockState::Accepted });
    assert_eq!(told(name(1, 7)), [RecordEvent::Block { order: name(1, 7), state: BlockState::Rejected }]);
    let position = |meter| town.state.position(MeterId(meter), PERIOD);
    assert_eq!((position(0).sold, position(1).sold, position(1).resting_sells), (Energy(50), Energy(0), Energy(0)));
    assert_eq!(town.purse(1), (1_000_000, 0));
    assert_eq!(town.refused(0, Command::Cancel { client_id: 7 }), Code::MatchUnknownOrder);
}

/// A block is cancelled by its name like an order, by the kill switch too, and expires with the gate if no auction comes.
#[test]
fn a_block_is_taken_back_like_an_order() {
    let mut town = Town::in_areas(with_calls(genesis()), &[0, 0]);
    for undo in [Command::Cancel { client_id: 1 }, Command::CancelAll, Command::CancelAllOfAccount] {
        let name = match undo {
            Command::Cancel { client_id } => client_id,
            Command::CancelAll => 2,
            _ => 3,
        };
        town.meter(0, block(name, Side::Sell, 100, PERIOD.0, &[50, 0, 60]));
        assert_eq!(town.purse(0), (1_000_000, 110 * 500));
        assert_eq!(town.refused(1, Command::Cancel { client_id: name }), Code::MatchUnknownOrder);
        assert_eq!(town.refused(0, Command::Reduce { client_id: name, by: Energy(1) }), Code::MatchUnknownOrder);
        let record = town.done(0, undo);
        assert_eq!(record.events, [RecordEvent::Cancelled { order: self::name(0, name), remaining: Energy(110) }]);
        assert_eq!(town.purse(0), (1_000_000, 0));
    }
    assert_eq!(
        town.meter(0, block(1, Side::Sell, 100, PERIOD.0, &[1]))[0].outcome,
        Outcome::Rejected(Code::MatchDuplicate)
    );
}

#[test]
fn a_block_that_cannot_be_is_refused_whole() {
    let mut town = Town::in_areas(with_calls(genesis()), &[0]);
    let mut out_of_order = block(1, Side::Sell, 100, PERIOD.0, &[1, 1, 1, 1, 1, 1, 1, 1]);
    out_of_order.swap(1, 2);
    let mut elsewhere = block(1, Side::Sell, 100, PERIOD.0, &[1]);
    if let Command::Block(head) = &mut elsewhere[0] {
        head.area = AreaId(1);
    }
    let later = PERIOD.0 + 4;
    for (commands, code) in [
        (out_of_order, Code::FormBlock),
        (elsewhere, Code::FormArea),
        (block(1, Side::Sell, 100, PERIOD.0, &[0]), Code::FormBlock),
        (block(1, Side::Sell, 2_000, PERIOD.0, &[1]), Code::FormPriceLimit),
        (block(1, Side::Sell, 100, later, &[1]), Code::GateNotOpen),
        (block(1, Side::Buy, 100, PERIOD.0, &[1_000, 1]), Code::CreditMoney),
        (block(1, Side::Buy, 100, PERIOD.0, &[1_001]), Code::CreditHeadroom),
    ] {
        let before = town.substance();
        let records = town.meter(0, commands);
        assert!(records.iter().all(|record| record.outcome == Outcome::Rejected(code)), "{records:?} {code:?}");
        assert_eq!(town.substance(), before);
    }
    hold_auction(&mut town);
    let late = town.meter(0, block(1, Side::Sell, 100, PERIOD.0, &[1]));
    assert_eq!(late[0].outcome, Outcome::Rejected(Code::GateNoCall));
}

/// A validator restarts in the middle of the call phase: the auction must find the block, and tell it by its name.
#[test]
fn a_waiting_block_is_in_the_snapshot() {
    let mut town = Town::in_areas(with_calls(genesis()), &[0, 0]);
    town.meter(0, block(7, Side::Sell, 100, PERIOD.0, &[50]));
    town.meter(1, vec![buy(1, 200, 50)]);
    let state = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    let mut again = Town { genesis: town.genesis.clone(), state, next_seq: town.next_seq, past: Vec::new() };
    assert_eq!(hold_auction(&mut again), hold_auction(&mut town));
    assert_eq!(again.state.snapshot_root(), town.state.snapshot_root());
}

/// The community asks for each to pay what he bid.
#[test]
fn a_pay_as_bid_round_trades_each_bid_at_its_own_price() {
    let mut town = Town::in_areas(with_calls(genesis()), &[0, 0, 0]);
    town.done(0, buy(1, 300, 10));
    town.done(1, buy(1, 250, 10));
    town.done(2, sell(1, 200, 20));
    let round = Command::PayAsBid { contract: CONTRACT };
    assert_eq!(town.refused(0, round), Code::AuthRole);
    let record = town.operator(vec![round]).remove(0);
    let prices: Vec<_> =
        trades(&record).iter().map(|trade| (trade.kind, trade.buyer_pays(), trade.seller_gets())).collect();
    let at = |price| (TradeKind::PayAsBid, Price(price), Price(price));
    assert_eq!(prices, [at(300), at(250)]);
    assert!(town.state.open_orders(MeterId(2)).is_empty());
}

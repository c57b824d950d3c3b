//! Bills out of events written by hand.

use gridbook_engine::AreaId;

use super::*;
use crate::bytes::{AMOUNT_MAX, BytesError, Reader, Writer};
use crate::record::PartyRef;
use crate::settlement::Rule;

const METER: MeterId = MeterId(3);
const AREA: AreaId = AreaId(1);
const PERIOD: DeliveryPeriod = DeliveryPeriod(900);
const CONTRACT: Contract = Contract { area: AREA, period: PERIOD };

fn party(meter: u32) -> PartyRef {
    PartyRef { account: AccountId(100 + meter), meter: MeterId(meter), client_id: 5 }
}

/// Meter 3 comes to meter 7's ask of 250 over an edge that takes 30.
fn bought(energy: u64) -> RecordEvent {
    RecordEvent::Trade(Trade {
        maker: party(7),
        taker: party(METER.0),
        period: PERIOD,
        maker_area: AreaId(0),
        taker_area: AREA,
        taker_side: Side::Buy,
        kind: TradeKind::Continuous,
        price: Price(250),
        fee: Price(30),
        energy: Energy(energy),
    })
}

/// Meter 3 is filled in an auction at 350.
fn sold(energy: u64) -> RecordEvent {
    let (energy, remaining) = (Energy(energy), Energy(0));
    RecordEvent::Filled { order: party(3), side: Side::Sell, contract: CONTRACT, energy, price: Price(350), remaining }
}

fn settled(import: u64, contracted_wh: i128, own_trades: i128, rest: i128) -> MeterSettled {
    MeterSettled {
        meter: METER,
        account: AccountId(103),
        contract: CONTRACT,
        delivery: Delivery { import: Energy(import), export: Energy(0) },
        quality: Quality::Measured,
        contracted_wh,
        trades: Money(0),
        own_trades: Money(own_trades),
        rest: Money(rest),
        billed: Money(0),
        defaulted: Money(0),
    }
}

/// Missing energy costs 600, energy too much brings 20.
fn area() -> RecordEvent {
    RecordEvent::AreaSettled(AreaSettled {
        contract: CONTRACT,
        short_price: Price(500),
        long_price: Price(20),
        short_rest: Price(600),
        long_rest: Price(20),
        net_wh: 0,
        contracted_wh: 0,
        losses_wh: 0,
        upstream: Money(0),
        losses: Money(0),
        surplus: Money(0),
    })
}

fn bill(events: &[RecordEvent]) -> Statement {
    Statement::of(METER, (1..).zip(events))
}

/// One period's bill.
fn period(events: &[RecordEvent]) -> PeriodStatement {
    let [period] = &bill(events).periods[..] else { panic!("it has one period") };
    period.clone()
}

/// Bought 100 for 280, sold 40 for 350, took 90: short of 30, which are of its sale, at 600.
fn day() -> Vec<RecordEvent> {
    vec![bought(100), sold(40), RecordEvent::MeterSettled(settled(90, -60, 18_000, 0)), area()]
}

#[test]
fn a_bill_shows_each_trade_and_each_part_of_the_imbalance_with_its_price() {
    let Statement { periods, totals, .. } = bill(&day());
    let [period] = &periods[..] else { panic!("it has one period") };
    assert_eq!((period.contract, period.is_final, period.doubt), (CONTRACT, false, None));
    let [buy, sale] = period.trades[..] else { panic!("it has two trades") };
    assert_eq!((buy.seq, buy.traded), (1, Traded::With(MeterId(7), TradeKind::Continuous)));
    assert_eq!((buy.price, buy.fee, buy.money()), (Price(280), Price(30), Money(-28_000)));
    assert_eq!((sale.seq, sale.traded, sale.money()), (2, Traded::Auction, Money(14_000)));
    // 40 bought were sold on; of the other 60 all were taken.
    assert_eq!((buy.delivered, sale.delivered), (Some(Energy(100)), Some(Energy(40))));
    let settled = period.settled.as_ref().unwrap();
    assert_eq!((settled.contracted_wh, settled.imbalance_wh, settled.times), (-60, -30, 1));
    let part = ImbalanceLine { trade: Some(1), energy_wh: 30, price: Price(600), money: Money(-18_000) };
    assert_eq!((&settled.parts[..], settled.imbalance), (&[part][..], Money(-18_000)));
    assert_eq!(
        (totals.bought_wh, totals.bought, totals.sold_wh, totals.sold),
        (100, Money(-28_000), 40, Money(14_000))
    );
    assert_eq!((totals.fees, totals.import_wh, totals.export_wh), (Money(3_000), 90, 0));
    assert_eq!((totals.short_wh, totals.long_wh, totals.imbalance), (30, 0, Money(-18_000)));
    assert_eq!((totals.balance(), period.balance()), (Money(-32_000), Money(-32_000)));
}

/// Seen from the other side of the same trade: it was there first, and the way is not on its bill.
#[test]
fn who_was_there_first_bears_no_fee() {
    let statement = Statement::of(MeterId(7), [(1, &bought(100))]);
    let [line] = statement.periods[0].trades[..] else { panic!("it has one trade") };
    assert_eq!((line.side, line.price, line.fee, line.money()), (Side::Sell, Price(250), Price(0), Money(25_000)));
    assert_eq!(statement.periods[0].contract, Contract { area: AreaId(0), ..CONTRACT });
    assert_eq!((line.delivered, &statement.periods[0].settled), (None, &None), "nothing is settled yet");
}

/// The house was sold in between: the old owner's bill ends, and the new one's begins, with nothing of the other on it.
#[test]
fn each_owner_of_a_meter_has_a_bill_of_his_own() {
    let contract = Contract { period: DeliveryPeriod(PERIOD.0 + 1), ..CONTRACT };
    let later = MeterSettled { account: AccountId(55), contract, ..settled(0, 0, 0, 0) };
    let events = [day(), vec![RecordEvent::MeterSettled(later)]].concat();
    let (old, new) = (bill(&events).only_of(AccountId(103)), bill(&events).only_of(AccountId(55)));
    assert_eq!((old.totals, &old.periods), (bill(&day()).totals, &bill(&day()).periods));
    let idle = StatementTotals { periods: 1, not_final: 1, ..StatementTotals::default() };
    assert_eq!((new.periods.len(), new.totals), (1, idle));
    assert_eq!(bill(&events).only_of(AccountId(1)).periods, []);
}

/// It took 70, as was read after all: 10 short instead of 30, and 12,000 come back.
#[test]
fn a_correction_shows_what_is_known_now_and_all_that_moved() {
    let again = MeterSettled { quality: Quality::Corrected, trades: Money(0), ..settled(70, -60, -12_000, 0) };
    let events = [day(), vec![RecordEvent::MeterSettled(again), RecordEvent::PeriodFinal { period: PERIOD }]].concat();
    let period = period(&events);
    let settled = period.settled.as_ref().unwrap();
    assert_eq!((settled.quality, settled.times, settled.imbalance_wh), (Quality::Corrected, 2, -10));
    assert_eq!((settled.imbalance, settled.parts[0].money, period.doubt), (Money(-6_000), Money(-6_000), None));
    assert!(period.is_final);
}

/// Taken 50 without a trade, by estimate: 30,000, of which the account had 5,000.
#[test]
fn what_others_paid_in_its_place_is_told_apart() {
    let quality = Quality::Estimated(Rule::Missing);
    let settled = MeterSettled { quality, billed: Money(24_000), defaulted: Money(1_000), ..settled(50, 0, 0, 30_000) };
    let Statement { periods, totals, .. } = bill(&[RecordEvent::MeterSettled(settled), area()]);
    let line = periods[0].settled.as_ref().unwrap();
    assert_eq!((line.imbalance, line.billed, line.defaulted), (Money(-30_000), Money(24_000), Money(1_000)));
    let rest = ImbalanceLine { trade: None, energy_wh: 50, price: Price(600), money: Money(-30_000) };
    assert_eq!((&line.parts[..], totals.balance()), (&[rest][..], Money(-5_000)));
}

#[test]
fn events_of_others_are_passed_over() {
    let other = MeterSettled { meter: MeterId(4), ..settled(9, 0, 0, 5_400) };
    let events = [vec![RecordEvent::MeterSettled(other), RecordEvent::PeriodFinal { period: PERIOD }], day()].concat();
    assert_eq!(bill(&events).totals, bill(&day()).totals);
    assert_eq!(bill(&events[..2]).periods, []);
}

/// The index began after the purchase; the bill shows what moved, and says that it cannot be reckoned again.
#[test]
fn a_bill_whose_trades_are_not_all_there_says_so() {
    let Statement { periods, totals, .. } = bill(&day()[1..]);
    assert_eq!(periods[0].doubt, Some(Doubt::Trades { found_wh: 40, settled_wh: -60 }));
    let settled = periods[0].settled.as_ref().unwrap();
    assert_eq!((settled.imbalance, &settled.parts[..]), (Money(-18_000), &[][..]));
    assert_eq!((totals.imbalance, totals.doubtful), (Money(-18_000), 1));
}

#[test]
fn a_bill_without_the_prices_that_applied_says_so() {
    assert_eq!(period(&day()[..3]).doubt, Some(Doubt::Prices));
    // Where nothing was missing and nothing too much, no price is needed.
    let even = [bought(60), RecordEvent::MeterSettled(settled(60, -60, 0, 0))];
    assert_eq!(period(&even).doubt, None);
}

/// Somebody has charged 1 more than the rules give.
#[test]
fn a_bill_that_was_charged_otherwise_than_by_the_rules_says_so() {
    let wrong = RecordEvent::MeterSettled(settled(90, -60, 18_001, 0));
    let period = period(&[bought(100), sold(40), wrong, area()]);
    let (found, charged) = (Money(-18_000), Money(-18_001));
    assert_eq!(period.doubt, Some(Doubt::Charge { found, charged }));
    assert_eq!(period.balance(), Money(-28_000 + 14_000 - 18_001), "what moved is what moved");
}

/// A year's sums come over the wire from a validator that may lie: they are read back as they were written, cut short or beyond any amount
/// they are refused, and nothing overflows.
#[test]
fn totals_read_back_or_are_refused() {
    let totals = StatementTotals { doubtful: 7, settled_again: 9, ..bill(&day()).totals };
    let mut w = Writer::new();
    totals.write(&mut w);
    let bytes = w.finish();
    assert_eq!(StatementTotals::read(&mut Reader::new(&bytes)), Ok(totals));
    for length in 0..bytes.len() {
        assert_eq!(StatementTotals::read(&mut Reader::new(&bytes[..length])), Err(BytesError::Truncated));
    }
    for (at, wrong) in [(0, AMOUNT_MAX + 1), (16, -1), (96, AMOUNT_MAX + 1), (112, -AMOUNT_MAX - 1)] {
        let mut bytes = bytes.clone();
        bytes[at..at + 16].copy_from_slice(&wrong.to_le_bytes());
        assert_eq!(StatementTotals::read(&mut Reader::new(&bytes)), Err(BytesError::Amount), "at {at}");
    }
    // Of counts, two of the largest are still the largest.
    let most = StatementTotals { periods: u32::MAX, doubtful: u32::MAX, ..totals };
    let mut twice = most;
    twice.join(&most);
    assert_eq!((twice.periods, twice.doubtful, twice.bought), (u32::MAX, u32::MAX, totals.bought + totals.bought));
}

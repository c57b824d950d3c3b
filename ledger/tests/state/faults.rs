//! What readings and deliveries prove against a meter, and what they do not.

use gridbook_engine::{AccountId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, Price, Side};
use gridbook_ledger::command::{Command, Correction, Place, Reading};
use gridbook_ledger::conduct::DeviceFault;
use gridbook_ledger::record::{Outcome, Record, RecordEvent};
use gridbook_ledger::registry::Reason;
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Registers;

use crate::deliveries::{BEFORE, begin, deadline, metered, reading};
use crate::town::{CONTRACT, PERIOD, Town, delivered, genesis};

/// Two neighbours whose meters are read.
fn town() -> Town {
    Town::in_areas(metered(genesis()), &[0, 0])
}

/// What a record says was entered: what, for which period, and by which records.
fn entered(record: &Record) -> Option<(DeviceFault, Option<DeliveryPeriod>, Vec<u64>)> {
    record.events.iter().find_map(|event| match event {
        RecordEvent::Misconduct { kind, period, proof, .. } => Some((*kind, *period, proof.records().to_vec())),
        _ => None,
    })
}

fn send(town: &mut Town, meter: u32, reading: Reading) -> Record {
    town.meter(meter, vec![Command::Reading(reading)]).remove(0)
}

fn score(town: &Town, account: u32) -> u16 {
    town.state.account(AccountId(account)).unwrap().score
}

/// A meter is tampered with: it says one thing to one validator, and another to another. The first stands; both are the proof. Saying the
/// first once more is nobody's fault, and saying yet another thing is not another one.
#[test]
fn two_different_readings_for_one_period_are_entered_once() {
    let mut town = town();
    begin(&mut town, 2);
    town.time(delivered());
    let first = send(&mut town, 0, reading(PERIOD, 100, 0));
    assert_eq!(entered(&send(&mut town, 0, reading(PERIOD, 100, 0))), None);
    let second = send(&mut town, 0, reading(PERIOD, 90, 0));
    assert_eq!(second.outcome, Outcome::Rejected(Code::MeterContradiction));
    let expected = (DeviceFault::DoubleReading, Some(PERIOD), vec![first.seq, second.seq]);
    assert_eq!(entered(&second), Some(expected));
    assert_eq!(entered(&send(&mut town, 0, reading(PERIOD, 80, 0))), None);
    assert_eq!((score(&town, 0), score(&town, 1)), (800, 1_000));
}

/// The grid operator has read the meter in its place. That the meter says something else later proves nothing against it.
#[test]
fn a_reading_that_contradicts_the_operators_is_nobodys_fault() {
    let mut town = town();
    begin(&mut town, 2);
    town.time(delivered());
    town.operator(vec![Command::Correction(Correction { meter: MeterId(0), reading: reading(PERIOD, 100, 0) })]);
    let record = send(&mut town, 0, reading(PERIOD, 90, 0));
    assert_eq!((record.outcome, entered(&record)), (Outcome::Rejected(Code::MeterContradiction), None));
    assert_eq!(score(&town, 0), 1_000);
}

/// A register that runs backwards, one beyond the connection, one that stands still with its counter: the reading and the one before it
/// are the proof. It may go on all day: that is one entry.
#[test]
fn impossible_readings_are_entered_once_a_day() {
    let frozen = Reading { period: PERIOD, ..reading(BEFORE, 0, 0) };
    let import = 9_999;
    let backwards = Reading { period: PERIOD, registers: Registers { import, ..reading(PERIOD, 0, 0).registers } };
    let beyond = reading(PERIOD, 1_001, 0);
    for (bad, code) in [(backwards, Code::MeterBackwards), (beyond, Code::MeterBeyond), (frozen, Code::MeterFrozen)] {
        let mut town = town();
        begin(&mut town, 2);
        let before = town.next_seq - 2;
        town.time(delivered());
        let record = send(&mut town, 0, bad);
        assert_eq!(record.outcome, Outcome::Rejected(code));
        let expected = (DeviceFault::ImpossibleReading, Some(PERIOD), vec![before, record.seq]);
        assert_eq!(entered(&record), Some(expected), "{code}");
        assert_eq!(entered(&send(&mut town, 0, bad)), None);
        assert_eq!(score(&town, 0), 960);
    }
}

/// Too early and too late: refused, and nobody is blamed.
#[test]
fn readings_that_are_only_early_or_late_are_nobodys_fault() {
    let mut town = town();
    begin(&mut town, 2);
    assert_eq!(send(&mut town, 0, reading(PERIOD, 1, 0)).outcome, Outcome::Rejected(Code::MeterFuture));
    town.time(deadline());
    assert_eq!(send(&mut town, 0, reading(PERIOD, 1, 0)).outcome, Outcome::Rejected(Code::MeterLate));
    assert_eq!(score(&town, 0), 1_000);
}

/// Meter 1 sells 100 Wh to its neighbour in each of five quarter-hours and gives this much, or is silent. What settled them.
fn plant(town: &mut Town, given: [Option<u64>; 5]) -> Vec<Record> {
    let periods = (PERIOD.0..).map(DeliveryPeriod).zip(given);
    for (period, _) in periods.clone() {
        for (meter, side) in [(1, Side::Sell), (0, Side::Buy)] {
            let (contract, price) = (Contract { period, ..CONTRACT }, Price(100));
            town.done(meter, Command::Place(Place::limit(period.0.into(), contract, side, price, Energy(100))));
        }
    }
    begin(town, 2);
    let (mut export, mut last) = (0, LedgerTime(0));
    for (period, given) in periods {
        last = period.ends_at(15);
        town.time(last);
        send(town, 0, reading(period, 0, 0));
        export += given.unwrap_or_default();
        if given.is_some() {
            send(town, 1, reading(period, 0, export));
        }
    }
    town.time(LedgerTime(last.0 + 3_600_000));
    town.work_all(100)
}

fn settled_by(records: &[Record], meter: u32, period: u32) -> u64 {
    let is_it = |event: &RecordEvent| {
        matches!(event, RecordEvent::MeterSettled(settled) if settled.meter == MeterId(meter)
        && settled.contract.period.0 == period)
    };
    records.iter().find(|record| record.events.iter().any(is_it)).unwrap().seq
}

/// One PV plant is off. At its fourth quarter-hour with less than half of what it sold it is entered, with the records that settled the
/// four; its neighbour, who took nothing of what he had bought, has failed nobody.
#[test]
fn a_plant_that_fails_four_times_is_entered_with_the_four_settlements() {
    let mut town = town();
    let records = plant(&mut town, [Some(49), Some(50), Some(0), Some(49), Some(10)]);
    let failed = [0, 2, 3, 4].map(|later| settled_by(&records, 1, PERIOD.0 + later));
    let entries: Vec<_> = records.iter().filter_map(entered).collect();
    assert_eq!(entries, [(DeviceFault::NonDelivery, None, failed.to_vec())]);
    assert_eq!((score(&town, 1), score(&town, 0)), (900, 1_000));
}

#[test]
fn a_plant_that_fails_three_times_is_not_entered() {
    let mut town = town();
    let records = plant(&mut town, [Some(49), Some(50), Some(0), Some(49), Some(100)]);
    assert_eq!(records.iter().filter_map(entered).count(), 0);
    assert_eq!(score(&town, 1), 1_000);
}

/// A silent meter is estimated to have given nothing. The grid operator reads it before the periods are final: what it had delivered is not
/// held against it any more, and the next failure is the first.
#[test]
fn a_silent_plant_that_had_delivered_is_forgiven_when_it_is_read() {
    let fail_once_more = |town: &mut Town, correct: bool| {
        // The third period has no reading at its start, so that three are estimated.
        plant(town, [None, None, Some(300), Some(100), Some(100)]);
        assert_eq!(score(town, 1), 1_000, "three failures are not four");
        if correct {
            for later in 0..2 {
                let period = DeliveryPeriod(PERIOD.0 + later);
                let reading = reading(period, 0, u64::from(later + 1) * 100);
                town.operator(vec![Command::Correction(Correction { meter: MeterId(1), reading })]);
            }
            town.work_all(100);
        }
        let period = DeliveryPeriod(PERIOD.0 + 20);
        for (meter, side) in [(1, Side::Sell), (0, Side::Buy)] {
            let (contract, price) = (Contract { period, ..CONTRACT }, Price(100));
            town.done(meter, Command::Place(Place::limit(9, contract, side, price, Energy(100))));
        }
        town.time(LedgerTime(period.ends_at(15).0 + 3_600_000));
        town.work_all(100);
        score(town, 1)
    };
    assert_eq!(fail_once_more(&mut town(), false), 900);
    assert_eq!(fail_once_more(&mut town(), true), 1_000);
}

/// The plant has failed three times when it is sold. Its new owner's first failure is his first.
#[test]
fn failures_stay_with_whoever_had_the_plant() {
    for (is_sold, expected) in [(false, [1_000, 900, 1_000]), (true, [1_000; 3])] {
        let mut town = Town::in_areas(metered(genesis()), &[0, 0, 0]);
        plant(&mut town, [Some(0), Some(0), Some(0), Some(100), Some(100)]);
        if is_sold {
            let transfer =
                Command::TransferMeter { meter: MeterId(1), account: AccountId(2), reason: Reason::MovedOut };
            assert_eq!(town.operator(vec![transfer])[0].outcome, Outcome::Done);
        }
        let period = DeliveryPeriod(PERIOD.0 + 20);
        for (meter, side) in [(1, Side::Sell), (0, Side::Buy)] {
            let (contract, price) = (Contract { period, ..CONTRACT }, Price(100));
            town.done(meter, Command::Place(Place::limit(9, contract, side, price, Energy(100))));
        }
        town.time(LedgerTime(period.ends_at(15).0 + 3_600_000));
        town.work_all(100);
        assert_eq!([0, 1, 2].map(|account| score(&town, account)), expected, "sold: {is_sold}");
    }
}

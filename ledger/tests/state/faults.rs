//! What readings and deliveries prove against a meter, and what they do not.

use gridbook_engine::{AccountId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, Price, Side};
use gridbook_ledger::command::{Command, Correction, Place, Reading};
use gridbook_ledger::conduct::DeviceFault;
use gridbook_ledger::record::{Outcome, Record, RecordEvent};
use gridbook_ledger::registry::{Reason, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::state::State;

use crate::deliveries::{BEFORE, begin, deadline, metered, reading};
use crate::town::{CONTRACT, PERIOD, Town, delivered, entry, genesis, key};

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

/// The next bundle of whoever has the new key of meter 0.
fn send_with_new_key(town: &mut Town, reading: Reading) -> Record {
    let bundle = town.bundle(key(70), vec![Command::Reading(reading)]);
    town.apply(&entry(&bundle)).remove(0)
}

fn rotate() -> Command {
    Command::RotateKey { subject: Subject::Meter(MeterId(0)), key: key(70) }
}

/// A thief has the meter's key and tells the ledger a register of his own, before the registrar gives the meter another key. The true one is refused,
/// for the first stands until the grid operator corrects it; but the thief's word proves nothing against the owner, not even where the next
/// register cannot follow it.
#[test]
fn what_a_thief_signed_is_not_held_against_the_new_key() {
    let mut town = town();
    begin(&mut town, 2);
    town.time(delivered());
    assert_eq!(send(&mut town, 0, reading(PERIOD, 900, 0)).outcome, Outcome::Done);
    let (mark, seq, before) = (town.state.mark(), town.next_seq, town.state.snapshot());
    assert_eq!(town.operator(vec![rotate()])[0].outcome, Outcome::Done);
    town.state.rollback(mark);
    town.next_seq = seq;
    assert!(town.state.snapshot() == before, "also who signed the readings can be taken back");
    assert_eq!(town.operator(vec![rotate()])[0].outcome, Outcome::Done);
    let truth = send_with_new_key(&mut town, reading(PERIOD, 100, 0));
    assert_eq!((truth.outcome, entered(&truth)), (Outcome::Rejected(Code::MeterContradiction), None));
    let next = DeliveryPeriod(PERIOD.0 + 1);
    town.time(next.ends_at(15));
    let after = send_with_new_key(&mut town, reading(next, 200, 0));
    assert_eq!((after.outcome, entered(&after)), (Outcome::Rejected(Code::MeterBackwards), None));
    let correction = Correction { meter: MeterId(0), reading: reading(PERIOD, 100, 0) };
    assert_eq!(town.operator(vec![Command::Correction(correction)])[0].outcome, Outcome::Done);
    let first = send_with_new_key(&mut town, reading(next, 200, 0));
    assert_eq!(first.outcome, Outcome::Done);
    let second = send_with_new_key(&mut town, reading(next, 201, 0));
    let expected = (DeviceFault::DoubleReading, Some(next), vec![first.seq, second.seq]);
    assert_eq!((entered(&second), score(&town, 0)), (Some(expected), 800), "what the new key says twice is its own");
}

/// A meter changes its key by itself between two different registers for one period. Its old key named the new one, so that both are one hand's:
/// it would otherwise be free to say anything twice, a hundred times.
#[test]
fn a_meter_that_changes_its_key_by_itself_answers_for_what_it_signed_before() {
    let mut town = town();
    begin(&mut town, 2);
    town.time(delivered());
    let first = send(&mut town, 0, reading(PERIOD, 100, 0));
    town.done(0, rotate());
    let second = send_with_new_key(&mut town, reading(PERIOD, 90, 0));
    let expected = (DeviceFault::DoubleReading, Some(PERIOD), vec![first.seq, second.seq]);
    assert_eq!((entered(&second), score(&town, 0)), (Some(expected), 800));
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

/// One meter sells another one energy.
fn trade(town: &mut Town, client_id: u64, period: DeliveryPeriod, [seller, buyer]: [u32; 2], energy: u64) {
    for (meter, side) in [(seller, Side::Sell), (buyer, Side::Buy)] {
        let (contract, price) = (Contract { period, ..CONTRACT }, Price(100));
        town.done(meter, Command::Place(Place::limit(client_id, contract, side, price, Energy(energy))));
    }
}

/// Meter 1 sells 100 Wh to its neighbour in each of five quarter-hours and gives this much, or is silent. What settled them.
fn plant(town: &mut Town, given: [Option<u64>; 5]) -> Vec<Record> {
    for later in 0..5 {
        trade(town, u64::from(later), DeliveryPeriod(PERIOD.0 + later), [1, 0], 100);
    }
    read(town, given)
}

/// Five quarter-hours go by, in each of which meter 1 says that it gave this much, or is silent. What settled them.
fn read(town: &mut Town, given: [Option<u64>; 5]) -> Vec<Record> {
    let periods = (PERIOD.0..).map(DeliveryPeriod).zip(given);
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
        trade(town, 9, period, [1, 0], 100);
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
        trade(&mut town, 9, period, [1, 0], 100);
        town.time(LedgerTime(period.ends_at(15).0 + 3_600_000));
        town.work_all(100);
        assert_eq!([0, 1, 2].map(|account| score(&town, account)), expected, "sold: {is_sold}");
    }
}

/// The grid operator reads meter 1 at the ends of its first quarter-hours; what is settled again because of that.
fn correct(town: &mut Town, exports: &[u64]) -> Vec<Record> {
    for (period, export) in (PERIOD.0..).map(DeliveryPeriod).zip(exports) {
        let correction = Correction { meter: MeterId(1), reading: reading(period, 0, *export) };
        town.operator(vec![Command::Correction(correction)]);
    }
    let records = town.work_all(100);
    let joined = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    assert_eq!(joined.audit(), Ok(()), "what was counted is in a snapshot");
    records
}

/// The plant's meter was tampered with: it shows what was sold, and nothing flowed. At the fourth quarter-hour of which the grid operator finds
/// that out, it is entered, with the records that settled the four again.
///
/// ```text
///              sold  said  corrected
///   12:00-13:15 100   100          0   five times
/// ```
#[test]
fn a_lie_that_is_corrected_is_a_failure_found_out_late() {
    let mut town = town();
    assert_eq!(plant(&mut town, [Some(100); 5]).iter().filter_map(entered).count(), 0);
    let (mark, seq, before) = (town.state.mark(), town.next_seq, town.state.snapshot());
    let records = correct(&mut town, &[0; 5]);
    let failed = [0, 1, 2, 3].map(|later| settled_by(&records, 1, PERIOD.0 + later));
    let entries: Vec<_> = records.iter().filter_map(entered).collect();
    assert_eq!(entries, [(DeviceFault::NonDelivery, None, failed.to_vec())]);
    assert_eq!((score(&town, 1), score(&town, 0)), (900, 1_000));
    town.state.rollback(mark);
    town.next_seq = seq;
    assert!(town.state.snapshot() == before, "all of that can be taken back");
    correct(&mut town, &[0; 5]);
    assert_eq!(score(&town, 1), 900);
}

/// Half is enough, also where it is found out late; and what was a failure already is not another one for being an even worse one.
#[test]
fn a_correction_to_half_of_what_was_sold_is_no_failure() {
    let mut town = town();
    plant(&mut town, [Some(100); 5]);
    let records = correct(&mut town, &[50, 100, 150, 200, 250]);
    assert_eq!((records.iter().filter_map(entered).count(), score(&town, 1)), (0, 1_000));
    correct(&mut town, &[49, 98, 147]);
    for worse in 0..3 {
        correct(&mut town, &[worse, 2 * worse, 3 * worse]);
        assert_eq!(score(&town, 1), 1_000, "three quarter-hours are three failures");
    }
}

/// The technician reads the plant wrong and right again, to and fro. Three quarter-hours are never four failures; with a fourth there is an
/// entry, which stays when he finds that he was wrong after all, and which nothing that he does to the same four makes two.
#[test]
fn one_period_is_one_failure_however_often_it_is_corrected() {
    let mut town = town();
    plant(&mut town, [Some(100); 5]);
    for _ in 0..3 {
        correct(&mut town, &[0, 0, 0]);
        assert_eq!(score(&town, 1), 1_000);
        correct(&mut town, &[100, 200, 300]);
    }
    correct(&mut town, &[0, 0]);
    correct(&mut town, &[0, 0, 0]);
    correct(&mut town, &[0, 0, 0, 0]);
    assert_eq!(score(&town, 1), 900);
    for _ in 0..3 {
        correct(&mut town, &[100, 200, 300, 400]);
        assert_eq!(score(&town, 1), 900, "an entry that was made stays: its account may appeal");
        correct(&mut town, &[0, 0, 0, 0]);
        assert_eq!(score(&town, 1), 900);
    }
    correct(&mut town, &[0, 0, 0, 0, 0]);
    assert_eq!(score(&town, 1), 900, "the fifth is the first of the next four");
}

/// The plant's meter lied, and the plant is sold before that comes out. Its new owner has sold nobody anything.
#[test]
fn a_lie_of_a_former_owners_time_is_not_held_against_the_new_one() {
    for (is_sold, expected) in [(false, [1_000, 900, 1_000]), (true, [1_000; 3])] {
        let mut town = Town::in_areas(metered(genesis()), &[0, 0, 0]);
        plant(&mut town, [Some(100); 5]);
        if is_sold {
            let transfer =
                Command::TransferMeter { meter: MeterId(1), account: AccountId(2), reason: Reason::MovedOut };
            assert_eq!(town.operator(vec![transfer])[0].outcome, Outcome::Done);
        }
        correct(&mut town, &[0; 5]);
        assert_eq!([0, 1, 2].map(|account| score(&town, account)), expected, "sold: {is_sold}");
    }
}

/// A plant sells what it does not have, and a friend lends his name: he sells it the same, and buys it back at once. What goes to and fro
/// between the two is delivered by nobody, and covers up nothing.
///
/// ```text
///   sold     100 to the neighbour, 100 to the friend
///   bought                         100 from the friend
///   given      0
/// ```
#[test]
fn trades_to_and_fro_with_a_friend_do_not_hide_a_failure() {
    for with_friend in [false, true] {
        let mut town = Town::in_areas(metered(genesis()), &[0, 0, 0]);
        for later in 0..4 {
            let (period, client_id) = (DeliveryPeriod(PERIOD.0 + later), u64::from(later) * 10);
            trade(&mut town, client_id, period, [1, 0], 100);
            if with_friend {
                trade(&mut town, client_id + 1, period, [2, 1], 100);
                trade(&mut town, client_id + 2, period, [1, 2], 100);
            }
        }
        let entries: Vec<_> = read(&mut town, [Some(0); 5]).iter().filter_map(entered).collect();
        assert_eq!(entries.len(), 1, "with a friend: {with_friend}");
        assert_eq!([0, 1, 2].map(|account| score(&town, account)), [1_000, 900, 1_000]);
    }
}

/// Clouds come up, and the plant buys back before the gate what it will not have: all of it, or so much that it gives half of the rest.
#[test]
fn who_buys_back_what_he_cannot_deliver_fails_nobody() {
    for (bought_back, given, expected) in [(100, 0, 1_000), (60, 40, 1_000), (60, 20, 1_000), (60, 19, 900)] {
        let mut town = Town::in_areas(metered(genesis()), &[0, 0, 0]);
        for later in 0..5 {
            let (period, client_id) = (DeliveryPeriod(PERIOD.0 + later), u64::from(later) * 10);
            trade(&mut town, client_id, period, [1, 0], 100);
            trade(&mut town, client_id + 1, period, [2, 1], bought_back);
        }
        read(&mut town, [Some(given); 5]);
        assert_eq!(score(&town, 1), expected, "{bought_back} bought back, {given} given");
    }
}

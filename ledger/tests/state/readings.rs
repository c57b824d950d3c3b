//! Readings that are not taken: each gets its reason, and leaves everything as it was.

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId};
use gridbook_ledger::command::{AreaReading, Command, Correction, Reading};
use gridbook_ledger::record::RecordEvent;
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::{Quality, Registers};
use gridbook_ledger::state::{MeterView, State};

use crate::deliveries::{BEFORE, begin, deadline, metered, reading};
use crate::refusals::assert_refused;
use crate::town::{CONTRACT, PERIOD, Town, delivered, entry, genesis, key, refusal};

/// Meter 0 was read at 10,000 / 10,000 when the period began; it is over now. Its connection carries 1,000 Wh either way.
fn ended() -> Town {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    begin(&mut town, 2);
    town.time(delivered());
    town
}

/// Why a reading of meter 0 is refused. It leaves nothing but its nonce: the state's digest is afterwards that of a bundle with
/// the same nonce that asked for nothing. One that convicts its meter is entered besides, the first time; after that it leaves nothing either.
fn refused(town: &mut Town, reading: Reading) -> Code {
    let known = town.state.registers(MeterId(0), reading.period);
    let substance = town.substance();
    let bundle = |town: &Town| town.bundle(key(1), vec![Command::Reading(reading)]);
    let (start, seq, first) = (town.state.mark(), town.next_seq, bundle(town));
    let record = town.apply(&entry(&first)).remove(0);
    let code = refusal(&record).expect("it is refused");
    if record.events.is_empty() {
        town.state.rollback(start);
        town.next_seq = seq;
    }
    let of_conduct =
        |event: &RecordEvent| matches!(event, RecordEvent::Misconduct { .. } | RecordEvent::ScoreChanged { .. });
    assert!(record.events.iter().all(of_conduct) && town.substance() == substance, "{record:?}");
    let again = bundle(town);
    assert_refused(town, &again, code);
    assert_eq!(town.state.registers(MeterId(0), reading.period), known);
    code
}

fn shows(import: u64, export: u64, counter: u64) -> Reading {
    Reading { period: PERIOD, registers: Registers { import, export, counter } }
}

#[test]
fn a_register_running_backwards_is_refused() {
    let mut town = ended();
    let next = u64::from(PERIOD.0);
    assert_eq!(refused(&mut town, shows(9_999, 10_000, next)), Code::MeterBackwards);
    assert_eq!(refused(&mut town, shows(10_000, 9_999, next)), Code::MeterBackwards);
    assert_eq!(refused(&mut town, shows(0, 0, next)), Code::MeterBackwards, "it began at zero again");
    assert_eq!(refused(&mut town, shows(10_100, 10_000, next - 2)), Code::MeterBackwards, "an old reading");
    town.done(0, Command::Reading(shows(10_000, 10_000, next)));
}

#[test]
fn more_than_the_connection_carries_is_refused() {
    let mut town = ended();
    let next = u64::from(PERIOD.0);
    assert_eq!(refused(&mut town, shows(11_001, 10_000, next)), Code::MeterBeyond);
    assert_eq!(refused(&mut town, shows(10_000, 11_001, next)), Code::MeterBeyond);
    assert_eq!(refused(&mut town, shows(u64::MAX, 10_000, next)), Code::MeterBeyond);
    town.done(0, Command::Reading(shows(11_000, 11_000, next)));
}

/// The reading before is sent again as if it were this one.
#[test]
fn a_frozen_meter_is_refused() {
    let mut town = ended();
    assert_eq!(refused(&mut town, shows(10_000, 10_000, BEFORE.0.into())), Code::MeterFrozen);
}

/// Once more the same, and once something else: the first stands.
#[test]
fn a_second_reading_for_one_period_is_refused() {
    let mut town = ended();
    town.done(0, Command::Reading(reading(PERIOD, 100, 0)));
    assert_eq!(refused(&mut town, reading(PERIOD, 100, 0)), Code::MeterTwice);
    assert_eq!(refused(&mut town, reading(PERIOD, 90, 0)), Code::MeterContradiction);
    assert_eq!(town.state.registers(MeterId(0), PERIOD), Some(reading(PERIOD, 100, 0).registers));
}

/// Readings may come in any order, but a late one must fit between its neighbours.
#[test]
fn a_reading_that_contradicts_the_one_after_it_is_refused() {
    let mut town = Town::in_areas(metered(genesis()), &[0]);
    town.time(delivered());
    town.done(0, Command::Reading(reading(PERIOD, 100, 0)));
    assert_eq!(refused(&mut town, reading(BEFORE, 101, 0)), Code::MeterBackwards);
    town.done(0, Command::Reading(reading(BEFORE, 60, 0)));
}

/// At five past twelve a meter is enrolled, and tells at once what it would have liked to give in the hour before; the grid operator says the same in
/// its place. It was not there: another meter had measured that. Its first register is that of a quarter past twelve, and what it gives from
/// then on is its.
///
/// ```text
///             12:05   12:15        12:30
///   -----------|-------|------------|---
///    refused  here   opening   first settled
/// ```
#[test]
fn a_meter_is_not_read_before_it_was_there() {
    let mut town = Town::in_areas(metered(genesis()), &[0]);
    begin(&mut town, 1);
    town.time(LedgerTime(delivered().0 + 5 * 60_000));
    town.settle_in(1, AreaId(0));
    let [present, first] = [1, 2].map(|later| DeliveryPeriod(PERIOD.0 + later));
    assert_eq!(town.state.meter(MeterId(1)).unwrap().first_period, first);
    for back in 0..3 {
        let reading = reading(DeliveryPeriod(PERIOD.0 - back), 0, 3_000 - 1_000 * u64::from(back));
        assert_eq!(town.refused(1, Command::Reading(reading)), Code::MeterTooEarly);
        let correction = Command::Correction(Correction { meter: MeterId(1), reading });
        assert_eq!(refusal(&town.operator(vec![correction])[0]), Some(Code::MeterTooEarly));
        assert_eq!(town.state.registers(MeterId(1), reading.period), None);
    }
    assert_eq!(town.refused(1, Command::Reading(reading(present, 0, 0))), Code::MeterFuture);
    for (period, export) in [(present, 3_000), (first, 3_300)] {
        town.time(period.ends_at(15));
        town.done(1, Command::Reading(reading(period, 0, export)));
    }
    town.time(LedgerTime(first.ends_at(15).0 + 3_600_000));
    town.work_all(100);
    let given = [BEFORE, PERIOD, present, first].map(|period| {
        let delivery = town.state.delivery(MeterId(1), period);
        delivery.map(|row| (row.delivery.export, row.quality))
    });
    assert_eq!(given, [None, None, None, Some((Energy(300), Quality::Measured))]);
    assert_eq!(town.purse(1).0, 1_000_000 + 300 * 20, "what it gave too much once it was there");
    let joined = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    assert_eq!(joined.meter(MeterId(1)), town.state.meter(MeterId(1)));
}

/// Enrolled in the same moment in which a period begins, it is there from its beginning, and may tell at once with what register it begins; a
/// millisecond later, it is the next. The state root says which it is.
#[test]
fn the_first_period_of_a_meter_is_the_first_that_begins_with_it_or_later() {
    for (late_ms, first) in
        [(0, PERIOD), (1, DeliveryPeriod(PERIOD.0 + 1)), (900_000 - 1, DeliveryPeriod(PERIOD.0 + 1))]
    {
        let mut town = Town::on(metered(genesis()));
        town.time(LedgerTime(PERIOD.starts_at(15).0 + late_ms));
        town.settle_in(0, AreaId(0));
        let meter = town.state.meter(MeterId(0)).unwrap();
        assert_eq!(meter.first_period, first);
        let (root, proof) = (town.state.state_root(), town.state.prove_meter(MeterId(0)).unwrap());
        let forged = MeterView { first_period: BEFORE, ..meter };
        assert!(proof.verify_meter(MeterId(0), &meter, &root) && !proof.verify_meter(MeterId(0), &forged, &root));
        let opening = town.meter(0, vec![Command::Reading(reading(BEFORE, 0, 0))]).remove(0);
        assert_eq!(refusal(&opening), (first != PERIOD).then_some(Code::MeterTooEarly), "{late_ms} ms late");
    }
}

#[test]
fn a_reading_in_the_future_is_refused() {
    let mut town = Town::in_areas(metered(genesis()), &[0]);
    begin(&mut town, 1);
    assert_eq!(refused(&mut town, reading(PERIOD, 100, 0)), Code::MeterFuture);
    town.time(LedgerTime(delivered().0 - 1));
    assert_eq!(refused(&mut town, reading(PERIOD, 100, 0)), Code::MeterFuture);
    let far = Reading { period: gridbook_engine::DeliveryPeriod(u32::MAX), ..reading(PERIOD, 100, 0) };
    assert_eq!(refused(&mut town, far), Code::MeterFuture);
}

/// A neighbour would like to read one's meter.
#[test]
fn a_reading_for_anothers_meter_is_refused() {
    let mut town = ended();
    let of_other = Correction { meter: MeterId(1), reading: reading(PERIOD, 500, 0) };
    assert_eq!(town.refused(0, Command::Correction(of_other)), Code::MeterForeign);
    let contract = Contract { area: AreaId(0), ..CONTRACT };
    assert_eq!(town.refused(0, Command::AreaReading(AreaReading { contract, sent_up_wh: 5 })), Code::AuthRole);
    assert_eq!(town.state.registers(MeterId(1), PERIOD), None);
    let record = town.operator(vec![Command::Reading(reading(PERIOD, 1, 0))]).remove(0);
    assert_eq!(refusal(&record), Some(Code::AuthRole), "the operator has no meter of its own");
}

#[test]
fn a_reading_after_the_deadline_is_refused() {
    let mut town = ended();
    town.time(LedgerTime(deadline().0 - 1));
    town.done(1, Command::Reading(reading(PERIOD, 0, 10)));
    town.time(deadline());
    assert_eq!(refused(&mut town, reading(PERIOD, 100, 0)), Code::MeterLate);
    town.work_all(100);
    assert_eq!(refused(&mut town, reading(PERIOD, 100, 0)), Code::MeterLate);
}

/// A ledger without meters takes trades for delivered; a reading would be believed by nobody.
#[test]
fn a_ledger_that_reads_no_meters_says_so() {
    let mut town = Town::of(1);
    town.time(delivered());
    assert_eq!(refused(&mut town, reading(PERIOD, 100, 0)), Code::MeterUnread);
}

/// More than any area could send in a quarter-hour, or an area that is not there.
#[test]
fn absurd_area_readings_are_refused() {
    let mut town = ended();
    let mut tell = |area, sent_up_wh| {
        let contract = Contract { area: AreaId(area), ..CONTRACT };
        refusal(&town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh })])[0])
    };
    assert_eq!(tell(9, 0), Some(Code::FormArea));
    for sent in [i64::MIN, i64::MAX, (1 << 42) + 1, -(1 << 42) - 1] {
        assert_eq!(tell(0, sent), Some(Code::MeterBeyond));
    }
    assert_eq!((tell(0, 5), tell(0, 5), tell(0, 6)), (None, Some(Code::MeterTwice), None));
}

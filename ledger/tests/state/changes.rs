//! Meters whose connection or plant changes, or that are revoked, between delivery and settlement: a period is settled by what they were when
//! it began.

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId};
use gridbook_ledger::command::{AreaReading, Command, Correction, Reading};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::{Record, RecordEvent};
use gridbook_ledger::registry::{Installation, Plant, Reason, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Quality;
use gridbook_ledger::state::{PeriodStage, State};

use crate::deliveries::{BEFORE, begin, deadline, end, final_at, metered, reading, settled};
use crate::town::{PERIOD, Town, delivered, genesis, refusal};

const NEXT: DeliveryPeriod = DeliveryPeriod(PERIOD.0 + 1);

/// Two houses with a connection for 1,000 Wh, both of which were read.
fn houses() -> Town {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    begin(&mut town, 2);
    town
}

/// Meter 0 gets a connection for so much, either way.
fn connect(town: &mut Town, max: u64) {
    let (plant, certificate) = (Plant::NONE, Hash::ZERO);
    let installation = Installation { plant, import_max: Energy(max), export_max: Energy(max), certificate };
    let records = town.operator(vec![Command::SetInstallation { meter: MeterId(0), installation }]);
    assert_eq!(refusal(&records[0]), None);
}

fn revoke(town: &mut Town) {
    let command = Command::Revoke { subject: Subject::Meter(MeterId(0)), reason: Reason::MovedOut };
    assert_eq!(refusal(&town.operator(vec![command])[0]), None);
}

/// By what meter 0 was settled, and what it paid.
fn of_house(records: &[Record]) -> Vec<(u64, Quality, i128)> {
    let of_house = settled(records).into_iter().filter(|of| of.meter == MeterId(0));
    of_house.map(|of| (of.delivery.import.0, of.quality, of.rest.0)).collect()
}

fn score(town: &Town, account: u32) -> u16 {
    town.state.account(gridbook_engine::AccountId(account)).unwrap().score
}

/// It took 900 Wh, told it, and then its connection was made smaller. 900 it took, and pays for.
///
/// ```text
///   BEFORE 0 | PERIOD 900, of 1,000 | connection 400 | deadline: 900 measured
/// ```
#[test]
fn a_smaller_connection_makes_nothing_impossible_that_was_read() {
    let mut town = houses();
    town.time(delivered());
    town.done(0, Command::Reading(reading(PERIOD, 900, 0)));
    connect(&mut town, 400);
    town.time(deadline());
    assert_eq!(of_house(&town.work_all(100)), [(900, Quality::Measured, 540_000)]);
}

/// The same, but it tells it only then; it is not blamed for the truth. In the quarter-hour of the change itself, which of the two
/// connections it was nobody knows. From the next one on, only the new one counts.
#[test]
fn a_reading_is_held_against_the_connection_of_its_period() {
    let mut town = houses();
    town.time(delivered());
    connect(&mut town, 400);
    town.done(0, Command::Reading(reading(PERIOD, 900, 0)));
    town.time(NEXT.ends_at(15));
    town.done(0, Command::Reading(reading(NEXT, 1_800, 0)));
    let later = DeliveryPeriod(NEXT.0 + 1);
    town.time(later.ends_at(15));
    assert_eq!(score(&town, 0), 1_000);
    assert_eq!(town.refused(0, Command::Reading(reading(later, 2_201, 0))), Code::MeterBeyond);
    assert_eq!(score(&town, 0), 960);
    town.done(0, Command::Reading(reading(later, 2_200, 0)));
}

/// A larger connection counts for the quarter-hour in which it is put in.
#[test]
fn a_larger_connection_counts_from_the_period_of_its_change() {
    for (at, code) in [(PERIOD.starts_at(15), None), (delivered(), Some(Code::MeterBeyond))] {
        let mut town = houses();
        town.time(at);
        connect(&mut town, 2_000);
        town.time(delivered());
        let records = town.meter(0, vec![Command::Reading(reading(PERIOD, 1_500, 0))]);
        assert_eq!(refusal(&records[0]), code);
    }
}

/// Settled by 900 measured; then the connection is made smaller, and the register at the start corrected by 5. 895 were taken.
#[test]
fn a_correction_after_the_change_is_held_against_the_connection_of_its_period() {
    let mut town = houses();
    assert_eq!(of_house(&end(&mut town, &[(0, 900, 0)])), [(900, Quality::Measured, 540_000)]);
    connect(&mut town, 400);
    let correction = Correction { meter: MeterId(0), reading: reading(BEFORE, 5, 0) };
    assert_eq!(refusal(&town.operator(vec![Command::Correction(correction)])[0]), None);
    assert_eq!(of_house(&town.work_all(100)), [(895, Quality::Corrected, -3_000)]);
}

/// What it was is in every snapshot, goes back with a rollback, and is forgotten when nothing of it can change.
#[test]
fn what_a_meter_was_is_remembered_by_everybody() {
    let mut town = houses();
    town.time(delivered());
    town.done(0, Command::Reading(reading(PERIOD, 900, 0)));
    let (mark, before) = (town.state.mark(), town.state.snapshot());
    connect(&mut town, 400);
    let changed = town.state.snapshot();
    town.state.rollback(mark);
    town.next_seq -= 1;
    assert!(town.state.snapshot() == before);
    connect(&mut town, 400);
    assert!(town.state.snapshot() == changed);
    town.state = State::restore(&town.genesis, &changed).unwrap();
    assert!(town.state.snapshot() == changed);
    town.time(deadline());
    assert_eq!(of_house(&town.work_all(100)), [(900, Quality::Measured, 540_000)]);
}

/// The period `later` ones after [`PERIOD`], in which meter 1 says that it took nothing. What was settled of meter 0 at its deadline.
fn silent(town: &mut Town, later: u32) -> Vec<(u64, Quality, i128)> {
    let period = DeliveryPeriod(PERIOD.0 + later);
    town.time(period.ends_at(15));
    town.work_all(100);
    for of in [DeliveryPeriod(period.0 - 1), period] {
        town.done(1, Command::Reading(reading(of, 0, 0)));
    }
    town.time(LedgerTime(period.ends_at(15).0 + 3_600_000));
    let of = |event: &RecordEvent| match event {
        RecordEvent::MeterSettled(of) if (of.meter, of.contract.period) == (MeterId(0), period) => Some(*of),
        _ => None,
    };
    let records = town.work_all(100);
    let of = records.iter().flat_map(|record| &record.events).filter_map(of);
    of.map(|of| (of.delivery.import.0, of.quality, of.rest.0)).collect()
}

const WEEK: u32 = 7 * 96;

/// The house took 50 Wh, and a day later its meter was taken down for good. A week after it took them, it takes nothing.
#[test]
fn a_revoked_meter_is_not_billed_for_the_week_before() {
    for is_revoked in [false, true] {
        let mut town = houses();
        end(&mut town, &[(0, 50, 0), (1, 0, 0)]);
        town.time(final_at());
        town.work_all(100);
        if is_revoked {
            revoke(&mut town);
        }
        let charged: Vec<u64> = silent(&mut town, WEEK).into_iter().map(|(import, ..)| import).collect();
        assert_eq!(charged, if is_revoked { vec![] } else { vec![50] });
    }
}

/// One meter of three is taken down, and replaced. When the two others and all edges are read, nobody waits for the deadline any more.
#[test]
fn nobody_waits_for_the_reading_of_a_revoked_meter() {
    let mut town = houses();
    revoke(&mut town);
    town.time(delivered());
    assert!(!town.state.has_work());
    for area in [0, 1] {
        let contract = Contract { area: AreaId(area), period: PERIOD };
        town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh: 0 })]);
    }
    // The technician has read the one that was taken down; that is not a reading of the other one.
    let last = |period| Correction { meter: MeterId(0), reading: Reading { ..reading(period, 0, 0) } };
    town.operator(vec![Command::Correction(last(PERIOD))]);
    assert!(!town.state.has_work(), "meter 1 was not read yet");
    let mark = town.state.mark();
    town.done(1, Command::Reading(reading(PERIOD, 0, 0)));
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 0 }));
    assert!(town.state.time() < deadline());
    town.state.rollback(mark);
    town.state.audit().unwrap();
    assert!(!town.state.has_work());
}

/// Meter 0 and 1 say of a period, and of its start, that they took nothing.
fn quiet(town: &mut Town, period: DeliveryPeriod) {
    town.time(period.ends_at(15));
    town.work_all(100);
    for meter in [0, 1] {
        town.done(meter, Command::Reading(reading(period, 0, 0)));
    }
}

/// An area was frozen in one period, and nobody mended it in time: that period stays. What comes later is forgotten when it is final, registers
/// and former owners too.
///
/// ```text
///   BEFORE  PERIOD   NEXT  +2   +3 ...
///   kept    frozen   kept  ---  ---
/// ```
#[test]
fn a_period_that_is_never_mended_keeps_nothing_of_later_ones() {
    let mut town = houses();
    town.time(delivered());
    let contract = Contract { area: AreaId(0), period: PERIOD };
    town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh: -500 })]);
    end(&mut town, &[(0, 0, 0), (1, 0, 0)]);
    connect(&mut town, 900);
    let changed_in = DeliveryPeriod::containing(deadline(), 15);
    let last = changed_in.0 + 14;
    for period in NEXT.0..=last {
        let of = DeliveryPeriod(period);
        if of.ends_at(15) > town.state.time() {
            quiet(&mut town, of);
        }
    }
    town.time(LedgerTime(DeliveryPeriod(last).ends_at(15).0 + 3 * 3_600_000));
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
    let known = (BEFORE.0..=last).map(DeliveryPeriod).filter(|of| town.state.registers(MeterId(0), *of).is_some());
    assert_eq!(known.collect::<Vec<_>>(), [BEFORE, PERIOD, DeliveryPeriod(last)]);
    town.state.audit().unwrap();
}

/// A minute for corrections. A period is final, somebody trades a day ahead, and only then is the next period's end read: its start is still
/// known.
#[test]
fn a_register_is_kept_until_the_period_that_begins_with_it_can_change_no_more() {
    let mut genesis = metered(genesis());
    genesis.settlement.dispute_ms = 60_000;
    let mut town = Town::in_areas(genesis, &[0, 0]);
    begin(&mut town, 2);
    end(&mut town, &[(0, 50, 0), (1, 0, 0)]);
    town.time(LedgerTime(deadline().0 + 60_000));
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), None);
    town.done(0, Command::Reading(reading(NEXT, 70, 0)));
    town.time(LedgerTime(NEXT.ends_at(15).0 + 3_600_000));
    town.work_all(100);
    let taken = town.state.delivery(MeterId(0), NEXT).unwrap();
    assert_eq!((taken.delivery.import, taken.quality), (Energy(20), Quality::Measured));
}

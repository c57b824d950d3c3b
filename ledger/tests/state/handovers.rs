//! Meters that change hands between delivery and settlement: who pays is whoever had the meter when the period began.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, LedgerTime, MeterId};
use gridbook_ledger::command::{AreaReading, Command, Correction, Reading};
use gridbook_ledger::record::{MeterSettled, Record, RecordEvent};
use gridbook_ledger::registry::Reason;
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Quality;
use gridbook_ledger::state::{PeriodStage, State};

use crate::deliveries::{begin, deadline, end, final_at, metered, reading, settled};
use crate::town::{CONTRACT, PERIOD, Town, delivered, genesis, refusal};

const NEXT: DeliveryPeriod = DeliveryPeriod(PERIOD.0 + 1);

/// Meter 0 is account 0's; nobody else has one that is read.
fn house() -> Town {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0, 0]);
    begin(&mut town, 1);
    town
}

fn hand_over(town: &mut Town, to: u32) {
    let transfer = Command::TransferMeter { meter: MeterId(0), account: AccountId(to), reason: Reason::MovedOut };
    assert_eq!(refusal(&town.operator(vec![transfer])[0]), None);
}

fn correct(town: &mut Town, reading: Reading) -> Vec<Record> {
    let correction = Command::Correction(Correction { meter: MeterId(0), reading });
    assert_eq!(refusal(&town.operator(vec![correction])[0]), None);
    town.work_all(100)
}

fn owner(town: &Town, period: DeliveryPeriod) -> u32 {
    town.state.owner_at(MeterId(0), period).unwrap().0
}

/// Account and what it paid for energy without a trade.
fn charged(records: &[Record]) -> Vec<(u32, i128)> {
    let of = |settled: MeterSettled| (settled.account.0, settled.rest.0);
    settled(records).into_iter().map(of).collect()
}

/// The flat took 50 Wh, then its tenant moved out, and only then its reading was due. The tenant pays for them, and the next one for what
/// was taken from the next quarter-hour on.
#[test]
fn who_moves_out_before_the_settlement_pays_for_what_he_took() {
    let mut town = house();
    town.time(delivered());
    town.done(0, Command::Reading(reading(PERIOD, 50, 0)));
    hand_over(&mut town, 1);
    town.time(deadline());
    assert_eq!(charged(&town.work_all(100)), [(0, 30_000)]);
    assert_eq!((town.purse(0).0, town.purse(1).0), (970_000, 1_000_000));
    assert_eq!((owner(&town, PERIOD), owner(&town, NEXT)), (0, 0), "the next period had begun when he moved out");
    assert_eq!(owner(&town, DeliveryPeriod(NEXT.0 + 1)), 1);
}

/// Handed over to the millisecond: before the period begins it is the new owner's, from its beginning on the old one's.
#[test]
fn a_period_is_his_who_has_the_meter_when_it_begins() {
    for (early_ms, payer) in [(1, 1), (0, 0)] {
        let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
        town.time(LedgerTime(PERIOD.starts_at(15).0 - early_ms));
        hand_over(&mut town, 1);
        begin(&mut town, 1);
        assert_eq!(charged(&end(&mut town, &[(0, 50, 0)])), [(payer, 30_000)], "{early_ms} ms before");
    }
}

/// The period is settled, the meter is handed over, and then the technician finds that 20 and not 50 were taken. Who had paid for 50 has the
/// difference back; the new owner is not asked.
#[test]
fn a_correction_is_settled_with_whoever_was_charged() {
    let mut town = house();
    end(&mut town, &[(0, 50, 0)]);
    hand_over(&mut town, 2);
    let records = correct(&mut town, reading(PERIOD, 20, 0));
    assert_eq!(charged(&records), [(0, -18_000)]);
    assert_eq!((town.purse(0).0, town.purse(2)), (1_000_000 - 20 * 600, Town::of(3).purse(2)));
}

/// Nothing was known of the quarter-hour, and nothing charged, when the meter was handed over. What the technician finds later, and the first
/// to say anything about it, is the former owner's.
#[test]
fn a_correction_finds_the_former_owner_where_nothing_was_settled() {
    let mut town = house();
    assert_eq!(charged(&end(&mut town, &[])), []);
    hand_over(&mut town, 1);
    let records = correct(&mut town, reading(PERIOD, 40, 0));
    assert_eq!((charged(&records), settled(&records)[0].quality), (vec![(0, 24_000)], Quality::Measured));
}

/// A flat that is let on twice in a quarter-hour, and back to the first tenant a day later: who had it for a few minutes only has no period.
#[test]
fn a_meter_that_changes_hands_twice_in_a_period_is_the_first_owners() {
    let mut town = house();
    hand_over(&mut town, 1);
    hand_over(&mut town, 2);
    assert_eq!((owner(&town, PERIOD), owner(&town, NEXT)), (0, 2));
    town.time(NEXT.starts_at(15));
    hand_over(&mut town, 1);
    hand_over(&mut town, 0);
    let later = DeliveryPeriod(NEXT.0 + 1);
    assert_eq!((owner(&town, PERIOD), owner(&town, NEXT), owner(&town, later)), (0, 2, 0));
    assert_eq!(charged(&end(&mut town, &[(0, 50, 0)])), [(0, 30_000)]);
}

/// What the meter tells of a period is told to whoever is billed for it. That it contradicts itself in that is the fault of whoever has it when it
/// does: it told him both.
#[test]
fn a_reading_is_his_whose_period_it_is() {
    let mut town = house();
    town.time(delivered());
    hand_over(&mut town, 1);
    let told = |record: &Record| match record.events[..] {
        [RecordEvent::Read(read)] => read.account.0,
        _ => panic!("{record:?}"),
    };
    assert_eq!(told(&town.done(0, Command::Reading(reading(PERIOD, 50, 0)))), 0);
    assert_eq!(town.refused(0, Command::Reading(reading(PERIOD, 60, 0))), Code::MeterContradiction);
    let scores = [0, 1].map(|account| town.state.account(AccountId(account)).unwrap().score);
    assert_eq!(scores, [1_000, 800]);
    let later = DeliveryPeriod(NEXT.0 + 1);
    town.time(later.ends_at(15));
    assert_eq!(told(&town.done(0, Command::Reading(reading(later, 70, 0)))), 1);
}

/// The tenant read his meter for the last time and moved out. The next one would like to have it otherwise, and sends another reading, and one that
/// cannot be true after his: refused, and held against nobody, because nobody said both. What he says twice himself is his.
#[test]
fn what_a_former_owner_signed_and_what_the_new_one_signs_are_held_against_nobody() {
    let mut town = house();
    town.time(delivered());
    town.done(0, Command::Reading(reading(PERIOD, 50, 0)));
    hand_over(&mut town, 1);
    let scores = |town: &Town| [0, 1].map(|account| town.state.account(AccountId(account)).unwrap().score);
    for (refused, code) in
        [(reading(PERIOD, 20, 0), Code::MeterContradiction), (reading(PERIOD, 90, 0), Code::MeterContradiction)]
    {
        assert_eq!((town.refused(0, Command::Reading(refused)), scores(&town)), (code, [1_000; 2]));
    }
    town.time(NEXT.ends_at(15));
    assert_eq!(town.refused(0, Command::Reading(reading(NEXT, 49, 0))), Code::MeterBackwards);
    assert_eq!(scores(&town), [1_000; 2], "who knows which of them was wrong");
    let joined = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    assert_eq!(joined.registers(MeterId(0), PERIOD), Some(reading(PERIOD, 50, 0).registers), "the first stands");
    town.done(0, Command::Reading(reading(NEXT, 60, 0)));
    assert_eq!(town.refused(0, Command::Reading(reading(NEXT, 61, 0))), Code::MeterContradiction);
    assert_eq!(scores(&town), [1_000, 800]);
}

/// Its area was frozen, and mended in the last moment before its period would be closed to readings: it is settled with the owner of then.
#[test]
fn a_frozen_period_remembers_its_owner_as_long_as_it_is_frozen() {
    let mut town = house();
    town.time(delivered());
    let edge = |sent_up_wh| vec![Command::AreaReading(AreaReading { contract: CONTRACT, sent_up_wh })];
    town.operator(edge(-500));
    end(&mut town, &[(0, 50, 0)]);
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
    hand_over(&mut town, 1);
    town.time(LedgerTime(final_at().0 - 1));
    assert_eq!(refusal(&town.operator(edge(-50))[0]), None);
    assert_eq!(charged(&town.work_all(100)), [(0, 30_000)]);
}

/// A former owner is forgotten when the last period that was his is final; until then everybody remembers him, also who joins.
#[test]
fn a_former_owner_is_forgotten_when_nothing_of_his_can_change() {
    let mut town = house();
    end(&mut town, &[(0, 50, 0)]);
    let (mark, before) = (town.state.mark(), town.state.snapshot());
    hand_over(&mut town, 1);
    let handed_over = town.state.snapshot();
    let joiner = State::restore(&town.genesis, &handed_over).unwrap();
    assert_eq!(joiner.owner_at(MeterId(0), PERIOD), Some(AccountId(0)));
    town.state.rollback(mark);
    town.next_seq -= 1;
    assert!(town.state.snapshot() == before && owner(&town, PERIOD) == 0);
    hand_over(&mut town, 1);
    assert!(town.state.snapshot() == handed_over);
    town.time(final_at());
    town.work_all(100);
    assert_eq!(
        (town.state.period_stage(PERIOD), owner(&town, PERIOD)),
        (None, 0),
        "later periods of his can still be read"
    );
    let left_in = DeliveryPeriod::containing(deadline(), 15);
    let last = Contract { period: left_in, area: AreaId(0) };
    town.time(last.period.ends_at(15));
    for period in [DeliveryPeriod(left_in.0 - 1), left_in] {
        correct(&mut town, reading(period, 50, 0));
    }
    let over = LedgerTime(last.period.ends_at(15).0 + (final_at().0 - PERIOD.ends_at(15).0));
    town.time(LedgerTime(over.0 - 1));
    town.work_all(100);
    assert_eq!(owner(&town, left_in), 0);
    town.time(over);
    let mark = town.state.mark();
    town.work_all(100);
    assert_eq!((town.state.period_stage(left_in), owner(&town, left_in)), (None, 1), "forgotten");
    town.state.audit().unwrap();
    town.state.rollback(mark);
    assert_eq!(owner(&town, left_in), 0);
}

//! An area stays frozen, since nobody reads better: its operator answers for its losses, and everybody else has what is theirs.

use gridbook_engine::{AccountId, AreaId, Contract, MeterId, Money};
use gridbook_ledger::command::{AcceptLosses, AreaReading, Command, Correction, NewOrganisation};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::record::{Record, RecordEvent};
use gridbook_ledger::registry::{OrganisationId, OrganisationName, Reason, Role, Roles};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::AreaFault;
use gridbook_ledger::state::{PeriodStage, State, SystemAccount};

use crate::deliveries::{areas, begin, end, final_at, metered, reading, settled};
use crate::town::{CONTRACT, PERIOD, Town, at, buy, delivered, entry, grid, key, refusal, sell};

const NORTH: u16 = 1;

fn of(area: u16) -> Contract {
    Contract { area: AreaId(area), ..CONTRACT }
}

fn accept(area: u16, losses_wh: i64) -> Command {
    Command::AcceptLosses(AcceptLosses { contract: of(area), losses_wh })
}

fn read_edge(area: u16, sent_up_wh: i64) -> Command {
    Command::AreaReading(AreaReading { contract: of(area), sent_up_wh })
}

/// ```text
///            0 substation
///   ? up    /            \\   100 down
///      1 north            2 south
///    0 roof, gave 100    1 house, took 100: bought 100 of the roof
/// ```
/// What went up from the north was read as `sent_up_wh`.
fn town(sent_up_wh: i64) -> Town {
    let mut town = Town::in_areas(metered(grid()), &[1, 2]);
    town.done(0, at(1, sell(1, 200, 100)));
    town.done(1, at(2, buy(1, 300, 100)));
    begin(&mut town, 2);
    town.time(delivered());
    assert_eq!(refusal(&town.operator(vec![read_edge(NORTH, sent_up_wh)])[0]), None);
    end(&mut town, &[(0, 0, 100), (1, 100, 0)]);
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
    town
}

fn clearing(town: &Town) -> i128 {
    town.state.system_account(SystemAccount::Clearing).balance.0
}

/// Does what the operator orders, and all that follows from it.
fn answered(town: &mut Town, command: Command) -> Vec<Record> {
    let mut records = town.operator(vec![command]);
    assert_eq!(refusal(&records[0]), None);
    records.extend(town.work_all(3));
    records
}

/// 50 of 100 Wh got lost in the north, which nobody can explain: its operator pays for them at the price of missing energy. The roof has its
/// money, and the period becomes final.
#[test]
fn the_operator_pays_for_losses_beyond_the_bound_and_nobody_else_does() {
    let mut town = town(50);
    assert_eq!(clearing(&town), 20_000, "the roof's money waits");
    let grid_before = town.state.system_account(SystemAccount::Grid).balance;
    let records = answered(&mut town, accept(NORTH, 50));
    assert_eq!(records[0].events[0], RecordEvent::LossesAccepted { contract: of(NORTH), losses_wh: 50 });
    let (area, roof) = (areas(&records)[0], settled(&records)[0]);
    assert_eq!((area.losses_wh, area.losses, area.surplus), (50, Money(50 * 600), Money(0)));
    assert_eq!((roof.trades, roof.own_trades + roof.rest), (Money(20_000), Money(0)));
    assert_eq!(town.state.system_account(SystemAccount::Grid).balance, grid_before - Money(50 * 600));
    assert_eq!(town.state.area_income(AreaId(NORTH)).losses, Money(50 * 600));
    assert_eq!((clearing(&town), town.state.frozen(of(NORTH))), (0, None));
    town.time(final_at());
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), None, "final and forgotten");
    town.state.audit().unwrap();
}

/// The edge shows 150 Wh where the roof gave 100. Nobody is paid for the 50 that came from nowhere: not the operator who accepts, and
/// nothing of them is sold upstream.
#[test]
fn energy_from_nowhere_is_worth_nothing_to_who_answers_for_it() {
    let mut town = town(150);
    let before = [SystemAccount::Grid, SystemAccount::Upstream].map(|of| town.state.system_account(of).balance);
    let records = answered(&mut town, accept(NORTH, -50));
    let area = areas(&records)[0];
    assert_eq!((area.losses_wh, area.losses, area.upstream, area.surplus), (0, Money(0), Money(0), Money(0)));
    let after = [SystemAccount::Grid, SystemAccount::Upstream].map(|of| town.state.system_account(of).balance);
    assert_eq!((before, clearing(&town)), (after, 0));
}

/// Nobody did anything in time. A year later the roof's owner wants to sell his house; the operator answers, and he has his money, and
/// the meter is free.
#[test]
fn an_area_can_be_answered_for_long_after_its_time() {
    let mut town = town(50);
    let year_later = gridbook_engine::LedgerTime(final_at().0 + 365 * 86_400_000);
    town.time(year_later);
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
    let transfer = Command::TransferMeter { meter: MeterId(0), account: AccountId(1), reason: Reason::Other };
    assert_eq!(refusal(&town.operator(vec![transfer])[0]), Some(Code::AuthOpen));
    assert_eq!(refusal(&town.operator(vec![read_edge(NORTH, 100)])[0]), Some(Code::MeterFinal));
    let records = answered(&mut town, accept(NORTH, 50));
    assert!(records.iter().any(|record| record.events.contains(&RecordEvent::PeriodFinal { period: PERIOD })));
    assert_eq!((clearing(&town), town.state.period_stage(PERIOD)), (0, None));
    assert_eq!(refusal(&town.operator(vec![transfer])[0]), None);
}

/// Who accepts 50 is not made to pay 51: the amount is signed. What is no loss, or not frozen, or not even delivered, cannot be accepted;
/// and only the area's operator can.
#[test]
fn only_what_is_told_as_lost_is_accepted_and_only_by_the_areas_operator() {
    let mut town = town(50);
    let root = |town: &Town| format!("{:?}", town.substance());
    let before = root(&town);
    for (command, code) in [
        (accept(NORTH, 51), Code::MeterOtherLosses),
        (accept(NORTH, -50), Code::MeterOtherLosses),
        (accept(2, 0), Code::MeterNoLosses),
        (accept(7, 50), Code::FormArea),
        (
            Command::AcceptLosses(AcceptLosses {
                contract: Contract { period: gridbook_engine::DeliveryPeriod(PERIOD.0 + 1), ..of(NORTH) },
                losses_wh: 50,
            }),
            Code::MeterNoLosses,
        ),
    ] {
        assert_eq!(refusal(&town.operator(vec![command])[0]), Some(code));
    }
    assert_eq!(town.refused(0, accept(NORTH, 50)), Code::AuthRole, "a meter");
    assert_eq!(root(&town), before);
    for (number, area, refused) in [(0_u16, 2, Some(Code::AuthRole)), (1, NORTH, None)] {
        let (organisation, name) = (OrganisationId(number), OrganisationName::new("A grid operator").unwrap());
        let (key, roles) = (key(2_000 + u32::from(number)), Roles::of(Role::GridOperator));
        let enrolled = NewOrganisation { organisation, key, name, roles, area: Some(AreaId(area)) };
        assert_eq!(refusal(&town.operator(vec![Command::RegisterOrganisation(enrolled)])[0]), None);
        let order = entry(&town.bundle(key, vec![accept(NORTH, 50)]));
        assert_eq!(refusal(&town.apply(&order)[0]), refused, "the grid operator of area {area}");
    }
    town.work_all(100);
    assert_eq!(refusal(&town.operator(vec![accept(NORTH, 50)])[0]), Some(Code::MeterNoLosses), "twice");
}

/// While another area's mending is under way, nobody knows yet what this one's losses will be.
#[test]
fn losses_are_not_accepted_while_the_period_is_being_settled() {
    let mut town = town(50);
    let correction = Correction { meter: MeterId(0), reading: reading(PERIOD, 0, 90) };
    let records = town.operator(vec![Command::Correction(correction), accept(NORTH, 50)]);
    assert_eq!(refusal(&records[1]), None, "it is looked at only when its turn comes");
    town.work(1);
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settling));
    assert_eq!(refusal(&town.operator(vec![accept(NORTH, 50)])[0]), Some(Code::MeterNoLosses), "it is open again");
}

/// The operator answers for 50 Wh. Then the roof's registers are read once more: it gave 80, so that 30 are missing, which he answers for
/// as well. When they show 160, 110 are missing: that he did not sign for.
#[test]
fn who_answers_for_losses_answers_for_smaller_ones_and_not_for_larger_ones() {
    for (gave, left) in [(80, Ok(30)), (160, Err(AreaFault::Losses { losses_wh: 110, throughput_wh: 160 }))] {
        let mut town = town(50);
        answered(&mut town, accept(NORTH, 50));
        let correction = Correction { meter: MeterId(0), reading: reading(PERIOD, 0, gave) };
        let records = answered(&mut town, Command::Correction(correction));
        match left {
            Ok(lost) => {
                assert_eq!(areas(&records)[0].losses_wh, lost);
                assert_eq!(town.state.area_income(AreaId(NORTH)).losses, Money(lost * 600));
            }
            Err(why) => {
                let held = RecordEvent::CorrectionHeld { meter: MeterId(0), contract: of(NORTH), why };
                assert!(records.iter().any(|record| record.events.contains(&held)), "{records:?}");
                assert_eq!(town.state.area_income(AreaId(NORTH)).losses, Money(50 * 600));
            }
        }
        town.time(final_at());
        town.work_all(100);
        town.state.audit().unwrap();
    }
}

/// A leader's order is taken back, and a joiner comes in between.
#[test]
fn acceptance_goes_back_and_into_snapshots() {
    let mut town = town(50);
    let (mark, seq, snapshot) = (town.state.mark(), town.next_seq, town.state.snapshot());
    answered(&mut town, accept(NORTH, 50));
    town.state.rollback(mark);
    town.next_seq = seq;
    assert!(town.state.snapshot() == snapshot);
    let order: Entry = entry(&town.bundle(key(0), vec![accept(NORTH, 50)]));
    town.apply(&order);
    town.work(1);
    let state = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    let mut joiner = Town { genesis: town.genesis.clone(), state, next_seq: town.next_seq, past: Vec::new() };
    assert_eq!(town.work_all(1), joiner.work_all(1));
    assert_eq!(joiner.state.snapshot_root(), town.state.snapshot_root());
}

/// The substation was frozen since 200 Wh seemed to come up from the north and 180 left it. That its child's edge is read later tells where
/// they were lost, and mends it, though nobody touched its own.
///
/// ```text
///   read of the north   lost in the north   lost in the substation
///   -                    0                  20 of 200: too much
///   199                  1                  19 of 199: too much, and told anew
///   190                 10                  10 of 190
/// ```
#[test]
fn a_frozen_area_is_looked_at_again_when_what_came_from_below_is_read() {
    let mut town = Town::in_areas(metered(grid()), &[NORTH]);
    begin(&mut town, 1);
    town.time(delivered());
    town.operator(vec![read_edge(0, 180)]);
    end(&mut town, &[(0, 0, 200)]);
    let lost = |losses_wh, throughput_wh| AreaFault::Losses { losses_wh, throughput_wh };
    assert_eq!(town.state.frozen(of(0)), Some(lost(20, 200)));
    let records = answered(&mut town, read_edge(NORTH, 199));
    let told = RecordEvent::AreaFrozen { contract: of(0), why: lost(19, 199) };
    assert!(records.iter().any(|record| record.events.contains(&told)), "{records:?}");
    assert_eq!(town.state.frozen(of(0)), Some(lost(19, 199)));
    let records = answered(&mut town, read_edge(NORTH, 190));
    let substation = areas(&records).into_iter().find(|area| area.contract == of(0)).expect("it is settled");
    assert_eq!((substation.losses_wh, substation.losses), (10, Money(10 * 600)));
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 0 }));
    town.state.audit().unwrap();
}

/// The same where the north has no reading of its edge, and it is its roof that was misread.
#[test]
fn a_frozen_area_is_looked_at_again_when_a_meter_below_is_corrected() {
    let mut town = Town::in_areas(metered(grid()), &[NORTH]);
    begin(&mut town, 1);
    town.time(delivered());
    town.operator(vec![read_edge(0, 180)]);
    end(&mut town, &[(0, 0, 200)]);
    let correction = Correction { meter: MeterId(0), reading: reading(PERIOD, 0, 190) };
    let records = answered(&mut town, Command::Correction(correction));
    let substation = areas(&records).into_iter().find(|area| area.contract == of(0)).expect("it is settled");
    assert_eq!((substation.losses_wh, town.state.frozen(of(0))), (10, None));
    town.time(final_at());
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), None);
}

/// Twenty houses of a frozen area are read again, which does not mend it. Each is looked at by itself, not with all meters of the ledger: that
/// would be a thousand pieces of work here, and nobody else's period would be settled meanwhile.
#[test]
fn a_frozen_area_costs_no_walk_over_all_meters_for_each_reading_in_it() {
    let mut town = Town::in_areas(metered(grid()), &[NORTH; 40]);
    begin(&mut town, 40);
    town.time(delivered());
    town.operator(vec![read_edge(NORTH, 9_000)]);
    let flows: Vec<(u32, u64, u64)> = (0..40).map(|meter| (meter, 0, 10)).collect();
    end(&mut town, &flows);
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
    let correct = |meter| Command::Correction(Correction { meter: MeterId(meter), reading: reading(PERIOD, 0, 11) });
    town.operator((0..20).map(correct).collect());
    let mut pieces = 0;
    while town.state.has_work() {
        town.work(1);
        pieces += 1;
    }
    assert!(pieces < 20 * 10, "{pieces} pieces of work");
    let why = AreaFault::Losses { losses_wh: 420 - 9_000, throughput_wh: 420 };
    assert_eq!(town.state.frozen(of(NORTH)), Some(why));
    answered(&mut town, read_edge(NORTH, 420));
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 0 }));
    town.state.audit().unwrap();
}

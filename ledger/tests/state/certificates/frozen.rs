//! An area's energies contradict each other. Its own certificates wait, and those that would go there; all others go on.

use gridbook_engine::{AccountId, AreaId, Contract, MeterId, Price};
use gridbook_ledger::command::{AreaReading, Claim, Command};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::origin::{CertificateRange, Standing};
use gridbook_ledger::record::RecordEvent;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::{PeriodStage, State};

use super::drawn::{day, drawn};
use super::{deadline, final_at, lines, read, roofs_of, settle, told};
use crate::town::{Dice, PERIOD, Town, at, buy, grid, refusal, register, sell};

const NORTH: u16 = 1;
const SOUTH: u16 = 2;

/// Two feeders below a substation, and energy goes from one to the other for nothing.
fn metered_grid() -> Genesis {
    let mut genesis = Genesis { settlement: SettlementRules::metered(), ..grid() };
    for edge in genesis.areas.iter_mut().filter_map(|area| area.edge.as_mut()) {
        (edge.fee_up, edge.fee_down) = (Price(0), Price(0));
    }
    genesis
}

/// What went up from the south, as its operator has read it.
fn read_edge(town: &mut Town, sent_up_wh: i64) {
    let contract = Contract { area: AreaId(SOUTH), period: PERIOD };
    let records = town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh })]);
    assert_eq!(refusal(&records[0]), None);
}

/// Issued, active, cancelled, expired, revoked by an area.
fn counts(town: &Town, area: u16) -> [u64; 5] {
    let counts = town.state.issuer(AreaId(area));
    let stand = [Standing::Active, Standing::Cancelled, Standing::Expired, Standing::Revoked];
    let [active, cancelled, expired, revoked] = stand.map(|standing| counts.standing(standing));
    [counts.issued(), active, cancelled, expired, revoked]
}

fn claim(area: u16, first: u64, energy: u64, meter: u32) -> Command {
    let range = CertificateRange::new(AreaId(area), first, gridbook_engine::Energy(energy)).unwrap();
    Command::Claim(Claim { range, period: PERIOD, meter: MeterId(meter) })
}

/// ```text
///   north                          south, whose edge was misread
///   0 roof  600 --300--> 1 house   2 house  200
///               --200-----------------^
///   4 house 100 <--100------------ 3 roof   100
///                                  5 cabin   50, of the roof in the north
/// ```
fn town() -> Town {
    let mut town = roofs_of(metered_grid(), &[NORTH, NORTH, SOUTH, SOUTH, NORTH]);
    let records = town.operator(vec![register(5, AccountId(0), AreaId(SOUTH))]);
    assert_eq!(refusal(&records[0]), None);
    for (name, (seller, from), (buyer, to), energy) in
        [(1, (0, NORTH), (1, NORTH), 300), (2, (0, NORTH), (2, SOUTH), 200), (3, (3, SOUTH), (4, NORTH), 100)]
    {
        town.done(seller, at(from, sell(name, 100, energy)));
        town.done(buyer, at(to, buy(name, 100, energy)));
    }
    read(&mut town, PERIOD, &[(0, 600), (1, -300), (2, -200), (3, 100), (4, -100), (5, -50)]);
    read_edge(&mut town, 400);
    town
}

/// The north is certified as if nothing had happened, but for what it sold to the south. When the south's edge is read again, that goes on
/// its way, and the south's own certificates are issued.
#[test]
fn a_frozen_area_holds_up_its_own_certificates_and_what_goes_there() {
    let mut town = town();
    assert_eq!(
        lines(&settle(&mut town, PERIOD)),
        ["1/1-600 at 0 issued solar", "1/1-300 at 1 moved from 0", "1/1-300 at 1 claimed for 1"]
    );
    assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
    assert!(!town.state.has_work(), "what waits is not work");
    assert_eq!((counts(&town, NORTH), counts(&town, SOUTH)), ([600, 300, 300, 0, 0], [0; 5]));
    read_edge(&mut town, -150);
    assert_eq!(
        lines(&told(&town.work_all(1))),
        [
            "1/301-500 at 2 moved from 0",
            "1/301-500 at 2 claimed for 2",
            "2/1-100 at 3 issued solar",
            "2/1-100 at 4 moved from 3",
            "2/1-100 at 4 claimed for 4",
        ]
    );
    assert_eq!((counts(&town, NORTH), counts(&town, SOUTH)), ([600, 100, 500, 0, 0], [100, 0, 100, 0, 0]));
    town.time(final_at(PERIOD));
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), None);
    assert_eq!((counts(&town, NORTH), counts(&town, SOUTH)), ([600, 0, 500, 100, 0], [100, 0, 100, 0, 0]));
}

/// What waits is nobody's to claim, and nothing can be claimed for a meter of which nobody knows what it took. The roof's unsold energy can
/// be claimed in its own area before that.
#[test]
fn nothing_is_claimed_out_of_a_frozen_area_or_into_it() {
    let mut town = town();
    settle(&mut town, PERIOD);
    assert_eq!(town.refused(0, claim(NORTH, 301, 100, 5)), Code::OriginHolder, "it waits");
    assert_eq!(town.refused(0, claim(NORTH, 501, 50, 5)), Code::OriginPeriod, "the cabin is in the south");
    assert_eq!(town.refused(0, claim(NORTH, 501, 50, 0)), Code::OriginImport, "in the north all is known");
    read_edge(&mut town, -150);
    town.work_all(100);
    town.done(0, claim(NORTH, 501, 50, 5));
    assert_eq!(counts(&town, NORTH), [600, 50, 550, 0, 0]);
}

/// The second reading of the edge is no better than the first: what waited is looked at, and waits on; nothing is issued twice.
#[test]
fn what_waits_waits_on_while_the_area_stays_frozen() {
    let mut town = town();
    settle(&mut town, PERIOD);
    for wrong in [500, 600] {
        read_edge(&mut town, wrong);
        assert!(told(&town.work_all(1)).is_empty());
        assert_eq!(town.state.period_stage(PERIOD), Some(PeriodStage::Settled { frozen: 1 }));
        assert_eq!((counts(&town, NORTH), counts(&town, SOUTH)), ([600, 300, 300, 0, 0], [0; 5]));
    }
    let copy = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    let mut joiner = Town { genesis: town.genesis.clone(), state: copy, next_seq: town.next_seq, past: Vec::new() };
    read_edge(&mut town, -150);
    read_edge(&mut joiner, -150);
    assert_eq!(town.work_all(3), joiner.work_all(3));
    assert_eq!(counts(&town, SOUTH), [100, 0, 100, 0, 0]);
    assert_eq!(joiner.state.snapshot_root(), town.state.snapshot_root());
}

/// The roof in the north had given 350: of what waits the newest is revoked where it lies, and what is left arrives in the end.
#[test]
fn what_waits_is_revoked_like_anything_else() {
    let mut town = town();
    settle(&mut town, PERIOD);
    super::correct(&mut town, PERIOD, 0, 350);
    assert_eq!(lines(&told(&town.work_all(1))), ["1/501-600 at 0 revoked", "1/351-500 at 0 revoked"]);
    read_edge(&mut town, -150);
    let told = lines(&told(&town.work_all(1)));
    assert_eq!(told[..2], ["1/301-350 at 2 moved from 0", "1/301-350 at 2 claimed for 2"]);
    assert_eq!(counts(&town, NORTH), [600, 0, 350, 0, 250]);
}

/// Random days on which the south is frozen and mended sooner or later, or not at all, with corrections and claims in between. Everything
/// is audited at each step, goes back as it came, and a joiner goes on alike.
#[test]
fn frozen_areas_freeze_nothing_else_on_random_days() {
    let (mut waited, mut mended, mut over) = (0, 0, 0);
    for seed in 0..40 {
        let mut town = roofs_of(metered_grid(), &[NORTH, NORTH, SOUTH, NORTH, SOUTH, NORTH]);
        assert_eq!(refusal(&town.operator(vec![register(6, AccountId(0), AreaId(NORTH))])[0]), None);
        let (mut is_waiting, mut steps) = (false, 0);
        let records = day(&mut town, &mut Dice(seed), &mut |town, dice| {
            let (now, stage) = (town.state.time(), town.state.period_stage(PERIOD));
            if now >= PERIOD.ends_at(15) && now < deadline(PERIOD) && dice.below(4) == 0 {
                let contract = Contract { area: AreaId(SOUTH), period: PERIOD };
                let sent_up_wh = i64::try_from(2_000 + dice.below(1_000)).unwrap();
                town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh })]);
            }
            let is_frozen = matches!(stage, Some(PeriodStage::Settled { frozen: 1.. }));
            if is_frozen && !town.state.has_work() {
                is_waiting |= !town.state.certificates(PERIOD).is_empty();
                if now < final_at(PERIOD) && dice.below(6) == 0 {
                    mend(town);
                    mended += 1;
                }
            }
            steps += 1;
            if steps % 7 == 0 {
                there_and_back(town, dice);
            }
        });
        waited += u32::from(is_waiting);
        over += u32::from(
            records.iter().any(|record| record.events.contains(&RecordEvent::PeriodFinal { period: PERIOD })),
        );
    }
    assert!(waited > 5 && mended > 5 && over > 5, "dull days: {waited} waited, {mended} mended, {over} over");
}

/// The south's operator reads what its meters say has gone up.
fn mend(town: &mut Town) {
    let meters = (0..town.state.meters_count()).map(MeterId);
    let own = meters.filter(|meter| town.state.meter(*meter).unwrap().area == AreaId(SOUTH));
    let net_wh: i128 =
        own.filter_map(|meter| town.state.delivery(meter, PERIOD)).map(|row| row.delivery.net_wh()).sum();
    let contract = Contract { area: AreaId(SOUTH), period: PERIOD };
    let sent_up_wh = i64::try_from(net_wh).unwrap();
    town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh })]);
}

fn there_and_back(town: &mut Town, dice: &mut Dice) {
    let (mark, seq, snapshot) = (town.state.mark(), town.next_seq, town.state.snapshot());
    let future: Vec<(Entry, _)> = (0..4)
        .map(|_| {
            let next = drawn(town, dice);
            let records = town.apply(&next);
            (next, records)
        })
        .collect();
    town.state.rollback(mark);
    town.next_seq = seq;
    assert!(town.state.snapshot() == snapshot);
    let state = State::restore(&town.genesis, &snapshot).unwrap();
    let mut joiner = Town { genesis: town.genesis.clone(), state, next_seq: seq, past: Vec::new() };
    for (next, records) in &future {
        assert_eq!(&joiner.apply(next), records);
    }
}

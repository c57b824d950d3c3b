//! What the virtual meter of an area shows: losses and what was found, and how that is known (MARKET section 7, rules 1 and 8).

use gridbook_engine::{AreaId, Contract, Money};
use gridbook_ledger::command::{AreaReading, Command, Correction};
use gridbook_ledger::record::{AreaResidual, Record, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::ResidualQuality::{self, Corrected, Estimated, Measured};
use gridbook_ledger::settlement::ResidualRule::{NoReading, NoReadingBelow};
use gridbook_ledger::state::State;

use crate::deliveries::{areas, begin, end, feeders, final_at, metered, reading};
use crate::town::{CONTRACT, PERIOD, Town, at, buy, delivered, grid, refusal, sell};

/// What was told: area, what its meters gave, what came up from below, what went up, what got lost; and how that is known.
type Told = (u16, [i128; 4], ResidualQuality);

fn residuals(records: &[Record]) -> Vec<Told> {
    let of = |event: &RecordEvent| match event {
        RecordEvent::AreaResidual(AreaResidual { contract: Contract { area, period: PERIOD }, residual }) => {
            let shown = [residual.net_wh, residual.below_wh, residual.sent_up_wh, residual.losses_wh()];
            Some((area.0, shown, residual.quality))
        }
        _ => None,
    };
    records.iter().flat_map(|record| &record.events).filter_map(of).collect()
}

fn read_edge(town: &mut Town, area: u16, sent_up_wh: i64) -> Vec<Record> {
    let contract = Contract { area: AreaId(area), ..CONTRACT };
    town.operator(vec![Command::AreaReading(AreaReading { contract, sent_up_wh })])
}

/// The feeders' town, with these edges read before the deadline; the north gave 100, the south took so much.
fn settled(edges: &[(u16, i64)], taken: u64) -> (Town, Vec<Record>) {
    let mut town = feeders();
    for (area, sent_up_wh) in edges {
        assert_eq!(refusal(&read_edge(&mut town, *area, *sent_up_wh)[0]), None);
    }
    let records = end(&mut town, &[(0, 0, 100), (1, taken, 0)]);
    (town, records)
}

/// ```text
///                0 substation   96 up, 97 down: 1 found, by errors of meters
///       96 up   /            \\   97 down
///      1 north                2 south
///     gave 100: 4 lost       took 95: 2 lost
/// ```
#[test]
fn every_area_tells_what_got_lost_in_it_and_how_that_is_known() {
    let (_, records) = settled(&[(0, 0), (1, 96), (2, -97)], 95);
    let expected = [(0, [0, -1, 0, -1], Measured), (1, [100, 0, 96, 4], Measured), (2, [-95, 0, -97, 2], Measured)];
    assert_eq!(residuals(&records), expected);
}

/// Nobody read any edge until the deadline: nothing is taken to be lost, and that it is taken so is said. The substation has no meters of
/// anybody's, and its virtual meter all the same.
#[test]
fn an_area_whose_edge_nobody_read_shows_nothing_and_says_so() {
    let (town, records) = settled(&[], 95);
    let expected = [
        (0, [0, 5, 5, 0], Estimated(NoReading)),
        (1, [100, 0, 100, 0], Estimated(NoReading)),
        (2, [-95, 0, -95, 0], Estimated(NoReading)),
    ];
    assert_eq!(residuals(&records), expected);
    assert_eq!(town.state.area_income(AreaId(1)).losses, Money(0));
}

/// The substation's edge was read, the south's was not: what got lost on it is the substation's, and not known better.
#[test]
fn an_edge_below_that_nobody_read_makes_an_estimate_of_what_is_above() {
    let (_, records) = settled(&[(0, 0), (1, 96)], 95);
    let [substation, north, south] = residuals(&records)[..] else { panic!("{records:?}") };
    assert_eq!(substation, (0, [0, 1, 0, 1], Estimated(NoReadingBelow)));
    assert_eq!((north.2, south.2), (Measured, Estimated(NoReading)));
}

/// The north's edge is read after the deadline, and shows what was taken for granted: no money moves, but now it is known. Then it is read
/// again, and 3 were lost. The substation's is known better each time too.
#[test]
fn a_late_reading_of_an_edge_corrects_what_was_estimated() {
    let (mut town, _) = settled(&[(0, 5)], 95);
    let records = read_edge(&mut town, 1, 100);
    assert_eq!(residuals(&records), [(1, [100, 0, 100, 0], Corrected)]);
    assert!(areas(&records).is_empty());
    let records = read_edge(&mut town, 1, 97);
    let substation = (0, [0, 2, 5, -3], Estimated(NoReadingBelow));
    assert_eq!(residuals(&records), [(1, [100, 0, 97, 3], Corrected), substation]);
    assert_eq!((areas(&records)[0].losses, areas(&records)[1].losses), (Money(3 * 600), Money(-3 * 20)));
    let records = read_edge(&mut town, 2, -95);
    assert_eq!(residuals(&records), [(2, [-95, 0, -95, 0], Corrected), (0, [0, 2, 5, -3], Corrected)]);
    assert!(areas(&records).is_empty());
}

/// The north gave 97 and not 100: one got lost of it instead of 4. What its edge says is the same, so that nothing changes above.
#[test]
fn a_corrected_meter_corrects_the_residual_of_its_area() {
    let (mut town, _) = settled(&[(0, 1), (1, 96), (2, -95)], 95);
    let correction = Correction { meter: gridbook_engine::MeterId(0), reading: reading(PERIOD, 0, 97) };
    town.operator(vec![Command::Correction(correction)]);
    assert_eq!(residuals(&town.work_all(100)), [(1, [97, 0, 96, 1], Corrected)]);
}

/// In the substation nobody lives, and nobody read its edge. When that is read at last its losses are bounded and paid for as any other's:
/// they were passed over where nothing was known of the area before.
#[test]
fn an_area_without_meters_is_charged_for_what_gets_lost_in_it() {
    let (mut town, _) = settled(&[(1, 100), (2, -95)], 95);
    assert_eq!(refusal(&read_edge(&mut town, 0, 195)[0]), Some(Code::MeterLosses));
    let records = read_edge(&mut town, 0, 3);
    assert_eq!(residuals(&records), [(0, [0, 5, 3, 2], Corrected)]);
    assert_eq!(town.state.area_income(AreaId(0)).losses, Money(2 * 600));
    town.time(final_at());
    town.work_all(100);
    town.state.audit().unwrap();
}

/// A joiner knows what everybody knows of the residuals: the same reading corrects the same.
#[test]
fn residuals_are_in_the_snapshot() {
    let (mut town, _) = settled(&[(1, 98)], 95);
    let mut joiner = Town {
        genesis: town.genesis.clone(),
        state: State::restore(&town.genesis, &town.state.snapshot()).unwrap(),
        next_seq: town.next_seq,
        past: Vec::new(),
    };
    let told = residuals(&read_edge(&mut town, 1, 99));
    assert_eq!(told[0], (1, [100, 0, 99, 1], Corrected));
    assert_eq!(residuals(&read_edge(&mut joiner, 1, 99)), told);
}

/// Where no meter is read nothing gets lost, and no virtual meter tells anything.
#[test]
fn a_ledger_without_metering_has_no_virtual_meters() {
    let mut town = Town::in_areas(grid(), &[1, 2]);
    town.done(0, at(1, sell(1, 200, 100)));
    town.done(1, at(2, buy(1, 300, 100)));
    town.time(delivered());
    let records = town.work_all(100);
    assert_eq!((areas(&records).len(), residuals(&records).len()), (2, 0));
}

/// The residual of an area that was frozen is told when it is mended, as it was measured; nothing was told before that could be corrected.
#[test]
fn a_frozen_area_has_no_residual_until_it_is_mended() {
    let mut town = Town::in_areas(metered(grid()), &[1]);
    begin(&mut town, 1);
    town.time(delivered());
    read_edge(&mut town, 1, 50);
    let told: Vec<u16> = residuals(&end(&mut town, &[(0, 0, 100)])).iter().map(|told| told.0).collect();
    assert_eq!(told, [0, 2]);
    let mut records = read_edge(&mut town, 1, 99);
    records.extend(town.work_all(100));
    let expected = [(1, [100, 0, 99, 1], Measured), (0, [0, 99, 99, 0], Estimated(NoReading))];
    assert_eq!(residuals(&records), expected);
}

//! Issued, moved, claimed, over.

use gridbook_engine::{AreaId, Energy, EnergySources, MeterId, Side};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::RecordEvent;
use gridbook_ledger::registry::{Installation, Plant};
use gridbook_ledger::reject::Code;

use super::{counts, final_at, lines, metered, read, roofs, settle, told};
use crate::town::{PERIOD, Town, buy, delivered, order, refusal, sell};

/// A roof gives out 400 Wh, of which 300 were sold to a neighbour who takes in 350. Its certificates go with the 300 and stand for what he
/// took in; the other 100 stay with the roof until the period is final.
#[test]
fn the_suns_energy_is_followed_from_the_roof_to_who_used_it() {
    let mut town = roofs(2);
    town.done(0, sell(1, 100, 300));
    town.done(1, buy(1, 100, 300));
    read(&mut town, PERIOD, &[(0, 400), (1, -350)]);
    assert_eq!(
        lines(&settle(&mut town, PERIOD)),
        ["0/1-400 at 0 issued solar", "0/1-300 at 1 moved from 0", "0/1-300 at 1 claimed for 1"]
    );
    assert_eq!(counts(&town), [400, 100, 300, 0, 0]);
    town.time(final_at(PERIOD));
    let last = town.work_all(1_000);
    assert_eq!(lines(&told(&last)), ["0/1-300 at 1 cancelled", "0/301-400 at 0 expired"]);
    let is_final =
        |record: &gridbook_ledger::record::Record| record.events.contains(&RecordEvent::PeriodFinal { period: PERIOD });
    assert!(last.iter().any(is_final));
    assert_eq!(counts(&town), [400, 0, 300, 100, 0]);
    assert!(town.state.certificates(PERIOD).is_empty(), "only the counts stay");
}

/// Numbers go on over meters and periods, without a gap: nobody can hide a certificate.
#[test]
fn an_issuer_counts_on() {
    let mut town = roofs(3);
    read(&mut town, PERIOD, &[(0, 10), (2, 20)]);
    assert_eq!(lines(&settle(&mut town, PERIOD)), ["0/1-10 at 0 issued solar", "0/11-30 at 2 issued solar"]);
    let next = super::after(PERIOD);
    let mut other = super::roofs_in(&[1, 0]);
    for (meter, energy) in [(0, 70), (1, 50)] {
        read(&mut other, next, &[(meter, energy)]);
    }
    let issued = lines(&settle(&mut other, next));
    assert_eq!(issued, ["1/1-70 at 0 issued solar", "0/1-50 at 1 issued solar"], "each area counts by itself");
    assert_eq!(other.state.issuer(AreaId(1)).issued(), 70);
}

/// A dealer buys 300 and sells 200 of them on: those pass through him, and he keeps 100, of which he took in only 60.
#[test]
fn what_is_sold_on_is_certified_to_the_last_buyer() {
    let mut town = roofs(3);
    town.done(0, sell(1, 100, 300));
    town.done(1, buy(1, 100, 300));
    town.done(1, sell(2, 110, 200));
    town.done(2, buy(1, 110, 200));
    read(&mut town, PERIOD, &[(0, 300), (1, -60), (2, -500)]);
    assert_eq!(
        lines(&settle(&mut town, PERIOD)),
        [
            "0/1-300 at 0 issued solar",
            "0/1-200 at 1 moved from 0",
            "0/1-200 at 2 moved from 1",
            "0/1-200 at 2 claimed for 2",
            "0/201-260 at 1 moved from 0",
            "0/201-260 at 1 claimed for 1",
        ],
        "40 Wh were not taken, so that their certificates stay at the roof"
    );
    assert_eq!(counts(&town), [300, 40, 260, 0, 0]);
}

/// A meter that says nothing is estimated, against its owner: that costs money, and brings no certificates. A consumer who says
/// nothing gets those that he bought, and cannot call anything his use.
#[test]
fn nothing_is_certified_or_claimed_by_estimate() {
    let mut town = roofs(3);
    town.done(0, sell(1, 100, 300));
    town.done(1, buy(1, 100, 300));
    town.done(2, buy(1, 100, 200));
    read(&mut town, PERIOD, &[(1, -300)]);
    assert!(settle(&mut town, PERIOD).is_empty(), "the roof's meter is silent");

    let mut town = roofs(2);
    town.done(0, sell(1, 100, 300));
    town.done(1, buy(1, 100, 300));
    read(&mut town, PERIOD, &[(0, 300)]);
    let events = settle(&mut town, PERIOD);
    assert_eq!(lines(&events), ["0/1-300 at 0 issued solar", "0/1-300 at 1 moved from 0"]);
    assert_eq!(counts(&town), [300, 300, 0, 0, 0]);
}

/// A ledger that reads no meters counts every trade as delivered, and knows nothing of any roof.
#[test]
fn without_meters_there_are_no_certificates() {
    let mut town = Town::in_areas(Genesis { settlement: SettlementRules::default(), ..metered() }, &[0, 0]);
    town.done(0, sell(1, 100, 300));
    town.done(1, buy(1, 100, 300));
    town.time(delivered());
    assert!(told(&town.work_all(100)).is_empty());
    assert_eq!(counts(&town), [0; 5]);
}

/// He asked for solar and accepts nothing else: 200 of 300 Wh were delivered, and each has its solar certificate.
#[test]
fn who_asked_for_solar_gets_solar_certificates_for_all_that_was_delivered() {
    let mut town = roofs(2);
    let solar = |side| Place { sources: Some(EnergySources::SOLAR), ..order(1, side, 100, 300) };
    town.done(0, Command::Place(solar(Side::Sell)));
    town.done(1, Command::Place(solar(Side::Buy)));
    read(&mut town, PERIOD, &[(0, 200), (1, -300)]);
    assert_eq!(
        lines(&settle(&mut town, PERIOD)),
        ["0/1-200 at 0 issued solar", "0/1-200 at 1 moved from 0", "0/1-200 at 1 claimed for 1"]
    );
}

/// A roof without papers is never issued a certificate: what it sells as solar would come to a buyer who asked for it with none. It sells as the
/// grid's mix, or as either; and papers are not taken away from under an order.
#[test]
fn nobody_sells_as_solar_alone_who_is_never_issued_a_certificate() {
    let mut town = roofs(2);
    let installation = |certificate| Installation {
        plant: Plant::of(EnergySources::SOLAR),
        import_max: Energy(1_000),
        export_max: Energy(1_000),
        certificate,
    };
    let set = |certificate| Command::SetInstallation { meter: MeterId(0), installation: installation(certificate) };
    let sell = |name, sources| Command::Place(Place { sources: Some(sources), ..order(name, Side::Sell, 100, 10) });
    let solar = EnergySources::SOLAR;
    assert_eq!(refusal(&town.operator(vec![set(Hash::ZERO)])[0]), None);
    assert_eq!(town.refused(0, sell(1, solar)), Code::AuthInstallation);
    town.done(0, sell(1, solar.with(EnergySources::GRID_MIX)));
    assert_eq!(refusal(&town.operator(vec![set(Hash([7; 32]))])[0]), None);
    town.done(0, sell(2, solar));
    assert_eq!(refusal(&town.operator(vec![set(Hash::ZERO)])[0]), Some(Code::AuthOpen));
}

/// A slice of work is cut anywhere, and a validator may be slower than another: what happens is the same, in the same order.
#[test]
fn slices_of_work_change_nothing() {
    let day = |limit: u32| {
        let mut town = roofs(5);
        for (seller, buyer, energy) in [(0, 1, 200), (1, 2, 150), (3, 2, 90), (2, 4, 100), (0, 4, 50)] {
            town.done(seller, sell(10 + u64::from(buyer), 100, energy));
            town.done(buyer, buy(20 + u64::from(seller), 100, energy));
        }
        read(&mut town, PERIOD, &[(0, 240), (1, -70), (2, -90), (3, 90), (4, -120)]);
        town.time(super::deadline(PERIOD));
        let mut events = told(&town.work_all(limit));
        town.time(final_at(PERIOD));
        events.extend(told(&town.work_all(limit)));
        (events, counts(&town))
    };
    let whole = day(4_096);
    assert!(whole.0.len() > 12, "{whole:?}");
    for limit in [1, 2, 3, 7] {
        assert_eq!(day(limit), whole, "in slices of {limit}");
    }
}

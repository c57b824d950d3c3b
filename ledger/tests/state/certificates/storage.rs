//! Batteries: what comes out was put in, or it is nobody's sun.

use gridbook_engine::{DeliveryPeriod, EnergySources, MeterId};
use gridbook_ledger::command::{Command, Correction, Place, Reading};
use gridbook_ledger::registry::Plant;
use gridbook_ledger::settlement::Registers;

use super::{after, correct, counts, install, lines, read, roofs, settle, told};
use crate::town::{PERIOD, Town, buy, sell};

/// Meter 0 is a solar roof, meter 1 a battery that gives back 90 % of what it takes in, meter 2 a house.
fn town() -> Town {
    let mut town = roofs(3);
    install(&mut town, 1, Plant::battery(900_000));
    town
}

fn later(period: DeliveryPeriod, command: Command) -> Command {
    match command {
        Command::Place(place) => Command::Place(Place { period, ..place }),
        other => other,
    }
}

/// The roof's 500 Wh go into the battery: their certificates are cancelled for its import, and are good for 450 Wh of storage certificates
/// in the next hour. It gives out 480, 30 of which it has from the grid of the night.
#[test]
fn a_discharge_is_certified_up_to_the_cancelled_charge_times_the_efficiency() {
    let mut town = town();
    let next = after(PERIOD);
    town.done(0, sell(1, 100, 500));
    town.done(1, buy(1, 100, 500));
    town.done(1, later(next, sell(2, 150, 480)));
    town.done(2, later(next, buy(2, 150, 480)));
    read(&mut town, PERIOD, &[(0, 500), (1, -500)]);
    settle(&mut town, PERIOD);
    assert_eq!(counts(&town), [500, 0, 500, 0, 0]);
    assert_eq!(town.state.meter(MeterId(1)).unwrap().charge.allowance().0, 450);
    town.time(next.ends_at(15));
    read_next(&mut town, next, &[(1, -500, 480), (2, 0, -480)]);
    assert_eq!(
        lines(&settle(&mut town, next)),
        ["0/501-950 at 1 issued storage", "0/501-950 at 2 moved from 1", "0/501-950 at 2 claimed for 2"]
    );
    assert_eq!(town.state.meter(MeterId(1)).unwrap().charge.allowance().0, 0);
}

/// What meters' registers show at the end of a period: before it they showed the first flow of each, and in it came the second.
fn read_next(town: &mut Town, period: DeliveryPeriod, net_wh: &[(u32, i64, i64)]) {
    let start = DeliveryPeriod(period.0 - 1);
    for (meter, before, net) in net_wh {
        let show = |period, registers| {
            Command::Correction(Correction { meter: MeterId(*meter), reading: Reading { period, registers } })
        };
        let at_start = super::registers(start, flow(*before));
        // What is known of the start already is not taken twice.
        town.operator(vec![show(start, at_start), show(period, on(at_start, *net))]);
    }
}

fn flow(net: i64) -> (u64, u64) {
    if net > 0 { (0, net.unsigned_abs()) } else { (net.unsigned_abs(), 0) }
}

/// The registers a period later.
fn on(registers: Registers, net: i64) -> Registers {
    let (import, export) = flow(net);
    Registers { import: registers.import + import, export: registers.export + export, counter: registers.counter + 1 }
}

/// A battery that was never charged with certified energy, and a roof behind a battery: whose sun that is nobody knows.
#[test]
fn what_comes_from_an_uncertified_charge_gets_no_certificate() {
    let mut town = town();
    install(&mut town, 2, Plant { storage_ppm: Some(950_000), ..Plant::of(EnergySources::SOLAR) });
    read(&mut town, PERIOD, &[(1, 300), (2, 400)]);
    assert!(settle(&mut town, PERIOD).is_empty());
    assert_eq!(counts(&town), [0; 5]);
}

/// The charge turns out to have been smaller, and the roof to have given out less: what the battery may give out follows.
#[test]
fn a_corrected_charge_corrects_what_may_be_given_out() {
    let mut town = town();
    town.done(0, sell(1, 100, 500));
    town.done(1, buy(1, 100, 500));
    read(&mut town, PERIOD, &[(0, 500), (1, -500)]);
    settle(&mut town, PERIOD);
    let allowance = |town: &Town| town.state.meter(MeterId(1)).unwrap().charge.allowance().0;
    assert_eq!(allowance(&town), 450);
    correct(&mut town, PERIOD, 1, -400);
    town.work_all(100);
    assert_eq!(allowance(&town), 360, "the last 100 Wh were not taken in");
    correct(&mut town, PERIOD, 0, 300);
    assert_eq!(lines(&told(&town.work_all(100))), ["0/401-500 at 1 revoked", "0/301-400 at 1 revoked, claimed"]);
    assert_eq!(allowance(&town), 270);
}

/// A certified discharge that turns out smaller gives back what it used of the charge.
#[test]
fn a_revoked_discharge_gives_its_charge_back() {
    let mut town = town();
    town.done(0, sell(1, 100, 500));
    town.done(1, buy(1, 100, 500));
    read(&mut town, PERIOD, &[(0, 500), (1, -500)]);
    settle(&mut town, PERIOD);
    let next = after(PERIOD);
    town.time(next.ends_at(15));
    read_next(&mut town, next, &[(1, -500, 450)]);
    settle(&mut town, next);
    let allowance = |town: &Town| town.state.meter(MeterId(1)).unwrap().charge.allowance().0;
    assert_eq!((allowance(&town), town.state.issuer(gridbook_engine::AreaId(0)).issued()), (0, 950));
    // It gave out 200 only.
    read_next(&mut town, next, &[(1, -500, 200)]);
    assert_eq!(lines(&told(&town.work_all(100))), ["0/701-950 at 1 revoked"]);
    assert_eq!(allowance(&town), 250);
}

//! Batteries: what comes out was put in, or it is nobody's sun.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, EnergySources, MeterId};
use gridbook_ledger::command::{Command, Correction, Place, Reading};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::origin::proof::{Charge, ChargeError, Step, StepKind, VerifiedCertificate};
use gridbook_ledger::origin::{CertificateRange, Standing};
use gridbook_ledger::receipt::{VerifiedAccount, VerifiedHistory};
use gridbook_ledger::record::{CertificateChange, Certificates, Party, RecordEvent};
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

/// All that the ledger says of one account, as whoever verified it has it.
fn history(town: &Town, account: u32) -> VerifiedHistory {
    let account = AccountId(account);
    let extracts = town.past.iter().filter_map(|record| record.extract_for(Party::Account(account))).collect();
    let header = town.genesis.root_header(Hash::ZERO);
    let (state, last_seq, time) = (town.state.account(account).unwrap(), town.next_seq - 1, town.state.time());
    let account = VerifiedAccount { state, header: header.reference(), height: header.height, last_seq, time };
    VerifiedHistory { account, extracts }
}

/// What was proven of certificates by the record that issued them.
fn issued(town: &Town, first: u64, energy: u64) -> VerifiedCertificate {
    let range = CertificateRange::new(AreaId(0), first, Energy(energy)).unwrap();
    let issue = |event: &RecordEvent| match event {
        RecordEvent::Certificates(event) if event.range.contains(&range) => match event.change {
            CertificateChange::Issued { source } => Some((*event, source)),
            _ => None,
        },
        _ => None,
    };
    let found = town.past.iter().find_map(|record| Some((record.seq, record.events.iter().find_map(issue)?)));
    let (seq, (Certificates { period, holder: plant, account, range: among, .. }, source)) = found.unwrap();
    let what = StepKind::Issued { among, plant, account };
    let steps = vec![Step { seq, time: town.state.time(), what }];
    VerifiedCertificate { range, period, source, plant, steps, standing: Standing::Active, is_final: false }
}

/// ```text
/// roof's 500 Wh -> cancelled for the battery's import      500 in
/// battery's 300 Wh an hour later                           300 out, at most 150 to come
/// ```
/// Whoever holds one of the 300 asks what stands behind them.
#[test]
fn behind_a_storages_certificate_stand_those_that_it_cancelled() {
    let mut town = town();
    let next = after(PERIOD);
    town.done(0, sell(1, 100, 500));
    town.done(1, buy(1, 100, 500));
    read(&mut town, PERIOD, &[(0, 500), (1, -500)]);
    settle(&mut town, PERIOD);
    town.time(next.ends_at(15));
    read_next(&mut town, next, &[(1, -500, 300)]);
    settle(&mut town, next);
    let charge = Charge { cancelled: Energy(500), certified: Energy(300) };
    let histories = [history(&town, 1)];
    assert_eq!(issued(&town, 501, 300).charge(&histories), Ok(charge));
    assert_eq!(issued(&town, 601, 50).charge(&histories), Ok(charge), "of a part, too");
    let twice = [history(&town, 1), history(&town, 0), history(&town, 1)];
    assert_eq!(issued(&town, 601, 50).charge(&twice), Ok(charge), "however often it is said");

    assert_eq!(issued(&town, 1, 500).charge(&histories), Err(ChargeError::NoStorage));
    let late = issued(&town, 501, 300);
    assert_eq!(late.charge(&[history(&town, 0)]), Err(ChargeError::NotIssued(late.steps[0].seq)));
    // A history is proven to be whole: here one is shortened by hand, as that of a second owner would be.
    let mut second = history(&town, 1);
    let is_claim = |event: &RecordEvent| matches!(event, RecordEvent::Certificates(event) if matches!(event.change, CertificateChange::Claimed { .. }));
    second.extracts.retain(|extract| !extract.record().events.iter().any(is_claim));
    let charge = Charge { cancelled: Energy(0), ..charge };
    assert_eq!(late.charge(&[second]), Err(ChargeError::Uncharged { plant: MeterId(1), charge }));
}

/// The battery took in 100 Wh less than its register first said, and the roof gave out less: what is taken back stands behind nothing.
#[test]
fn a_charge_that_was_taken_back_stands_behind_nothing() {
    let mut town = town();
    town.done(0, sell(1, 100, 500));
    town.done(1, buy(1, 100, 500));
    read(&mut town, PERIOD, &[(0, 500), (1, -500)]);
    settle(&mut town, PERIOD);
    correct(&mut town, PERIOD, 1, -400);
    town.work_all(100);
    correct(&mut town, PERIOD, 0, 300);
    town.work_all(100);
    let next = after(PERIOD);
    town.time(next.ends_at(15));
    read_next(&mut town, next, &[(1, -400, 480)]);
    settle(&mut town, next);
    let charge = issued(&town, 501, 270).charge(&[history(&town, 1)]);
    assert_eq!(charge, Ok(Charge { cancelled: Energy(300), certified: Energy(270) }));
}

/// The battery was charged with 500 Wh at 90 %. Then a worse one is put in, and the technician finds that nothing was charged: what goes is
/// what came, and nothing is left of it.
#[test]
fn a_charge_is_taken_back_with_the_efficiency_that_it_was_noted_with() {
    let mut town = town();
    town.done(0, sell(1, 100, 500));
    town.done(1, buy(1, 100, 500));
    read(&mut town, PERIOD, &[(0, 500), (1, -500)]);
    settle(&mut town, PERIOD);
    let charge = |town: &Town| town.state.meter(MeterId(1)).unwrap().charge.0;
    assert_eq!(charge(&town), 450_000_000);
    install(&mut town, 1, Plant::battery(500_000));
    correct(&mut town, PERIOD, 1, -100);
    town.work_all(100);
    assert_eq!(charge(&town), 90_000_000);
}

/// A roof gave out 300 Wh of sun; before they are certified it gets a battery, whose energy would need a charge.
#[test]
fn what_a_plant_gave_before_it_was_changed_is_certified_by_what_it_was() {
    let mut town = town();
    read(&mut town, PERIOD, &[(0, 300)]);
    install(&mut town, 0, Plant { storage_ppm: Some(900_000), ..Plant::of(EnergySources::SOLAR) });
    assert_eq!(lines(&settle(&mut town, PERIOD)), ["0/1-300 at 0 issued solar"]);
}

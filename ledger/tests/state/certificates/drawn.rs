//! Random days of roofs, dealers and households, with silent meters, corrections and claims. Every entry is followed by an audit: issued
//! is active, cancelled, expired and revoked; no plant is certified for more than it measurably gave out, nobody claims more than he took in.

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, LedgerTime, MeterId};
use gridbook_ledger::command::{Claim, Command, Correction, Reading};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{CertificateChange, Certificates, Record, RecordEvent};
use gridbook_ledger::registry::Plant;
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::state::State;

use super::{HOUR_MS, after, registers, roofs_in};
use crate::town::{Dice, PERIOD, Town, at, buy, entry, key, register, sell};

const METERS: u32 = 7;

/// Six accounts, the last meter is the first account's second.
fn village() -> Town {
    let mut town = roofs_in(&[0, 0, 1, 0, 0, 0]);
    let records = town.operator(vec![register(6, AccountId(0), AreaId(0))]);
    assert!(crate::town::refusal(&records[0]).is_none());
    // One battery, and one house whose roof nobody has certified.
    super::install(&mut town, 5, Plant::battery(800_000));
    town
}

pub(super) fn drawn(town: &Town, dice: &mut Dice) -> Entry {
    let meter = dice.small(METERS);
    let command = match dice.below(12) {
        0 => return Entry::Time(LedgerTime(town.state.time().0 + dice.below(HOUR_MS))),
        1..=4 => return Entry::Work { limit: 1 + dice.small(4) },
        // Before the gate there is nothing to be read, and after it nothing to be traded.
        5..=9 if town.state.time() < PERIOD.starts_at(15) => {
            let (name, price, energy) = (dice.below(1_000), 95 + dice.small(10).cast_signed(), 1 + dice.below(200));
            let area = town.state.meter(MeterId(meter)).unwrap().area.0;
            at(area, if dice.below(2) == 0 { buy(name, price, energy) } else { sell(name, price, energy) })
        }
        5..=7 => Command::Reading(Reading { period: PERIOD, registers: drawn_registers(dice) }),
        8 | 9 => {
            let reading = Reading { period: PERIOD, registers: drawn_registers(dice) };
            let correction = Correction { meter: MeterId(meter), reading };
            return entry(&town.bundle(key(0), vec![Command::Correction(correction)]));
        }
        _ => drawn_claim(town, dice),
    };
    entry(&town.bundle(key(meter + 1), vec![command]))
}

fn drawn_registers(dice: &mut Dice) -> Registers {
    registers(PERIOD, (dice.below(2) * dice.below(300), dice.below(2) * dice.below(300)))
}

/// What all meters but one show when the period begins.
fn begin(town: &mut Town, silent: u32) {
    let start = DeliveryPeriod(PERIOD.0 - 1);
    let reading = Reading { period: start, registers: registers(start, (0, 0)) };
    for meter in (0..METERS).filter(|meter| *meter != silent) {
        town.done(meter, Command::Reading(reading));
    }
}

/// A part of something that somebody holds, as often as not.
fn drawn_claim(town: &Town, dice: &mut Dice) -> Command {
    let rows = town.state.certificates(PERIOD);
    let range = match dice.below(rows.len() as u64 + 1) as usize {
        at if at < rows.len() => {
            let row = rows[at].range;
            let first = dice.below(row.energy().0);
            let energy = gridbook_engine::Energy(1 + dice.below(row.energy().0 - first));
            CertificateRange::new(row.issuer(), row.first() + first, energy).unwrap()
        }
        _ => super::range(1 + dice.below(500), 1 + dice.below(500)),
    };
    Command::Claim(Claim { range, period: PERIOD, meter: MeterId(dice.small(METERS)) })
}

/// From before the gate to after the end of the dispute window.
pub(super) fn day(town: &mut Town, dice: &mut Dice, each: &mut dyn FnMut(&mut Town, &mut Dice)) -> Vec<Record> {
    let mut records = Vec::new();
    for stage in [
        LedgerTime(PERIOD.starts_at(15).0 - 10 * 60_000),
        PERIOD.ends_at(15),
        super::deadline(PERIOD),
        super::final_at(PERIOD),
        super::final_at(after(PERIOD)),
    ] {
        for _ in 0..40 {
            if town.state.time() >= stage {
                break;
            }
            let next = drawn(town, dice);
            // Time stops before the next stage, so that every stage has its part of the day.
            let next = match next {
                Entry::Time(at) if at >= stage => Entry::Work { limit: 2 },
                other => other,
            };
            records.extend(town.apply(&next));
            each(town, dice);
        }
        town.time(stage);
        if stage == PERIOD.ends_at(15) {
            begin(town, dice.small(METERS));
        }
        records.extend(town.work_all(1 + dice.small(6)));
        each(town, dice);
    }
    records
}

/// In all days together everything must have happened that can happen to a certificate.
#[test]
fn every_kind_of_life_is_lived_and_adds_up() {
    let mut seen = [0; 8];
    for seed in 0..60 {
        let mut town = village();
        let records = day(&mut town, &mut Dice(seed), &mut |_, _| {});
        for Certificates { change, .. } in super::told(&records) {
            seen[match change {
                CertificateChange::Issued { .. } => 0,
                CertificateChange::Moved { .. } => 1,
                CertificateChange::Claimed { .. } => 2,
                CertificateChange::Unclaimed { .. } => 3,
                CertificateChange::Revoked { was_claimed: false } => 4,
                CertificateChange::Revoked { was_claimed: true } => 5,
                CertificateChange::Closed { was_claimed: false } => 6,
                CertificateChange::Closed { was_claimed: true } => 7,
            }] += 1;
        }
        assert!(town.state.certificates(PERIOD).is_empty());
        assert!(records.iter().any(|record| record.events.contains(&RecordEvent::PeriodFinal { period: PERIOD })));
    }
    assert!(seen.iter().all(|count| *count > 3), "dull days: {seen:?}");
}

/// A view change takes back what was certified; a joiner goes on from a snapshot. Both are as if nothing had been.
#[test]
fn certificates_roll_back_and_come_back_from_snapshots() {
    for seed in 100..115 {
        let mut town = village();
        let mut step = 0;
        day(&mut town, &mut Dice(seed), &mut |town, dice| {
            step += 1;
            if step % 6 != 0 {
                return;
            }
            let (mark, seq, snapshot) = (town.state.mark(), town.next_seq, town.state.snapshot());
            let future: Vec<_> = (0..6)
                .map(|_| {
                    let next = drawn(town, dice);
                    (town.apply(&next), next)
                })
                .collect();
            let then = town.state.snapshot();
            town.state.rollback(mark);
            town.next_seq = seq;
            assert!(town.state.snapshot() == snapshot, "seed {seed} step {step}");
            let state = State::restore(&town.genesis, &snapshot).unwrap();
            let mut joiner = Town { genesis: town.genesis.clone(), state, next_seq: seq, past: Vec::new() };
            assert_eq!(joiner.state.snapshot_root(), town.state.snapshot_root());
            for (records, next) in &future {
                assert_eq!(&town.apply(next), records, "seed {seed} step {step}");
                assert_eq!(&joiner.apply(next), records, "seed {seed} step {step}");
            }
            assert!(town.state.snapshot() == then && joiner.state.snapshot() == then, "seed {seed} step {step}");
        });
    }
}

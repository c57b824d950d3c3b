//! Bills against the ledger: on random days every meter's bill is worked out from the records alone, and comes to what its account has.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, LedgerTime, MeterId, Price};
use gridbook_ledger::command::{Command, Correction, Reading};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{Purse, Record, RecordEvent};
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::settlement::statement::{Statement, Traded};

use crate::random::random_entry;
use crate::town::{Dice, START, Town, entry, grid, key, register, with_calls};

const MINUTE_MS: u64 = 60_000;

/// Nine meters of five accounts over a grid; half an hour for readings, an hour for corrections. Nobody meters edges, so nothing is frozen.
fn village(seed: u64) -> Town {
    let settlement = SettlementRules {
        reading_deadline_ms: 30 * MINUTE_MS,
        dispute_ms: 60 * MINUTE_MS,
        short_price: Price(600),
        long_price: Price(20),
        short_price_cap: Price(1_000),
        long_price_floor: Price(-200),
        ..SettlementRules::metered()
    };
    let genesis = if seed.is_multiple_of(2) { grid() } else { with_calls(grid()) };
    let mut town = Town::in_areas(Genesis { settlement, ..genesis }, &[0; 5]);
    town.operator(vec![register(5, AccountId(0), AreaId(0)), register(6, AccountId(0), AreaId(1))]);
    town.operator(vec![register(7, AccountId(1), AreaId(1)), register(8, AccountId(2), AreaId(1))]);
    town
}

/// A meter's registers at the end of a period, or what somebody who looked again found there.
fn reading(seed: u64, meter: u32, period: DeliveryPeriod, again: u64) -> Reading {
    let (mut import, mut export) = (0, 0);
    for past in START - 1..=period.0 {
        let mut dice = Dice(seed ^ (u64::from(meter) << 32) ^ u64::from(past));
        import += dice.below(150);
        export += if meter % 2 == 1 { dice.below(250) } else { 0 };
    }
    Reading { period, registers: Registers { import: import + again, export, counter: period.0.into() } }
}

/// A day of orders and readings, some of which never come and some of which are corrected, until all of it is final.
fn day(seed: u64) -> (Town, Vec<Record>) {
    day_until(seed, 60)
}

/// The same, and as many quarter-hours longer as are asked for.
fn day_until(seed: u64, quarters: u32) -> (Town, Vec<Record>) {
    let (mut town, mut dice, mut records) = (village(seed), Dice(seed), Vec::new());
    for _ in 0..400 {
        let period = DeliveryPeriod(DeliveryPeriod::containing(town.state.time(), 15).0 - 1 - dice.small(4));
        let meter = dice.small(9);
        let entry = match dice.below(8) {
            0..=2 => {
                let reading = Command::Reading(reading(seed, meter, period, 0));
                entry(&town.bundle(key(meter + 1), vec![reading]))
            }
            3 => {
                let reading = reading(seed, meter, period, dice.below(20));
                let correction = Command::Correction(Correction { meter: MeterId(meter), reading });
                entry(&town.bundle(key(0), vec![correction]))
            }
            4 if dice.below(2) == 0 => Entry::Time(LedgerTime(town.state.time().0 + 5 * MINUTE_MS)),
            4 => Entry::Work { limit: 40 },
            _ => random_entry(&town, &mut dice),
        };
        records.extend(town.apply(&entry));
    }
    for _ in 0..quarters {
        town.time(LedgerTime(town.state.time().0 + 15 * MINUTE_MS));
        records.extend(town.work_all(16));
    }
    (town, records)
}

/// What came from the bank and went there.
fn banked(records: &[Record]) -> BTreeMap<AccountId, i128> {
    let mut banked = BTreeMap::new();
    for event in records.iter().flat_map(|record| &record.events) {
        if let RecordEvent::Posted { from, to, amount } = event {
            for (purse, amount) in [(from, -amount.0), (to, amount.0)] {
                if let Purse::Account(account) = purse {
                    *banked.entry(*account).or_default() += amount;
                }
            }
        }
    }
    banked
}

#[test]
fn the_bills_of_all_meters_come_to_what_their_accounts_have() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut see = |what, count: usize| *seen.entry(what).or_default() += count;
    for seed in 0..80 {
        let (town, records) = day(seed);
        let mut purses = banked(&records);
        for meter in (0..town.state.meters_count()).map(MeterId) {
            let events = records.iter().flat_map(|record| record.events.iter().map(|event| (record.seq, event)));
            for period in &Statement::of(meter, events).periods {
                *purses.entry(period.account).or_default() += period.balance().0;
                assert_eq!(period.doubt, None, "seed {seed}, {meter:?}, {period:?}");
                assert!(period.is_final && period.settled.is_some(), "seed {seed}, {meter:?}, {period:?}");
                let settled = period.settled.as_ref().unwrap();
                let auctions = period.trades.iter().filter(|trade| trade.traded == Traded::Auction);
                see("auctions", auctions.count());
                see("fees", period.trades.iter().filter(|trade| trade.fee > Price(0)).count());
                see("own trades that failed", settled.parts.iter().filter(|part| part.trade.is_some()).count());
                see("energy beyond trades", settled.parts.iter().filter(|part| part.trade.is_none()).count());
                see("corrections", usize::from(settled.times > 1));
                see("billed", usize::from(settled.billed.0 > 0));
            }
        }
        for (account, expected) in purses {
            // Each began with a million, before the first record here.
            let began = if account.0 < 5 { 1_000_000 } else { 0 };
            let holds = town.state.account(account).unwrap().balance.0 - began;
            assert_eq!(holds, expected, "seed {seed}, {account:?}");
        }
    }
    assert!(seen.len() == 6 && seen.values().all(|count| *count > 10), "{seen:?}");
}

/// In the middle of the day most is not settled: who bought has paid, who sold is still to be paid out, and bills say so to the last nano.
#[test]
fn bills_in_the_middle_of_the_day_come_to_what_accounts_have_by_then() {
    let (mut pending, mut unsettled) = (0, 0);
    for seed in 0..40 {
        let (town, records) = day_until(seed, u32::try_from(seed % 5).unwrap());
        let mut purses = banked(&records);
        for meter in (0..town.state.meters_count()).map(MeterId) {
            let events = records.iter().flat_map(|record| record.events.iter().map(|event| (record.seq, event)));
            let statement = Statement::of(meter, events);
            for period in &statement.periods {
                *purses.entry(period.account).or_default() += period.balance().0;
            }
            pending += usize::from(statement.totals.pending.0 > 0);
            unsettled += statement.totals.unsettled;
        }
        for (account, expected) in purses {
            let began = if account.0 < 5 { 1_000_000 } else { 0 };
            let holds = town.state.account(account).unwrap().balance.0 - began;
            assert_eq!(holds, expected, "seed {seed}, {account:?}");
        }
    }
    assert!(pending > 20 && unsettled > 50, "{pending} {unsettled}");
}

//! Random days: whatever comes, money is conserved, going back goes back, and replicas agree. The audit after every entry recomputes
//! reservations, headroom and clearing from the books.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, Price, Side, TimeInForce,
};
use gridbook_ledger::command::{Command, Place};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::record::Record;

use crate::town::{Dice, START, Town, entry, key, register};

/// Five accounts; the first has three meters, two of them in the north.
pub(crate) fn village() -> Town {
    let mut town = Town::of(5);
    town.operator(vec![register(5, AccountId(0), AreaId(0)), register(6, AccountId(0), AreaId(1))]);
    town.operator(vec![register(7, AccountId(1), AreaId(1)), register(8, AccountId(2), AreaId(1))]);
    town
}

fn random_place(dice: &mut Dice, meter: u32) -> Place {
    let time_in_force = match dice.below(8) {
        0 => TimeInForce::ImmediateOrCancel,
        1 => TimeInForce::FillOrKill,
        2 => TimeInForce::GoodTillTime(LedgerTime(DeliveryPeriod(START).starts_at(15).0 + dice.below(240) * 60_000)),
        _ => TimeInForce::GoodTillGate,
    };
    let contract = Contract { area: AreaId(u16::from(meter >= 6)), period: DeliveryPeriod(START + dice.small(16)) };
    let client_id = dice.below(400);
    let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
    let price = Price(i32::try_from(dice.below(40)).unwrap() * 50 - 500);
    let limit = Place::limit(client_id, contract, side, price, Energy(dice.below(300)));
    Place { time_in_force, post_only: dice.below(10) == 0, ..limit }
}

fn random_command(town: &Town, dice: &mut Dice, meter: u32) -> Command {
    let open = town.state.open_orders(MeterId(meter));
    let pick = usize::try_from(dice.below(open.len().max(1) as u64)).unwrap();
    let client_id = open.get(pick).map_or(1_000, |order| order.client_id);
    match dice.below(20) {
        0 | 1 => Command::Cancel { client_id },
        2 => Command::Reduce { client_id, by: Energy(dice.below(100)) },
        3 | 4 => {
            let place = random_place(dice, meter);
            Command::Replace { client_id, price: place.price, energy: place.energy }
        }
        5 if dice.below(5) == 0 => Command::CancelAll,
        6 if dice.below(5) == 0 => Command::CancelAllOfAccount,
        _ => Command::Place(random_place(dice, meter)),
    }
}

fn random_operator_command(town: &Town, dice: &mut Dice) -> Command {
    let account = AccountId(dice.small(6));
    let meter = MeterId(dice.small(9));
    match dice.below(6) {
        0 => Command::RegisterAccount { account: AccountId(town.state.accounts_count()) },
        1 => register(town.state.meters_count(), AccountId(0), AreaId(0)),
        2 => Command::SuspendMeter { meter },
        3 => Command::ResumeMeter { meter },
        4 => Command::Deposit { account, amount: Money(i128::from(dice.below(10_000))) },
        _ => Command::Withdraw { account, amount: Money(i128::from(dice.below(100_000))) },
    }
}

pub(crate) fn random_entry(town: &Town, dice: &mut Dice) -> Entry {
    match dice.below(20) {
        0 => Entry::Time(LedgerTime(town.state.time().0 + dice.below(12) * 60_000)),
        1 | 2 => Entry::Work { limit: dice.small(8) },
        3 => {
            let command = random_operator_command(town, dice);
            // Amounts of nothing are a matter of form, which decoding refuses.
            let command = match command {
                Command::Deposit { account, .. } => Command::Deposit { account, amount: Money(500) },
                Command::Withdraw { account, .. } => Command::Withdraw { account, amount: Money(700) },
                other => other,
            };
            entry(&town.bundle(key(0), vec![command]))
        }
        _ => {
            let meter = dice.small(9);
            let count = 1 + dice.below(4);
            let commands = (0..count).map(|_| random_command(town, dice, meter)).collect();
            entry(&town.bundle(key(meter + 1), commands))
        }
    }
}

/// Applies some random entries and tells them with their records.
fn some_entries(town: &mut Town, dice: &mut Dice, count: u64) -> Vec<(Entry, Vec<Record>)> {
    let mut applied = Vec::new();
    for _ in 0..count {
        let entry = random_entry(town, dice);
        let records = town.apply(&entry);
        applied.push((entry, records));
    }
    applied
}

/// A view change undoes speculation: the state must be the earlier one in every respect, and behave like it.
#[test]
fn rolling_back_brings_back_the_same_state_and_the_same_future() {
    for seed in 0..12 {
        let (mut town, mut dice) = (village(), Dice(seed));
        for _ in 0..12 {
            some_entries(&mut town, &mut dice, 5);
            let (mark, seq) = (town.state.mark(), town.next_seq);
            let (root, snapshot) = (town.state.state_root(), town.state.snapshot());
            let count = 1 + dice.below(8);
            let future = some_entries(&mut town, &mut dice, count);
            let (root_then, snapshot_then) = (town.state.state_root(), town.state.snapshot());
            town.state.rollback(mark);
            town.next_seq = seq;
            assert_eq!(town.state.audit(), Ok(()));
            assert!(town.state.snapshot() == snapshot, "seed {seed}");
            assert_eq!(town.state.state_root(), root, "seed {seed}");
            for (entry, records) in future {
                assert_eq!(town.apply(&entry), records, "seed {seed}");
            }
            assert!(town.state.snapshot() == snapshot_then, "seed {seed}");
            assert_eq!(town.state.state_root(), root_then, "seed {seed}");
        }
        let totals = town.state.totals();
        assert!(totals.trades > 0 && totals.expired > 0 && totals.rejected > 0, "a dull day: {totals:?}");
    }
}

/// Marks nest: three entries deep, undone one by one, with roots asked for in between or not.
#[test]
fn marks_nest() {
    for seed in 100..104 {
        let (mut town, mut dice) = (village(), Dice(seed));
        let mut stack = Vec::new();
        for step in 0..60 {
            let root = (step % 2 == 0).then(|| town.state.state_root());
            stack.push((town.state.mark(), town.state.snapshot_root(), root));
            some_entries(&mut town, &mut dice, 1);
        }
        while let Some((mark, snapshot_root, root)) = stack.pop() {
            town.state.rollback(mark);
            assert_eq!(town.state.snapshot_root(), snapshot_root);
            if let Some(root) = root {
                assert_eq!(town.state.state_root(), root);
            }
        }
    }
}

/// One replica follows the log straight; the other speculates, errs and goes back before every entry, and forgets as it goes.
#[test]
fn a_replica_that_speculates_ends_where_one_that_does_not() {
    for seed in 200..206 {
        let (mut straight, mut nervous) = (village(), village());
        let (mut dice, mut doubts) = (Dice(seed), Dice(seed + 1_000));
        for _ in 0..80 {
            let (mark, seq) = (nervous.state.mark(), nervous.next_seq);
            some_entries(&mut nervous, &mut doubts, 2);
            nervous.state.rollback(mark);
            nervous.state.forget(mark);
            nervous.next_seq = seq;
            let entry = random_entry(&straight, &mut dice);
            assert_eq!(straight.apply(&entry), nervous.apply(&entry));
            assert_eq!(straight.state.state_root(), nervous.state.state_root());
        }
        assert_eq!(straight.state.snapshot_root(), nervous.state.snapshot_root());
    }
}

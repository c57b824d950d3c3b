//! Days of a street in which meters are tampered with: sales are paid for, money is taken out and parked in orders, and corrections find less than
//! was shown, or more again. The audit after every entry holds debts against the default account, and balances against what is reserved.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, Price, Side};
use gridbook_ledger::command::{Command, Correction, Place, Reading};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{Outcome, Purse, Record, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::state::{State, SystemAccount};

use crate::deliveries::metered;
use crate::town::{Dice, START, Town, entry, genesis, key};

const METERS: u32 = 4;
const MINUTE_MS: u64 = 60_000;

/// Five minutes for readings, two hours for corrections.
fn street() -> Town {
    let genesis = metered(genesis());
    let settlement = SettlementRules {
        reading_deadline_ms: 5 * MINUTE_MS,
        dispute_ms: 120 * MINUTE_MS,
        loss_bound_ppm: 1_000_000,
        ..genesis.settlement
    };
    let mut town = Town::in_areas(Genesis { settlement, ..genesis }, &[0; METERS as usize]);
    town.time(LedgerTime(town.state.time().0 + 1));
    for meter in 0..METERS {
        let registers = Registers { import: 0, export: 0, counter: 0 };
        town.done(meter, Command::Reading(Reading { period: DeliveryPeriod(START - 1), registers }));
    }
    town
}

/// What anybody can reckon from records.
#[derive(Default)]
struct Observer {
    /// What was borne for an account, less what corrections took back and what it paid.
    debts: BTreeMap<AccountId, i128>,
    /// How often something was borne, taken back by a correction, paid back; and how often an order or a withdrawal was refused for a debt.
    borne: u32,
    taken_back: u32,
    paid_back: u32,
    refused: u32,
    /// Orders that left the book so that they pay.
    withdrawn: u32,
}

impl Observer {
    fn watch(&mut self, records: &[Record]) {
        for record in records {
            let is_for_debt = matches!(record.outcome, Outcome::Rejected(Code::DebtOrder | Code::DebtWithdrawal));
            self.refused += u32::from(is_for_debt);
            for event in &record.events {
                match *event {
                    RecordEvent::MeterSettled(settled) => {
                        *self.debts.entry(settled.account).or_default() += settled.defaulted.0;
                        self.borne += u32::from(settled.defaulted > Money::ZERO);
                        self.taken_back += u32::from(settled.defaulted < Money::ZERO);
                    }
                    RecordEvent::Posted { from: Purse::Account(account), to: Purse::Default, amount } => {
                        *self.debts.entry(account).or_default() -= amount.0;
                        self.paid_back += 1;
                    }
                    // No meter has asked for it.
                    RecordEvent::Cancelled { .. } => self.withdrawn += u32::from(record.meter.is_none()),
                    _ => {}
                }
            }
        }
    }

    /// Every account owes what was borne for it and did not come back, the default account is short of exactly that, and nobody has less than
    /// nothing.
    fn check(&self, town: &Town, seed: u64) {
        for account in (0..METERS).map(AccountId) {
            let owed = self.debts.get(&account).copied().unwrap_or_default();
            assert_eq!(town.state.debt(account), Money(owed), "seed {seed}: account {}", account.0);
            assert!(owed >= 0 && town.purse(account.0).0 >= 0, "seed {seed}: account {}", account.0);
        }
        let default = town.state.system_account(SystemAccount::Default).balance;
        assert_eq!(default, Money(-self.debts.values().sum::<i128>()), "seed {seed}");
        assert_eq!(town.state.money_sum(), Money::ZERO, "seed {seed}");
    }
}

/// The period that is being delivered.
fn present(town: &Town) -> DeliveryPeriod {
    DeliveryPeriod::containing(town.state.time(), 15)
}

fn place(town: &Town, dice: &mut Dice, client_id: u64) -> Entry {
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(present(town).0 + 1 + dice.small(4)) };
    let side = *dice.one_of(&[Side::Buy, Side::Sell]);
    let (price, energy) = (Price(200 + 50 * dice.small(4).cast_signed()), Energy(1 + dice.below(200)));
    let place = Command::Place(Place::limit(client_id, contract, side, price, energy));
    entry(&town.bundle(key(1 + dice.small(METERS)), vec![place]))
}

/// All that is free goes out, or into an order that will not trade.
fn put_away(town: &Town, dice: &mut Dice, client_id: u64) -> Entry {
    let number = dice.small(METERS);
    let free = town.state.account(AccountId(number)).unwrap().free();
    if dice.below(3) > 0 {
        let withdraw = Command::Withdraw { account: AccountId(number), amount: free.max(Money(1)) };
        return entry(&town.bundle(key(0), vec![withdraw]));
    }
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(present(town).0 + 20) };
    // Each Wh covers the way down to -200.
    let energy = Energy(u64::try_from(free.0 / 201).unwrap().clamp(1, 1_000));
    let order = Command::Place(Place::limit(client_id, contract, Side::Buy, Price(1), energy));
    entry(&town.bundle(key(number + 1), vec![order]))
}

/// The register of somebody in one of the last periods was another one, between those before and after it. Often he has seen it coming.
fn correct(town: &Town, dice: &mut Dice) -> Option<Entry> {
    let last = present(town).0 - 1;
    let places =
        (last - 3..=last).flat_map(|period| (0..METERS).map(move |meter| (MeterId(meter), DeliveryPeriod(period))));
    let has_sold = |(meter, period): &(MeterId, DeliveryPeriod)| {
        let position = town.state.position(*meter, *period);
        position.sold > position.bought
    };
    let sellers: Vec<_> = places.filter(has_sold).collect();
    let (meter, period) = *sellers.get(usize::try_from(dice.below(sellers.len().max(1) as u64)).unwrap())?;
    let at = |period: u32| town.state.registers(meter, DeliveryPeriod(period));
    let (before, now) = (at(period.0 - 1)?, at(period.0)?);
    let after = at(period.0 + 1).unwrap_or(now);
    // Found to have given nothing, or anything that can be.
    let more = if dice.below(2) == 0 { 0 } else { dice.below(after.export - before.export + 1) };
    let export = (before.export + more).min(before.export + 1_000);
    let reading = Reading { period, registers: Registers { export, ..now } };
    let mut commands = vec![Command::Correction(Correction { meter, reading })];
    let account = AccountId(meter.0);
    let free = town.state.account(account)?.free();
    if free > Money::ZERO && dice.below(3) > 0 {
        commands.insert(0, Command::Withdraw { account, amount: free });
    }
    Some(entry(&town.bundle(key(0), commands)))
}

/// The period is over: everybody shows that he did as he had traded, and some took or gave more.
fn tell(town: &mut Town, dice: &mut Dice, observer: &mut Observer) {
    let period = present(town);
    town.time(period.ends_at(15));
    for number in 0..METERS {
        let meter = MeterId(number);
        let Some(start) = town.state.registers(meter, DeliveryPeriod(period.0 - 1)) else { continue };
        let position = town.state.position(meter, period);
        let (bought, sold) = (position.bought.0, position.sold.0);
        let extra = if dice.below(4) == 0 { dice.below(100) } else { 0 };
        let registers = Registers {
            import: start.import + bought.saturating_sub(sold) + extra,
            export: start.export + sold.saturating_sub(bought),
            counter: start.counter + 1,
        };
        let records = town.meter(number, vec![Command::Reading(Reading { period, registers })]);
        observer.watch(&records);
    }
}

fn some_entry(town: &Town, dice: &mut Dice, client_id: u64) -> Entry {
    match dice.below(14) {
        0 | 1 => put_away(town, dice, client_id),
        2 | 3 => {
            let (account, amount) = (AccountId(dice.small(METERS)), Money(1 + i128::from(dice.below(200_000))));
            entry(&town.bundle(key(0), vec![Command::Deposit { account, amount }]))
        }
        4..=6 => correct(town, dice).unwrap_or(Entry::Work { limit: 1 }),
        7 => Entry::Work { limit: 1 + dice.small(8) },
        _ => place(town, dice, client_id),
    }
}

/// Money is conserved, nobody has less than nothing, and what accounts owe is what was borne for them and did not come back, whatever is tried.
/// Now and then a view changes, or somebody joins by a snapshot: both know the same debts.
#[test]
fn what_accounts_owe_is_what_the_default_account_bore_and_did_not_get_back() {
    let mut all = Observer::default();
    for seed in 0..20 {
        let (mut town, mut dice, mut observer) = (street(), Dice(seed), Observer::default());
        for client_id in 1..300 {
            if client_id % 10 == 0 {
                tell(&mut town, &mut dice, &mut observer);
                town.time(LedgerTime(town.state.time().0 + 6 * MINUTE_MS));
            }
            let entry = some_entry(&town, &mut dice, client_id);
            let (mark, seq) = (town.state.mark(), town.next_seq);
            let before = (client_id % 7 == 0).then(|| town.state.snapshot());
            let records = town.apply(&entry);
            if let Some(before) = before {
                let mut joiner = State::restore(&town.genesis, &before).unwrap();
                let mut told = Vec::new();
                joiner.apply(seq, &entry, &mut told);
                assert!(told == records && joiner.snapshot() == town.state.snapshot(), "seed {seed}");
                town.state.rollback(mark);
                town.next_seq = seq;
                assert!(town.state.snapshot() == before, "seed {seed}");
                assert_eq!(town.apply(&entry), records, "seed {seed}");
            }
            observer.watch(&records);
            observer.check(&town, seed);
            if dice.below(4) == 0 {
                observer.watch(&town.work_all(16));
                observer.check(&town, seed);
            }
        }
        all.borne += observer.borne;
        all.taken_back += observer.taken_back;
        all.paid_back += observer.paid_back;
        all.refused += observer.refused;
        all.withdrawn += observer.withdrawn;
    }
    let Observer { borne, taken_back, paid_back, refused, withdrawn, .. } = all;
    let counts = [borne, taken_back, paid_back, refused, withdrawn];
    let enough = counts.iter().zip([30, 5, 30, 50, 50]).all(|(count, least)| *count >= least);
    assert!(enough, "borne, taken back, paid back, refused, withdrawn: {counts:?}");
}

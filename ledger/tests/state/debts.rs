//! Energy that was sold, paid for and spent, and turns out never to have been delivered: who sold it owes it, until it is paid back.
//!
//! Missing energy costs 600, and a purchase covers what lies between its price and -200. Collateral covers that until a period is settled; what a correction finds later it does not.

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, Price, Side};
use gridbook_ledger::command::{
    Accept, AgreedTerms, Block, BlockPart, Command, Correction, GrantAccess, Offer, Place, Reading,
};
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::record::{Purse, Record, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Quality;
use gridbook_ledger::state::{State, SystemAccount};

use crate::deliveries::{begin, deadline, end, metered, reading, settled};
use crate::town::{CONTRACT, PERIOD, Town, buy, fill_or_kill, genesis, key, refusal, sell};

/// Three hours later: still traded when [`PERIOD`] is settled and corrected.
const LATER: DeliveryPeriod = DeliveryPeriod(PERIOD.0 + 12);
/// Whose meter was tampered with.
const CHEAT: AccountId = AccountId(1);

fn later(command: Command) -> Command {
    match command {
        Command::Place(place) => Command::Place(Place { period: LATER, ..place }),
        other => other,
    }
}

/// Meter 1 has sold 100 Wh at 250 to meter 0, shows that it gave them, and is paid: 1,025,000, all of it free. A third house looks on.
fn paid() -> Town {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0, 0]);
    town.done(0, buy(1, 250, 100));
    town.done(1, sell(1, 200, 100));
    begin(&mut town, 3);
    end(&mut town, &[(0, 100, 0), (1, 0, 100), (2, 0, 0)]);
    assert_eq!(town.purse(1), (1_025_000, 0));
    town
}

/// The technician finds what meter 1 truly gave; what became of it.
fn found(town: &mut Town, export: u64) -> Vec<Record> {
    let correction = Correction { meter: MeterId(1), reading: reading(PERIOD, 0, export) };
    assert_eq!(refusal(&town.operator(vec![Command::Correction(correction)])[0]), None);
    town.work_all(100)
}

fn bank(town: &mut Town, command: Command) -> Record {
    town.operator(vec![command]).remove(0)
}

fn deposit(town: &mut Town, amount: i128) -> Record {
    bank(town, Command::Deposit { account: CHEAT, amount: Money(amount) })
}

/// He takes out all but this.
fn keep(town: &mut Town, rest: i128) {
    let amount = Money(town.state.account(CHEAT).unwrap().free().0 - rest);
    assert_eq!(refusal(&bank(town, Command::Withdraw { account: CHEAT, amount })), None);
}

/// His balance, what he owes, and what the default account has.
fn standing(town: &Town) -> (i128, i128, i128) {
    let default = town.state.system_account(SystemAccount::Default).balance.0;
    (town.purse(1).0, town.state.debt(CHEAT).0, default)
}

/// He took his money out before he was found out. The 60,000 that his sale costs are paid for him, and he owes them.
fn indebted() -> Town {
    let mut town = paid();
    keep(&mut town, 0);
    let records = found(&mut town, 0);
    assert_eq!((settled(&records)[0].own_trades, settled(&records)[0].defaulted), (Money(60_000), Money(60_000)));
    assert_eq!(standing(&town), (0, 60_000, -60_000));
    town
}

fn paid_back(record: &Record) -> Vec<Money> {
    let of = |event: &RecordEvent| match *event {
        RecordEvent::Posted { from: Purse::Account(CHEAT), to: Purse::Default, amount } => Some(amount),
        _ => None,
    };
    record.events.iter().filter_map(of).collect()
}

/// He does it every day: what he owes grows, and nothing of it is forgotten when the period is final.
#[test]
fn who_is_found_out_when_his_money_is_gone_owes_it() {
    let mut town = indebted();
    assert_eq!((town.state.debt(AccountId(0)), town.state.debt(AccountId(9))), (Money(0), Money(0)));
    town.time(LedgerTime(deadline().0 + 3 * 3_600_000));
    town.work_all(100);
    assert_eq!(town.state.period_stage(PERIOD), None);
    assert_eq!(standing(&town), (0, 60_000, -60_000));
}

/// Or he keeps 10,000: they are taken, and 50,000 are owed.
#[test]
fn what_is_there_is_taken_before_anything_is_owed() {
    let mut town = paid();
    keep(&mut town, 10_000);
    found(&mut town, 0);
    assert_eq!(standing(&town), (0, 50_000, -50_000));
}

/// He has parked all that he has in an order that will never trade. It leaves the book, and pays.
#[test]
fn what_is_parked_in_orders_pays_before_anybody_else_does() {
    let mut town = paid();
    keep(&mut town, 100_000);
    town.done(1, later(buy(7, 200, 250)));
    assert_eq!(town.purse(1), (100_000, 100_000));
    let records = found(&mut town, 0);
    assert_eq!((standing(&town), town.purse(1)), ((40_000, 0, 0), (40_000, 0)));
    assert_eq!((settled(&records)[0].defaulted, town.state.open_orders(MeterId(1))), (Money(0), vec![]));
    let first = records[0].events[0];
    assert!(
        matches!(first, RecordEvent::Cancelled { order, remaining: Energy(250) } if order.client_id == 7),
        "{first:?}"
    );
}

/// Nor is a debt made while an order holds something: the order goes, and what it held is not enough.
#[test]
fn orders_are_withdrawn_also_where_they_are_not_enough() {
    let mut town = paid();
    keep(&mut town, 20_000);
    town.done(1, later(buy(7, 200, 50)));
    found(&mut town, 0);
    assert_eq!((standing(&town), town.state.open_orders(MeterId(1))), ((0, 40_000, -40_000), vec![]));
}

/// A house has all its money in an order for tomorrow and takes 50 Wh more than it bought: that is billed, and its order stays.
#[test]
fn an_honest_house_keeps_its_orders_when_what_it_took_is_billed() {
    let mut town = Town::in_areas(metered(genesis()), &[0, 0]);
    town.done(1, later(buy(1, 800, 1_000)));
    begin(&mut town, 2);
    let records = end(&mut town, &[(0, 0, 0), (1, 50, 0)]);
    assert_eq!((settled(&records)[1].billed, settled(&records)[1].defaulted), (Money(30_000), Money(0)));
    assert_eq!((town.purse(1), town.state.open_orders(MeterId(1)).len()), ((1_000_000, 1_000_000), 1));
    assert_eq!(standing(&town), (1_000_000, 0, 0));
}

/// Of an order, a basket, a block, an offer and the acceptance of one, each may become a trade that he cannot answer for.
#[test]
fn who_owes_gives_no_new_orders() {
    let mut town = indebted();
    let order = later(buy(8, 10, 1));
    assert_eq!(town.refused(1, order), Code::DebtOrder);
    let basket = town.meter(1, vec![Command::Basket { count: 1 }, fill_or_kill(order)]);
    assert_eq!(refusal(&basket[1]), Some(Code::DebtOrder));
    let (area, side, price) = (CONTRACT.area, Side::Buy, Price(10));
    let mut energies = [Energy(0); 7];
    energies[0] = Energy(1);
    let block = Command::Block(Block { client_id: 8, area, side, price, parts: 1 });
    let block = town.meter(1, vec![block, Command::BlockPart(BlockPart { first: LATER, energies })]);
    assert_eq!(refusal(&block[0]), Some(Code::DebtOrder));
    let terms = |side| AgreedTerms { period: LATER, side, price, energy: Energy(1) };
    let offer =
        |client_id, partner| Command::Offer(Offer { client_id, partner: MeterId(partner), terms: terms(Side::Sell) });
    assert_eq!(town.refused(1, offer(8, 0)), Code::DebtOrder);
    town.done(0, offer(9, 1));
    let accept = Accept { client_id: 8, partner: MeterId(0), offer: 9, terms: terms(Side::Buy) };
    assert_eq!(town.refused(1, Command::Accept(accept)), Code::DebtOrder);
    assert!(town.state.open_orders(MeterId(1)).is_empty());
    town.done(0, order);
}

#[test]
fn who_owes_takes_no_money_out() {
    let mut town = indebted();
    let withdraw = |amount| Command::Withdraw { account: CHEAT, amount: Money(amount) };
    assert_eq!(refusal(&bank(&mut town, withdraw(1))), Some(Code::DebtWithdrawal));
    deposit(&mut town, 60_001);
    assert_eq!(refusal(&bank(&mut town, withdraw(2))), Some(Code::CreditMoney));
    assert_eq!(refusal(&bank(&mut town, withdraw(1))), None);
}

/// He still reads his meter, takes things back, and says who may see his data.
#[test]
fn who_owes_does_everything_else_as_before() {
    let mut town = indebted();
    town.time(LATER.starts_at(15));
    let before = DeliveryPeriod(LATER.0 - 1);
    town.done(1, Command::Reading(Reading { period: before, ..reading(before, 0, 100) }));
    town.done(1, Command::CancelAllOfAccount);
    let (reader, until) = (GrantReader::Key(key(77)), LedgerTime(town.state.time().0 + 1));
    town.done(1, Command::GrantAccess(GrantAccess { meter: MeterId(1), reader, scope: Scope::ALL, until }));
}

/// Whatever is paid in pays the debt first, in the same step. When nothing is owed any more, all is as it was.
#[test]
fn what_is_paid_in_pays_the_debt_first() {
    let mut town = indebted();
    let record = deposit(&mut town, 20_000);
    assert_eq!((record.events.len(), paid_back(&record)), (2, vec![Money(20_000)]));
    assert_eq!(standing(&town), (0, 40_000, -40_000));
    assert_eq!(town.refused(1, later(buy(8, 100, 30))), Code::DebtOrder);
    let record = deposit(&mut town, 50_000);
    assert_eq!(paid_back(&record), [Money(40_000)]);
    assert_eq!(standing(&town), (10_000, 0, 0));
    town.done(1, later(buy(8, 100, 30)));
    assert!(paid_back(&deposit(&mut town, 5)).is_empty(), "nothing is owed any more");
}

/// Before he was found out he had sold 50 Wh for later, at 250, and covers that with 37,500. He delivers, is paid 12,500, and all of
/// it goes where he owes.
#[test]
fn what_he_earns_later_pays_the_debt() {
    let mut town = paid();
    town.done(0, later(buy(2, 250, 50)));
    town.done(1, later(sell(2, 250, 50)));
    keep(&mut town, 0);
    found(&mut town, 0);
    assert_eq!((standing(&town), town.purse(1)), ((37_500, 60_000, -60_000), (37_500, 37_500)));
    town.time(LATER.starts_at(15));
    town.work_all(100);
    for meter in 0..2 {
        let before = DeliveryPeriod(LATER.0 - 1);
        let given = if meter == 1 { 100 } else { 0 };
        town.done(meter, Command::Reading(reading(before, 100 - given, given)));
    }
    town.time(LATER.ends_at(15));
    town.done(0, Command::Reading(reading(LATER, 150, 0)));
    town.done(1, Command::Reading(reading(LATER, 0, 150)));
    town.time(LedgerTime(LATER.ends_at(15).0 + 3_600_000));
    let records = town.work_all(100);
    assert_eq!(town.state.delivery(MeterId(1), LATER).unwrap().quality, Quality::Measured);
    assert_eq!(records.iter().flat_map(paid_back).collect::<Vec<_>>(), [Money(50_000)]);
    assert_eq!(standing(&town), (0, 10_000, -10_000));
}

/// The technician was wrong: the 60,000 come back. 20,000 of them he had paid himself by then; the rest the default account had.
#[test]
fn a_charge_that_is_taken_back_takes_its_debt_with_it() {
    let mut town = indebted();
    deposit(&mut town, 20_000);
    let records = found(&mut town, 100);
    assert_eq!((settled(&records)[0].own_trades, settled(&records)[0].defaulted), (Money(-60_000), Money(-40_000)));
    assert_eq!(standing(&town), (20_000, 0, 0));
    found(&mut town, 0);
    assert_eq!(standing(&town), (0, 40_000, -40_000), "and once more, if it was not he who was wrong");
    deposit(&mut town, 40_000);
    found(&mut town, 100);
    assert_eq!(standing(&town), (60_000, 0, 0), "all of it was his own money");
}

/// Half of it comes back, and the debt with it: half a truth leaves half a debt.
#[test]
fn a_charge_that_is_taken_back_in_part_leaves_the_rest_owed() {
    let mut town = indebted();
    found(&mut town, 50);
    assert_eq!(standing(&town), (0, 30_000, -30_000));
}

/// A view change takes a debt back, and what was paid of it; who joins by a snapshot knows of it.
#[test]
fn debts_are_undone_by_a_rollback_and_restored_from_a_snapshot() {
    let mut town = paid();
    keep(&mut town, 0);
    let (mark, seq, before, root) = (town.state.mark(), town.next_seq, town.state.snapshot(), town.state.state_root());
    found(&mut town, 0);
    deposit(&mut town, 15_000);
    assert_eq!(standing(&town), (0, 45_000, -45_000));
    let state = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    assert_eq!(state.debt(CHEAT), Money(45_000));
    let mut joiner = Town { genesis: town.genesis.clone(), state, next_seq: town.next_seq, past: Vec::new() };
    assert_eq!(deposit(&mut joiner, 50_000), deposit(&mut town, 50_000));
    assert_eq!(joiner.state.snapshot_root(), town.state.snapshot_root());
    town.state.rollback(mark);
    town.next_seq = seq;
    assert_eq!((town.state.snapshot() == before, town.state.state_root() == root), (true, true));
    assert_eq!(standing(&town), (0, 0, 0));
    found(&mut town, 0);
    assert_eq!(standing(&town), (0, 60_000, -60_000));
}

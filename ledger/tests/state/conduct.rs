//! Entries against accounts: what makes one, what it costs, how it is challenged, when it is over.

use gridbook_engine::{AccountId, LedgerTime, MeterId, Money, Price};
use gridbook_ledger::command::{Bundle, Command};
use gridbook_ledger::conduct::{APPEAL_MS, Bearer, DeviceFault, ENTRIES_MAX, EntryState, Fault, Proof, Ruling};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{Outcome, Party, Record, RecordEvent, history_head};
use gridbook_ledger::registry::{Reason, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;

use crate::town::{Town, buy, entry, genesis, key, sell};

const DAY_MS: u64 = 86_400_000;
const STATEMENT: Hash = Hash([0xaa; 32]);
const REASONS: Hash = Hash([0xbb; 32]);

/// Sellers cover the way from their price up to 1,000: once at a full score, six times at none.
pub(crate) fn strict(genesis: Genesis) -> Genesis {
    let (short_price_cap, share_worst_ppm) = (Price(1_000), 6_000_000);
    Genesis {
        settlement: SettlementRules { short_price_cap, share_worst_ppm, ..SettlementRules::default() },
        ..genesis
    }
}

/// Two neighbours, under the strict rules.
fn town() -> Town {
    Town::in_areas(strict(genesis()), &[0, 0])
}

/// A bundle that the meter signs under the nonce of its last one.
pub(crate) fn under_last_nonce(town: &Town, meter: u32, commands: Vec<Command>) -> Bundle {
    let bundle = town.bundle(key(meter + 1), commands);
    Bundle { nonce: bundle.nonce - 1, ..bundle }
}

/// Signs something else under the last nonce; the record that refuses it.
fn reuse(town: &mut Town, meter: u32) -> Record {
    let bundle = under_last_nonce(town, meter, vec![Command::Cancel { client_id: 9_999 }]);
    let record = town.apply(&entry(&bundle)).remove(0);
    assert_eq!(record.outcome, Outcome::Rejected(Code::AuthReplay));
    record
}

fn score(town: &Town, account: u32) -> (u16, u32) {
    let account = town.state.account(AccountId(account)).unwrap();
    (account.score, account.share_ppm)
}

fn states(town: &Town, account: u32) -> Vec<(u64, EntryState)> {
    let entries = town.state.conduct_of(Bearer::Account(AccountId(account)));
    entries.into_iter().map(|(number, entry)| (number, entry.state)).collect()
}

fn appeal(entry: u64) -> Command {
    Command::Appeal { entry, statement: STATEMENT }
}

fn rule(entry: u64, ruling: Ruling) -> Command {
    Command::RuleAppeal { entry, ruling, reasons: REASONS }
}

fn outcome(town: &mut Town, command: Command) -> Outcome {
    town.operator(vec![command])[0].outcome
}

/// A gateway sends each bundle to two validators, and a thief sends them all again a day later: nobody's fault, and no trace.
#[test]
fn a_copy_of_a_bundle_is_nobodys_fault() {
    let mut town = town();
    let bundle = town.bundle(key(1), vec![buy(7, 100, 1)]);
    town.apply(&entry(&bundle));
    town.done(0, buy(8, 100, 1));
    let older = town.apply(&entry(&bundle));
    let last = under_last_nonce(&town, 0, vec![buy(8, 100, 1)]);
    let root = town.state.state_root();
    let again = town.apply(&entry(&last));
    for record in older.iter().chain(&again) {
        assert_eq!((record.outcome, record.events.len()), (Outcome::Rejected(Code::AuthReplay), 0));
    }
    assert_eq!((town.state.state_root(), score(&town, 0)), (root, (1_000, 1_000_000)));
}

/// The meter signs two different bundles with one nonce, one for each of two validators. Only it can have done that: the refusal of the
/// second proves it together with the first. Whoever sends it again, or a third, adds nothing; the next nonce is another matter.
#[test]
fn two_different_bundles_with_one_nonce_are_entered_once() {
    let mut town = town();
    let first = town.done(0, buy(7, 100, 1)).seq;
    let refused = reuse(&mut town, 0);
    let (account, meter, kind) = (AccountId(0), MeterId(0), DeviceFault::NonceReuse);
    let proof = Proof::of(&[first, refused.seq]).unwrap();
    let entered = RecordEvent::Misconduct { entry: 1, account, meter, kind, period: None, proof };
    // 20 points of 1,000, on the way from once to six times.
    let changed = RecordEvent::ScoreChanged { account, score: 980, share_ppm: 1_100_000 };
    assert_eq!(refused.events, [entered, changed]);
    assert_eq!(score(&town, 0), (980, 1_100_000));
    let root = town.state.state_root();
    assert_eq!(reuse(&mut town, 0).events, []);
    let third = under_last_nonce(&town, 0, vec![Command::CancelAll]);
    assert_eq!(town.apply(&entry(&third))[0].events, []);
    assert_eq!(town.state.state_root(), root, "whoever repeats it cannot make it worse");
    town.done(0, buy(8, 100, 1));
    assert_eq!(reuse(&mut town, 0).events.len(), 2);
    assert_eq!(score(&town, 0), (960, 1_200_000));
    assert_eq!(states(&town, 0), [(1, EntryState::Stands), (2, EntryState::Stands)]);
    assert_eq!((score(&town, 1), states(&town, 1)), ((1_000, 1_000_000), vec![]));
}

/// All commands of the bundle are refused; the fault is told by the first of them, once.
#[test]
fn a_reused_nonce_of_a_long_bundle_is_told_once() {
    let mut town = town();
    town.done(0, buy(7, 100, 1));
    let bundle = under_last_nonce(&town, 0, vec![buy(8, 100, 1), buy(9, 100, 1)]);
    let records = town.apply(&entry(&bundle));
    assert!(records.iter().all(|record| record.outcome == Outcome::Rejected(Code::AuthReplay)));
    assert_eq!((records[0].events.len(), records[1].events.len()), (2, 0));
}

/// A suspended meter's bundle is refused as a suspended meter's, and nothing is concluded from it.
#[test]
fn a_suspended_meter_is_refused_as_such() {
    let mut town = town();
    town.done(0, buy(7, 100, 1));
    let (subject, reason) = (Subject::Meter(MeterId(0)), Reason::Other);
    town.operator(vec![Command::Suspend { subject, reason }]);
    let bundle = under_last_nonce(&town, 0, vec![Command::CancelAll]);
    let record = town.apply(&entry(&bundle)).remove(0);
    assert_eq!((record.outcome, record.events.len()), (Outcome::Rejected(Code::AuthSuspended), 0));
}

/// A meter has a new key, whose nonces begin anew. What the old key has signed is never held against the new one.
#[test]
fn what_an_old_key_signed_is_not_held_against_the_new_one() {
    let mut town = town();
    town.done(0, buy(7, 100, 1));
    let rotate = Command::RotateKey { subject: Subject::Meter(MeterId(0)), key: key(70) };
    town.done(0, rotate);
    assert_eq!(town.state.meter(MeterId(0)).unwrap().last_bundle, None);
    let bundle = |nonce, client_id| {
        let commands = vec![Command::Cancel { client_id }];
        Bundle { nonce, ..town.bundle(key(70), commands) }
    };
    let (none, first, second) = (bundle(0, 1), bundle(1, 7), bundle(1, 8));
    assert_eq!(town.apply(&entry(&none))[0].events, [], "no bundle has used the nonce of a new key");
    town.apply(&entry(&first));
    assert_eq!(town.apply(&entry(&second))[0].events.len(), 2);
}

/// Whoever moved out still has a gateway that signs for the meter, under a nonce that he had used. He had used it, not the new owner; whoever
/// uses the next one twice is the new one's gateway, or one that he should have locked out by another key.
#[test]
fn a_nonce_that_a_former_owner_used_is_not_held_against_the_new_one() {
    let mut town = town();
    town.done(0, buy(7, 100, 1));
    town.done(0, Command::CancelAll);
    let transfer = Command::TransferMeter { meter: MeterId(0), account: AccountId(1), reason: Reason::MovedOut };
    assert_eq!(outcome(&mut town, transfer), Outcome::Done);
    assert_eq!(town.state.meter(MeterId(0)).unwrap().last_bundle, None);
    assert_eq!(reuse(&mut town, 0).events, []);
    assert_eq!([score(&town, 0).0, score(&town, 1).0], [1_000; 2]);
    town.done(0, buy(8, 100, 1));
    assert_eq!(reuse(&mut town, 0).events.len(), 2);
    assert_eq!([score(&town, 0).0, score(&town, 1).0], [1_000, 980]);
}

/// The owner says that his gateway was at fault. The entry counts until the auditor has decided, and then for nothing or for good.
#[test]
fn an_appeal_counts_nothing_until_it_is_ruled_on() {
    let mut town = town();
    for client_id in 1..=2 {
        town.done(0, buy(client_id, 100, 1));
        reuse(&mut town, 0);
    }
    let account = AccountId(0);
    let revised = |entry, state, fingerprint| RecordEvent::ConductRevised { entry, account, state, fingerprint };
    for entry in 1..=2 {
        assert_eq!(town.done(0, appeal(entry)).events, [revised(entry, EntryState::Appealed, STATEMENT)]);
    }
    assert_eq!(score(&town, 0), (960, 1_200_000));
    let struck = town.operator(vec![rule(1, Ruling::Struck)]).remove(0);
    let changed = RecordEvent::ScoreChanged { account, score: 980, share_ppm: 1_100_000 };
    assert_eq!(struck.events, [revised(1, EntryState::Struck, REASONS), changed]);
    let upheld = town.operator(vec![rule(2, Ruling::Upheld)]).remove(0);
    assert_eq!(upheld.events, [revised(2, EntryState::Upheld, REASONS)]);
    assert_eq!(score(&town, 0), (980, 1_100_000));
    assert_eq!(states(&town, 0), [(1, EntryState::Struck), (2, EntryState::Upheld)]);
}

/// What the refusal costs is a nonce, and nothing else changes.
fn assert_refused(town: &mut Town, meter: u32, command: Command, code: Code) {
    let before = town.substance();
    let entries = town.state.conduct_of(Bearer::Account(AccountId(0)));
    assert_eq!(town.refused(meter, command), code);
    assert!(town.substance() == before && town.state.conduct_of(Bearer::Account(AccountId(0))) == entries, "{code}");
}

#[test]
fn an_appeal_against_no_entry_is_refused() {
    let mut town = town();
    for entry in [0, 1, u64::MAX] {
        assert_refused(&mut town, 0, appeal(entry), Code::ConductUnknown);
    }
}

#[test]
fn an_appeal_for_somebody_else_is_refused() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    reuse(&mut town, 0);
    assert_refused(&mut town, 1, appeal(1), Code::ConductOther);
}

#[test]
fn a_second_appeal_is_refused_whatever_became_of_the_first() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    reuse(&mut town, 0);
    town.done(0, appeal(1));
    assert_refused(&mut town, 0, appeal(1), Code::ConductChallenged);
    assert_eq!(outcome(&mut town, rule(1, Ruling::Upheld)), Outcome::Done);
    assert_refused(&mut town, 0, appeal(1), Code::ConductChallenged);
}

#[test]
fn an_appeal_after_a_fortnight_is_refused() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    reuse(&mut town, 0);
    let end = town.state.time().0 + APPEAL_MS;
    let mark = (town.state.mark(), town.next_seq);
    town.time(LedgerTime(end - 1));
    town.done(0, appeal(1));
    town.state.rollback(mark.0);
    town.next_seq = mark.1;
    town.time(LedgerTime(end));
    assert_refused(&mut town, 0, appeal(1), Code::ConductLate);
}

#[test]
fn a_ruling_without_an_open_appeal_is_refused() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    reuse(&mut town, 0);
    for ruling in [Ruling::Upheld, Ruling::Struck] {
        assert_eq!(outcome(&mut town, rule(1, ruling)), Outcome::Rejected(Code::ConductNoAppeal));
        assert_eq!(outcome(&mut town, rule(2, ruling)), Outcome::Rejected(Code::ConductUnknown));
    }
    town.done(0, appeal(1));
    assert_eq!(outcome(&mut town, rule(1, Ruling::Struck)), Outcome::Done);
    assert_eq!(outcome(&mut town, rule(1, Ruling::Upheld)), Outcome::Rejected(Code::ConductNoAppeal));
    assert_eq!(score(&town, 0), (1_000, 1_000_000));
}

/// Nobody judges himself, and nobody appeals for others by office. Whether an auditor rules, and nobody else but the operator, is the
/// registry's table of rights.
#[test]
fn meters_do_not_rule_and_the_operator_does_not_appeal() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    reuse(&mut town, 0);
    assert_refused(&mut town, 0, rule(1, Ruling::Struck), Code::AuthRole);
    assert_eq!(outcome(&mut town, appeal(1)), Outcome::Rejected(Code::AuthRole));
}

/// Thirty days later the reuse is over. The leader is told when, and the points come back by its work, with a record.
#[test]
fn what_is_over_gives_its_points_back() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    let entered = town.state.time().0;
    reuse(&mut town, 0);
    town.time(crate::town::delivered());
    town.work_all(100);
    let end = LedgerTime(entered + 30 * DAY_MS);
    assert_eq!(town.state.next_due(), Some(end));
    town.time(LedgerTime(end.0 - 1));
    assert!(!town.state.has_work());
    town.time(end);
    assert_eq!(score(&town, 0), (980, 1_100_000), "until it is done");
    assert_eq!(town.work(0).events, []);
    let account = AccountId(0);
    let over = RecordEvent::ConductExpired { entry: 1, account: Some(account) };
    let changed = RecordEvent::ScoreChanged { account, score: 1_000, share_ppm: 1_000_000 };
    assert_eq!(town.work(1).events, [over, changed]);
    assert_eq!((score(&town, 0), states(&town, 0)), ((1_000, 1_000_000), vec![]));
    assert_eq!(town.state.next_due(), None);
    assert_refused(&mut town, 0, appeal(1), Code::ConductUnknown);
}

/// A struck entry is over in its time, too, and changes no score then.
#[test]
fn a_struck_entry_gives_its_points_back_only_once() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    reuse(&mut town, 0);
    town.done(0, appeal(1));
    town.operator(vec![rule(1, Ruling::Struck)]);
    town.time(LedgerTime(town.state.time().0 + 30 * DAY_MS));
    let records = town.work_all(100);
    let over = RecordEvent::ConductExpired { entry: 1, account: Some(AccountId(0)) };
    assert!(records.iter().any(|record| record.events.contains(&over)));
    let is_change = |event: &RecordEvent| matches!(event, RecordEvent::ScoreChanged { .. });
    assert!(!records.iter().flat_map(|record| &record.events).any(is_change));
    assert_eq!(score(&town, 0), (1_000, 1_000_000));
}

/// Somebody reuses nonces all day. No more is kept of it than fits, and what is let go of for that raises nothing; struck ones go first.
#[test]
fn the_list_of_entries_is_bounded_and_letting_go_raises_no_score() {
    let mut town = town();
    for client_id in 0..ENTRIES_MAX as u64 {
        town.done(0, buy(client_id, 1, 1));
        reuse(&mut town, 0);
    }
    assert_eq!((states(&town, 0).len(), score(&town, 0)), (ENTRIES_MAX, (0, 6_000_000)));
    town.done(0, appeal(40));
    town.operator(vec![rule(40, Ruling::Struck)]);
    let lets_go_of = |town: &mut Town, number: u64| {
        let record = reuse(town, 0);
        let over = RecordEvent::ConductExpired { entry: number, account: Some(AccountId(0)) };
        assert_eq!(record.events[0], over, "{record:?}");
        assert_eq!((states(town, 0).len(), score(town, 0)), (ENTRIES_MAX, (0, 6_000_000)));
        town.done(0, Command::CancelAll);
    };
    lets_go_of(&mut town, 40);
    lets_go_of(&mut town, 1);
    lets_go_of(&mut town, 2);
}

/// An auditor proves that nothing was left out: refusals that convict somebody belong to his history, others do not.
#[test]
fn a_refusal_that_convicts_belongs_to_the_history() {
    let mut town = town();
    let head = |town: &Town| {
        let meter = town.state.meter(MeterId(0)).unwrap();
        [town.state.account(AccountId(0)).unwrap().history_head, meter.history_head]
    };
    town.done(0, buy(1, 100, 1));
    let [account_before, meter_before] = head(&town);
    let record = reuse(&mut town, 0);
    let told = |party| record.extract_for(party).unwrap().leaf_hash();
    let of_account = history_head(&account_before, &told(Party::Account(AccountId(0))));
    let after = [of_account, history_head(&meter_before, &told(Party::Meter(MeterId(0))))];
    assert_eq!(head(&town), after);
    reuse(&mut town, 0);
    assert_eq!(head(&town), after, "the second refusal convicts nobody");
}

/// A better score before, a worse one after: an account that shows its score shows it against the state root.
#[test]
fn the_state_root_covers_score_and_share() {
    let mut town = town();
    town.done(0, buy(1, 100, 1));
    reuse(&mut town, 0);
    let (root, account) = (town.state.state_root(), town.state.account(AccountId(0)).unwrap());
    let proof = town.state.prove_account(AccountId(0)).unwrap();
    assert!(proof.verify_account(AccountId(0), &account, &root));
    for forged in [(1_000, account.share_ppm), (account.score, 1_000_000)] {
        let mut forged_account = account;
        (forged_account.score, forged_account.share_ppm) = forged;
        assert!(!proof.verify_account(AccountId(0), &forged_account, &root));
    }
    let (meter, proof) = (town.state.meter(MeterId(0)).unwrap(), town.state.prove_meter(MeterId(0)).unwrap());
    assert!(proof.verify_meter(MeterId(0), &meter, &root) && meter.last_bundle.is_none(), "the nonce was blamed");
    town.done(0, buy(2, 100, 1));
    assert_eq!(town.state.meter(MeterId(0)).unwrap().last_bundle.map(|last| last.seq), Some(town.next_seq - 1));
}

/// A joiner takes over what stands against whom, and the next entry has the next number.
#[test]
fn a_snapshot_holds_what_stands_against_whom() {
    let mut town = town();
    for client_id in 1..=3 {
        town.done(0, buy(client_id, 100, 1));
        reuse(&mut town, 0);
    }
    town.done(0, appeal(2));
    town.operator(vec![rule(2, Ruling::Struck)]);
    let state = State::restore(&town.genesis, &town.state.snapshot()).unwrap();
    let (genesis, next_seq, past) = (town.genesis.clone(), town.next_seq, town.past.clone());
    let mut joined = Town { genesis, state, next_seq, past };
    assert_eq!(joined.state.snapshot_root(), town.state.snapshot_root());
    assert_eq!(states(&joined, 0), states(&town, 0));
    for town in [&mut town, &mut joined] {
        town.done(0, sell(9, 100, 1));
        reuse(town, 0);
    }
    assert_eq!(states(&joined, 0).last(), Some(&(4, EntryState::Stands)));
    assert_eq!(joined.state.snapshot_root(), town.state.snapshot_root());
    let bearer = Bearer::Account(AccountId(0));
    assert_eq!(joined.state.score_of(bearer), 940);
    let Some(Fault::Device { kind, .. }) = joined.state.conduct_entry(4).map(|entry| entry.fault) else { panic!() };
    assert_eq!(kind, DeviceFault::NonceReuse);
    assert_eq!(joined.state.conduct().count(), 4);
}

/// A seller with open orders whose share grows: they cover more at once, and what he may withdraw shrinks with it.
#[test]
fn an_entry_reaches_open_orders_and_the_free_money_in_the_same_step() {
    let mut town = town();
    // 1,000 Wh at 100 cover 900,000 of the million.
    town.done(0, sell(1, 100, 1_000));
    assert_eq!(town.purse(0), (1_000_000, 900_000));
    reuse(&mut town, 0);
    assert_eq!(town.purse(0), (1_000_000, 990_000));
    let withdraw = |amount| Command::Withdraw { account: AccountId(0), amount: Money(amount) };
    assert_eq!(outcome(&mut town, withdraw(10_001)), Outcome::Rejected(Code::CreditMoney));
    town.done(0, Command::Reduce { client_id: 1, by: gridbook_engine::Energy(1) });
    let withdrawn = reuse(&mut town, 0);
    let cancelled = withdrawn.events.iter().filter(|event| matches!(event, RecordEvent::Cancelled { .. }));
    assert_eq!(cancelled.count(), 1, "1,080,000 were needed");
    assert_eq!((town.purse(0), town.state.open_orders(MeterId(0)).len()), ((1_000_000, 0), 0));
}

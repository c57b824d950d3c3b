//! Every refusal has its code and leaves nothing behind but the used nonce.

use gridbook_engine::{
    AccountId, AreaId, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, Price, Side, TimeInForce,
};
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::command::{Bundle, Command, Place};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::record::Outcome;
use gridbook_ledger::registry::{KeyStanding, Plant, Reason, Subject};
use gridbook_ledger::reject::Code;

use crate::town::{Town, before, buy, entry, key, order, register, sell};

/// A town in which a command is refused for every reason there is: an order rests on each side, and meter 2 is poor.
fn town() -> Town {
    let mut town = Town::of(2);
    let account = AccountId(2);
    town.operator(vec![Command::RegisterAccount { account, organisation: None }, register(2, account, AreaId(0))]);
    town.done(0, buy(1, 100, 10));
    town.done(1, sell(1, 200, 10));
    town
}

/// The bundle's only command is refused with `code`, and the state is afterwards what it is after a bundle of the same
/// nonce that named an unknown order.
pub(crate) fn assert_refused(town: &mut Town, bundle: &Bundle, code: Code) {
    let substance = format!("{:?}", town.substance());
    let (start, seq) = (town.state.mark(), town.next_seq);
    let unknown = Bundle { commands: vec![Command::Cancel { client_id: 99 }], ..bundle.clone() };
    town.apply(&entry(&unknown));
    let expected = root_after_another(town, bundle);
    town.state.rollback(start);
    town.next_seq = seq;
    let record = town.apply(&entry(bundle)).remove(0);
    assert_eq!(record.outcome, Outcome::Rejected(code), "{:?}", bundle.commands);
    assert!(record.events.is_empty(), "a refusal sets nothing off");
    assert_eq!(root_after_another(town, bundle), expected, "{code}: a trace is left");
    assert_eq!(format!("{:?}", town.substance()), substance, "{code}: a trace is left");
    let device = town.state.device(&bundle.signer).unwrap();
    assert_eq!(device.nonce, bundle.nonce, "{code}: the nonce is used");
}

/// The root covers which bundle used a device's last nonce. After one more, which is the same on both ways, nothing is left of that.
fn root_after_another(town: &mut Town, bundle: &Bundle) -> Hash {
    let (mark, seq) = (town.state.mark(), town.next_seq);
    let another =
        Bundle { nonce: bundle.nonce + 1, commands: vec![Command::Cancel { client_id: 99 }], ..bundle.clone() };
    town.apply(&entry(&another));
    let root = town.state.state_root();
    town.state.rollback(mark);
    town.next_seq = seq;
    root
}

#[test]
fn every_order_that_is_refused_says_why_and_leaves_no_trace() {
    let good = order(5, Side::Buy, 100, 10);
    let place = |change: fn(&mut Place)| {
        let mut place = good;
        change(&mut place);
        Command::Place(place)
    };
    let cases = [
        (0, place(|p| p.energy = Energy(0)), Code::FormZeroEnergy),
        (0, place(|p| p.price = Price(10_000_000)), Code::FormPriceLimit),
        (0, place(|p| p.area = AreaId(1)), Code::FormArea),
        (0, place(|p| p.area = AreaId(9)), Code::FormArea),
        (0, place(|p| (p.time_in_force, p.post_only) = (TimeInForce::FillOrKill, true)), Code::FormFlags),
        (0, place(|p| p.period = DeliveryPeriod(0)), Code::GateClosed),
        (0, place(|p| p.period = DeliveryPeriod(u32::MAX)), Code::GateNotOpen),
        (0, place(|p| p.time_in_force = TimeInForce::GoodTillTime(LedgerTime(1))), Code::GateExpired),
        (0, place(|p| p.client_id = 1), Code::MatchDuplicate),
        (0, place(|p| (p.price, p.post_only) = (Price(200), true)), Code::MatchPostOnly),
        (0, place(|p| (p.energy, p.time_in_force) = (Energy(11), TimeInForce::FillOrKill)), Code::MatchFillOrKill),
        (0, place(|p| p.energy = Energy(1_000)), Code::CreditHeadroom),
        (2, place(|_| {}), Code::CreditMoney),
        (0, Command::Cancel { client_id: 2 }, Code::MatchUnknownOrder),
        (0, Command::Reduce { client_id: 1, by: Energy(0) }, Code::MatchNothingToReduce),
        (0, Command::Reduce { client_id: 2, by: Energy(1) }, Code::MatchUnknownOrder),
        (0, Command::Replace { client_id: 1, price: Price(100), energy: Energy(0) }, Code::FormZeroEnergy),
        (0, Command::Replace { client_id: 1, price: Price(100), energy: Energy(1_001) }, Code::CreditHeadroom),
        (0, Command::Replace { client_id: 2, price: Price(100), energy: Energy(1) }, Code::MatchUnknownOrder),
        (0, Command::Deposit { account: AccountId(0), amount: Money(1) }, Code::AuthRole),
        (0, Command::Suspend { subject: Subject::Meter(MeterId(1)), reason: Reason::Other }, Code::AuthRole),
    ];
    let mut town = town();
    for (meter, command, code) in cases {
        let bundle = town.bundle(key(meter + 1), vec![command]);
        assert_refused(&mut town, &bundle, code);
    }
}

#[test]
fn every_command_of_the_operator_that_is_refused_says_why_and_leaves_no_trace() {
    let (account, amount) = (AccountId(0), Money(1));
    let meter = |meter: u32, account: u32, key: PublicKey, area: u16| Command::RegisterMeter {
        meter: MeterId(meter),
        account: AccountId(account),
        key,
        area: AreaId(area),
        import_max_wh: Energy(1),
        export_max_wh: Energy(1),
        plant: Plant::NONE,
    };
    let cases = [
        (Command::RegisterAccount { account: AccountId(2), organisation: None }, Code::AuthRegistry),
        (Command::RegisterAccount { account: AccountId(4), organisation: None }, Code::AuthRegistry),
        (meter(4, 0, key(50), 0), Code::AuthRegistry),
        (meter(2, 0, key(50), 0), Code::AuthRegistry),
        (meter(3, 9, key(50), 0), Code::CreditAccount),
        (meter(3, 0, key(50), 2), Code::FormArea),
        (meter(3, 0, key(1), 0), Code::AuthKey),
        (meter(3, 0, key(0), 0), Code::AuthKey),
        (meter(3, 0, PublicKey([0; 32]), 0), Code::AuthKey),
        (Command::Suspend { subject: Subject::Meter(MeterId(3)), reason: Reason::Other }, Code::AuthMeter),
        (Command::Resume { subject: Subject::Meter(MeterId(u32::MAX)), reason: Reason::Other }, Code::AuthMeter),
        (Command::Deposit { account: AccountId(3), amount }, Code::CreditAccount),
        (Command::Withdraw { account: AccountId(3), amount }, Code::CreditAccount),
        (Command::Withdraw { account, amount: Money(999_001) }, Code::CreditMoney),
        (buy(9, 1, 1), Code::AuthRole),
        (Command::CancelAllOfAccount, Code::AuthRole),
    ];
    let mut town = town();
    for (command, code) in cases {
        let bundle = town.bundle(key(0), vec![command]);
        assert_refused(&mut town, &bundle, code);
    }
}

/// A meter is stolen and suspended: from that number on its bundles are worth nothing, and its nonces are used up all the
/// same; when it is resumed it goes on.
#[test]
fn a_suspended_meter_gives_no_commands() {
    let mut town = town();
    town.operator(vec![Command::Suspend { subject: Subject::Meter(MeterId(0)), reason: Reason::Other }]);
    let bundle = town.bundle(key(1), vec![buy(7, 100, 1)]);
    assert_refused(&mut town, &bundle, Code::AuthSuspended);
    town.operator(vec![Command::Resume { subject: Subject::Meter(MeterId(0)), reason: Reason::Other }]);
    town.done(0, buy(7, 100, 1));
}

/// A bundle lay about too long: it is void, and so is its nonce.
#[test]
fn an_expired_bundle_is_void() {
    let mut town = town();
    let expires_at = town.state.time();
    let bundle = Bundle { expires_at, ..town.bundle(key(1), vec![buy(7, 100, 1)]) };
    assert_refused(&mut town, &bundle, Code::AuthExpired);
    let bundle = Bundle { expires_at: LedgerTime(expires_at.0 + 1), ..town.bundle(key(1), vec![buy(7, 100, 1)]) };
    assert_eq!(town.apply(&entry(&bundle))[0].outcome, Outcome::Done);
}

/// The same bundle twice, a lower nonce, another ledger's bundle, a stranger's: the root does not move at all.
#[test]
fn replays_strangers_and_other_ledgers_do_not_even_use_a_nonce() {
    let mut town = town();
    let replay = Bundle { nonce: 5, ..town.bundle(key(1), vec![buy(7, 100, 1), buy(8, 100, 1)]) };
    town.apply(&entry(&replay));
    let root = town.state.state_root();
    let lower = Bundle { nonce: 4, ..replay.clone() };
    let foreign = Bundle { chain: Hash([1; 32]), nonce: 6, ..replay.clone() };
    let stranger = Bundle { signer: key(77), ..replay.clone() };
    for (bundle, code) in [
        (replay, Code::AuthReplay),
        (lower, Code::AuthReplay),
        (foreign, Code::AuthChain),
        (stranger, Code::AuthUnknownDevice),
    ] {
        let records = town.apply(&entry(&bundle));
        assert_eq!(records.len(), 2, "each command gets its answer");
        assert!(records.iter().all(|record| record.outcome == Outcome::Rejected(code)));
        assert_eq!(town.state.state_root(), root, "{code}");
    }
    assert_eq!(town.state.device(&key(1)).unwrap().nonce, 5);
}

/// The last nonce there is may be used, and then no other.
#[test]
fn the_highest_nonce_is_the_last() {
    let mut town = town();
    let last = Bundle { nonce: u64::MAX, ..town.bundle(key(1), vec![buy(7, 100, 1)]) };
    assert_eq!(town.apply(&entry(&last))[0].outcome, Outcome::Done);
    assert_eq!(town.apply(&entry(&last))[0].outcome, Outcome::Rejected(Code::AuthReplay));
}

/// Time stands still, goes back, or jumps to the end of time: refused, and nothing moves.
#[test]
fn time_only_moves_forward() {
    let mut town = town();
    let (now, root) = (town.state.time(), town.state.state_root());
    for at in [now, LedgerTime(now.0 - 1), LedgerTime(0), LedgerTime(u64::MAX)] {
        assert_eq!(town.apply(&Entry::Time(at))[0].outcome, Outcome::Rejected(Code::FormTime));
        assert_eq!((town.state.time(), town.state.state_root()), (now, root));
    }
    assert_eq!(town.time(before(30)), Outcome::Done);
    assert_eq!(town.state.time(), before(30));
}

/// Admission follows the registry through this list, so nothing may be missing from it, also not what a rollback undid.
#[test]
fn every_change_of_a_devices_standing_is_told_once() {
    let mut town = Town::of(1);
    let told = town.state.touched_devices();
    assert_eq!(told.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key(0), key(1)]);
    assert!(town.state.touched_devices().is_empty());
    let mark = town.state.mark();
    town.operator(vec![
        register(1, AccountId(0), AreaId(1)),
        Command::Suspend { subject: Subject::Meter(MeterId(0)), reason: Reason::Other },
    ]);
    let told = town.state.touched_devices();
    let suspended = told.iter().find(|(of, _)| *of == key(1)).unwrap().1.unwrap();
    assert_eq!(suspended.standing, KeyStanding::Suspended);
    let new = told.iter().find(|(of, _)| *of == key(2)).unwrap().1.unwrap();
    assert_eq!(new.kind, DeviceKind::Meter { meter: MeterId(1), account: AccountId(0) });
    town.state.rollback(mark);
    let told = town.state.touched_devices();
    assert_eq!(told.iter().find(|(of, _)| *of == key(2)).unwrap().1, None, "never registered");
    assert_eq!(told.iter().find(|(of, _)| *of == key(1)).unwrap().1.unwrap().standing, KeyStanding::Active);
    assert_eq!(told.iter().find(|(of, _)| *of == key(0)).unwrap().1.unwrap().nonce, 1);
}

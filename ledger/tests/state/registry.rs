//! Who is who on the ledger, and who may say so.

use gridbook_engine::{AccountId, AreaId, Contract, Energy, EnergySources, MeterId, Money, Price, Side};
use gridbook_ledger::admission::DeviceKind;
use gridbook_ledger::command::{Accept, AgreedTerms, Bundle, Command, NewOrganisation, Offer, Place};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::record::{Outcome, Party, Record, RecordEvent, history_head};
use gridbook_ledger::registry::{
    CONNECTION_MAX, DeviceStanding, Installation, KeyStanding, ORGANISATIONS_MAX, OrganisationId, OrganisationName,
    Plant, Reason, Role, Roles, Subject,
};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::{ROTATIONS_MAX, State};

use crate::town::{CONTRACT, PERIOD, Town, before, buy, delivered, entry, grid, key, order, refusal, register, sell};

/// The key that organisation `n` signs with.
fn office(n: u16) -> u32 {
    2_000 + u32::from(n)
}

fn new(organisation: u16, roles: Roles, area: Option<u16>) -> NewOrganisation {
    NewOrganisation {
        organisation: OrganisationId(organisation),
        key: key(office(organisation)),
        name: OrganisationName::new(&format!("Organisation {organisation}")).unwrap(),
        roles,
        area: area.map(AreaId),
    }
}

/// The organisations of every story here, by number. The grid operator has the substation's area 0, and the south one of its own.
const REGISTRAR: u16 = 0;
const GRID: u16 = 1;
const MARKET: u16 = 2;
const BANK: u16 = 3;
const SUPPLIER: u16 = 4;
const AUDITOR: u16 = 5;
const SOUTH_GRID: u16 = 6;

/// A substation, north and south below it, a meter in each, and an organisation for each role.
fn town() -> Town {
    let mut town = Town::in_areas(grid(), &[0, 1, 2]);
    let one = |number, role, area| Command::RegisterOrganisation(new(number, Roles::of(role), area));
    let records = town.operator(vec![
        one(REGISTRAR, Role::Registrar, None),
        one(GRID, Role::GridOperator, Some(0)),
        one(MARKET, Role::MarketOperator, None),
        one(BANK, Role::Bank, None),
        one(SUPPLIER, Role::Supplier, None),
        one(AUDITOR, Role::Auditor, None),
        one(SOUTH_GRID, Role::GridOperator, Some(2)),
    ]);
    assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
    town
}

/// One command of whoever has this key.
fn by(town: &mut Town, signer: u32, command: Command) -> Record {
    let bundle = town.bundle(key(signer), vec![command]);
    town.apply(&entry(&bundle)).remove(0)
}

fn done(town: &mut Town, signer: u32, command: Command) -> Record {
    let record = by(town, signer, command);
    assert_eq!(record.outcome, Outcome::Done, "{command:?}");
    record
}

fn refused(town: &mut Town, signer: u32, command: Command) -> Code {
    let record = by(town, signer, command);
    assert!(record.events.is_empty(), "a refusal sets nothing off");
    refusal(&record).unwrap_or_else(|| panic!("{command:?} was carried out"))
}

fn meter(number: u32) -> Subject {
    Subject::Meter(MeterId(number))
}

fn organisation(number: u16) -> Subject {
    Subject::Organisation(OrganisationId(number))
}

fn suspend(subject: Subject, reason: Reason) -> Command {
    Command::Suspend { subject, reason }
}

fn resume(subject: Subject) -> Command {
    Command::Resume { subject, reason: Reason::Resolved }
}

fn revoke(subject: Subject) -> Command {
    Command::Revoke { subject, reason: Reason::Misconduct }
}

fn rotate(subject: Subject, to: u32) -> Command {
    Command::RotateKey { subject, key: key(to) }
}

fn transfer(number: u32, account: u32) -> Command {
    Command::TransferMeter { meter: MeterId(number), account: AccountId(account), reason: Reason::MovedOut }
}

fn capacity(area: u16) -> Command {
    Command::SetCapacity { area: AreaId(area), period: PERIOD, up: Energy(100), down: Energy(100) }
}

fn install(town: &Town, number: u32, change: impl FnOnce(&mut Installation)) -> Command {
    let view = town.state.meter(MeterId(number)).unwrap();
    let (plant, import_max, export_max, certificate) = (view.plant, view.import_max, view.export_max, view.certificate);
    let mut installation = Installation { plant, import_max, export_max, certificate };
    change(&mut installation);
    Command::SetInstallation { meter: MeterId(number), installation }
}

/// Everything that somebody with a role may do, by who may.
fn commands_of_roles() -> Vec<(Command, Vec<u16>)> {
    let account = AccountId(0);
    let deposit = Command::Deposit { account, amount: Money(5) };
    let withdraw = Command::Withdraw { account, amount: Money(5) };
    let register_account = Command::RegisterAccount { account: AccountId(3), organisation: None };
    let plant = Plant::NONE;
    let installation =
        Installation { plant, import_max: Energy(1_000), export_max: Energy(1_000), certificate: Hash([1; 32]) };
    let supplier = Command::RegisterOrganisation(new(7, Roles::of(Role::Supplier), None));
    vec![
        (register_account, vec![REGISTRAR]),
        (register(3, account, AreaId(1)), vec![REGISTRAR]),
        (transfer(0, 1), vec![REGISTRAR]),
        (Command::SetInstallation { meter: MeterId(1), installation }, vec![REGISTRAR]),
        (suspend(meter(1), Reason::Tampering), vec![REGISTRAR]),
        (suspend(meter(1), Reason::Unsafe), vec![REGISTRAR, GRID]),
        (suspend(meter(2), Reason::Unsafe), vec![REGISTRAR, GRID, SOUTH_GRID]),
        (revoke(meter(1)), vec![REGISTRAR]),
        (rotate(meter(1), 500), vec![REGISTRAR]),
        (supplier, vec![REGISTRAR]),
        (suspend(organisation(SUPPLIER), Reason::Other), vec![REGISTRAR]),
        (revoke(organisation(SUPPLIER)), vec![REGISTRAR]),
        (rotate(organisation(SUPPLIER), 500), vec![REGISTRAR, SUPPLIER]),
        (suspend(organisation(BANK), Reason::Other), vec![]),
        (revoke(organisation(REGISTRAR)), vec![]),
        (rotate(organisation(BANK), 500), vec![BANK]),
        (Command::RegisterOrganisation(new(7, Roles::of(Role::Bank), None)), vec![]),
        (Command::RegisterOrganisation(new(7, Roles::of(Role::Supplier).with(Role::Registrar), None)), vec![]),
        (capacity(1), vec![GRID]),
        (capacity(2), vec![GRID, SOUTH_GRID]),
        (Command::PayAsBid { contract: CONTRACT }, vec![MARKET]),
        (deposit, vec![BANK]),
        (withdraw, vec![BANK]),
    ]
}

/// The table of rights, tried whole: each command by the operator, by every organisation, and by a meter.
#[test]
fn every_command_is_carried_out_for_those_who_may_give_it_and_for_nobody_else() {
    for (command, may) in commands_of_roles() {
        let mut town = town();
        let start = (town.state.mark(), town.next_seq);
        let mut try_as = |signer: u32| {
            let record = by(&mut town, signer, command);
            town.state.rollback(start.0);
            town.next_seq = start.1;
            refusal(&record)
        };
        assert_eq!(try_as(0), None, "the operator: {command:?}");
        for number in REGISTRAR..=SOUTH_GRID {
            let refusal = try_as(office(number));
            if may.contains(&number) {
                assert_eq!(refusal, None, "organisation {number}: {command:?}");
            } else {
                let is_unsafe_reason = refusal == Some(Code::AuthReason) && number == GRID;
                assert!(
                    refusal == Some(Code::AuthRole) || is_unsafe_reason,
                    "organisation {number}: {command:?}: {refusal:?}"
                );
            }
        }
        let of_meter = try_as(2);
        assert_eq!(of_meter.is_none(), command == rotate(meter(1), 500), "meter 1: {command:?}");
        assert!(matches!(of_meter, None | Some(Code::AuthRole)));
    }
}

/// An organisation does not trade, whatever its roles: what it owns is behind meters.
#[test]
fn an_organisation_gives_no_orders() {
    let mut town = town();
    for command in [buy(1, 100, 10), Command::CancelAll, Command::CancelAllOfAccount] {
        assert_eq!(refused(&mut town, office(SUPPLIER), command), Code::AuthRole);
    }
}

/// The registrar of the town enrols people, not powers: he cannot make himself a bank, nor touch those who watch him.
#[test]
fn a_registrar_hands_out_no_rights() {
    let mut town = town();
    for role in [Role::Registrar, Role::Bank, Role::MarketOperator, Role::Auditor] {
        let command = Command::RegisterOrganisation(new(7, Roles::of(role), None));
        assert_eq!(refused(&mut town, office(REGISTRAR), command), Code::AuthRole);
    }
    assert_eq!(refused(&mut town, office(REGISTRAR), suspend(organisation(AUDITOR), Reason::Other)), Code::AuthRole);
    let supplier = Command::RegisterOrganisation(new(7, Roles::of(Role::Supplier), None));
    let record = done(&mut town, office(REGISTRAR), supplier);
    let by = OrganisationId(REGISTRAR);
    let expected =
        [RecordEvent::Ordered { by }, RecordEvent::OrganisationRegistered { organisation: OrganisationId(7) }];
    assert_eq!(record.events, expected, "the record says who did it");
    assert_eq!(town.state.organisation(OrganisationId(7)).unwrap().name.text(), "Organisation 7");
}

/// Every enrolment that is refused says why and leaves nothing behind.
#[test]
fn enrolments_that_are_refused_say_why() {
    let mut town = town();
    let supplier = Roles::of(Role::Supplier);
    let grid = Roles::of(Role::GridOperator);
    let with_key = |key| NewOrganisation { key, ..new(7, supplier, None) };
    for (new, code) in [
        (new(6, supplier, None), Code::AuthRegistry),
        (new(8, supplier, None), Code::AuthRegistry),
        (new(7, Roles::NONE, None), Code::AuthRoles),
        (new(7, grid, None), Code::AuthRoles),
        (new(7, supplier, Some(1)), Code::AuthRoles),
        (new(7, grid, Some(3)), Code::FormArea),
        (with_key(key(0)), Code::AuthKey),
        (with_key(key(1)), Code::AuthKey),
        (with_key(key(office(BANK))), Code::AuthKey),
    ] {
        let root = (town.state.organisations_count(), town.state.device(&new.key).map(|device| device.kind));
        assert_eq!(refused(&mut town, 0, Command::RegisterOrganisation(new)), code, "{new:?}");
        assert_eq!((town.state.organisations_count(), town.state.device(&new.key).map(|device| device.kind)), root);
    }
    for (subject, code) in [(organisation(7), Code::AuthOrganisation), (meter(9), Code::AuthMeter)] {
        assert_eq!(refused(&mut town, 0, suspend(subject, Reason::Other)), code);
        assert_eq!(refused(&mut town, 0, resume(subject)), code);
        assert_eq!(refused(&mut town, 0, revoke(subject)), code);
        assert_eq!(refused(&mut town, 0, rotate(subject, 500)), code);
    }
    assert_eq!(refused(&mut town, office(GRID), suspend(meter(9), Reason::Unsafe)), Code::AuthRole);
}

/// One too many: memory and hashes of organisations stay small for ever.
#[test]
fn there_are_no_more_organisations_than_the_ledger_can_hold() {
    let mut state = State::genesis(&grid());
    let town = Town::on(grid());
    let supplier = |number| Command::RegisterOrganisation(new(number, Roles::of(Role::Supplier), None));
    let numbers: Vec<u16> = (0..ORGANISATIONS_MAX).collect();
    let mut next_seq = 1;
    for (nonce, numbers) in (1..).zip(numbers.chunks(1_024)) {
        let commands = numbers.iter().map(|number| supplier(*number)).collect();
        let bundle = Bundle { nonce, ..town.bundle(key(0), commands) };
        let mut records = Vec::new();
        state.apply(next_seq, &entry(&bundle), &mut records);
        next_seq += numbers.len() as u64;
        assert!(records.iter().all(|record| record.outcome == Outcome::Done));
    }
    let bundle = Bundle { nonce: 99, ..town.bundle(key(0), vec![supplier(ORGANISATIONS_MAX)]) };
    let mut records = Vec::new();
    state.apply(next_seq, &entry(&bundle), &mut records);
    assert_eq!(refusal(&records[0]), Some(Code::AuthOrganisations));
    let restored = State::restore(&town.genesis, &state.snapshot()).unwrap();
    assert_eq!(restored.organisations_count(), ORGANISATIONS_MAX);
}

/// A household's account belongs to its supplier, and the ledger knows by whom it is supplied.
#[test]
fn an_account_may_belong_to_an_organisation() {
    let mut town = town();
    let account = AccountId(3);
    let supplied =
        |organisation| Command::RegisterAccount { account, organisation: Some(OrganisationId(organisation)) };
    assert_eq!(refused(&mut town, office(REGISTRAR), supplied(7)), Code::AuthOrganisation);
    done(&mut town, office(REGISTRAR), supplied(SUPPLIER));
    assert_eq!(town.state.account(account).unwrap().organisation, Some(OrganisationId(SUPPLIER)));
    assert_eq!(town.state.account(AccountId(0)).unwrap().organisation, None);
    done(&mut town, 0, revoke(organisation(SUPPLIER)));
    let next = Command::RegisterAccount { account: AccountId(4), organisation: Some(OrganisationId(SUPPLIER)) };
    assert_eq!(refused(&mut town, 0, next), Code::AuthRevoked, "nobody new");
}

/// A meter is found opened. Its bundle of a second ago passed the door and waits in the leader's queue: it is worth nothing any more,
/// and what the meter had open is gone before anybody can trade with it.
#[test]
fn a_suspension_bites_in_the_very_next_entry() {
    let mut town = town();
    town.done(1, Command::Place(Place { area: AreaId(1), ..order(1, Side::Sell, 100, 10) }));
    let terms = AgreedTerms { period: PERIOD, side: Side::Sell, price: Price(90), energy: Energy(5) };
    town.done(1, Command::Offer(Offer { client_id: 2, partner: MeterId(0), terms }));
    let waiting = town.bundle(key(2), vec![Command::Cancel { client_id: 1 }, Command::CancelAll]);
    let record = done(&mut town, office(REGISTRAR), suspend(meter(1), Reason::Tampering));
    let standing = RecordEvent::StandingChanged {
        subject: meter(1),
        standing: DeviceStanding::Suspended,
        reason: Reason::Tampering,
    };
    assert_eq!(record.events[1], standing);
    let cancelled =
        |event: &&RecordEvent| matches!(event, RecordEvent::Cancelled { order, .. } if order.meter == MeterId(1));
    assert_eq!(record.events.iter().filter(cancelled).count(), 2, "the order and the offer");
    let records = town.apply(&entry(&waiting));
    assert_eq!(records.iter().map(refusal).collect::<Vec<_>>(), [Some(Code::AuthSuspended); 2]);
    assert!(town.state.open_orders(MeterId(1)).is_empty());
    let accept = Accept { client_id: 7, partner: MeterId(1), offer: 2, terms: terms.mirrored() };
    assert_eq!(town.refused(0, Command::Accept(accept)), Code::MatchOffer, "nobody can take up its offer");
    assert_eq!(refused(&mut town, office(REGISTRAR), suspend(meter(1), Reason::Other)), Code::AuthStanding);
    done(&mut town, office(REGISTRAR), resume(meter(1)));
    assert_eq!(refused(&mut town, office(REGISTRAR), resume(meter(1))), Code::AuthStanding);
    town.done(1, Command::Place(Place { area: AreaId(1), ..order(3, Side::Sell, 100, 10) }));
}

/// The order of a stolen meter would have traded with the next buyer; what it has traded before stays, and is paid.
#[test]
fn what_a_suspended_meter_has_traded_is_settled_all_the_same() {
    let mut town = Town::of(2);
    town.done(0, sell(1, 100, 30));
    town.done(1, buy(1, 100, 10));
    town.operator(vec![suspend(meter(0), Reason::KeyLost)]);
    assert_eq!(town.done(1, buy(2, 100, 10)).events.len(), 1, "it rests: nobody is there to sell");
    assert_eq!(town.purse(0), (1_000_000, 0));
    town.time(before(0));
    town.work_all(100);
    town.time(delivered());
    town.work_all(100);
    assert_eq!(town.purse(0), (1_001_000, 0));
}

/// A transformer is on fire in the south: its operator cuts a meter off, and lets it in again. What the registrar has suspended for
/// another reason is not his to open.
#[test]
fn a_grid_operator_suspends_for_safety_and_lifts_only_that() {
    let mut town = town();
    assert_eq!(refused(&mut town, office(SOUTH_GRID), suspend(meter(2), Reason::Misconduct)), Code::AuthReason);
    assert_eq!(
        refused(&mut town, office(SOUTH_GRID), suspend(meter(1), Reason::Unsafe)),
        Code::AuthRole,
        "not his area"
    );
    done(&mut town, office(SOUTH_GRID), suspend(meter(2), Reason::Unsafe));
    done(&mut town, office(GRID), resume(meter(2)));
    done(&mut town, office(REGISTRAR), suspend(meter(2), Reason::Tampering));
    assert_eq!(refused(&mut town, office(SOUTH_GRID), resume(meter(2))), Code::AuthReason);
    assert_eq!(refused(&mut town, office(SOUTH_GRID), suspend(meter(2), Reason::Unsafe)), Code::AuthStanding);
    done(&mut town, office(REGISTRAR), resume(meter(2)));
}

/// Revoked is for good: no command, no new key, no way back, and the key is nobody else's either.
#[test]
fn a_revoked_device_is_over() {
    let mut town = town();
    done(&mut town, office(REGISTRAR), revoke(meter(1)));
    let root = town.state.state_root();
    assert_eq!(town.refused(1, Command::CancelAll), Code::AuthRevoked);
    assert_eq!(town.state.state_root(), root, "not even a nonce is used");
    for command in [resume(meter(1)), suspend(meter(1), Reason::Other), revoke(meter(1)), rotate(meter(1), 500)] {
        assert_eq!(refused(&mut town, office(REGISTRAR), command), Code::AuthRevoked, "{command:?}");
    }
    assert_eq!(refused(&mut town, 0, transfer(1, 0)), Code::AuthRevoked);
    let install = install(&town, 1, |installation| installation.certificate = Hash([7; 32]));
    assert_eq!(refused(&mut town, 0, install), Code::AuthRevoked);
    let again = Command::RegisterMeter {
        meter: MeterId(3),
        account: AccountId(1),
        key: key(2),
        area: AreaId(1),
        import_max_wh: Energy(1),
        export_max_wh: Energy(1),
        plant: Plant::NONE,
    };
    assert_eq!(refused(&mut town, office(REGISTRAR), again), Code::AuthKey);
    done(&mut town, 0, revoke(organisation(BANK)));
    let deposit = Command::Deposit { account: AccountId(0), amount: Money(1) };
    assert_eq!(refused(&mut town, office(BANK), deposit), Code::AuthRevoked);
}

/// A suspended registrar registers nobody, and the operator lets him in again.
#[test]
fn a_suspended_organisation_gives_no_commands() {
    let mut town = town();
    let account = Command::RegisterAccount { account: AccountId(3), organisation: None };
    done(&mut town, 0, suspend(organisation(REGISTRAR), Reason::ContractEnded));
    assert_eq!(refused(&mut town, office(REGISTRAR), account), Code::AuthSuspended);
    assert_eq!(town.state.organisation(OrganisationId(REGISTRAR)).unwrap().reason, Reason::ContractEnded);
    done(&mut town, 0, resume(organisation(REGISTRAR)));
    done(&mut town, office(REGISTRAR), account);
}

/// A gateway is replaced: the meter signs its new key with the old one. From then on the old one is worth nothing, for ever.
#[test]
fn a_device_changes_its_own_key() {
    let mut town = town();
    let last = Bundle { nonce: 900, ..town.bundle(key(2), vec![rotate(meter(1), 500), Command::CancelAll]) };
    let records = town.apply(&entry(&last));
    assert!(
        records.iter().all(|record| record.outcome == Outcome::Done),
        "the bundle was signed by the key of its moment"
    );
    assert_eq!(records[0].events, [RecordEvent::KeyChanged { subject: meter(1), key: key(500) }]);
    let old = town.state.device(&key(2)).unwrap();
    assert_eq!((old.standing, old.nonce), (KeyStanding::Replaced, 0));
    let root = town.state.state_root();
    let stolen = Bundle { nonce: u64::MAX, ..town.bundle(key(2), vec![Command::CancelAll]) };
    assert_eq!(refusal(&town.apply(&entry(&stolen))[0]), Some(Code::AuthReplaced));
    assert_eq!(town.state.state_root(), root, "a thief uses up no nonce");
    done(&mut town, 500, Command::CancelAll);
    for taken in [1, 2, 500, 0] {
        assert_eq!(refused(&mut town, 500, rotate(meter(1), taken)), Code::AuthKey, "key {taken} was used");
    }
    assert_eq!(refused(&mut town, 500, rotate(meter(2), 501)), Code::AuthRole, "another's key");
    done(&mut town, office(BANK), rotate(organisation(BANK), 600));
    done(&mut town, 600, Command::Deposit { account: AccountId(0), amount: Money(1) });
    assert_eq!(refused(&mut town, office(BANK), Command::CancelAll), Code::AuthReplaced);
}

/// The key is lost, or somebody who should not have it has used up its nonces: a registrar sets another, and the device goes on.
#[test]
fn a_registrar_sets_the_key_of_a_device_that_has_lost_it() {
    let mut town = town();
    let spent = Bundle { nonce: u64::MAX, ..town.bundle(key(2), vec![Command::CancelAll]) };
    town.apply(&entry(&spent));
    done(&mut town, office(REGISTRAR), suspend(meter(1), Reason::KeyLost));
    done(&mut town, office(REGISTRAR), rotate(meter(1), 500));
    assert_eq!(refused(&mut town, 500, Command::CancelAll), Code::AuthSuspended, "a new key is no pardon");
    done(&mut town, office(REGISTRAR), resume(meter(1)));
    done(&mut town, 500, Command::CancelAll);
}

/// Keys are remembered for ever, so that one device must not fill everybody's memory with them.
#[test]
fn a_device_changes_its_key_so_often_and_then_asks_the_registrar() {
    let mut town = town();
    let mut present = 2;
    for next in 0..u32::from(ROTATIONS_MAX) {
        done(&mut town, present, rotate(meter(1), 10_000 + next));
        present = 10_000 + next;
    }
    assert_eq!(refused(&mut town, present, rotate(meter(1), 500)), Code::AuthRotations);
    done(&mut town, office(REGISTRAR), rotate(meter(1), 500));
    done(&mut town, 500, rotate(meter(1), 501));
}

/// A house is sold with its meter. Not while the old owner has something open or unsettled: whose would it be?
#[test]
fn a_meter_is_transferred_when_nothing_of_it_is_open_or_unsettled() {
    let mut town = Town::of(3);
    assert_eq!(refused(&mut town, 0, transfer(0, 0)), Code::AuthTransfer);
    assert_eq!(refused(&mut town, 0, transfer(0, 9)), Code::CreditAccount);
    assert_eq!(refused(&mut town, 0, transfer(9, 0)), Code::AuthMeter);
    town.done(0, sell(1, 100, 30));
    assert_eq!(refused(&mut town, 0, transfer(0, 2)), Code::AuthOpen);
    town.done(1, buy(1, 100, 10));
    town.done(0, Command::CancelAll);
    assert_eq!(refused(&mut town, 0, transfer(0, 2)), Code::AuthOpen, "a trade is not settled yet");
    let terms = AgreedTerms { period: PERIOD, side: Side::Sell, price: Price(90), energy: Energy(5) };
    town.done(2, Command::Offer(Offer { client_id: 2, partner: MeterId(0), terms }));
    assert_eq!(refused(&mut town, 0, transfer(2, 1)), Code::AuthOpen, "an offer waits");
    town.time(before(0));
    town.work_all(100);
    town.time(delivered());
    town.work_all(100);
    let record = done(&mut town, 0, transfer(0, 2));
    let (from, to) = (AccountId(0), AccountId(2));
    let moved = RecordEvent::MeterTransferred { meter: MeterId(0), from, to, reason: Reason::MovedOut };
    assert_eq!(record.events, [moved]);
    assert_eq!(town.state.meters_of(to), [MeterId(0), MeterId(2)]);
    assert!(town.state.meters_of(from).is_empty());
    let kind = town.state.device(&key(1)).unwrap().kind;
    assert_eq!(kind, DeviceKind::Meter { meter: MeterId(0), account: to }, "the key stays with the meter");
    let later = Contract { period: gridbook_engine::DeliveryPeriod(PERIOD.0 + 8), ..CONTRACT };
    town.done(0, Command::Place(Place::limit(5, later, Side::Buy, Price(100), Energy(10))));
    assert_eq!((town.purse(0).1, town.purse(2).1), (0, 1_000), "the new owner pays");
}

/// What a meter may sell as follows from what stands behind it. The certificate can be handed in at any time; the plant changes only
/// while no order was tested against the old one.
#[test]
fn an_installation_is_set_by_the_registrar() {
    let mut town = Town::of(4);
    let roof = Plant::of(EnergySources::SOLAR);
    town.done(3, sell(1, 100, 30));
    let certified = install(&town, 3, |installation| installation.certificate = Hash([7; 32]));
    let record = done(&mut town, 0, certified);
    assert_eq!(record.events, [RecordEvent::InstallationSet { meter: MeterId(3), certificate: Hash([7; 32]) }]);
    let with_roof = install(&town, 3, |installation| installation.plant = roof);
    assert_eq!(refused(&mut town, 0, with_roof), Code::AuthOpen);
    let wider = install(&town, 3, |installation| installation.export_max = Energy(2_000));
    assert_eq!(refused(&mut town, 0, wider), Code::AuthOpen);
    town.done(3, Command::CancelAll);
    let solar = |client_id| {
        Command::Place(Place { sources: Some(EnergySources::SOLAR), ..order(client_id, Side::Sell, 100, 10) })
    };
    assert_eq!(town.refused(3, solar(2)), Code::AuthSource);
    done(&mut town, 0, with_roof);
    town.done(3, solar(2));
    let view = town.state.meter(MeterId(3)).unwrap();
    assert_eq!((view.plant, view.certificate), (roof, Hash([7; 32])));
    let huge = install(&town, 3, |installation| installation.import_max = Energy(CONNECTION_MAX.0 + 1));
    assert_eq!(refused(&mut town, 0, huge), Code::FormConnection);
    let two = install(&town, 3, |installation| installation.plant = Plant::of(EnergySources::ALL));
    let Command::SetInstallation { .. } = two else { panic!() };
    let bundle = town.bundle(key(0), vec![two]);
    assert!(
        gridbook_ledger::entry::Entry::decode_unverified(&[&[1][..], &bundle.content(), &[0; 64]].concat()).is_err()
    );
}

/// Solar for those who want solar: a sell that claims what its plant does not make is refused, alone and in a basket; a buy may ask for
/// anything, and the grid's mix is always true.
#[test]
fn a_sell_claims_only_what_its_plant_makes() {
    let mut town = Town::of(4);
    let claim =
        |client_id, side, sources| Command::Place(Place { sources: Some(sources), ..order(client_id, side, 100, 10) });
    let (solar, wind, storage) = (EnergySources::SOLAR, EnergySources::WIND, EnergySources::STORAGE);
    town.done(0, claim(1, Side::Sell, solar));
    town.done(0, claim(2, Side::Sell, solar.with(EnergySources::GRID_MIX)));
    assert_eq!(town.refused(0, claim(3, Side::Sell, solar.with(wind))), Code::AuthSource);
    assert_eq!(town.refused(0, claim(3, Side::Sell, storage)), Code::AuthSource);
    assert_eq!(town.refused(1, claim(3, Side::Sell, solar)), Code::AuthSource, "out of the battery below the roof");
    town.done(1, claim(3, Side::Sell, storage));
    town.done(3, claim(4, Side::Buy, wind));
    let basket = vec![Command::Basket { count: 1 }, crate::town::fill_or_kill(claim(5, Side::Sell, wind))];
    assert_eq!(refusal(&town.meter(3, basket)[0]), Some(Code::AuthSource));
}

/// The history of an organisation is the chain over the records that name it, so that an auditor sees that none is missing.
#[test]
fn an_organisation_has_a_history_of_what_it_ordered() {
    let mut town = town();
    let head = |town: &Town| town.state.organisation(OrganisationId(BANK)).unwrap().history_head;
    let before = head(&town);
    let record = done(&mut town, office(BANK), Command::Deposit { account: AccountId(0), amount: Money(1) });
    let extract = record.extract_for(Party::Organisation(OrganisationId(BANK))).unwrap();
    assert_eq!(extract.record().events, [RecordEvent::Ordered { by: OrganisationId(BANK) }]);
    assert_eq!(head(&town), history_head(&before, &extract.leaf_hash()));
    let after = head(&town);
    refused(&mut town, office(BANK), Command::Withdraw { account: AccountId(0), amount: Money(5_000_000) });
    assert_eq!(head(&town), after, "a refusal belongs to no history");
}

/// Somebody registers a house "without a limit". What it could then sell, or be charged for, would be more than auctions and snapshots can add up.
#[test]
fn a_connection_that_carries_more_than_any_does_is_refused() {
    let mut town = town();
    let endless = |import_max_wh, export_max_wh| Command::RegisterMeter {
        meter: MeterId(3),
        account: AccountId(0),
        key: key(500),
        area: AreaId(1),
        import_max_wh,
        export_max_wh,
        plant: Plant::NONE,
    };
    let more = Energy(CONNECTION_MAX.0 + 1);
    for (import, export) in [(more, Energy(1)), (Energy(1), Energy(u64::MAX))] {
        assert_eq!(refused(&mut town, office(REGISTRAR), endless(import, export)), Code::FormConnection);
    }
    done(&mut town, office(REGISTRAR), endless(CONNECTION_MAX, CONNECTION_MAX));
}

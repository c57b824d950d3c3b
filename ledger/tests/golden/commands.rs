//! Commands, 64 bytes each.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, Money, Price, Side,
    TimeInForce,
};
use gridbook_ledger::command::{
    Accept, AcceptLosses, AgreedTerms, AreaReading, Block, BlockPart, Claim, Command, Correction, GrantAccess,
    NewOrganisation, Offer, Place, Reading, SetImbalancePrices,
};
use gridbook_ledger::conduct::Ruling;
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::registry::{Installation, OrganisationId, OrganisationName, Plant, Reason, Role, Roles, Subject};
use gridbook_ledger::settlement::Registers;

use crate::{KEY, assert_command, hex, key};

fn place() -> Place {
    Place {
        client_id: 0x1122_3344_5566_7788,
        area: AreaId(0x0102),
        period: DeliveryPeriod(1_937_176),
        side: Side::Sell,
        price: Price(-240),
        energy: Energy(400),
        time_in_force: TimeInForce::GoodTillTime(LedgerTime(1_743_456_000_000)),
        post_only: true,
        display: Energy(40),
        sources: Some(EnergySources::SOLAR.with(EnergySources::STORAGE)),
        max_edges: Some(2),
        partner: Some(AccountId(6)),
    }
}

#[test]
fn place_bytes() {
    assert_command(
        Command::Place(place()),
        &[
            ("tag", "01"),
            ("side: sell", "01"),
            ("time in force: good till time", "01"),
            ("post-only", "01"),
            ("all-or-none", "00"),
            ("most edges: 2", "03"),
            ("area", "0201"),
            ("client id", "8877665544332211"),
            ("energy", "9001000000000000"),
            ("good till", "00 58 13 ee 95 01 00 00"),
            ("shown clip", "2800000000000000"),
            ("price", "10ffffff"),
            ("period", "188f1d00"),
            ("partner: account 6", "07000000"),
            ("sources: solar and storage", "1100"),
        ],
    );
    let contract = Contract { area: AreaId(0x0102), period: DeliveryPeriod(1_937_176) };
    let plain = Place::limit(0x1122_3344_5566_7788, contract, Side::Sell, Price(-240), Energy(400));
    assert_command(
        Command::Place(plain),
        &[
            ("tag, sell, till gate", "01010000 0000"),
            ("area", "0201"),
            ("client id", "8877665544332211"),
            ("energy", "9001000000000000"),
            ("good till, shown clip", "0000000000000000 0000000000000000"),
            ("price", "10ffffff"),
            ("period", "188f1d00"),
        ],
    );
    let plain = Place { side: Side::Buy, time_in_force: TimeInForce::FillOrKill, post_only: false, ..place() };
    assert_eq!(hex(&Command::Place(plain).encode()[..4]), "01000300");
    let plain = Place { time_in_force: TimeInForce::ImmediateOrCancel, ..plain };
    assert_eq!(hex(&Command::Place(plain).encode()[..4]), "01000200");
    let plain = Place { time_in_force: TimeInForce::GoodTillGate, ..plain };
    assert_eq!(hex(&Command::Place(plain).encode()[..4]), "01000000");
}

#[test]
fn order_command_bytes() {
    let name = ("client id", "0300000000000000");
    let gap = ("gap", "00000000000000");
    assert_command(Command::Cancel { client_id: 3 }, &[("tag", "02"), gap, name]);
    let reduce = Command::Reduce { client_id: 3, by: Energy(100) };
    assert_command(reduce, &[("tag", "03"), gap, name, ("by", "6400000000000000")]);
    let replace = Command::Replace { client_id: 3, price: Price(-1), energy: Energy(1_000) };
    assert_command(replace, &[("tag", "04"), gap, name, ("energy", "e803000000000000"), ("price", "ffffffff")]);
    assert_command(Command::CancelAll, &[("tag", "05")]);
    assert_command(Command::CancelAllOfAccount, &[("tag", "06")]);
}

#[test]
fn basket_and_block_bytes() {
    assert_command(Command::Basket { count: 100 }, &[("tag and gap", "0700"), ("count", "6400")]);
    let block = Block { client_id: 3, area: AreaId(0x0102), side: Side::Sell, price: Price(-1), parts: 2 };
    assert_command(
        Command::Block(block),
        &[
            ("tag and side", "0801"),
            ("area", "0201"),
            ("parts", "0200"),
            ("gap", "0000"),
            ("client id", "0300000000000000"),
            ("price", "ffffffff"),
        ],
    );
    let part = BlockPart { first: DeliveryPeriod(8), energies: [1, 2, 3, 0, 5, 6, 7].map(Energy) };
    assert_command(
        Command::BlockPart(part),
        &[
            ("tag and gap", "09000000"),
            ("first period", "08000000"),
            ("energies", "0100000000000000 0200000000000000 0300000000000000 0000000000000000"),
            ("energies", "0500000000000000 0600000000000000 0700000000000000"),
        ],
    );
}

#[test]
fn agreement_bytes() {
    let terms = AgreedTerms { period: DeliveryPeriod(8), side: Side::Sell, price: Price(-9), energy: Energy(10) };
    let offer = Command::Offer(Offer { client_id: 3, partner: MeterId(5), terms });
    let accept = Command::Accept(Accept { client_id: 4, partner: MeterId(2), offer: 3, terms: terms.mirrored() });
    let agreed = [("energy", "0a00000000000000"), ("price", "f7ffffff"), ("period", "08000000")];
    let offered = [("tag, side, gap", "0a010000"), ("partner", "05000000"), ("client id", "0300000000000000")];
    assert_command(offer, &[&offered[..], &agreed].concat());
    let accepted = [("tag, side, gap", "0b000000"), ("partner", "02000000"), ("client id", "0400000000000000")];
    assert_command(accept, &[&accepted[..], &agreed, &[("offer", "0300000000000000")]].concat());
}

#[test]
fn operator_command_bytes() {
    assert_command(
        Command::RegisterAccount { account: AccountId(4), organisation: None },
        &[("tag and gap", "10000000"), ("account", "04000000")],
    );
    let register = Command::RegisterMeter {
        meter: MeterId(5),
        account: AccountId(4),
        key: key().public(),
        area: AreaId(3),
        import_max_wh: Energy(2_750),
        export_max_wh: Energy(1_250),
        plant: Plant::NONE,
    };
    assert_command(
        register,
        &[
            ("tag and gap", "1100"),
            ("area", "0300"),
            ("meter", "05000000"),
            ("account", "04000000"),
            ("gap", "00000000"),
            ("most import", "be0a000000000000"),
            ("most export", "e204000000000000"),
            ("key", KEY),
        ],
    );
    assert_command(
        Command::Suspend { subject: Subject::Meter(MeterId(5)), reason: Reason::Other },
        &[("tag and gap", "12000000"), ("meter", "05000000")],
    );
    assert_command(
        Command::Resume { subject: Subject::Meter(MeterId(5)), reason: Reason::Other },
        &[("tag and gap", "13000000"), ("meter", "05000000")],
    );
    let (account, amount) = (AccountId(4), Money(1_000_000_000));
    let rest = [("account", "04000000"), ("gap", "0000000000000000"), ("amount", "00ca9a3b 000000000000000000000000")];
    assert_command(Command::Deposit { account, amount }, &[&[("tag and gap", "14000000")], &rest[..]].concat());
    assert_command(Command::Withdraw { account, amount }, &[&[("tag and gap", "15000000")], &rest[..]].concat());
    let contract = Contract { area: AreaId(3), period: DeliveryPeriod(8) };
    let capacity = Command::SetCapacity { area: AreaId(3), period: DeliveryPeriod(8), up: Energy(1), down: Energy(2) };
    let edge = [("area", "0300"), ("period", "08000000")];
    let limits = [("up", "0100000000000000"), ("down", "0200000000000000")];
    assert_command(capacity, &[&[("tag and gap", "1600")], &edge[..], &limits].concat());
    let registers = Registers { import: 14, export: 15, counter: 16 };
    let reading = Reading { period: DeliveryPeriod(8), registers };
    let shown = ("import, export, counter", "0e00000000000000 0f00000000000000 1000000000000000");
    assert_command(Command::Reading(reading), &[("tag and gap", "1e000000"), ("period", "08000000"), shown]);
    assert_command(
        Command::Correction(Correction { meter: MeterId(2), reading }),
        &[("tag and gap", "20000000"), ("meter, period, gap", "02000000 08000000 00000000"), shown],
    );
    assert_command(
        Command::AreaReading(AreaReading { contract, sent_up_wh: -2 }),
        &[&[("tag and gap", "1f00")], &edge[..], &[("sent up", "feffffffffffffff")]].concat(),
    );
    assert_command(
        Command::AcceptLosses(AcceptLosses { contract, losses_wh: -2 }),
        &[&[("tag and gap", "2700")], &edge[..], &[("losses", "feffffffffffffff")]].concat(),
    );
    assert_command(
        Command::SetImbalancePrices(SetImbalancePrices { contract, short_price: Price(13), long_price: Price(-2) }),
        &[&[("tag and gap", "1d00")], &edge[..], &[("short and long price", "0d000000 feffffff")]].concat(),
    );
    assert_command(Command::PayAsBid { contract }, &[&[("tag and gap", "1700")], &edge[..]].concat());
}

#[test]
fn registry_command_bytes() {
    let (solar, subject) = (EnergySources::SOLAR, Subject::Organisation(OrganisationId(0x0102)));
    let supplied = Command::RegisterAccount { account: AccountId(4), organisation: Some(OrganisationId(0x0102)) };
    assert_command(supplied, &[("tag and gap", "1000"), ("organisation + 1", "0301"), ("account", "04000000")]);
    let plant = Plant { source: solar, storage_ppm: Some(900_000) };
    let installation =
        Installation { plant, import_max: Energy(2_750), export_max: Energy(1_250), certificate: Hash([9; 32]) };
    let certificate = "09".repeat(32);
    assert_command(
        Command::SetInstallation { meter: MeterId(5), installation },
        &[
            ("tag", "1c"),
            ("source: solar", "01"),
            ("gap", "0000"),
            ("meter", "05000000"),
            ("efficiency", "a0bb0d00"),
            ("gap", "00000000"),
            ("most import", "be0a000000000000"),
            ("most export", "e204000000000000"),
            ("certificate", &certificate),
        ],
    );
    let register = Command::RegisterMeter {
        meter: MeterId(5),
        account: AccountId(4),
        key: key().public(),
        area: AreaId(3),
        import_max_wh: Energy(2_750),
        export_max_wh: Energy(1_250),
        plant,
    };
    assert_eq!(hex(&register.encode()[..16]), "110103000500000004000000a0bb0d00");
    let reason = Reason::Unsafe;
    let rest = [("organisation", "01"), ("reason: unsafe", "05"), ("gap", "00"), ("number", "02010000")];
    assert_command(Command::Suspend { subject, reason }, &[&[("tag", "12")], &rest[..]].concat());
    assert_command(Command::Resume { subject, reason }, &[&[("tag", "13")], &rest[..]].concat());
    assert_command(Command::Revoke { subject, reason }, &[&[("tag", "1b")], &rest[..]].concat());
    let rotate = Command::RotateKey { subject: Subject::Meter(MeterId(5)), key: key().public() };
    assert_command(rotate, &[("tag, meter, gap", "19000000"), ("number", "05000000"), ("key", KEY)]);
    let transfer = Command::TransferMeter { meter: MeterId(5), account: AccountId(4), reason: Reason::MovedOut };
    assert_command(transfer, &[("tag, moved out, gap", "1a030000"), ("meter", "05000000"), ("account", "04000000")]);
    let new = NewOrganisation {
        organisation: OrganisationId(0x0102),
        key: key().public(),
        name: OrganisationName::new("Netz Nord").unwrap(),
        roles: Roles::of(Role::GridOperator).with(Role::Auditor),
        area: Some(AreaId(3)),
    };
    assert_command(
        Command::RegisterOrganisation(new),
        &[
            ("tag", "18"),
            ("grid operator and auditor", "22"),
            ("number", "0201"),
            ("area + 1", "0400"),
            ("gap", "0000"),
            ("key", KEY),
            ("name", "4e65747a204e6f7264"),
        ],
    );
}

#[test]
fn conduct_command_bytes() {
    let (number, hash) = (("entry", "0900000000000000"), "ab".repeat(32));
    let appeal = Command::Appeal { entry: 9, statement: Hash([0xab; 32]) };
    assert_command(appeal, &[("tag and gap", "2300000000000000"), number, ("statement", &hash)]);
    let rule = |ruling| Command::RuleAppeal { entry: 9, ruling, reasons: Hash([0xab; 32]) };
    for (ruling, tag) in [(Ruling::Upheld, "2400000000000000"), (Ruling::Struck, "2401000000000000")] {
        assert_command(rule(ruling), &[("tag, ruling, gap", tag), number, ("reasons", &hash)]);
    }
}

#[test]
fn consent_command_bytes() {
    let by_key = GrantReader::Key(key().public());
    let (meter, scope, until) = (MeterId(5), Scope::STATEMENT | Scope::CONDUCT, LedgerTime(0x0102));
    assert_command(
        Command::GrantAccess(GrantAccess { meter, reader: by_key, scope, until }),
        &[
            ("tag", "25"),
            ("statement and conduct", "05"),
            ("gap", "0000"),
            ("meter", "05000000"),
            ("until", "0201000000000000"),
            ("a key", "01"),
            ("key", KEY),
        ],
    );
    let works = GrantReader::Organisation(OrganisationId(0x0102));
    assert_command(
        Command::RevokeAccess { meter, reader: works },
        &[
            ("tag and gap", "26000000"),
            ("meter", "05000000"),
            ("gap", "0000000000000000"),
            ("an organisation", "00"),
            ("its number", "0201"),
        ],
    );
}

#[test]
fn claim_bytes() {
    let range = CertificateRange::new(AreaId(3), 1_001, Energy(500)).unwrap();
    let claim = Claim { range, period: DeliveryPeriod(8), meter: MeterId(6) };
    assert_command(
        Command::Claim(claim),
        &[
            ("tag and gap", "2100"),
            ("issuer", "0300"),
            ("period", "08000000"),
            ("first number", "e903000000000000"),
            ("how many", "f401000000000000"),
            ("meter", "06000000"),
        ],
    );
}

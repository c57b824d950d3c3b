//! Signed and hashed bytes, field by field. If one of these changes, every signature and receipt ever made is void: then the
//! domain tag's version must change with it, and a new golden stand beside the old.

use gridbook_engine::{AccountId, AreaId, BlockState, ClearingCase, Contract, DeliveryPeriod, Direction, Energy};
use gridbook_engine::{
    EnergySources, Expiry, LedgerTime, MarketRules, MeterId, Money, Price, Side, TimeInForce, TradeKind,
};
use gridbook_ledger::command::GrantAccess;
use gridbook_ledger::command::{
    Accept, AcceptLosses, AgreedTerms, AreaReading, Block, BlockPart, Bundle, Claim, Command, Correction, NEVER,
    NewOrganisation, Offer, Place, Reading, SetImbalancePrices, SignedBundle,
};
use gridbook_ledger::conduct::{DeviceFault, EntryState, Proof, Ruling};
use gridbook_ledger::consent::{EndCause, Grant, GrantReader, Scope};
use gridbook_ledger::crypto::{Hash, Hasher, PublicKey, SecretKey};
use gridbook_ledger::entry::{Entry, UnverifiedEntry, log_digest};
use gridbook_ledger::evidence::EvidenceKind;
use gridbook_ledger::genesis::{Area, AreaEdge, Genesis, SettlementRules};
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::Vote;
use gridbook_ledger::merkle;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::record::{
    AreaResidual, AreaSettled, CertificateChange, Certificates, MeterSettled, Outcome, Party, PartyRef, Purse, Record,
    RecordEvent, RegistersRead, Trade, history_head,
};
use gridbook_ledger::record::{Consent, ConsentChange};
use gridbook_ledger::registry::{
    DeviceStanding, Installation, OrganisationId, OrganisationName, Plant, Reason, Role, Roles, Subject,
};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::{AreaFault, Delivery, Quality, Registers, Residual};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

/// A field's name and its bytes in hexadecimal; `..` stands for zeros up to the end.
type Fields<'a> = &'a [(&'a str, &'a str)];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn joined(fields: Fields<'_>) -> String {
    fields.iter().map(|(_, hex)| hex.replace(' ', "")).collect()
}

#[track_caller]
fn assert_golden(bytes: &[u8], fields: Fields<'_>) {
    let (actual, mut at) = (hex(bytes), 0);
    for (name, field) in fields {
        let field = field.replace(' ', "");
        let end = (at + field.len()).min(actual.len());
        assert_eq!(actual[at..end], field, "field `{name}` at byte {}", at / 2);
        at = end;
    }
    assert_eq!(actual.len(), at, "bytes after the last field: {}", &actual[at..]);
}

#[track_caller]
fn assert_command(command: Command, fields: Fields<'_>) {
    let used = joined(fields);
    let zeros = "0".repeat(128 - used.len());
    assert_golden(&command.encode(), &[fields, &[("zeros", &zeros)]].concat());
}

fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

const KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";

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
fn consent_event_bytes() {
    let (meter, account, reader) = (MeterId(5), AccountId(4), GrantReader::Organisation(OrganisationId(3)));
    let zeros = "00".repeat(30);
    let whom = [("meter", "05000000"), ("account", "04000000"), ("organisation", "00 0300"), ("gap", zeros.as_str())];
    let granted = ConsentChange::Granted(Grant { scope: Scope::ALL, until: LedgerTime(9) });
    let fields = [&[("tag", "2e")][..], &whom, &[("all", "07"), ("until", "0900000000000000")]].concat();
    assert_event(RecordEvent::Consent(Consent { meter, account, reader, change: granted }), &fields);
    let ended = ConsentChange::Ended(EndCause::Transferred);
    let fields = [&[("tag", "2f")][..], &whom, &[("transferred", "03")]].concat();
    assert_event(RecordEvent::Consent(Consent { meter, account, reader, change: ended }), &fields);
}

/// The bytes of one event in a record, which stand behind everything else.
#[track_caller]
fn assert_event(event: RecordEvent, fields: Fields<'_>) {
    let outcome = Outcome::Rejected(Code::AuthReplay);
    let (entry, meter) = (Hash([2; 32]), Some(MeterId(4)));
    let record = Record { seq: 1, entry, index: 3, meter, client_id: 5, outcome, events: vec![event] };
    assert_golden(&record.encode()[60..], fields);
}

#[test]
fn conduct_event_bytes() {
    let (account, meter, hash) = (AccountId(4), MeterId(5), "ab".repeat(32));
    let (kind, period, proof) = (DeviceFault::DoubleReading, Some(DeliveryPeriod(8)), Proof::of(&[6, 7]).unwrap());
    assert_event(
        RecordEvent::Misconduct { entry: 9, account, meter, kind, period, proof },
        &[
            ("tag", "25"),
            ("entry", "0900000000000000"),
            ("account and meter", "04000000 05000000"),
            ("double reading", "01"),
            ("period", "01 08000000"),
            ("records", "0600000000000000 0700000000000000 0000000000000000 0000000000000000"),
        ],
    );
    let (validator, evidence) = (PublicKey([0xab; 32]), Hash([0xab; 32]));
    assert_event(
        RecordEvent::ValidatorMisconduct { entry: 9, validator, kind: EvidenceKind::DoubleVote, evidence },
        &[("tag", "26"), ("entry", "0900000000000000"), ("key", &hash), ("double vote", "04"), ("evidence", &hash)],
    );
    assert_event(
        RecordEvent::ConductRevised { entry: 9, account, state: EntryState::Struck, fingerprint: evidence },
        &[("tag", "27"), ("entry", "0900000000000000"), ("account", "04000000"), ("struck", "03"), ("reasons", &hash)],
    );
    assert_event(
        RecordEvent::ConductExpired { entry: 9, account: Some(account) },
        &[("tag", "28"), ("entry", "0900000000000000"), ("account", "01 04000000")],
    );
    assert_event(
        RecordEvent::ConductExpired { entry: 9, account: None },
        &[("tag", "28"), ("entry", "0900000000000000"), ("nobody", "00 00000000")],
    );
    assert_event(
        RecordEvent::ScoreChanged { account, score: 980, share_ppm: 1_100_000 },
        &[("tag", "29"), ("account", "04000000"), ("score", "d403"), ("share", "e0c81000")],
    );
}

#[test]
fn residual_event_bytes() {
    let contract = Contract { area: AreaId(7), period: DeliveryPeriod(8) };
    let residual = Residual::new(35, -36, false, Some(37));
    let (net, below, up) = (format!("23{}", "00".repeat(15)), format!("dc{}", "ff".repeat(15)), "00".repeat(15));
    assert_event(
        RecordEvent::AreaResidual(AreaResidual { contract, residual }),
        &[
            ("area residual", "2c 0700 08000000"),
            ("given by its meters", &net),
            ("came up from below", &below),
            ("went up", &format!("25{up}")),
            ("estimated: an edge below was not read", "11"),
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

#[test]
fn certificate_event_bytes() {
    let range = CertificateRange::new(AreaId(3), 1_001, Energy(500)).unwrap();
    let (period, holder, account) = (DeliveryPeriod(8), MeterId(2), AccountId(1));
    let told = |change| RecordEvent::Certificates(Certificates { range, period, holder, account, change });
    let record = Record {
        seq: 1,
        entry: Hash([2; 32]),
        index: 0,
        meter: None,
        client_id: 0,
        outcome: Outcome::Done,
        events: vec![
            told(CertificateChange::Issued { source: EnergySources::SOLAR }),
            told(CertificateChange::Moved { from: MeterId(5), from_account: AccountId(4), trade: 99 }),
            told(CertificateChange::Claimed { by: MeterId(6) }),
            told(CertificateChange::Closed { was_claimed: true }),
            told(CertificateChange::Unclaimed { by: MeterId(6) }),
            told(CertificateChange::Revoked { was_claimed: true }),
        ],
    };
    let entry = "02".repeat(32);
    let which = "0300 e903000000000000 f401000000000000 08000000 02000000 01000000";
    let events = [
        ("issued", "20"),
        ("issuer, first, how many, period, holder, account", which),
        ("solar", "01"),
        ("moved", "21"),
        ("the same", which),
        ("from meter 5 of account 4 with trade 99", "05000000 04000000 6300000000000000"),
        ("claimed", "22"),
        ("the same", which),
        ("for meter 6", "06000000"),
        ("closed", "23"),
        ("the same", which),
        ("was claimed", "01"),
        ("taken back", "24"),
        ("the same", which),
        ("the claim for meter 6", "02 06000000"),
        ("taken back", "24"),
        ("the same", which),
        ("claimed certificates", "01 00000000"),
    ];
    let head = [
        ("number", "0100000000000000"),
        ("entry", &entry),
        ("place", "0000"),
        ("no meter", "ffffffff"),
        ("no order", "0000000000000000"),
        ("done", "0000"),
        ("events", "06000000"),
    ];
    assert_golden(&record.encode(), &[&head[..], &events].concat());
}

#[test]
fn bundle_bytes() {
    let commands = vec![Command::CancelAll, Command::Cancel { client_id: 3 }];
    let signed =
        Bundle { chain: Hash([0xc4; 32]), signer: key().public(), nonce: 9, expires_at: NEVER, commands }.sign(&key());
    let chain = "c4".repeat(32);
    let (first, second) =
        (format!("05{}", "00".repeat(63)), format!("02000000000000000300000000000000{}", "00".repeat(48)));
    assert_golden(
        signed.bytes(),
        &[
            ("domain: length and gridbook/bundle/1", "11 67726964626f6f6b2f62756e646c652f31"),
            ("version", "0100"),
            ("chain", &chain),
            ("signer", KEY),
            ("nonce", "0900000000000000"),
            ("expires at: never", "ffffffffffffffff"),
            ("count", "0200"),
            ("gap", "0000"),
            ("cancel all", &first),
            ("cancel", &second),
            ("signature", SIGNATURE),
        ],
    );
    assert_eq!(signed.id().0.to_hex(), BUNDLE_ID);
    assert!(SignedBundle::decode(signed.bytes()).is_ok());
}

const SIGNATURE: &str = "2d4b89ac9944e70f81949ec1e3fa22d69c99ed8452db1b757f8b66a6ae5b71bcf73621ebde52b5cffb30b581c8633b4f6b4228b910e5b3c6af5acc729bbe8807";
const BUNDLE_ID: &str = "464bb6c7b2ff681b18d4cacb433ff83a63df5620048041fb4bd284ec9f4f289f";

fn header() -> Header {
    Header {
        chain: Hash([1; 32]),
        epoch: 2,
        rank: Rank { view: 3, slot: 4 },
        height: 5,
        proposer: ValidatorIndex(6),
        time_ms: 7,
        parent: Hash([8; 32]),
        justify: HeaderRef { rank: Rank { view: 9, slot: 10 }, hash: Hash([11; 32]) },
        tc_hash: Hash([12; 32]),
        first_seq: 13,
        last_seq: 14,
        log_digest: Hash([15; 32]),
        inputs_root: Hash([16; 32]),
        results_root: Hash([17; 32]),
        state_root: Hash([18; 32]),
        snapshot_root: Hash([19; 32]),
        flags: 20,
        next_set_hash: Hash([21; 32]),
    }
}

#[test]
fn header_bytes() {
    let hash = |number: u8| hex(&[number; 32]);
    assert_golden(
        &header().encode(),
        &[
            ("chain", &hash(1)),
            ("epoch", "02000000"),
            ("view", "0300000000000000"),
            ("slot", "04000000"),
            ("height", "0500000000000000"),
            ("proposer", "0600"),
            ("time", "0700000000000000"),
            ("parent", &hash(8)),
            ("justify view", "0900000000000000"),
            ("justify slot", "0a000000"),
            ("justify hash", &hash(11)),
            ("timeout certificate", &hash(12)),
            ("first number", "0d00000000000000"),
            ("last number", "0e00000000000000"),
            ("log digest", &hash(15)),
            ("inputs root", &hash(16)),
            ("results root", &hash(17)),
            ("state root", &hash(18)),
            ("snapshot root", &hash(19)),
            ("flags", "14000000"),
            ("next set", &hash(21)),
        ],
    );
    assert_eq!(header().hash().to_hex(), HEADER_HASH);
    assert_eq!(Header::decode(&header().encode()), Ok(header()));
}

const HEADER_HASH: &str = "245600b814dd8ce0f411a4397672644ff23090d9e606d0b011cdd22d7737bcb1";

#[test]
fn vote_bytes() {
    let (chain, block) = ("01".repeat(32), HeaderRef { rank: Rank { view: 3, slot: 4 }, hash: Hash([8; 32]) });
    let vote = Vote::sign(Hash([1; 32]), 2, block, ValidatorIndex(0), &key());
    assert_golden(
        &vote.signed_bytes(Hash([1; 32])),
        &[
            ("domain: length and gridbook/vote/1", "0f 67726964626f6f6b2f766f74652f31"),
            ("chain", &chain),
            ("epoch", "02000000"),
            ("view", "0300000000000000"),
            ("slot", "04000000"),
            ("header", &"08".repeat(32)),
        ],
    );
    assert!(key().public().verify(&vote.signed_bytes(Hash([1; 32])), &vote.signature));
}

#[test]
fn record_bytes() {
    let order = PartyRef { account: AccountId(1), meter: MeterId(2), client_id: 3 };
    let taker = PartyRef { account: AccountId(4), meter: MeterId(5), client_id: 6 };
    let contract = Contract { area: AreaId(7), period: DeliveryPeriod(8) };
    let (remaining, subject) = (Energy(11), Subject::Organisation(OrganisationId(4)));
    let (area, period) = (contract.area, contract.period);
    let (to_account, to, price, energy) = (AccountId(4), MeterId(5), Price(9), Energy(10));
    let offered = RecordEvent::Offered { offer: order, to_account, to, period, side: Side::Sell, price, energy };
    let posted = RecordEvent::Posted { from: Purse::Account(AccountId(1)), to: Purse::Imbalance, amount: Money(-1) };
    let settled = MeterSettled {
        meter: MeterId(2),
        account: AccountId(1),
        contract,
        delivery: Delivery { import: Energy(17), export: Energy(18) },
        quality: Quality::Corrected,
        contracted_wh: -19,
        trades: Money(20),
        own_trades: Money(-21),
        rest: Money(22),
        billed: Money(23),
        defaulted: Money(-24),
    };
    let area_settled = AreaSettled {
        contract,
        short_price: Price(25),
        long_price: Price(-26),
        short_rest: Price(27),
        long_rest: Price(-28),
        net_wh: 29,
        contracted_wh: -30,
        losses_wh: 31,
        upstream: Money(-32),
        losses: Money(33),
        surplus: Money(34),
    };
    let record = Record {
        seq: 1,
        entry: Hash([2; 32]),
        index: 3,
        meter: Some(MeterId(4)),
        client_id: 5,
        outcome: Outcome::Done,
        events: vec![
            RecordEvent::Trade(Trade {
                maker: order,
                taker,
                period,
                maker_area: area,
                taker_area: AreaId(6),
                taker_side: Side::Sell,
                kind: TradeKind::PayAsBid,
                price: Price(9),
                fee: Price(13),
                energy: Energy(10),
            }),
            RecordEvent::Rested { order, remaining },
            RecordEvent::Dropped { order, remaining },
            RecordEvent::Cancelled { order, remaining },
            RecordEvent::Reduced { order, remaining },
            RecordEvent::Expired { order, remaining, cause: Expiry::Gate },
            posted,
            RecordEvent::AccountRegistered { account: AccountId(1) },
            RecordEvent::MeterRegistered { meter: MeterId(2), account: AccountId(1) },
            RecordEvent::Filled { order, side: Side::Sell, contract, energy: Energy(10), price: Price(9), remaining },
            RecordEvent::Cleared { contract, price: Some(Price(9)), case: ClearingCase::Border },
            RecordEvent::Flow { area, period, up: -2, fee: Money(12), rent: Money(12) },
            RecordEvent::Block { order, state: BlockState::ParadoxicallyRejected },
            RecordEvent::CapacitySet { area, period, up: Energy(10), down: remaining },
            RecordEvent::Overload { area, period, direction: Direction::Down, by: Energy(10) },
            offered,
            RecordEvent::Read(RegistersRead {
                meter: MeterId(2),
                account: AccountId(1),
                period: DeliveryPeriod(8),
                registers: Registers { import: 14, export: 15, counter: 16 },
                is_correction: true,
            }),
            RecordEvent::AreaRead { contract, sent_up_wh: -2 },
            RecordEvent::ImbalancePricesSet { contract, short_price: Price(13), long_price: Price(9) },
            RecordEvent::MeterSettled(settled),
            RecordEvent::AreaSettled(area_settled),
            RecordEvent::AreaFrozen { contract, why: AreaFault::Losses { losses_wh: 12, throughput_wh: 12 } },
            RecordEvent::PeriodFinal { period: DeliveryPeriod(8) },
            RecordEvent::Ordered { by: OrganisationId(3) },
            RecordEvent::OrganisationRegistered { organisation: OrganisationId(4) },
            RecordEvent::StandingChanged { subject, standing: DeviceStanding::Revoked, reason: Reason::Tampering },
            RecordEvent::KeyChanged { subject: Subject::Meter(MeterId(2)), key: key().public() },
            RecordEvent::MeterTransferred {
                meter: MeterId(2),
                from: AccountId(1),
                to: to_account,
                reason: Reason::MovedOut,
            },
            RecordEvent::InstallationSet { meter: MeterId(2), certificate: Hash([9; 32]) },
        ],
    };
    let certificate = "09".repeat(32);
    let (entry, one) = ("02".repeat(32), "01000000 02000000 0300000000000000");
    let open = format!("{one} 0b00000000000000");
    let wide = |number: i128| number.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (twelve, minus_one) = (format!("0c{}", "00".repeat(15)), "ff".repeat(16));
    assert_golden(
        &record.encode(),
        &[
            ("number", "0100000000000000"),
            ("entry", &entry),
            ("place in the bundle", "0300"),
            ("meter", "04000000"),
            ("client id", "0500000000000000"),
            ("outcome: done", "0000"),
            ("events", "1d000000"),
            ("trade", "01"),
            ("maker", one),
            ("taker", "04000000 05000000 0600000000000000"),
            ("period and areas", "08000000 0700 0600"),
            ("taker sells, pay-as-bid", "01 01"),
            ("price, fee, energy", "09000000 0d000000 0a00000000000000"),
            ("rested", "02"),
            ("order and energy", &open),
            ("dropped", "03"),
            ("order and energy", &open),
            ("cancelled", "04"),
            ("order and energy", &open),
            ("reduced", "05"),
            ("order and energy", &open),
            ("expired", "06"),
            ("order and energy", &open),
            ("by the gate", "01"),
            ("posted", "08"),
            ("from account 1 to imbalance", "00 01000000 03 00000000"),
            ("amount", &minus_one),
            ("account registered", "09 01000000"),
            ("meter registered", "0a 02000000 01000000"),
            ("filled", "0d"),
            ("order and what is left", &open),
            ("contract", "0700 08000000"),
            ("energy and price", "0a00000000000000 09000000"),
            ("its side, a sale", "01"),
            ("cleared", "0e"),
            ("contract", "0700 08000000"),
            ("border, a price, 9", "02 01 09000000"),
            ("flow", "0f"),
            ("edge and period", "0700 08000000"),
            ("down", "feffffffffffffff"),
            ("fee", &twelve),
            ("rent", &twelve),
            ("block", "10"),
            ("order", one),
            ("paradoxically rejected", "02"),
            ("capacity set", "11"),
            ("edge and period", "0700 08000000"),
            ("up and down", "0a00000000000000 0b00000000000000"),
            ("overload", "12"),
            ("edge and period", "0700 08000000"),
            ("down, by", "01 0a00000000000000"),
            ("offered", "13"),
            ("offer", one),
            ("to", "04000000 05000000"),
            ("period, sells", "08000000 01"),
            ("price and energy", "09000000 0a00000000000000"),
            ("read: meter, account, period", "1a 02000000 01000000 08000000"),
            ("import, export, counter", "0e00000000000000 0f00000000000000 1000000000000000"),
            ("a correction", "01"),
            ("area read", "1b 0700 08000000 feffffffffffffff"),
            ("imbalance prices", "19 0700 08000000 0d000000 09000000"),
            ("meter settled: meter, account", "1c 02000000 01000000"),
            ("contract", "0700 08000000"),
            ("import and export, corrected", "1100000000000000 1200000000000000 02"),
            ("contracted", &wide(-19)),
            ("trades", &wide(20)),
            ("own trades", &wide(-21)),
            ("rest", &wide(22)),
            ("billed", &wide(23)),
            ("defaulted", &wide(-24)),
            ("area settled", "1d 0700 08000000"),
            ("short and long price", "19000000 e6ffffff"),
            ("short and long rest", "1b000000 e4ffffff"),
            ("net", &wide(29)),
            ("contracted", &wide(-30)),
            ("losses", &wide(31)),
            ("upstream", &wide(-32)),
            ("money for losses", &wide(33)),
            ("surplus", &wide(34)),
            ("area frozen", "1e 0700 08000000"),
            ("losses of 12 in 12", "02"),
            ("lost", &twelve),
            ("flowed", &twelve),
            ("period final", "1f 08000000"),
            ("ordered by", "14 0300"),
            ("organisation registered", "15 0400"),
            ("standing changed", "16"),
            ("organisation 4 revoked for tampering", "01 04000000 02 04"),
            ("key changed", "17"),
            ("meter 2", "00 02000000"),
            ("key", KEY),
            ("meter transferred", "18"),
            ("meter, from, to, moved out", "02000000 01000000 04000000 03"),
            ("installation set", "2b"),
            ("meter", "02000000"),
            ("certificate", &certificate),
        ],
    );
    assert_eq!(record.leaf_hash().to_hex(), RECORD_LEAF);
    let refused = Record { meter: None, outcome: Outcome::Rejected(Code::GateClosed), events: vec![], ..record };
    assert_golden(
        &refused.encode()[42..],
        &[("no meter", "ffffffff"), ("client id", "0500000000000000"), ("402", "9201"), ("events", "00000000")],
    );
}

/// What is chained for a meter: the record's bytes with only its own events, hashed under a key of the domain.
#[test]
fn extract_bytes_and_history() {
    let order = PartyRef { account: AccountId(1), meter: MeterId(2), client_id: 3 };
    let other = PartyRef { account: AccountId(4), meter: MeterId(5), client_id: 6 };
    let expired = |order| RecordEvent::Expired { order, remaining: Energy(11), cause: Expiry::Gate };
    let events = vec![expired(other), expired(order)];
    let (seq, entry, index, client_id, outcome) = (1, Hash([2; 32]), 3, 0, Outcome::Done);
    let record = Record { seq, entry, index, meter: None, client_id, outcome, events };
    let extract = record.extract_for(Party::Meter(MeterId(2))).unwrap();
    assert_golden(
        &extract.encode(),
        &[
            ("sequence number", "0100000000000000"),
            ("entry", &"02".repeat(32)),
            ("index", "0300"),
            ("no meter", "ffffffff"),
            ("client id", "0000000000000000"),
            ("done", "0000"),
            ("events", "01000000"),
            ("expired", "06"),
            ("account", "01000000"),
            ("meter", "02000000"),
            ("client id", "0300000000000000"),
            ("remaining", "0b00000000000000"),
            ("at the gate", EXPIRED_AT_GATE),
        ],
    );
    let key = Hasher::new("gridbook/extract/1").finish();
    assert_eq!(extract.leaf_hash().to_hex(), blake3::keyed_hash(&key.0, &extract.encode()).to_hex().as_str());
    assert_eq!(extract.leaf_hash().to_hex(), EXTRACT_LEAF);
    assert_eq!(history_head(&Hash::ZERO, &extract.leaf_hash()).to_hex(), HISTORY_HEAD);
}

const EXPIRED_AT_GATE: &str = "01";
const EXTRACT_LEAF: &str = "edbceb06670174c107bf0c2f68b62efaa47ff5218191bc01915dc65cd5adb927";
const HISTORY_HEAD: &str = "48c6ad74422b65f351c4b88e1729c30820e650b56de059e468aef3a3ace8b216";

const RECORD_LEAF: &str = "045075600452fafc0c2aace16e5c9ea82c398c1a6f49326113697bb23d81f197";

#[test]
fn log_entry_bytes_and_digest() {
    let (time, work) = (Entry::Time(LedgerTime(7)), Entry::Work { limit: 1_000 });
    assert_golden(&time.encode(), &[("time", "02 0700000000000000")]);
    assert_golden(&work.encode(), &[("work", "03 e8030000")]);
    let bundle = Bundle {
        chain: Hash([1; 32]),
        signer: PublicKey([2; 32]),
        nonce: 1,
        expires_at: NEVER,
        commands: vec![Command::CancelAll],
    };
    let signed = bundle.sign(&key());
    let bytes = [&[1], signed.bytes()].concat();
    let entry = UnverifiedEntry::decode(&bytes).unwrap().trust();
    assert_eq!(entry.encode(), bytes);
    let digest = [&time, &work, &entry]
        .into_iter()
        .fold((Hash::ZERO, 1), |(before, seq), entry| (log_digest(before, seq, entry), seq + entry.count()));
    assert_eq!(digest.0.to_hex(), LOG_DIGEST);
}

const LOG_DIGEST: &str = "9b9e5084c95a3b0736de01f8139b8ed9ac7ab5255c5ac73c505f0dfef974cb3c";

#[test]
fn merkle_roots() {
    let leaves: Vec<Hash> = (0..5).map(|number| Hash([number; 32])).collect();
    assert_eq!(merkle::root(&[]).to_hex(), ROOT_OF_NONE);
    assert_eq!(merkle::root(&leaves[..1]).to_hex(), ROOT_OF_ONE);
    assert_eq!(merkle::root(&leaves).to_hex(), ROOT_OF_FIVE);
}

const ROOT_OF_NONE: &str = "2d47ab3c22f20cf22f1d061c3c497a30403f4e0e07f763a7c30132cbe2cfa99b";
const ROOT_OF_ONE: &str = "871b73a06228e78b9257dc40da2140ae17dfdf0f2dab939a5a130975557e24cc";
const ROOT_OF_FIVE: &str = "20fd854dc3cde875665ab3f1cb4af8c8257ac8ed4d57defa0c3b5e9cbc161026";

#[test]
fn chain_id() {
    let keys = (1..5).map(|number| SecretKey::from_seed([number; 32]).public()).collect();
    let genesis = Genesis {
        name: "town".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 1_743_451_200_000,
        time_scale: 60,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["north".into(), "south".into()],
        operator: key().public(),
        validators: ValidatorSet::new(keys).unwrap(),
    };
    assert_eq!(genesis.chain_id().to_hex(), CHAIN_ID);
    let edge =
        AreaEdge { parent: AreaId(1), up: Energy(5_000), down: Energy(7_000), fee_up: Price(10), fee_down: Price(20) };
    let north = Area { name: "north".into(), edge: Some(edge) };
    let tree = Genesis { areas: vec![north, "south".into()], ..genesis.clone() };
    assert_eq!(tree.chain_id().to_hex(), CHAIN_ID_OF_TREE);
    assert_eq!(genesis.initial_log_digest().to_hex(), FIRST_DIGEST);
}

const CHAIN_ID: &str = "36ac54a3da405ac1dcc3e55ae5d2ea59161c67b9d8eb158ffe545172ed431887";
const CHAIN_ID_OF_TREE: &str = "00ad71fe96d8d49f659ac087ce0614fb069d8a4856ad86ef4bdbda9e83ca92a8";
const FIRST_DIGEST: &str = "37866404583fc28b938acb9cfb6cfb7126b73baacc69f44febbc009393d4fd30";

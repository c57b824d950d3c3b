//! Bundles as bytes from people one does not trust: every content has one encoding, and everything else gets its code.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId};
use gridbook_engine::{Money, Price, Side, TimeInForce};
use gridbook_ledger::command::GrantAccess;
use gridbook_ledger::command::{AMOUNT_MAX, BUNDLE_BYTES_MAX, COMMAND_BYTES, COMMANDS_MAX, NEVER};
use gridbook_ledger::command::{
    Accept, AcceptLosses, AgreedTerms, AreaReading, Block, BlockPart, Bundle, Claim, Command, Correction,
    NewOrganisation, Offer, Place, Reading, SetImbalancePrices, SignedBundle,
};
use gridbook_ledger::conduct::Ruling;
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::registry::{Installation, OrganisationId, OrganisationName, Plant, Reason, Role, Roles, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Registers;
use proptest::prelude::*;

const VERSION_AT: usize = 18;
const COUNT_AT: usize = 100;
const RECORDS_AT: usize = 104;

fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

fn place() -> Place {
    Place {
        client_id: 11,
        area: AreaId(3),
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

fn fill_or_kill(client_id: u64) -> Command {
    Command::Place(Place {
        client_id,
        time_in_force: TimeInForce::FillOrKill,
        post_only: false,
        display: Energy(0),
        ..place()
    })
}

fn part(first: u32) -> BlockPart {
    BlockPart { first: DeliveryPeriod(first), energies: [1, 2, 3, 0, 5, 6, 7].map(Energy) }
}

fn terms() -> AgreedTerms {
    AgreedTerms { period: DeliveryPeriod(8), side: Side::Buy, price: Price(-9), energy: Energy(10) }
}

fn organisation() -> NewOrganisation {
    NewOrganisation {
        organisation: OrganisationId(1),
        key: key().public(),
        name: OrganisationName::new("exactly twenty-four byte").unwrap(),
        roles: Roles::of(Role::GridOperator),
        area: Some(AreaId(3)),
    }
}

fn installation() -> Installation {
    let plant = Plant { storage_ppm: Some(900_000), ..Plant::of(EnergySources::SOLAR) };
    Installation { plant, import_max: Energy(1), export_max: Energy(2), certificate: Hash([9; 32]) }
}

fn claim() -> Claim {
    let range = CertificateRange::new(AreaId(3), 1_001, Energy(500)).unwrap();
    Claim { range, period: DeliveryPeriod(8), meter: MeterId(6) }
}

fn contract() -> Contract {
    Contract { area: AreaId(3), period: DeliveryPeriod(8) }
}

fn reading() -> Reading {
    Reading { period: DeliveryPeriod(8), registers: Registers { import: 5_000, export: 700, counter: 9 } }
}

fn commands() -> Vec<Command> {
    vec![
        Command::Place(place()),
        Command::Cancel { client_id: 1 },
        Command::Reduce { client_id: 2, by: Energy(100) },
        Command::Replace { client_id: 3, price: Price(260), energy: Energy(1_000) },
        Command::Claim(claim()),
        Command::CancelAll,
        Command::CancelAllOfAccount,
        Command::RegisterAccount { account: AccountId(4), organisation: None },
        Command::RegisterMeter {
            meter: MeterId(5),
            account: AccountId(4),
            key: key().public(),
            area: AreaId(3),
            import_max_wh: Energy(2_750),
            export_max_wh: Energy(1_250),
            plant: Plant::NONE,
        },
        Command::Suspend { subject: Subject::Meter(MeterId(5)), reason: Reason::Other },
        Command::Resume { subject: Subject::Meter(MeterId(5)), reason: Reason::Other },
        Command::Deposit { account: AccountId(4), amount: Money(1_000_000_000) },
        Command::Withdraw { account: AccountId(4), amount: AMOUNT_MAX },
        Command::SetCapacity { area: AreaId(3), period: DeliveryPeriod(8), up: Energy(1), down: Energy(2) },
        Command::PayAsBid { contract: Contract { area: AreaId(3), period: DeliveryPeriod(8) } },
        Command::Appeal { entry: 17, statement: Hash([0xab; 32]) },
        Command::RuleAppeal { entry: 17, ruling: Ruling::Upheld, reasons: Hash([0xcd; 32]) },
        Command::RuleAppeal { entry: 18, ruling: Ruling::Struck, reasons: Hash([0xef; 32]) },
        Command::GrantAccess(GrantAccess {
            meter: MeterId(5),
            reader: GrantReader::Key(key().public()),
            scope: Scope::STATEMENT | Scope::CONDUCT,
            until: LedgerTime(1_750_000_000_000),
        }),
        Command::RevokeAccess { meter: MeterId(5), reader: GrantReader::Organisation(OrganisationId(1)) },
        Command::Reading(reading()),
        Command::Correction(Correction { meter: MeterId(5), reading: reading() }),
        Command::AreaReading(AreaReading { contract: contract(), sent_up_wh: -3 }),
        Command::AcceptLosses(AcceptLosses { contract: contract(), losses_wh: -3 }),
        Command::SetImbalancePrices(SetImbalancePrices {
            contract: contract(),
            short_price: Price(600),
            long_price: Price(-20),
        }),
        Command::Basket { count: 2 },
        fill_or_kill(12),
        fill_or_kill(13),
        Command::Block(Block { client_id: 14, area: AreaId(3), side: Side::Sell, price: Price(-1), parts: 2 }),
        Command::BlockPart(part(8)),
        Command::BlockPart(part(15)),
        Command::Offer(Offer { client_id: 15, partner: MeterId(5), terms: terms() }),
        Command::Accept(Accept { client_id: 16, partner: MeterId(6), offer: 15, terms: terms() }),
        Command::RegisterAccount { account: AccountId(5), organisation: Some(OrganisationId(0)) },
        Command::RegisterOrganisation(organisation()),
        Command::RotateKey { subject: Subject::Organisation(OrganisationId(1)), key: key().public() },
        Command::TransferMeter { meter: MeterId(5), account: AccountId(4), reason: Reason::MovedOut },
        Command::Revoke { subject: Subject::Organisation(OrganisationId(1)), reason: Reason::Misconduct },
        Command::SetInstallation { meter: MeterId(5), installation: installation() },
    ]
}

fn bundle(commands: Vec<Command>) -> Bundle {
    Bundle { chain: Hash([0xc4; 32]), signer: key().public(), nonce: 9, expires_at: NEVER, commands }
}

/// The bundle with every command, damaged; what decoding says to it.
fn refused(damage: impl FnOnce(&mut Vec<u8>)) -> Option<Code> {
    let mut bytes = bundle(commands()).sign(&key()).bytes().to_vec();
    damage(&mut bytes);
    SignedBundle::decode(&bytes).err()
}

/// One command's bytes, damaged.
fn command_refused(command: &Command, at: usize, value: u8) -> Option<Code> {
    let mut bytes = command.encode();
    assert_ne!(bytes[at], value, "the damage must change something");
    bytes[at] = value;
    Command::decode(&bytes).err()
}

/// A field of the registry's commands that holds what means nothing, or something in another form: one content, one encoding.
#[test]
fn registry_commands_with_values_without_a_meaning_are_refused() {
    let suspend = Command::Suspend { subject: Subject::Meter(MeterId(5)), reason: Reason::Unsafe };
    let organisation = Command::RegisterOrganisation(organisation());
    let transfer = Command::TransferMeter { meter: MeterId(5), account: AccountId(4), reason: Reason::MovedOut };
    let rotate = Command::RotateKey { subject: Subject::Meter(MeterId(5)), key: key().public() };
    let install = Command::SetInstallation { meter: MeterId(5), installation: installation() };
    let of_organisation = Command::Revoke { subject: Subject::Organisation(OrganisationId(1)), reason: Reason::Other };
    for (command, at, value, code) in [
        (suspend, 1, 2, Code::FormTag),
        (suspend, 2, 9, Code::FormTag),
        (suspend, 3, 1, Code::FormPadding),
        (suspend, 63, 1, Code::FormPadding),
        (of_organisation, 6, 1, Code::FormTag),
        (organisation, 1, 0x40, Code::FormTag),
        (organisation, 6, 1, Code::FormPadding),
        (organisation, 40, 0, Code::FormName),
        (organisation, 40, 0x0a, Code::FormName),
        (organisation, 40, b' ', Code::FormName),
        (organisation, 40, 0xff, Code::FormName),
        (organisation, 50, 0, Code::FormName),
        (transfer, 1, 9, Code::FormTag),
        (transfer, 2, 1, Code::FormPadding),
        (rotate, 1, 2, Code::FormTag),
        (rotate, 2, 1, Code::FormPadding),
        (install, 1, 3, Code::FormPlant),
        (install, 1, 32, Code::FormPlant),
        (install, 2, 1, Code::FormPadding),
        (install, 11, 1, Code::FormPlant),
        (install, 12, 1, Code::FormPadding),
    ] {
        assert_eq!(command_refused(&command, at, value), Some(code), "{command:?} with {value} at {at}");
    }
}

/// What a meter signs is what the market reads.
#[test]
fn a_signed_bundle_reads_back_with_its_bytes_name_and_signature() {
    let signed = bundle(commands()).sign(&key());
    let read = SignedBundle::decode(signed.bytes()).unwrap();
    assert_eq!(read, signed);
    assert_eq!(read.bundle(), &bundle(commands()));
    assert_eq!(read.id(), bundle(commands()).id());
    assert!(key().public().verify(&bundle(commands()).content(), read.signature()));
}

/// A connection breaks off in the middle of a bundle, anywhere.
#[test]
fn a_bundle_cut_at_any_byte_is_refused() {
    let bytes = bundle(commands()).sign(&key()).bytes().to_vec();
    for length in 0..bytes.len() {
        assert_eq!(SignedBundle::decode(&bytes[..length]).err(), Some(Code::FormTruncated), "cut at {length}");
    }
}

/// Noise on the line, or an attacker, flips one bit: the bundle must not read, or not verify. It never passes unnoticed.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let signed = bundle(commands()).sign(&key());
    for bit in 0..signed.bytes().len() * 8 {
        let mut bytes = signed.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = SignedBundle::decode(&bytes) else { continue };
        assert_eq!(read.bytes(), bytes);
        assert!(!read.bundle().signer.verify(read.content(), read.signature()), "bit {bit}");
        let in_the_signature = bit / 8 >= bytes.len() - 64;
        assert_eq!(read.id() == signed.id(), in_the_signature, "the name is the content's, bit {bit}");
    }
}

/// Something is glued on behind or in front: a second bundle, a byte, garbage.
#[test]
fn bytes_behind_or_in_front_are_refused() {
    let twice = bundle(commands()).sign(&key()).bytes().repeat(2);
    assert_eq!(SignedBundle::decode(&twice).err(), Some(Code::FormTrailing));
    assert_eq!(refused(|bytes| bytes.push(0)), Some(Code::FormTrailing));
    assert_eq!(refused(|bytes| bytes.insert(0, 0)), Some(Code::FormTag));
    assert_eq!(refused(|bytes| drop(bytes.splice(0..0, [0xaa; 64]))), Some(Code::FormTag));
    assert_eq!(refused(Vec::clear), Some(Code::FormTruncated));
}

/// Another kind of message, signed by the same key, or a format that is still to come.
#[test]
fn a_wrong_domain_or_version_is_refused() {
    assert_eq!(refused(|bytes| bytes[1] = b'G'), Some(Code::FormTag));
    assert_eq!(refused(|bytes| bytes[17] = b'2'), Some(Code::FormTag));
    assert_eq!(refused(|bytes| bytes[VERSION_AT] = 2), Some(Code::FormVersion));
    assert_eq!(refused(|bytes| bytes[VERSION_AT] = 0), Some(Code::FormVersion));
}

/// The count does not fit the bytes: more or fewer commands than it says, none, or more than allowed.
#[test]
fn a_count_that_lies_is_refused() {
    assert_eq!(refused(|bytes| bytes[COUNT_AT] -= 1), Some(Code::FormTrailing));
    assert_eq!(refused(|bytes| bytes[COUNT_AT] += 1), Some(Code::FormTruncated));
    assert_eq!(refused(|bytes| bytes[COUNT_AT] = 0), Some(Code::FormEmpty));
    assert_eq!(refused(|bytes| bytes[COUNT_AT + 1] = 0xff), Some(Code::FormCount));
    assert_eq!(refused(|bytes| bytes[COUNT_AT + 2] = 1), Some(Code::FormPadding));
}

/// 1,024 commands are a bundle; none, one more, or a count that would wrap are not.
#[test]
fn a_bundle_has_one_to_1024_commands() {
    let signed = |count: usize| bundle(vec![Command::CancelAll; count]).sign(&key());
    let largest = signed(COMMANDS_MAX);
    assert_eq!(largest.bytes().len(), BUNDLE_BYTES_MAX);
    assert!(SignedBundle::decode(largest.bytes()).is_ok());
    assert_eq!(SignedBundle::decode(signed(0).bytes()).err(), Some(Code::FormEmpty));
    assert_eq!(SignedBundle::decode(signed(COMMANDS_MAX + 1).bytes()).err(), Some(Code::FormLength));
    assert_eq!(SignedBundle::decode(signed(65_537).bytes()).err(), Some(Code::FormLength));
    let mut short = signed(COMMANDS_MAX + 1).bytes().to_vec();
    short.truncate(BUNDLE_BYTES_MAX);
    assert_eq!(SignedBundle::decode(&short).err(), Some(Code::FormCount));
}

/// No scope and one that there is not, a reader of no kind, and something where nothing belongs.
#[test]
fn grants_with_values_without_a_meaning_are_refused() {
    let reader = GrantReader::Organisation(OrganisationId(3));
    let (meter, scope, until) = (MeterId(5), Scope::ALL, LedgerTime(9));
    let grant = Command::GrantAccess(GrantAccess { meter, reader, scope, until }).encode();
    let revoke = Command::RevokeAccess { meter, reader }.encode();
    let altered = |bytes: [u8; COMMAND_BYTES], place: usize, value: u8| {
        let mut bytes = bytes;
        bytes[place] = value;
        Command::decode(&bytes)
    };
    for (bytes, place, value, code) in [
        (grant, 1, 0, Code::FormTag),
        (grant, 1, 8, Code::FormTag),
        (grant, 2, 1, Code::FormPadding),
        (grant, 16, 2, Code::FormTag),
        (grant, 19, 1, Code::FormPadding),
        (grant, 49, 1, Code::FormPadding),
        (revoke, 1, 1, Code::FormPadding),
        (revoke, 8, 1, Code::FormPadding),
        (revoke, 16, 2, Code::FormTag),
    ] {
        assert_eq!(altered(bytes, place, value), Err(code), "byte {place} = {value}");
    }
}

/// Tags between and beyond the known ones.
#[test]
fn an_unknown_command_is_refused() {
    for tag in (0..=u8::MAX).filter(|tag| !matches!(tag, 1..=11 | 16..=33 | 35..=39)) {
        let mut bytes = [0; COMMAND_BYTES];
        bytes[0] = tag;
        assert_eq!(Command::decode(&bytes), Err(Code::FormTag), "tag {tag}");
    }
    assert_eq!(refused(|bytes| bytes[RECORDS_AT] = 99), Some(Code::FormTag));
}

/// No certificates, one before the first, and more than there are numbers for.
#[test]
fn a_claim_of_certificates_that_cannot_be_is_refused() {
    let claimed = |first: u64, energy: u64| {
        let mut bytes = Command::Claim(claim()).encode();
        bytes[8..16].copy_from_slice(&first.to_le_bytes());
        bytes[16..24].copy_from_slice(&energy.to_le_bytes());
        Command::decode(&bytes)
    };
    for (first, energy) in [(1, 0), (0, 1), (u64::MAX, 1), (2, u64::MAX)] {
        assert_eq!(claimed(first, energy), Err(Code::OriginRange), "{energy} from {first}");
    }
    assert_eq!(claimed(1_001, 500), Ok(Command::Claim(claim())));
    assert_eq!(command_refused(&Command::Claim(claim()), 1, 1), Some(Code::FormPadding));
    assert_eq!(command_refused(&Command::Claim(claim()), 28, 1), Some(Code::FormPadding));
}

/// Side 2, time in force 4, post-only 2: values that another program might take for "true" or for a default.
#[test]
fn a_flag_that_is_neither_no_nor_yes_is_refused() {
    let order = Command::Place(place());
    assert_eq!(command_refused(&order, 1, 2), Some(Code::FormTag));
    assert_eq!(command_refused(&order, 2, 4), Some(Code::FormTag));
    assert_eq!(command_refused(&order, 3, 2), Some(Code::FormTag));
    assert_eq!(command_refused(&order, 3, 255), Some(Code::FormTag));
}

/// All-or-none is for blocks; a source that nobody knows, and bytes that nobody uses, must not pass for something else.
#[test]
fn order_fields_without_a_meaning_are_refused() {
    let order = Command::Place(place());
    assert_eq!(command_refused(&order, 4, 1), Some(Code::FormAllOrNone));
    assert_eq!(command_refused(&order, 52, 0x40), Some(Code::FormTag), "an unknown source");
    assert_eq!(command_refused(&order, 53, 1), Some(Code::FormTag), "an unknown source");
    assert_eq!(command_refused(&order, 54, 1), Some(Code::FormPadding), "behind the sources");
    assert_eq!(command_refused(&order, 63, 1), Some(Code::FormPadding), "the last byte");
}

/// "No limit" and "0 edges", "anybody" and "account 0" are different wishes, and the bytes keep them apart.
#[test]
fn a_preference_for_nothing_is_not_a_preference_for_zero() {
    let with = |max_edges, partner| Place { max_edges, partner, ..place() };
    let orders = [with(None, None), with(Some(0), None), with(None, Some(AccountId(0))), with(Some(254), None)];
    for order in orders {
        assert_eq!(Command::decode(&Command::Place(order).encode()), Ok(Command::Place(order)));
    }
    let longest = Command::Place(with(Some(255), None));
    assert_eq!(Command::decode(&longest.encode()), Ok(Command::Place(orders[3])), "no way is that long");
    let last = Command::Place(with(None, Some(AccountId(u32::MAX - 1))));
    assert_eq!(Command::decode(&last.encode()), Ok(last));
}

/// A head announces what follows: an order missing, one too many announced, one that could rest, a stray part. No guessing.
#[test]
fn a_basket_or_block_that_is_not_whole_is_refused() {
    let decoded = |commands: Vec<Command>| SignedBundle::decode(bundle(commands).sign(&key()).bytes()).err();
    let (basket, order) = (|count| Command::Basket { count }, fill_or_kill(12));
    let block =
        |parts| Command::Block(Block { client_id: 14, area: AreaId(3), side: Side::Sell, price: Price(-1), parts });
    let part = Command::BlockPart(part(8));
    for good in [
        vec![basket(1), order],
        vec![basket(1), order, order],
        vec![basket(1), order, basket(2), order, order],
        vec![Command::CancelAll, block(2), part, part, basket(1), order],
        [&[basket(100)], &[order; 100][..]].concat(),
        [&[block(100)], &[part; 100][..]].concat(),
    ] {
        assert_eq!(decoded(good), None);
    }
    for bad in [
        vec![basket(0), order],
        vec![basket(2), order],
        vec![basket(1)],
        vec![basket(2), order, Command::Place(place())],
        vec![basket(2), order, Command::CancelAll],
        vec![basket(2), basket(1), order],
        [&[basket(101)], &[order; 101][..]].concat(),
    ] {
        assert_eq!(decoded(bad), Some(Code::FormBasket));
    }
    for bad in [
        vec![block(0), part],
        vec![block(1)],
        vec![block(2), part],
        vec![block(1), order],
        vec![part],
        vec![block(1), part, part],
        [&[block(101)], &[part; 101][..]].concat(),
    ] {
        assert_eq!(decoded(bad), Some(Code::FormBlock));
    }
}

/// A part gives energy to the periods that have some; one without any, or behind the end of time, names none.
#[test]
fn a_part_of_a_block_names_its_periods() {
    let named: Vec<_> = part(8).periods().unwrap().iter().map(|(period, energy)| (period.0, energy.0)).collect();
    assert_eq!(named, [(8, 1), (9, 2), (10, 3), (12, 5), (13, 6), (14, 7)]);
    assert_eq!(BlockPart { energies: [Energy(0); 7], ..part(8) }.periods(), Err(Code::FormBlock));
    assert_eq!(part(u32::MAX - 5).periods(), Err(Code::FormBlock));
    let last = BlockPart { energies: [1, 0, 0, 0, 0, 0, 0].map(Energy), ..part(u32::MAX) };
    assert_eq!(last.periods(), Ok(vec![(DeliveryPeriod(u32::MAX), Energy(1))]));
}

/// A good-till time on an order that has none would be a second encoding of the same order.
#[test]
fn a_time_limit_without_its_kind_is_refused() {
    let order = Place { time_in_force: TimeInForce::ImmediateOrCancel, post_only: false, ..place() };
    assert_eq!(command_refused(&Command::Place(order), 24, 1), Some(Code::FormPadding));
}

/// Every byte that a command does not use is zero, in every kind of command.
#[test]
fn no_command_has_a_second_encoding() {
    for command in commands() {
        for at in 0..COMMAND_BYTES {
            for flip in [1, 0x80] {
                let mut bytes = command.encode();
                bytes[at] ^= flip;
                match Command::decode(&bytes) {
                    Ok(other) => assert_ne!(other, command, "byte {at} of {command:?}"),
                    Err(code) => assert_eq!(code.number() / 100, 1, "{code}"),
                }
            }
        }
    }
}

/// Nothing, less than nothing, or so much that sums overflow.
#[test]
fn amounts_must_be_positive_and_bounded() {
    for amount in [0, -1, i128::MIN, i128::MAX, AMOUNT_MAX.0 + 1] {
        let deposit = Command::Deposit { account: AccountId(0), amount: Money(amount) };
        assert_eq!(Command::decode(&deposit.encode()), Err(Code::FormAmount), "{amount}");
        let withdraw = Command::Withdraw { account: AccountId(0), amount: Money(amount) };
        assert_eq!(Command::decode(&withdraw.encode()), Err(Code::FormAmount), "{amount}");
    }
    for amount in [Money(1), AMOUNT_MAX] {
        let deposit = Command::Deposit { account: AccountId(0), amount };
        assert_eq!(Command::decode(&deposit.encode()), Ok(deposit));
    }
}

/// A meter's small processor reads fields in place: their places are a promise.
#[test]
fn an_orders_fields_stand_where_the_format_says() {
    let bytes = Command::Place(place()).encode();
    assert_eq!(bytes[..6], [1, 1, 1, 1, 0, 3]);
    assert_eq!(bytes[6..8], 3_u16.to_le_bytes());
    assert_eq!(bytes[8..16], 11_u64.to_le_bytes());
    assert_eq!(bytes[16..24], 400_u64.to_le_bytes());
    assert_eq!(bytes[24..32], 1_743_456_000_000_u64.to_le_bytes());
    assert_eq!(bytes[40..44], (-240_i32).to_le_bytes());
    assert_eq!(bytes[44..48], 1_937_176_u32.to_le_bytes());
}

/// The signature's bytes may differ for one content; the name may not.
#[test]
fn another_signature_over_the_same_content_has_the_same_name() {
    let mine = bundle(commands()).sign(&key());
    let other = bundle(commands()).sign(&SecretKey::from_seed([8; 32]));
    assert_ne!(mine.signature(), other.signature());
    assert_eq!(mine.id(), other.id());
}

/// Any command of the registry that can be written down.
fn any_registry_command() -> impl Strategy<Value = Command> {
    let subject = any::<(bool, u32, u16)>().prop_map(|(is_meter, meter, organisation)| {
        if is_meter { Subject::Meter(MeterId(meter)) } else { Subject::Organisation(OrganisationId(organisation)) }
    });
    let reasoned = (subject, 0_u8..9, 0..4, any::<[u8; 32]>()).prop_map(|(subject, reason, which, key)| {
        let reason = Reason::from_number(reason).unwrap();
        match which {
            0 => Command::Suspend { subject, reason },
            1 => Command::Resume { subject, reason },
            2 => Command::Revoke { subject, reason },
            _ => Command::RotateKey { subject, key: PublicKey(key) },
        }
    });
    let plant = (0..6_usize, 0..=1_000_000_u32).prop_map(|(source, storage)| {
        let source = EnergySources::NAMES[source].0;
        let storage = if source == EnergySources::STORAGE { storage.max(1) } else { storage };
        Plant { source, storage_ppm: Some(storage).filter(|ppm| *ppm > 0) }
    });
    let install = (any::<(u32, u64, u64, [u8; 32])>(), plant).prop_map(|((meter, import, export, hash), plant)| {
        let (import_max, export_max, certificate) = (Energy(import), Energy(export), Hash(hash));
        let installation = Installation { plant, import_max, export_max, certificate };
        Command::SetInstallation { meter: MeterId(meter), installation }
    });
    let areas = prop::option::of(0..u16::MAX - 1);
    let enrol =
        (any::<(u16, [u8; 32])>(), "[A-Za-z]{1,24}", 0_u8..64, areas).prop_map(|((number, key), name, roles, area)| {
            Command::RegisterOrganisation(NewOrganisation {
                organisation: OrganisationId(number),
                key: PublicKey(key),
                name: OrganisationName::new(&name).unwrap(),
                roles: Roles::from_bits(roles).unwrap(),
                area: area.map(AreaId),
            })
        });
    let account = (any::<u32>(), prop::option::of(0..u16::MAX - 1)).prop_map(|(account, organisation)| {
        Command::RegisterAccount { account: AccountId(account), organisation: organisation.map(OrganisationId) }
    });
    let transfer = any::<(u32, u32)>().prop_map(|(meter, account)| Command::TransferMeter {
        meter: MeterId(meter),
        account: AccountId(account),
        reason: Reason::ContractEnded,
    });
    prop_oneof![reasoned, install, enrol, account, transfer]
}

fn any_command() -> impl Strategy<Value = Command> {
    let time = prop_oneof![
        Just(TimeInForce::GoodTillGate),
        any::<u64>().prop_map(|until| TimeInForce::GoodTillTime(LedgerTime(until))),
        Just(TimeInForce::ImmediateOrCancel),
        Just(TimeInForce::FillOrKill),
    ];
    let place = (any::<(u64, u16, u32, bool, i32, u64, bool)>(), time).prop_map(
        |((client_id, area, period, buys, price, energy, post_only), time_in_force)| {
            let contract = Contract { area: AreaId(area), period: DeliveryPeriod(period) };
            let side = if buys { Side::Buy } else { Side::Sell };
            let limit = Place::limit(client_id, contract, side, Price(price), Energy(energy));
            Place { time_in_force, post_only, ..limit }
        },
    );
    let wishes = (any::<u64>(), prop::option::of(1_u8..64), prop::option::of(0_u8..255), prop::option::of(0..u32::MAX));
    let place = (place, wishes).prop_map(|(place, (display, sources, max_edges, partner))| {
        let sources = sources.and_then(EnergySources::from_bits);
        Command::Place(Place { display: Energy(display), sources, max_edges, partner: partner.map(AccountId), ..place })
    });
    let terms = any::<(u32, bool, i32, u64)>().prop_map(|(period, buys, price, energy)| AgreedTerms {
        period: DeliveryPeriod(period),
        side: if buys { Side::Buy } else { Side::Sell },
        price: Price(price),
        energy: Energy(energy),
    });
    let agreement = (any::<(u64, u32, u64, bool)>(), terms).prop_map(|((client_id, partner, offer, offers), terms)| {
        let partner = MeterId(partner);
        if offers {
            Command::Offer(Offer { client_id, partner, terms })
        } else {
            Command::Accept(Accept { client_id, partner, offer, terms })
        }
    });
    let block = any::<(u64, u16, bool, i32, u16)>().prop_map(|(client_id, area, buys, price, parts)| {
        let (area, price) = (AreaId(area), Price(price));
        Command::Block(Block { client_id, area, side: if buys { Side::Buy } else { Side::Sell }, price, parts })
    });
    let part = any::<(u32, [u64; 7])>().prop_map(|(first, energies)| {
        Command::BlockPart(BlockPart { first: DeliveryPeriod(first), energies: energies.map(Energy) })
    });
    let register =
        any::<(u32, u32, [u8; 32], u16, u64, u64)>().prop_map(|(meter, account, key, area, import, export)| {
            Command::RegisterMeter {
                meter: MeterId(meter),
                account: AccountId(account),
                key: PublicKey(key),
                area: AreaId(area),
                import_max_wh: Energy(import),
                export_max_wh: Energy(export),
                plant: Plant::NONE,
            }
        });
    let reading = any::<(u32, u64, u64, u64)>().prop_map(|(period, import, export, counter)| Reading {
        period: DeliveryPeriod(period),
        registers: Registers { import, export, counter },
    });
    let metering = (any::<(u8, u16, u32, i64, i32, i32)>(), reading).prop_map(
        |((kind, area, number, sent_up_wh, short_price, long_price), reading)| {
            let contract = Contract { area: AreaId(area), period: DeliveryPeriod(number) };
            match kind % 4 {
                0 => Command::Reading(reading),
                1 => Command::Correction(Correction { meter: MeterId(number), reading }),
                2 => Command::AreaReading(AreaReading { contract, sent_up_wh }),
                _ => Command::SetImbalancePrices(SetImbalancePrices {
                    contract,
                    short_price: Price(short_price),
                    long_price: Price(long_price),
                }),
            }
        },
    );
    prop_oneof![
        place,
        agreement,
        any_registry_command(),
        metering,
        block,
        part,
        any::<u16>().prop_map(|count| Command::Basket { count }),
        any::<(u16, u32, u64, u64)>().prop_map(|(area, period, up, down)| Command::SetCapacity {
            area: AreaId(area),
            period: DeliveryPeriod(period),
            up: Energy(up),
            down: Energy(down)
        }),
        register,
        any::<u64>().prop_map(|client_id| Command::Cancel { client_id }),
        any::<(u64, [u8; 32])>().prop_map(|(entry, hash)| Command::Appeal { entry, statement: Hash(hash) }),
        any::<(u64, bool, [u8; 32])>().prop_map(|(entry, is_right, hash)| {
            let ruling = if is_right { Ruling::Upheld } else { Ruling::Struck };
            Command::RuleAppeal { entry, ruling, reasons: Hash(hash) }
        }),
        any::<(u32, [u8; 32], u16, bool, u64)>().prop_map(|(meter, key, number, is_key, until)| {
            let organisation = GrantReader::Organisation(OrganisationId(number));
            let reader = if is_key { GrantReader::Key(PublicKey(key)) } else { organisation };
            let (meter, until) = (MeterId(meter), LedgerTime(until));
            match Scope::from_bits((number % 8).try_into().unwrap()) {
                Some(scope) => Command::GrantAccess(GrantAccess { meter, reader, scope, until }),
                None => Command::RevokeAccess { meter, reader },
            }
        }),
        any::<(u64, u64)>().prop_map(|(client_id, by)| Command::Reduce { client_id, by: Energy(by) }),
        any::<(u64, i32, u64)>().prop_map(|(client_id, price, energy)| Command::Replace {
            client_id,
            price: Price(price),
            energy: Energy(energy)
        }),
        (any::<u32>(), 1..=AMOUNT_MAX.0)
            .prop_map(|(account, amount)| Command::Deposit { account: AccountId(account), amount: Money(amount) }),
    ]
}

proptest! {
    /// Whatever is signed is read back as it was.
    #[test]
    fn every_command_reads_back(command in any_command()) {
        prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
    }

    /// Whatever is read is what would have been written: there is no second encoding, and no bytes crash the reader.
    #[test]
    fn whatever_reads_as_a_command_is_its_only_encoding(tag in 0_u8..64, rest in any::<[u8; 16]>(), at in 1_usize..48) {
        let mut bytes = [0; COMMAND_BYTES];
        bytes[at..at + 16].copy_from_slice(&rest);
        bytes[0] = tag;
        if let Ok(command) = Command::decode(&bytes) {
            prop_assert_eq!(command.encode(), bytes);
        }
    }

    /// Garbage of any length behind a true beginning.
    #[test]
    fn garbage_is_refused_with_a_form_code(keep in 0_usize..120, garbage in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = bundle(commands()).content()[..keep].to_vec();
        bytes.extend(garbage);
        if let Err(code) = SignedBundle::decode(&bytes) {
            prop_assert_eq!(code.number() / 100, 1);
        }
    }
}

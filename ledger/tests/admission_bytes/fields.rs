//! Fields of single commands that mean nothing, or that could be written in two ways.

use gridbook_engine::{AccountId, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, TimeInForce};
use gridbook_ledger::command::{AMOUNT_MAX, BlockPart, COMMAND_BYTES, Command, GrantAccess, Place};
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::registry::{OrganisationId, Reason, Subject};
use gridbook_ledger::reject::Code;

use crate::{claim, commands, installation, key, organisation, part, place, refused};

const RECORDS_AT: usize = 104;

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

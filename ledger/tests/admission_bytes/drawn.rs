//! Any command that can be written, and any bytes.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, Money, Price, Side,
    TimeInForce,
};
use gridbook_ledger::command::{
    AMOUNT_MAX, Accept, AgreedTerms, AreaReading, Block, BlockPart, COMMAND_BYTES, Command, Correction, GrantAccess,
    NewOrganisation, Offer, Place, Reading, SetImbalancePrices, SignedBundle,
};
use gridbook_ledger::conduct::Ruling;
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::crypto::{Hash, PublicKey};
use gridbook_ledger::registry::{Installation, OrganisationId, OrganisationName, Plant, Reason, Roles, Subject};
use gridbook_ledger::settlement::Registers;
use proptest::prelude::*;

use crate::repeatable::cases;
use crate::{bundle, commands};

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
    #![proptest_config(cases(256))]

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

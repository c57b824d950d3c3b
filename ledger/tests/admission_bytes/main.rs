//! Bundles as bytes from people one does not trust: every content has one encoding, and everything else gets its code.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bundles;
mod drawn;
mod fields;
#[path = "../../../engine/tests/support/repeatable.rs"]
mod repeatable;

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, Money, Price, Side,
    TimeInForce,
};
use gridbook_ledger::command::{
    AMOUNT_MAX, Accept, AcceptLosses, AgreedTerms, AreaReading, Block, BlockPart, Bundle, Claim, Command, Correction,
    GrantAccess, NEVER, NewOrganisation, Offer, Place, Reading, SetImbalancePrices, SignedBundle,
};
use gridbook_ledger::conduct::Ruling;
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::registry::{Installation, OrganisationId, OrganisationName, Plant, Reason, Role, Roles, Subject};
use gridbook_ledger::reject::Code;
use gridbook_ledger::settlement::Registers;

pub(crate) fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

pub(crate) fn place() -> Place {
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

pub(crate) fn fill_or_kill(client_id: u64) -> Command {
    Command::Place(Place {
        client_id,
        time_in_force: TimeInForce::FillOrKill,
        post_only: false,
        display: Energy(0),
        ..place()
    })
}

pub(crate) fn part(first: u32) -> BlockPart {
    BlockPart { first: DeliveryPeriod(first), energies: [1, 2, 3, 0, 5, 6, 7].map(Energy) }
}

pub(crate) fn terms() -> AgreedTerms {
    AgreedTerms { period: DeliveryPeriod(8), side: Side::Buy, price: Price(-9), energy: Energy(10) }
}

pub(crate) fn organisation() -> NewOrganisation {
    NewOrganisation {
        organisation: OrganisationId(1),
        key: key().public(),
        name: OrganisationName::new("exactly twenty-four byte").unwrap(),
        roles: Roles::of(Role::GridOperator),
        area: Some(AreaId(3)),
    }
}

pub(crate) fn installation() -> Installation {
    let plant = Plant { storage_ppm: Some(900_000), ..Plant::of(EnergySources::SOLAR) };
    Installation { plant, import_max: Energy(1), export_max: Energy(2), certificate: Hash([9; 32]) }
}

pub(crate) fn claim() -> Claim {
    let range = CertificateRange::new(AreaId(3), 1_001, Energy(500)).unwrap();
    Claim { range, period: DeliveryPeriod(8), meter: MeterId(6) }
}

pub(crate) fn contract() -> Contract {
    Contract { area: AreaId(3), period: DeliveryPeriod(8) }
}

pub(crate) fn reading() -> Reading {
    Reading { period: DeliveryPeriod(8), registers: Registers { import: 5_000, export: 700, counter: 9 } }
}

pub(crate) fn commands() -> Vec<Command> {
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

pub(crate) fn bundle(commands: Vec<Command>) -> Bundle {
    Bundle { chain: Hash([0xc4; 32]), signer: key().public(), nonce: 9, expires_at: NEVER, commands }
}

/// The bundle with every command, damaged; what decoding says to it.
pub(crate) fn refused(damage: impl FnOnce(&mut Vec<u8>)) -> Option<Code> {
    let mut bytes = bundle(commands()).sign(&key()).bytes().to_vec();
    damage(&mut bytes);
    SignedBundle::decode(&bytes).err()
}

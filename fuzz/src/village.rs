//! A small ledger that every target plays on: its keys, its genesis, its commands.

use std::sync::LazyLock;

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, MeterId, Money, Price, Side,
    TimeInForce,
};
use gridbook_ledger::command::GrantAccess;
use gridbook_ledger::command::{
    AcceptLosses, AreaReading, Block, BlockPart, Bundle, Claim, Command, Correction, NEVER, NewOrganisation, Place,
    Reading, SetImbalancePrices, SignedBundle,
};
use gridbook_ledger::conduct::Ruling;
use gridbook_ledger::consent::{GrantReader, Scope};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::epoch::Reconfigure;
use gridbook_ledger::evidence::{Evidence, Statement};
use gridbook_ledger::genesis::{Area, AreaEdge, FIRST_EPOCH, Genesis, SettlementRules};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::Vote;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::registry::{Installation, OrganisationId, OrganisationName, Plant, Reason, Role, Roles, Subject};
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::state::State;
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

/// The period in which the ledger starts.
const START: u32 = 1_937_176;
/// An hour ahead: in continuous trading.
pub(crate) const PERIOD: DeliveryPeriod = DeliveryPeriod(START + 4);
/// In its call phase.
pub(crate) const CALLED: DeliveryPeriod = DeliveryPeriod(START + 10);
/// How many meters there are, one to an account.
pub(crate) const METERS: u32 = 3;
/// What time it is when the day begins, by the validators' clocks.
pub(crate) const WALL_START_US: u64 = 1_000_000;

/// A validator's key.
pub(crate) fn validator(index: u16) -> SecretKey {
    key(1_000 + u32::from(index))
}

/// The key that number `n` signs with; the operator is 0, meter `m` is `m + 1`.
pub(crate) fn key(n: u32) -> SecretKey {
    let mut seed = [0xf2; 32];
    seed[..4].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_seed(seed)
}

/// A substation with two feeders. Periods open three hours ahead with a call phase of an hour.
pub(crate) fn genesis() -> &'static Genesis {
    static GENESIS: LazyLock<Genesis> = LazyLock::new(|| {
        let feeder = |name: &str, fee| {
            let (parent, energy, fee) = (AreaId(0), Energy(300), Price(fee));
            let edge = AreaEdge { parent, up: energy, down: energy, fee_up: fee, fee_down: fee };
            Area { name: name.into(), edge: Some(edge) }
        };
        let rules = MarketRules {
            tick: 1,
            open_lead_ms: 3 * 3_600_000,
            auction_at_open: true,
            call_ms: 3_600_000,
            ..MarketRules::default()
        };
        Genesis {
            name: "village".into(),
            ledger_start: DeliveryPeriod(START).starts_at(15),
            wall_start_ms: 0,
            time_scale: 1,
            rules,
            settlement: SettlementRules::default(),
            areas: vec!["substation".into(), feeder("north", 10), feeder("south", 30)],
            operator: key(0).public(),
            validators: ValidatorSet::new((0..4).map(|index| validator(index).public()).collect())
                .expect("four good keys"),
        }
    });
    &GENESIS
}

/// Its name.
pub(crate) fn chain() -> Hash {
    static CHAIN: LazyLock<Hash> = LazyLock::new(|| genesis().chain_id());
    *CHAIN
}

/// A bundle under the key of number `n`.
pub(crate) fn bundle(n: u32, nonce: u64, commands: Vec<Command>) -> SignedBundle {
    let key = key(n);
    Bundle { chain: chain(), signer: key.public(), nonce, expires_at: NEVER, commands }.sign(&key)
}

/// The validators of the next epoch: one of them is new.
pub(crate) fn successors() -> &'static ValidatorSet {
    static SET: LazyLock<ValidatorSet> = LazyLock::new(|| {
        let keys = [0, 1, 2, 7].map(|index| validator(index).public());
        ValidatorSet::new(keys.to_vec()).expect("four good keys")
    });
    &SET
}

/// The wish for them of three of the four.
pub(crate) fn reconfigure() -> Reconfigure {
    let mut wish = Reconfigure::propose(chain(), FIRST_EPOCH, successors());
    for index in [0, 1, 3] {
        wish.approve(&genesis().validators, &validator(index)).expect("it is one of the four");
    }
    wish
}

fn enrol(number: u16, role: Role) -> Command {
    let name = OrganisationName::new("Stadtwerke").expect("a good name");
    let (organisation, key) = (OrganisationId(number), key(40 + u32::from(number)).public());
    Command::RegisterOrganisation(NewOrganisation { organisation, key, name, roles: Roles::of(role), area: None })
}

/// What the operator says first: a registrar, a supplier, and three accounts with a meter and money each.
pub(crate) fn registrations() -> SignedBundle {
    let register = |number: u32| {
        let (account, meter) = (AccountId(number), MeterId(number));
        let area = AreaId(u16::try_from(number % 3).expect("below 3"));
        let (import_max_wh, export_max_wh) = (Energy(2_000), Energy(2_000));
        let key = key(number + 1).public();
        [
            Command::RegisterAccount { account, organisation: None },
            Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant: Plant::NONE },
            Command::Deposit { account, amount: Money(1_000_000) },
        ]
    };
    let offices = [enrol(0, Role::Registrar), enrol(1, Role::Supplier)];
    bundle(0, 1, offices.into_iter().chain((0..METERS).flat_map(register)).collect())
}

fn place(id: u64, period: DeliveryPeriod, meter: u32, side: Side, price: i32, energy: u64) -> Place {
    let area = AreaId(u16::try_from(meter % 3).expect("below 3"));
    Place::limit(id, Contract { area, period }, side, Price(price), Energy(energy))
}

/// A meter gets a battery, passes to another account, and the supplier is revoked.
fn registry() -> Vec<Command> {
    let (import_max, export_max, certificate) = (Energy(2_000), Energy(2_000), Hash([9; 32]));
    let installation = Installation { plant: Plant::battery(900_000), import_max, export_max, certificate };
    let (reason, revoked) = (Reason::MovedOut, Subject::Organisation(OrganisationId(1)));
    vec![
        Command::SetInstallation { meter: MeterId(2), installation },
        Command::TransferMeter { meter: MeterId(2), account: AccountId(0), reason },
        Command::Revoke { subject: revoked, reason: Reason::Misconduct },
    ]
}

fn claim() -> Command {
    let range = CertificateRange::new(AreaId(1), 1_001, Energy(500)).expect("five hundred certificates");
    Command::Claim(Claim { range, period: PERIOD, meter: MeterId(2) })
}

fn reading() -> Reading {
    Reading { period: PERIOD, registers: Registers { import: 5_000, export: 700, counter: 9 } }
}

/// Bundles of every kind of command, in an order in which most of them succeed. Nonces rise.
pub(crate) fn stories() -> Vec<SignedBundle> {
    let (sell, buy) = (Side::Sell, Side::Buy);
    let rest = |id, meter, side, price| Command::Place(place(id, PERIOD, meter, side, price, 200));
    let fill_or_kill = |id, side, price| {
        Command::Place(Place { time_in_force: TimeInForce::FillOrKill, ..place(id, PERIOD, 1, side, price, 50) })
    };
    let block = Block { client_id: 31, area: AreaId(1), side: sell, price: Price(50), parts: 1 };
    let part = BlockPart { first: CALLED, energies: [100, 0, 0, 0, 0, 0, 0].map(Energy) };
    vec![
        bundle(1, 1, vec![rest(1, 0, sell, 240), rest(2, 0, sell, 250), rest(3, 0, buy, 200)]),
        bundle(2, 1, vec![rest(1, 1, buy, 260), rest(2, 1, sell, 300), Command::Cancel { client_id: 2 }]),
        bundle(2, 2, vec![Command::Basket { count: 2 }, fill_or_kill(5, buy, 400), fill_or_kill(6, buy, 400)]),
        bundle(3, 1, vec![rest(1, 2, buy, 210), Command::Reduce { client_id: 1, by: Energy(50) }]),
        bundle(3, 2, vec![Command::Replace { client_id: 1, price: Price(230), energy: Energy(120) }]),
        bundle(2, 3, vec![Command::Block(block), Command::BlockPart(part)]),
        bundle(1, 2, vec![Command::Place(place(40, CALLED, 0, buy, 90, 300)), Command::CancelAll]),
        bundle(
            0,
            2,
            vec![
                Command::Suspend { subject: Subject::Meter(MeterId(2)), reason: Reason::Other },
                Command::Resume { subject: Subject::Meter(MeterId(2)), reason: Reason::Other },
            ],
        ),
        bundle(
            0,
            3,
            vec![
                Command::SetCapacity { area: AreaId(1), period: PERIOD, up: Energy(100), down: Energy(900) },
                Command::PayAsBid { contract: Contract { area: AreaId(1), period: CALLED } },
                Command::Withdraw { account: AccountId(2), amount: Money(1_000) },
                Command::RuleAppeal { entry: 1, ruling: Ruling::Struck, reasons: Hash([7; 32]) },
            ],
        ),
        bundle(
            0,
            4,
            vec![
                Command::SetImbalancePrices(SetImbalancePrices {
                    contract: Contract { area: AreaId(1), period: PERIOD },
                    short_price: Price(0),
                    long_price: Price(0),
                }),
                Command::AreaReading(AreaReading {
                    contract: Contract { area: AreaId(1), period: PERIOD },
                    sent_up_wh: -5,
                }),
                Command::Correction(Correction { meter: MeterId(1), reading: reading() }),
                Command::AcceptLosses(AcceptLosses {
                    contract: Contract { area: AreaId(1), period: PERIOD },
                    losses_wh: 7,
                }),
            ],
        ),
        bundle(
            3,
            3,
            vec![
                Command::Reading(reading()),
                Command::CancelAllOfAccount,
                Command::Appeal { entry: 1, statement: Hash([6; 32]) },
                Command::GrantAccess(GrantAccess {
                    meter: MeterId(2),
                    reader: GrantReader::Key(key(7).public()),
                    scope: Scope::STATEMENT,
                    until: LedgerTime(genesis().ledger_start.0 + 3_600_000),
                }),
                Command::RevokeAccess { meter: MeterId(2), reader: GrantReader::Organisation(OrganisationId(0)) },
                claim(),
            ],
        ),
        bundle(0, 5, registry()),
        bundle(
            40,
            1,
            vec![Command::RegisterAccount { account: AccountId(METERS), organisation: Some(OrganisationId(0)) }],
        ),
        bundle(3, 4, vec![Command::RotateKey { subject: Subject::Meter(MeterId(2)), key: key(50).public() }]),
    ]
}

/// A validator votes for two headers of one rank.
fn double_vote() -> Evidence {
    let vote = |hash| {
        let header = HeaderRef { rank: Rank { view: 7, slot: 1 }, hash: Hash([hash; 32]) };
        Statement::Vote(Vote::sign(chain(), FIRST_EPOCH, header, ValidatorIndex(2), &validator(2)))
    };
    Evidence::of(vote(1), vote(2)).expect("two votes for one rank contradict each other")
}

/// Bundles as the log has them, with time, work and evidence in between.
pub(crate) fn entries() -> Vec<Vec<u8>> {
    let logged = |signed: &SignedBundle| [&[1][..], signed.bytes()].concat();
    let start = genesis().ledger_start.0;
    let time = |after_ms: u64| Entry::Time(LedgerTime(start + after_ms)).encode();
    let mut entries = vec![time(1_000), logged(&registrations()), Entry::Work { limit: 100 }.encode()];
    entries.extend(stories().iter().map(logged));
    entries.push(Entry::Evidence(Box::new(double_vote())).encode());
    entries.push(Entry::Reconfigure(Box::new(reconfigure())).encode());
    entries.extend([time(4 * 900_000), Entry::Work { limit: 3 }.encode(), Entry::Work { limit: 10_000 }.encode()]);
    entries
}

/// A state in which the meters are registered and the market has opened, and the next sequence number.
pub(crate) fn state() -> (State, u64) {
    let mut state = State::genesis(genesis());
    let mut next_seq = 1;
    for bytes in &entries()[..3] {
        let entry = Entry::decode_unverified(bytes).expect("own bytes").trust();
        state.apply(next_seq, &entry, &mut Vec::new());
        next_seq += entry.count();
    }
    (state, next_seq)
}

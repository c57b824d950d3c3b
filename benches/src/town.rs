//! A ledger with meters, and bundles of orders for it.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MarketRules, MeterId, Money, Price, Side};
use gridbook_ledger::command::{Bundle, Command, NEVER, Place};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_ledger::record::{Outcome, Record};
use gridbook_ledger::registry::{CONNECTION_MAX, Plant};
use gridbook_ledger::state::State;
use gridbook_ledger::validators::ValidatorSet;

use crate::trading::Trading;

/// The period in which the ledger starts.
const START: u32 = 1_937_176;
/// Areas of the town; each meter trades in its own.
pub const AREAS: u16 = 4;
/// Periods that are traded, from an hour ahead.
pub const TRADED_PERIODS: u32 = 32;

/// The number of the first validator's key.
pub const VALIDATOR_KEYS: u32 = 1_000_000;

/// The key that number `n` signs with; the operator is 0, meter `m` is `m + 1`.
pub fn key(n: u32) -> SecretKey {
    let mut seed = [0x6b; 32];
    seed[..4].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_seed(seed)
}

/// A genesis of four validators.
pub fn genesis() -> Genesis {
    let keys = (VALIDATOR_KEYS..VALIDATOR_KEYS + 4).map(|n| key(n).public()).collect();
    Genesis {
        name: "bench".into(),
        ledger_start: DeliveryPeriod(START).starts_at(15),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: (0..AREAS).map(|area| format!("area {area}").into()).collect(),
        operator: key(0).public(),
        validators: ValidatorSet::new(keys).expect("four good keys"),
    }
}

/// What the operator says to register `meters` meters, each with its account, money and a connection that is never too small.
pub fn registrations(meters: u32) -> Vec<Command> {
    (0..meters).flat_map(|number| register(number, key(number + 1).public())).collect()
}

fn register(number: u32, key: PublicKey) -> [Command; 3] {
    let (account, meter) = (AccountId(number), MeterId(number));
    let (import_max_wh, export_max_wh) = (CONNECTION_MAX, CONNECTION_MAX);
    [
        Command::RegisterAccount { account, organisation: None },
        Command::RegisterMeter {
            meter,
            account,
            key,
            area: area_of(number),
            import_max_wh,
            export_max_wh,
            plant: Plant::NONE,
        },
        Command::Deposit { account, amount: Money(1 << 60) },
    ]
}

/// Where a meter is connected.
pub fn area_of(meter: u32) -> AreaId {
    AreaId(u16::try_from(meter % u32::from(AREAS)).expect("a remainder of a 16-bit number"))
}

/// A ledger in memory.
#[derive(Debug)]
pub struct Town {
    /// Its state.
    pub state: State,
    /// The number of the next command.
    pub next_seq: u64,
    /// Records of the last entries; whoever drives the town clears them.
    pub records: Vec<Record>,
}

impl Town {
    /// With `meters` meters registered.
    pub fn of(meters: u32) -> Self {
        Self::of_genesis(&genesis(), meters)
    }

    /// With `meters` meters registered on a ledger of this genesis.
    pub fn of_genesis(genesis: &Genesis, meters: u32) -> Self {
        let mut town = Self { state: State::genesis(genesis), next_seq: 1, records: Vec::new() };
        for (commands, nonce) in registrations(meters).chunks(1_023).zip(1..) {
            town.apply(&trusted(&bundle(genesis.chain_id(), key(0).public(), nonce, commands.to_vec())));
            let are_done = town.records.iter().all(|record| record.outcome == Outcome::Done);
            assert!(are_done, "the meters could not be registered");
            town.close_header();
        }
        town
    }

    /// Carries out the next entry.
    pub fn apply(&mut self, entry: &Entry) {
        self.state.apply(self.next_seq, entry, &mut self.records);
        self.next_seq += entry.count();
    }

    /// What a replica does when a header is final: nothing before it can be undone any more.
    pub fn close_header(&mut self) {
        self.records.clear();
        self.state.forget(self.state.mark());
    }
}

/// An unsigned bundle.
pub fn bundle(chain: Hash, signer: PublicKey, nonce: u64, commands: Vec<Command>) -> Bundle {
    Bundle { chain, signer, nonce, expires_at: NEVER, commands }
}

/// A bundle as a log entry whose signature was checked before.
pub fn trusted(bundle: &Bundle) -> Entry {
    let mut bytes = vec![1];
    bytes.extend(bundle.content());
    bytes.extend([0; 64]);
    Entry::decode_unverified(&bytes).expect("the bundle is well formed").trust()
}

/// `count` entries of `orders` orders each, about half of which trade, by `meters` meters in turn.
pub fn entries(meters: u32, orders: usize, count: usize, seed: u64) -> Vec<Entry> {
    let chain = genesis().chain_id();
    let keys: Vec<PublicKey> = (0..meters).map(|meter| key(meter + 1).public()).collect();
    let mut trading = Trading::new(seed, DeliveryPeriod(START + 4));
    let entries = (0..count).zip((0..meters).cycle()).map(|(number, meter)| {
        let commands = (0..orders).map(|_| trading.next(meter)).collect();
        trusted(&bundle(chain, keys[meter as usize], number as u64 + 1, commands))
    });
    entries.collect()
}

/// An order of a meter.
pub fn order(client_id: u64, meter: u32, period: DeliveryPeriod, side: Side, price: Price, energy: Energy) -> Command {
    let contract = Contract { area: area_of(meter), period };
    Command::Place(Place::limit(client_id, contract, side, price, energy))
}

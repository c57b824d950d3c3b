//! A small ledger to play on. Every entry is followed by an audit of the whole state.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, MeterId, Money, Price, Side,
};
use gridbook_ledger::command::{Bundle, Command, NEVER, Place};
use gridbook_ledger::crypto::{PublicKey, SecretKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::record::{Outcome, Record};
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::State;
use gridbook_ledger::validators::ValidatorSet;

/// The period in which the ledger starts.
pub(crate) const START: u32 = 1_937_176;
/// The period that most stories trade: an hour ahead.
pub(crate) const PERIOD: DeliveryPeriod = DeliveryPeriod(START + 4);
pub(crate) const CONTRACT: Contract = Contract { area: AreaId(0), period: PERIOD };
const MINUTE_MS: u64 = 60_000;

pub(crate) struct Town {
    pub(crate) genesis: Genesis,
    pub(crate) state: State,
    pub(crate) next_seq: u64,
}

/// The key that number `n` signs with; the operator is 0, meter `m` is `m + 1`.
pub(crate) fn key(n: u32) -> PublicKey {
    let mut seed = [0x5e; 32];
    seed[..4].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_seed(seed).public()
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        name: "Testdorf".into(),
        ledger_start: DeliveryPeriod(START).starts_at(15),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules { tick: 1, ..MarketRules::default() },
        areas: vec!["north".into(), "south".into()],
        operator: key(0),
        validators: ValidatorSet::new((1_000..1_004).map(key).collect()).unwrap(),
    }
}

impl Town {
    /// A ledger with nobody on it.
    pub(crate) fn empty() -> Self {
        let genesis = genesis();
        Self { state: State::genesis(&genesis), genesis, next_seq: 1 }
    }

    /// `count` accounts with 1,000,000 each and one meter each in the north that carries 1,000 Wh either way.
    pub(crate) fn of(count: u32) -> Self {
        let mut town = Self::empty();
        for number in 0..count {
            let account = AccountId(number);
            let records = town.operator(vec![
                Command::RegisterAccount { account },
                register(number, account, AreaId(0)),
                Command::Deposit { account, amount: Money(1_000_000) },
            ]);
            assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
        }
        town
    }

    pub(crate) fn apply(&mut self, entry: &Entry) -> Vec<Record> {
        let mut records = Vec::new();
        self.state.apply(self.next_seq, entry, &mut records);
        for (record, seq) in records.iter().zip(self.next_seq..) {
            assert_eq!((record.seq, record.entry), (seq, entry.id()));
        }
        self.next_seq += entry.count();
        assert_eq!(self.state.audit(), Ok(()));
        records
    }

    /// The next bundle of a signer.
    pub(crate) fn bundle(&self, signer: PublicKey, commands: Vec<Command>) -> Bundle {
        let nonce = self.state.device(&signer).map_or(0, |device| device.nonce) + 1;
        Bundle { chain: self.genesis.chain_id(), signer, nonce, expires_at: NEVER, commands }
    }

    pub(crate) fn operator(&mut self, commands: Vec<Command>) -> Vec<Record> {
        let bundle = self.bundle(key(0), commands);
        self.apply(&entry(&bundle))
    }

    pub(crate) fn meter(&mut self, meter: u32, commands: Vec<Command>) -> Vec<Record> {
        let bundle = self.bundle(key(meter + 1), commands);
        self.apply(&entry(&bundle))
    }

    /// One command of a meter; what it set off.
    pub(crate) fn done(&mut self, meter: u32, command: Command) -> Record {
        let record = self.meter(meter, vec![command]).remove(0);
        assert_eq!(record.outcome, Outcome::Done, "{command:?}");
        record
    }

    /// One command of a meter that is refused.
    pub(crate) fn refused(&mut self, meter: u32, command: Command) -> Code {
        match self.meter(meter, vec![command])[0].outcome {
            Outcome::Rejected(code) => code,
            Outcome::Done => panic!("{command:?} was carried out"),
        }
    }

    pub(crate) fn time(&mut self, at: LedgerTime) -> Outcome {
        self.apply(&Entry::Time(at))[0].outcome
    }

    pub(crate) fn work(&mut self, limit: u32) -> Record {
        self.apply(&Entry::Work { limit }).remove(0)
    }

    /// All work there is, in slices of `limit`.
    pub(crate) fn work_all(&mut self, limit: u32) -> Vec<Record> {
        let mut records = Vec::new();
        while self.state.has_work() {
            records.push(self.work(limit));
        }
        records
    }

    /// Balance, reserved.
    pub(crate) fn purse(&self, account: u32) -> (i128, i128) {
        let account = self.state.account(AccountId(account)).unwrap();
        (account.balance.0, account.reserved.0)
    }

    /// Everything that is not a hash or a counter of commands.
    pub(crate) fn substance(&self) -> impl PartialEq + core::fmt::Debug + use<> {
        let accounts: Vec<_> = (0..self.state.accounts_count()).map(|number| self.purse(number)).collect();
        let meters = (0..self.state.meters_count()).map(MeterId);
        let orders: Vec<_> = meters.clone().map(|meter| self.state.open_orders(meter)).collect();
        let periods = (START..START + 12).map(DeliveryPeriod);
        let positions: Vec<_> = meters.flat_map(|m| periods.clone().map(move |p| (m, p))).collect();
        let positions: Vec<_> = positions.into_iter().map(|(m, p)| self.state.position(m, p)).collect();
        (accounts, orders, positions, self.state.next_due())
    }
}

/// A bundle as a log entry. Nobody looks at its signature here: that is admission's room.
pub(crate) fn entry(bundle: &Bundle) -> Entry {
    let mut bytes = vec![1];
    bytes.extend(bundle.content());
    bytes.extend([0; 64]);
    Entry::decode_unverified(&bytes).unwrap().trust()
}

pub(crate) fn register(meter: u32, account: AccountId, area: AreaId) -> Command {
    let (import_max_wh, export_max_wh) = (Energy(1_000), Energy(1_000));
    Command::RegisterMeter { meter: MeterId(meter), account, key: key(meter + 1), area, import_max_wh, export_max_wh }
}

pub(crate) fn order(client_id: u64, side: Side, price: i32, energy: u64) -> Place {
    Place::limit(client_id, CONTRACT, side, Price(price), Energy(energy))
}

pub(crate) fn buy(client_id: u64, price: i32, energy: u64) -> Command {
    Command::Place(order(client_id, Side::Buy, price, energy))
}

pub(crate) fn sell(client_id: u64, price: i32, energy: u64) -> Command {
    Command::Place(order(client_id, Side::Sell, price, energy))
}

/// `minutes` before the start of [`PERIOD`].
pub(crate) fn before(minutes: u64) -> LedgerTime {
    LedgerTime(PERIOD.starts_at(15).0 - minutes * MINUTE_MS)
}

/// When [`PERIOD`] is delivered.
pub(crate) fn delivered() -> LedgerTime {
    PERIOD.ends_at(15)
}

/// A few good bits, the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).unwrap()
    }
}

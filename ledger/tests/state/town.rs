//! A small ledger to play on. Every entry is followed by an audit of the whole state.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MarketRules, MeterId, Money, Price,
    Side, TimeInForce,
};
use gridbook_ledger::command::{Bundle, Command, NEVER, Place};
use gridbook_ledger::crypto::{PublicKey, SecretKey};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::genesis::{Area, AreaEdge, Genesis, SettlementRules};
use gridbook_ledger::record::{Outcome, Record, RecordEvent, Trade};
use gridbook_ledger::registry::Plant;
use gridbook_ledger::reject::Code;
use gridbook_ledger::state::{State, SystemAccount};
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
    /// All that became of all commands.
    pub(crate) past: Vec<Record>,
}

/// The key that number `n` signs with; the operator is 0, meter `m` is `m + 1`.
pub(crate) fn key(n: u32) -> PublicKey {
    secret(n).public()
}

pub(crate) fn secret(n: u32) -> SecretKey {
    let mut seed = [0x5e; 32];
    seed[..4].copy_from_slice(&n.to_le_bytes());
    SecretKey::from_seed(seed)
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        name: "Testdorf".into(),
        ledger_start: DeliveryPeriod(START).starts_at(15),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules { tick: 1, ..MarketRules::default() },
        settlement: SettlementRules::default(),
        areas: vec!["north".into(), "south".into()],
        operator: key(0),
        validators: ValidatorSet::new((1_000..1_004).map(key).collect()).unwrap(),
    }
}

/// A substation with two feeders below it. Edges carry 300 Wh up and 400 Wh down.
///
/// ```text
///            0 substation
///    10 up  /            \\  30 up
///  20 down /              \\ 40 down
///     1 north            2 south
/// ```
pub(crate) fn grid() -> Genesis {
    let feeder = |name: &str, fee_up, fee_down| {
        let (up, down, fee_up, fee_down) = (Energy(300), Energy(400), Price(fee_up), Price(fee_down));
        Area { name: name.into(), edge: Some(AreaEdge { parent: AreaId(0), up, down, fee_up, fee_down }) }
    };
    Genesis { areas: vec!["substation".into(), feeder("north", 10, 20), feeder("south", 30, 40)], ..genesis() }
}

/// The rules of a market whose periods open four at a time, 75 minutes before the first, with a call phase of 30 minutes: that of
/// [`PERIOD`] and the next three has begun 15 minutes before the ledger, and ends 15 minutes after its start.
pub(crate) fn with_calls(genesis: Genesis) -> Genesis {
    let rules = MarketRules {
        open_lead_ms: 75 * MINUTE_MS,
        auction_at_open: true,
        call_ms: 30 * MINUTE_MS,
        periods_per_opening: 4,
        price_min: Price(-500),
        price_max: Price(1_000),
        ..genesis.rules
    };
    Genesis { rules, ..genesis }
}

impl Town {
    /// A ledger with nobody on it.
    pub(crate) fn on(genesis: Genesis) -> Self {
        Self { state: State::genesis(&genesis), genesis, next_seq: 1, past: Vec::new() }
    }

    /// As [`Town::of`], with one account and meter for each area named.
    pub(crate) fn in_areas(genesis: Genesis, areas: &[u16]) -> Self {
        let mut town = Self::on(genesis);
        for (number, area) in (0..).zip(areas) {
            town.settle_in(number, AreaId(*area));
        }
        town
    }

    /// `count` accounts with 1,000,000 each and one meter each in the north that carries 1,000 Wh either way.
    pub(crate) fn of(count: u32) -> Self {
        let areas: Vec<u16> = (0..count).map(|_| 0).collect();
        Self::in_areas(genesis(), &areas)
    }

    pub(crate) fn settle_in(&mut self, number: u32, area: AreaId) {
        let account = AccountId(number);
        let records = self.operator(vec![
            Command::RegisterAccount { account, organisation: None },
            register(number, account, area),
            Command::Deposit { account, amount: Money(1_000_000) },
        ]);
        assert!(records.iter().all(|record| record.outcome == Outcome::Done), "{records:?}");
    }

    pub(crate) fn apply(&mut self, entry: &Entry) -> Vec<Record> {
        let mut records = Vec::new();
        self.state.apply(self.next_seq, entry, &mut records);
        for (record, seq) in records.iter().zip(self.next_seq..) {
            assert_eq!((record.seq, record.entry), (seq, entry.id()));
        }
        self.next_seq += entry.count();
        assert_eq!(self.state.audit(), Ok(()));
        self.past.extend_from_slice(&records);
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

/// As it is, but in another area.
pub(crate) fn at(area: u16, command: Command) -> Command {
    match command {
        Command::Place(place) => Command::Place(Place { area: AreaId(area), ..place }),
        other => other,
    }
}

/// As it is, but fill-or-kill.
pub(crate) fn fill_or_kill(command: Command) -> Command {
    match command {
        Command::Place(place) => Command::Place(Place { time_in_force: TimeInForce::FillOrKill, ..place }),
        other => other,
    }
}

/// Why a record's command was refused.
pub(crate) fn refusal(record: &Record) -> Option<Code> {
    match record.outcome {
        Outcome::Rejected(code) => Some(code),
        Outcome::Done => None,
    }
}

/// The trades of a record.
pub(crate) fn trades(record: &Record) -> Vec<Trade> {
    let trade = |event: &RecordEvent| match event {
        RecordEvent::Trade(trade) => Some(*trade),
        _ => None,
    };
    record.events.iter().filter_map(trade).collect()
}

/// What the grid's operators have, altogether and by edge: fees, rent.
pub(crate) fn grid_income(town: &Town) -> (i128, Vec<(i128, i128)>) {
    let edges = (1..).map(AreaId).take(town.genesis.areas.len() - 1);
    let edges = edges.map(|edge| town.state.area_income(edge)).map(|income| (income.fees.0, income.rent.0));
    (town.state.system_account(SystemAccount::Grid).balance.0, edges.collect())
}

/// A bundle as a log entry. Nobody looks at its signature here: that is admission's room.
pub(crate) fn entry(bundle: &Bundle) -> Entry {
    let mut bytes = vec![1];
    bytes.extend(bundle.content());
    bytes.extend([0; 64]);
    Entry::decode_unverified(&bytes).unwrap().trust()
}

/// Every fourth meter has a roof of solar panels, every fourth one a battery below it, every fourth a windmill, and the rest has nothing.
pub(crate) fn plant_of(meter: u32) -> Plant {
    match meter % 4 {
        0 => Plant::of(EnergySources::SOLAR),
        1 => Plant { storage_ppm: Some(900_000), ..Plant::of(EnergySources::SOLAR) },
        2 => Plant::of(EnergySources::WIND),
        _ => Plant::NONE,
    }
}

pub(crate) fn register(meter: u32, account: AccountId, area: AreaId) -> Command {
    let (import_max_wh, export_max_wh) = (Energy(1_000), Energy(1_000));
    let (key, meter, plant) = (key(meter + 1), MeterId(meter), plant_of(meter));
    Command::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant }
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

    /// Any of them.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    pub(crate) fn small(&mut self, bound: u32) -> u32 {
        u32::try_from(self.below(u64::from(bound))).unwrap()
    }
}

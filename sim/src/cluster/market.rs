//! The ledger that is simulated: its genesis, its keys, its meters.

use gridbook_engine::{
    AccountId, AreaId, DeliveryPeriod, Energy, EnergySources, LedgerTime, MarketRules, MeterId, Money, Price,
};
use gridbook_ledger::command::Command;
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::genesis::{Area, AreaEdge, Genesis, SettlementRules};
use gridbook_ledger::registry::Plant;
use gridbook_ledger::settlement::Registers;
use gridbook_ledger::validators::ValidatorSet;

use super::dice::Dice;

/// Wall time when the simulation begins, in microseconds since the Unix epoch.
pub(super) const WALL_START_US: u64 = 1_750_000_001_000_000;

/// Genesis and keys.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) genesis: Genesis,
    /// Its hash.
    pub(super) chain: Hash,
    pub(super) validator_keys: Vec<SecretKey>,
    /// A second key of each validator, for when its first is rotated.
    spare_keys: Vec<SecretKey>,
    pub(super) operator: SecretKey,
    pub(super) meters: Vec<SecretKey>,
}

/// Delivery areas; meters live in them in turn.
pub(super) const AREAS: u16 = 2;
/// Two meters have one account.
const METERS_PER_ACCOUNT: u32 = 2;
/// Ledger time runs this many times faster than the wall: a quarter-hour takes a second and a half.
const TIME_SCALE: u32 = 600;
const DEPOSIT: Money = Money(50_000_000_000);
pub(super) const METER_MAX: Energy = Energy(20_000);
/// Registers had counted for so many periods when the ledger began.
const COUNTED_BEFORE: u32 = 100;
/// What the edge between the areas carries in one delivery period.
pub(super) const EDGE_MAX: Energy = Energy(4_000);

impl Market {
    pub(super) fn new(validators: usize, meters: u32, metered: bool) -> Result<Self, String> {
        let key = |room: u8, number: u32| {
            let mut seed = [room; 32];
            seed[..4].copy_from_slice(&number.to_le_bytes());
            SecretKey::from_seed(seed)
        };
        let validators = u32::try_from(validators).unwrap_or(u32::MAX);
        if !ValidatorSet::SIZES.contains(&(validators as usize)) {
            return Err(format!("{validators} validators: there must be 3f + 1 of them, from 4 to 49"));
        }
        let validator_keys: Vec<SecretKey> = (0..validators).map(|i| key(1, i)).collect();
        let spare_keys = (0..validators).map(|i| key(4, i)).collect();
        let operator = key(2, 0);
        let set = ValidatorSet::new(validator_keys.iter().map(SecretKey::public).collect());
        let genesis = Genesis {
            name: "simulated".into(),
            ledger_start: LedgerTime(1_750_000_000_000),
            wall_start_ms: WALL_START_US / 1_000 - 1_000,
            time_scale: TIME_SCALE,
            rules: rules(),
            settlement: if metered { settlement() } else { SettlementRules::default() },
            areas: areas(),
            operator: operator.public(),
            validators: set.map_err(|error| error.to_string())?,
        };
        genesis.validate().map_err(|error| error.to_string())?;
        let chain = genesis.chain_id();
        Ok(Self {
            genesis,
            chain,
            validator_keys,
            spare_keys,
            operator,
            meters: (0..meters).map(|i| key(3, i)).collect(),
        })
    }

    /// Both keys of a validator.
    pub(super) fn keys_of(&self, validator: usize) -> [SecretKey; 2] {
        [&self.validator_keys, &self.spare_keys].map(|keys| keys[validator].clone())
    }

    /// What the operator tells the ledger before anybody can trade, in bundles.
    pub(super) fn registration(&self) -> Vec<Vec<Command>> {
        let numbers = || (0_u32..).zip(&self.meters);
        let accounts = u32::try_from(self.meters.len()).unwrap_or(0).div_ceil(METERS_PER_ACCOUNT);
        let register =
            (0..accounts).map(|account| Command::RegisterAccount { account: AccountId(account), organisation: None });
        let meters = numbers().map(|(number, key)| Command::RegisterMeter {
            meter: MeterId(number),
            account: AccountId(number / METERS_PER_ACCOUNT),
            key: key.public(),
            area: Self::area(number),
            import_max_wh: METER_MAX,
            export_max_wh: METER_MAX,
            plant: Plant::of(EnergySources::SOLAR),
        });
        let deposit = (0..accounts).map(|account| Command::Deposit { account: AccountId(account), amount: DEPOSIT });
        vec![register.collect(), meters.collect(), deposit.collect()]
    }

    /// The last delivery period that is over.
    pub(super) fn last_ended(&self, now: LedgerTime) -> DeliveryPeriod {
        DeliveryPeriod(self.genesis.rules.period_at(now).0 - 1)
    }

    /// What a meter's registers show at the end of a period: whoever looks sees the same. Every second meter gives something.
    pub(super) fn registers(&self, meter: u32, period: u32) -> Registers {
        let genesis = self.genesis.rules.period_at(self.genesis.ledger_start).0;
        let passed = u64::from(period + COUNTED_BEFORE - genesis);
        let uneven = |room: u64, most: u64| Dice::new(u64::from(meter) << 32 | u64::from(period), room).below(most);
        let export = if meter.is_multiple_of(2) { 0 } else { passed * 300 + uneven(1, 200) };
        Registers { import: 10_000 + passed * 250 + uneven(2, 200), export, counter: period.into() }
    }

    /// What leaves an area over the edge above it in a period, if nothing gets lost on the way.
    pub(super) fn sent_up_wh(&self, area: AreaId, period: u32) -> i64 {
        let signed = |energy: u64| i64::try_from(energy).expect("registers are far below 2^63");
        let meters = (0..u32::try_from(self.meters.len()).expect("few meters"))
            // All other areas lie below the root.
            .filter(|meter| area == AreaId(0) || Self::area(*meter) == area);
        let net = meters.map(|meter| {
            let (start, end) = (self.registers(meter, period - 1), self.registers(meter, period));
            signed(end.export - start.export) - signed(end.import - start.import)
        });
        net.sum()
    }

    pub(super) fn area(meter: u32) -> AreaId {
        // The two meters of an account share an area.
        AreaId(u16::try_from(meter / METERS_PER_ACCOUNT % u32::from(AREAS)).unwrap_or(0))
    }
}

/// Readings, corrections and finality follow each other within seconds, so that a run sees all of them. Much may get lost: what meters do
/// not say is estimated, and little flows here.
fn settlement() -> SettlementRules {
    SettlementRules {
        reading_deadline_ms: 20 * 60_000,
        dispute_ms: 25 * 60_000,
        short_price: Price(30_000),
        long_price: Price(10_000),
        short_price_cap: Price(60_000),
        long_price_floor: Price(-10_000),
        loss_bound_ppm: 400_000,
        ..SettlementRules::metered()
    }
}

/// Delivery periods open an hour ahead, with an auction 35 minutes ahead: the furthest that meters trade are in their call phase.
fn rules() -> MarketRules {
    let (open_lead_ms, call_ms) = (60 * 60_000, 25 * 60_000);
    MarketRules { open_lead_ms, auction_at_open: true, call_ms, ..MarketRules::default() }
}

/// A root with one area below it, over an edge that is often full.
fn areas() -> Vec<Area> {
    let (up, down, fee_up, fee_down) = (EDGE_MAX, EDGE_MAX, Price(200), Price(300));
    let edge = AreaEdge { parent: AreaId(0), up, down, fee_up, fee_down };
    let area = |number| Area { name: format!("area {number}"), edge: (number > 0).then_some(edge) };
    (0..AREAS).map(area).collect()
}

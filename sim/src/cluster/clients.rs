//! Who trades: an operator that sets the market up, and meters with one bundle under way at a time.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, Money};
use gridbook_engine::{Price, Side, TimeInForce};
use gridbook_ledger::command::{Accept, AgreedTerms, Block, BlockPart, Bundle, BundleId, Command, NEVER, Offer, Place};
use gridbook_ledger::command::{AreaReading, Correction, Reading, SetImbalancePrices};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::registry::{Reason, Subject};
use gridbook_ledger::settlement::Registers;

use super::dice::Dice;
use super::market::{AREAS, EDGE_MAX, METER_MAX, Market};

/// A bundle that was sent and is not known to be final.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    pub(super) id: BundleId,
    pub(super) bytes: Vec<u8>,
    /// The validator that it was given to last, if one took it.
    pub(super) at: Option<usize>,
    /// When the client loses patience and goes to another.
    pub(super) patience_us: u64,
}

/// A device with a key.
#[derive(Debug)]
pub(super) struct Client {
    key: SecretKey,
    /// None for the operator.
    meter: Option<u32>,
    /// What the operator still has to set up, last first.
    plan: Vec<Vec<Command>>,
    nonce: u64,
    orders: u64,
    /// Its prices are multiples of this: where they are coarse, time decides who trades.
    price_step: u64,
    /// The last period that it looked at its register for.
    read: u32,
    pub(super) under_way: Option<UnderWay>,
    pub(super) dice: Dice,
}

/// Where the names of offers begin: far from those of orders.
const OFFERS: u64 = 1 << 60;

/// Orders of a bundle, at most.
const COMMANDS_MAX: u64 = 4;

impl Client {
    /// All clients of a market, the operator first.
    pub(super) fn all(market: &Market, seed: u64) -> Vec<Self> {
        let client = |key: &SecretKey, meter: Option<u32>| Self {
            key: key.clone(),
            meter,
            plan: Vec::new(),
            nonce: 0,
            orders: 0,
            read: 0,
            price_step: if seed.is_multiple_of(2) { 1_000 } else { 100 },
            under_way: None,
            dice: Dice::new(seed, 1_000 + meter.map_or(0, |meter| u64::from(meter) + 1)),
        };
        let mut operator = client(&market.operator, None);
        operator.plan = market.registration();
        operator.plan.reverse();
        std::iter::once(operator).chain((0..).zip(&market.meters).map(|(i, key)| client(key, Some(i)))).collect()
    }

    /// Whether it is the operator and the market is not set up yet.
    pub(super) fn is_setting_up(&self) -> bool {
        self.meter.is_none() && (!self.plan.is_empty() || self.under_way.is_some())
    }

    /// Makes and signs the next bundle.
    pub(super) fn next_bundle(&mut self, market: &Market, now: LedgerTime) {
        let commands = match self.meter {
            None => self.plan.pop().unwrap_or_else(|| self.run_market(market, now)),
            Some(meter) => self.trade(meter, market, now),
        };
        // Gaps are allowed.
        self.nonce += self.dice.between(1, 3);
        let (chain, signer) = (market.chain, self.key.public());
        let bundle = Bundle { chain, signer, nonce: self.nonce, expires_at: NEVER, commands }.sign(&self.key);
        self.under_way = Some(UnderWay { id: bundle.id(), bytes: bundle.bytes().to_vec(), at: None, patience_us: 0 });
    }

    /// What the meter says at the end of a period: mostly the truth, once. Now and then nothing, too late, too early, or what cannot be.
    fn readings(&mut self, meter: u32, market: &Market, now: LedgerTime) -> Vec<Command> {
        let ended = market.last_ended(now);
        if !market.genesis.settlement.metering || self.read >= ended.0 {
            return Vec::new();
        }
        self.read = ended.0;
        let at = |period: u32| Reading { period: DeliveryPeriod(period), registers: market.registers(meter, period) };
        let truth = at(ended.0);
        let but = |change: fn(&mut Registers)| {
            let mut other = truth;
            change(&mut other.registers);
            other
        };
        let said = match self.dice.below(16) {
            0 => vec![],
            1 => vec![but(|registers| registers.import -= 2_000)],
            2 => vec![but(|registers| registers.import += METER_MAX.0)],
            3 => vec![truth, truth],
            4 => vec![truth, but(|registers| registers.export += 1)],
            5 => vec![at(ended.0 + 1)],
            6 => vec![at(ended.0 - 1), truth],
            7 => vec![at(ended.0 - 3), truth],
            _ => vec![truth],
        };
        said.into_iter().map(Command::Reading).collect()
    }

    /// What operators do about delivery: read edges, rightly for the most part, read meters in their owners' place, set prices.
    fn run_settlement(&mut self, market: &Market, now: LedgerTime) -> Vec<Command> {
        let ended = market.last_ended(now).0;
        let period = ended - u32::try_from(self.dice.below(4)).expect("below 4");
        match self.dice.below(8) {
            0..=3 => (0..AREAS).map(|area| self.read_area(market, AreaId(area), period)).collect(),
            4..=6 => (0..3).map(|_| self.correct(market, period)).collect(),
            _ => {
                let price = |dice: &mut Dice| Price(i32::try_from(dice.between(0, 60_000)).expect("far below 2^31"));
                let (short_price, long_price) = (price(&mut self.dice), price(&mut self.dice));
                let area = AreaId(u16::try_from(self.dice.below(AREAS.into())).expect("few areas"));
                let contract = Contract { area, period: DeliveryPeriod(ended + 2) };
                vec![Command::SetImbalancePrices(SetImbalancePrices { contract, short_price, long_price })]
            }
        }
    }

    fn correct(&mut self, market: &Market, period: u32) -> Command {
        let meter = u32::try_from(self.dice.below(market.meters.len() as u64)).expect("few meters");
        let mut registers = market.registers(meter, period);
        if self.dice.per_mille(400) {
            registers.import += self.dice.below(300);
        }
        let reading = Reading { period: DeliveryPeriod(period), registers };
        Command::Correction(Correction { meter: MeterId(meter), reading })
    }

    fn read_area(&mut self, market: &Market, area: AreaId, period: u32) -> Command {
        let wrong_wh = if self.dice.per_mille(150) { self.dice.between(0, 20_000) } else { self.dice.below(50) };
        let wrong_wh = i64::try_from(wrong_wh).expect("far below 2^63");
        let sent_up_wh = market.sent_up_wh(area, period) - wrong_wh;
        let contract = Contract { area, period: DeliveryPeriod(period) };
        Command::AreaReading(AreaReading { contract, sent_up_wh })
    }

    /// Now and then the operator moves cash, suspends a meter, and gives the edge more or less to carry.
    fn run_market(&mut self, market: &Market, now: LedgerTime) -> Vec<Command> {
        if market.genesis.settlement.metering && self.dice.per_mille(600) {
            return self.run_settlement(market, now);
        }
        let meters = market.meters.len() as u64;
        let meter = MeterId(u32::try_from(self.dice.below(meters)).unwrap_or(0));
        let account = AccountId(meter.0 / 2);
        let amount = Money(i128::from(self.dice.between(1, 1_000_000_000)));
        let period = DeliveryPeriod(market.genesis.rules.period_at(now).0 + 2);
        let (up, down) = (Energy(self.dice.below(EDGE_MAX.0)), Energy(self.dice.below(EDGE_MAX.0)));
        match self.dice.below(6) {
            4 | 5 => vec![Command::SetCapacity { area: AreaId(1), period, up, down }],
            0 => vec![Command::Deposit { account, amount }],
            1 => vec![Command::Withdraw { account, amount }],
            _ => vec![
                Command::Suspend { subject: Subject::Meter(meter), reason: Reason::Other },
                Command::Resume { subject: Subject::Meter(meter), reason: Reason::Other },
            ],
        }
    }

    fn trade(&mut self, meter: u32, market: &Market, now: LedgerTime) -> Vec<Command> {
        let mut commands = self.readings(meter, market, now);
        commands.extend((0..self.dice.between(1, COMMANDS_MAX)).map(|_| self.command(meter, market, now)));
        if self.dice.per_mille(100) {
            let orders = self.dice.between(1, 3);
            commands.push(Command::Basket { count: u16::try_from(orders).unwrap_or(1) });
            commands.extend((0..orders).map(|_| self.basket_order(meter, market, now)));
        }
        if self.dice.per_mille(60) {
            commands.extend(self.block(meter, market, now));
        }
        commands
    }

    fn basket_order(&mut self, meter: u32, market: &Market, now: LedgerTime) -> Command {
        let place = self.place(meter, market, now);
        let (time_in_force, post_only, display) = (TimeInForce::FillOrKill, false, Energy::ZERO);
        Command::Place(Place { time_in_force, post_only, display, energy: Energy(place.energy.0 / 4 + 1), ..place })
    }

    /// A block in the furthest period: whether that is still in its call phase depends on the moment.
    fn block(&mut self, meter: u32, market: &Market, now: LedgerTime) -> [Command; 2] {
        let Place { client_id, area, side, price, .. } = self.place(meter, market, now);
        let first = DeliveryPeriod(market.genesis.rules.period_at(now).0 + 3);
        let mut energies = [Energy::ZERO; BlockPart::PERIODS];
        energies[0] = Energy(self.dice.between(1, 50));
        let block = Block { client_id, area, side, price, parts: 1 };
        [Command::Block(block), Command::BlockPart(BlockPart { first, energies })]
    }

    /// An offer to another meter, or the acceptance of one: names and terms are such that they now and then fit.
    fn agreement(&mut self, meter: u32, market: &Market, now: LedgerTime) -> Command {
        let meters = market.meters.len() as u64;
        let partner = MeterId(u32::try_from(self.dice.below(meters)).unwrap_or(0));
        let period = DeliveryPeriod(market.genesis.rules.period_at(now).0 + 2);
        let terms = |side| AgreedTerms { period, side, price: Price(20_000), energy: Energy(100) };
        let name = |meter: u32| OFFERS + u64::from(period.0) * 1_000 + u64::from(meter);
        if self.dice.per_mille(500) {
            return Command::Offer(Offer { client_id: name(meter), partner, terms: terms(Side::Sell) });
        }
        self.orders += 1;
        Command::Accept(Accept { client_id: self.orders, partner, offer: name(partner.0), terms: terms(Side::Buy) })
    }

    fn command(&mut self, meter: u32, market: &Market, now: LedgerTime) -> Command {
        let earlier = self.dice.between(self.orders.saturating_sub(6), self.orders);
        match self.dice.below(20) {
            0 | 1 => Command::Cancel { client_id: earlier },
            7 => self.agreement(meter, market, now),
            2 => Command::Reduce { client_id: earlier, by: Energy(self.dice.between(1, 300)) },
            3 | 4 => Command::Replace { client_id: earlier, price: self.price(), energy: self.energy() },
            5 if self.dice.per_mille(200) => Command::CancelAll,
            6 if self.dice.per_mille(100) => Command::CancelAllOfAccount,
            _ => Command::Place(self.place(meter, market, now)),
        }
    }

    fn place(&mut self, meter: u32, market: &Market, now: LedgerTime) -> Place {
        self.orders += 1;
        let current = market.genesis.rules.period_at(now).0;
        let period = DeliveryPeriod(current + u32::try_from(self.dice.between(1, 3)).unwrap_or(1));
        let side = if self.dice.per_mille(500) { Side::Buy } else { Side::Sell };
        let time_in_force = match self.dice.below(10) {
            0 => TimeInForce::ImmediateOrCancel,
            1 => TimeInForce::FillOrKill,
            2 => TimeInForce::GoodTillTime(LedgerTime(now.0 + self.dice.between(60_000, 1_800_000))),
            _ => TimeInForce::GoodTillGate,
        };
        let post_only = time_in_force == TimeInForce::GoodTillGate && self.dice.per_mille(100);
        let (price, energy) = (self.price(), self.energy());
        let contract = Contract { area: Market::area(meter), period };
        let rests = !matches!(time_in_force, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill);
        let display = if rests && self.dice.per_mille(150) { Energy(energy.0 / 3) } else { Energy::ZERO };
        let max_edges = self.dice.per_mille(150).then_some(0);
        let sources = self.dice.per_mille(100).then_some(EnergySources::SOLAR);
        let limit = Place::limit(self.orders, contract, side, price, energy);
        Place { time_in_force, post_only, display, max_edges, sources, ..limit }
    }

    fn price(&mut self) -> Price {
        let price = self.dice.between(20_000, 23_000);
        Price(i32::try_from(price - price % self.price_step).expect("far below 2^31"))
    }

    fn energy(&mut self) -> Energy {
        Energy(self.dice.between(1, 900))
    }
}

//! A seeded stream of commands over few prices, few accounts and few contracts, so that everything happens often.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, MeterId, NewOrder, OrderTag, Price,
    Side, TimeInForce,
};

pub(crate) const AREAS: u16 = 2;
const MINUTE_MS: u64 = 60_000;

/// SplitMix64: small, seeded, good enough to choose commands.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Contracts of a quarter-hour, open for an hour and a half, lots of 5 Wh, prices from -40 to 40 in steps of 10.
pub(crate) fn rules() -> MarketRules {
    MarketRules {
        lot: 5,
        tick: 10,
        price_min: Price(-40),
        price_max: Price(40),
        open_lead_ms: 90 * MINUTE_MS,
        ..MarketRules::default()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Place(NewOrder),
    /// `order` is how many handles ago it was given out.
    Cancel {
        order: u64,
    },
    Reduce {
        order: u64,
        by: Energy,
    },
    Replace {
        order: u64,
        price: Price,
        energy: Energy,
    },
    /// A cancel in another meter's name.
    Steal {
        order: u64,
    },
    Advance(LedgerTime),
    Close(Contract),
    Sweep(usize),
    Mark,
    Rollback,
    Forget,
}

/// An endless stream of commands. It knows nothing of the market but the time it has set.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) dice: Dice,
    tag: u64,
    now: u64,
}

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), tag: 0, now: 1_000 * 60 * MINUTE_MS }
    }

    pub(crate) fn next(&mut self) -> Command {
        match self.dice.below(100) {
            0..60 => Command::Place(self.order()),
            60..70 => Command::Cancel { order: self.recent() },
            70..76 => Command::Reduce { order: self.recent(), by: self.energy() },
            76..84 => Command::Replace { order: self.recent(), price: self.price(), energy: self.energy() },
            84 => Command::Steal { order: self.recent() },
            85..88 => Command::Advance(self.later()),
            88 if self.dice.one_in(6) => Command::Close(self.contract()),
            88 => Command::Sweep(100),
            89..92 => Command::Sweep(self.dice.below(4) as usize),
            92..96 => Command::Mark,
            96..99 => Command::Rollback,
            _ => Command::Forget,
        }
    }

    fn order(&mut self) -> NewOrder {
        self.tag += 1;
        let account = self.dice.below(4) as u32;
        let meter = MeterId(account * 2 + self.dice.below(2) as u32);
        let contract = self.contract();
        let side = if self.dice.one_in(2) { Side::Buy } else { Side::Sell };
        let (price, energy) = (self.price(), self.energy());
        let (time_in_force, post_only) = (self.time_in_force(), self.dice.one_in(8));
        let order = NewOrder::limit(OrderTag(self.tag), AccountId(account), meter, contract, side, price, energy);
        NewOrder { time_in_force, post_only, ..order }
    }

    fn time_in_force(&mut self) -> TimeInForce {
        match self.dice.below(10) {
            0 => TimeInForce::ImmediateOrCancel,
            1 | 2 => TimeInForce::FillOrKill,
            3 | 4 => TimeInForce::GoodTillTime(LedgerTime(self.now + self.dice.below(12) * MINUTE_MS - MINUTE_MS)),
            _ => TimeInForce::GoodTillGate,
        }
    }

    fn contract(&mut self) -> Contract {
        let area = if self.dice.one_in(50) { AREAS } else { u16::from(self.dice.one_in(4)) };
        let period = self.now / (15 * MINUTE_MS) + 1 + self.dice.below(2);
        let period = if self.dice.one_in(20) { period - 2 + self.dice.below(12) } else { period };
        Contract { area: AreaId(area), period: DeliveryPeriod(period as u32) }
    }

    /// Seven prices that are good, one that is off the tick, one that is out of bounds.
    fn price(&mut self) -> Price {
        match self.dice.below(60) {
            0 => Price(15),
            1 => Price(50),
            _ => Price(self.dice.below(7) as i32 * 10 - 30),
        }
    }

    fn energy(&mut self) -> Energy {
        match self.dice.below(60) {
            0 => Energy(0),
            1 => Energy(7),
            _ => Energy((1 + self.dice.below(6)) * 5),
        }
    }

    fn recent(&mut self) -> u64 {
        let few = self.dice.below(24);
        self.dice.below(few + 1)
    }

    fn later(&mut self) -> LedgerTime {
        self.now += self.dice.below(6) * MINUTE_MS;
        LedgerTime(self.now)
    }

    /// After a rollback time may stand earlier again.
    pub(crate) fn set_now(&mut self, now: LedgerTime) {
        self.now = now.0.max(self.now.min(1_000 * 60 * MINUTE_MS));
    }
}

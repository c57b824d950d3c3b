//! A seeded stream of everything that can be done to a market.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, LedgerTime, MeterId, NewBlock, NewOrder,
    OrderTag, Party, Prearranged, Preferences, Price, Side, TimeInForce,
};

use super::stream::Dice;
use super::world::{MINUTE_MS, World};

/// One thing to do to a market. Resting orders are named by how many handles ago theirs was given out.
#[derive(Clone, Debug)]
pub(crate) enum MarketCommand {
    Place(NewOrder),
    Cancel {
        ago: u64,
        /// In another meter's name.
        steals: bool,
    },
    Reduce {
        ago: u64,
        by: Energy,
    },
    Replace {
        ago: u64,
        price: Price,
        energy: Energy,
    },
    Basket(Vec<NewOrder>),
    PlaceBlock(NewBlock),
    CancelBlock {
        tag: OrderTag,
        meter: MeterId,
    },
    SetCapacity {
        child: AreaId,
        period: DeliveryPeriod,
        up: Energy,
        down: Energy,
    },
    Auction(Vec<DeliveryPeriod>),
    PayAsBid(Contract),
    Prearranged(Prearranged),
    Open(Contract),
    CloseCrossArea(Contract),
    Close(Contract),
    Advance(LedgerTime),
    Sweep(usize),
    Mark,
    /// To one of the last marks.
    Rollback {
        deep: u64,
    },
}

/// An endless stream of commands for one world. It knows nothing of the market but the time, which it is told.
#[derive(Clone, Debug)]
pub(crate) struct MarketStream {
    pub(crate) dice: Dice,
    world: World,
    tag: u64,
    /// The last blocks.
    blocks: Vec<(OrderTag, MeterId)>,
}

impl MarketStream {
    pub(crate) fn new(world: World, dice: Dice) -> Self {
        Self { dice, world, tag: 0, blocks: Vec::new() }
    }

    pub(crate) fn next(&mut self, now: LedgerTime) -> MarketCommand {
        match self.dice.below(1_000) {
            0..525 => MarketCommand::Place(self.order(now)),
            525..580 => MarketCommand::Cancel { ago: self.recent(), steals: self.dice.one_in(12) },
            580..620 => MarketCommand::Reduce { ago: self.recent(), by: self.energy() },
            620..690 => MarketCommand::Replace { ago: self.recent(), price: self.price(), energy: self.energy() },
            690..725 => MarketCommand::Basket(self.basket(now)),
            725..765 => MarketCommand::PlaceBlock(self.block(now)),
            765..775 => self.cancel_block(),
            775..820 => self.set_capacity(now),
            820..840 => MarketCommand::Auction(self.periods(now)),
            840..850 => MarketCommand::PayAsBid(self.contract(now)),
            850..885 => MarketCommand::Prearranged(self.prearranged(now)),
            885..893 => MarketCommand::Open(self.contract(now)),
            893..896 => MarketCommand::CloseCrossArea(self.contract(now)),
            896..900 => MarketCommand::Close(self.contract(now)),
            900..935 => MarketCommand::Advance(self.later(now)),
            935..940 => MarketCommand::Sweep(100),
            940..965 => MarketCommand::Sweep(self.dice.below(4) as usize),
            965..985 => MarketCommand::Mark,
            _ => MarketCommand::Rollback { deep: self.dice.below(3) },
        }
    }

    fn order(&mut self, now: LedgerTime) -> NewOrder {
        let tag = self.tag();
        let (account, meter) = self.owner();
        let contract = self.contract(now);
        let side = if self.dice.one_in(2) { Side::Buy } else { Side::Sell };
        let (price, energy) = (self.price(), self.energy());
        let order = NewOrder::limit(tag, account, meter, contract, side, price, energy);
        let time_in_force = self.time_in_force(now);
        let display = if self.dice.one_in(6) { self.display(energy) } else { Energy::ZERO };
        let preferences = if self.dice.one_in(3) { self.preferences(side) } else { order.preferences };
        NewOrder { time_in_force, post_only: self.dice.one_in(10), display, preferences, ..order }
    }

    fn time_in_force(&mut self, now: LedgerTime) -> TimeInForce {
        match self.dice.below(12) {
            0 => TimeInForce::ImmediateOrCancel,
            1 => TimeInForce::FillOrKill,
            2 | 3 => {
                let minutes = self.dice.below(12) * MINUTE_MS;
                TimeInForce::GoodTillTime(LedgerTime((now.0 + minutes).saturating_sub(MINUTE_MS)))
            }
            _ => TimeInForce::GoodTillGate,
        }
    }

    /// A clip of a third of the energy or so; of huge energies some have too many clips.
    fn display(&mut self, energy: Energy) -> Energy {
        let lot = self.world.rules.lot;
        let clip = (1 + self.dice.below(2)) * lot;
        if energy.0 > 1_000 * lot { Energy(energy.0 / (3 + self.dice.below(2) * 2_000)) } else { Energy(clip) }
    }

    fn preferences(&mut self, side: Side) -> Preferences {
        let none = Preferences::none(side);
        let bits = 1 + self.dice.below(7) as u8;
        let sources = EnergySources::from_bits(if side == Side::Buy { bits | 8 } else { bits }).unwrap();
        Preferences {
            sources: if self.dice.one_in(2) { sources } else { none.sources },
            max_edges: if self.dice.one_in(2) { self.dice.below(4) as u16 } else { Preferences::ANYWHERE },
            partner: self.dice.one_in(4).then(|| self.owner().0),
        }
    }

    fn basket(&mut self, now: LedgerTime) -> Vec<NewOrder> {
        let count = 1 + self.dice.below(3) - u64::from(self.dice.one_in(20));
        let mut orders: Vec<NewOrder> = (0..count).map(|_| self.order(now)).collect();
        for order in &mut orders {
            // Small, so that some go through.
            let energy = Energy(order.energy.0.min(self.world.rules.lot * 2));
            *order = NewOrder { post_only: false, display: Energy::ZERO, energy, ..*order };
            if !self.dice.one_in(30) {
                order.time_in_force = TimeInForce::FillOrKill;
            }
        }
        orders
    }

    fn block(&mut self, now: LedgerTime) -> NewBlock {
        let again = self.dice.one_in(6).then(|| self.blocks.last().map(|(tag, _)| *tag)).flatten();
        let tag = again.unwrap_or_else(|| self.tag());
        let (account, meter) = self.owner();
        let mut periods = self.periods(now);
        if !self.dice.one_in(15) {
            periods.sort_unstable();
            periods.dedup();
        }
        let energies = periods.into_iter().map(|period| (period, self.energy())).collect();
        self.blocks.push((tag, meter));
        let side = if self.dice.one_in(2) { Side::Buy } else { Side::Sell };
        NewBlock { tag, account, meter, area: self.area(), side, price: self.price(), energies }
    }

    fn cancel_block(&mut self) -> MarketCommand {
        let ago = self.dice.below(4) as usize;
        let last = self.blocks.iter().rev().nth(ago).copied();
        let (tag, meter) = last.unwrap_or((OrderTag(0), MeterId(0)));
        let meter = if self.dice.one_in(10) { MeterId(meter.0 + 1) } else { meter };
        MarketCommand::CancelBlock { tag, meter }
    }

    fn set_capacity(&mut self, now: LedgerTime) -> MarketCommand {
        let Self { dice, world, .. } = self;
        let (child, period) = (world.child(dice), world.period(now, dice));
        MarketCommand::SetCapacity { child, period, up: world.capacity(dice), down: world.capacity(dice) }
    }

    fn prearranged(&mut self, now: LedgerTime) -> Prearranged {
        let tag = self.tag();
        let mut party = || {
            let (account, meter) = self.owner();
            Party { account, meter, area: self.area() }
        };
        let (buyer, seller) = (party(), party());
        let period = self.world.period(now, &mut self.dice);
        Prearranged { tag, buyer, seller, period, price: self.price(), energy: self.energy() }
    }

    fn periods(&mut self, now: LedgerTime) -> Vec<DeliveryPeriod> {
        let count = 1 + self.dice.below(3);
        (0..count).map(|_| self.world.period(now, &mut self.dice)).collect()
    }

    fn contract(&mut self, now: LedgerTime) -> Contract {
        Contract { area: self.area(), period: self.world.period(now, &mut self.dice) }
    }

    fn area(&mut self) -> AreaId {
        let unknown = u64::from(self.dice.one_in(60));
        AreaId(self.dice.below(u64::from(self.world.areas()) + unknown) as u16)
    }

    fn later(&mut self, now: LedgerTime) -> LedgerTime {
        let minutes = if self.dice.one_in(10) { 30 } else { 6 };
        LedgerTime(now.0 + self.dice.below(minutes) * MINUTE_MS)
    }

    fn owner(&mut self) -> (AccountId, MeterId) {
        let account = self.dice.below(4) as u32;
        (AccountId(account), MeterId(account * 2 + self.dice.below(2) as u32))
    }

    fn tag(&mut self) -> OrderTag {
        self.tag += 1;
        OrderTag(self.tag)
    }

    fn recent(&mut self) -> u64 {
        let few = self.dice.below(20);
        self.dice.below(few + 1)
    }

    fn price(&mut self) -> Price {
        self.world.price(&mut self.dice)
    }

    fn energy(&mut self) -> Energy {
        self.world.energy(&mut self.dice)
    }
}

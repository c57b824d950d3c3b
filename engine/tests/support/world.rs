//! Markets to throw commands at: random trees of areas, random rules, small numbers so that everything happens often, and some at the
//! extremes of what numbers there are.

use gridbook_engine::{AreaId, DeliveryPeriod, Direction, Edge, Energy, LedgerTime, MarketRules, Network, Price};

use super::stream::Dice;

pub(crate) const MINUTE_MS: u64 = 60_000;

/// Rules, a network, and how large its numbers are.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) rules: MarketRules,
    pub(crate) network: Network,
    pub(crate) scale: Scale,
    /// When its first command comes.
    pub(crate) begins_at: LedgerTime,
    /// The most energy that one account may have open.
    pub(crate) budget: u128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Few prices, few energies.
    Small,
    /// Prices up to the last `i32`, energies up to the last `u64`.
    Extreme,
}

impl World {
    /// One in eight at the extremes, one in eight without gates by time, half of them with opening auctions.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let scale = if dice.one_in(8) { Scale::Extreme } else { Scale::Small };
        let rules = rules(dice, scale);
        let network = network(dice, &rules, scale);
        let begins_at = if rules.open_lead_ms == MarketRules::NO_GATES_MS { 0 } else { 1_000 * 60 * MINUTE_MS };
        let budget = if scale == Scale::Small { 250 } else { u128::MAX };
        Self { rules, network, scale, begins_at: LedgerTime(begins_at), budget }
    }

    pub(crate) fn areas(&self) -> u16 {
        u16::try_from(self.network.areas()).unwrap()
    }

    /// A period that is near, mostly open; now and then one that is long gone or far away.
    pub(crate) fn period(&self, now: LedgerTime, dice: &mut Dice) -> DeliveryPeriod {
        if self.rules.open_lead_ms == MarketRules::NO_GATES_MS {
            return DeliveryPeriod(dice.below(3) as u32);
        }
        let current = self.rules.period_at(now).0;
        let ahead =
            if dice.one_in(25) { dice.below(14) as u32 } else { 2 + [0, 0, 1, 1, 3, 4][dice.below(6) as usize] };
        DeliveryPeriod(current - 1 + ahead)
    }

    pub(crate) fn price(&self, dice: &mut Dice) -> Price {
        match self.scale {
            Scale::Small if dice.one_in(60) => Price([15, 70, -70][dice.below(3) as usize]),
            Scale::Small => Price(dice.below(9) as i32 * 10 - 40),
            Scale::Extreme => {
                let steps = dice.below(3) as i32;
                Price([i32::MIN + steps, i32::MAX - steps, steps - 1, 1_000_000_000 + steps][dice.below(4) as usize])
            }
        }
    }

    pub(crate) fn energy(&self, dice: &mut Dice) -> Energy {
        match self.scale {
            Scale::Small if dice.one_in(60) => Energy([0, 7][dice.below(2) as usize]),
            Scale::Small => Energy((1 + dice.below(6)) * self.rules.lot),
            Scale::Extreme => {
                let steps = dice.below(3);
                Energy([u64::MAX - steps, (1 << 60) - 1 + steps, (1 << 58) + steps, 1 + steps][dice.below(4) as usize])
            }
        }
    }

    pub(crate) fn capacity(&self, dice: &mut Dice) -> Energy {
        capacity(dice, self.scale)
    }

    /// The edge above some area; now and then there is none.
    pub(crate) fn child(&self, dice: &mut Dice) -> AreaId {
        let none = u64::from(dice.one_in(20));
        AreaId(dice.below(u64::from(self.areas()) + none) as u16)
    }

    /// The edges from a seller to a buyer.
    pub(crate) fn way(&self, seller: AreaId, buyer: AreaId) -> Vec<(Edge, Direction)> {
        let way = self.network.way(seller, buyer).expect("they trade, so there is a way");
        way.into_iter().map(|(edge, direction)| (*edge, direction)).collect()
    }
}

fn rules(dice: &mut Dice, scale: Scale) -> MarketRules {
    let small = MarketRules {
        tick: 10,
        lot: 5,
        price_min: Price(-50),
        price_max: Price(60),
        open_lead_ms: 90 * MINUTE_MS,
        gate_ms: 5 * MINUTE_MS,
        cross_area_gate_ms: 15 * MINUTE_MS,
        auction_at_open: dice.one_in(2),
        call_ms: 30 * MINUTE_MS,
        periods_per_opening: 1 + dice.below(3) as u32,
        ..MarketRules::default()
    };
    let timeless = dice.one_in(8);
    let open_lead_ms = if timeless { MarketRules::NO_GATES_MS } else { small.open_lead_ms };
    match scale {
        Scale::Small => MarketRules { open_lead_ms, ..small },
        Scale::Extreme => MarketRules {
            tick: 1,
            lot: 1,
            price_min: Price(i32::MIN),
            price_max: Price(i32::MAX),
            open_lead_ms,
            ..small
        },
    }
}

/// One to six areas in a random tree, rooted anywhere; one in ten is islands.
fn network(dice: &mut Dice, rules: &MarketRules, scale: Scale) -> Network {
    let areas = 1 + dice.below(6) as u16;
    if dice.one_in(10) {
        return Network::islands(areas);
    }
    // Areas join the tree in a random order, so that numbers say nothing of who is above.
    let mut names: Vec<u16> = (0..areas).collect();
    for at in (1..names.len()).rev() {
        names.swap(at, dice.below(at as u64 + 1) as usize);
    }
    let edge = |(at, child): (usize, &u16)| Edge {
        child: AreaId(*child),
        parent: AreaId(names[dice.below(at as u64) as usize]),
        up: capacity(dice, scale).min(Network::CAPACITY_MAX),
        down: capacity(dice, scale).min(Network::CAPACITY_MAX),
        fee_up: fee(dice, scale),
        fee_down: fee(dice, scale),
    };
    let edges: Vec<Edge> = names.iter().enumerate().skip(1).map(edge).collect();
    Network::new(areas, rules.tick, &edges).unwrap()
}

/// Huge ones at the extremes: two accounts that cannot trade at home may send all their energy to and fro over a small edge, in as many
/// trades as it takes, and 2^64 Wh over 40 Wh takes for ever.
fn capacity(dice: &mut Dice, scale: Scale) -> Energy {
    let beyond = u64::from(dice.one_in(12));
    match (scale, dice.below(8)) {
        (_, 0) => Energy(0),
        (_, 1) => Energy((1 << 60) + beyond),
        (Scale::Extreme, _) => Energy((1 << 60) - dice.below(1 << 59)),
        (Scale::Small, _) => Energy(dice.below(50)),
    }
}

fn fee(dice: &mut Dice, scale: Scale) -> Price {
    match scale {
        Scale::Small => Price([0, 0, 10, 20][dice.below(4) as usize]),
        Scale::Extreme => Price([0, 1, 100_000_000][dice.below(3) as usize]),
    }
}

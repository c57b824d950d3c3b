//! A market that is obviously right and nothing more: one sorted map per side and period, every rule asserted at the door.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MarketRules, Price, Side};
use gridbook_sim::{Intent, LocalSupply, Prosumer, Town};

/// What the market says to a meter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    Trade { trade: u64, client_id: u64, energy: Energy, price: Price },
    Rejected { client_id: u64 },
    Gone { client_id: u64, remaining: Energy },
}

#[derive(Clone, Copy, Debug)]
struct Resting {
    period: DeliveryPeriod,
    side: Side,
    price: Price,
    energy: Energy,
    until: Option<LedgerTime>,
    arrival: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) placed: u64,
    pub(crate) changed: u64,
    pub(crate) trades: u64,
    pub(crate) unknown: u64,
    pub(crate) over_headroom: u64,
}

type Name = (u32, u64);

pub(crate) struct ToyMarket {
    pub(crate) counts: Counts,
    pub(crate) supply: LocalSupply,
    rules: MarketRules,
    headroom: Vec<(i64, i64)>,
    orders: BTreeMap<Name, Resting>,
    /// Best first: buys by falling price, sells by rising, then by arrival.
    books: BTreeMap<(DeliveryPeriod, Side), BTreeMap<(i64, u64), Name>>,
    sold_wh: BTreeMap<(u32, DeliveryPeriod), i64>,
    resting_wh: BTreeMap<(u32, DeliveryPeriod, Side), i64>,
    last_client_id: Vec<u64>,
    arrivals: u64,
    pub(crate) notices: Vec<(u32, Notice)>,
}

fn rank(side: Side, price: Price) -> i64 {
    match side {
        Side::Buy => -i64::from(price.0),
        Side::Sell => i64::from(price.0),
    }
}

fn wh(energy: Energy) -> i64 {
    i64::try_from(energy.0).unwrap()
}

impl ToyMarket {
    pub(crate) fn new(town: &Town) -> Self {
        Self {
            counts: Counts::default(),
            supply: LocalSupply::new(town),
            rules: town.config().rules,
            headroom: town.meters().iter().map(|meter| (wh(meter.max_import), wh(meter.max_export))).collect(),
            orders: BTreeMap::new(),
            books: BTreeMap::new(),
            sold_wh: BTreeMap::new(),
            resting_wh: BTreeMap::new(),
            last_client_id: vec![0; town.meters().len()],
            arrivals: 0,
            notices: Vec::new(),
        }
    }

    /// Moves time: what must leave, leaves.
    pub(crate) fn advance(&mut self, now: LedgerTime) {
        let rules = self.rules;
        let leaves = |order: &Resting| {
            let contract = Contract { area: AreaId(0), period: order.period };
            rules.gate_closes_at(contract) <= now || order.until.is_some_and(|until| until <= now)
        };
        let leaving: Vec<Name> = self.orders.iter().filter(|(_, order)| leaves(order)).map(|(name, _)| *name).collect();
        for name in leaving {
            self.take_out(name);
        }
    }

    pub(crate) fn submit(&mut self, meter: u32, intent: Intent, now: LedgerTime) {
        match intent {
            Intent::Place { client_id, period, side, price, energy, good_till, ioc } => {
                assert!(client_id > self.last_client_id[meter as usize], "client ids rise");
                self.last_client_id[meter as usize] = client_id;
                self.counts.placed += 1;
                assert!(good_till.is_none_or(|until| until > now), "{intent:?} is over on arrival");
                assert!(!(ioc && good_till.is_some()));
                let order = Resting { period, side, price, energy, until: good_till, arrival: 0 };
                if !self.enter((meter, client_id), order, ioc, now) {
                    self.notices.push((meter, Notice::Rejected { client_id }));
                }
            }
            Intent::Cancel { client_id } => {
                self.counts.changed += 1;
                if self.knows(meter, client_id) {
                    self.take_out((meter, client_id));
                }
            }
            Intent::Reduce { client_id, by } => {
                self.counts.changed += 1;
                assert!(self.rules.energy_is_valid(by));
                if self.knows(meter, client_id) {
                    self.reduce((meter, client_id), by);
                }
            }
            Intent::Replace { client_id, price, energy } => {
                self.counts.changed += 1;
                if self.knows(meter, client_id) {
                    let old = self.unlink((meter, client_id));
                    let new = Resting { price, energy, ..old };
                    if !self.enter((meter, client_id), new, false, now) {
                        self.link((meter, client_id), old);
                        self.notices.push((meter, Notice::Rejected { client_id }));
                    }
                }
            }
        }
    }

    pub(crate) fn sold_net_wh(&self, meter: u32, period: DeliveryPeriod) -> i64 {
        self.sold_wh.get(&(meter, period)).copied().unwrap_or(0)
    }

    fn knows(&mut self, meter: u32, client_id: u64) -> bool {
        assert!(client_id <= self.last_client_id[meter as usize], "a change of an order that never was");
        let known = self.orders.contains_key(&(meter, client_id));
        if !known {
            self.counts.unknown += 1;
            self.notices.push((meter, Notice::Rejected { client_id }));
        }
        known
    }

    fn enter(&mut self, name: Name, mut order: Resting, ioc: bool, now: LedgerTime) -> bool {
        let contract = Contract { area: AreaId(0), period: order.period };
        assert!(self.rules.price_is_valid(order.price), "{order:?} is off the tick");
        assert!(self.rules.energy_is_valid(order.energy), "{order:?} is off the lot");
        assert!(
            self.rules.opens_at(contract) <= now && now < self.rules.gate_closes_at(contract),
            "{order:?} at {now:?}"
        );
        let (import, export) = self.headroom[name.0 as usize];
        let sold = self.sold_net_wh(name.0, order.period);
        let used = self.resting_wh.get(&(name.0, order.period, order.side)).copied().unwrap_or(0) + wh(order.energy);
        let fits = match order.side {
            Side::Buy => used - sold <= import,
            Side::Sell => used + sold <= export,
        };
        if !fits {
            self.counts.over_headroom += 1;
            return false;
        }
        self.trade(name, &mut order);
        if ioc {
            self.notices.push((name.0, Notice::Gone { client_id: name.1, remaining: order.energy }));
        } else if order.energy.0 > 0 {
            self.arrivals += 1;
            order.arrival = self.arrivals;
            self.link(name, order);
        }
        true
    }

    fn trade(&mut self, name: Name, order: &mut Resting) {
        let opposite = order.side.opposite();
        while order.energy.0 > 0 {
            let book = self.books.entry((order.period, opposite)).or_default();
            let Some(maker) = book.values().find(|maker| maker.0 != name.0).copied() else { break };
            let resting = self.orders[&maker];
            if rank(order.side, order.price) > -rank(opposite, resting.price) {
                break;
            }
            let energy = order.energy.min(resting.energy);
            order.energy -= energy;
            self.reduce_silently(maker, energy);
            self.counts.trades += 1;
            let trade = self.counts.trades;
            for (meter, client_id) in [name, maker] {
                self.notices.push((meter, Notice::Trade { trade, client_id, energy, price: resting.price }));
            }
            let (buyer, seller) = if order.side == Side::Buy { (name.0, maker.0) } else { (maker.0, name.0) };
            *self.sold_wh.entry((seller, order.period)).or_default() += wh(energy);
            *self.sold_wh.entry((buyer, order.period)).or_default() -= wh(energy);
            self.supply.on_trade(buyer, seller, order.period, energy);
        }
    }

    fn reduce(&mut self, name: Name, by: Energy) {
        if self.reduce_silently(name, by) {
            self.notices.push((name.0, Notice::Gone { client_id: name.1, remaining: Energy::ZERO }));
        }
    }

    /// Whether nothing is left.
    fn reduce_silently(&mut self, name: Name, by: Energy) -> bool {
        let mut order = self.unlink(name);
        order.energy = Energy(order.energy.0.saturating_sub(by.0));
        if order.energy.0 > 0 {
            self.link(name, order);
        }
        order.energy.0 == 0
    }

    fn take_out(&mut self, name: Name) {
        let order = self.unlink(name);
        self.notices.push((name.0, Notice::Gone { client_id: name.1, remaining: order.energy }));
    }

    fn link(&mut self, name: Name, order: Resting) {
        let key = (rank(order.side, order.price), order.arrival);
        self.books.entry((order.period, order.side)).or_default().insert(key, name);
        *self.resting_wh.entry((name.0, order.period, order.side)).or_default() += wh(order.energy);
        self.orders.insert(name, order);
    }

    fn unlink(&mut self, name: Name) -> Resting {
        let order = self.orders.remove(&name).unwrap();
        let key = (rank(order.side, order.price), order.arrival);
        self.books.entry((order.period, order.side)).or_default().remove(&key).unwrap();
        *self.resting_wh.entry((name.0, order.period, order.side)).or_default() -= wh(order.energy);
        order
    }
}

pub(crate) fn tell(trader: &mut Prosumer, notice: Notice) {
    match notice {
        Notice::Trade { trade, client_id, energy, price } => trader.on_trade(trade, client_id, energy, price),
        Notice::Rejected { client_id } => trader.on_rejected(client_id),
        Notice::Gone { client_id, remaining } => trader.on_gone(client_id, remaining),
    }
}

/// Plays the day: everyone plans, then all bundles arrive in the order of the meters, then everyone hears what happened.
/// `post` decides what of the notices arrives, and may look at the traders after each batch.
pub(crate) fn play(
    town: &Town,
    mut post: impl FnMut(&mut [Prosumer], Vec<(u32, Notice)>, LedgerTime),
) -> (Vec<Prosumer>, ToyMarket, Vec<Vec<Intent>>) {
    let mut traders = town.prosumers();
    let mut market = ToyMarket::new(town);
    let mut sent = Vec::new();
    for now in town.batch_times() {
        market.advance(now);
        let notices = std::mem::take(&mut market.notices);
        post(&mut traders, notices, now);
        let bundles: Vec<Vec<Intent>> = traders.iter_mut().map(|trader| trader.plan(now)).collect();
        for (meter, bundle) in (0..).zip(&bundles) {
            for intent in bundle {
                market.submit(meter, *intent, now);
            }
        }
        sent.extend(bundles);
        let notices = std::mem::take(&mut market.notices);
        post(&mut traders, notices, now);
    }
    (traders, market, sent)
}

/// Post that always arrives.
pub(crate) fn reliable(traders: &mut [Prosumer], notices: Vec<(u32, Notice)>, _now: LedgerTime) {
    for (meter, notice) in notices {
        tell(&mut traders[meter as usize], notice);
    }
}

//! Which way each certified watt-hour goes (MARKET sections 7.5 and 8).
//!
//! A meter's sales of a period, oldest first, are one long stream of watt-hours, and so are its purchases. Its own resale passes through:
//! the first `min(sold, bought)` watt-hours of both streams are the same ones, in the same order. What it sold beyond that it made
//! itself, and what it bought beyond that it keeps.
//!
//! ```text
//! bought  | from A: 300      | from B: 200 |              sold 400, bought 500, net import 100
//!           |||||||||||||||||  |||||               kept: 100, the last of what B sold
//! sold    | to C: 250   | to D: 150      |
//! ```
//!
//! So a trade's watt-hour at the seller is one watt-hour of a trade before, or of the seller's own plant; at the buyer it is one of a
//! trade after, or is kept. No two lead to the same one.
//!
//! **Why every walk ends.** Because each watt-hour has at most one before it and one after it, they make chains and rings. A
//! certificate starts at a plant, which has nothing before it; so it is on a chain, never on a ring, however A sells to B, B to
//! C and C to A. A chain is as long as there is energy, though, so nothing passes more than [`HOPS_MAX`] hands: honest trading needs
//! two or three, and cutting one plant's energy ever finer at each hand would make work without end.

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

use gridbook_engine::{Energy, EnergySources, MeterId};

/// The most hands that a certificate goes through. What would go on stays where it is, active.
pub const HOPS_MAX: usize = 16;

/// One trade of the period, as far as certificates go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Whose sale it is.
    pub seller: MeterId,
    /// Whose purchase it is.
    pub buyer: MeterId,
    /// How much was traded.
    pub energy: Energy,
    /// What the seller said it delivers.
    pub sources: EnergySources,
}

/// One trade that a certificate went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The trade, by its place in the period's list.
    pub trade: usize,
    /// From here.
    pub seller: MeterId,
    /// To here.
    pub buyer: MeterId,
}

/// Why a certificate went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arrival {
    /// The last buyer kept the energy: it is his to claim.
    Kept,
    /// The plant gave out more than it sold.
    Unsold,
    /// The next trade was not delivered so far.
    Undelivered,
    /// The next seller sold energy of another source.
    OtherSource,
    /// It has gone through [`HOPS_MAX`] hands: whatever the next trade is.
    TooFar,
    /// It is not known yet what the next buyer took: it waits, and is followed again when that is known.
    Unsettled,
}

/// What became of watt-hours that go the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journey {
    /// How many of them, from the first one asked for; at least one.
    pub energy: Energy,
    /// With whom they are.
    pub holder: MeterId,
    /// Why there.
    pub arrival: Arrival,
}

/// The ways of one period: made once from all its trades, then asked for each plant.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    passages: Vec<Passage>,
    /// By meter number; short where the last meters traded nothing.
    streams: Vec<Stream>,
    /// The places in `passages` of all sales, by seller, oldest first.
    sales: Vec<u32>,
}

/// A trade with its place in both streams.
#[derive(Clone, Copy, Debug)]
struct Passage {
    leg: Leg,
    /// What the seller sold before it.
    sold_before: u64,
    /// What the buyer bought before it.
    bought_before: u64,
    /// How much of it was delivered: the first so many watt-hours. Where it is not known yet what its buyer took, as if he took it all.
    delivered: u64,
    /// Whether that is known.
    is_settled: bool,
}

/// What a meter traded in all.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    sold: u64,
    bought: u64,
    /// Where its sales begin in `sales`, and how many they are.
    sales_from: u32,
    sales: u32,
}

impl Routes {
    /// Lays out the trades of a period, oldest first. `net_wh` is what each meter's delivery counts as, export less import, whether
    /// it was measured or estimated: delivery is a matter of money first. None is not known yet: certificates go up to such a meter, and
    /// not on. What it took decides nothing about the ways of others, because where a meter's watt-hours stand in its streams follows
    /// from its trades.
    ///
    /// # Panics
    /// If a meter trades more than 2^64 watt-hours, or there are 2^32 trades; the limits of a meter's connection keep both out.
    pub fn new(legs: impl IntoIterator<Item = Leg>, net_wh: impl Fn(MeterId) -> Option<i128>) -> Self {
        let mut routes = Self::default();
        for leg in legs {
            routes.append(leg);
        }
        routes.sort_sales();
        routes.deliver(net_wh);
        routes
    }

    fn append(&mut self, leg: Leg) {
        let highest = index(leg.seller.max(leg.buyer));
        if self.streams.len() <= highest {
            self.streams.resize(highest + 1, Stream::default());
        }
        let seller = &mut self.streams[index(leg.seller)];
        let sold_before = seller.sold;
        seller.sold += leg.energy.0;
        seller.sales += 1;
        let buyer = &mut self.streams[index(leg.buyer)];
        let bought_before = buyer.bought;
        buyer.bought += leg.energy.0;
        self.passages.push(Passage { leg, sold_before, bought_before, delivered: 0, is_settled: true });
    }

    /// By counting: each seller's sales stand together, in their order.
    fn sort_sales(&mut self) {
        let mut from = 0;
        for stream in &mut self.streams {
            stream.sales_from = from;
            from += stream.sales;
        }
        let mut next: Vec<u32> = self.streams.iter().map(|stream| stream.sales_from).collect();
        self.sales = vec![0; self.passages.len()];
        for (place, passage) in (0..).zip(&self.passages) {
            let next = &mut next[index(passage.leg.seller)];
            self.sales[place_of(*next)] = place;
            *next += 1;
        }
    }

    /// The delivered energy of a trade is the smaller of its two sides, and of each side it is what comes first.
    fn deliver(&mut self, net_wh: impl Fn(MeterId) -> Option<i128>) {
        let reaches = |meter: MeterId, stream: &Stream| {
            let net_wh = net_wh(meter);
            (net_wh.map_or((stream.sold, stream.bought), |net_wh| stream.reach(net_wh)), net_wh.is_some())
        };
        let reaches: Vec<((u64, u64), bool)> =
            (0..).zip(&self.streams).map(|(number, stream)| reaches(MeterId(number), stream)).collect();
        for passage in &mut self.passages {
            let ((sold_until, _), _) = reaches[index(passage.leg.seller)];
            let ((_, bought_until), is_settled) = reaches[index(passage.leg.buyer)];
            passage.is_settled = is_settled;
            let at_seller = sold_until.saturating_sub(passage.sold_before);
            let at_buyer = bought_until.saturating_sub(passage.bought_before);
            passage.delivered = passage.leg.energy.0.min(at_seller).min(at_buyer);
        }
    }

    /// How much of a trade was delivered, as far as is known: where it is not known what its buyer took, as if he took it all.
    ///
    /// # Panics
    /// If there is no such trade.
    pub fn delivered(&self, trade: usize) -> Energy {
        Energy(self.passages[trade].delivered)
    }

    /// Follows the watt-hours of a plant's net export from the `from`-th one on, at most `most` of them and as many as go the same way.
    /// `hops` is cleared and then holds their trades in order.
    ///
    /// # Panics
    /// If `most` is none.
    pub fn follow(
        &self,
        plant: MeterId,
        source: EnergySources,
        from: Energy,
        most: Energy,
        hops: &mut Vec<Hop>,
    ) -> Journey {
        assert!(!most.is_zero(), "there is nothing to follow");
        hops.clear();
        let stream = self.streams.get(index(plant)).copied().unwrap_or_default();
        // What the plant sold beyond its resale it made itself, from the place `bought` of its sales on.
        let place = stream.bought.checked_add(from.0).filter(|place| *place < stream.sold);
        let Some(mut place) = place else { return Journey { energy: most, holder: plant, arrival: Arrival::Unsold } };
        let mut width = most.0.min(stream.sold - place);
        let mut holder = plant;
        loop {
            let trade = self.sale_at(holder, place);
            let Passage { leg, sold_before, bought_before, delivered, is_settled } = self.passages[trade];
            let within = place - sold_before;
            // What is known from the start comes first: the reason, too, is the same whether the next buyer's delivery is known yet or not.
            let (until, stop) = if hops.len() == HOPS_MAX {
                (leg.energy.0, Some(Arrival::TooFar))
            } else if !travels(source, leg.sources) {
                (leg.energy.0, Some(Arrival::OtherSource))
            } else if within >= delivered {
                (leg.energy.0, Some(Arrival::Undelivered))
            } else if !is_settled {
                (delivered, Some(Arrival::Unsettled))
            } else {
                (delivered, None)
            };
            width = width.min(until - within);
            if let Some(arrival) = stop {
                return Journey { energy: Energy(width), holder, arrival };
            }
            hops.push(Hop { trade, seller: leg.seller, buyer: leg.buyer });
            holder = leg.buyer;
            place = bought_before + within;
            // Of watt-hours that begin in the passing part some could be kept: not here, as the sale that they pass into ends there.
            if place >= self.streams[index(holder)].passes() {
                return Journey { energy: Energy(width), holder, arrival: Arrival::Kept };
            }
        }
    }

    /// The trade that a watt-hour of a meter's sales belongs to.
    fn sale_at(&self, seller: MeterId, place: u64) -> usize {
        let Stream { sales_from, sales, .. } = self.streams[index(seller)];
        let sales = &self.sales[place_of(sales_from)..place_of(sales_from + sales)];
        let behind = sales.partition_point(|sale| self.passages[place_of(*sale)].sold_before <= place);
        place_of(sales[behind.checked_sub(1).expect("sales begin at 0")])
    }
}

impl Stream {
    /// How much passes through.
    fn passes(&self) -> u64 {
        self.sold.min(self.bought)
    }

    /// Up to where sales and purchases were delivered: what passes through, and of the rest, which is on one side only, what the meter
    /// has for it.
    fn reach(&self, net_wh: i128) -> (u64, u64) {
        let net = u64::try_from(net_wh.unsigned_abs()).unwrap_or(u64::MAX);
        let (given, taken) = if net_wh > 0 { (net, 0) } else { (0, net) };
        let passes = self.passes();
        (passes + given.min(self.sold - passes), passes + taken.min(self.bought - passes))
    }
}

/// A certificate goes along with what was sold as its source, or as the grid's mix, which may be anything. A buyer who asked for solar can
/// only have met sellers of solar, so nothing else can come to him.
fn travels(source: EnergySources, sold_as: EnergySources) -> bool {
    EnergySources::GRID_MIX.is_within(sold_as) || source.is_within(sold_as)
}

fn index(meter: MeterId) -> usize {
    place_of(meter.0)
}

fn place_of(number: u32) -> usize {
    usize::try_from(number).expect("usize holds 32 bits")
}

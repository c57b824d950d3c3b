//! Drawn periods: the ledger's settlement and the twin's agree to the last nano, watt-hour and quality.

use std::collections::BTreeMap;

use gridbook_engine::{Energy, Money, Price, Side};
use gridbook_ledger::genesis::SettlementRules;
use gridbook_ledger::settlement::{
    AreaClose, AreaSums, Delivery, ImbalancePrices, MeterSettlement, Reference, Registers, Residual, ResidualQuality,
    ResidualRule, TradeSide, against_its_owner, delivered, delta, estimate, settle_meter,
};

use crate::twin::{self, Area, Known, Meter, Outcome, Period, Purse, Trade};

/// More than most drawn losses come to, and less than some.
const LOSS_BOUND_PPM: u32 = 80_000;

/// SplitMix64, the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Between the two, both possible.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(u64::try_from(to - from + 1).unwrap())).unwrap()
    }
}

pub(crate) fn draw(seed: u64) -> Period {
    let mut dice = Dice(seed);
    let mut period = Period::default();
    for area in 0..1 + u16::try_from(dice.below(3)).unwrap() {
        // The last hangs below the one before it as often as below the root.
        let parent = area.checked_sub(1).map(|before| before * u16::from(dice.one_in(2)));
        let drawn = Area { parent, ..draw_area(&mut dice) };
        period.areas.insert(area, drawn);
    }
    let meters = 1 + u32::try_from(dice.below(8)).unwrap();
    for number in 0..meters {
        let area = u16::try_from(dice.below(period.areas.len() as u64)).unwrap();
        let organisation = u32::try_from(dice.below(4)).unwrap();
        let (import_max, export_max) = (20 + dice.below(60), 20 + dice.below(60));
        let week_before = if dice.one_in(2) { Some(dice.below(50)) } else { None };
        let meter = Meter { area, organisation, start: None, end: None, import_max, export_max, week_before };
        period.meters.insert(number, meter);
    }
    // Now and then there is far too much wind.
    let (dearest, cheapest) = if dice.one_in(4) { (10, -140) } else { (150, -60) };
    for _ in 0..dice.below(4 * u64::from(meters)) {
        let mut anybody = || u32::try_from(dice.below(meters.into())).unwrap();
        let (buyer, seller) = (anybody(), anybody());
        if buyer != seller {
            let crosses = period.meters[&buyer].area != period.meters[&seller].area;
            let fee = if crosses { dice.between(0, 12) } else { 0 };
            let (seller_gets, energy) = (dice.between(cheapest, dearest), 1 + dice.below(25));
            let (buyer_pays, for_partner) = (seller_gets + fee, dice.one_in(6));
            period.trades.push(Trade { buyer, seller, energy, buyer_pays, seller_gets, for_partner });
        }
    }
    draw_readings(&mut dice, &mut period);
    draw_edges(&mut dice, &mut period);
    period
}

fn draw_area(dice: &mut Dice) -> Area {
    let (down_floor, up_cap) = (-dice.between(0, 50), dice.between(0, 120));
    let down = if dice.one_in(3) { down_floor } else { dice.between(down_floor, up_cap) };
    let up = if dice.one_in(6) { down } else { dice.between(down, up_cap) };
    let auction = if dice.one_in(3) { Some(dice.between(-80, 160)) } else { None };
    Area { up, down, up_cap, down_floor, auction, parent: None, edge: None, answered: false }
}

/// Most meters do nearly what they traded; some do what they like, some say nothing, some say what cannot be.
fn draw_readings(dice: &mut Dice, period: &mut Period) {
    for (number, meter) in &mut period.meters {
        let sum = |one: fn(&Trade) -> u32| -> i64 {
            let own = period.trades.iter().filter(|trade| one(trade) == *number);
            own.map(|trade| i64::try_from(trade.energy).unwrap()).sum()
        };
        let contracted = sum(|trade| trade.seller) - sum(|trade| trade.buyer);
        let net = match dice.below(4) {
            0 => contracted,
            1 => dice.between(-60, 60),
            _ => contracted + dice.between(-8, 8),
        };
        let both_ways = if dice.one_in(4) { dice.below(10) } else { 0 };
        let import = u64::try_from((-net).max(0)).unwrap() + both_ways;
        let export = u64::try_from(net.max(0)).unwrap() + both_ways;
        let start = [dice.below(1_000), dice.below(1_000), dice.below(1_000)];
        let mut end = [start[0] + import, start[1] + export, start[2] + 1];
        match dice.below(12) {
            0 => end = start,
            1 => end[usize::try_from(dice.below(3)).unwrap()] = dice.below(1_000),
            2 => end[2] = start[2],
            _ => {}
        }
        meter.start = if dice.one_in(25) { None } else { Some(start) };
        meter.end = if dice.one_in(15) { None } else { Some(end) };
    }
}

/// From below, so that what comes up is known. Some edges nobody reads, the others lose or find as much as is allowed.
fn draw_edges(dice: &mut Dice, period: &mut Period) {
    let areas: Vec<u16> = period.areas.keys().rev().copied().collect();
    for area in areas {
        let outcome = twin::settle(period);
        let bound = throughput(period, &outcome, area) * u64::from(LOSS_BOUND_PPM) / 1_000_000;
        let bound = i64::try_from(bound).unwrap();
        let ([net, below, ..], _) = outcome.residuals[&area];
        let read = net + below - dice.between(-bound, bound);
        period.areas.get_mut(&area).unwrap().edge = if dice.one_in(5) { None } else { Some(read) };
    }
}

pub(crate) fn throughput(period: &Period, outcome: &Outcome, area: u16) -> u64 {
    let of_area = outcome.deliveries.iter().filter(|(meter, _)| period.meters[meter].area == area);
    of_area.map(|(_, (import, export, _))| import + export).sum()
}

/// The trades of one meter with their places in the period's list.
pub(crate) fn sides(period: &Period, meter: u32) -> (Vec<TradeSide>, Vec<(usize, bool)>) {
    let price = |price: i64| Price(i32::try_from(price).unwrap());
    let (mut sides, mut places) = (Vec::new(), Vec::new());
    for (place, trade) in period.trades.iter().enumerate() {
        let energy = Energy(trade.energy);
        if trade.buyer == meter {
            sides.push(TradeSide { side: Side::Buy, price: price(trade.buyer_pays), energy });
            places.push((place, false));
        }
        if trade.seller == meter {
            sides.push(TradeSide { side: Side::Sell, price: price(trade.seller_gets), energy });
            places.push((place, true));
        }
    }
    (sides, places)
}

pub(crate) fn prices(period: &Period, area: u16) -> ImbalancePrices {
    let row = &period.areas[&area];
    let price = |price: i64| Price(i32::try_from(price).unwrap());
    let rules = SettlementRules {
        short_price_cap: price(row.up_cap),
        long_price_floor: price(row.down_floor),
        ..SettlementRules::metered()
    };
    let (money, energy) = twin::traded_between_organisations(period, area);
    let reference = match row.auction {
        Some(auction) => Reference::Auction(price(auction)),
        None => Reference::mean(Money(money.into()), Energy(u64::try_from(energy).unwrap())),
    };
    ImbalancePrices::new(price(row.up), price(row.down), &rules).unwrap().with_reference(reference)
}

fn delivery(meter: &Meter, sides: &[TradeSide], prices: &ImbalancePrices) -> (Delivery, bool) {
    let bought = Energy(sides.iter().filter(|trade| trade.side == Side::Buy).map(|trade| trade.energy.0).sum());
    let registers = |[import, export, counter]: [u64; 3]| Registers { import, export, counter };
    let (start, end) = (meter.start.map(registers), meter.end.map(registers));
    let (import_max, export_max) = (Energy(meter.import_max), Energy(meter.export_max));
    let measured = start.zip(end).and_then(|(start, end)| delta(&start, &end, import_max, export_max).ok());
    let taken = estimate(bought, meter.week_before.map(Energy));
    let estimated = || (against_its_owner(sides, taken, prices), true);
    measured.map_or_else(estimated, |delivery| (delivery, false))
}

/// All that the ledger's functions say of a period.
pub(crate) struct Settled {
    pub(crate) meters: BTreeMap<u32, MeterSettlement>,
    pub(crate) deliveries: BTreeMap<u32, (u64, u64, bool)>,
    pub(crate) delivered: BTreeMap<(usize, bool), u64>,
    pub(crate) areas: BTreeMap<u16, AreaClose>,
    pub(crate) residuals: BTreeMap<u16, Residual>,
}

pub(crate) fn settled(period: &Period, outcome: &Outcome) -> Settled {
    let (mut meters, mut deliveries, mut by_trade, mut areas) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut out = Vec::new();
    for (number, meter) in &period.meters {
        let (sides, places) = sides(period, *number);
        let prices = prices(period, meter.area);
        let (delivery, estimated) = delivery(meter, &sides, &prices);
        deliveries.insert(*number, (delivery.import.0, delivery.export.0, estimated));
        meters.insert(*number, settle_meter(&sides, delivery, &prices));
        delivered(&sides, delivery.net_wh(), &mut out);
        by_trade.extend(places.into_iter().zip(out.iter().map(|energy| energy.0)));
    }
    let mut residuals: BTreeMap<u16, Residual> = BTreeMap::new();
    // What lies below has a higher number.
    for (number, area) in period.areas.iter().rev() {
        let mut sums = AreaSums::new(exchange(period, *number));
        let of_area = meters.iter().filter(|(meter, _)| period.meters[*meter].area == *number);
        of_area.for_each(|(_, settled)| sums.add(settled));
        let throughput = throughput(period, outcome, *number);
        let children: Vec<u16> =
            period.areas.iter().filter(|(_, child)| child.parent == Some(*number)).map(|(child, _)| *child).collect();
        let below_wh = children.iter().map(|child| residuals[child].sent_up_wh).sum();
        let is_read_below = children.iter().all(|child| period.areas[child].edge.is_some());
        let residual = Residual::new(sums.net_wh, below_wh, is_read_below, area.edge);
        let (bound, prices) = (LOSS_BOUND_PPM, prices(period, *number));
        areas.insert(*number, sums.close(&prices, residual.losses_wh(), bound, throughput.into()).unwrap());
        residuals.insert(*number, residual);
    }
    Settled { meters, deliveries, delivered: by_trade, areas, residuals }
}

/// What trades send out of an area, from the trades alone.
fn exchange(period: &Period, area: u16) -> i128 {
    let sent = period.trades.iter().map(|trade| {
        let (from, to) = (period.meters[&trade.seller].area, period.meters[&trade.buyer].area);
        i128::from(trade.energy) * (i128::from(from == area) - i128::from(to == area))
    });
    sent.sum()
}

/// As the twin says it.
pub(crate) fn plain(residual: &Residual) -> ([i64; 4], Known) {
    let Residual { net_wh, below_wh, sent_up_wh, quality } = *residual;
    let known = match quality {
        ResidualQuality::Measured | ResidualQuality::Corrected => Known::Read,
        ResidualQuality::Estimated(ResidualRule::NoReading) => Known::Unread,
        ResidualQuality::Estimated(ResidualRule::NoReadingBelow) => Known::UnreadBelow,
        ResidualQuality::AsTraded => panic!("meters are read here"),
    };
    ([net_wh, below_wh, sent_up_wh, residual.losses_wh()].map(|wh| i64::try_from(wh).unwrap()), known)
}

#[track_caller]
fn agree(seed: u64) {
    let period = draw(seed);
    let outcome = twin::settle(&period);
    let Settled { meters, deliveries, delivered, areas, residuals } = settled(&period, &outcome);
    assert_eq!(deliveries, outcome.deliveries, "readings, seed {seed}");
    let charges: BTreeMap<u32, (i128, i128)> =
        meters.iter().map(|(meter, one)| (*meter, (one.own_trades.0, one.rest.0))).collect();
    assert_eq!(charges, outcome.charges, "charges, seed {seed}");
    assert_eq!(delivered, outcome.delivered, "delivered energy, seed {seed}");
    for (area, closed) in &areas {
        let AreaClose { upstream_wh, upstream, losses, surplus, .. } = *closed;
        assert_eq!(upstream_wh, i128::from(outcome.upstream[area]), "upstream, seed {seed}");
        let paid_upstream = outcome.purses.get(&Purse::Upstream(*area)).copied().unwrap_or(0);
        assert_eq!(upstream.0, paid_upstream, "paid upstream, seed {seed}");
        assert_eq!(losses.0, outcome.losses[area], "losses, seed {seed}");
        assert_eq!(surplus.0, outcome.surplus[area], "surplus, seed {seed}");
    }
    for (area, residual) in &residuals {
        assert_eq!(plain(residual), outcome.residuals[area], "residual, seed {seed}");
    }
}

#[test]
fn settlement_and_its_twin_agree_on_drawn_periods() {
    (0..4_000).for_each(agree);
}

/// What is drawn is no use if it never happens: every kind of period is there in numbers.
#[test]
fn drawn_periods_hold_all_that_can_happen() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut see = |what, is_there: bool| *seen.entry(what).or_default() += u32::from(is_there);
    for seed in 0..1_000 {
        let period = draw(seed);
        let outcome = twin::settle(&period);
        let settled = settled(&period, &outcome);
        for (number, meter) in &settled.meters {
            let (_, _, estimated) = settled.deliveries[number];
            see("estimated", estimated);
            let bought = period.trades.iter().any(|trade| trade.buyer == *number);
            see("taken for idle, since taking is paid for", estimated && bought && settled.deliveries[number].0 == 0);
            see("short of own sales", meter.imbalance_wh < 0 && meter.own_trades != Money::ZERO);
            see("short beyond them", meter.imbalance_wh < 0 && meter.rest != Money::ZERO);
            see("long of own purchases", meter.imbalance_wh > 0 && meter.own_trades != Money::ZERO);
            see("long beyond them", meter.imbalance_wh > 0 && meter.rest != Money::ZERO);
            see("paid for being short", meter.imbalance_wh < 0 && meter.charge() < Money::ZERO);
            see("paying for being long", meter.imbalance_wh > 0 && meter.charge() > Money::ZERO);
            let (sides, _) = sides(&period, *number);
            let has = |side| sides.iter().any(|trade| trade.side == side);
            see("resale", has(Side::Buy) && has(Side::Sell));
            let plain = prices(&period, period.meters[number].area).with_reference(Reference::None);
            let referred = prices(&period, period.meters[number].area);
            see("a reference that bites", plain != referred && meter.rest != Money::ZERO);
        }
        for closed in settled.areas.values() {
            see("bought upstream", closed.upstream_wh < 0);
            see("sold upstream", closed.upstream_wh > 0);
            see("lost", closed.losses_wh > 0);
            see("found", closed.losses_wh < 0);
        }
        for (_, known) in outcome.residuals.values() {
            see("an edge that nobody read", *known == Known::Unread);
            see("an edge below that nobody read", *known == Known::UnreadBelow);
        }
        see("sent over an edge", (0..3).any(|area| exchange(&period, area) != 0));
    }
    assert!(seen.len() == 17 && seen.values().all(|times| *times > 50), "{seen:?}");
}

//! The same ways, written by the text of the rules: every watt-hour is a thing of its own that is handed from meter to meter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gridbook_engine::{EnergySources, MeterId};

use super::{Arrival, HOPS_MAX, Leg};

/// One watt-hour of one trade.
type WattHour = (usize, u64);

pub(super) struct NaiveTown {
    legs: Vec<Leg>,
    /// For a watt-hour that was bought and sold again: which one it became.
    resold_as: BTreeMap<WattHour, WattHour>,
    /// What each meter sold of its own making.
    own: BTreeMap<MeterId, Vec<WattHour>>,
    delivered: Vec<u64>,
    /// Of whom it is not known what they took.
    unsettled: BTreeSet<MeterId>,
}

impl NaiveTown {
    pub(super) fn new(legs: &[Leg], net_wh: &BTreeMap<MeterId, Option<i64>>) -> Self {
        let (resold_as, own) = (BTreeMap::new(), BTreeMap::new());
        let unsettled = net_wh.iter().filter(|(_, net)| net.is_none()).map(|(meter, _)| *meter).collect();
        let mut town = Self { legs: legs.to_vec(), resold_as, own, delivered: Vec::new(), unsettled };
        let (mut given, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for (meter, net) in net_wh {
            town.hand_on(*meter, *net, &mut given, &mut taken);
        }
        town.delivered = (0..legs.len())
            .map(|trade| {
                let count = |side: &BTreeSet<WattHour>| side.range((trade, 0)..(trade + 1, 0)).count() as u64;
                count(&given).min(count(&taken))
            })
            .collect();
        town
    }

    /// What one meter did with its watt-hours.
    fn hand_on(
        &mut self,
        meter: MeterId,
        net: Option<i64>,
        given: &mut BTreeSet<WattHour>,
        taken: &mut BTreeSet<WattHour>,
    ) {
        let all_of = |is_his: &dyn Fn(&Leg) -> bool| {
            let trades = self.legs.iter().enumerate().filter(|(_, leg)| is_his(leg));
            trades.flat_map(|(trade, leg)| (0..leg.energy.0).map(move |wh| (trade, wh))).collect::<VecDeque<_>>()
        };
        let mut sold = all_of(&|leg| leg.seller == meter);
        let mut bought = all_of(&|leg| leg.buyer == meter);
        while let (Some(from), Some(to)) = (bought.front(), sold.front()) {
            self.resold_as.insert(*from, *to);
            taken.insert(*from);
            given.insert(*to);
            bought.pop_front();
            sold.pop_front();
        }
        // Of whom nothing is known, nothing is certainly missing.
        let (gives, takes) = net.map_or((i64::MAX, i64::MAX), |net| (net.max(0), (-net).max(0)));
        given.extend(sold.iter().take(usize::try_from(gives).unwrap()));
        taken.extend(bought.iter().take(usize::try_from(takes).unwrap()));
        self.own.insert(meter, sold.into());
    }

    pub(super) fn delivered(&self, trade: usize) -> u64 {
        self.delivered[trade]
    }

    /// The way of the `number`-th watt-hour of a plant: the trades, where it ends, and why.
    pub(super) fn walk(&self, plant: MeterId, source: EnergySources, number: u64) -> (Vec<usize>, MeterId, Arrival) {
        let (mut hops, mut holder) = (Vec::new(), plant);
        let own = self.own.get(&plant).and_then(|own| own.get(usize::try_from(number).unwrap()));
        let Some(mut next) = own.copied() else { return (hops, holder, Arrival::Unsold) };
        loop {
            let (trade, wh) = next;
            let leg = self.legs[trade];
            if hops.len() == HOPS_MAX {
                return (hops, holder, Arrival::TooFar);
            }
            let anything = EnergySources::GRID_MIX.bits() & leg.sources.bits() != 0;
            if !anything && source.bits() & leg.sources.bits() == 0 {
                return (hops, holder, Arrival::OtherSource);
            }
            if wh >= self.delivered[trade] {
                return (hops, holder, Arrival::Undelivered);
            }
            if self.unsettled.contains(&leg.buyer) {
                return (hops, holder, Arrival::Unsettled);
            }
            hops.push(trade);
            holder = leg.buyer;
            match self.resold_as.get(&next) {
                Some(resold) => next = *resold,
                None => return (hops, holder, Arrival::Kept),
            }
        }
    }
}

//! The block orders that wait for the auction of their periods.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::MeterId;
use crate::event::OrderRef;
use crate::limits::OrderTerms;
use crate::order::{NewBlock, OrderId, OrderTag, Side};
use crate::rules::MarketRules;
use crate::units::Energy;
use crate::{Contract, DeliveryPeriod};

/// All waiting blocks, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    next: u64,
    waiting: BTreeMap<u64, NewBlock>,
    by_tag: BTreeMap<OrderTag, u64>,
    /// By their first period, whose gate comes first.
    by_first: BTreeSet<(DeliveryPeriod, u64)>,
}

impl Blocks {
    pub(crate) fn push(&mut self, block: NewBlock) {
        self.put_back(self.next, block);
        self.next += 1;
    }

    /// Takes the newest out, as if it had never come.
    pub(crate) fn pop(&mut self) -> Option<NewBlock> {
        self.next -= 1;
        self.waiting.contains_key(&self.next).then(|| self.remove(self.next))
    }

    pub(crate) fn remove(&mut self, arrival: u64) -> NewBlock {
        let block = self.waiting.remove(&arrival).expect("a block that waits is taken out");
        self.by_tag.remove(&block.tag);
        self.by_first.remove(&(block.first_period(), arrival));
        block
    }

    pub(crate) fn put_back(&mut self, arrival: u64, block: NewBlock) {
        self.by_tag.insert(block.tag, arrival);
        self.by_first.insert((block.first_period(), arrival));
        self.waiting.insert(arrival, block);
    }

    /// The block of this name, if it waits.
    pub(crate) fn find(&self, tag: OrderTag) -> Option<u64> {
        self.by_tag.get(&tag).copied()
    }

    pub(crate) fn find_owned(&self, tag: OrderTag, meter: MeterId) -> Option<u64> {
        self.find(tag).filter(|arrival| self.waiting[arrival].meter == meter)
    }

    pub(crate) fn get(&self, arrival: u64) -> &NewBlock {
        &self.waiting[&arrival]
    }

    /// The first period of any that wait.
    pub(crate) fn first_period(&self) -> Option<DeliveryPeriod> {
        self.by_first.first().map(|&(period, _)| period)
    }

    /// All that wait, by arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &NewBlock)> {
        self.waiting.iter().map(|(&arrival, block)| (arrival, block))
    }
}

impl NewBlock {
    /// How events name it: a block has no handle.
    pub(crate) fn order_ref(&self) -> OrderRef {
        OrderRef { id: OrderId(0), tag: self.tag, account: self.account, meter: self.meter }
    }

    /// What its reservation for one period depends on.
    ///
    /// In a single period a block's price is bounded by the market's limits only, so that is what is set aside for it.
    pub(crate) fn terms(&self, period: DeliveryPeriod, rules: &MarketRules) -> OrderTerms {
        let Self { tag, account, meter, area, side, .. } = *self;
        let price = match side {
            Side::Buy => rules.price_max,
            Side::Sell => rules.price_min,
        };
        OrderTerms { tag, account, meter, contract: Contract { period, area }, side, price }
    }

    /// Its first period: a block has at least one.
    fn first_period(&self) -> DeliveryPeriod {
        self.energies.first().map(|&(period, _)| period).unwrap_or_default()
    }

    /// All its energy; nothing if it is more than can be counted.
    pub(crate) fn energy(&self) -> Option<Energy> {
        self.energies.iter().try_fold(Energy::ZERO, |sum, &(_, energy)| sum.checked_add(energy))
    }
}

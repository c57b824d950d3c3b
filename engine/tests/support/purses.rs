//! Limits that keep count of every watt-hour and every coin, and notice when one is freed twice, filled twice, or paid beyond a limit.

use std::collections::BTreeMap;

use gridbook_engine::{
    AccountId, AreaId, DeliveryPeriod, Energy, Limits, Money, OrderTag, OrderTerms, Price, Reject, Side,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Reserve(OrderTerms, Energy),
    Release(OrderTerms, Energy),
    Fill(OrderTerms, Energy, Price),
    Collect(AreaId, DeliveryPeriod, Money, Money),
}

/// What all entries add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// What is set aside for the orders of each tag.
    pub(crate) held: BTreeMap<OrderTag, i128>,
    by_account: BTreeMap<AccountId, i128>,
    pub(crate) paid: i128,
    pub(crate) received: i128,
    pub(crate) collected: i128,
    pub(crate) bought: i128,
    pub(crate) sold: i128,
}

/// Each account may hold at most `budget` Wh in open orders.
#[derive(Clone, Debug)]
pub(crate) struct Purses {
    budget: u128,
    pub(crate) entries: Vec<Entry>,
    pub(crate) totals: Totals,
}

impl Purses {
    pub(crate) fn new(budget: u128) -> Self {
        Self { budget, entries: Vec::new(), totals: Totals::default() }
    }

    fn note(&mut self, entry: Entry) {
        self.totals.add(&entry, 1);
        self.entries.push(entry);
    }
}

impl Totals {
    fn add(&mut self, entry: &Entry, times: i128) {
        let hold = |totals: &mut Self, terms: &OrderTerms, energy: i128| {
            for held in [totals.held.entry(terms.tag).or_default(), totals.by_account.entry(terms.account).or_default()]
            {
                *held += energy * times;
                assert!(*held >= 0, "no more is filled and freed than was reserved: {terms:?}");
            }
        };
        match *entry {
            Entry::Reserve(terms, energy) => hold(self, &terms, i128::from(energy.0)),
            Entry::Release(terms, energy) => hold(self, &terms, -i128::from(energy.0)),
            Entry::Fill(terms, energy, price) => {
                hold(self, &terms, -i128::from(energy.0));
                let (money, counted) = match terms.side {
                    Side::Buy => (&mut self.paid, &mut self.bought),
                    Side::Sell => (&mut self.received, &mut self.sold),
                };
                *money += price.times(energy).0 * times;
                *counted += i128::from(energy.0) * times;
            }
            Entry::Collect(_, _, fee, rent) => self.collected += (fee.0 + rent.0) * times,
        }
    }
}

impl Limits for Purses {
    type Mark = usize;

    fn reserve(&mut self, terms: &OrderTerms, energy: Energy) -> Result<(), Reject> {
        let held = self.totals.by_account.get(&terms.account).copied().unwrap_or(0);
        if held.unsigned_abs() + u128::from(energy.0) > self.budget {
            return Err(Reject::CreditHeadroom);
        }
        self.note(Entry::Reserve(*terms, energy));
        Ok(())
    }

    fn release(&mut self, terms: &OrderTerms, energy: Energy) {
        assert!(!energy.is_zero(), "freeing nothing is noise");
        self.note(Entry::Release(*terms, energy));
    }

    fn fill(&mut self, terms: &OrderTerms, energy: Energy, price: Price) {
        assert!(!energy.is_zero(), "filling nothing is noise");
        self.note(Entry::Fill(*terms, energy, price));
    }

    fn collect(&mut self, child: AreaId, period: DeliveryPeriod, fee: Money, rent: Money) {
        assert!(fee >= Money::ZERO && rent >= Money::ZERO, "an operator never pays for its edge: {fee} and {rent}");
        self.note(Entry::Collect(child, period, fee, rent));
    }

    fn mark(&self) -> usize {
        self.entries.len()
    }

    fn rollback(&mut self, mark: usize) {
        // Newest first, so that nothing falls below zero on the way.
        while self.entries.len() > mark {
            let entry = self.entries.pop().expect("there are more than that");
            self.totals.add(&entry, -1);
        }
    }
}

//! Limits that keep count of every watt-hour and notice when one is freed twice, filled twice or traded beyond its limit.

use std::collections::BTreeMap;

use gridbook_engine::{
    AccountId, AreaId, DeliveryPeriod, Energy, Limits, Money, OrderTag, OrderTerms, Price, Reject, Side,
};

/// What became of the energy that was reserved for the orders of one tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) reserved: u64,
    pub(crate) filled: u64,
    pub(crate) released: u64,
}

impl Account {
    pub(crate) fn held(&self) -> u64 {
        self.reserved.checked_sub(self.filled + self.released).expect("no more is filled and freed than was reserved")
    }
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Reserve,
    Release,
    Fill,
}

/// Each account may hold at most `budget` Wh in open orders.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    budget: u64,
    pub(crate) by_tag: BTreeMap<OrderTag, Account>,
    held: BTreeMap<AccountId, u64>,
    entries: Vec<(Entry, OrderTag, AccountId, u64)>,
}

impl Accounts {
    pub(crate) fn new(budget: u64) -> Self {
        Self { budget, by_tag: BTreeMap::new(), held: BTreeMap::new(), entries: Vec::new() }
    }

    pub(crate) fn held(&self, tag: OrderTag) -> u64 {
        self.by_tag.get(&tag).map_or(0, Account::held)
    }

    fn note(&mut self, entry: Entry, terms: &OrderTerms, energy: Energy) {
        let account = self.by_tag.entry(terms.tag).or_default();
        let held = self.held.entry(terms.account).or_default();
        match entry {
            Entry::Reserve => (account.reserved, *held) = (account.reserved + energy.0, *held + energy.0),
            Entry::Release => (account.released, *held) = (account.released + energy.0, *held - energy.0),
            Entry::Fill => (account.filled, *held) = (account.filled + energy.0, *held - energy.0),
        }
        account.held();
        self.entries.push((entry, terms.tag, terms.account, energy.0));
    }
}

impl Limits for Accounts {
    type Mark = usize;

    fn reserve(&mut self, terms: &OrderTerms, energy: Energy) -> Result<(), Reject> {
        if self.held.get(&terms.account).copied().unwrap_or(0) + energy.0 > self.budget {
            return Err(Reject::CreditHeadroom);
        }
        self.note(Entry::Reserve, terms, energy);
        Ok(())
    }

    fn release(&mut self, terms: &OrderTerms, energy: Energy) {
        assert!(!energy.is_zero(), "freeing nothing is noise");
        self.note(Entry::Release, terms, energy);
    }

    fn fill(&mut self, terms: &OrderTerms, energy: Energy, price: Price) {
        match terms.side {
            Side::Buy => assert!(price <= terms.price, "nobody pays above his limit"),
            Side::Sell => assert!(price >= terms.price, "nobody receives below his limit"),
        }
        self.note(Entry::Fill, terms, energy);
    }

    fn collect(&mut self, _: AreaId, _: DeliveryPeriod, fee: Money, rent: Money) {
        assert!(fee >= Money::ZERO && rent >= Money::ZERO, "an operator never pays for its edge");
    }

    fn mark(&self) -> usize {
        self.entries.len()
    }

    fn rollback(&mut self, mark: usize) {
        for (entry, tag, account, energy) in self.entries.drain(mark..).rev() {
            let by_tag = self.by_tag.get_mut(&tag).unwrap();
            let held = self.held.get_mut(&account).unwrap();
            match entry {
                Entry::Reserve => (by_tag.reserved, *held) = (by_tag.reserved - energy, *held - energy),
                Entry::Release => (by_tag.released, *held) = (by_tag.released - energy, *held + energy),
                Entry::Fill => (by_tag.filled, *held) = (by_tag.filled - energy, *held + energy),
            }
        }
    }
}

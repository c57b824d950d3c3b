//! Limits for the engine in a benchmark: the least that limits can be.

use gridbook_engine::{
    AccountId, AreaId, DeliveryPeriod, Energy, Limits, Money, OrderTerms, Price, Reject, Side, Unlimited,
};

use crate::workload::OWNERS;

/// Limits that a benchmark can make and keep short.
pub trait BenchLimits: Limits {
    /// For [`OWNERS`] owners.
    fn fresh() -> Self;
    /// Gives up going back.
    fn forget(&mut self);
}

impl BenchLimits for Unlimited {
    fn fresh() -> Self {
        Self
    }
    fn forget(&mut self) {}
}

/// Money and headroom of every owner, each change remembered so that it can be undone.
#[derive(Debug)]
pub struct Purses {
    purses: Vec<Purse>,
    journal: Vec<(u32, Purse)>,
    forgotten: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Purse {
    balance: i64,
    reserved: i64,
    open: u64,
    traded: u64,
}

/// So much that no order of a workload is refused.
const MONEY: i64 = 1 << 60;

impl Purses {
    fn change(&mut self, account: AccountId) -> &mut Purse {
        let purse = &mut self.purses[account.0 as usize];
        self.journal.push((account.0, *purse));
        purse
    }
}

fn cost(terms: &OrderTerms, price: Price, energy: Energy) -> i64 {
    match terms.side {
        Side::Buy => i64::from(price.0) * i64::try_from(energy.0).expect("a workload's energies are small"),
        Side::Sell => 0,
    }
}

impl Limits for Purses {
    type Mark = usize;

    fn reserve(&mut self, terms: &OrderTerms, energy: Energy) -> Result<(), Reject> {
        let needed = cost(terms, terms.price, energy);
        let purse = self.purses[terms.account.0 as usize];
        if purse.balance - purse.reserved < needed {
            return Err(Reject::CreditMoney);
        }
        let purse = self.change(terms.account);
        purse.reserved += needed;
        purse.open += energy.0;
        Ok(())
    }

    fn release(&mut self, terms: &OrderTerms, energy: Energy) {
        let purse = self.change(terms.account);
        purse.reserved -= cost(terms, terms.price, energy);
        purse.open -= energy.0;
    }

    fn fill(&mut self, terms: &OrderTerms, energy: Energy, price: Price) {
        let purse = self.change(terms.account);
        purse.reserved -= cost(terms, terms.price, energy);
        purse.balance -= cost(terms, price, energy);
        purse.open -= energy.0;
        purse.traded += energy.0;
    }

    fn collect(&mut self, _: AreaId, _: DeliveryPeriod, _: Money, _: Money) {}

    fn mark(&self) -> usize {
        self.forgotten + self.journal.len()
    }

    fn rollback(&mut self, mark: usize) {
        for (account, before) in self.journal.drain(mark - self.forgotten..).rev() {
            self.purses[account as usize] = before;
        }
    }
}

impl BenchLimits for Purses {
    fn fresh() -> Self {
        let purse = Purse { balance: MONEY, ..Purse::default() };
        Self { purses: vec![purse; OWNERS as usize], journal: Vec::new(), forgotten: 0 }
    }

    fn forget(&mut self) {
        self.forgotten += self.journal.len();
        self.journal.clear();
    }
}

//! Whether the state fits together: everything that is kept twice is computed again from the other side.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, DeliveryPeriod, MeterId, Money, Side};

use super::tables::Name;
use super::{State, SystemAccount};

/// Two accounts of the same thing that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// Money was made or lost.
    #[error("all balances together hold {0} instead of nothing")]
    Money(Money),
    /// Clearing holds more or less than it owes.
    #[error("clearing holds {holds} and owes {owes}")]
    Clearing {
        /// What it holds.
        holds: Money,
        /// What it owes.
        owes: Money,
    },
    /// An account spent what it did not have.
    #[error("account {} has less than it has reserved", .0.0)]
    Overdrawn(AccountId),
    /// An account has more or less reserved than its orders and trades ask for.
    #[error("account {} has reserved something else than its orders and trades need", .0.0)]
    Reserved(AccountId),
    /// A meter's open energy is not that of its orders.
    #[error("meter {} has other energy open in period {} than its orders", .0.0, .1.0)]
    Resting(MeterId, DeliveryPeriod),
    /// An order without its name, or a name without its order.
    #[error("order {} of meter {} has lost its name or the name its order", .1, .0.0)]
    Name(MeterId, u64),
    /// The books stand at another time.
    #[error("the books stand at another time than the accounts")]
    Time,
}

impl State {
    /// Computes again from books and payables what accounts, positions and names say. Walks through everything: for tests,
    /// simulations and restored snapshots.
    ///
    /// # Errors
    /// The first difference found.
    pub fn audit(&self) -> Result<(), AuditError> {
        if self.engine.now() != self.time() {
            return Err(AuditError::Time);
        }
        self.audit_money()?;
        self.audit_reserved()?;
        self.audit_resting()?;
        self.audit_names()
    }

    fn audit_money(&self) -> Result<(), AuditError> {
        let sum = self.money_sum();
        if sum != Money::ZERO {
            return Err(AuditError::Money(sum));
        }
        for table in self.tables.periods().values() {
            let owes = table.payables.values().fold(Money::ZERO, |sum, payable| sum + payable.owed);
            if owes != table.cleared {
                return Err(AuditError::Clearing { holds: table.cleared, owes });
            }
        }
        let (holds, owes) = (self.system_account(SystemAccount::Clearing).balance, self.payables_sum());
        if holds == owes { Ok(()) } else { Err(AuditError::Clearing { holds, owes }) }
    }

    fn audit_reserved(&self) -> Result<(), AuditError> {
        let mut reserved: BTreeMap<AccountId, Money> = BTreeMap::new();
        for order in self.engine.resting() {
            let amount = self.tables.collateral.reserve(order.terms.side, order.terms.price, order.remaining);
            *reserved.entry(order.terms.account).or_default() += amount;
        }
        for ((_, account), payable) in self.tables.periods().values().flat_map(|table| &table.payables) {
            *reserved.entry(*account).or_default() += payable.held;
        }
        for (number, account) in (0..).zip(self.tables.accounts()) {
            let number = AccountId(number);
            if account.reserved != reserved.remove(&number).unwrap_or_default() {
                return Err(AuditError::Reserved(number));
            }
            if account.reserved < Money::ZERO || account.free() < Money::ZERO {
                return Err(AuditError::Overdrawn(number));
            }
        }
        reserved.into_keys().next().map_or(Ok(()), |account| Err(AuditError::Reserved(account)))
    }

    fn audit_resting(&self) -> Result<(), AuditError> {
        let mut resting: BTreeMap<(DeliveryPeriod, MeterId), (u128, u128)> = BTreeMap::new();
        for order in self.engine.resting() {
            let (buys, sells) = resting.entry((order.terms.contract.period, order.terms.meter)).or_default();
            *(if order.terms.side == Side::Buy { buys } else { sells }) += u128::from(order.remaining.0);
        }
        for (period, table) in self.tables.periods() {
            for (meter, position) in (0..).map(MeterId).zip(&table.positions) {
                let open = resting.remove(&(*period, meter)).unwrap_or_default();
                if open != (position.resting_buys.0.into(), position.resting_sells.0.into()) {
                    return Err(AuditError::Resting(meter, *period));
                }
            }
        }
        resting.into_keys().next().map_or(Ok(()), |(period, meter)| Err(AuditError::Resting(meter, period)))
    }

    fn audit_names(&self) -> Result<(), AuditError> {
        for order in self.engine.resting() {
            let (meter, client_id) = (order.terms.meter, order.terms.tag.0);
            let expected = Name { period: order.terms.contract.period, order: Some(order.order.id) };
            let named = self.tables.meter(meter).and_then(|meter| Some((meter.facts, meter.names.get(&client_id)?)));
            if !named.is_some_and(|(facts, name)| *name == expected && facts.account == order.terms.account) {
                return Err(AuditError::Name(meter, client_id));
            }
        }
        for (number, meter) in (0..).map(MeterId).zip(self.tables.meters()) {
            for (client_id, name) in &meter.names {
                if name.order.is_some_and(|order| self.engine.resting_order(order).is_none()) {
                    return Err(AuditError::Name(number, *client_id));
                }
            }
        }
        Ok(())
    }
}

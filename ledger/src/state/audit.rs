//! Whether the state fits together: everything that is kept twice is computed again from the other side.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Side};

use super::tables::{Holder, KeyUse, Name, Position, ReadingTable, Stage, Standing};
use super::{State, SystemAccount, index};
use crate::conduct::Bearer;
use crate::registry::{OrganisationId, Subject};

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
    /// The grid's account holds something else than the edges have brought.
    #[error("the grid's account holds {holds}, and the edges have brought {brought}")]
    Grid {
        /// What it holds.
        holds: Money,
        /// What edges have brought.
        brought: Money,
    },
    /// What meters bought of a period's energy is not what meters sold.
    #[error("in period {} meters bought {bought} Wh and sold {sold} Wh", .period.0)]
    Energy {
        /// The period.
        period: DeliveryPeriod,
        /// What all together bought.
        bought: u128,
        /// What all together sold.
        sold: u128,
    },
    /// A meter's position is not the sum of its trades.
    #[error("meter {} has bought and sold something else than its trades say", .0.0)]
    Traded(MeterId),
    /// What is kept of a contract is not what its trades and meters come to.
    #[error("the sums of area {} in period {} are not those of its meters", .0.area.0, .0.period.0)]
    Sums(Contract),
    /// The virtual meter of a settled area shows something else than its meters gave.
    #[error("the residual of area {} in period {} does not fit its meters", .0.area.0, .0.period.0)]
    Residual(Contract),
    /// A meter is settled with somebody else than its owner of then.
    #[error("meter {} is settled in period {} with somebody whose it was not", .0.0, .1.0)]
    Owner(MeterId, DeliveryPeriod),
    /// A meter is read, or settled, in a period that had begun before it was registered.
    #[error("meter {} is read or settled in period {}, which began before it was there", .0.0, .1.0)]
    TooEarly(MeterId, DeliveryPeriod),
    /// What periods wait for is not what their rows say.
    #[error("periods wait for something else than their rows say")]
    Agenda,
    /// The imbalance account holds something else than contracts that are being settled have there.
    #[error("the imbalance account holds {holds}, and contracts have {theirs} there")]
    Imbalance {
        /// What it holds.
        holds: Money,
        /// What contracts have there.
        theirs: Money,
    },
    /// The default account has paid something else than accounts owe it.
    #[error("the default account has paid {paid}, and accounts owe it {owed}")]
    Default {
        /// What it has paid and not had back.
        paid: Money,
        /// What accounts owe it.
        owed: Money,
    },
    /// An account owes something though it could pay it back, or has something open.
    #[error("account {} owes something and has free money or open orders", .0.0)]
    Debt(AccountId),
    /// An account spent what it did not have.
    #[error("account {} has less than it has reserved", .0.0)]
    Overdrawn(AccountId),
    /// An account has more or less reserved than its orders and trades ask for.
    #[error("account {} has reserved something else than its orders and trades need", .0.0)]
    Reserved(AccountId),
    /// An account's score, or its share of collateral, is not what follows from what stands against it.
    #[error("account {} has another score or share than what stands against it gives", .0.0)]
    Score(AccountId),
    /// What is counted of a meter's failures to deliver is not what it sold and what is remembered of it.
    #[error("what is counted of the failures of meter {} does not fit what it sold in period {}", .0.0, .1.0)]
    Failure(MeterId, DeliveryPeriod),
    /// A meter's grants are not what its leaf says of them, or are more than there may be.
    #[error("meter {} has granted something else than its row says", .0.0)]
    Consent(MeterId),
    /// A meter's open energy is not that of its orders.
    #[error("meter {} has other energy open in period {} than its orders", .0.0, .1.0)]
    Resting(MeterId, DeliveryPeriod),
    /// An order without its name, or a name without its order.
    #[error("order {} of meter {} has lost its name or the name its order", .1, .0.0)]
    Name(MeterId, u64),
    /// Blocks that wait without a name, or names of blocks that do not.
    #[error("other blocks wait in the books than there are names for")]
    Blocks,
    /// An issuer's certificates are not where its counts say.
    #[error("the certificates of area {} do not add up", .0.0)]
    Certificates(AreaId),
    /// Certificates for energy that was not measured, or claims of energy that was not taken in.
    #[error("the certificates of period {} stand for other energy than was measured", .0.0)]
    CertificatesOf(DeliveryPeriod),
    /// A key that does not lead back to whose it is, or a meter that is not listed with its account.
    #[error("the registry does not know {0} by its key or its account")]
    Registry(&'static str),
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
        self.audit_conduct()?;
        self.audit_consent()?;
        self.audit_reserved()?;
        self.audit_debts()?;
        self.audit_traded()?;
        self.audit_settlement()?;
        self.audit_certificates()?;
        self.audit_resting()?;
        self.audit_names()?;
        self.audit_waiting()?;
        self.audit_registry()
    }

    fn audit_money(&self) -> Result<(), AuditError> {
        let sum = self.money_sum();
        if sum != Money::ZERO || self.money_kept() != sum {
            return Err(AuditError::Money(sum));
        }
        for table in self.tables.periods().values() {
            let owes = table.positions.rows().fold(Money::ZERO, |sum, (_, position)| sum + position.owed);
            if owes != table.cleared {
                return Err(AuditError::Clearing { holds: table.cleared, owes });
            }
        }
        let (holds, owes) = (self.system_account(SystemAccount::Clearing).balance, self.payables_sum());
        if holds != owes {
            return Err(AuditError::Clearing { holds, owes });
        }
        let incomes = self.tables.incomes().values();
        let brought = incomes.fold(Money::ZERO, |sum, income| sum + income.sum());
        let holds = self.system_account(SystemAccount::Grid).balance;
        if holds == brought { Ok(()) } else { Err(AuditError::Grid { holds, brought }) }
    }

    fn audit_conduct(&self) -> Result<(), AuditError> {
        let shares = &self.tables.collateral().shares;
        let is_there = |account: &AccountId| self.tables.account(Holder::User(*account)).is_some();
        if let Some(nobody) = self.accounts_with_entries().find(|account| !is_there(account)) {
            return Err(AuditError::Score(nobody));
        }
        for (number, account) in (0..).map(AccountId).zip(self.tables.accounts()) {
            let score = self.score_of(Bearer::Account(number));
            if (account.score, account.share_ppm) != (score, shares.at(score)) {
                return Err(AuditError::Score(number));
            }
        }
        self.audit_failures()
    }

    /// Only who sold, in a period that was settled, has failed; and what is remembered of that was counted.
    fn audit_failures(&self) -> Result<(), AuditError> {
        for (period, table) in self.tables.periods() {
            let has_sold = |meter: &MeterId| {
                let position = table.position(*meter);
                position.sold > position.bought && table.stage != Stage::Open
            };
            if let Some(meter) = table.failed.iter().find(|meter| !has_sold(meter)) {
                return Err(AuditError::Failure(*meter, *period));
            }
        }
        for (meter, window) in self.tables.conduct().windows() {
            let is_counted =
                |period| self.tables.periods().get(&period).is_none_or(|table| table.failed.contains(meter));
            if let Some(failure) = window.failures().iter().find(|failure| !is_counted(failure.period)) {
                return Err(AuditError::Failure(*meter, failure.period));
            }
        }
        Ok(())
    }

    fn audit_reserved(&self) -> Result<(), AuditError> {
        let mut reserved: BTreeMap<AccountId, Money> = BTreeMap::new();
        for order in self.engine.resting() {
            let collateral = self.tables.collateral_of(order.terms.account);
            let amount = collateral.reserve(order.terms.side, order.terms.price, order.remaining);
            *reserved.entry(order.terms.account).or_default() += amount;
        }
        for block in self.engine.waiting_blocks() {
            let amount = self.reserved_for_block(block, &self.tables.collateral_of(block.account));
            *reserved.entry(block.account).or_default() += amount;
        }
        let positions = self.tables.periods().values().flat_map(|table| table.positions.rows());
        for (meter, position) in positions.filter(|(_, position)| position.held != Money::ZERO) {
            let account = self.tables.meter(meter).ok_or(AuditError::Traded(meter))?.facts.account;
            *reserved.entry(account).or_default() += position.held;
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

    /// Who owes anything has nothing left to pay it with.
    fn audit_debts(&self) -> Result<(), AuditError> {
        let owed = self.tables.debts().values().fold(Money::ZERO, |sum, debt| sum + *debt);
        let paid = -self.system_account(SystemAccount::Default).balance;
        if paid != owed {
            return Err(AuditError::Default { paid, owed });
        }
        let is_open = |meter: &MeterId| {
            let names = self.tables.meter(*meter).into_iter().flat_map(|meter| meter.names.values());
            names.into_iter().any(|name| name.standing != Standing::Over)
        };
        let could_pay = |account: AccountId| {
            self.tables.free_of(Holder::User(account)) > Money::ZERO
                || self.tables.meters_of(account).iter().any(is_open)
        };
        let mut wrong =
            self.tables.debts().iter().filter(|(account, debt)| could_pay(**account) || **debt <= Money::ZERO);
        wrong.next().map_or(Ok(()), |(account, _)| Err(AuditError::Debt(*account)))
    }

    /// Every trade has two sides, and the grid neither makes nor loses energy.
    fn audit_traded(&self) -> Result<(), AuditError> {
        for (period, table) in self.tables.periods() {
            let sum = |of: fn(&Position) -> Energy| table.positions.rows().map(|(_, one)| u128::from(of(&one).0)).sum();
            let (bought, sold): (u128, u128) = (sum(|one| one.bought), sum(|one| one.sold));
            if bought != sold {
                return Err(AuditError::Energy { period: *period, bought, sold });
            }
        }
        Ok(())
    }

    fn audit_resting(&self) -> Result<(), AuditError> {
        let mut resting: BTreeMap<(DeliveryPeriod, MeterId), (u128, u128)> = BTreeMap::new();
        let orders = self.engine.resting();
        let orders =
            orders.map(|order| (order.terms.contract.period, order.terms.meter, order.terms.side, order.remaining));
        let blocks = self.engine.waiting_blocks();
        let blocks = blocks.flat_map(|b| b.energies.iter().map(|(period, energy)| (*period, b.meter, b.side, *energy)));
        for (period, meter, side, energy) in orders.chain(blocks) {
            let (buys, sells) = resting.entry((period, meter)).or_default();
            *(if side == Side::Buy { buys } else { sells }) += u128::from(energy.0);
        }
        for (period, table) in self.tables.periods() {
            for (meter, position) in table.positions.rows() {
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
            let expected = Name { period: order.terms.contract.period, standing: Standing::Resting(order.order.id) };
            let named = self.tables.meter(meter).and_then(|meter| Some((meter.facts, meter.names.get(&client_id)?)));
            if !named.is_some_and(|(facts, name)| *name == expected && facts.account == order.terms.account) {
                return Err(AuditError::Name(meter, client_id));
            }
        }
        for (number, meter) in (0..).map(MeterId).zip(self.tables.meters()) {
            for (client_id, name) in &meter.names {
                let is_there = match name.standing {
                    Standing::Over => true,
                    Standing::Resting(order) => self.engine.resting_order(order).is_some(),
                    Standing::Block(tag) => self.tables.blocks().get(&tag) == Some(&(number, *client_id)),
                    Standing::Offer => self.tables.offers().contains_key(&(number, *client_id)),
                };
                if !is_there {
                    return Err(AuditError::Name(number, *client_id));
                }
            }
        }
        Ok(())
    }

    /// Everybody is found by the key he has, an account lists its own meters, nobody left a meter that clearing owed something, and
    /// organisations that accounts belong to are there.
    fn audit_registry(&self) -> Result<(), AuditError> {
        for (number, meter) in (0..).map(MeterId).zip(self.tables.meters()) {
            let present = Some(KeyUse::Present(Subject::Meter(number)));
            let listed = self.tables.meters_of(meter.facts.account).binary_search(&number).is_ok();
            if self.tables.key_use(&meter.facts.key) != present || !listed {
                return Err(AuditError::Registry("a meter"));
            }
        }
        for (number, organisation) in (0..).map(OrganisationId).zip(self.tables.organisations()) {
            if self.tables.key_use(&organisation.key) != Some(KeyUse::Present(Subject::Organisation(number))) {
                return Err(AuditError::Registry("an organisation"));
            }
        }
        for (meter, last, former) in self.tables.former_facts().rows() {
            let next = self.tables.facts_at(meter, DeliveryPeriod(last.0.saturating_add(1)));
            if next.is_some_and(|next| next.account == former.account) {
                continue;
            }
            let begun = self.tables.periods().range(..=last).map(|(_, table)| table.position(meter));
            if begun.into_iter().any(|position| (position.held, position.owed) != (Money::ZERO, Money::ZERO)) {
                return Err(AuditError::Registry("what a meter was"));
            }
        }
        let revoked: BTreeSet<MeterId> = (0..)
            .map(MeterId)
            .zip(self.tables.meters())
            .filter(|(_, meter)| meter.is_revoked())
            .map(|(of, _)| of)
            .collect();
        let is_counted = |table: &ReadingTable| {
            let of_revoked = table.rows.rows().filter(|(meter, _)| revoked.contains(meter)).count();
            (index(table.count), index(table.of_revoked)) == (table.rows.rows().count(), of_revoked)
        };
        let are_counted = self.tables.readings().values().all(is_counted);
        if index(self.tables.revoked_meters()) != revoked.len() || !are_counted {
            return Err(AuditError::Registry("the count of revoked meters"));
        }
        let accounts = || (0..).map(AccountId).zip(self.tables.accounts());
        let listed: usize = accounts().map(|(number, _)| self.tables.meters_of(number).len()).sum();
        let is_known = |organisation| self.tables.organisation(organisation).is_some();
        let accounts_fit = accounts().all(|(_, account)| account.organisation.is_none_or(is_known));
        if listed != self.tables.meters().len() || !accounts_fit {
            return Err(AuditError::Registry("an account"));
        }
        Ok(())
    }

    /// Blocks wait in the engine, offers here; both have a name that says so, of the period at whose gate they are over.
    fn audit_waiting(&self) -> Result<(), AuditError> {
        let named = |meter, client_id, name: Name| {
            let there = self.tables.meter(meter).and_then(|meter| meter.names.get(&client_id));
            if there == Some(&name) { Ok(()) } else { Err(AuditError::Name(meter, client_id)) }
        };
        for block in self.engine.waiting_blocks() {
            let (meter, client_id) = *self.tables.blocks().get(&block.tag).ok_or(AuditError::Blocks)?;
            let (period, _) = *block.energies.last().ok_or(AuditError::Blocks)?;
            named(meter, client_id, Name { period, standing: Standing::Block(block.tag) })?;
            let account = self.tables.meter(meter).map(|meter| meter.facts.account);
            if (meter, account) != (block.meter, Some(block.account)) {
                return Err(AuditError::Blocks);
            }
        }
        if self.engine.waiting_blocks().count() != self.tables.blocks().len() {
            return Err(AuditError::Blocks);
        }
        for ((meter, client_id), offer) in self.tables.offers() {
            named(*meter, *client_id, Name { period: offer.terms.period, standing: Standing::Offer })?;
        }
        Ok(())
    }
}

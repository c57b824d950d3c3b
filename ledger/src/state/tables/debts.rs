//! What accounts owe the default account.

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, Money};

use super::undo::Undo;
use super::{Holder, Tables};
use crate::state::SystemAccount;

impl Tables {
    /// Those that owe anything, and how much.
    pub(in crate::state) fn debts(&self) -> &BTreeMap<AccountId, Money> {
        &self.debts
    }

    pub(in crate::state) fn debt(&self, account: AccountId) -> Money {
        self.debts.get(&account).copied().unwrap_or_default()
    }

    /// The default account pays in the place of an account, which owes it that from now on.
    pub(in crate::state) fn bear_for(&mut self, account: AccountId, to: Holder, amount: Money) {
        self.post(Holder::System(SystemAccount::Default), to, amount);
        self.set_debt(account, self.debt(account) + amount);
    }

    /// The default account has back what it paid in the place of an account.
    pub(in crate::state) fn pay_back_for(&mut self, account: AccountId, from: Holder, amount: Money) {
        self.post(from, Holder::System(SystemAccount::Default), amount);
        self.set_debt(account, self.debt(account) - amount);
    }

    /// For a snapshot, too: what was posted for it stands on the accounts already.
    pub(in crate::state) fn set_debt(&mut self, account: AccountId, debt: Money) {
        assert!(debt >= Money::ZERO, "nobody pays back more than was borne for him");
        let old = self.put_debt(account, debt);
        self.journal.push(Undo::Debt(account, old));
    }

    /// What was there before.
    pub(super) fn put_debt(&mut self, account: AccountId, debt: Money) -> Money {
        let old = if debt == Money::ZERO { self.debts.remove(&account) } else { self.debts.insert(account, debt) };
        old.unwrap_or_default()
    }
}

//! What accounts owe: they sold what they did not deliver, and had not enough left to pay for it.
//!
//! At the full share of collateral no trade comes to this when its period is settled. It does when a correction says so later: then what
//! the trade had held is the account's again, and may be gone. The default account pays in its place (MARKET section 7, Collateral), and is
//! owed that until it is paid back: out of all money that the account comes to have free, at once, before anything else can be done with it.
//!
//! Architecture invariant: an account that owes anything has nothing free and nothing open, and what accounts owe is what the default account has paid.

use gridbook_engine::{AccountId, Money};

use super::State;
use super::tables::Holder;
use crate::record::{Purse, RecordEvent};
use crate::reject::Code;

impl State {
    /// What an account owes the default account; nothing for most.
    pub fn debt(&self, account: AccountId) -> Money {
        self.tables.debt(account)
    }

    /// Who owes something gives no new orders and takes out no money.
    pub(super) fn check_debt(&self, account: AccountId, why: Code) -> Result<(), Code> {
        if self.debt(account) > Money::ZERO { Err(why) } else { Ok(()) }
    }

    /// What is free of an account pays back what it owes.
    pub(super) fn pay_debt(&mut self, account: AccountId, events: &mut Vec<RecordEvent>) {
        let holder = Holder::User(account);
        let amount = self.tables.free_of(holder).min(self.debt(account));
        if amount > Money::ZERO {
            self.tables.pay_back_for(account, holder, amount);
            events.push(RecordEvent::Posted { from: Purse::Account(account), to: Purse::Default, amount });
        }
    }
}

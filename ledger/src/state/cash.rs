//! Money that comes in from outside and goes out again.

use gridbook_engine::{AccountId, Money};

use super::tables::Holder;
use super::{State, SystemAccount};
use crate::command::AMOUNT_MAX;
use crate::defects::{Defect, omits};
use crate::record::{Purse, RecordEvent};
use crate::reject::Code;

/// The most money that was ever paid in and not out again, on all accounts together. A snapshot with more than four times as much is refused as
/// absurd: nobody could start from it.
const CIRCULATION_MAX: Money = Money(1 << 98);

impl State {
    /// What the account owes is paid out of it first.
    pub(super) fn deposit(
        &mut self,
        account: AccountId,
        amount: Money,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        self.find_account(account)?;
        check_amount(amount)?;
        let issuer = Holder::System(SystemAccount::Issuer);
        let issued = self.tables.account(issuer).map_or(Money::ZERO, |issuer| -issuer.balance);
        if issued + amount > CIRCULATION_MAX {
            return Err(Code::CreditCirculation);
        }
        if omits(Defect::DepositFromNowhere) {
            self.tables.change_account(Holder::User(account), |account| account.balance += amount);
        } else {
            self.tables.post(issuer, Holder::User(account), amount);
        }
        events.push(RecordEvent::Posted { from: Purse::Outside, to: Purse::Account(account), amount });
        self.pay_debt(account, events);
        Ok(())
    }

    /// Only free money leaves: what is reserved for orders and trades stays. Nothing is free while the account owes anything.
    pub(super) fn withdraw(&mut self, account: AccountId, amount: Money) -> Result<RecordEvent, Code> {
        self.find_account(account)?;
        check_amount(amount)?;
        self.check_debt(account, Code::DebtWithdrawal)?;
        let free = self.tables.account(Holder::User(account)).ok_or(Code::CreditAccount)?.free();
        if amount > free {
            return Err(Code::CreditMoney);
        }
        self.tables.post(Holder::User(account), Holder::System(SystemAccount::Issuer), amount);
        Ok(RecordEvent::Posted { from: Purse::Account(account), to: Purse::Outside, amount })
    }
}

fn check_amount(amount: Money) -> Result<(), Code> {
    if amount > Money::ZERO && amount <= AMOUNT_MAX { Ok(()) } else { Err(Code::FormAmount) }
}

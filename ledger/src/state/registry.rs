//! What the operator does: registry and cash.

use gridbook_engine::{AccountId, AreaId, Energy, MeterId, Money};

use super::tables::{Holder, MeterFacts};
use super::{State, SystemAccount};
use crate::command::AMOUNT_MAX;
use crate::crypto::PublicKey;
use crate::defects::{Defect, omits};
use crate::record::{Purse, RecordEvent};
use crate::reject::Code;

impl State {
    /// Numbers are given in order, so that the state tree has a leaf for each and no gaps.
    pub(super) fn register_account(&mut self, account: AccountId) -> Result<RecordEvent, Code> {
        if account.0 != self.accounts_count() || account.0 == u32::MAX {
            return Err(Code::AuthRegistry);
        }
        self.tables.add_account();
        Ok(RecordEvent::AccountRegistered { account })
    }

    pub(super) fn register_meter(
        &mut self,
        meter: MeterId,
        account: AccountId,
        key: PublicKey,
        area: AreaId,
        (import_max, export_max): (Energy, Energy),
    ) -> Result<RecordEvent, Code> {
        if meter.0 != self.meters_count() || meter.0 == u32::MAX {
            return Err(Code::AuthRegistry);
        }
        self.find_account(account)?;
        if area.0 >= self.engine.areas() {
            return Err(Code::FormArea);
        }
        if self.device(&key).is_some() || key.check().is_err() {
            return Err(Code::AuthKey);
        }
        self.tables.add_meter(MeterFacts { account, key, area, import_max, export_max });
        Ok(RecordEvent::MeterRegistered { meter, account })
    }

    /// A suspended meter gives no commands. Its resting orders stay, and what it traded is settled.
    pub(super) fn suspend(&mut self, meter: MeterId) -> Result<RecordEvent, Code> {
        self.set_suspended(meter, true)?;
        Ok(RecordEvent::MeterSuspended { meter })
    }

    pub(super) fn resume(&mut self, meter: MeterId) -> Result<RecordEvent, Code> {
        self.set_suspended(meter, false)?;
        Ok(RecordEvent::MeterResumed { meter })
    }

    fn set_suspended(&mut self, meter: MeterId, suspended: bool) -> Result<(), Code> {
        self.tables.meter(meter).ok_or(Code::AuthMeter)?;
        self.tables.change_standing(meter, |status| status.suspended = suspended);
        Ok(())
    }

    pub(super) fn deposit(&mut self, account: AccountId, amount: Money) -> Result<RecordEvent, Code> {
        self.find_account(account)?;
        check_amount(amount)?;
        if omits(Defect::DepositFromNowhere) {
            self.tables.change_account(Holder::User(account), |account| account.balance += amount);
        } else {
            self.tables.post(Holder::System(SystemAccount::Issuer), Holder::User(account), amount);
        }
        Ok(RecordEvent::Posted { from: Purse::Outside, to: Purse::Account(account), amount })
    }

    /// Only free money leaves: what is reserved for orders and trades stays.
    pub(super) fn withdraw(&mut self, account: AccountId, amount: Money) -> Result<RecordEvent, Code> {
        self.find_account(account)?;
        check_amount(amount)?;
        let free = self.tables.account(Holder::User(account)).ok_or(Code::CreditAccount)?.free();
        if amount > free {
            return Err(Code::CreditMoney);
        }
        self.tables.post(Holder::User(account), Holder::System(SystemAccount::Issuer), amount);
        Ok(RecordEvent::Posted { from: Purse::Account(account), to: Purse::Outside, amount })
    }

    pub(super) fn find_account(&self, account: AccountId) -> Result<(), Code> {
        self.tables.account(Holder::User(account)).map(|_| ()).ok_or(Code::CreditAccount)
    }
}

fn check_amount(amount: Money) -> Result<(), Code> {
    if amount > Money::ZERO && amount <= AMOUNT_MAX { Ok(()) } else { Err(Code::FormAmount) }
}

//! How a validator, the ledger and an account stand.

use gridbook_engine::{AccountId, AreaId, LedgerTime, MeterId, Money};
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::validators::ValidatorIndex;

use super::read_flag;

/// How a validator and the ledger stand, as of its last final header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The ledger.
    pub chain: Hash,
    /// Which validator answers.
    pub validator: ValidatorIndex,
    /// The height of the last final header.
    pub height: u64,
    /// The view it is in.
    pub view: u64,
    /// Who leads that view.
    pub leader: ValidatorIndex,
    /// Ledger time of the last final header.
    pub ledger_time: LedgerTime,
    /// Sequence number of the last final command.
    pub last_seq: u64,
    /// Accounts registered. Numbers are given in order from 0, so this is the next free one.
    pub accounts: u32,
    /// Meters registered; also the next free number.
    pub meters: u32,
    /// Organisations enrolled; also the next free number.
    pub organisations: u16,
    /// Orders resting in the books.
    pub orders_open: u64,
    /// Trades made so far.
    pub trades: u64,
    /// State root of the last final header.
    pub state_root: Hash,
    /// The sum over all accounts, the issuer's among them. Zero, or something is wrong.
    pub money_sum: Money,
    /// What the operators of all edges have taken: fees and congestion rent.
    pub grid_income: Money,
}

/// An account and the meter whose key asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// The account.
    pub account: AccountId,
    /// What it has, reservations included.
    pub balance: Money,
    /// How much of that is held by open orders and by trades not yet settled.
    pub reserved: Money,
    /// What it owes for energy that it sold and did not deliver: as much has to come in before it gives new orders or takes money out.
    pub debt: Money,
    /// The meter.
    pub meter: MeterId,
    /// Where it is connected.
    pub area: AreaId,
    /// The nonce of its last bundle; the next must be higher.
    pub nonce: u64,
    /// Whether its orders are refused for now.
    pub suspended: bool,
}

impl Status {
    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(&self.chain.0).u16(self.validator.0).u64(self.height).u64(self.view).u16(self.leader.0);
        w.u64(self.ledger_time.0).u64(self.last_seq).u32(self.accounts).u32(self.meters);
        w.u16(self.organisations);
        w.u64(self.orders_open).u64(self.trades).bytes(&self.state_root.0).i128(self.money_sum.0);
        w.i128(self.grid_income.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            chain: Hash(r.array()?),
            validator: ValidatorIndex(r.u16()?),
            height: r.u64()?,
            view: r.u64()?,
            leader: ValidatorIndex(r.u16()?),
            ledger_time: LedgerTime(r.u64()?),
            last_seq: r.u64()?,
            accounts: r.u32()?,
            meters: r.u32()?,
            organisations: r.u16()?,
            orders_open: r.u64()?,
            trades: r.u64()?,
            state_root: Hash(r.array()?),
            money_sum: Money(r.i128()?),
            grid_income: Money(r.i128()?),
        })
    }
}

impl AccountState {
    pub(super) fn write(&self, w: &mut Writer) {
        w.u32(self.account.0).i128(self.balance.0).i128(self.reserved.0).i128(self.debt.0);
        w.u32(self.meter.0).u16(self.area.0).u64(self.nonce).u8(self.suspended.into());
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            account: AccountId(r.u32()?),
            balance: Money(r.i128()?),
            reserved: Money(r.i128()?),
            debt: Money(r.i128()?),
            meter: MeterId(r.u32()?),
            area: AreaId(r.u16()?),
            nonce: r.u64()?,
            suspended: read_flag(r)?,
        })
    }
}

#[cfg(test)]
pub(in crate::protocol) mod tests {
    use super::*;

    pub(in crate::protocol) fn status() -> Status {
        Status {
            chain: Hash([1; 32]),
            validator: ValidatorIndex(3),
            height: 9,
            view: 4,
            leader: ValidatorIndex(1),
            ledger_time: LedgerTime(1_750_000_000_000),
            last_seq: 12,
            accounts: 7,
            meters: 5,
            organisations: 2,
            orders_open: 99,
            trades: 3,
            state_root: Hash([2; 32]),
            money_sum: Money(-1),
            grid_income: Money(5),
        }
    }

    pub(in crate::protocol) fn account() -> AccountState {
        AccountState {
            account: AccountId(6),
            balance: Money(5_000_000_000),
            reserved: Money(1),
            debt: Money(9),
            meter: MeterId(4),
            area: AreaId(2),
            nonce: u64::MAX,
            suspended: true,
        }
    }
}

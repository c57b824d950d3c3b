//! What a command set off, as bytes.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, Expiry, MeterId, Money, Price, Side};

use crate::bytes::{BytesError, Reader, Writer};
use crate::command::{side_from_number, side_number};

/// An order as records name it: by meter and client id. The account is there for whoever follows the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyRef {
    /// Whose it is.
    pub account: AccountId,
    /// Which meter's.
    pub meter: MeterId,
    /// Its name at that meter.
    pub client_id: u64,
}

/// Where money comes from or goes to (MARKET section 7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purse {
    /// A registered account.
    Account(AccountId),
    /// The bank outside: deposits come from here, withdrawals go there.
    Outside,
    /// The operator of the grid.
    Operator,
    /// The imbalance account.
    Imbalance,
    /// The grid upstream.
    Upstream,
    /// Losses of the network.
    Losses,
    /// What rounding leaves.
    Rounding,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordEvent {
    /// Two orders met.
    Trade {
        /// The order that rested.
        maker: PartyRef,
        /// The order that came in.
        taker: PartyRef,
        /// What was traded.
        contract: Contract,
        /// The side of the order that came in.
        taker_side: Side,
        /// Price per kWh: the maker's limit.
        price: Price,
        /// How much.
        energy: Energy,
    },
    /// What is left of an incoming order now rests in the book.
    Rested {
        /// The order.
        order: PartyRef,
        /// How much rests.
        remaining: Energy,
    },
    /// What is left of an immediate-or-cancel order was dropped.
    Dropped {
        /// The order.
        order: PartyRef,
        /// How much was dropped.
        remaining: Energy,
    },
    /// An order was taken out by its owner.
    Cancelled {
        /// The order.
        order: PartyRef,
        /// How much of it was still open.
        remaining: Energy,
    },
    /// An order became smaller and kept its place.
    Reduced {
        /// The order.
        order: PartyRef,
        /// How much is open now; zero means that it left the book.
        remaining: Energy,
    },
    /// An order left the book for good.
    Expired {
        /// The order.
        order: PartyRef,
        /// How much of it was still open.
        remaining: Energy,
        /// Why.
        cause: Expiry,
    },
    /// An account's money for a contract moved when the contract was settled.
    Settled {
        /// The contract.
        contract: Contract,
        /// The account.
        account: AccountId,
        /// What it received; negative if it paid.
        amount: Money,
    },
    /// Money moved.
    Posted {
        /// From here.
        from: Purse,
        /// To here.
        to: Purse,
        /// How much.
        amount: Money,
    },
    /// An account was opened.
    AccountRegistered {
        /// The account.
        account: AccountId,
    },
    /// A meter was registered.
    MeterRegistered {
        /// The meter.
        meter: MeterId,
        /// Whose it is.
        account: AccountId,
    },
    /// A meter was suspended.
    MeterSuspended {
        /// The meter.
        meter: MeterId,
    },
    /// A meter was let in again.
    MeterResumed {
        /// The meter.
        meter: MeterId,
    },
}

const TRADE: u8 = 1;
const RESTED: u8 = 2;
const DROPPED: u8 = 3;
const CANCELLED: u8 = 4;
const REDUCED: u8 = 5;
const EXPIRED: u8 = 6;
const SETTLED: u8 = 7;
const POSTED: u8 = 8;
const ACCOUNT_REGISTERED: u8 = 9;
const METER_REGISTERED: u8 = 10;
const METER_SUSPENDED: u8 = 11;
const METER_RESUMED: u8 = 12;

impl RecordEvent {
    /// Lays tag and fields, without gaps.
    pub(super) fn write(&self, w: &mut Writer) {
        match *self {
            Self::Trade { maker, taker, contract, taker_side, price, energy } => {
                maker.write(w.u8(TRADE));
                taker.write(w);
                write_contract(w, contract);
                w.u8(side_number(taker_side)).i32(price.0).u64(energy.0);
            }
            Self::Rested { order, remaining } => write_order(w, RESTED, order, remaining),
            Self::Dropped { order, remaining } => write_order(w, DROPPED, order, remaining),
            Self::Cancelled { order, remaining } => write_order(w, CANCELLED, order, remaining),
            Self::Reduced { order, remaining } => write_order(w, REDUCED, order, remaining),
            Self::Expired { order, remaining, cause } => {
                write_order(w, EXPIRED, order, remaining);
                w.u8(match cause {
                    Expiry::Until => 0,
                    Expiry::Gate => 1,
                });
            }
            Self::Settled { contract, account, amount } => {
                write_contract(w.u8(SETTLED), contract);
                w.u32(account.0).i128(amount.0);
            }
            Self::Posted { from, to, amount } => {
                from.write(w.u8(POSTED));
                to.write(w);
                w.i128(amount.0);
            }
            Self::AccountRegistered { account } => {
                w.u8(ACCOUNT_REGISTERED).u32(account.0);
            }
            Self::MeterRegistered { meter, account } => {
                w.u8(METER_REGISTERED).u32(meter.0).u32(account.0);
            }
            Self::MeterSuspended { meter } => {
                w.u8(METER_SUSPENDED).u32(meter.0);
            }
            Self::MeterResumed { meter } => {
                w.u8(METER_RESUMED).u32(meter.0);
            }
        }
    }

    /// Reads what [`RecordEvent::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(match r.u8()? {
            TRADE => Self::Trade {
                maker: PartyRef::read(r)?,
                taker: PartyRef::read(r)?,
                contract: read_contract(r)?,
                taker_side: side_from_number(r.u8()?).ok_or(BytesError::Unknown)?,
                price: Price(r.i32()?),
                energy: Energy(r.u64()?),
            },
            RESTED => Self::Rested { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            DROPPED => Self::Dropped { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            CANCELLED => Self::Cancelled { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            REDUCED => Self::Reduced { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            EXPIRED => {
                let (order, remaining) = (PartyRef::read(r)?, Energy(r.u64()?));
                Self::Expired { order, remaining, cause: read_expiry(r)? }
            }
            SETTLED => {
                let (contract, account) = (read_contract(r)?, AccountId(r.u32()?));
                Self::Settled { contract, account, amount: Money(r.i128()?) }
            }
            POSTED => Self::Posted { from: Purse::read(r)?, to: Purse::read(r)?, amount: Money(r.i128()?) },
            ACCOUNT_REGISTERED => Self::AccountRegistered { account: AccountId(r.u32()?) },
            METER_REGISTERED => Self::MeterRegistered { meter: MeterId(r.u32()?), account: AccountId(r.u32()?) },
            METER_SUSPENDED => Self::MeterSuspended { meter: MeterId(r.u32()?) },
            METER_RESUMED => Self::MeterResumed { meter: MeterId(r.u32()?) },
            _ => return Err(BytesError::Unknown),
        })
    }
}

impl PartyRef {
    fn write(self, w: &mut Writer) {
        w.u32(self.account.0).u32(self.meter.0).u64(self.client_id);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self { account: AccountId(r.u32()?), meter: MeterId(r.u32()?), client_id: r.u64()? })
    }
}

impl Purse {
    /// A tag, then the account's number; zero for the others.
    fn write(self, w: &mut Writer) {
        let (tag, number) = match self {
            Self::Account(account) => (0, account.0),
            Self::Outside => (1, 0),
            Self::Operator => (2, 0),
            Self::Imbalance => (3, 0),
            Self::Upstream => (4, 0),
            Self::Losses => (5, 0),
            Self::Rounding => (6, 0),
        };
        w.u8(tag).u32(number);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let purse = match (r.u8()?, r.u32()?) {
            (0, number) => return Ok(Self::Account(AccountId(number))),
            (1, 0) => Self::Outside,
            (2, 0) => Self::Operator,
            (3, 0) => Self::Imbalance,
            (4, 0) => Self::Upstream,
            (5, 0) => Self::Losses,
            (6, 0) => Self::Rounding,
            (1..=6, _) => return Err(BytesError::Padding),
            _ => return Err(BytesError::Unknown),
        };
        Ok(purse)
    }
}

fn write_order(w: &mut Writer, tag: u8, order: PartyRef, remaining: Energy) {
    order.write(w.u8(tag));
    w.u64(remaining.0);
}

fn write_contract(w: &mut Writer, contract: Contract) {
    w.u16(contract.area.0).u32(contract.period.0);
}

fn read_contract(r: &mut Reader<'_>) -> Result<Contract, BytesError> {
    Ok(Contract { area: AreaId(r.u16()?), period: DeliveryPeriod(r.u32()?) })
}

fn read_expiry(r: &mut Reader<'_>) -> Result<Expiry, BytesError> {
    match r.u8()? {
        0 => Ok(Expiry::Until),
        1 => Ok(Expiry::Gate),
        _ => Err(BytesError::Unknown),
    }
}

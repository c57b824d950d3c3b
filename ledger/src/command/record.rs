//! One command as 64 bytes: a tag, its fields, zeros.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, Money, Price};

use super::SetImbalancePrices;
use super::{
    Accept, AcceptLosses, AreaReading, Block, BlockPart, Claim, Command, Correction, GrantAccess, NewOrganisation,
    Offer, Place, Reading,
};
use super::{consent, registry};
use crate::bytes::{Reader, Writer};
use crate::conduct::Ruling;
use crate::crypto::Hash;
use crate::reject::Code;

/// The length of every command.
pub const COMMAND_BYTES: usize = 64;

/// The largest amount of money in one command: a billion billion of currency. Sums of such amounts stay far inside
/// [`Money`] in any number of commands a ledger could ever hold.
pub const AMOUNT_MAX: Money = Money(1_000_000_000_000_000_000_000_000_000);

const PLACE: u8 = 1;
const CANCEL: u8 = 2;
const REDUCE: u8 = 3;
const REPLACE: u8 = 4;
const CANCEL_ALL: u8 = 5;
const CANCEL_ALL_OF_ACCOUNT: u8 = 6;
const BASKET: u8 = 7;
const BLOCK: u8 = 8;
const BLOCK_PART: u8 = 9;
const OFFER: u8 = 10;
const ACCEPT: u8 = 11;
const REGISTER_ACCOUNT: u8 = 16;
const REGISTER_METER: u8 = 17;
const SUSPEND: u8 = 18;
const RESUME: u8 = 19;
const DEPOSIT: u8 = 20;
const WITHDRAW: u8 = 21;
const SET_CAPACITY: u8 = 22;
const PAY_AS_BID: u8 = 23;
const REGISTER_ORGANISATION: u8 = 24;
const ROTATE_KEY: u8 = 25;
const TRANSFER_METER: u8 = 26;
const REVOKE: u8 = 27;
const SET_INSTALLATION: u8 = 28;
const SET_IMBALANCE_PRICES: u8 = 29;
const READING: u8 = 30;
const AREA_READING: u8 = 31;
const CORRECTION: u8 = 32;
const CLAIM: u8 = 33;
const APPEAL: u8 = 35;
const RULE_APPEAL: u8 = 36;
const GRANT_ACCESS: u8 = 37;
const REVOKE_ACCESS: u8 = 38;
const ACCEPT_LOSSES: u8 = 39;

impl Command {
    /// Canonical bytes.
    pub fn encode(&self) -> [u8; COMMAND_BYTES] {
        let mut w = Writer::new();
        self.write(&mut w);
        let mut bytes = [0; COMMAND_BYTES];
        bytes[..w.as_slice().len()].copy_from_slice(w.as_slice());
        bytes
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8; COMMAND_BYTES]) -> Result<Self, Code> {
        let mut r = Reader::new(bytes);
        let command = Self::read(&mut r)?;
        r.padding(r.remaining())?;
        Ok(command)
    }

    /// Fields that stand behind a gap start at a multiple of their size.
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Place(place) => place.write(w.u8(PLACE)),
            Self::Cancel { client_id } => {
                w.u8(CANCEL).bytes(&[0; 7]).u64(*client_id);
            }
            Self::Reduce { client_id, by } => {
                w.u8(REDUCE).bytes(&[0; 7]).u64(*client_id).u64(by.0);
            }
            Self::Replace { client_id, price, energy } => {
                w.u8(REPLACE).bytes(&[0; 7]).u64(*client_id).u64(energy.0).i32(price.0);
            }
            Self::CancelAll => {
                w.u8(CANCEL_ALL);
            }
            Self::CancelAllOfAccount => {
                w.u8(CANCEL_ALL_OF_ACCOUNT);
            }
            Self::Basket { count } => {
                w.u8(BASKET).u8(0).u16(*count);
            }
            Self::Block(block) => block.write(w.u8(BLOCK)),
            Self::BlockPart(part) => part.write(w.u8(BLOCK_PART)),
            Self::Offer(offer) => offer.write(w.u8(OFFER)),
            Self::Accept(accept) => accept.write(w.u8(ACCEPT)),
            Self::Claim(claim) => claim.write(w.u8(CLAIM)),
            Self::RegisterAccount { account, organisation } => {
                registry::write_account(w.u8(REGISTER_ACCOUNT), *account, *organisation);
            }
            Self::RegisterMeter { meter, account, key, area, import_max_wh, export_max_wh, plant } => {
                w.u8(REGISTER_METER).u8(plant.source_number()).u16(area.0).u32(meter.0).u32(account.0);
                w.u32(plant.storage_number()).u64(import_max_wh.0).u64(export_max_wh.0).bytes(&key.0);
            }
            Self::Suspend { subject, reason } => registry::write_reasoned(w.u8(SUSPEND), *subject, *reason),
            Self::Resume { subject, reason } => registry::write_reasoned(w.u8(RESUME), *subject, *reason),
            Self::Deposit { account, amount } => write_amount(w, DEPOSIT, *account, *amount),
            Self::Withdraw { account, amount } => write_amount(w, WITHDRAW, *account, *amount),
            Self::SetCapacity { area, period, up, down } => {
                w.u8(SET_CAPACITY).u8(0).u16(area.0).u32(period.0).u64(up.0).u64(down.0);
            }
            Self::SetImbalancePrices(prices) => prices.write(w.u8(SET_IMBALANCE_PRICES)),
            Self::Reading(reading) => reading.write(w.u8(READING)),
            Self::AreaReading(reading) => reading.write(w.u8(AREA_READING)),
            Self::AcceptLosses(accept) => accept.write(w.u8(ACCEPT_LOSSES)),
            Self::Correction(correction) => correction.write(w.u8(CORRECTION)),
            Self::PayAsBid { contract } => {
                w.u8(PAY_AS_BID).u8(0).u16(contract.area.0).u32(contract.period.0);
            }
            Self::RegisterOrganisation(new) => new.write(w.u8(REGISTER_ORGANISATION)),
            Self::RotateKey { subject, key } => registry::write_rotation(w.u8(ROTATE_KEY), *subject, key),
            Self::TransferMeter { meter, account, reason } => {
                registry::write_transfer(w.u8(TRANSFER_METER), *meter, *account, *reason);
            }
            Self::Revoke { subject, reason } => registry::write_reasoned(w.u8(REVOKE), *subject, *reason),
            Self::SetInstallation { meter, installation } => {
                registry::write_installation(w.u8(SET_INSTALLATION), *meter, installation);
            }
            Self::Appeal { entry, statement } => {
                w.u8(APPEAL).bytes(&[0; 7]).u64(*entry).bytes(&statement.0);
            }
            Self::GrantAccess(grant) => grant.write(w.u8(GRANT_ACCESS)),
            Self::RevokeAccess { meter, reader } => consent::write_revocation(w.u8(REVOKE_ACCESS), *meter, reader),
            Self::RuleAppeal { entry, ruling, reasons } => {
                w.u8(RULE_APPEAL).u8(ruling.number()).bytes(&[0; 6]).u64(*entry).bytes(&reasons.0);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        Ok(match r.u8()? {
            PLACE => Self::Place(Place::read(r)?),
            CANCEL => Self::Cancel { client_id: read_client_id(r)? },
            REDUCE => Self::Reduce { client_id: read_client_id(r)?, by: Energy(r.u64()?) },
            REPLACE => {
                let (client_id, energy) = (read_client_id(r)?, Energy(r.u64()?));
                Self::Replace { client_id, price: Price(r.i32()?), energy }
            }
            CANCEL_ALL => Self::CancelAll,
            CANCEL_ALL_OF_ACCOUNT => Self::CancelAllOfAccount,
            BASKET => {
                r.padding(1)?;
                Self::Basket { count: r.u16()? }
            }
            BLOCK => Self::Block(Block::read(r)?),
            BLOCK_PART => Self::BlockPart(BlockPart::read(r)?),
            OFFER => Self::Offer(Offer::read(r)?),
            ACCEPT => Self::Accept(Accept::read(r)?),
            CLAIM => Self::Claim(Claim::read(r)?),
            REGISTER_ACCOUNT => registry::read_account(r)?,
            REGISTER_METER => registry::read_meter(r)?,
            SUSPEND => {
                let (subject, reason) = registry::read_reasoned(r)?;
                Self::Suspend { subject, reason }
            }
            RESUME => {
                let (subject, reason) = registry::read_reasoned(r)?;
                Self::Resume { subject, reason }
            }
            DEPOSIT => {
                let (account, amount) = read_amount(r)?;
                Self::Deposit { account, amount }
            }
            WITHDRAW => {
                let (account, amount) = read_amount(r)?;
                Self::Withdraw { account, amount }
            }
            SET_CAPACITY => {
                let Contract { area, period } = read_contract(r)?;
                Self::SetCapacity { area, period, up: Energy(r.u64()?), down: Energy(r.u64()?) }
            }
            PAY_AS_BID => Self::PayAsBid { contract: read_contract(r)? },
            REGISTER_ORGANISATION => Self::RegisterOrganisation(NewOrganisation::read(r)?),
            ROTATE_KEY => registry::read_rotation(r)?,
            TRANSFER_METER => registry::read_transfer(r)?,
            REVOKE => {
                let (subject, reason) = registry::read_reasoned(r)?;
                Self::Revoke { subject, reason }
            }
            SET_INSTALLATION => registry::read_installation(r)?,
            SET_IMBALANCE_PRICES => Self::SetImbalancePrices(SetImbalancePrices::read(r)?),
            READING => Self::Reading(Reading::read(r)?),
            AREA_READING => Self::AreaReading(AreaReading::read(r)?),
            ACCEPT_LOSSES => Self::AcceptLosses(AcceptLosses::read(r)?),
            CORRECTION => Self::Correction(Correction::read(r)?),
            APPEAL => {
                r.padding(7)?;
                Self::Appeal { entry: r.u64()?, statement: Hash(r.array()?) }
            }
            GRANT_ACCESS => Self::GrantAccess(GrantAccess::read(r)?),
            REVOKE_ACCESS => {
                let (meter, reader) = consent::read_revocation(r)?;
                Self::RevokeAccess { meter, reader }
            }
            RULE_APPEAL => {
                let ruling = Ruling::from_number(r.u8()?).ok_or(Code::FormTag)?;
                r.padding(6)?;
                Self::RuleAppeal { entry: r.u64()?, ruling, reasons: Hash(r.array()?) }
            }
            _ => return Err(Code::FormTag),
        })
    }
}

fn write_amount(w: &mut Writer, tag: u8, account: AccountId, amount: Money) {
    w.u8(tag).bytes(&[0; 3]).u32(account.0).bytes(&[0; 8]).i128(amount.0);
}

fn read_client_id(r: &mut Reader<'_>) -> Result<u64, Code> {
    r.padding(7)?;
    Ok(r.u64()?)
}

fn read_number(r: &mut Reader<'_>) -> Result<u32, Code> {
    r.padding(3)?;
    Ok(r.u32()?)
}

fn read_contract(r: &mut Reader<'_>) -> Result<Contract, Code> {
    r.padding(1)?;
    Ok(Contract { area: AreaId(r.u16()?), period: DeliveryPeriod(r.u32()?) })
}

fn read_amount(r: &mut Reader<'_>) -> Result<(AccountId, Money), Code> {
    let account = AccountId(read_number(r)?);
    r.padding(8)?;
    let amount = Money(r.i128()?);
    if amount <= Money::ZERO || amount > AMOUNT_MAX { Err(Code::FormAmount) } else { Ok((account, amount)) }
}

/// Refuses with `code` whatever is not zero.
pub(super) fn zero_or<T: PartialEq + Default>(value: T, code: Code) -> Result<(), Code> {
    if value == T::default() { Ok(()) } else { Err(code) }
}

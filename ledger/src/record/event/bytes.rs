//! Events as bytes: a tag, then the fields, without gaps.

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price};

use super::{PartyRef, Purse, RecordEvent};
use crate::bytes::{BytesError, Reader, Writer};
use crate::command::{side_from_number, side_number};
use crate::conduct::{DeviceFault, EntryState, Proof, read_period, write_period};
use crate::crypto::{Hash, PublicKey};
use crate::evidence::EvidenceKind;
use crate::record::certificates::{self, Certificates};
use crate::record::consent::{self, Consent};
use crate::record::numbers::{block_from_number, block_number, case_from_number, case_number};
use crate::record::numbers::{direction_from_number, direction_number, expiry_from_number, expiry_number};
use crate::record::settled::{read_fault, write_fault};
use crate::record::{AreaResidual, AreaSettled, MeterSettled, RegistersRead, Trade};
use crate::registry::{DeviceStanding, OrganisationId, Reason, Subject};

const TRADE: u8 = 1;
const RESTED: u8 = 2;
const DROPPED: u8 = 3;
const CANCELLED: u8 = 4;
const REDUCED: u8 = 5;
const EXPIRED: u8 = 6;
const POSTED: u8 = 8;
const ACCOUNT_REGISTERED: u8 = 9;
const METER_REGISTERED: u8 = 10;
// 11 and 12 were a meter suspended and resumed, without a reason; nothing else may have these numbers.
const FILLED: u8 = 13;
const CLEARED: u8 = 14;
const FLOW: u8 = 15;
const BLOCK: u8 = 16;
const CAPACITY_SET: u8 = 17;
const OVERLOAD: u8 = 18;
const OFFERED: u8 = 19;
const ORDERED: u8 = 20;
const ORGANISATION_REGISTERED: u8 = 21;
const STANDING_CHANGED: u8 = 22;
const KEY_CHANGED: u8 = 23;
const METER_TRANSFERRED: u8 = 24;
const INSTALLATION_SET: u8 = 43;
const IMBALANCE_PRICES_SET: u8 = 25;
const READ: u8 = 26;
const AREA_READ: u8 = 27;
const METER_SETTLED: u8 = 28;
const AREA_SETTLED: u8 = 29;
const AREA_FROZEN: u8 = 30;
const PERIOD_FINAL: u8 = 31;
const CORRECTION_HELD: u8 = 42;
const MISCONDUCT: u8 = 37;
const VALIDATOR_MISCONDUCT: u8 = 38;
const CONDUCT_REVISED: u8 = 39;
const CONDUCT_EXPIRED: u8 = 40;
const SCORE_CHANGED: u8 = 41;
const AREA_RESIDUAL: u8 = 44;
const AREA_UNFIT: u8 = 48;
const LOSSES_ACCEPTED: u8 = 49;

impl RecordEvent {
    /// Lays tag and fields, without gaps.
    pub(crate) fn write(&self, w: &mut Writer) {
        match *self {
            Self::Trade(trade) => trade.write(w.u8(TRADE)),
            Self::Rested { order, remaining } => write_order(w, RESTED, order, remaining),
            Self::Dropped { order, remaining } => write_order(w, DROPPED, order, remaining),
            Self::Cancelled { order, remaining } => write_order(w, CANCELLED, order, remaining),
            Self::Reduced { order, remaining } => write_order(w, REDUCED, order, remaining),
            Self::Expired { order, remaining, cause } => {
                write_order(w, EXPIRED, order, remaining);
                w.u8(expiry_number(cause));
            }
            Self::Filled { order, side, contract, energy, price, remaining } => {
                write_order(w, FILLED, order, remaining);
                write_contract(w, contract);
                w.u64(energy.0).i32(price.0).u8(side_number(side));
            }
            Self::Cleared { contract, price, case } => {
                write_contract(w.u8(CLEARED), contract);
                w.u8(case_number(case)).u8(u8::from(price.is_some())).i32(price.unwrap_or_default().0);
            }
            Self::Flow { area, period, up, fee, rent } => {
                write_contract(w.u8(FLOW), Contract { area, period });
                w.u64(up.cast_unsigned()).i128(fee.0).i128(rent.0);
            }
            Self::Block { order, state } => {
                order.write(w.u8(BLOCK));
                w.u8(block_number(state));
            }
            Self::CapacitySet { area, period, up, down } => {
                write_contract(w.u8(CAPACITY_SET), Contract { area, period });
                w.u64(up.0).u64(down.0);
            }
            Self::Overload { area, period, direction, by } => {
                write_contract(w.u8(OVERLOAD), Contract { area, period });
                w.u8(direction_number(direction)).u64(by.0);
            }
            Self::Offered { offer, to_account, to, period, side, price, energy } => {
                offer.write(w.u8(OFFERED));
                w.u32(to_account.0).u32(to.0).u32(period.0).u8(side_number(side)).i32(price.0).u64(energy.0);
            }
            Self::Read(read) => read.write(w.u8(READ)),
            Self::AreaRead { contract, sent_up_wh } => {
                write_contract(w.u8(AREA_READ), contract);
                w.u64(sent_up_wh.cast_unsigned());
            }
            Self::ImbalancePricesSet { contract, short_price, long_price } => {
                write_contract(w.u8(IMBALANCE_PRICES_SET), contract);
                w.i32(short_price.0).i32(long_price.0);
            }
            Self::MeterSettled(settled) => settled.write(w.u8(METER_SETTLED)),
            Self::AreaSettled(settled) => settled.write(w.u8(AREA_SETTLED)),
            Self::AreaResidual(residual) => residual.write(w.u8(AREA_RESIDUAL)),
            Self::AreaFrozen { contract, why } => {
                write_contract(w.u8(AREA_FROZEN), contract);
                write_fault(w, why);
            }
            Self::LossesAccepted { contract, losses_wh } => {
                write_contract(w.u8(LOSSES_ACCEPTED), contract);
                w.u64(losses_wh.cast_unsigned());
            }
            Self::AreaUnfit { contract, why } => {
                write_contract(w.u8(AREA_UNFIT), contract);
                write_fault(w, why);
            }
            Self::CorrectionHeld { meter, contract, why } => {
                write_contract(w.u8(CORRECTION_HELD).u32(meter.0), contract);
                write_fault(w, why);
            }
            Self::PeriodFinal { period } => {
                w.u8(PERIOD_FINAL).u32(period.0);
            }
            Self::Posted { from, to, amount } => {
                from.write(w.u8(POSTED));
                to.write(w);
                w.i128(amount.0);
            }
            Self::Certificates(certificates) => certificates.write(w),
            Self::Consent(consent) => consent.write(w),
            Self::AccountRegistered { account } => {
                w.u8(ACCOUNT_REGISTERED).u32(account.0);
            }
            Self::MeterRegistered { meter, account } => {
                w.u8(METER_REGISTERED).u32(meter.0).u32(account.0);
            }
            Self::Ordered { by } => {
                w.u8(ORDERED).u16(by.0);
            }
            Self::OrganisationRegistered { organisation } => {
                w.u8(ORGANISATION_REGISTERED).u16(organisation.0);
            }
            Self::StandingChanged { subject, standing, reason } => {
                subject.write(w.u8(STANDING_CHANGED));
                w.u8(standing.number()).u8(reason.number());
            }
            Self::KeyChanged { subject, key } => {
                subject.write(w.u8(KEY_CHANGED));
                w.bytes(&key.0);
            }
            Self::MeterTransferred { meter, from, to, reason } => {
                w.u8(METER_TRANSFERRED).u32(meter.0).u32(from.0).u32(to.0).u8(reason.number());
            }
            Self::InstallationSet { meter, certificate } => {
                w.u8(INSTALLATION_SET).u32(meter.0).bytes(&certificate.0);
            }
            Self::Misconduct { entry, account, meter, kind, period, proof } => {
                w.u8(MISCONDUCT).u64(entry).u32(account.0).u32(meter.0).u8(kind.number());
                write_period(w, period);
                proof.write(w);
            }
            Self::ValidatorMisconduct { entry, validator, kind, evidence } => {
                w.u8(VALIDATOR_MISCONDUCT).u64(entry).bytes(&validator.0).u8(kind.number()).bytes(&evidence.0);
            }
            Self::ConductRevised { entry, account, state, fingerprint } => {
                w.u8(CONDUCT_REVISED).u64(entry).u32(account.0).u8(state.number()).bytes(&fingerprint.0);
            }
            Self::ConductExpired { entry, account } => {
                w.u8(CONDUCT_EXPIRED).u64(entry).u8(u8::from(account.is_some())).u32(account.unwrap_or_default().0);
            }
            Self::ScoreChanged { account, score, share_ppm } => {
                w.u8(SCORE_CHANGED).u32(account.0).u16(score).u32(share_ppm);
            }
        }
    }

    /// Reads what [`RecordEvent::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(match r.u8()? {
            TRADE => Self::Trade(Trade::read(r)?),
            RESTED => Self::Rested { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            DROPPED => Self::Dropped { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            CANCELLED => Self::Cancelled { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            REDUCED => Self::Reduced { order: PartyRef::read(r)?, remaining: Energy(r.u64()?) },
            EXPIRED => {
                let (order, remaining) = (PartyRef::read(r)?, Energy(r.u64()?));
                let cause = expiry_from_number(r.u8()?).ok_or(BytesError::Unknown)?;
                Self::Expired { order, remaining, cause }
            }
            FILLED => {
                let (order, remaining, contract) = (PartyRef::read(r)?, Energy(r.u64()?), read_contract(r)?);
                let (energy, price) = (Energy(r.u64()?), Price(r.i32()?));
                let side = side_from_number(r.u8()?).ok_or(BytesError::Unknown)?;
                Self::Filled { order, side, contract, energy, price, remaining }
            }
            CLEARED => {
                let (contract, case) = (read_contract(r)?, case_from_number(r.u8()?).ok_or(BytesError::Unknown)?);
                Self::Cleared { contract, price: read_price(r)?, case }
            }
            FLOW => {
                let (Contract { area, period }, up) = (read_contract(r)?, r.u64()?.cast_signed());
                Self::Flow { area, period, up, fee: Money(r.amount()?), rent: Money(r.amount()?) }
            }
            BLOCK => {
                Self::Block { order: PartyRef::read(r)?, state: block_from_number(r.u8()?).ok_or(BytesError::Unknown)? }
            }
            CAPACITY_SET => {
                let Contract { area, period } = read_contract(r)?;
                Self::CapacitySet { area, period, up: Energy(r.u64()?), down: Energy(r.u64()?) }
            }
            OVERLOAD => {
                let Contract { area, period } = read_contract(r)?;
                let direction = direction_from_number(r.u8()?).ok_or(BytesError::Unknown)?;
                Self::Overload { area, period, direction, by: Energy(r.u64()?) }
            }
            OFFERED => Self::Offered {
                offer: PartyRef::read(r)?,
                to_account: AccountId(r.u32()?),
                to: MeterId(r.u32()?),
                period: DeliveryPeriod(r.u32()?),
                side: side_from_number(r.u8()?).ok_or(BytesError::Unknown)?,
                price: Price(r.i32()?),
                energy: Energy(r.u64()?),
            },
            READ => Self::Read(RegistersRead::read(r)?),
            AREA_READ => Self::AreaRead { contract: read_contract(r)?, sent_up_wh: r.u64()?.cast_signed() },
            IMBALANCE_PRICES_SET => {
                let (contract, short_price) = (read_contract(r)?, Price(r.i32()?));
                Self::ImbalancePricesSet { contract, short_price, long_price: Price(r.i32()?) }
            }
            METER_SETTLED => Self::MeterSettled(MeterSettled::read(r)?),
            AREA_SETTLED => Self::AreaSettled(AreaSettled::read(r)?),
            AREA_RESIDUAL => Self::AreaResidual(AreaResidual::read(r)?),
            AREA_FROZEN => Self::AreaFrozen { contract: read_contract(r)?, why: read_fault(r)? },
            LOSSES_ACCEPTED => Self::LossesAccepted { contract: read_contract(r)?, losses_wh: r.u64()?.cast_signed() },
            AREA_UNFIT => Self::AreaUnfit { contract: read_contract(r)?, why: read_fault(r)? },
            CORRECTION_HELD => {
                Self::CorrectionHeld { meter: MeterId(r.u32()?), contract: read_contract(r)?, why: read_fault(r)? }
            }
            PERIOD_FINAL => Self::PeriodFinal { period: DeliveryPeriod(r.u32()?) },
            POSTED => Self::Posted { from: Purse::read(r)?, to: Purse::read(r)?, amount: Money(r.amount()?) },
            tag @ certificates::ISSUED..=certificates::TAKEN_BACK => Self::Certificates(Certificates::read(tag, r)?),
            tag @ (consent::GRANTED | consent::ENDED) => Self::Consent(Consent::read(tag, r)?),
            ACCOUNT_REGISTERED => Self::AccountRegistered { account: AccountId(r.u32()?) },
            METER_REGISTERED => Self::MeterRegistered { meter: MeterId(r.u32()?), account: AccountId(r.u32()?) },
            ORDERED => Self::Ordered { by: OrganisationId(r.u16()?) },
            ORGANISATION_REGISTERED => Self::OrganisationRegistered { organisation: OrganisationId(r.u16()?) },
            STANDING_CHANGED => {
                let subject = Subject::read(r)?;
                let standing = DeviceStanding::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
                Self::StandingChanged { subject, standing, reason: read_reason(r)? }
            }
            KEY_CHANGED => Self::KeyChanged { subject: Subject::read(r)?, key: PublicKey(r.array()?) },
            METER_TRANSFERRED => {
                let (meter, from, to) = (MeterId(r.u32()?), AccountId(r.u32()?), AccountId(r.u32()?));
                Self::MeterTransferred { meter, from, to, reason: read_reason(r)? }
            }
            INSTALLATION_SET => Self::InstallationSet { meter: MeterId(r.u32()?), certificate: Hash(r.array()?) },
            MISCONDUCT => Self::Misconduct {
                entry: r.u64()?,
                account: AccountId(r.u32()?),
                meter: MeterId(r.u32()?),
                kind: DeviceFault::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
                period: read_period(r)?,
                proof: Proof::read(r)?,
            },
            VALIDATOR_MISCONDUCT => Self::ValidatorMisconduct {
                entry: r.u64()?,
                validator: PublicKey(r.array()?),
                kind: EvidenceKind::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
                evidence: Hash(r.array()?),
            },
            CONDUCT_REVISED => Self::ConductRevised {
                entry: r.u64()?,
                account: AccountId(r.u32()?),
                state: EntryState::from_number(r.u8()?).ok_or(BytesError::Unknown)?,
                fingerprint: Hash(r.array()?),
            },
            CONDUCT_EXPIRED => Self::ConductExpired { entry: r.u64()?, account: read_account(r)? },
            SCORE_CHANGED => Self::ScoreChanged { account: AccountId(r.u32()?), score: r.u16()?, share_ppm: r.u32()? },
            _ => return Err(BytesError::Unknown),
        })
    }
}

impl PartyRef {
    pub(in crate::record) fn write(self, w: &mut Writer) {
        w.u32(self.account.0).u32(self.meter.0).u64(self.client_id);
    }

    pub(in crate::record) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
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
            Self::Default => (7, 0),
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
            (7, 0) => Self::Default,
            (1..=7, _) => return Err(BytesError::Padding),
            _ => return Err(BytesError::Unknown),
        };
        Ok(purse)
    }
}

fn write_order(w: &mut Writer, tag: u8, order: PartyRef, remaining: Energy) {
    order.write(w.u8(tag));
    w.u64(remaining.0);
}

fn read_reason(r: &mut Reader<'_>) -> Result<Reason, BytesError> {
    Reason::from_number(r.u8()?).ok_or(BytesError::Unknown)
}

pub(in crate::record) fn write_contract(w: &mut Writer, contract: Contract) {
    w.u16(contract.area.0).u32(contract.period.0);
}

pub(in crate::record) fn read_contract(r: &mut Reader<'_>) -> Result<Contract, BytesError> {
    Ok(Contract { area: AreaId(r.u16()?), period: DeliveryPeriod(r.u32()?) })
}

/// Whether there is an account, then the account; zero if there is none.
fn read_account(r: &mut Reader<'_>) -> Result<Option<AccountId>, BytesError> {
    match (r.u8()?, r.u32()?) {
        (0, 0) => Ok(None),
        (0, _) => Err(BytesError::Padding),
        (1, account) => Ok(Some(AccountId(account))),
        _ => Err(BytesError::Unknown),
    }
}

/// Whether there is a price, then the price; zero if there is none.
fn read_price(r: &mut Reader<'_>) -> Result<Option<Price>, BytesError> {
    match (r.u8()?, r.i32()?) {
        (0, 0) => Ok(None),
        (0, _) => Err(BytesError::Padding),
        (1, price) => Ok(Some(Price(price))),
        _ => Err(BytesError::Unknown),
    }
}

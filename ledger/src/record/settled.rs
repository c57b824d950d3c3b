//! Readings and settlement as records tell them (MARKET section 7).

use gridbook_engine::{AccountId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price};

use super::event::{read_contract, write_contract};
use crate::bytes::{BytesError, Reader, Writer};
use crate::settlement::{AreaFault, Delivery, Quality, Registers, Residual, ResidualQuality};

/// A meter's registers at the end of a period are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistersRead {
    /// Whose they are.
    pub meter: MeterId,
    /// Whose the meter is.
    pub account: AccountId,
    /// At whose end.
    pub period: DeliveryPeriod,
    /// What they show.
    pub registers: Registers,
    /// Whether the area's operator has read them in place of what was missing or wrong.
    pub is_correction: bool,
}

/// One meter in one period: what it delivered, and what money moved for it. Settled again, it tells what moved then, in addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterSettled {
    /// Which.
    pub meter: MeterId,
    /// Who was paid and charged.
    pub account: AccountId,
    /// Where and when.
    pub contract: Contract,
    /// What it took in and gave out.
    pub delivery: Delivery,
    /// How that is known.
    pub quality: Quality,
    /// What it had sold less what it had bought, in Wh.
    pub contracted_wh: i128,
    /// From clearing to the account, for its trades.
    pub trades: Money,
    /// From the account to the imbalance account, for energy of its own trades that it did not deliver or take; less than zero for
    /// what it got.
    pub own_trades: Money,
    /// From the account to the imbalance account, for energy beyond its trades; less than zero for what it got.
    pub rest: Money,
    /// How much of that the area's operator paid in the account's place, and bills; less than zero for what it had back.
    pub billed: Money,
    /// How much of that the default account bore; less than zero for what it had back.
    pub defaulted: Money,
}

/// One area's own accounts for one period. Settled again, it tells what moved then, in addition, and the energies as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaSettled {
    /// Where and when.
    pub contract: Contract,
    /// What missing energy costs upstream, per kWh.
    pub short_price: Price,
    /// What energy too much brings upstream.
    pub long_price: Price,
    /// What a meter pays for what it is short of beyond its own sales: the short price, or the reference if that is more.
    pub short_rest: Price,
    /// What a meter gets for what it has too much beyond its own purchases: the long price, or the reference if that is less.
    pub long_rest: Price,
    /// What its meters gave out less what they took in, in Wh.
    pub net_wh: i128,
    /// What they had sold less what they had bought.
    pub contracted_wh: i128,
    /// What got lost on the way.
    pub losses_wh: i128,
    /// From the imbalance account to the grid upstream; less than zero for what came from there.
    pub upstream: Money,
    /// From the area's operator to the grid upstream, for losses; less than zero for what came from there.
    pub losses: Money,
    /// From the imbalance account to the area's operator; less than zero for what went back.
    pub surplus: Money,
}

/// What the virtual meter of an area shows for one period, when it is settled and whenever that changes until it is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaResidual {
    /// Where and when.
    pub contract: Contract,
    /// What it shows now, and how that is known.
    pub residual: Residual,
}

impl RegistersRead {
    pub(super) fn write(&self, w: &mut Writer) {
        w.u32(self.meter.0).u32(self.account.0).u32(self.period.0);
        w.u64(self.registers.import).u64(self.registers.export).u64(self.registers.counter);
        w.u8(u8::from(self.is_correction));
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (meter, account, period) = (MeterId(r.u32()?), AccountId(r.u32()?), DeliveryPeriod(r.u32()?));
        let registers = Registers { import: r.u64()?, export: r.u64()?, counter: r.u64()? };
        Ok(Self { meter, account, period, registers, is_correction: read_flag(r)? })
    }
}

impl MeterSettled {
    pub(super) fn write(&self, w: &mut Writer) {
        write_contract(w.u32(self.meter.0).u32(self.account.0), self.contract);
        w.u64(self.delivery.import.0).u64(self.delivery.export.0).u8(self.quality.number());
        w.i128(self.contracted_wh);
        for amount in [self.trades, self.own_trades, self.rest, self.billed, self.defaulted] {
            w.i128(amount.0);
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (meter, account, contract) = (MeterId(r.u32()?), AccountId(r.u32()?), read_contract(r)?);
        let delivery = Delivery { import: Energy(r.u64()?), export: Energy(r.u64()?) };
        let quality = Quality::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
        let contracted_wh = r.amount()?;
        let mut amount = || r.amount().map(Money);
        let (trades, own_trades, rest) = (amount()?, amount()?, amount()?);
        let (billed, defaulted) = (amount()?, amount()?);
        Ok(Self {
            meter,
            account,
            contract,
            delivery,
            quality,
            contracted_wh,
            trades,
            own_trades,
            rest,
            billed,
            defaulted,
        })
    }
}

impl AreaSettled {
    pub(super) fn write(&self, w: &mut Writer) {
        write_contract(w, self.contract);
        for price in [self.short_price, self.long_price, self.short_rest, self.long_rest] {
            w.i32(price.0);
        }
        w.i128(self.net_wh).i128(self.contracted_wh).i128(self.losses_wh);
        for amount in [self.upstream, self.losses, self.surplus] {
            w.i128(amount.0);
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            contract: read_contract(r)?,
            short_price: Price(r.i32()?),
            long_price: Price(r.i32()?),
            short_rest: Price(r.i32()?),
            long_rest: Price(r.i32()?),
            net_wh: r.amount()?,
            contracted_wh: r.amount()?,
            losses_wh: r.amount()?,
            upstream: Money(r.amount()?),
            losses: Money(r.amount()?),
            surplus: Money(r.amount()?),
        })
    }
}

impl AreaResidual {
    pub(super) fn write(&self, w: &mut Writer) {
        write_contract(w, self.contract);
        self.residual.write(w);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self { contract: read_contract(r)?, residual: Residual::read(r)? })
    }
}

impl Residual {
    /// 49 bytes, in records and in snapshots.
    pub(crate) fn write<'a>(&self, w: &'a mut Writer) -> &'a mut Writer {
        w.i128(self.net_wh).i128(self.below_wh).i128(self.sent_up_wh).u8(self.quality.number())
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (net_wh, below_wh, sent_up_wh) = (r.amount()?, r.amount()?, r.amount()?);
        let quality = ResidualQuality::from_number(r.u8()?).ok_or(BytesError::Unknown)?;
        Ok(Self { net_wh, below_wh, sent_up_wh, quality })
    }
}

/// What contradicts what in an area's energies: a tag, then two amounts of energy or money, zero where there is none.
pub(crate) fn write_fault(w: &mut Writer, fault: AreaFault) {
    let (tag, first, second) = match fault {
        AreaFault::Unsound => (0, 0, 0),
        AreaFault::Contracted { contracted_wh, exchange_wh } => (1, contracted_wh, exchange_wh),
        AreaFault::Losses { losses_wh, throughput_wh } => (2, losses_wh, throughput_wh.cast_signed()),
        AreaFault::Deficit(money) => (3, money.0, 0),
    };
    w.u8(tag).i128(first).i128(second);
}

pub(crate) fn read_fault(r: &mut Reader<'_>) -> Result<AreaFault, BytesError> {
    match (r.u8()?, r.amount()?, r.amount()?) {
        (0, 0, 0) => Ok(AreaFault::Unsound),
        (1, contracted_wh, exchange_wh) => Ok(AreaFault::Contracted { contracted_wh, exchange_wh }),
        (2, losses_wh, throughput_wh) => {
            let throughput_wh = u128::try_from(throughput_wh).map_err(|_| BytesError::Amount)?;
            Ok(AreaFault::Losses { losses_wh, throughput_wh })
        }
        (3, money, 0) => Ok(AreaFault::Deficit(Money(money))),
        (0 | 3, ..) => Err(BytesError::Padding),
        _ => Err(BytesError::Unknown),
    }
}

fn read_flag(r: &mut Reader<'_>) -> Result<bool, BytesError> {
    match r.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BytesError::Unknown),
    }
}

//! What meters have counted, and what imbalance costs (MARKET section 7).

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, MeterId, Price};

use crate::bytes::{Reader, Writer};
use crate::reject::Code;
use crate::settlement::Registers;

/// The registers of the signing meter at the end of a delivery period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// At whose end.
    pub period: DeliveryPeriod,
    /// What they show.
    pub registers: Registers,
}

/// The registers of another's meter, read by the grid operator of its area in place of what is missing or wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Whose.
    pub meter: MeterId,
    /// What they showed, and when.
    pub reading: Reading,
}

/// What an area's operator has metered at its edge in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaReading {
    /// Where and when.
    pub contract: Contract,
    /// Energy in Wh that left the area over the edge above it, for the root to the grid upstream; less than zero for what came in.
    pub sent_up_wh: i64,
}

/// So much of an area's energy is missing, or was found, that its period was not settled; its operator answers for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptLosses {
    /// Where and when.
    pub contract: Contract,
    /// The losses in Wh, as the ledger tells them; less than zero for energy found.
    pub losses_wh: i64,
}

/// What imbalance costs in a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetImbalancePrices {
    /// Where and when.
    pub contract: Contract,
    /// What missing energy costs per kWh: at least `long_price`.
    pub short_price: Price,
    /// What energy too much brings per kWh.
    pub long_price: Price,
}

impl Reading {
    /// Behind the tag, three zero bytes: period u32, then import and export register in Wh and the counter, u64 each.
    pub(super) fn write(&self, w: &mut Writer) {
        write_registers(w.bytes(&[0; 3]).u32(self.period.0), &self.registers);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        r.padding(3)?;
        Ok(Self { period: DeliveryPeriod(r.u32()?), registers: read_registers(r)? })
    }
}

impl Correction {
    /// Behind the tag, three zero bytes: meter u32, period u32, four zero bytes, then as in a reading.
    pub(super) fn write(&self, w: &mut Writer) {
        let Reading { period, registers } = self.reading;
        write_registers(w.bytes(&[0; 3]).u32(self.meter.0).u32(period.0).u32(0), &registers);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        r.padding(3)?;
        let (meter, period) = (MeterId(r.u32()?), DeliveryPeriod(r.u32()?));
        r.padding(4)?;
        Ok(Self { meter, reading: Reading { period, registers: read_registers(r)? } })
    }
}

impl AreaReading {
    /// Behind the tag, a zero byte: area u16, period u32, what was sent up i64.
    pub(super) fn write(&self, w: &mut Writer) {
        write_contract(w, self.contract);
        w.u64(self.sent_up_wh.cast_unsigned());
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        Ok(Self { contract: read_contract(r)?, sent_up_wh: r.u64()?.cast_signed() })
    }
}

impl AcceptLosses {
    /// Behind the tag, a zero byte: area u16, period u32, losses i64.
    pub(super) fn write(&self, w: &mut Writer) {
        write_contract(w, self.contract);
        w.u64(self.losses_wh.cast_unsigned());
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        Ok(Self { contract: read_contract(r)?, losses_wh: r.u64()?.cast_signed() })
    }
}

impl SetImbalancePrices {
    /// Behind the tag, a zero byte: area u16, period u32, short price i32, long price i32.
    pub(super) fn write(&self, w: &mut Writer) {
        write_contract(w, self.contract);
        w.i32(self.short_price.0).i32(self.long_price.0);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        Ok(Self { contract: read_contract(r)?, short_price: Price(r.i32()?), long_price: Price(r.i32()?) })
    }
}

fn write_registers(w: &mut Writer, registers: &Registers) {
    w.u64(registers.import).u64(registers.export).u64(registers.counter);
}

fn read_registers(r: &mut Reader<'_>) -> Result<Registers, Code> {
    Ok(Registers { import: r.u64()?, export: r.u64()?, counter: r.u64()? })
}

fn write_contract(w: &mut Writer, Contract { area, period }: Contract) {
    w.u8(0).u16(area.0).u32(period.0);
}

fn read_contract(r: &mut Reader<'_>) -> Result<Contract, Code> {
    r.padding(1)?;
    Ok(Contract { area: AreaId(r.u16()?), period: DeliveryPeriod(r.u32()?) })
}

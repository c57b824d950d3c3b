//! A block order as it is signed: a head, and parts that say how much in which delivery period.

use gridbook_engine::{AreaId, DeliveryPeriod, Energy, Price, Side};

use super::order::{side_from_number, side_number};
use crate::bytes::{Reader, Writer};
use crate::reject::Code;

/// The head of a block order: one price over several periods, all or nothing (MARKET section 3). The next `parts` commands of its
/// bundle are its [`BlockPart`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block's name, unique per meter, among its orders too.
    pub client_id: u64,
    /// Where the energy is delivered.
    pub area: AreaId,
    /// Which way.
    pub side: Side,
    /// The limit per kWh, on average over all its energy.
    pub price: Price,
    /// How many parts follow: 1 to [`Block::PARTS_MAX`].
    pub parts: u16,
}

/// The energy of up to seven delivery periods in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPart {
    /// The first of them. Parts follow each other in time.
    pub first: DeliveryPeriod,
    /// How much in each; zero for none.
    pub energies: [Energy; BlockPart::PERIODS],
}

impl Block {
    /// The most parts: each names at least one period, and a block has at most 100.
    pub const PARTS_MAX: u16 = 100;

    /// Side, area, parts, client id, price, without the tag.
    pub(super) fn write(&self, w: &mut Writer) {
        w.u8(side_number(self.side)).u16(self.area.0).u16(self.parts).u16(0).u64(self.client_id).i32(self.price.0);
    }

    /// Reads what [`Block::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        let side = side_from_number(r.u8()?).ok_or(Code::FormTag)?;
        let (area, parts) = (AreaId(r.u16()?), r.u16()?);
        r.padding(2)?;
        Ok(Self { client_id: r.u64()?, area, side, price: Price(r.i32()?), parts })
    }
}

impl BlockPart {
    /// How many periods one part can name.
    pub const PERIODS: usize = 7;

    /// The periods that it gives energy to.
    ///
    /// # Errors
    /// `FormBlock` if there are none, or one lies behind the end of time.
    pub fn periods(&self) -> Result<Vec<(DeliveryPeriod, Energy)>, Code> {
        let named = (0..).zip(self.energies).filter(|(_, energy)| !energy.is_zero());
        let period = |(place, energy)| Some((DeliveryPeriod(self.first.0.checked_add(place)?), energy));
        let periods: Option<Vec<_>> = named.map(period).collect();
        periods.filter(|periods| !periods.is_empty()).ok_or(Code::FormBlock)
    }

    /// Three zeros, the first period, seven energies, without the tag: all of the 64 bytes.
    pub(super) fn write(&self, w: &mut Writer) {
        w.bytes(&[0; 3]).u32(self.first.0);
        for energy in self.energies {
            w.u64(energy.0);
        }
    }

    /// Reads what [`BlockPart::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        r.padding(3)?;
        let mut part = Self { first: DeliveryPeriod(r.u32()?), energies: [Energy::ZERO; Self::PERIODS] };
        for energy in &mut part.energies {
            *energy = Energy(r.u64()?);
        }
        Ok(part)
    }
}

//! A trade as records tell it.

use gridbook_engine::{AreaId, Contract, DeliveryPeriod, Energy, Price, Side, TradeKind};

use super::PartyRef;
use super::numbers::{kind_from_number, kind_number};
use crate::bytes::{BytesError, Reader, Writer};
use crate::command::{side_from_number, side_number};

/// Two orders met, or two parties agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The order that rested; of two that rested, the older one. The seller in a pre-arranged trade.
    pub maker: PartyRef,
    /// The order that came in.
    pub taker: PartyRef,
    /// When the energy is delivered.
    pub period: DeliveryPeriod,
    /// Where the maker is.
    pub maker_area: AreaId,
    /// Where the taker is.
    pub taker_area: AreaId,
    /// The side of the taker.
    pub taker_side: Side,
    /// How it came about.
    pub kind: TradeKind,
    /// Price per kWh that the maker pays or gets.
    pub price: Price,
    /// What the edges between the two take per kWh. The taker bears it.
    pub fee: Price,
    /// How much.
    pub energy: Energy,
}

impl Trade {
    /// The buying order.
    pub fn buyer(&self) -> PartyRef {
        match self.taker_side {
            Side::Buy => self.taker,
            Side::Sell => self.maker,
        }
    }

    /// The selling order.
    pub fn seller(&self) -> PartyRef {
        match self.taker_side {
            Side::Buy => self.maker,
            Side::Sell => self.taker,
        }
    }

    /// What the buyer pays per kWh, fees included.
    pub fn buyer_pays(&self) -> Price {
        match self.taker_side {
            Side::Buy => Price(self.price.0.saturating_add(self.fee.0)),
            Side::Sell => self.price,
        }
    }

    /// What the seller gets per kWh, fees taken off.
    pub fn seller_gets(&self) -> Price {
        match self.taker_side {
            Side::Buy => self.price,
            Side::Sell => Price(self.price.0.saturating_sub(self.fee.0)),
        }
    }

    /// Where and when the maker trades.
    pub fn maker_contract(&self) -> Contract {
        Contract { area: self.maker_area, period: self.period }
    }

    /// Where and when the taker trades.
    pub fn taker_contract(&self) -> Contract {
        Contract { area: self.taker_area, period: self.period }
    }

    /// Lays all fields, without gaps.
    pub(super) fn write(&self, w: &mut Writer) {
        self.maker.write(w);
        self.taker.write(w);
        w.u32(self.period.0).u16(self.maker_area.0).u16(self.taker_area.0);
        w.u8(side_number(self.taker_side))
            .u8(kind_number(self.kind))
            .i32(self.price.0)
            .i32(self.fee.0)
            .u64(self.energy.0);
    }

    /// Reads what [`Trade::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        Ok(Self {
            maker: PartyRef::read(r)?,
            taker: PartyRef::read(r)?,
            period: DeliveryPeriod(r.u32()?),
            maker_area: AreaId(r.u16()?),
            taker_area: AreaId(r.u16()?),
            taker_side: side_from_number(r.u8()?).ok_or(BytesError::Unknown)?,
            kind: kind_from_number(r.u8()?).ok_or(BytesError::Unknown)?,
            price: Price(r.i32()?),
            fee: Price(r.i32()?),
            energy: Energy(r.u64()?),
        })
    }
}

//! An order as it is signed.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, EnergySources, MeterId, NewOrder, OrderTag,
};
use gridbook_engine::{Preferences, Price, Side, TimeInForce};

use super::record::zero_or;
use crate::bytes::{Reader, Writer};
use crate::reject::Code;

/// An order of the signing meter. Its bytes have a place for all-or-none, which must be zero: only block orders are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The order's name, unique per meter.
    pub client_id: u64,
    /// Where the energy is delivered.
    pub area: AreaId,
    /// When the energy is delivered.
    pub period: DeliveryPeriod,
    /// Which way.
    pub side: Side,
    /// The limit per kWh, fees included.
    pub price: Price,
    /// How much.
    pub energy: Energy,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Reject it instead of letting it trade on entry.
    pub post_only: bool,
    /// How much of it shows while it rests; zero for all of it.
    pub display: Energy,
    /// What a buy accepts, what a sell delivers; none for what the market takes then: every source, the grid's mix.
    pub sources: Option<EnergySources>,
    /// The most edges between buyer and seller, 0 for the own area only; none for no limit. No way is longer than 128 edges, so that
    /// 255, which the bytes have no room for, means the same as 254.
    pub max_edges: Option<u8>,
    /// The only account to trade with.
    pub partner: Option<AccountId>,
}

impl Place {
    /// A plain limit order that rests until the gate. Everything else is said by struct update: `Place { post_only: true, ..place }`.
    pub const fn limit(client_id: u64, contract: Contract, side: Side, price: Price, energy: Energy) -> Self {
        Self {
            client_id,
            area: contract.area,
            period: contract.period,
            side,
            price,
            energy,
            time_in_force: TimeInForce::GoodTillGate,
            post_only: false,
            display: Energy::ZERO,
            sources: None,
            max_edges: None,
            partner: None,
        }
    }

    /// What is traded.
    pub fn contract(&self) -> Contract {
        Contract { area: self.area, period: self.period }
    }

    /// Whom it will trade with.
    pub fn preferences(&self) -> Preferences {
        let none = Preferences::none(self.side);
        Preferences {
            sources: self.sources.unwrap_or(none.sources),
            max_edges: self.max_edges.map_or(none.max_edges, u16::from),
            partner: self.partner,
        }
    }

    /// The order as the engine takes it, once it is known whose it is.
    pub fn order(&self, tag: OrderTag, account: AccountId, meter: MeterId) -> NewOrder {
        NewOrder {
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            display: self.display,
            preferences: self.preferences(),
            ..NewOrder::limit(tag, account, meter, self.contract(), self.side, self.price, self.energy)
        }
    }

    /// Lays everything behind the command's tag:
    ///
    /// | byte | field | | byte | field |
    /// |---|---|---|---|---|
    /// | 1 | side: 0 buy, 1 sell | | 16 | energy, Wh, u64 |
    /// | 2 | time in force: 0 till gate, 1 till time, 2 immediate or cancel, 3 fill or kill | | 24 | good-till time, ms, u64; else 0 |
    /// | 3 | post-only: 0 or 1 | | 32 | shown clip, Wh, u64; 0 for all |
    /// | 4 | all-or-none: 0 | | 40 | price, i32 |
    /// | 5 | most edges + 1, u8; 0 for no limit | | 44 | delivery period, u32 |
    /// | 6 | area, u16 | | 48 | partner account + 1, u32; 0 for anybody |
    /// | 8 | client id, u64 | | 52 | energy sources, u16; 0 for the side's default; then 10 zero bytes |
    pub(super) fn write(&self, w: &mut Writer) {
        let (time_in_force, until) = match self.time_in_force {
            TimeInForce::GoodTillGate => (0, 0),
            TimeInForce::GoodTillTime(until) => (1, until.0),
            TimeInForce::ImmediateOrCancel => (2, 0),
            TimeInForce::FillOrKill => (3, 0),
        };
        let most_edges = self.max_edges.map_or(0, |most| most.saturating_add(1));
        // The last account number is never given out, so that every partner has a successor.
        let partner = self.partner.map_or(0, |partner| partner.0.saturating_add(1));
        w.u8(side_number(self.side))
            .u8(time_in_force)
            .u8(u8::from(self.post_only))
            .u8(0)
            .u8(most_edges)
            .u16(self.area.0);
        w.u64(self.client_id).u64(self.energy.0).u64(until).u64(self.display.0);
        w.i32(self.price.0).u32(self.period.0).u32(partner);
        w.u16(self.sources.map_or(0, |sources| sources.bits().into())).bytes(&[0; 10]);
    }

    /// Reads what [`Place::write`] wrote.
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        let side = side_from_number(r.u8()?).ok_or(Code::FormTag)?;
        let time_in_force = r.u8()?;
        let post_only = flag(r.u8()?)?;
        zero_or(r.u8()?, Code::FormAllOrNone)?;
        let max_edges = r.u8()?.checked_sub(1);
        let area = AreaId(r.u16()?);
        let client_id = r.u64()?;
        let energy = Energy(r.u64()?);
        let until = r.u64()?;
        let display = Energy(r.u64()?);
        let (price, period) = (Price(r.i32()?), DeliveryPeriod(r.u32()?));
        let partner = r.u32()?.checked_sub(1).map(AccountId);
        let sources = sources_from(r.u16()?)?;
        r.padding(10)?;
        let time_in_force = time_in_force_from(time_in_force, until)?;
        let limit = Self::limit(client_id, Contract { area, period }, side, price, energy);
        Ok(Self { time_in_force, post_only, display, sources, max_edges, partner, ..limit })
    }
}

fn sources_from(bits: u16) -> Result<Option<EnergySources>, Code> {
    if bits == 0 {
        return Ok(None);
    }
    let sources = u8::try_from(bits).ok().and_then(EnergySources::from_bits);
    sources.map(Some).ok_or(Code::FormTag)
}

fn time_in_force_from(number: u8, until: u64) -> Result<TimeInForce, Code> {
    let time_in_force = match number {
        0 => TimeInForce::GoodTillGate,
        1 => return Ok(TimeInForce::GoodTillTime(gridbook_engine::LedgerTime(until))),
        2 => TimeInForce::ImmediateOrCancel,
        3 => TimeInForce::FillOrKill,
        _ => return Err(Code::FormTag),
    };
    zero_or(until, Code::FormPadding)?;
    Ok(time_in_force)
}

fn flag(byte: u8) -> Result<bool, Code> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Code::FormTag),
    }
}

/// How bytes name a side.
pub(crate) fn side_number(side: Side) -> u8 {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// The side that [`side_number`] named.
pub(crate) fn side_from_number(number: u8) -> Option<Side> {
    match number {
        0 => Some(Side::Buy),
        1 => Some(Side::Sell),
        _ => None,
    }
}

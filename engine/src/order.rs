//! Orders as the engine takes them in (MARKET.md section 3).

use core::fmt;

use crate::contract::{AccountId, AreaId, Contract, DeliveryPeriod, MeterId};
use crate::units::{Energy, LedgerTime, Price};

/// Which way an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Takes energy in.
    Buy,
    /// Gives energy out.
    Sell,
}

impl Side {
    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    /// The other side.
    #[inline]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeInForce {
    /// Rests until it is filled, cancelled, or the contract's gate closes. The default.
    GoodTillGate,
    /// As [`TimeInForce::GoodTillGate`], but no longer than until this ledger time, exclusive.
    GoodTillTime(LedgerTime),
    /// Trades what it can at once; the rest is dropped.
    ImmediateOrCancel,
    /// Trades all at once or nothing.
    FillOrKill,
}

/// The engine's own name of a resting order. It says where the order lies and is never reused while anyone could hold it,
/// but it is a handle of one process: what is signed, hashed or shown names an order by its [`OrderTag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// The caller's name of an order, carried through and reported back untouched. The ledger puts the log's sequence number
/// of the command that placed the order here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderTag(pub u64);

/// A set of energy sources: what a buy accepts, what a sell delivers (MARKET section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnergySources(u8);

impl EnergySources {
    /// Photovoltaics.
    pub const SOLAR: Self = Self(1);
    /// Wind.
    pub const WIND: Self = Self(1 << 1);
    /// Water.
    pub const HYDRO: Self = Self(1 << 2);
    /// Biomass and biogas.
    pub const BIOMASS: Self = Self(1 << 3);
    /// Out of storage.
    pub const STORAGE: Self = Self(1 << 4);
    /// Whatever the grid has.
    pub const GRID_MIX: Self = Self(1 << 5);
    /// All of them.
    pub const ALL: Self = Self((1 << 6) - 1);
    /// Each source by itself, with its name in files.
    pub const NAMES: [(Self, &'static str); 6] = [
        (Self::SOLAR, "solar"),
        (Self::WIND, "wind"),
        (Self::HYDRO, "hydro"),
        (Self::BIOMASS, "biomass"),
        (Self::STORAGE, "storage"),
        (Self::GRID_MIX, "grid_mix"),
    ];

    /// The set of these bits, lowest first in the order of [`EnergySources::NAMES`]; nothing for the empty set or an unknown bit.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits == 0 || bits > Self::ALL.0 { None } else { Some(Self(bits)) }
    }

    /// As bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Both sets together.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `self` are in `other`: what a sell delivers must be within what the buy accepts.
    #[inline]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl fmt::Display for EnergySources {
    /// As `solar+wind`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(source, _)| source.is_within(*self)).map(|&(_, name)| name);
        for (index, name) in names.enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// Whom an order will trade with, besides its price (MARKET section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Preferences {
    /// What a buy accepts, what a sell delivers. The seller's must be within the buyer's.
    pub sources: EnergySources,
    /// The most edges between buyer and seller: 0 for the own area only, [`Preferences::ANYWHERE`] for no limit.
    pub max_edges: u16,
    /// Only this account.
    pub partner: Option<AccountId>,
}

impl Preferences {
    /// The `max_edges` of an order that does not mind how far.
    pub const ANYWHERE: u16 = u16::MAX;

    /// None: a buy accepts every source, a sell delivers the grid's mix, from anywhere, with anybody.
    #[inline]
    pub const fn none(side: Side) -> Self {
        // By table: the side of an order is the one thing about it that no processor can guess.
        let sources = [EnergySources::ALL, EnergySources::GRID_MIX][side as usize];
        Self { sources, max_edges: Self::ANYWHERE, partner: None }
    }

    /// Whether an order of this side with these preferences is plain: only plain orders take part in call auctions (MARKET section 5).
    #[inline]
    pub fn are_none(&self, side: Side) -> bool {
        let Self { sources, max_edges, partner } = Self::none(side);
        self.partner == partner && self.max_edges == max_edges && self.sources == sources
    }
}

/// A limit order on its way in. A market order is [`TimeInForce::ImmediateOrCancel`] at the price limit of its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The caller's name for it.
    pub tag: OrderTag,
    /// Who pays and is paid. An order never trades with one of the same account.
    pub account: AccountId,
    /// The meter that delivers or takes the energy.
    pub meter: MeterId,
    /// What is traded.
    pub contract: Contract,
    /// Which way.
    pub side: Side,
    /// The limit: the most a buyer pays, the least a seller takes, per kWh.
    pub price: Price,
    /// How much, a positive multiple of the lot.
    pub energy: Energy,
    /// How long.
    pub time_in_force: TimeInForce,
    /// Reject it instead of letting it trade on entry.
    pub post_only: bool,
    /// How much of it shows while it rests; zero for all of it. The rest is hidden reserve.
    pub display: Energy,
    /// Whom it will trade with.
    pub preferences: Preferences,
}

impl NewOrder {
    /// The most clips that a hidden reserve may be cut into: bounds what one order can make its counterparts work.
    pub const CLIPS_MAX: u64 = 1_000;

    /// A plain limit order that rests until the gate. Everything else is said by struct update: `NewOrder { post_only: true, ..order }`.
    #[inline]
    pub const fn limit(
        tag: OrderTag,
        account: AccountId,
        meter: MeterId,
        contract: Contract,
        side: Side,
        price: Price,
        energy: Energy,
    ) -> Self {
        Self {
            tag,
            account,
            meter,
            contract,
            side,
            price,
            energy,
            time_in_force: TimeInForce::GoodTillGate,
            post_only: false,
            display: Energy::ZERO,
            preferences: Preferences::none(side),
        }
    }
}

/// One price, several periods, all or nothing, with energy per period. Matched in call auctions only (MARKET section 3 and 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlock {
    /// The caller's name for it, by which it is cancelled: no two blocks that wait have the same.
    pub tag: OrderTag,
    /// Who pays and is paid.
    pub account: AccountId,
    /// The meter that delivers or takes the energy.
    pub meter: MeterId,
    /// Where.
    pub area: AreaId,
    /// Which way.
    pub side: Side,
    /// The limit: the least a seller, the most a buyer wants per kWh on average over all its energy.
    pub price: Price,
    /// The energy of each period, ascending by period, each a positive multiple of the lot.
    pub energies: Vec<(DeliveryPeriod, Energy)>,
}

impl NewBlock {
    /// The most periods of one block: a day of quarter-hours of 25 hours.
    pub const PERIODS_MAX: usize = 100;
}

/// A trade that two parties have agreed on outside the book and both signed (MARKET section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prearranged {
    /// The caller's name for it.
    pub tag: OrderTag,
    /// Who buys.
    pub buyer: Party,
    /// Who sells.
    pub seller: Party,
    /// When.
    pub period: DeliveryPeriod,
    /// What the seller gets per kWh. The buyer pays this and the fees of the edges in between.
    pub price: Price,
    /// How much: all of it or nothing.
    pub energy: Energy,
}

/// One side of a pre-arranged trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who pays or is paid.
    pub account: AccountId,
    /// The meter that delivers or takes the energy.
    pub meter: MeterId,
    /// Where.
    pub area: AreaId,
}

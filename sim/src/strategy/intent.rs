//! What an agent asks for, before anybody signs it.

use gridbook_engine::{DeliveryPeriod, Energy, LedgerTime, Price, Side};

/// One wish of an agent: a command of the market without meter, nonce and signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// A new limit order.
    Place {
        /// The agent's name for the order, unique per meter, from 1 upward.
        client_id: u64,
        /// When the energy is delivered.
        period: DeliveryPeriod,
        /// Which way.
        side: Side,
        /// The limit per kWh, on the tick.
        price: Price,
        /// How much, a positive multiple of the lot.
        energy: Energy,
        /// Until when it rests, exclusive; until the gate closes if there is none.
        good_till: Option<LedgerTime>,
        /// Whether it trades at once or not at all. Then `good_till` has no meaning.
        ioc: bool,
    },
    /// Takes an order back.
    Cancel {
        /// Which order.
        client_id: u64,
    },
    /// Lowers the energy of an order; it keeps its place.
    Reduce {
        /// Which order.
        client_id: u64,
        /// How much less, below what is open.
        by: Energy,
    },
    /// Gives an order a new limit and energy.
    Replace {
        /// Which order. It keeps this name.
        client_id: u64,
        /// The new limit per kWh, on the tick.
        price: Price,
        /// The energy that shall be open from now on, a positive multiple of the lot.
        energy: Energy,
    },
}

impl Intent {
    /// The order it is about.
    pub fn client_id(&self) -> u64 {
        match *self {
            Self::Place { client_id, .. }
            | Self::Cancel { client_id }
            | Self::Reduce { client_id, .. }
            | Self::Replace { client_id, .. } => client_id,
        }
    }
}

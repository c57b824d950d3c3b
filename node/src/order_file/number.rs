//! The numbers of an order file: whole, in range, and with a sentence for whoever writes another.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

macro_rules! whole_number {
    ($($(#[$doc:meta])* $name:ident($inner:ty): $words:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Whole;

                impl Visitor<'_> for Whole {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} as a whole number from {} to {}", $words, <$inner>::MIN, <$inner>::MAX)
                    }

                    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                        let number = <$inner>::try_from(value);
                        number.map($name).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
                    }

                    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                        let number = <$inner>::try_from(value);
                        number.map($name).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
                    }
                }

                deserializer.deserialize_any(Whole)
            }
        }
    )* };
}

whole_number! {
    /// The file's name of an order, a block, a basket or a pre-arranged trade.
    Id(u64): "an id";
    /// The meter's own name of an order.
    ClientId(u64): "a client id";
    /// Energy.
    WattHours(u64): "energy in Wh";
    /// A price or fee, in micro-currency per kWh.
    UnitPrice(i32): "a price in micro-currency per kWh";
    /// A delivery period.
    Period(u32): "a delivery period";
    /// Ledger time, or a length of it.
    Milliseconds(u64): "ledger milliseconds";
    /// A length of time.
    Minutes(u32): "minutes";
    /// A count of delivery periods.
    Periods(u32): "a count of delivery periods";
    /// A count of edges.
    EdgeCount(u16): "a count of edges";
}

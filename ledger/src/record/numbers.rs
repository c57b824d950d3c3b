//! How records name what has a few values. Numbers never change their meaning.

use gridbook_engine::{BlockState, ClearingCase, Direction, Expiry, TradeKind};

/// Writes both ways from one list.
macro_rules! numbers {
    ($to:ident, $from:ident, $type:ident { $($name:ident = $number:literal,)* }) => {
        pub(super) fn $to(value: $type) -> u8 {
            match value { $($type::$name => $number,)* }
        }

        pub(super) fn $from(number: u8) -> Option<$type> {
            match number { $($number => Some($type::$name),)* _ => None }
        }
    };
}

numbers!(expiry_number, expiry_from_number, Expiry { Until = 0, Gate = 1, });
numbers!(kind_number, kind_from_number, TradeKind { Continuous = 0, PayAsBid = 1, Prearranged = 2, });
numbers!(direction_number, direction_from_number, Direction { Up = 0, Down = 1, });
numbers!(block_number, block_from_number, BlockState { Accepted = 0, Rejected = 1, ParadoxicallyRejected = 2, });
numbers!(case_number, case_from_number, ClearingCase {
    MarginalSeller = 0,
    MarginalBuyer = 1,
    Border = 2,
    Exact = 3,
    Empty = 4,
    Failed = 5,
});

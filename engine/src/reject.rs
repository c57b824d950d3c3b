//! Why the engine, or the limits behind it, refuse a command.

/// Why a command was refused. A refused command changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Reject {
    /// Price not a multiple of the tick.
    #[error("the price is not a multiple of the tick")]
    FormTick,
    /// Price outside the market's limits.
    #[error("the price is outside the limits of this market")]
    FormPriceLimit,
    /// Energy not a multiple of the lot.
    #[error("the energy is not a multiple of the lot")]
    FormLot,
    /// Energy of zero.
    #[error("an order needs some energy")]
    FormZeroEnergy,
    /// Flags that contradict each other, such as post-only with immediate-or-cancel.
    #[error("post-only cannot be combined with an order that never rests")]
    FormFlags,
    /// No such area in the network.
    #[error("there is no such delivery area")]
    FormArea,
    /// Trading has not opened yet.
    #[error("trading of this delivery period has not opened yet")]
    GateNotOpen,
    /// Trading has ended.
    #[error("trading of this delivery period has ended")]
    GateClosed,
    /// A good-till-time order that is over already.
    #[error("the order would have expired already")]
    GateExpired,
    /// Post-only, and it would trade.
    #[error("the order is post-only and would have traded at once")]
    MatchPostOnly,
    /// Fill-or-kill, and not enough to trade with.
    #[error("not all of the order could be filled at once")]
    MatchFillOrKill,
    /// No resting order of that name belongs to the sender.
    #[error("no open order of that name: it was filled, cancelled, has expired or never was yours")]
    MatchUnknownOrder,
    /// A reduction by nothing.
    #[error("a reduction needs some energy")]
    MatchNothingToReduce,
    /// Not enough money free for the order's collateral.
    #[error("the account has not enough free money to cover this order")]
    CreditMoney,
    /// More than the meter's connection can deliver or take in that period.
    #[error("the order exceeds what the meter's connection can carry in that delivery period")]
    CreditHeadroom,
}

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
    /// A shown part that is no smaller than the order, off the lot, or would cut it into more than
    /// [`CLIPS_MAX`](crate::NewOrder::CLIPS_MAX) clips; or on an order that never rests.
    #[error(
        "the shown part must be a multiple of the lot, less than the order and at least a thousandth of it, and the order must be able to rest"
    )]
    FormDisplay,
    /// An order that names its own account as its only partner.
    #[error("an order never trades with its own account: name another partner")]
    FormPartner,
    /// A basket without orders or with too many, or of orders that are not fill-or-kill.
    #[error("a basket holds 1 to 100 orders, each fill-or-kill")]
    FormBasket,
    /// A block without periods, with too many, or out of order.
    #[error("a block order names 1 to 100 delivery periods in ascending order, each once, each with some energy")]
    FormBlock,
    /// No edge there to have a capacity.
    #[error("there is no edge above that area")]
    FormEdge,
    /// A capacity beyond what flows are counted in.
    #[error("a capacity is at most 2^60 Wh")]
    FormCapacity,
    /// Trading has not opened yet.
    #[error("trading of this delivery period has not opened yet")]
    GateNotOpen,
    /// Trading has ended.
    #[error("trading of this delivery period has ended")]
    GateClosed,
    /// A good-till-time order that is over already.
    #[error("the order would have expired already")]
    GateExpired,
    /// The order cannot rest, and the contract is still in its call phase.
    #[error("this delivery period is in its call phase: only orders that can wait for the auction are taken")]
    GateCallPhase,
    /// A block order for a period that is not, or no longer, in its call phase.
    #[error("block orders are taken in the call phase of all their delivery periods only")]
    GateNoCall,
    /// Trading across edges has ended, or it has not begun because a call phase lasts.
    #[error("trading of this delivery period with other areas has ended")]
    GateCrossArea,
    /// Post-only, and it would trade.
    #[error("the order is post-only and would have traded at once")]
    MatchPostOnly,
    /// Fill-or-kill, and not enough to trade with.
    #[error("not all of the order could be filled at once")]
    MatchFillOrKill,
    /// No resting order of that name belongs to the sender.
    #[error("no open order of that name: it was filled, cancelled, has expired or never was yours")]
    MatchUnknownOrder,
    /// In a call phase: the order crosses one of the same account (MARKET section 5).
    #[error("the order crosses another one of the same account, and both would meet in the auction")]
    MatchSelfCross,
    /// A block of that name waits already.
    #[error("a block order of that name waits already")]
    MatchDuplicate,
    /// A pre-arranged trade of an account with itself.
    #[error("a trade needs two accounts")]
    MatchSelfTrade,
    /// A pre-arranged trade that the edges cannot carry.
    #[error("the edges between buyer and seller have not enough capacity left")]
    MatchCapacity,
    /// The book, or its period's priority numbers, cannot count any more.
    #[error("the book of this delivery period cannot take any more")]
    MatchBookFull,
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

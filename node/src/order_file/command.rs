//! What a line means, once every name is a number: work for one market, or for all of them together.

use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, NewBlock, NewOrder, Prearranged, Price,
};

/// Where a line is, and which id it gives: what its answer names it by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) line: u64,
    pub(super) id: Option<u64>,
}

/// A command that touches the books of one delivery period (a block and an auction: of the periods of one market).
#[derive(Debug)]
pub(super) enum PeriodCommand {
    Place(NewOrder),
    Cancel { id: u64 },
    Reduce { id: u64, by: Energy },
    Replace { id: u64, price: Price, energy: Energy },
    Block(NewBlock),
    Capacity { child: AreaId, period: DeliveryPeriod, up: Option<Energy>, down: Option<Energy> },
    Auction(Vec<DeliveryPeriod>),
    PayAsBid(Contract),
    Prearranged(Prearranged),
    Open(Contract),
    CloseCrossArea(Contract),
    Close(Contract),
}

impl PeriodCommand {
    /// The id of the order or block that it would bring in.
    pub(super) fn brings(&self) -> Option<u64> {
        match self {
            Self::Place(order) => Some(order.tag.0),
            Self::Block(block) => Some(block.tag.0),
            _ => None,
        }
    }
}

/// A command that may touch any period, and so waits for all before it.
#[derive(Debug)]
pub(super) enum WideCommand {
    Time(LedgerTime),
    Basket { id: u64, orders: Vec<NewOrder> },
    CancelAll { account: AccountId, meter: Option<MeterId> },
    Auction(Vec<DeliveryPeriod>),
}

/// What becomes of a line.
#[derive(Debug)]
pub(super) enum Step {
    /// It was part of the setup.
    Taken,
    /// It was refused before any market saw it.
    Refused(Origin, super::Refusal),
    /// It goes to one market.
    Period(Origin, DeliveryPeriod, PeriodCommand),
    /// It goes to all.
    Wide(Origin, WideCommand),
}

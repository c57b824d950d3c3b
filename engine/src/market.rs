//! All that can be done to a market, as one trait: the engine and its slow twin are two answers to it.

use crate::contract::{AreaId, Contract, DeliveryPeriod, MeterId};
use crate::engine::Engine;
use crate::event::Event;
use crate::journal::Mark;
use crate::limits::Limits;
use crate::network::Direction;
use crate::order::{NewBlock, NewOrder, OrderId, OrderTag, Prearranged};
use crate::reject::Reject;
use crate::units::{Energy, LedgerTime, Price};

/// Why a basket was refused: which of its orders, counted from zero, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("order {} of the basket: {why}", .at + 1)]
pub struct BasketRefused {
    /// Which order; 0 where the basket as a whole is wrong.
    pub at: usize,
    /// Why.
    pub why: Reject,
}

/// One price of a view, and what can be had at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewLevel {
    /// The delivered price per kWh: what somebody in the viewing area would pay or get, fees included.
    pub price: Price,
    /// How much of it can reach the viewing area, or be reached from it.
    pub energy: Energy,
}

/// What an area sees of the market: its own orders, and the others cut to what can reach it (MARKET section 4, last but one paragraph).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Highest first.
    pub bids: Vec<ViewLevel>,
    /// Lowest first.
    pub asks: Vec<ViewLevel>,
}

/// An edge in one delivery period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeState {
    /// The most energy that may flow up.
    pub up: Energy,
    /// The most energy that may flow down.
    pub down: Energy,
    /// What flows, in watt-hours: more than zero from the child up, less than zero down.
    pub flow: i64,
}

impl EdgeState {
    /// What may still flow in a direction; less than zero on an overloaded edge.
    pub fn residual(&self, direction: Direction) -> i64 {
        // Capacities are at most 2^60 and flows never beyond a capacity that once was: no difference leaves 64 bits.
        match direction {
            Direction::Up => self.up.0.cast_signed() - self.flow,
            Direction::Down => self.down.0.cast_signed() + self.flow,
        }
    }
}

/// The most trades that re-matching makes in one go. What two accounts keep resting on both sides of an edge can trade to and fro, each
/// trade making room for the next, so that only their energy bounds it; the rest is work that is due, see [`Market::sweep`].
pub const REMATCH_TRADES_MAX: usize = 256;

/// All that can be done to a market. Each command either happens whole, with its events appended in the order in which they happened,
/// or is refused and leaves no trace.
pub trait Market {
    /// The ledger time of the last [`Market::advance`].
    fn now(&self) -> LedgerTime;

    /// Moves time forward; a time that is not later changes nothing. From now on contracts whose gate has come take no orders, and what
    /// is over does not trade, whether or not [`Market::sweep`] got to it.
    fn advance(&mut self, now: LedgerTime);

    /// The next ledger time at which there will be something to [`Market::sweep`]; at or before `now` if there is already.
    fn next_due(&self) -> Option<LedgerTime>;

    /// Does up to `max` pieces of the work that time has made due, and tells how many: orders whose `until` has come leave, then
    /// orders and blocks of closed gates, by period, area, priority, blocks last; then opening auctions are held, one piece each, by
    /// period; then re-matching goes on where it was left, [`REMATCH_TRADES_MAX`] trades a piece, by period. An auction and a piece of re-matching count
    /// for as many pieces as such a piece has trades. Fewer than `max` means that nothing is left to do.
    fn sweep<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize;

    /// Takes an order in: form, gate, limits, then post-only and fill-or-kill are tested in this order; then it trades, and what is left
    /// rests or is dropped. Returns its handle if some of it rests. In a call phase it rests without trading.
    ///
    /// # Errors
    /// `Form*`, `Gate*`, what [`Limits::reserve`] answers, `Match*`.
    fn place<L: Limits>(
        &mut self,
        order: NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject>;

    /// Takes a resting order out, also one that is over and waits for [`Market::sweep`].
    ///
    /// # Errors
    /// `MatchUnknownOrder` if no order of this handle rests, or it is another meter's.
    fn cancel<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject>;

    /// Makes a resting order smaller by `by`, hidden reserve first; it keeps its place, and leaves at zero.
    ///
    /// # Errors
    /// `MatchUnknownOrder`, `MatchNothingToReduce` for zero, `FormLot` off the lot.
    fn reduce<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        by: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject>;

    /// Gives a resting order a new price and a new open energy (MARKET section 4, Replace). Returns its handle from now on, if some
    /// of it rests. All else about it stays; a shown part that is no smaller than the new energy means that nothing is hidden any more.
    ///
    /// # Errors
    /// `MatchUnknownOrder`, and all errors of [`Market::place`].
    fn replace<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        price: Price,
        energy: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject>;

    /// Runs fill-or-kill orders over any contracts in their written order; all commit or none (MARKET section 4, Basket).
    ///
    /// # Errors
    /// `FormBasket`, or what the first order was refused for that was.
    fn basket<L: Limits>(
        &mut self,
        orders: &[NewOrder],
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), BasketRefused>;

    /// Takes a block order in, for the auction of its periods, all of which are in their call phase.
    ///
    /// # Errors
    /// `Form*`, `GateNotOpen`, `GateClosed`, `GateNoCall`, `MatchDuplicate`, what [`Limits::reserve`] answers for any of its periods.
    fn place_block<L: Limits>(
        &mut self,
        block: NewBlock,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject>;

    /// Takes a waiting block order out: [`Event::Cancelled`] with all its energy.
    ///
    /// # Errors
    /// `MatchUnknownOrder` if no block of this name waits, or it is another meter's.
    fn cancel_block<L: Limits>(
        &mut self,
        tag: OrderTag,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject>;

    /// Sets what the edge above `child` may carry in a period, and re-matches what rests there.
    ///
    /// # Errors
    /// `FormArea`, `FormEdge`, `FormCapacity`, `GateClosed`.
    fn set_capacity<L: Limits>(
        &mut self,
        child: AreaId,
        period: DeliveryPeriod,
        up: Energy,
        down: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject>;

    /// Holds the call auction of these periods together now (MARKET section 5), ends their call phase if they are in one, and re-matches
    /// what rests. Blocks take part whose periods are all among them. Repeats are held once; contracts that are closed stay out.
    fn auction<L: Limits>(&mut self, periods: &[DeliveryPeriod], limits: &mut L, events: &mut Vec<Event>);

    /// Holds a pay-as-bid round in one contract now: what rests in it is crossed by price-time priority, each trade at the bid's price
    /// (MARKET section 6). It is for contracts in their call phase, and does not end it; elsewhere no book is crossed.
    ///
    /// # Errors
    /// `FormArea`, `GateNotOpen`, `GateClosed`.
    fn pay_as_bid<L: Limits>(
        &mut self,
        contract: Contract,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject>;

    /// Books a trade that two parties agreed on: it takes capacity and collateral like any trade.
    ///
    /// # Errors
    /// `Form*`, `Gate*`, `MatchSelfTrade`, `MatchCapacity`, what [`Limits::reserve`] answers for the seller, then for the buyer.
    fn prearranged<L: Limits>(
        &mut self,
        trade: Prearranged,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject>;

    /// Opens a contract by command, whatever the time. One in no area, closed, or open already is left alone.
    fn open(&mut self, contract: Contract);

    /// Ends a contract's trading with other areas by command. A contract in no area is left alone.
    fn close_cross_area(&mut self, contract: Contract);

    /// Closes a contract's gate by command, whatever the time. A contract in no area is left alone. What rests in it waits for [`Market::sweep`].
    fn close(&mut self, contract: Contract);

    /// What an area sees of a period.
    fn view(&self, contract: Contract, levels: usize) -> View;

    /// The edge above `child` in a period.
    fn edge(&self, child: AreaId, period: DeliveryPeriod) -> Option<EdgeState>;

    /// A hash over all state: equal wherever the state is.
    fn digest(&self) -> [u8; 32];

    /// Names the present state.
    fn mark(&mut self) -> Mark;

    /// Goes back to a named state; later marks are void. The limits are rolled back by whoever keeps them.
    ///
    /// # Panics
    /// If `mark` was forgotten or rolled back.
    fn rollback(&mut self, mark: Mark);
}

/// Each command is the engine's own of the same name.
impl Market for Engine {
    fn now(&self) -> LedgerTime {
        Self::now(self)
    }

    fn advance(&mut self, now: LedgerTime) {
        Self::advance(self, now)
    }

    fn next_due(&self) -> Option<LedgerTime> {
        Self::next_due(self)
    }

    fn sweep<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize {
        Self::sweep(self, max, limits, events)
    }

    fn place<L: Limits>(
        &mut self,
        order: NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        Self::place(self, order, limits, events)
    }

    fn cancel<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        Self::cancel(self, id, meter, limits, events)
    }

    fn reduce<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        by: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        Self::reduce(self, id, meter, by, limits, events)
    }

    fn replace<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        price: Price,
        energy: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        Self::replace(self, id, meter, price, energy, limits, events)
    }

    fn basket<L: Limits>(
        &mut self,
        orders: &[NewOrder],
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), BasketRefused> {
        Self::basket(self, orders, limits, events)
    }

    fn place_block<L: Limits>(
        &mut self,
        block: NewBlock,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        Self::place_block(self, block, limits, events)
    }

    fn cancel_block<L: Limits>(
        &mut self,
        tag: OrderTag,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        Self::cancel_block(self, tag, meter, limits, events)
    }

    fn set_capacity<L: Limits>(
        &mut self,
        child: AreaId,
        period: DeliveryPeriod,
        up: Energy,
        down: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        Self::set_capacity(self, child, period, up, down, limits, events)
    }

    fn auction<L: Limits>(&mut self, periods: &[DeliveryPeriod], limits: &mut L, events: &mut Vec<Event>) {
        Self::auction(self, periods, limits, events)
    }

    fn pay_as_bid<L: Limits>(
        &mut self,
        contract: Contract,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        Self::pay_as_bid(self, contract, limits, events)
    }

    fn prearranged<L: Limits>(
        &mut self,
        trade: Prearranged,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        Self::prearranged(self, trade, limits, events)
    }

    fn open(&mut self, contract: Contract) {
        Self::open(self, contract)
    }

    fn close_cross_area(&mut self, contract: Contract) {
        Self::close_cross_area(self, contract)
    }

    fn close(&mut self, contract: Contract) {
        Self::close(self, contract)
    }

    fn view(&self, contract: Contract, levels: usize) -> View {
        Self::view(self, contract, levels)
    }

    fn edge(&self, child: AreaId, period: DeliveryPeriod) -> Option<EdgeState> {
        Self::edge(self, child, period)
    }

    fn digest(&self) -> [u8; 32] {
        Self::digest(self)
    }

    fn mark(&mut self) -> Mark {
        Self::mark(self)
    }

    fn rollback(&mut self, mark: Mark) {
        Self::rollback(self, mark)
    }
}

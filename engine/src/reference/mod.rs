//! The slow and obvious twin of the engine, to test the engine against.
//!
//! It keeps all resting orders in one list and looks through the whole list for everything; for every pair of orders it computes way,
//! fee and reachable energy anew; it goes back by copying the whole state. It is meant to be read as the rules themselves. It shares
//! with the engine the vocabulary and the layout of the hashed state, and no algorithm.
//!
//! | file | holds |
//! |---|---|
//! | `state` | what there is: records of periods, edges, flags, orders, blocks |
//! | `orders` | place, cancel, reduce, replace, baskets, and their tests |
//! | `matching`, `rematch` | who meets whom, on entry and at rest |
//! | `bilateral` | pre-arranged trades, pay-as-bid rounds |
//! | `blocks` | block orders until their auction |
//! | `auction` | who takes part in a call auction, and what becomes of them |
//! | `clearing`, `curve`, `sharing` | one period's auction, as arithmetic |
//! | `time` | gates, call phases, what is over |
//! | `view` | what an area sees |
//! | `hash` | the state as a hash |

mod auction;
mod bilateral;
mod blocks;
mod clearing;
mod curve;
mod hash;
mod matching;
mod orders;
mod rematch;
mod sharing;
mod state;
mod time;
mod view;

use crate::market::{BasketRefused, EdgeState, Market, View};
use crate::{
    AreaId, Contract, DeliveryPeriod, Energy, Event, LedgerTime, Limits, Mark, MarketRules, MeterId, Network, NewBlock,
    NewOrder, OrderId, OrderTag, Prearranged, Price, Reject, RulesError,
};
use state::State;

/// A market that obeys the same rules as [`crate::Engine`], command for command. Its handles are its own.
#[derive(Debug)]
pub struct Reference {
    rules: MarketRules,
    network: Network,
    /// Never rolled back, so that no handle is given out twice.
    handles: u64,
    state: State,
    copies: Vec<State>,
}

/// What a command touches besides the market: who keeps the money, and who is told.
struct Outside<'a, L: Limits> {
    limits: &'a mut L,
    events: &'a mut Vec<Event>,
}

impl Reference {
    /// An empty market over a network, at ledger time 0.
    ///
    /// # Errors
    /// If the rules do not make sense together.
    pub fn new(rules: MarketRules, network: Network) -> Result<Self, RulesError> {
        rules.validate()?;
        Ok(Self { rules, network, handles: 0, state: State::default(), copies: Vec::new() })
    }

    /// Whether the order of a handle rests.
    pub fn holds(&self, id: OrderId) -> bool {
        self.state.orders.iter().any(|order| order.name.id == id)
    }

    /// Carries a command out on the market itself; if it is refused, everything is put back as it was.
    fn whole_or_not_at_all<L: Limits, T, E>(
        &mut self,
        outside: &mut Outside<'_, L>,
        command: impl FnOnce(&mut Self, &mut Outside<'_, L>) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = (self.state.clone(), outside.limits.mark(), outside.events.len());
        let result = command(self, outside);
        if result.is_err() {
            self.state = before.0;
            outside.limits.rollback(before.1);
            outside.events.truncate(before.2);
        }
        result
    }
}

impl Market for Reference {
    fn now(&self) -> LedgerTime {
        self.state.now
    }

    fn advance(&mut self, now: LedgerTime) {
        // The last millisecond there is stands for "never" and is not reached.
        self.state.now = self.state.now.max(now.min(LedgerTime(u64::MAX - 1)));
        self.forget_what_is_over();
    }

    fn next_due(&self) -> Option<LedgerTime> {
        self.first_due()
    }

    fn sweep<L: Limits>(&mut self, max: usize, limits: &mut L, events: &mut Vec<Event>) -> usize {
        self.sweep_up_to(max, &mut Outside { limits, events })
    }

    fn place<L: Limits>(
        &mut self,
        order: NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        self.whole_or_not_at_all(&mut Outside { limits, events }, |market, outside| market.take_in(&order, outside))
    }

    fn cancel<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        self.take_out(id, meter, &mut Outside { limits, events })
    }

    fn reduce<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        by: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        self.make_smaller(id, meter, by, &mut Outside { limits, events })
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
        self.whole_or_not_at_all(&mut Outside { limits, events }, |market, outside| {
            market.exchange(id, meter, price, energy, outside)
        })
    }

    fn basket<L: Limits>(
        &mut self,
        orders: &[NewOrder],
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), BasketRefused> {
        self.whole_or_not_at_all(&mut Outside { limits, events }, |market, outside| market.take_all(orders, outside))
    }

    fn place_block<L: Limits>(
        &mut self,
        block: NewBlock,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        self.whole_or_not_at_all(&mut Outside { limits, events }, |market, outside| market.take_block(block, outside))
    }

    fn cancel_block<L: Limits>(
        &mut self,
        tag: OrderTag,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        self.take_block_out(tag, meter, &mut Outside { limits, events })
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
        self.change_capacity(child, period, [up, down], &mut Outside { limits, events })
    }

    fn auction<L: Limits>(&mut self, periods: &[DeliveryPeriod], limits: &mut L, events: &mut Vec<Event>) {
        self.hold_auction(periods, &mut Outside { limits, events });
    }

    fn pay_as_bid<L: Limits>(
        &mut self,
        contract: Contract,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        self.hold_pay_as_bid_round(contract, &mut Outside { limits, events })
    }

    fn prearranged<L: Limits>(
        &mut self,
        trade: Prearranged,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        self.whole_or_not_at_all(&mut Outside { limits, events }, |market, outside| market.book(&trade, outside))
    }

    fn open(&mut self, contract: Contract) {
        self.open_by_command(contract);
    }

    fn close_cross_area(&mut self, contract: Contract) {
        self.close_cross_area_by_command(contract);
    }

    fn close(&mut self, contract: Contract) {
        self.close_by_command(contract);
    }

    fn view(&self, contract: Contract, levels: usize) -> View {
        self.seen_from(contract, levels)
    }

    fn edge(&self, child: AreaId, period: DeliveryPeriod) -> Option<EdgeState> {
        self.edge_state(child, period)
    }

    fn digest(&self) -> [u8; 32] {
        self.hash()
    }

    fn mark(&mut self) -> Mark {
        self.copies.push(self.state.clone());
        Mark(self.copies.len() as u64 - 1)
    }

    fn rollback(&mut self, mark: Mark) {
        let at = usize::try_from(mark.0).expect("a mark is an index");
        self.state = self.copies[at].clone();
        self.copies.truncate(at + 1);
    }
}

//! Reading ahead: the memory of several commands is waited for at once.
//!
//! With many books most of a command's time goes by waiting for memory: for the order's node, then for the header of its
//! queue, then for what is behind that. Each read tells where the next one is, so one command alone can only wait. Whoever has a batch of
//! commands at hand lets the engine look at the next few of them first, step by step: the reads of one step do not depend on each
//! other, and the processor waits for all of them at the same time.

use core::hint::black_box;

use crate::contract::Contract;
use crate::engine::Engine;
use crate::order::{NewOrder, OrderId, Side};
use crate::period::Period;
use crate::queue::Queue;

/// What is known of a command before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// An order will be placed.
    Order(Contract, Side),
    /// A resting order will be cancelled, reduced or replaced.
    Id(OrderId),
}

impl From<&NewOrder> for Foreseen {
    fn from(order: &NewOrder) -> Self {
        Self::Order(order.contract, order.side)
    }
}

impl From<OrderId> for Foreseen {
    fn from(id: OrderId) -> Self {
        Self::Id(id)
    }
}

impl Engine {
    /// Reads what the next commands will need, so that it is at hand when they come. It changes nothing, and what is foreseen
    /// need not come true: handles may be wrong or old, periods closed.
    ///
    /// Best told of 8 to 16 commands at a time, right before they are carried out; the iterator is gone through three times.
    /// With few books, whose memory is at hand anyway, it only costs.
    ///
    /// ```
    /// use gridbook_engine::*;
    ///
    /// let mut engine = Engine::new(MarketRules::without_gates(), Network::single())?;
    /// let (contract, mut events) = (Contract::default(), Vec::new());
    /// let order = |tag| NewOrder::limit(OrderTag(tag), AccountId(1), MeterId(1), contract, Side::Sell, Price(250), Energy(400));
    /// let batch: Vec<NewOrder> = (0..16).map(order).collect();
    /// engine.foresee(batch.iter().map(Foreseen::from));
    /// for order in batch {
    ///     engine.place(order, &mut Unlimited, &mut events)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn foresee(&self, commands: impl Iterator<Item = Foreseen> + Clone) {
        // The sums mean nothing: they keep the reads from being left out as useless.
        black_box(commands.clone().map(|command| self.read_node(command)).fold(0, core::ops::BitXor::bitxor));
        black_box(commands.clone().map(|command| self.read_header(command)).fold(0, core::ops::BitXor::bitxor));
        black_box(commands.map(|command| self.read_behind(command)).fold(0, core::ops::BitXor::bitxor));
    }

    /// The first thing that a command looks at: the node of its order, or the book.
    #[inline]
    fn read_node(&self, command: Foreseen) -> u64 {
        match command {
            Foreseen::Id(id) => self.slab.place_of(id).map_or(0, |node| node.energy.0),
            Foreseen::Order(contract, side) => {
                let queue = |side| self.queue_of(contract, side).map_or(0, Queue::best_key);
                queue(side) ^ queue(side.opposite())
            }
        }
    }

    #[inline]
    fn read_header(&self, command: Foreseen) -> u64 {
        match command {
            Foreseen::Id(id) => self.queue_at(id).map_or(0, Queue::best_key),
            Foreseen::Order(contract, side) => self.queue_of(contract, side).map_or(0, Queue::touch),
        }
    }

    #[inline]
    fn read_behind(&self, command: Foreseen) -> u64 {
        match command {
            Foreseen::Id(id) => self.queue_at(id).map_or(0, Queue::touch),
            Foreseen::Order(..) => 0,
        }
    }

    #[inline]
    fn queue_of(&self, contract: Contract, side: Side) -> Option<&Queue> {
        let period: &Period = self.calendar.get(contract.period)?;
        period.areas.get(usize::from(contract.area.0)).map(|_| period.plain(side, contract.area))
    }

    #[inline]
    fn queue_at(&self, id: OrderId) -> Option<&Queue> {
        let standing = self.slab.place_of(id)?.standing;
        self.calendar.look_at(standing.period())?.plain_of(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unlimited;
    use crate::{
        AccountId, AreaId, DeliveryPeriod, Energy, LedgerTime, MarketRules, MeterId, Network, OrderTag, Price,
    };

    /// A caller foresees handles of nothing, of orders that left, of periods without a record and areas that do not exist.
    #[test]
    fn what_is_foreseen_wrongly_does_no_harm() {
        let mut engine = Engine::new(MarketRules::default(), Network::single()).expect("the default rules are valid");
        engine.advance(LedgerTime(0));
        let contract = Contract { area: AreaId(0), period: DeliveryPeriod(9) };
        let order = NewOrder::limit(OrderTag(1), AccountId(1), MeterId(1), contract, Side::Buy, Price(10), Energy(1));
        let id = engine.place(order, &mut Unlimited, &mut Vec::new()).expect("it is fine").expect("it rests");
        engine.cancel(id, MeterId(1), &mut Unlimited, &mut Vec::new()).expect("it rests");
        engine.advance(LedgerTime(u64::MAX));
        let nowhere = Contract { area: AreaId(7), period: DeliveryPeriod(9) };
        let handles = [id, OrderId(0), OrderId(u64::MAX)].map(Foreseen::Id);
        let orders = [contract, nowhere, Contract::default()].map(|contract| Foreseen::Order(contract, Side::Sell));
        let before = engine.image();
        engine.foresee(handles.into_iter().chain(orders));
        assert_eq!(engine.image(), before);
    }
}

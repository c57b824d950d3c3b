//! Continuous matching: an incoming order meets the resting ones (MARKET section 4).

use crate::book::rank;
use crate::engine::Engine;
use crate::slab::{NIL, Node};
use crate::{
    Energy, Event, LedgerTime, Limits, Mark, NewOrder, OrderId, OrderRef, OrderTerms, Price, Reject, TimeInForce,
    Trade, TradeKind,
};

/// An order on its way in: form, gate and limits have let it through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub(crate) id: OrderId,
    pub(crate) terms: OrderTerms,
    pub(crate) remaining: Energy,
    pub(crate) until: LedgerTime,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) post_only: bool,
}

impl Taker {
    pub(crate) fn new(order: &NewOrder, id: OrderId, until: LedgerTime) -> Self {
        let NewOrder { tag, account, meter, contract, side, price, energy, time_in_force, post_only, .. } = *order;
        let terms = OrderTerms { tag, account, meter, contract, side, price };
        Self { id, terms, remaining: energy, until, time_in_force, post_only }
    }

    /// The order `old`, which has these `terms`, at another price or with another energy.
    pub(crate) fn replacing(old: &Node, terms: OrderTerms, price: Price, energy: Energy, id: OrderId) -> Self {
        Self {
            id,
            terms: OrderTerms { price, ..terms },
            remaining: energy,
            until: old.until,
            time_in_force: TimeInForce::GoodTillTime(old.until),
            post_only: old.post_only,
        }
    }

    fn order_ref(&self) -> OrderRef {
        OrderRef { id: self.id, tag: self.terms.tag, account: self.terms.account, meter: self.terms.meter }
    }

    fn at_rest(&self) -> Node {
        let OrderTerms { tag, account, meter, side, price, .. } = self.terms;
        Node {
            tag,
            energy: self.remaining,
            until: self.until,
            priority: 0,
            account,
            meter,
            price,
            next: NIL,
            prev: NIL,
            book: NIL,
            generation: 0,
            side,
            post_only: self.post_only,
        }
    }
}

/// Where everything stood before an order that may yet be refused.
pub(crate) struct WayBack<M> {
    mark: Mark,
    limits: M,
    events: usize,
}

impl<M: Copy> WayBack<M> {
    pub(crate) fn mark<L: Limits<Mark = M>>(engine: &Engine, limits: &L, events: &[Event]) -> Self {
        Self { mark: engine.mark(), limits: limits.mark(), events: events.len() }
    }

    pub(crate) fn take<L: Limits<Mark = M>>(self, engine: &mut Engine, limits: &mut L, events: &mut Vec<Event>) {
        engine.rollback(self.mark);
        limits.rollback(self.limits);
        events.truncate(self.events);
    }
}

/// How far an incoming order has looked into the other side: what lies before it was used up or passed over.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// Levels from the best one.
    depth: usize,
    /// The order to look at next in that level; [`NIL`] for its oldest.
    next: u32,
}

impl Cursor {
    const START: Self = Self { depth: 0, next: NIL };

    /// Steps over an order that is about to be removed.
    fn pass(&mut self, node: &Node) {
        let last_of_level = node.next == NIL;
        let level_stays = node.prev != NIL;
        self.next = node.next;
        if last_of_level && level_stays {
            self.depth += 1;
        }
    }
}

impl Engine {
    /// Lets an order into the book: it trades, then what is left of it rests, is dropped, or damns it. On an error the caller
    /// takes the way back.
    pub(crate) fn enter<L: Limits>(
        &mut self,
        mut taker: Taker,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        if taker.post_only && self.would_trade(&taker) {
            return Err(Reject::MatchPostOnly);
        }
        self.trade(&mut taker, limits, events);
        let (order, remaining) = (taker.order_ref(), taker.remaining);
        if remaining.is_zero() {
            return Ok(None);
        }
        match taker.time_in_force {
            TimeInForce::FillOrKill => Err(Reject::MatchFillOrKill),
            TimeInForce::ImmediateOrCancel => {
                limits.release(&taker.terms, remaining);
                events.push(Event::Dropped { order, remaining });
                Ok(None)
            }
            TimeInForce::GoodTillGate | TimeInForce::GoodTillTime(_) => {
                self.rest(taker.terms.contract, taker.at_rest());
                events.push(Event::Rested { order, remaining });
                Ok(Some(taker.id))
            }
        }
    }

    fn would_trade(&self, taker: &Taker) -> bool {
        let mut cursor = Cursor::START;
        let book = self.calendar.find_book(taker.terms.contract);
        book.is_some_and(|book| self.best_counter(book, taker, &mut cursor).is_some())
    }

    /// MARKET section 4, steps 3 to 6: the best counter-order at its own limit, until nothing is left or no candidate is.
    fn trade<L: Limits>(&mut self, taker: &mut Taker, limits: &mut L, events: &mut Vec<Event>) {
        let Some(book) = self.calendar.find_book(taker.terms.contract) else { return };
        let mut cursor = Cursor::START;
        while !taker.remaining.is_zero() {
            let Some(slot) = self.best_counter(book, taker, &mut cursor) else { return };
            let maker = *self.slab.node(slot);
            let energy = maker.energy.min(taker.remaining);
            if energy == maker.energy {
                cursor.pass(&maker);
                self.remove(slot);
            } else {
                self.take(slot, energy);
            }
            taker.remaining -= energy;
            let contract = taker.terms.contract;
            limits.fill(&maker.terms(contract), energy, maker.price);
            limits.fill(&taker.terms, energy, maker.price);
            events.push(Event::Trade(Trade {
                period: contract.period,
                maker_area: contract.area,
                taker_area: contract.area,
                taker_side: taker.terms.side,
                kind: TradeKind::Continuous,
                maker: maker.order_ref(slot),
                taker: taker.order_ref(),
                price: maker.price,
                fee: Price(0),
                energy,
                maker_remaining: maker.energy - energy,
                taker_remaining: taker.remaining,
            }));
        }
    }

    /// The next counter-order in price-time priority that the taker can really trade with: not one of the same account, not one
    /// whose time is over. (All orders of a book share its gate, which was tested when the taker came in.)
    ///
    /// Everything that decides who meets whom is here and nowhere else.
    fn best_counter(&self, book: u32, taker: &Taker, cursor: &mut Cursor) -> Option<u32> {
        let side = taker.terms.side.opposite();
        let limit = rank(side, taker.terms.price);
        let levels = self.calendar.book(book).levels(side);
        while let Some(level) = levels.iter().nth_back(cursor.depth).filter(|level| level.rank >= limit) {
            let mut slot = if cursor.next == NIL { level.head } else { cursor.next };
            while slot != NIL {
                let node = self.slab.node(slot);
                if node.account != taker.terms.account && node.until > self.now {
                    cursor.next = slot;
                    return Some(slot);
                }
                slot = node.next;
            }
            *cursor = Cursor { depth: cursor.depth + 1, next: NIL };
        }
        None
    }
}

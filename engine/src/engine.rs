//! The engine: every book of a market behind one writer.

use crate::book::Book;
use crate::calendar::Calendar;
use crate::deadline::{Deadlines, SweepQueue};
use crate::journal::{Journal, Undo};
use crate::matching::{Taker, WayBack};
use crate::slab::{FOREVER, NIL, Node, OrderSlab};
use crate::top_of_book::TopOfBookWriter;
use crate::{
    Contract, DeliveryPeriod, Energy, Event, LedgerTime, Limits, Mark, MarketRules, MeterId, Network, NewOrder,
    OrderId, OrderTerms, Price, Reject, RulesError, TimeInForce,
};

/// Every book of a market behind one writer.
///
/// Each command either happens whole, with its events appended in the order in which they happened, or is refused and leaves
/// no trace: not in the books, not in the limits, not in the events, not in the journal.
///
/// Every change can be undone back to a [`Mark`]. What can be undone is remembered, so call [`Engine::forget`] from time to time,
/// also where nothing is ever rolled back: `engine.forget(engine.mark())`.
///
/// ```
/// use gridbook_engine::*;
///
/// let mut engine = Engine::new(MarketRules::without_gates(), Network::single())?;
/// let mut events = Vec::new();
/// let contract = Contract { area: AreaId(0), period: DeliveryPeriod(0) };
/// let sell = NewOrder::limit(OrderTag(1), AccountId(1), MeterId(1), contract, Side::Sell, Price(250), Energy(400));
/// let buy = NewOrder::limit(OrderTag(2), AccountId(2), MeterId(2), contract, Side::Buy, Price(260), Energy(400));
/// assert!(engine.place(sell, &mut Unlimited, &mut events)?.is_some());
/// assert_eq!(engine.place(buy, &mut Unlimited, &mut events)?, None);
/// let Some(Event::Trade(trade)) = events.last() else { panic!("they meet") };
/// assert_eq!((trade.price, trade.energy), (Price(250), Energy(400)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(crate) rules: MarketRules,
    pub(crate) network: Network,
    pub(crate) now: LedgerTime,
    pub(crate) slab: OrderSlab,
    pub(crate) calendar: Calendar,
    pub(crate) deadlines: Deadlines,
    pub(crate) queue: SweepQueue,
    pub(crate) journal: Journal,
    pub(crate) tops: Option<TopOfBookWriter>,
    /// The contracts whose top may have changed since the last publication; empty without a publisher.
    pub(crate) changed: Vec<Contract>,
}

impl Engine {
    /// An empty market over a network, at ledger time 0.
    ///
    /// # Errors
    /// If the rules do not make sense together.
    pub fn new(rules: MarketRules, network: Network) -> Result<Self, RulesError> {
        rules.validate()?;
        Ok(Self {
            rules,
            now: LedgerTime(0),
            slab: OrderSlab::new(),
            calendar: Calendar::new(areas_of(&network)),
            network,
            deadlines: Deadlines::default(),
            queue: SweepQueue::default(),
            journal: Journal::default(),
            tops: None,
            changed: Vec::new(),
        })
    }

    /// The market's constants.
    pub fn rules(&self) -> &MarketRules {
        &self.rules
    }

    /// The tree of areas.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// How many areas there are: `0..areas`.
    pub fn areas(&self) -> u16 {
        self.calendar.areas()
    }

    /// How many orders rest in all books.
    pub fn orders_open(&self) -> u64 {
        self.calendar.periods().map(|period| u64::from(period.orders)).sum()
    }

    /// The ledger time of the last [`Engine::advance`].
    pub fn now(&self) -> LedgerTime {
        self.now
    }

    /// Moves time forward; a time that is not later changes nothing. (The last millisecond there is stands for "never" and is not reached.)
    ///
    /// From now on contracts whose gate has come take no orders, and orders whose time is over do not trade, whether or not
    /// [`Engine::sweep`] has removed them yet.
    pub fn advance(&mut self, now: LedgerTime) {
        let now = now.min(LedgerTime(FOREVER.0 - 1));
        if now <= self.now {
            return;
        }
        self.journal.push(Undo::Advanced(self.now));
        self.hold_sweep_in_order();
        self.now = now;
        self.forget_empty_periods();
    }

    /// Takes an order in: its form, its gate, its limits, then post-only and fill-or-kill are tested in this order; then it trades,
    /// and what is left rests or is dropped, as its time in force says. Returns its handle if some of it rests.
    ///
    /// # Errors
    /// `Form*`, `Gate*`, what [`Limits::reserve`] answers, `MatchPostOnly`, `MatchFillOrKill`.
    pub fn place<L: Limits>(
        &mut self,
        order: NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        let until = until_of(order.time_in_force);
        self.check_form(&order)?;
        self.check_gate(order.contract, until)?;
        let taker = Taker::new(&order, self.slab.announce(), until);
        // Only these two can be refused once their limits are reserved.
        let refusable = order.post_only || order.time_in_force == TimeInForce::FillOrKill;
        let way_back = refusable.then(|| WayBack::mark(self, limits, events));
        limits.reserve(&taker.terms, order.energy)?;
        let entered = self.enter(taker, limits, events);
        if let (Err(_), Some(way_back)) = (&entered, way_back) {
            way_back.take(self, limits, events);
        }
        entered
    }

    /// Takes a resting order out, also one that is over and waits for [`Engine::sweep`].
    ///
    /// # Errors
    /// `MatchUnknownOrder` if no order of this handle rests, or it is another meter's.
    pub fn cancel<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let slot = self.find_owned(id, meter)?;
        let (terms, node) = self.remove(slot);
        limits.release(&terms, node.energy);
        events.push(Event::Cancelled { order: node.order_ref(slot), remaining: node.energy });
        Ok(())
    }

    /// Makes a resting order smaller by `by`; it keeps its place, and leaves at zero.
    ///
    /// # Errors
    /// `MatchUnknownOrder` as for [`Engine::cancel`], `MatchNothingToReduce` for zero, `FormLot` off the lot.
    pub fn reduce<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        by: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let slot = self.find_owned(id, meter)?;
        if by.is_zero() {
            return Err(Reject::MatchNothingToReduce);
        }
        if !by.0.is_multiple_of(self.rules.lot) {
            return Err(Reject::FormLot);
        }
        self.shrink(slot, by, limits, events);
        Ok(())
    }

    /// Gives a resting order a new price and a new open energy. Returns its handle from now on, if some of it rests.
    ///
    /// The same price and no more energy is a [`Engine::reduce`]. Otherwise the old order leaves without an event of its own, its
    /// reservation is freed, and the new one, with the old one's tag, time in force and post-only flag, enters as incoming.
    /// If it is refused, the old one stays exactly as it was, place included (MARKET section 4, Replace).
    ///
    /// # Errors
    /// `MatchUnknownOrder` as for [`Engine::cancel`], and all errors of [`Engine::place`].
    pub fn replace<L: Limits>(
        &mut self,
        id: OrderId,
        meter: MeterId,
        price: Price,
        energy: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        let slot = self.find_owned(id, meter)?;
        let old = *self.slab.node(slot);
        self.check_energy(energy)?;
        self.check_price(price)?;
        if price == old.price && energy <= old.energy {
            self.shrink(slot, old.energy - energy, limits, events);
            return Ok(Some(id));
        }
        self.check_gate(self.calendar.book(old.book).contract, old.until)?;
        let way_back = WayBack::mark(self, limits, events);
        let (terms, _) = self.remove(slot);
        limits.release(&terms, old.energy);
        let taker = Taker::replacing(&old, terms, price, energy, self.slab.announce());
        let entered = limits.reserve(&taker.terms, energy).and_then(|()| self.enter(taker, limits, events));
        if entered.is_err() {
            way_back.take(self, limits, events);
        }
        entered
    }

    /// Closes a contract's gate by command, whatever the time. A contract in no area, or closed already, is left alone.
    pub fn close(&mut self, contract: Contract) {
        if contract.area.0 >= self.areas() || self.gate_is_closed(contract) {
            return;
        }
        let book = self.find_or_open_book(contract);
        let entry = self.calendar.book_mut(book);
        entry.closed = true;
        let waiting = entry.orders > 0;
        if waiting {
            self.calendar.closing.insert(contract);
        }
        self.queue.clear();
        self.journal.push(Undo::Closed(book));
        self.note_change(book);
    }

    /// Names the present state.
    pub fn mark(&self) -> Mark {
        self.journal.end()
    }

    /// Gives up going back to before `mark`, so that the journal does not grow.
    ///
    /// # Panics
    /// If `mark` was rolled back.
    pub fn forget(&mut self, mark: Mark) {
        self.journal.forget(mark);
    }

    fn check_form(&self, order: &NewOrder) -> Result<(), Reject> {
        if order.contract.area.0 >= self.areas() {
            return Err(Reject::FormArea);
        }
        self.check_energy(order.energy)?;
        self.check_price(order.price)?;
        let never_rests = matches!(order.time_in_force, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill);
        if order.post_only && never_rests { Err(Reject::FormFlags) } else { Ok(()) }
    }

    fn check_energy(&self, energy: Energy) -> Result<(), Reject> {
        if energy.is_zero() {
            Err(Reject::FormZeroEnergy)
        } else if !energy.0.is_multiple_of(self.rules.lot) {
            Err(Reject::FormLot)
        } else {
            Ok(())
        }
    }

    fn check_price(&self, price: Price) -> Result<(), Reject> {
        if !(self.rules.price_min..=self.rules.price_max).contains(&price) {
            Err(Reject::FormPriceLimit)
        } else if price.0 % self.rules.tick != 0 {
            Err(Reject::FormTick)
        } else {
            Ok(())
        }
    }

    fn check_gate(&self, contract: Contract, until: LedgerTime) -> Result<(), Reject> {
        if self.now < self.rules.opens_at(contract) {
            Err(Reject::GateNotOpen)
        } else if self.gate_is_closed(contract) {
            Err(Reject::GateClosed)
        } else if until <= self.now {
            Err(Reject::GateExpired)
        } else {
            Ok(())
        }
    }

    /// Whether the gate of a contract has come, by time or by command.
    pub(crate) fn gate_is_closed(&self, contract: Contract) -> bool {
        self.rules.gate_closes_at(contract) <= self.now
            || self.calendar.find_book(contract).is_some_and(|book| self.calendar.book(book).closed)
    }

    fn find_owned(&self, id: OrderId, meter: MeterId) -> Result<u32, Reject> {
        self.slab.find(id).filter(|&slot| self.slab.node(slot).meter == meter).ok_or(Reject::MatchUnknownOrder)
    }

    /// Takes energy off a resting order, all of it at most, and reports it.
    fn shrink<L: Limits>(&mut self, slot: u32, by: Energy, limits: &mut L, events: &mut Vec<Event>) {
        let node = *self.slab.node(slot);
        let by = by.min(node.energy);
        let terms = node.terms(self.calendar.book(node.book).contract);
        if by == node.energy {
            self.remove(slot);
        } else if !by.is_zero() {
            self.take(slot, by);
        }
        if !by.is_zero() {
            limits.release(&terms, by);
        }
        events.push(Event::Reduced { order: node.order_ref(slot), remaining: node.energy - by });
    }

    // The changes that everything above is made of. Each pushes its inverse; `rollback.rs` has the other half.

    /// Puts the order last announced at the end of its queue, with the next priority number of its period.
    pub(crate) fn rest(&mut self, contract: Contract, node: Node) -> u32 {
        let book = self.find_or_open_book(contract);
        let period = self.calendar.period_mut(self.calendar.book(book).period_index);
        let priority = period.priorities;
        period.priorities += 1;
        period.orders += 1;
        let slot = self.slab.insert(Node { priority, book, next: NIL, prev: NIL, ..node });
        self.calendar.book_mut(book).append(&mut self.slab, slot);
        if node.until != FOREVER {
            self.deadlines.insert(node.until, slot);
        }
        self.journal.push(Undo::Rested(slot));
        self.note_change(book);
        slot
    }

    /// Takes an order out of its book, whatever is left of it.
    pub(crate) fn remove(&mut self, slot: u32) -> (OrderTerms, Node) {
        let node = *self.slab.node(slot);
        let book = self.calendar.book_mut(node.book);
        book.unlink(&mut self.slab, slot);
        let Book { contract, period_index, orders, closed, .. } = *book;
        if closed && orders == 0 {
            self.calendar.closing.remove(&contract);
        }
        let period = self.calendar.period_mut(period_index);
        period.orders -= 1;
        let last = period.orders == 0;
        if node.until != FOREVER {
            self.deadlines.remove(node.until, slot);
        }
        self.slab.remove(slot);
        self.journal.push(Undo::Removed { slot, node });
        self.note_change(node.book);
        if last && self.rules.gate_closes_at(contract) <= self.now {
            self.forget_period(period_index);
        }
        (node.terms(contract), node)
    }

    /// Takes a part of an order's energy; the order stays.
    pub(crate) fn take(&mut self, slot: u32, energy: Energy) {
        let node = self.slab.node_mut(slot);
        node.energy -= energy;
        self.calendar.book_mut(node.book).shrink(node, energy);
        self.journal.push(Undo::Taken { slot, energy });
        let book = node.book;
        self.note_change(book);
    }

    fn find_or_open_book(&mut self, contract: Contract) -> u32 {
        if let Some(book) = self.calendar.find_book(contract) {
            return book;
        }
        let period_index = self.calendar.find_period(contract.period).unwrap_or_else(|| {
            let index = self.calendar.open_period(contract.period);
            self.journal.push(Undo::PeriodOpened(index));
            index
        });
        let book = self.calendar.open_book(period_index, contract.area);
        self.journal.push(Undo::BookOpened(book));
        book
    }

    /// Forgets the periods whose gate has come and in which nothing rests, so that memory does not grow with time.
    fn forget_empty_periods(&mut self) {
        while let Some(period) = self.first_spent_period() {
            let index = self.calendar.find_period(period).expect("it was just found");
            self.forget_period(index);
        }
    }

    fn first_spent_period(&self) -> Option<DeliveryPeriod> {
        self.calendar
            .periods()
            .take_while(|period| self.period_gate(period.period) <= self.now)
            .find(|period| period.orders == 0)
            .map(|period| period.period)
    }

    fn forget_period(&mut self, index: u32) {
        let gone = self.calendar.drop_period(index);
        self.journal.push(Undo::PeriodGone(Box::new(gone)));
    }

    /// When the gates of a period close: at one time in all areas.
    pub(crate) fn period_gate(&self, period: DeliveryPeriod) -> LedgerTime {
        self.rules.gate_closes_at(Contract { period, ..Contract::default() })
    }
}

/// Area numbers have 16 bits, so that there are fewer areas than 2^16.
pub(crate) fn areas_of(network: &Network) -> u16 {
    u16::try_from(network.areas()).expect("a network is made of at most 65,535 areas")
}

/// When an order is over by its own time.
fn until_of(time_in_force: TimeInForce) -> LedgerTime {
    match time_in_force {
        TimeInForce::GoodTillTime(until) => until,
        TimeInForce::GoodTillGate | TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => FOREVER,
    }
}

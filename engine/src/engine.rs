//! The engine: every book of a market behind one writer.

use crate::calendar::Calendar;
use crate::deadline::{Deadlines, SweepQueue};
use crate::journal::{Journal, Undo};
use crate::matching::{Taker, WayBack};
use crate::slab::{FOREVER, OrderSlab};
use crate::top_of_book::TopOfBookWriter;
use crate::{
    Contract, Energy, Event, LedgerTime, Limits, Mark, MarketRules, MeterId, NewOrder, OrderId, Price, Reject,
    RulesError, TimeInForce,
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
/// let mut engine = Engine::new(MarketRules::without_gates(), 1)?;
/// let mut events = Vec::new();
/// let sell = NewOrder {
///     tag: OrderTag(1),
///     account: AccountId(1),
///     meter: MeterId(1),
///     contract: Contract { area: AreaId(0), period: DeliveryPeriod(0) },
///     side: Side::Sell,
///     price: Price(250),
///     energy: Energy(400),
///     time_in_force: TimeInForce::GoodTillGate,
///     post_only: false,
/// };
/// let buy = NewOrder { tag: OrderTag(2), account: AccountId(2), side: Side::Buy, price: Price(260), ..sell };
/// assert!(engine.place(sell, &mut Unlimited, &mut events)?.is_some());
/// assert_eq!(engine.place(buy, &mut Unlimited, &mut events)?, None);
/// let Some(Event::Trade(trade)) = events.last() else { panic!("they meet") };
/// assert_eq!((trade.price, trade.energy), (Price(250), Energy(400)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(crate) rules: MarketRules,
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
    /// An empty market with areas `0..areas`, at ledger time 0.
    ///
    /// # Errors
    /// If the rules do not make sense together.
    pub fn new(rules: MarketRules, areas: u16) -> Result<Self, RulesError> {
        rules.validate()?;
        Ok(Self {
            rules,
            now: LedgerTime(0),
            slab: OrderSlab::new(),
            calendar: Calendar::new(areas),
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

    /// How many areas there are: `0..areas`.
    pub fn areas(&self) -> u16 {
        self.calendar.areas()
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
}

/// When an order is over by its own time.
fn until_of(time_in_force: TimeInForce) -> LedgerTime {
    match time_in_force {
        TimeInForce::GoodTillTime(until) => until,
        TimeInForce::GoodTillGate | TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill => FOREVER,
    }
}

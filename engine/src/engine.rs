//! The engine: every book of a market behind one writer.

use crate::blocks::Blocks;
use crate::calendar::Calendar;
use crate::checks::until_of;
use crate::contract::{AreaId, Contract, DeliveryPeriod, MeterId};
use crate::deadline::{Deadlines, SweepQueue};
use crate::depth::DepthWriter;
use crate::digest::ContractFlags;
use crate::divisor::Divisor;
use crate::event::Event;
use crate::journal::{Journal, Mark};
use crate::limits::{Limits, OrderTerms};
use crate::market::{BasketRefused, EdgeState};
use crate::matching::{Taker, UsedEdges, WayBack};
use crate::network::{Direction, Network};
use crate::order::{NewOrder, OrderId, TimeInForce};
use crate::queue::Orders as _;
use crate::reject::Reject;
use crate::rules::{MarketRules, RulesError};
use crate::slab::{FOREVER, OrderSlab};
use crate::top_of_book::TopOfBookWriter;
use crate::tree::AreaTree;
use crate::units::{Energy, LedgerTime, Price};

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
    /// The tick of the rules.
    pub(crate) tick: Divisor,
    pub(crate) network: Network,
    pub(crate) tree: AreaTree,
    pub(crate) now: LedgerTime,
    pub(crate) slab: OrderSlab,
    pub(crate) calendar: Calendar,
    pub(crate) deadlines: Deadlines,
    pub(crate) queue: SweepQueue,
    pub(crate) blocks: Blocks,
    pub(crate) journal: Journal,
    pub(crate) tops: Option<TopOfBookWriter>,
    pub(crate) depths: Option<DepthWriter>,
    /// The contracts whose top may have changed since the last publication; empty without a publisher.
    pub(crate) changed: Vec<Contract>,
    /// The edges of a trade's way, while it is booked.
    pub(crate) way: Vec<(AreaId, Direction)>,
}

impl Engine {
    /// The most orders of a basket (MARKET section 3).
    pub const BASKET_MAX: usize = 100;

    /// An empty market over a network, at ledger time 0.
    ///
    /// # Errors
    /// If the rules do not make sense together.
    pub fn new(rules: MarketRules, network: Network) -> Result<Self, RulesError> {
        rules.validate()?;
        Ok(Self {
            tick: Divisor::new(rules.tick.unsigned_abs()),
            rules,
            tree: AreaTree::new(&network),
            network,
            now: LedgerTime(0),
            slab: OrderSlab::new(),
            calendar: Calendar::default(),
            deadlines: Deadlines::default(),
            queue: SweepQueue::default(),
            blocks: Blocks::default(),
            journal: Journal::default(),
            tops: None,
            depths: None,
            changed: Vec::new(),
            way: Vec::new(),
        })
    }

    /// From now on nothing is remembered that [`Engine::rollback`] could undo, which saves its cost to those who never speculate:
    /// marks taken before and after are worth nothing. Commands still happen whole or not at all.
    pub fn without_undo(&mut self) {
        self.journal.remember_only_while_held();
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
        areas_of(&self.network)
    }

    /// How many orders rest in all books; blocks that wait are not counted.
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
        self.hold_sweep_in_order();
        self.set_now(now);
        self.forget_spent_periods();
    }

    /// Takes an order in: its form, its gate, its limits, then post-only and fill-or-kill are tested in this order; then it trades,
    /// and what is left rests or is dropped, as its time in force says. Returns its handle if some of it rests. In a call phase it
    /// rests without trading.
    ///
    /// # Errors
    /// `Form*`, `Gate*`, what [`Limits::reserve`] answers, `Match*`.
    pub fn place<L: Limits>(
        &mut self,
        order: NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<Option<OrderId>, Reject> {
        let order = NewOrder { preferences: self.network.plainest(order.preferences), ..order };
        let (rests, used) = self.place_one(&order, limits, events)?;
        if used.0 {
            self.rematch_if_loosened(order.contract.period, limits, events);
        }
        Ok(rests)
    }

    /// As [`Engine::place`], before what it may have made possible for others.
    #[inline]
    fn place_one<L: Limits>(
        &mut self,
        order: &NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(Option<OrderId>, UsedEdges), Reject> {
        self.check_form(order)?;
        let found = self.calendar.find(order.contract.period);
        self.check_gate(found, order.contract, until_of(order.time_in_force))?;
        if self.rules.auction_at_open {
            self.check_call(order)?;
        }
        self.check_room(found, order)?;
        if !self.rests_at_once(found, order) {
            return self.place_to_trade(found, order, limits, events);
        }
        limits.reserve(&order.terms(), order.energy)?;
        let id = self.slab.announce();
        self.rest(found, order, order.energy);
        events.push(Event::Rested { order: order.named(id), remaining: order.energy });
        Ok((Some(id), UsedEdges::default()))
    }

    /// Whether it is plain at first sight that an order trades with nothing and rests: most do.
    #[inline]
    fn rests_at_once(&self, found: Option<u32>, order: &NewOrder) -> bool {
        let rests = matches!(order.time_in_force, TimeInForce::GoodTillGate | TimeInForce::GoodTillTime(_));
        rests && found.is_none_or(|index| self.meets_nothing(index, order))
    }

    fn place_to_trade<L: Limits>(
        &mut self,
        found: Option<u32>,
        order: &NewOrder,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(Option<OrderId>, UsedEdges), Reject> {
        let terms = order.terms();
        let taker = Taker { id: self.slab.announce(), order, terms, open: order.energy };
        // Only these two can be refused once their limits are reserved.
        if order.post_only || order.time_in_force == TimeInForce::FillOrKill {
            let way_back = WayBack::mark(self, limits, events);
            let entered = limits.reserve(&terms, order.energy).and_then(|()| self.enter(found, taker, limits, events));
            match &entered {
                Ok(_) => way_back.leave(self),
                Err(_) => way_back.take(self, limits, events),
            }
            return entered;
        }
        limits.reserve(&terms, order.energy)?;
        self.enter(found, taker, limits, events)
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
        let terms = self.terms_of(slot);
        let node = self.remove(slot);
        limits.release(&terms, node.energy);
        events.push(Event::Cancelled { order: node.order_ref(slot), remaining: node.energy });
        Ok(())
    }

    /// Makes a resting order smaller by `by`, hidden reserve first; it keeps its place, and leaves at zero.
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
    /// reservation is freed, and the new one, with all else that the old one had, enters as incoming. If it is refused, the old one
    /// stays exactly as it was, place included (MARKET section 4, Replace).
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
        let period = self.calendar.at(old.standing.period());
        let contract = period.contract(old.standing.area());
        let display = self.slab.hidden(slot).map_or(Energy::ZERO, |hidden| hidden.display);
        let new = NewOrder {
            tag: old.tag,
            account: old.account,
            meter: old.meter,
            contract,
            side: old.standing.side(),
            price,
            energy,
            time_in_force: TimeInForce::GoodTillTime(old.until),
            post_only: old.standing.post_only(),
            display: if display < energy { display } else { Energy::ZERO },
            preferences: period.preferences(old.standing),
        };
        self.check_form(&new)?;
        let way_back = WayBack::mark(self, limits, events);
        let terms = self.terms_of(slot);
        self.remove(slot);
        limits.release(&terms, old.energy);
        match self.place_one(&new, limits, events) {
            Ok((rests, used)) => {
                way_back.leave(self);
                if used.0 {
                    self.rematch_if_loosened(contract.period, limits, events);
                }
                Ok(rests)
            }
            Err(reject) => {
                way_back.take(self, limits, events);
                Err(reject)
            }
        }
    }

    /// Runs fill-or-kill orders over any contracts in their written order; all commit or none (MARKET section 4, Basket).
    ///
    /// # Errors
    /// `FormBasket`, or what the first order was refused for that was.
    pub fn basket<L: Limits>(
        &mut self,
        orders: &[NewOrder],
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), BasketRefused> {
        if orders.is_empty() || orders.len() > Self::BASKET_MAX {
            return Err(BasketRefused { at: 0, why: Reject::FormBasket });
        }
        if let Some(at) = orders.iter().position(|order| order.time_in_force != TimeInForce::FillOrKill) {
            return Err(BasketRefused { at, why: Reject::FormBasket });
        }
        let way_back = WayBack::mark(self, limits, events);
        let mut used = Vec::new();
        for (at, order) in orders.iter().enumerate() {
            let order = NewOrder { preferences: self.network.plainest(order.preferences), ..*order };
            match self.place_one(&order, limits, events) {
                Ok((_, edges)) => used.extend(edges.0.then_some(order.contract.period)),
                Err(why) => {
                    way_back.take(self, limits, events);
                    return Err(BasketRefused { at, why });
                }
            }
        }
        way_back.leave(self);
        used.sort_unstable();
        used.dedup();
        used.into_iter().for_each(|period| self.rematch_if_loosened(period, limits, events));
        Ok(())
    }

    /// Sets what the edge above `child` may carry in a period, and re-matches what rests there. Trades that were made stay, also if
    /// they are more than it may carry now.
    ///
    /// # Errors
    /// `FormArea`, `FormEdge`, `FormCapacity`, `GateClosed`.
    pub fn set_capacity<L: Limits>(
        &mut self,
        child: AreaId,
        period: DeliveryPeriod,
        up: Energy,
        down: Energy,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        if child.0 >= self.areas() {
            return Err(Reject::FormArea);
        }
        if self.network.edge(child).is_none() {
            return Err(Reject::FormEdge);
        }
        if up.max(down) > Network::CAPACITY_MAX {
            return Err(Reject::FormCapacity);
        }
        if self.period_gate(period) <= self.now {
            return Err(Reject::GateClosed);
        }
        if self.calendar.find(period).is_none() && self.calendar.is_full() {
            return Err(Reject::MatchBookFull);
        }
        let index = self.find_or_open(period);
        let Some(grid) = &self.calendar.at(index).grid else { return Err(Reject::FormEdge) };
        let edge = EdgeState { up, down, flow: grid.edge(child).flow };
        self.change_edge(index, child, edge);
        for direction in [Direction::Up, Direction::Down] {
            let residual = edge.residual(direction);
            if residual < 0 {
                events.push(Event::Overload { child, period, direction, by: Energy(residual.unsigned_abs()) });
            }
        }
        self.rematch_if_loosened(period, limits, events);
        Ok(())
    }

    /// Opens a contract by command, whatever the time. One in no area, closed, or open already is left alone.
    pub fn open(&mut self, contract: Contract) {
        let is_open = self.rules.opens_at(contract) <= self.now || self.flags(contract).has(ContractFlags::OPENED);
        if !is_open && !self.gate_is_closed(contract) {
            self.flag_if_possible(contract, ContractFlags::OPENED);
        }
    }

    /// Ends a contract's trading with other areas by command. One in no area, or that trades with no other area any more, is left alone.
    pub fn close_cross_area(&mut self, contract: Contract) {
        let is_over = self.rules.cross_area_gate_closes_at(contract.period) <= self.now
            || self.flags(contract).has(ContractFlags::CROSS_CLOSED);
        if !is_over {
            self.flag_if_possible(contract, ContractFlags::CROSS_CLOSED);
        }
    }

    /// Closes a contract's gate by command, whatever the time. A contract in no area, or closed already, is left alone.
    pub fn close(&mut self, contract: Contract) {
        if !self.gate_is_closed(contract) {
            self.flag_if_possible(contract, ContractFlags::CLOSED);
        }
    }

    fn flag_if_possible(&mut self, contract: Contract, flag: u8) {
        let has_record = self.calendar.find(contract.period).is_some();
        if contract.area.0 < self.areas() && (has_record || !self.calendar.is_full()) {
            self.flag(contract, flag);
        }
    }

    /// The edge above an area in a period; nothing where there is none.
    pub fn edge(&self, child: AreaId, period: DeliveryPeriod) -> Option<EdgeState> {
        self.network.edge(child)?;
        let grid = self.calendar.get(period).and_then(|record| record.grid.as_ref());
        Some(grid.map_or_else(|| crate::grid::Grid::untouched(&self.network, child), |grid| *grid.edge(child)))
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

    /// What the reservation of a resting order depends on.
    #[inline]
    pub(crate) fn terms_of(&self, slot: u32) -> OrderTerms {
        let node = self.slab.node(slot);
        node.terms(self.calendar.at(node.standing.period()).period)
    }

    #[inline]
    fn find_owned(&self, id: OrderId, meter: MeterId) -> Result<u32, Reject> {
        self.slab.find(id).filter(|&slot| self.slab.node(slot).meter == meter).ok_or(Reject::MatchUnknownOrder)
    }

    /// Takes energy off a resting order, all of it at most, and reports it.
    fn shrink<L: Limits>(&mut self, slot: u32, by: Energy, limits: &mut L, events: &mut Vec<Event>) {
        let node = *self.slab.node(slot);
        let by = by.min(node.energy);
        let remaining = node.energy - by;
        let terms = self.terms_of(slot);
        if remaining.is_zero() {
            self.remove(slot);
        } else if !by.is_zero() {
            let shown = self.slab.shown(slot);
            self.take(slot, by, shown - shown.min(remaining));
        }
        if !by.is_zero() {
            limits.release(&terms, by);
        }
        events.push(Event::Reduced { order: node.order_ref(slot), remaining });
    }
}

/// Area numbers have 16 bits, so that there are fewer areas than 2^16.
pub(crate) fn areas_of(network: &Network) -> u16 {
    u16::try_from(network.areas()).expect("a network is made of at most 65,535 areas")
}

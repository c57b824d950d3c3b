//! Continuous matching: an incoming order meets the resting ones, at home and across edges (MARKET section 4).

use crate::contract::{AreaId, DeliveryPeriod};
use crate::engine::Engine;
use crate::event::{Event, OrderRef, Trade, TradeKind, with_fee};
use crate::journal::Mark;
use crate::limits::{Limits, OrderTerms};
use crate::network::Direction;
use crate::order::{NewOrder, OrderId, Preferences, Side, TimeInForce};
use crate::queue::Orders as _;
use crate::reject::Reject;
use crate::search::{Found, Passed, Seeker};
use crate::slab::NIL;
use crate::tree;
use crate::units::{Energy, Money, Price};

/// An order on its way in: form, gate and limits have let it through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker<'a> {
    pub(crate) id: OrderId,
    pub(crate) order: &'a NewOrder,
    pub(crate) terms: OrderTerms,
    /// What has not traded yet.
    pub(crate) open: Energy,
}

/// Where everything stood before a command that may yet be refused.
#[derive(Debug)]
pub(crate) struct WayBack<M> {
    mark: Mark,
    limits: M,
    events: usize,
}

impl<M: Copy> WayBack<M> {
    pub(crate) fn mark<L: Limits<Mark = M>>(engine: &mut Engine, limits: &L, events: &[Event]) -> Self {
        Self { mark: engine.journal.hold(), limits: limits.mark(), events: events.len() }
    }

    /// The command is refused: everything is as it was.
    pub(crate) fn take<L: Limits<Mark = M>>(self, engine: &mut Engine, limits: &mut L, events: &mut Vec<Event>) {
        engine.rollback(self.mark);
        limits.rollback(self.limits);
        events.truncate(self.events);
        engine.journal.let_go();
    }

    /// The command was carried out.
    pub(crate) fn leave(self, engine: &mut Engine) {
        engine.journal.let_go();
    }
}

/// The edges that a command's trades have used, so far as re-matching has to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UsedEdges(pub(crate) bool);

/// Two orders that are about to trade, of which the maker rests.
pub(crate) struct Meeting {
    pub(crate) maker: u32,
    /// The taker's slot if it rests too, or [`NIL`].
    pub(crate) taker_slot: u32,
    pub(crate) taker: OrderRef,
    pub(crate) taker_terms: OrderTerms,
    /// What the taker delivers or accepts, and from whom.
    pub(crate) taker_preferences: Preferences,
    pub(crate) energy: Energy,
    pub(crate) taker_remaining: Energy,
    pub(crate) kind: TradeKind,
    /// The price both get instead of the maker's limit: that of the bid in a pay-as-bid round.
    pub(crate) price: Option<Price>,
}

impl Engine {
    /// Lets an order into the book: it trades, then what is left of it rests, is dropped, or damns it. On an error the caller
    /// takes the way back.
    pub(crate) fn enter<L: Limits>(
        &mut self,
        found: Option<u32>,
        mut taker: Taker<'_>,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> Result<(Option<OrderId>, UsedEdges), Reject> {
        let Taker { id, order, terms, .. } = taker;
        let mut used = UsedEdges::default();
        if let Some(index) = found
            && !self.is_calling(order.contract.period)
        {
            if order.post_only && self.best_counter(index, &order.seeker(), &mut Passed::default()).is_some() {
                return Err(Reject::MatchPostOnly);
            }
            used = self.trade(index, &mut taker, limits, events);
        }
        let remaining = taker.open;
        if remaining.is_zero() {
            return Ok((None, used));
        }
        match order.time_in_force {
            TimeInForce::FillOrKill => Err(Reject::MatchFillOrKill),
            TimeInForce::ImmediateOrCancel => {
                limits.release(&terms, remaining);
                events.push(Event::Dropped { order: order.named(id), remaining });
                Ok((None, used))
            }
            TimeInForce::GoodTillGate | TimeInForce::GoodTillTime(_) => {
                self.rest(found, order, remaining);
                events.push(Event::Rested { order: order.named(id), remaining });
                Ok((Some(id), used))
            }
        }
    }

    /// MARKET section 4, steps 3 to 6: the best counter-order at its own limit, until nothing is left or no candidate is.
    fn trade<L: Limits>(
        &mut self,
        index: u32,
        taker: &mut Taker<'_>,
        limits: &mut L,
        events: &mut Vec<Event>,
    ) -> UsedEdges {
        let seeker = taker.order.seeker();
        let named = taker.order.named(taker.id);
        let mut used = UsedEdges::default();
        let mut passed = Passed::default();
        while !taker.open.is_zero() {
            let Some(Found { slot, key }) = self.best_counter(index, &seeker, &mut passed) else { break };
            let shown = self.slab.shown(slot);
            let mut energy = taker.open.min(shown);
            if tree::edges(key) > 0 {
                let maker = self.slab.node(slot).standing.area();
                let (from, to) = if seeker.side == Side::Buy { (maker, seeker.area) } else { (seeker.area, maker) };
                energy = energy.min(self.reachable(index, from, to));
                used.0 = true;
            }
            taker.open -= energy;
            if energy == shown && self.slab.node(slot).standing.hides() {
                passed.forget();
            }
            let meeting = Meeting {
                maker: slot,
                taker_slot: NIL,
                taker: named,
                taker_terms: taker.terms,
                taker_preferences: seeker.preferences,
                energy,
                taker_remaining: taker.open,
                kind: TradeKind::Continuous,
                price: None,
            };
            self.meet(index, &meeting, limits, events);
        }
        used
    }

    /// Books a trade: what it takes out of the resting orders, what it moves on the edges, what it tells the limits.
    #[inline]
    pub(crate) fn meet<L: Limits>(&mut self, index: u32, meeting: &Meeting, limits: &mut L, events: &mut Vec<Event>) {
        let Meeting { maker, taker_slot, taker, taker_terms, energy, taker_remaining, kind, .. } = *meeting;
        let period = self.calendar.at(index).period;
        let node = *self.slab.node(maker);
        let maker_terms = node.terms(period);
        let maker_ref = node.order_ref(maker);
        let maker_remaining = node.energy - energy;
        let (maker_area, taker_area) = (maker_terms.contract.area, taker_terms.contract.area);
        let maker_preferences = self.calendar.at(index).preferences(node.standing);
        let for_partner = maker_preferences.partner.is_some() || meeting.taker_preferences.partner.is_some();
        let (seller, buyer, sources) = match taker_terms.side {
            Side::Buy => (maker_area, taker_area, maker_preferences.sources),
            Side::Sell => (taker_area, maker_area, meeting.taker_preferences.sources),
        };
        let is_across = maker_area != taker_area;
        let fee = if is_across { self.shift_flow(index, seller, buyer, energy) } else { Price(0) };
        let price = meeting.price.unwrap_or(maker_terms.price);
        limits.fill(&maker_terms, energy, price);
        let taker_price = if is_across { with_fee(taker_terms.side, price, fee) } else { price };
        limits.fill(&taker_terms, energy, taker_price);
        if is_across {
            self.collect_fees(period, seller, buyer, energy, limits);
        }
        events.push(Event::Trade(Trade {
            period,
            maker_area,
            taker_area,
            taker_side: taker_terms.side,
            kind,
            maker: maker_ref,
            taker,
            sources,
            for_partner,
            price,
            fee,
            energy,
            maker_remaining,
            taker_remaining,
        }));
        self.use_up(maker, energy, kind);
        if taker_slot != NIL {
            self.use_up(taker_slot, energy, kind);
        }
    }

    /// Takes traded energy out of a resting order. In the continuous book it comes out of the shown clip, elsewhere out of all of it.
    #[inline]
    fn use_up(&mut self, slot: u32, energy: Energy, kind: TradeKind) {
        let open = self.slab.node(slot).energy;
        if energy == open {
            self.remove(slot);
            return;
        }
        self.use_up_a_part(slot, energy, kind);
    }

    fn use_up_a_part(&mut self, slot: u32, energy: Energy, kind: TradeKind) {
        let shown = self.slab.shown(slot);
        match kind {
            TradeKind::Continuous => {
                self.take(slot, energy, energy);
                if energy == shown {
                    self.refresh_clip(slot);
                }
            }
            TradeKind::PayAsBid | TradeKind::Prearranged => self.take_keeping_place(slot, energy),
        }
    }

    /// Takes energy out of an order that keeps its place: its clip is filled up again out of the reserve.
    pub(crate) fn take_keeping_place(&mut self, slot: u32, energy: Energy) {
        let open = self.slab.node(slot).energy;
        let (shown, display) = match self.slab.hidden(slot) {
            Some(hidden) => (hidden.shown, hidden.display),
            None => (open, open),
        };
        let left = display.min(open - energy);
        if left <= shown {
            self.take(slot, energy, shown - left);
        } else {
            self.take(slot, energy, Energy::ZERO);
            self.show_more(slot, left - shown);
        }
    }

    /// What may still flow between two areas (MARKET section 4, step 2).
    pub(crate) fn reachable(&self, index: u32, from: AreaId, to: AreaId) -> Energy {
        let Some(grid) = &self.calendar.at(index).grid else { return Energy::ZERO };
        let mut room = u64::MAX;
        self.along(from, to, |child, direction| room = room.min(grid.room(child, direction)));
        Energy(room)
    }

    /// Moves energy over the edges between two areas, and tells the fee per kWh of all of them together.
    pub(crate) fn shift_flow(&mut self, index: u32, from: AreaId, to: AreaId, energy: Energy) -> Price {
        let mut fee = 0;
        let mut way = core::mem::take(&mut self.way);
        way.clear();
        self.along(from, to, |child, direction| way.push((child, direction)));
        for &(child, direction) in &way {
            fee += self.network.edge(child).map_or(0, |edge| edge.fee(direction).0);
            let Some(grid) = &self.calendar.at(index).grid else { continue };
            let mut edge = *grid.edge(child);
            // What flows is at most the room, which is below 2^62: NetworkError::Capacity, Reject::FormCapacity.
            let energy = energy.0.cast_signed();
            edge.flow += if direction == Direction::Up { energy } else { -energy };
            self.change_edge(index, child, edge);
        }
        self.way = way;
        Price(fee)
    }

    /// Tells the limits what the operators of the edges between two areas get.
    pub(crate) fn collect_fees<L: Limits>(
        &self,
        period: DeliveryPeriod,
        from: AreaId,
        to: AreaId,
        energy: Energy,
        limits: &mut L,
    ) {
        self.along(from, to, |child, direction| {
            let fee = self.network.edge(child).map_or(Price(0), |edge| edge.fee(direction));
            limits.collect(child, period, fee.times(energy), Money::ZERO);
        });
    }

    /// Visits the edges that energy crosses on its way between two areas of one tree, in the order of the way.
    pub(crate) fn along(&self, from: AreaId, to: AreaId, mut visit: impl FnMut(AreaId, Direction)) {
        let network = &self.network;
        let mut top = (from, to);
        while top.0 != top.1 {
            let side = if network.depth(top.0) >= network.depth(top.1) { &mut top.0 } else { &mut top.1 };
            let Some(edge) = network.edge(*side) else { return };
            *side = edge.parent;
        }
        let mut area = from;
        while area != top.0 {
            let Some(edge) = network.edge(area) else { return };
            visit(area, Direction::Up);
            area = edge.parent;
        }
        // Downwards the way is known from its end only: it is short, so each step looks for its edge from there.
        let mut reached = top.0;
        while reached != to {
            let mut child = to;
            while let Some(edge) = network.edge(child) {
                if edge.parent == reached {
                    break;
                }
                child = edge.parent;
            }
            visit(child, Direction::Down);
            reached = child;
        }
    }

    /// Whether a period is in its call phase: orders are collected and nothing trades.
    pub(crate) fn is_calling(&self, period: DeliveryPeriod) -> bool {
        self.rules.auction_at_open
            && match self.calendar.get(period) {
                Some(record) => !record.auctioned,
                None => self.now < self.rules.call_ends_at(period),
            }
    }
}

impl NewOrder {
    #[inline]
    pub(crate) fn terms(&self) -> OrderTerms {
        let Self { tag, account, meter, contract, side, price, .. } = *self;
        OrderTerms { tag, account, meter, contract, side, price }
    }

    /// How events name it, once it has a handle.
    #[inline]
    pub(crate) fn named(&self, id: OrderId) -> OrderRef {
        OrderRef { id, tag: self.tag, account: self.account, meter: self.meter }
    }

    #[inline]
    fn seeker(&self) -> Seeker {
        let Self { side, account, contract, price, preferences, .. } = *self;
        Seeker { side, account, area: contract.area, price, preferences }
    }
}

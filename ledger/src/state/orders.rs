//! Orders: names on this side, books on the engine's.

use gridbook_engine::{
    AccountId, Energy, EnergySources, Event, MeterId, NewOrder, OrderId, OrderRef, OrderTag, Price, Reject, Side,
    TradeKind,
};

use super::State;
use super::tables::{MeterFacts, Name, Standing, Tables};
use crate::command::Place;
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::record::{PartyRef, RecordEvent, Trade};
use crate::reject::Code;

impl State {
    /// Area, what a sell claims, name and partner are tested here; form, gate, collateral and book by the engine, in this order.
    pub(super) fn place(&mut self, meter: MeterId, place: &Place, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let order = self.new_order(meter, place)?;
        let rests = self.engine.place(order, &mut self.tables, &mut self.events)?;
        self.tables.add_name(meter, place.client_id, Name { period: place.period, standing: standing_of(rests) });
        self.report(events);
        Ok(())
    }

    /// The order as the engine takes it. Orders are named by (meter, client id) everywhere, so the client id is all the engine has to carry.
    pub(super) fn new_order(&self, meter: MeterId, place: &Place) -> Result<NewOrder, Code> {
        let sender = self.tables.meter(meter).ok_or(Code::AuthUnknownDevice)?;
        if place.area != sender.facts.area {
            return Err(Code::FormArea);
        }
        if place.side == Side::Sell {
            place.sources.map_or(Ok(()), |sources| self.check_claim(&sender.facts, sources))?;
        }
        let account = self.check_new(meter, place.client_id)?;
        if let Some(partner) = place.partner {
            self.find_account(partner)?;
        }
        Ok(place.order(OrderTag(place.client_id), account, meter))
    }

    /// Whoever asks for solar gets solar certificates or no trade (MARKET section 8): where there are any, nobody sells as solar alone who can
    /// never be issued one.
    fn check_claim(&self, seller: &MeterFacts, sources: EnergySources) -> Result<(), Code> {
        if !seller.plant.may_claim(sources) {
            return Err(Code::AuthSource);
        }
        let promises_certificates = self.settlement.metering && !EnergySources::GRID_MIX.is_within(sources);
        if promises_certificates && seller.certificate == Hash::ZERO { Err(Code::AuthInstallation) } else { Ok(()) }
    }

    /// Whose the meter is, if the name is free and nothing is owed: asked before whatever may become a trade.
    pub(super) fn check_new(&self, meter: MeterId, client_id: u64) -> Result<AccountId, Code> {
        let sender = self.tables.meter(meter).ok_or(Code::AuthUnknownDevice)?;
        if sender.names.contains_key(&client_id) {
            return Err(Code::MatchDuplicate);
        }
        self.check_debt(sender.facts.account, Code::DebtOrder)?;
        Ok(sender.facts.account)
    }

    /// Takes back whatever is open under the name.
    pub(super) fn cancel(&mut self, meter: MeterId, client_id: u64, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        match self.standing(meter, client_id) {
            Standing::Resting(order) => self.engine.cancel(order, meter, &mut self.tables, &mut self.events)?,
            Standing::Block(tag) => self.engine.cancel_block(tag, meter, &mut self.tables, &mut self.events)?,
            Standing::Offer => {
                let (order, offer) = self.end_offer(meter, client_id);
                events.push(RecordEvent::Cancelled { order, remaining: offer.terms.energy });
            }
            Standing::Over => return Err(Code::MatchUnknownOrder),
        }
        self.report(events);
        Ok(())
    }

    pub(super) fn reduce(
        &mut self,
        meter: MeterId,
        client_id: u64,
        by: Energy,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let mut order = self.find_order(meter, client_id)?;
        let mut by = by;
        if omits(Defect::ReduceLosesPlace)
            && let Some(resting) = self.engine.resting_order(order)
        {
            // One that grows gets a new place.
            let more = Energy(self.rules().lot);
            if self.replace(meter, client_id, resting.terms.price, resting.remaining + more, events).is_ok() {
                (order, by) = (self.find_order(meter, client_id)?, by + more);
            }
        }
        self.engine.reduce(order, meter, by, &mut self.tables, &mut self.events)?;
        self.report(events);
        Ok(())
    }

    pub(super) fn replace(
        &mut self,
        meter: MeterId,
        client_id: u64,
        price: Price,
        energy: Energy,
        events: &mut Vec<RecordEvent>,
    ) -> Result<(), Code> {
        let order = self.find_order(meter, client_id)?;
        let rests = self.engine.replace(order, meter, price, energy, &mut self.tables, &mut self.events)?;
        self.tables.set_standing(meter, client_id, standing_of(rests));
        self.report(events);
        Ok(())
    }

    /// The kill switch.
    pub(super) fn cancel_all_of_account(&mut self, meter: MeterId, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let sender = self.tables.meter(meter).ok_or(Code::AuthUnknownDevice)?;
        self.withdraw_all_of(sender.facts.account, events);
        Ok(())
    }

    /// Takes back everything that is open of an account.
    pub(super) fn withdraw_all_of(&mut self, account: AccountId, events: &mut Vec<RecordEvent>) {
        let meters = self.tables.meters_of(account).to_vec();
        self.cancel_all(&meters, events);
    }

    /// Takes back everything that is open of some meters, by meter, then client id.
    pub(super) fn cancel_all(&mut self, meters: &[MeterId], events: &mut Vec<RecordEvent>) {
        for meter in meters {
            let names = self.tables.meter(*meter).into_iter().flat_map(|meter| &meter.names);
            let open = names.filter(|(_, name)| name.standing != Standing::Over);
            let open: Vec<u64> = open.map(|(client_id, _)| *client_id).collect();
            for client_id in open {
                self.cancel(*meter, client_id, events).expect("a name says what is open under it, and only that");
            }
        }
    }

    fn standing(&self, meter: MeterId, client_id: u64) -> Standing {
        let name = self.tables.meter(meter).and_then(|meter| meter.names.get(&client_id));
        name.map_or(Standing::Over, |name| name.standing)
    }

    fn find_order(&self, meter: MeterId, client_id: u64) -> Result<OrderId, Reject> {
        match self.standing(meter, client_id) {
            Standing::Resting(order) => Ok(order),
            _ => Err(Reject::MatchUnknownOrder),
        }
    }

    /// Turns what the engine reports into record events, and keeps the names up to date.
    pub(super) fn report(&mut self, out: &mut Vec<RecordEvent>) {
        self.report_agreed(&[], out);
    }

    /// [`State::report`] where one of the trades may be an agreed one, whose parties have these names.
    pub(super) fn report_agreed(&mut self, agreed: &[(MeterId, u64)], out: &mut Vec<RecordEvent>) {
        self.note_trades();
        for event in self.events.drain(..) {
            out.push(record_event(&self.tables, agreed, &event));
            follow(&mut self.tables, &event);
        }
    }
}

/// Keeps names and what they stand for in step with the books.
fn follow(tables: &mut Tables, event: &Event) {
    let mut left = |order: &OrderRef, remaining: Energy| {
        let standing = if remaining.is_zero() { Standing::Over } else { Standing::Resting(order.id) };
        tables.set_standing(order.meter, order.tag.0, standing);
    };
    match event {
        // Nothing of these rests, and their names were given before.
        Event::Trade(trade) if trade.kind == TradeKind::Prearranged => {}
        // What is left of an incoming order rests or is dropped: its next event says so.
        Event::Trade(trade) => {
            left(&trade.maker, trade.maker_remaining);
            left(&trade.taker, trade.taker_remaining);
        }
        Event::Rested { order, .. }
        | Event::Dropped { order, .. }
        | Event::Cancelled { order, .. }
        | Event::Expired { order, .. }
        | Event::Filled { order, .. }
            if is_block(order) =>
        {
            if matches!(event, Event::Cancelled { .. } | Event::Expired { .. }) {
                tables.drop_block(order.tag);
            }
        }
        Event::Block { order, .. } => tables.drop_block(order.tag),
        Event::Rested { order, remaining }
        | Event::Reduced { order, remaining }
        | Event::Filled { order, remaining, .. } => left(order, *remaining),
        Event::Dropped { order, .. } | Event::Cancelled { order, .. } | Event::Expired { order, .. } => {
            left(order, Energy::ZERO);
        }
        Event::Cleared { .. } | Event::Flow { .. } | Event::Overload { .. } => {}
    }
}

/// Blocks have no handle.
fn is_block(order: &OrderRef) -> bool {
    order.id == OrderId(0)
}

fn standing_of(rests: Option<OrderId>) -> Standing {
    rests.map_or(Standing::Over, Standing::Resting)
}

fn record_event(tables: &Tables, agreed: &[(MeterId, u64)], event: &Event) -> RecordEvent {
    let party = |order: &OrderRef| party(tables, agreed, order);
    match *event {
        Event::Trade(trade) => RecordEvent::Trade(Trade {
            maker: party(&trade.maker),
            taker: party(&trade.taker),
            period: trade.period,
            maker_area: trade.maker_area,
            taker_area: trade.taker_area,
            taker_side: trade.taker_side,
            kind: trade.kind,
            price: trade.price,
            fee: trade.fee,
            energy: trade.energy,
        }),
        Event::Rested { order, remaining } => RecordEvent::Rested { order: party(&order), remaining },
        Event::Dropped { order, remaining } => RecordEvent::Dropped { order: party(&order), remaining },
        Event::Cancelled { order, remaining } => RecordEvent::Cancelled { order: party(&order), remaining },
        Event::Reduced { order, remaining } => RecordEvent::Reduced { order: party(&order), remaining },
        Event::Expired { order, remaining, cause } => RecordEvent::Expired { order: party(&order), remaining, cause },
        Event::Filled { order, side, contract, energy, price, remaining } => {
            RecordEvent::Filled { order: party(&order), side, contract, energy, price, remaining }
        }
        Event::Cleared { contract, price, case } => RecordEvent::Cleared { contract, price, case },
        Event::Flow { child, period, up, fee, rent } => RecordEvent::Flow { area: child, period, up, fee, rent },
        Event::Block { order, state } => RecordEvent::Block { order: party(&order), state },
        Event::Overload { child, period, direction, by } => {
            RecordEvent::Overload { area: child, period, direction, by }
        }
    }
}

/// The order by its meter's name for it. The engine has another one for blocks and for parties who agreed.
fn party(tables: &Tables, agreed: &[(MeterId, u64)], order: &OrderRef) -> PartyRef {
    let OrderRef { tag, account, meter, .. } = *order;
    let of_block = || tables.blocks().get(&tag).map(|(_, client_id)| *client_id);
    let of_party = || agreed.iter().find(|(party, _)| *party == meter).map(|(_, client_id)| *client_id);
    let client_id = if is_block(order) { of_block().or_else(of_party).unwrap_or(tag.0) } else { tag.0 };
    PartyRef { account, meter, client_id }
}

//! Orders: names on this side, books on the engine's.

use gridbook_engine::{Energy, Event, MeterId, OrderId, OrderRef, OrderTag, Price, Reject};

use super::State;
use super::tables::{MeterFacts, Name};
use crate::command::Place;
use crate::record::{PartyRef, RecordEvent, Trade};
use crate::reject::Code;

impl State {
    /// Area and name are tested here; form, gate, collateral and book by the engine, in this order.
    pub(super) fn place(&mut self, meter: MeterId, place: &Place, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let sender = self.tables.meter(meter).ok_or(Code::AuthUnknownDevice)?;
        let MeterFacts { account, area, .. } = sender.facts;
        if place.area != area {
            return Err(Code::FormArea);
        }
        if !place.display.is_zero() || !place.preferences().are_none(place.side) {
            return Err(Code::FormUnsupported);
        }
        if sender.names.contains_key(&place.client_id) {
            return Err(Code::MatchDuplicate);
        }
        // Orders are named by (meter, client id) everywhere, so the client id is all the engine has to carry.
        let order = place.order(OrderTag(place.client_id), account, meter);
        let rests = self.engine.place(order, &mut self.tables, &mut self.events)?;
        self.tables.add_name(meter, place.client_id, Name { period: place.period, order: rests });
        self.report(events);
        Ok(())
    }

    pub(super) fn cancel(&mut self, meter: MeterId, client_id: u64, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let order = self.find_order(meter, client_id)?;
        self.engine.cancel(order, meter, &mut self.tables, &mut self.events)?;
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
        let order = self.find_order(meter, client_id)?;
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
        self.tables.set_order(meter, client_id, rests);
        self.report(events);
        Ok(())
    }

    /// The kill switch.
    pub(super) fn cancel_all_of_account(&mut self, meter: MeterId, events: &mut Vec<RecordEvent>) -> Result<(), Code> {
        let sender = self.tables.meter(meter).ok_or(Code::AuthUnknownDevice)?;
        let meters = self.tables.meters_of(sender.facts.account).to_vec();
        self.cancel_all(&meters, events);
        Ok(())
    }

    /// Takes out all orders of some meters, by meter, then client id.
    pub(super) fn cancel_all(&mut self, meters: &[MeterId], events: &mut Vec<RecordEvent>) {
        for meter in meters {
            let names = self.tables.meter(*meter).into_iter().flat_map(|meter| meter.names.values());
            let orders: Vec<OrderId> = names.filter_map(|name| name.order).collect();
            for order in orders {
                let cancelled = self.engine.cancel(order, *meter, &mut self.tables, &mut self.events);
                cancelled.expect("a name has the handle of its order only while it rests");
            }
        }
        self.report(events);
    }

    fn find_order(&self, meter: MeterId, client_id: u64) -> Result<OrderId, Reject> {
        let name = self.tables.meter(meter).and_then(|meter| meter.names.get(&client_id));
        name.and_then(|name| name.order).ok_or(Reject::MatchUnknownOrder)
    }

    /// Turns what the engine reports into record events, and keeps the names up to date.
    pub(super) fn report(&mut self, out: &mut Vec<RecordEvent>) {
        for event in self.events.drain(..) {
            let (order, rests) = match event {
                Event::Trade(trade) => {
                    let rests = (!trade.maker_remaining.is_zero()).then_some(trade.maker.id);
                    (trade.maker, rests)
                }
                Event::Rested { order, .. } => (order, Some(order.id)),
                Event::Reduced { order, remaining } => (order, (!remaining.is_zero()).then_some(order.id)),
                Event::Filled { .. }
                | Event::Cleared { .. }
                | Event::Flow { .. }
                | Event::Block { .. }
                | Event::Overload { .. } => {
                    unreachable!("nothing commands an auction or a capacity yet")
                }
                Event::Dropped { order, .. } | Event::Cancelled { order, .. } | Event::Expired { order, .. } => {
                    (order, None)
                }
            };
            self.tables.set_order(order.meter, order.tag.0, rests);
            out.push(record_event(&event));
        }
    }
}

fn record_event(event: &Event) -> RecordEvent {
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
        Event::Filled { .. }
        | Event::Cleared { .. }
        | Event::Flow { .. }
        | Event::Block { .. }
        | Event::Overload { .. } => {
            unreachable!("nothing commands an auction or a capacity yet")
        }
        Event::Expired { order, remaining, cause } => RecordEvent::Expired { order: party(&order), remaining, cause },
    }
}

fn party(order: &OrderRef) -> PartyRef {
    PartyRef { account: order.account, meter: order.meter, client_id: order.tag.0 }
}

//! Derives every trade again: the plain reference market, driven by the final log alone.
//!
//! It believes the ledger about one thing: which commands were carried out, for money and names are not its business. Everything that
//! those did, in price, priority, energy and fees, must be what the reference does.

use std::collections::BTreeMap;

use gridbook_engine::reference::Reference;
use gridbook_engine::{
    AccountId, AreaId, Contract, DeliveryPeriod, Energy, Event, LedgerTime, Market as _, MeterId, NewBlock, NewOrder,
    OrderId, OrderTag, Party, Prearranged, Price, Reject, Side, TradeKind, Unlimited,
};
use gridbook_ledger::command::{Accept, AgreedTerms, Block, Bundle, Command, Place};
use gridbook_ledger::entry::Entry;
use gridbook_ledger::record::{Outcome, Record, RecordEvent};
use gridbook_ledger::registry::Subject;
use gridbook_ledger::state::WORK_ITEMS_MAX;

use super::market::Market;

/// What stands under a meter's name for it.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Order(OrderId),
    Block(OrderTag),
}

/// The reference, and whose names mean which of its orders.
#[derive(Debug)]
pub(super) struct Referee {
    reference: Reference,
    names: BTreeMap<(MeterId, u64), Standing>,
    pub(super) trades: u64,
}

impl Referee {
    pub(super) fn new(market: &Market) -> Self {
        let network = market.genesis.network().expect("a genesis has areas that make a network");
        let mut reference = Reference::new(market.genesis.rules, network).expect("a genesis has valid market rules");
        reference.advance(market.genesis.ledger_start);
        Self { reference, names: BTreeMap::new(), trades: 0 }
    }

    /// Follows one more final entry, whose commands have these records.
    pub(super) fn follow(&mut self, market: &Market, entry: &Entry, records: &[Record]) -> Result<(), String> {
        match entry {
            Entry::Time(at) => {
                self.tell_time(*at, &records[0]);
                Ok(())
            }
            Entry::Work { limit } => {
                let mut events = Vec::new();
                let limit = usize::try_from(*limit.min(&WORK_ITEMS_MAX)).expect("a few thousand");
                self.reference.sweep(limit, &mut Unlimited, &mut events);
                self.compare(&records[0], &events)?;
                self.withdraw(&records[0]);
                Ok(())
            }
            Entry::Bundle(admitted) => self.follow_bundle(market, admitted.bundle(), records),
            Entry::Reconfigure(_) | Entry::Evidence(_) => Ok(()),
        }
    }

    fn tell_time(&mut self, at: LedgerTime, record: &Record) {
        if record.outcome == Outcome::Done {
            self.reference.advance(at);
        }
    }

    fn follow_bundle(&mut self, market: &Market, bundle: &Bundle, records: &[Record]) -> Result<(), String> {
        let meter = (0..).zip(&market.meters).find(|(_, key)| key.public() == bundle.signer);
        let meter = meter.map(|(number, _)| MeterId(number));
        let mut at = 0;
        while let Some(command) = bundle.commands.get(at) {
            let followers = match command {
                Command::Basket { count } => usize::from(*count),
                Command::Block(block) => usize::from(block.parts),
                _ => 0,
            };
            let group = bundle.commands.get(at..=at + followers).unwrap_or(&bundle.commands[at..=at]);
            let record = &records[at];
            if record.outcome == Outcome::Done {
                let mut events = Vec::new();
                self.carry_out(meter, group, record.seq, &mut events)
                    .map_err(|reject| format!("the reference refuses command {}: {reject:?}", record.seq))?;
                self.compare(record, &events)?;
            }
            self.withdraw(record);
            at += group.len();
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        meter: Option<MeterId>,
        group: &[Command],
        seq: u64,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let Some(meter) = meter else { return self.carry_out_for_operator(&group[0], events) };
        let limits = &mut Unlimited;
        match &group[0] {
            Command::Place(place) => {
                let rests = self.reference.place(order(meter, place), limits, events)?;
                self.note(meter, place.client_id, rests);
            }
            Command::Cancel { client_id } => self.cancel(meter, *client_id, events)?,
            Command::Reduce { client_id, by } => {
                let id = self.id(meter, *client_id);
                self.reference.reduce(id, meter, *by, limits, events)?;
            }
            Command::Replace { client_id, price, energy } => {
                let id = self.id(meter, *client_id);
                let rests = self.reference.replace(id, meter, *price, *energy, limits, events)?;
                self.note(meter, *client_id, rests);
            }
            Command::CancelAll => self.cancel_all(meter, events),
            Command::CancelAllOfAccount => {
                let account = account_of(meter);
                (account.0 * 2..account.0 * 2 + 2).for_each(|number| self.cancel_all(MeterId(number), events));
            }
            Command::Basket { .. } => {
                let places = group.iter().filter_map(|command| match command {
                    Command::Place(place) => Some(order(meter, place)),
                    _ => None,
                });
                let orders: Vec<NewOrder> = places.collect();
                self.reference.basket(&orders, limits, events).map_err(|refused| refused.why)?;
            }
            Command::Block(block) => self.place_block(meter, block, &group[1..], seq, events)?,
            Command::Accept(accept) => self.agree(meter, accept, seq, events)?,
            _ => {}
        }
        Ok(())
    }

    fn carry_out_for_operator(&mut self, command: &Command, events: &mut Vec<Event>) -> Result<(), Reject> {
        match *command {
            Command::SetCapacity { area, period, up, down } => {
                self.reference.set_capacity(area, period, up, down, &mut Unlimited, events)
            }
            // It gives no commands until it is resumed, and what it has open is taken back.
            Command::Suspend { subject: Subject::Meter(meter), .. } => {
                self.cancel_all(meter, events);
                Ok(())
            }
            Command::PayAsBid { contract } => self.reference.pay_as_bid(contract, &mut Unlimited, events),
            _ => Ok(()),
        }
    }

    fn place_block(
        &mut self,
        meter: MeterId,
        block: &Block,
        parts: &[Command],
        seq: u64,
        events: &mut Vec<Event>,
    ) -> Result<(), Reject> {
        let mut energies = Vec::new();
        for part in parts {
            if let Command::BlockPart(part) = part {
                energies.extend(part.periods().expect("it was carried out"));
            }
        }
        let Block { client_id, area, side, price, .. } = *block;
        let (tag, account) = (OrderTag(seq), account_of(meter));
        let block = NewBlock { tag, account, meter, area, side, price, energies };
        self.reference.place_block(block, &mut Unlimited, events)?;
        self.names.insert((meter, client_id), Standing::Block(tag));
        Ok(())
    }

    fn agree(&mut self, meter: MeterId, accept: &Accept, seq: u64, events: &mut Vec<Event>) -> Result<(), Reject> {
        let party = |meter: MeterId| Party { account: account_of(meter), meter, area: Market::area(meter.0) };
        let (mine, theirs) = (party(meter), party(accept.partner));
        let AgreedTerms { period, side, price, energy } = accept.terms;
        let (buyer, seller) = if side == Side::Buy { (mine, theirs) } else { (theirs, mine) };
        let trade = Prearranged { tag: OrderTag(seq), buyer, seller, period, price, energy };
        self.reference.prearranged(trade, &mut Unlimited, events)
    }

    fn cancel(&mut self, meter: MeterId, client_id: u64, events: &mut Vec<Event>) -> Result<(), Reject> {
        match self.names.get(&(meter, client_id)) {
            Some(Standing::Order(id)) => self.reference.cancel(*id, meter, &mut Unlimited, events),
            Some(Standing::Block(tag)) => self.reference.cancel_block(*tag, meter, &mut Unlimited, events),
            // An offer that waits: the market knows nothing of it.
            None => Ok(()),
        }
    }

    /// What is no longer there was not there for the ledger either.
    fn cancel_all(&mut self, meter: MeterId, events: &mut Vec<Event>) {
        let names: Vec<u64> = self.names.range((meter, 0)..=(meter, u64::MAX)).map(|((_, name), _)| *name).collect();
        for name in names {
            let _ = self.cancel(meter, name, events);
        }
    }

    /// An account whose score fell and that cannot cover its orders any more has them withdrawn. Money is not the reference's business:
    /// it believes which.
    fn withdraw(&mut self, record: &Record) {
        if !record.events.iter().any(|event| matches!(event, RecordEvent::ScoreChanged { .. })) {
            return;
        }
        for event in &record.events {
            if let RecordEvent::Cancelled { order, .. } = event {
                let _ = self.cancel(order.meter, order.client_id, &mut Vec::new());
            }
        }
    }

    fn id(&self, meter: MeterId, client_id: u64) -> OrderId {
        match self.names.get(&(meter, client_id)) {
            Some(Standing::Order(id)) => *id,
            _ => OrderId(u64::MAX),
        }
    }

    fn note(&mut self, meter: MeterId, client_id: u64, rests: Option<OrderId>) {
        match rests {
            Some(id) => _ = self.names.insert((meter, client_id), Standing::Order(id)),
            None => _ = self.names.remove(&(meter, client_id)),
        }
    }

    /// Every trade and every fill, in order.
    fn compare(&mut self, record: &Record, events: &[Event]) -> Result<(), String> {
        let told: Vec<Deal> = record.events.iter().filter_map(Deal::of_record).collect();
        let derived: Vec<Deal> = events.iter().filter_map(Deal::of_reference).collect();
        self.trades += derived.len() as u64;
        if told == derived {
            return Ok(());
        }
        let place = told.iter().zip(&derived).take_while(|(told, derived)| told == derived).count();
        let (told, derived) = (told.get(place), derived.get(place));
        Err(format!("command {}: trade {place} is {told:?}, and by the rules {derived:?}", record.seq))
    }
}

/// Two meters have one account.
fn account_of(meter: MeterId) -> AccountId {
    AccountId(meter.0 / 2)
}

fn order(meter: MeterId, place: &Place) -> NewOrder {
    place.order(OrderTag(place.client_id), account_of(meter), meter)
}

/// What must be equal of a trade, or of what an auction gives to an order.
#[derive(Debug, PartialEq, Eq)]
enum Deal {
    Trade {
        how: (TradeKind, DeliveryPeriod, Side),
        areas: [AreaId; 2],
        meters: [MeterId; 2],
        terms: (Price, Price, Energy),
    },
    Fill {
        meter: MeterId,
        contract: Contract,
        price: Price,
        energy: Energy,
        remaining: Energy,
    },
}

impl Deal {
    fn of_record(event: &RecordEvent) -> Option<Self> {
        match event {
            RecordEvent::Trade(trade) => Some(Self::Trade {
                how: (trade.kind, trade.period, trade.taker_side),
                areas: [trade.maker_area, trade.taker_area],
                meters: [trade.maker.meter, trade.taker.meter],
                terms: (trade.price, trade.fee, trade.energy),
            }),
            RecordEvent::Filled { order, contract, energy, price, remaining, .. } => {
                let (contract, price, energy, remaining) = (*contract, *price, *energy, *remaining);
                Some(Self::Fill { meter: order.meter, contract, price, energy, remaining })
            }
            _ => None,
        }
    }

    fn of_reference(event: &Event) -> Option<Self> {
        match event {
            Event::Trade(trade) => Some(Self::Trade {
                how: (trade.kind, trade.period, trade.taker_side),
                areas: [trade.maker_area, trade.taker_area],
                meters: [trade.maker.meter, trade.taker.meter],
                terms: (trade.price, trade.fee, trade.energy),
            }),
            Event::Filled { order, contract, energy, price, remaining, .. } => {
                let (contract, price, energy, remaining) = (*contract, *price, *energy, *remaining);
                Some(Self::Fill { meter: order.meter, contract, price, energy, remaining })
            }
            _ => None,
        }
    }
}

//! One meter's part in the day: what it signs, and what it hears of its orders.

use gridbook_engine::{AreaId, Contract, EnergySources, MeterId, Side, TimeInForce};
use gridbook_ledger::command::{Bundle, Command, NEVER, Place, Reading, SignedBundle};
use gridbook_ledger::crypto::{Hash, SecretKey};
use gridbook_ledger::record::{PartyRef, Record, RecordEvent};
use gridbook_sim::{Intent, MeterKind, Prosumer};

use crate::client::{Client, next_nonce};

/// A meter of the town, with what it signs with and what it still has to say.
pub(super) struct Trader {
    pub(super) prosumer: Prosumer,
    pub(super) key: SecretKey,
    pub(super) gateway: Client,
    pub(super) area: AreaId,
    pub(super) in_flight: bool,
    /// It wanted to plan while its last bundle was still on its way.
    pub(super) waiting: bool,
    /// Readings that it has not sent, or has to send again.
    pub(super) unread: Vec<Reading>,
}

impl Trader {
    pub(super) fn new(prosumer: Prosumer, key: SecretKey, gateway: Client) -> Self {
        let area = prosumer.meter().area;
        Self { prosumer, key, gateway, area, in_flight: false, waiting: false, unread: Vec::new() }
    }

    /// Readings first: what was delivered is older than what is wanted.
    pub(super) fn sign(&self, chain: Hash, readings: &[Reading], intents: &[Intent]) -> SignedBundle {
        let readings = readings.iter().copied().map(Command::Reading);
        let sources = (self.prosumer.meter().kind == MeterKind::Pv).then_some(EnergySources::SOLAR);
        let commands = readings.chain(intents.iter().map(|intent| command(intent, self.area, sources))).collect();
        let signer = self.key.public();
        Bundle { chain, signer, nonce: next_nonce(), expires_at: NEVER, commands }.sign(&self.key)
    }
}

/// `sources` is what its sales deliver; without it, the grid's mix. What comes out of a battery is nothing else.
fn command(intent: &Intent, area: AreaId, sources: Option<EnergySources>) -> Command {
    match *intent {
        Intent::Place { client_id, period, side, price, energy, good_till, ioc } => {
            let time_in_force = match (ioc, good_till) {
                (true, _) => TimeInForce::ImmediateOrCancel,
                (false, Some(until)) => TimeInForce::GoodTillTime(until),
                (false, None) => TimeInForce::GoodTillGate,
            };
            let limit = Place::limit(client_id, Contract { area, period }, side, price, energy);
            Command::Place(Place { time_in_force, sources: sources.filter(|_| side == Side::Sell), ..limit })
        }
        Intent::Cancel { client_id } => Command::Cancel { client_id },
        Intent::Reduce { client_id, by } => Command::Reduce { client_id, by },
        Intent::Replace { client_id, price, energy } => Command::Replace { client_id, price, energy },
    }
}

/// Commands that put an order in or give one new terms.
pub(super) fn orders(intents: &[Intent]) -> u64 {
    intents.iter().filter(|intent| matches!(intent, Intent::Place { .. } | Intent::Replace { .. })).count() as u64
}

/// Tells a prosumer what a record says about its orders. Being told twice, by the answer and by the watch, changes nothing.
pub(super) fn tell(prosumer: &mut Prosumer, meter: MeterId, record: &Record) {
    let mut met: Vec<(PartyRef, PartyRef)> = Vec::new();
    for event in &record.events {
        match *event {
            RecordEvent::Trade(trade) => {
                let pair = (trade.maker, trade.taker);
                let before = met.iter().filter(|earlier| **earlier == pair).count();
                met.push(pair);
                let number = trade_number(record.seq, pair, before);
                for (party, price) in [(trade.buyer(), trade.buyer_pays()), (trade.seller(), trade.seller_gets())] {
                    if party.meter == meter {
                        prosumer.on_trade(number, party.client_id, trade.energy, price);
                    }
                }
            }
            RecordEvent::Dropped { order, remaining }
            | RecordEvent::Cancelled { order, remaining }
            | RecordEvent::Expired { order, remaining, .. }
                if order.meter == meter =>
            {
                prosumer.on_gone(order.client_id, remaining);
            }
            RecordEvent::Reduced { order, remaining } if order.meter == meter && remaining.is_zero() => {
                prosumer.on_gone(order.client_id, remaining);
            }
            _ => {}
        }
    }
}

/// A number for a trade that is the same in every notice of it: two orders may meet again, when hidden reserve comes up, but every
/// notice has all their trades of one command in the same order.
fn trade_number(seq: u64, (maker, taker): (PartyRef, PartyRef), before: usize) -> u64 {
    let party = |party: PartyRef| [u64::from(party.meter.0), party.client_id];
    let [maker, taker] = [party(maker), party(taker)];
    let parts = [seq, maker[0], maker[1], taker[0], taker[1], before as u64];
    let name = parts.map(u64::to_le_bytes).concat();
    let hash = Hash::of("gridbook/demo-trade/1", &name);
    u64::from_le_bytes(*hash.0.first_chunk().expect("a hash is longer than 8 bytes"))
}

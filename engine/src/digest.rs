//! The state as a hash: equal on every replica in the same state.

use crate::contract::{AccountId, AreaId, DeliveryPeriod, MeterId};
use crate::engine::Engine;
use crate::order::{OrderTag, Side};
use crate::units::{Energy, LedgerTime, Price};

/// What the hash says of one resting order: all that its future depends on, and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashedOrder {
    pub(crate) side: Side,
    pub(crate) tag: OrderTag,
    pub(crate) priority: u64,
    pub(crate) energy: Energy,
    pub(crate) until: LedgerTime,
    pub(crate) account: AccountId,
    pub(crate) meter: MeterId,
    pub(crate) price: Price,
    pub(crate) post_only: bool,
}

/// The canonical layout of the state: records of fixed width, each led by its kind, in the order time, then by period its counter, then by
/// area its book, bids before asks, each in price-time priority. Handles and slots, which are one process's own, are left out.
pub(crate) struct StateHasher(blake3::Hasher);

impl StateHasher {
    pub(crate) fn new(areas: u16, now: LedgerTime) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gridbook engine state 1\0");
        hasher.update(&areas.to_le_bytes());
        hasher.update(&now.0.to_le_bytes());
        Self(hasher)
    }

    pub(crate) fn period(&mut self, period: DeliveryPeriod, priorities: u64) {
        let mut record = [0; 13];
        record[0] = b'P';
        record[1..5].copy_from_slice(&period.0.to_le_bytes());
        record[5..].copy_from_slice(&priorities.to_le_bytes());
        self.0.update(&record);
    }

    pub(crate) fn book(&mut self, area: AreaId, closed: bool) {
        let [low, high] = area.0.to_le_bytes();
        self.0.update(&[b'B', low, high, u8::from(closed)]);
    }

    pub(crate) fn order(&mut self, order: &HashedOrder) {
        let mut record = [0; 47];
        record[0] = b'O';
        record[1] = u8::from(order.side == Side::Sell);
        record[2] = u8::from(order.post_only);
        record[3..11].copy_from_slice(&order.tag.0.to_le_bytes());
        record[11..19].copy_from_slice(&order.priority.to_le_bytes());
        record[19..27].copy_from_slice(&order.energy.0.to_le_bytes());
        record[27..35].copy_from_slice(&order.until.0.to_le_bytes());
        record[35..39].copy_from_slice(&order.account.0.to_le_bytes());
        record[39..43].copy_from_slice(&order.meter.0.to_le_bytes());
        record[43..47].copy_from_slice(&order.price.0.to_le_bytes());
        self.0.update(&record);
    }

    pub(crate) fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

impl Engine {
    /// A BLAKE3 hash over time, priority counters, gates closed by command, and all books in priority order: equal on every replica
    /// in the same state. It takes time in proportion to what rests.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = StateHasher::new(self.areas(), self.now);
        for period in self.calendar.periods() {
            hasher.period(period.period, period.priorities);
            for book in self.calendar.telling_books(period) {
                hasher.book(book.contract.area, book.closed);
                let slots = book.slots(&self.slab, Side::Buy).chain(book.slots(&self.slab, Side::Sell));
                slots.for_each(|slot| hasher.order(&self.hashed(slot)));
            }
        }
        hasher.finish()
    }

    fn hashed(&self, slot: u32) -> HashedOrder {
        let node = self.slab.node(slot);
        HashedOrder {
            side: node.side,
            tag: node.tag,
            priority: node.priority,
            energy: node.energy,
            until: node.until,
            account: node.account,
            meter: node.meter,
            price: node.price,
            post_only: node.post_only,
        }
    }
}

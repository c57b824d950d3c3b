//! The state as a hash: equal on every replica in the same state.

use crate::contract::{AccountId, AreaId, DeliveryPeriod, MeterId};
use crate::engine::Engine;
use crate::market::EdgeState;
use crate::order::{NewBlock, OrderTag, Preferences, Side};
use crate::queue::Orders as _;
use crate::units::{Energy, LedgerTime, Price};

/// What the hash says of one resting order: all that its future depends on, and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashedOrder {
    pub(crate) side: Side,
    pub(crate) tag: OrderTag,
    pub(crate) priority: u64,
    pub(crate) energy: Energy,
    /// What shows of it, hidden reserve left out.
    pub(crate) shown: Energy,
    /// Zero where nothing is ever hidden.
    pub(crate) display: Energy,
    pub(crate) until: LedgerTime,
    pub(crate) account: AccountId,
    pub(crate) meter: MeterId,
    pub(crate) price: Price,
    pub(crate) post_only: bool,
    pub(crate) preferences: Preferences,
}

/// What was said by command about a contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContractFlags(pub(crate) u8);

impl ContractFlags {
    pub(crate) const CLOSED: u8 = 1;
    pub(crate) const CROSS_CLOSED: u8 = 2;
    pub(crate) const OPENED: u8 = 4;

    #[inline]
    pub(crate) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    pub(crate) fn any(self) -> bool {
        self.0 != 0
    }
}

/// The canonical layout of the state: records of fixed width, each led by its kind, in the order time, then by period its counter, its
/// edges that are not as the network has them, then by area its book, bids before asks, each in price-time priority; blocks last.
/// Handles and slots, which are one process's own, are left out.
pub(crate) struct StateHasher(blake3::Hasher);

impl StateHasher {
    pub(crate) fn new(areas: u16, now: LedgerTime) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gridbook engine state 2\0");
        hasher.update(&areas.to_le_bytes());
        hasher.update(&now.0.to_le_bytes());
        Self(hasher)
    }

    pub(crate) fn period(&mut self, period: DeliveryPeriod, priorities: u64, auctioned: bool, rematching: bool) {
        let mut record = [0; 14];
        record[0] = b'P';
        record[1..5].copy_from_slice(&period.0.to_le_bytes());
        record[5..13].copy_from_slice(&priorities.to_le_bytes());
        record[13] = u8::from(auctioned) | u8::from(rematching) << 1;
        self.0.update(&record);
    }

    pub(crate) fn edge(&mut self, child: AreaId, edge: &EdgeState) {
        let mut record = [0; 27];
        record[0] = b'E';
        record[1..3].copy_from_slice(&child.0.to_le_bytes());
        record[3..11].copy_from_slice(&edge.up.0.to_le_bytes());
        record[11..19].copy_from_slice(&edge.down.0.to_le_bytes());
        record[19..27].copy_from_slice(&edge.flow.to_le_bytes());
        self.0.update(&record);
    }

    pub(crate) fn book(&mut self, area: AreaId, flags: ContractFlags) {
        let [low, high] = area.0.to_le_bytes();
        self.0.update(&[b'B', low, high, flags.0]);
    }

    pub(crate) fn order(&mut self, order: &HashedOrder) {
        let mut record = [0; 71];
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
        record[47..55].copy_from_slice(&order.shown.0.to_le_bytes());
        record[55..63].copy_from_slice(&order.display.0.to_le_bytes());
        record[63] = order.preferences.sources.bits();
        record[64..66].copy_from_slice(&order.preferences.max_edges.to_le_bytes());
        record[66] = u8::from(order.preferences.partner.is_some());
        record[67..71].copy_from_slice(&order.preferences.partner.unwrap_or_default().0.to_le_bytes());
        self.0.update(&record);
    }

    pub(crate) fn block(&mut self, block: &NewBlock) {
        let mut record = [0; 28];
        record[0] = b'K';
        record[1] = u8::from(block.side == Side::Sell);
        record[2..10].copy_from_slice(&block.tag.0.to_le_bytes());
        record[10..14].copy_from_slice(&block.account.0.to_le_bytes());
        record[14..18].copy_from_slice(&block.meter.0.to_le_bytes());
        record[18..20].copy_from_slice(&block.area.0.to_le_bytes());
        record[20..24].copy_from_slice(&block.price.0.to_le_bytes());
        let periods = u32::try_from(block.energies.len()).expect("a block has few periods");
        record[24..28].copy_from_slice(&periods.to_le_bytes());
        self.0.update(&record);
        for (period, energy) in &block.energies {
            self.0.update(&period.0.to_le_bytes());
            self.0.update(&energy.0.to_le_bytes());
        }
    }

    pub(crate) fn finish(&self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

impl Engine {
    /// A BLAKE3 hash over time, priority counters, what was said by command, edges, all books in priority order and all waiting blocks: equal
    /// on every replica in the same state. It takes time in proportion to what rests.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = StateHasher::new(self.areas(), self.now);
        for period in self.calendar.periods() {
            hasher.period(period.period, u64::from(period.priorities), period.auctioned, period.rematching);
            let grid = period.grid.iter();
            grid.flat_map(|grid| grid.touched(&self.network)).for_each(|(child, edge)| hasher.edge(child, edge));
            for area in period.telling() {
                hasher.book(area, period.flags(area));
                for side in [Side::Buy, Side::Sell] {
                    for slot in period.slots(&self.slab, area, side) {
                        hasher.order(&self.hashed(slot));
                    }
                }
            }
        }
        self.blocks.iter().for_each(|(_, block)| hasher.block(block));
        hasher.finish()
    }

    fn hashed(&self, slot: u32) -> HashedOrder {
        let node = self.slab.node(slot);
        HashedOrder {
            side: node.standing.side(),
            tag: node.tag,
            priority: u64::from(node.priority),
            energy: node.energy,
            shown: self.slab.shown(slot),
            display: self.slab.hidden(slot).map_or(Energy::ZERO, |hidden| hidden.display),
            until: node.until,
            account: node.account,
            meter: node.meter,
            price: node.price,
            post_only: node.standing.post_only(),
            preferences: self.calendar.at(node.standing.period()).preferences(node.standing),
        }
    }
}

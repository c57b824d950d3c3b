//! What a ledger starts from. Its hash is the chain id, which every signature covers.

mod area;
mod file;
mod settlement;
#[cfg(test)]
mod tests;

pub use area::{Area, AreaEdge};
pub use file::GenesisError;
pub use settlement::{SettlementRules, SettlementRulesError};

use gridbook_engine::{AreaId, LedgerTime, MarketRules, Network, NetworkError};

use crate::bytes::Writer;
use crate::crypto::{Hash, PublicKey};
use crate::entry::empty_log_digest;
use crate::header::{Header, HeaderRef, Rank};
use crate::merkle;
use crate::validators::{ValidatorIndex, ValidatorSet};

/// The number of the first validator set.
pub const FIRST_EPOCH: u32 = 0;

/// How much faster than the wall a ledger's time may run: a day in a second.
pub const TIME_SCALE_MAX: u32 = 86_400;

/// What a ledger starts from. Fixed for its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// What people call it.
    pub name: String,
    /// Ledger time at the start.
    pub ledger_start: LedgerTime,
    /// Wall time at the start, in milliseconds since the Unix epoch.
    pub wall_start_ms: u64,
    /// How many ledger milliseconds pass in one of the wall's: 1 to [`TIME_SCALE_MAX`].
    pub time_scale: u32,
    /// The market's constants.
    pub rules: MarketRules,
    /// What delivery is measured and paid by.
    pub settlement: SettlementRules,
    /// The delivery areas, with the edges between them; an [`gridbook_engine::AreaId`] is the place in this list.
    pub areas: Vec<Area>,
    /// The key that runs registry and cash.
    pub operator: PublicKey,
    /// Who runs the ledger.
    pub validators: ValidatorSet,
}

impl Genesis {
    /// What people call an area; `?` if there is none of that number.
    pub fn area_name(&self, area: AreaId) -> &str {
        self.areas.get(usize::from(area.0)).map_or("?", |area| &area.name)
    }

    /// The ledger's name in every signature: a hash over all of the genesis.
    pub fn chain_id(&self) -> Hash {
        Hash::of("gridbook/genesis/3", &self.encode())
    }

    /// The network that the areas make: one tree if there are edges, else islands that never meet.
    ///
    /// # Errors
    /// If areas and edges do not make one tree, or a capacity or fee is not allowed.
    pub fn network(&self) -> Result<Network, NetworkError> {
        area::network(&self.areas, self.rules.tick)
    }

    /// The ledger time at a wall time, given in microseconds since the Unix epoch: exact, rounded down, and standing still before
    /// the start and at the end of all numbers.
    pub fn ledger_now(&self, wall_us: u64) -> LedgerTime {
        let elapsed_us = u128::from(wall_us).saturating_sub(u128::from(self.wall_start_ms) * 1_000);
        let elapsed_ms = elapsed_us * u128::from(self.time_scale) / 1_000;
        let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or(u64::MAX);
        LedgerTime(self.ledger_start.0.saturating_add(elapsed_ms))
    }

    /// The first wall time, in microseconds since the Unix epoch, at which the ledger's clock shows `time`.
    pub fn wall_at(&self, time: LedgerTime) -> u64 {
        let elapsed_us = u128::from(time.0.saturating_sub(self.ledger_start.0)) * 1_000;
        let wall_us = u128::from(self.wall_start_ms) * 1_000 + elapsed_us.div_ceil(u128::from(self.time_scale));
        u64::try_from(wall_us).unwrap_or(u64::MAX)
    }

    /// The digest of the log before its first entry.
    pub fn initial_log_digest(&self) -> Hash {
        empty_log_digest(self.chain_id())
    }

    /// The header that the first one builds on: height 0, rank (0, 0), an empty log. Nobody signs it.
    pub fn root_header(&self, state_root: Hash) -> Header {
        let nothing = merkle::root(&[]);
        Header {
            chain: self.chain_id(),
            epoch: FIRST_EPOCH,
            rank: Rank::default(),
            height: 0,
            proposer: ValidatorIndex(0),
            time_ms: self.ledger_start.0,
            parent: Hash::ZERO,
            justify: HeaderRef::default(),
            tc_hash: Hash::ZERO,
            first_seq: 1,
            last_seq: 0,
            log_digest: self.initial_log_digest(),
            inputs_root: nothing,
            results_root: nothing,
            state_root,
            snapshot_root: Hash::ZERO,
            flags: 0,
            next_set_hash: Hash::ZERO,
        }
    }

    /// Canonical bytes: every field in its order, texts and lists behind their length.
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        write_text(&mut w, &self.name);
        w.u64(self.ledger_start.0).u64(self.wall_start_ms).u32(self.time_scale);
        write_rules(&mut w, &self.rules);
        self.settlement.write(&mut w);
        w.u32(length(self.areas.len()));
        for area in &self.areas {
            write_area(&mut w, area);
        }
        w.bytes(&self.operator.0).u32(length(self.validators.count()));
        for member in self.validators.members() {
            w.bytes(&member.key.0);
        }
        w.finish()
    }
}

// Taken apart whole, so that nothing new can be left out of the chain id.

fn write_rules(w: &mut Writer, rules: &MarketRules) {
    let MarketRules {
        mtu_minutes,
        tick,
        lot,
        price_min,
        price_max,
        open_lead_ms,
        gate_ms,
        cross_area_gate_ms,
        auction_at_open,
        call_ms,
        periods_per_opening,
    } = *rules;
    w.u32(mtu_minutes).i32(tick).u64(lot).i32(price_min.0).i32(price_max.0).u64(open_lead_ms).u64(gate_ms);
    w.u64(cross_area_gate_ms).u8(u8::from(auction_at_open)).u64(call_ms).u32(periods_per_opening);
}

fn write_area(w: &mut Writer, Area { name, edge }: &Area) {
    write_text(w, name);
    match *edge {
        None => w.u8(0),
        Some(AreaEdge { parent, up, down, fee_up, fee_down }) => {
            w.u8(1).u16(parent.0).u64(up.0).u64(down.0).i32(fee_up.0).i32(fee_down.0)
        }
    };
}

fn write_text(w: &mut Writer, text: &str) {
    w.u32(length(text.len())).bytes(text.as_bytes());
}

fn length(count: usize) -> u32 {
    u32::try_from(count).expect("a genesis is far smaller than 2^32 bytes")
}

//! The final books of all shards as one hash, the same however the periods were spread.

use gridbook_engine::{Contract, DeliveryPeriod, LedgerTime, Network, Side};

use super::market::FileMarket;
use super::plan::Planner;
use super::shard::Shard;

/// BLAKE3 over the ledger time; all that rests by period, area and priority number; every edge of a named period that is not as the
/// network has it, by period and child; and the blocks that wait, by id. Numbers are little-endian and of fixed width, each record
/// is led by its kind.
pub(super) fn hash<M: FileMarket>(shards: &[Shard<M>], planner: &Planner) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let now = shards.first().map_or(LedgerTime(0), |shard| shard.market.now());
    hasher.update(b"gridbook order file books 1\0");
    hasher.update(&now.0.to_le_bytes());
    hash_orders(shards, &mut hasher);
    for period in planner.periods() {
        hash_edges(&shards[shard_of(period, shards.len())].market, planner.setup.network(), period, &mut hasher);
    }
    for id in shards.iter().flat_map(Shard::waiting_blocks) {
        hasher.update(b"K");
        hasher.update(&id.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Which of `shards` keeps a period.
pub(super) fn shard_of(period: DeliveryPeriod, shards: usize) -> usize {
    let shards = u32::try_from(shards).expect("few shards");
    (period.0 % shards) as usize
}

fn hash_orders<M: FileMarket>(shards: &[Shard<M>], hasher: &mut blake3::Hasher) {
    let mut resting: Vec<_> = shards.iter().flat_map(|shard| shard.market.all_resting()).collect();
    resting.sort_unstable_by_key(|order| (order.terms.contract, order.priority));
    for order in &resting {
        let Contract { period, area } = order.terms.contract;
        let mut record = [0; 43];
        record[0] = b'O';
        record[1] = u8::from(order.terms.side == Side::Sell);
        record[2..6].copy_from_slice(&period.0.to_le_bytes());
        record[6..8].copy_from_slice(&area.0.to_le_bytes());
        record[8..16].copy_from_slice(&order.priority.to_le_bytes());
        record[16..24].copy_from_slice(&order.order.tag.0.to_le_bytes());
        record[24..28].copy_from_slice(&order.order.account.0.to_le_bytes());
        record[28..32].copy_from_slice(&order.terms.price.0.to_le_bytes());
        record[32..40].copy_from_slice(&order.remaining.0.to_le_bytes());
        hasher.update(&record);
    }
}

fn hash_edges<M: FileMarket>(market: &M, network: &Network, period: DeliveryPeriod, hasher: &mut blake3::Hasher) {
    for edge in network.edges() {
        let Some(state) = market.edge(edge.child, period) else { continue };
        if (state.up, state.down, state.flow) == (edge.up, edge.down, 0) {
            continue;
        }
        hasher.update(b"E");
        hasher.update(&period.0.to_le_bytes());
        hasher.update(&edge.child.0.to_le_bytes());
        hasher.update(&state.up.0.to_le_bytes());
        hasher.update(&state.down.0.to_le_bytes());
        hasher.update(&state.flow.to_le_bytes());
    }
}

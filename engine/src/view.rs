//! What an area sees of the market (MARKET section 4, last but one paragraph).

use crate::contract::{AreaId, Contract};
use crate::engine::Engine;
use crate::grid::Grid;
use crate::market::{View, ViewLevel};
use crate::network::Direction;
use crate::order::Side;
use crate::period::Period;
use crate::queue::Orders as _;
use crate::tree::{self, Key, key_of};
use crate::units::{Energy, Price};

impl Engine {
    /// What an area sees of a period: its own orders, and the others cut to what can reach it, greedily, best price first. Nothing if the
    /// area is not in the network or the contract is closed.
    pub fn view(&self, contract: Contract, levels: usize) -> View {
        let Some(period) = self.calendar.get(contract.period) else { return View::default() };
        if contract.area.0 >= self.areas() || self.gate_is_closed(contract) {
            return View::default();
        }
        let seen = |side| self.seen(period, contract.area, side, levels);
        View { bids: seen(Side::Buy), asks: seen(Side::Sell) }
    }

    fn seen(&self, period: &Period, area: AreaId, side: Side, levels: usize) -> Vec<ViewLevel> {
        let mut offers = self.offers(period, area, side);
        offers.sort_unstable();
        let mut grid = period.grid.clone();
        let mut seen: Vec<ViewLevel> = Vec::new();
        for (key, slot) in offers {
            let Some(price) = delivered(side, key) else { continue };
            let from = self.slab.node(slot).standing.area();
            let way = if side == Side::Sell { (from, area) } else { (area, from) };
            let shown = self.slab.shown(slot);
            let energy = match &mut grid {
                Some(grid) if from != area => self.send(grid, way, shown),
                _ => shown,
            };
            if energy.is_zero() {
                continue;
            }
            let full = seen.len() == levels;
            match seen.last_mut() {
                Some(level) if level.price == price => level.energy = Energy(level.energy.0.saturating_add(energy.0)),
                _ if full => break,
                _ => seen.push(ViewLevel { price, energy }),
            }
        }
        seen
    }

    /// All orders of a side that might trade with the area, by how they look from there.
    fn offers(&self, period: &Period, area: AreaId, side: Side) -> Vec<(Key, u32)> {
        let crosses = period.grid.is_some() && self.may_cross(period, area);
        let mut offers = Vec::new();
        for (from, queue) in period.classes_in_use(side).flat_map(|class| period.class(side, class).filled()) {
            if from != area && !(crosses && period.is_reachable(from)) {
                continue;
            }
            let way = if side == Side::Sell { (from, area) } else { (area, from) };
            let (mut fee, mut edges) = (0_i64, 0_u16);
            self.along(way.0, way.1, |child, direction| {
                fee += self.network.edge(child).map_or(0, |edge| i64::from(edge.fee(direction).0));
                edges += 1;
            });
            let way = tree::way_of(fee, edges);
            let alive = queue.slots(&self.slab).filter(|&slot| self.slab.node(slot).until > self.now);
            offers.extend(alive.map(|slot| (key_of(side, self.slab.node(slot).key(), from.0) + way, slot)));
        }
        offers
    }

    /// Sends energy over a copy of the edges, as much as they carry.
    fn send(&self, grid: &mut Grid, (from, to): (AreaId, AreaId), energy: Energy) -> Energy {
        let mut room = energy.0;
        self.along(from, to, |child, direction| room = room.min(grid.room(child, direction)));
        let sent = room.cast_signed();
        self.along(from, to, |child, direction| {
            grid.edge_mut(child).flow += if direction == Direction::Up { sent } else { -sent };
        });
        Energy(room)
    }
}

/// The delivered price of a key; nothing if it is no price, which no one could trade at.
fn delivered(side: Side, key: Key) -> Option<Price> {
    let cost = tree::cost(key);
    let price = if side == Side::Sell { cost } else { -cost };
    i32::try_from(price).ok().map(Price)
}

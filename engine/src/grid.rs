//! The edges of the network in one delivery period: what they may carry and what flows.

use crate::contract::AreaId;
use crate::market::EdgeState;
use crate::network::{Direction, Network};
use crate::order::Side;

/// By child area: its edge in one period. The root's is never looked at.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    edges: Vec<EdgeState>,
    lot: i64,
}

impl Grid {
    /// The edges as the network has them, without flow.
    pub(crate) fn new(network: &Network, lot: u64) -> Self {
        let areas = u16::try_from(network.areas()).expect("area numbers have 16 bits");
        let edges = (0..areas).map(|area| Self::untouched(network, AreaId(area))).collect();
        // A lot that no capacity holds leaves no room for anything.
        Self { edges, lot: i64::try_from(lot).unwrap_or(i64::MAX) }
    }

    /// The edge above an area before anybody did anything to it.
    pub(crate) fn untouched(network: &Network, child: AreaId) -> EdgeState {
        let (up, down) = network.edge(child).map(|edge| (edge.up, edge.down)).unwrap_or_default();
        EdgeState { up, down, flow: 0 }
    }

    pub(crate) fn edge(&self, child: AreaId) -> &EdgeState {
        &self.edges[usize::from(child.0)]
    }

    pub(crate) fn edge_mut(&mut self, child: AreaId) -> &mut EdgeState {
        &mut self.edges[usize::from(child.0)]
    }

    /// All edges that differ from the network's, ascending by child.
    pub(crate) fn touched<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = (AreaId, &'a EdgeState)> + 'a {
        let children = network.edges().map(|edge| edge.child);
        children
            .map(|child| (child, self.edge(child)))
            .filter(|&(child, edge)| *edge != Self::untouched(network, child))
    }

    /// What may still flow, rounded down to the lot and not below zero (MARKET section 4, step 2).
    pub(crate) fn room(&self, child: AreaId, direction: Direction) -> u64 {
        let residual = self.edge(child).residual(direction).max(0);
        (residual - residual % self.lot).cast_unsigned()
    }

    /// Whether at least one lot may still flow.
    #[inline]
    pub(crate) fn has_room(&self, child: u32, direction: Direction) -> bool {
        self.edges[child as usize].residual(direction) >= self.lot
    }

    /// Whether an offer of this side below the edge can be had above it.
    #[inline]
    pub(crate) fn lets_out(&self, child: u32, side: Side) -> bool {
        match side {
            Side::Sell => self.has_room(child, Direction::Up),
            Side::Buy => self.has_room(child, Direction::Down),
        }
    }

    /// Whether an offer of this side above the edge can be had below it.
    #[inline]
    pub(crate) fn lets_in(&self, child: u32, side: Side) -> bool {
        self.lets_out(child, side.opposite())
    }
}

//! The network that energy crosses: a tree of areas with capacities and fees on its edges (MARKET section 1).
//!
//! Books of one area trade by themselves; the tree says what trading between areas may use.

use crate::contract::AreaId;
use crate::units::{Energy, Price};

/// The edge between an area and the one above it. `up` is from the child to the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The area below.
    pub child: AreaId,
    /// The area above.
    pub parent: AreaId,
    /// The most energy that may flow up in one delivery period, in watt-hours.
    pub up: Energy,
    /// The most energy that may flow down in one delivery period, in watt-hours.
    pub down: Energy,
    /// What the edge's operator takes for a kilowatt-hour up: not negative, a multiple of the tick.
    pub fee_up: Price,
    /// What the edge's operator takes for a kilowatt-hour down: not negative, a multiple of the tick.
    pub fee_down: Price,
}

/// A tree of areas `0..areas`. Every area but the root has exactly one edge to the area above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    root: AreaId,
    /// By child; nothing for the root.
    edges: Vec<Option<Edge>>,
}

/// Why areas and edges do not make a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No areas.
    #[error("a network needs at least one area")]
    Empty,
    /// An edge to or from an area that is not there.
    #[error("an edge names area {}, which is not in the network", .0.0)]
    UnknownArea(AreaId),
    /// Two edges from one area upwards.
    #[error("area {} has two areas above it", .0.0)]
    TwoParents(AreaId),
    /// More than one area without an edge upwards.
    #[error("areas {} and {} both have nothing above them: a network is one tree", .0.0, .1.0)]
    TwoRoots(AreaId, AreaId),
    /// Edges in a circle.
    #[error("area {} lies on a circle: a network is a tree", .0.0)]
    Circle(AreaId),
    /// A fee below zero or off the tick.
    #[error("a fee of area {}'s edge is negative or off the tick", .0.0)]
    Fee(AreaId),
}

impl Network {
    /// A single area, the root, without edges.
    pub fn single() -> Self {
        Self { root: AreaId(0), edges: vec![None] }
    }

    /// The tree of areas `0..areas` with these edges, for prices on `tick`.
    ///
    /// # Errors
    /// If they are not one tree, or a fee is not a multiple of the tick from zero up.
    pub fn new(areas: u16, tick: i32, edges: &[Edge]) -> Result<Self, NetworkError> {
        let mut by_child: Vec<Option<Edge>> = vec![None; usize::from(areas)];
        for edge in edges {
            if edge.parent.0 >= areas {
                return Err(NetworkError::UnknownArea(edge.parent));
            }
            let place = by_child.get_mut(usize::from(edge.child.0)).ok_or(NetworkError::UnknownArea(edge.child))?;
            if place.is_some() {
                return Err(NetworkError::TwoParents(edge.child));
            }
            let fee_is_good = |fee: Price| fee.0 >= 0 && fee.0.checked_rem(tick) == Some(0);
            if !fee_is_good(edge.fee_up) || !fee_is_good(edge.fee_down) {
                return Err(NetworkError::Fee(edge.child));
            }
            *place = Some(*edge);
        }
        let mut roots = (0..areas).map(AreaId).filter(|area| by_child[usize::from(area.0)].is_none());
        let root =
            roots.next().ok_or(if areas == 0 { NetworkError::Empty } else { NetworkError::Circle(AreaId(0)) })?;
        if let Some(other) = roots.next() {
            return Err(NetworkError::TwoRoots(root, other));
        }
        let network = Self { root, edges: by_child };
        // Every walk upwards ends at the root within as many steps as there are areas, or runs in a circle.
        let circling = (0..areas)
            .map(AreaId)
            .find(|area| network.upwards(*area).take(usize::from(areas)).count() >= usize::from(areas));
        circling.map_or(Ok(network), |area| Err(NetworkError::Circle(area)))
    }

    /// The area with nothing above it.
    pub fn root(&self) -> AreaId {
        self.root
    }

    /// How many areas there are.
    pub fn areas(&self) -> usize {
        self.edges.len()
    }

    /// The edge from an area to the one above it; none for the root, or an area that is not in the network.
    pub fn edge(&self, child: AreaId) -> Option<&Edge> {
        self.edges.get(usize::from(child.0))?.as_ref()
    }

    /// The edges from an area up to the root, nearest first.
    pub fn upwards(&self, area: AreaId) -> impl Iterator<Item = &Edge> {
        core::iter::successors(self.edge(area), |edge| self.edge(edge.parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(child: u16, parent: u16) -> Edge {
        let (capacity, fee) = (Energy(1_000), Price(20));
        Edge { child: AreaId(child), parent: AreaId(parent), up: capacity, down: capacity, fee_up: fee, fee_down: fee }
    }

    /// ```text
    ///        0
    ///       / \
    ///      1   2
    ///      |
    ///      3
    /// ```
    #[test]
    fn a_tree_knows_its_root_and_the_way_up_from_every_area() {
        let network = Network::new(4, 10, &[edge(1, 0), edge(2, 0), edge(3, 1)]).expect("a tree");
        assert_eq!((network.root(), network.areas()), (AreaId(0), 4));
        let way: Vec<u16> = network.upwards(AreaId(3)).map(|edge| edge.parent.0).collect();
        assert_eq!(way, [1, 0]);
        assert_eq!(network.upwards(AreaId(0)).count(), 0);
        assert!(network.edge(AreaId(9)).is_none());
        assert_eq!(Network::new(1, 10, &[]), Ok(Network::single()));
    }

    #[test]
    fn what_is_not_one_tree_is_refused_with_its_reason() {
        let area = AreaId;
        assert_eq!(Network::new(0, 10, &[]), Err(NetworkError::Empty));
        assert_eq!(Network::new(2, 10, &[edge(1, 2)]), Err(NetworkError::UnknownArea(area(2))));
        assert_eq!(Network::new(2, 10, &[edge(2, 1)]), Err(NetworkError::UnknownArea(area(2))));
        assert_eq!(Network::new(3, 10, &[edge(2, 0), edge(2, 1)]), Err(NetworkError::TwoParents(area(2))));
        assert_eq!(Network::new(3, 10, &[edge(1, 0)]), Err(NetworkError::TwoRoots(area(0), area(2))));
        assert_eq!(Network::new(2, 10, &[edge(0, 1), edge(1, 0)]), Err(NetworkError::Circle(area(0))));
        assert_eq!(Network::new(4, 10, &[edge(1, 2), edge(2, 3), edge(3, 1)]), Err(NetworkError::Circle(area(1))));
    }

    #[test]
    fn a_fee_below_zero_or_off_the_tick_is_refused() {
        let with = |fee_up: i32| Edge { fee_up: Price(fee_up), ..edge(1, 0) };
        for fee in [-10, 15, i32::MIN] {
            assert_eq!(Network::new(2, 10, &[with(fee)]), Err(NetworkError::Fee(AreaId(1))), "fee {fee}");
        }
        assert_eq!(Network::new(2, 0, &[with(20)]), Err(NetworkError::Fee(AreaId(1))), "no tick, no multiple of it");
        assert!(Network::new(2, 10, &[with(0)]).is_ok());
    }
}

//! The network that energy crosses: a tree of areas with capacities and fees on its edges (MARKET section 1).
//!
//! Books of one area trade by themselves; the tree says what trading between areas may use.

use crate::contract::AreaId;
use crate::order::Preferences;
use crate::units::{Energy, Price};

/// Which way along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the child to the parent.
    Up,
    /// From the parent to the child.
    Down,
}

impl Direction {
    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

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

impl Edge {
    /// The most energy in one direction.
    pub fn capacity(&self, direction: Direction) -> Energy {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }

    /// The fee in one direction.
    pub fn fee(&self, direction: Direction) -> Price {
        match direction {
            Direction::Up => self.fee_up,
            Direction::Down => self.fee_down,
        }
    }
}

/// A tree of areas `0..areas`. Every area but the root has exactly one edge to the area above it.
///
/// The one exception are *islands*: areas without any edges, which never meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    root: AreaId,
    /// By child; nothing for the root.
    edges: Vec<Option<Edge>>,
    /// By area: the areas directly below it, ascending.
    below: Vec<Vec<AreaId>>,
    /// By area: how many edges there are from it to the root.
    depths: Vec<u16>,
    /// No way has more edges than this.
    longest_way: u16,
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
    /// The fees between an area and the root are more than [`Network::FEES_MAX`] in one direction.
    #[error("the fees between area {} and the root are more than any price", .0.0)]
    Fees(AreaId),
    /// More edges between an area and the root than [`Network::DEPTH_MAX`].
    #[error("area {} lies more than 64 edges below the root", .0.0)]
    Deep(AreaId),
    /// A capacity beyond [`Network::CAPACITY_MAX`].
    #[error("a capacity of area {}'s edge is more than 2^60 Wh", .0.0)]
    Capacity(AreaId),
}

impl Network {
    /// The most energy an edge may carry: flows, and the difference of a capacity and a flow, stay well within 64 bits.
    pub const CAPACITY_MAX: Energy = Energy(1 << 60);
    /// The most that the fees between an area and the root may sum up to in one direction, so that a delivered price never overflows.
    pub const FEES_MAX: Price = Price(1_000_000_000);

    /// The most edges between an area and the root: bounds the way of a trade.
    pub const DEPTH_MAX: usize = 64;

    /// A single area, the root, without edges.
    pub fn single() -> Self {
        Self::islands(1)
    }

    /// Areas without edges: orders in different areas never meet.
    pub fn islands(areas: u16) -> Self {
        Self {
            root: AreaId(0),
            edges: vec![None; usize::from(areas)],
            below: vec![Vec::new(); usize::from(areas)],
            depths: vec![0; usize::from(areas)],
            longest_way: 0,
        }
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
            if edge.up.max(edge.down) > Self::CAPACITY_MAX {
                return Err(NetworkError::Capacity(edge.child));
            }
            *place = Some(*edge);
        }
        let mut roots = (0..areas).map(AreaId).filter(|area| by_child[usize::from(area.0)].is_none());
        let root =
            roots.next().ok_or(if areas == 0 { NetworkError::Empty } else { NetworkError::Circle(AreaId(0)) })?;
        if let Some(other) = roots.next() {
            return Err(NetworkError::TwoRoots(root, other));
        }
        let mut below = vec![Vec::new(); usize::from(areas)];
        for edge in by_child.iter().flatten() {
            below[usize::from(edge.parent.0)].push(edge.child);
        }
        let mut network = Self { root, edges: by_child, below, depths: Vec::new(), longest_way: 0 };
        let steps = |area: AreaId, most: usize| network.upwards(area).take(most).count();
        let deep = (0..areas).map(AreaId).find(|area| steps(*area, Self::DEPTH_MAX + 1) > Self::DEPTH_MAX);
        if let Some(area) = deep {
            // Every walk upwards ends at the root within as many steps as there are areas, or runs in a circle.
            let circles = steps(area, usize::from(areas)) >= usize::from(areas);
            return Err(if circles { NetworkError::Circle(area) } else { NetworkError::Deep(area) });
        }
        let circling = (0..areas).map(AreaId).find(|area| steps(*area, usize::from(areas)) >= usize::from(areas));
        if let Some(area) = circling {
            return Err(NetworkError::Circle(area));
        }
        for area in (0..areas).map(AreaId) {
            for direction in [Direction::Up, Direction::Down] {
                let fees: i64 = network.upwards(area).map(|edge| i64::from(edge.fee(direction).0)).sum();
                if fees > i64::from(Self::FEES_MAX.0) {
                    return Err(NetworkError::Fees(area));
                }
            }
            let depth = network.upwards(area).count();
            network.depths.push(u16::try_from(depth).expect("fewer edges than areas"));
        }
        network.longest_way = 2 * network.depths.iter().max().copied().unwrap_or(0);
        Ok(network)
    }

    /// The area with nothing above it.
    pub fn root(&self) -> AreaId {
        self.root
    }

    /// How many areas there are.
    #[inline]
    pub fn areas(&self) -> usize {
        self.edges.len()
    }

    /// All edges, ascending by the area below them.
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().flatten()
    }

    /// Whether there are any edges: without them areas never meet.
    pub fn has_edges(&self) -> bool {
        self.edges.iter().any(Option::is_some)
    }

    /// Preferences without a distance that says nothing: more edges than any way here can have are no limit.
    ///
    /// So there are no more kinds of orders than there are distances in the tree, and one without any other preference is plain.
    pub fn plainest(&self, preferences: Preferences) -> Preferences {
        let is_no_limit = preferences.max_edges > self.longest_way;
        Preferences {
            max_edges: if is_no_limit { Preferences::ANYWHERE } else { preferences.max_edges },
            ..preferences
        }
    }

    /// How many edges there are from an area to the root.
    #[inline]
    pub fn depth(&self, area: AreaId) -> u16 {
        self.depths.get(usize::from(area.0)).copied().unwrap_or(0)
    }

    /// The edges that energy crosses on its way between two areas, with its direction on each, in the order of the way.
    /// Nothing if there is no way, which between areas of one tree cannot be; empty for one and the same area.
    pub fn way(&self, from: AreaId, to: AreaId) -> Option<Vec<(&Edge, Direction)>> {
        let (mut low, mut high) = (from, to);
        let (mut climbed, mut descended) = (Vec::new(), Vec::new());
        while low != high {
            if self.depth(low) >= self.depth(high) {
                let edge = self.edge(low)?;
                climbed.push((edge, Direction::Up));
                low = edge.parent;
            } else {
                let edge = self.edge(high)?;
                descended.push((edge, Direction::Down));
                high = edge.parent;
            }
        }
        climbed.extend(descended.into_iter().rev());
        Some(climbed)
    }

    /// The edge from an area to the one above it; none for the root, or an area that is not in the network.
    #[inline]
    pub fn edge(&self, child: AreaId) -> Option<&Edge> {
        self.edges.get(usize::from(child.0))?.as_ref()
    }

    /// The areas directly below one, ascending; none for one that is not in the network.
    pub fn below(&self, area: AreaId) -> &[AreaId] {
        self.below.get(usize::from(area.0)).map_or(&[], Vec::as_slice)
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

//! The tree of areas as an auction walks it: in preorder, so that a subtree is a range.

use crate::contract::AreaId;
use crate::network::Network;
use crate::units::Energy;

/// A tree of areas with what its edges can carry in one period. Made once per network; capacities can be set anew for each period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuctionTree {
    /// In preorder: an area stands before all below it, children by area number.
    nodes: Vec<Node>,
    /// Where an area stands among the nodes.
    positions: Vec<u32>,
}

/// An area and the edge above it. The root's edge carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Which area.
    pub(super) area: AreaId,
    /// Where the area above stands; the root's own place for the root.
    pub(super) parent: usize,
    /// Where the areas below end.
    pub(super) end: usize,
    /// The most that may flow up.
    pub(super) up: Energy,
    /// The most that may flow down.
    pub(super) down: Energy,
    /// What a unit that flows up pays.
    pub(super) fee_up: i64,
    /// What a unit that flows down pays.
    pub(super) fee_down: i64,
}

impl AuctionTree {
    /// The tree of a network, with all the capacity of its edges.
    pub fn new(network: &Network) -> Self {
        let areas = u32::try_from(network.areas()).expect("areas are numbered in 16 bits");
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); network.areas()];
        for area in (0..areas).rev() {
            if let Some(edge) = network.edge(area_id(area)) {
                children[usize::from(edge.parent.0)].push(area);
            }
        }
        let mut tree = Self { nodes: Vec::with_capacity(network.areas()), positions: vec![0; network.areas()] };
        let mut waiting = vec![u32::from(network.root().0)];
        while let Some(area) = waiting.pop() {
            tree.append(network, area_id(area));
            // The lowest number was pushed last and is popped first.
            waiting.append(&mut children[area as usize]);
        }
        for position in (1..tree.nodes.len()).rev() {
            let Node { parent, end, .. } = tree.nodes[position];
            tree.nodes[parent].end = tree.nodes[parent].end.max(end);
        }
        tree
    }

    /// The tree of a network, with the energy that its edges can still carry up and down, each by child area.
    ///
    /// # Panics
    /// As [`Self::set_capacities`].
    pub fn with_capacities(network: &Network, up: &[Energy], down: &[Energy]) -> Self {
        let mut tree = Self::new(network);
        tree.set_capacities(up, down);
        tree
    }

    /// Sets what the edges can carry, by child area; the root's entries mean nothing.
    ///
    /// # Panics
    /// If there is not one entry per area.
    pub fn set_capacities(&mut self, up: &[Energy], down: &[Energy]) {
        assert!(up.len() == self.areas() && down.len() == self.areas(), "one capacity per area");
        for node in &mut self.nodes[1..] {
            let area = usize::from(node.area.0);
            (node.up, node.down) = (up[area], down[area]);
        }
    }

    /// How many areas there are.
    pub fn areas(&self) -> usize {
        self.nodes.len()
    }

    /// The areas in preorder.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where an area stands; nothing if it is not in the tree.
    pub(super) fn position(&self, area: AreaId) -> Option<usize> {
        self.positions.get(usize::from(area.0)).map(|position| *position as usize)
    }

    fn append(&mut self, network: &Network, area: AreaId) {
        let position = self.nodes.len();
        self.positions[usize::from(area.0)] = u32::try_from(position).expect("there are as many places as areas");
        let edge = network.edge(area);
        self.nodes.push(Node {
            area,
            parent: edge.map_or(0, |edge| self.positions[usize::from(edge.parent.0)] as usize),
            end: position + 1,
            up: edge.map_or(Energy::ZERO, |edge| edge.up),
            down: edge.map_or(Energy::ZERO, |edge| edge.down),
            fee_up: edge.map_or(0, |edge| i64::from(edge.fee_up.0)),
            fee_down: edge.map_or(0, |edge| i64::from(edge.fee_down.0)),
        });
    }
}

/// The places of the areas directly below the one at `position`, by area number.
pub(super) fn children(nodes: &[Node], position: usize) -> impl Iterator<Item = usize> {
    let end = nodes[position].end;
    let within = move |child: &usize| *child < end;
    core::iter::successors(Some(position + 1).filter(within), move |child| Some(nodes[*child].end).filter(within))
}

fn area_id(area: u32) -> AreaId {
    AreaId(u16::try_from(area).expect("areas are numbered in 16 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Edge;
    use crate::units::Price;

    /// ```text
    ///        2
    ///       / \
    ///      0   3
    ///     / \
    ///    1   4
    /// ```
    #[test]
    fn a_subtree_is_a_range_and_children_come_by_area_number() {
        let edge = |child: u16, parent: u16| Edge {
            child: AreaId(child),
            parent: AreaId(parent),
            up: Energy(10),
            down: Energy(10),
            fee_up: Price(0),
            fee_down: Price(0),
        };
        let network = Network::new(5, 1, &[edge(4, 0), edge(1, 0), edge(3, 2), edge(0, 2)]).expect("a tree");
        let tree = AuctionTree::new(&network);
        let areas: Vec<u16> = tree.nodes().iter().map(|node| node.area.0).collect();
        assert_eq!(areas, [2, 0, 1, 4, 3]);
        assert_eq!(children(tree.nodes(), 0).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(children(tree.nodes(), 1).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(children(tree.nodes(), 2).count(), 0);
        assert_eq!(tree.position(AreaId(4)), Some(3));
        assert_eq!(tree.position(AreaId(5)), None);
    }
}

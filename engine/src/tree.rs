//! The tree of areas as searches walk it, and the best offers below each of its nodes.

use crate::network::{Edge, Network};
use crate::order::Side;
use crate::slab::{NIL, price_of};
use crate::units::Price;

/// A candidate as searches compare it, in one number of which less is better: the cost in the high half (see [`cost_of`]), then the
/// edges between, then the priority number, then the area (MARKET section 4, step 3).
pub(crate) type Key = u128;

/// No candidate. No real key comes near it.
pub(crate) const NOTHING: Key = u128::MAX;

const EDGES_AT: u32 = 48;
const PRIORITY_AT: u32 = 16;

/// What a counter-order's price costs the order that looks for it, fees left out: the ask for a buyer, the bid turned round for a seller.
#[inline]
pub(crate) fn cost_of(side: Side, price: Price) -> i64 {
    match side {
        Side::Sell => i64::from(price.0),
        Side::Buy => -i64::from(price.0),
    }
}

/// The key of the order with this place in a queue of this side, seen from its own area.
#[inline]
pub(crate) fn key_of(side: Side, queue_key: u64, area: u16) -> Key {
    let cost = cost_of(side, price_of(side, (queue_key >> 32) as u32));
    Key::from(biased(cost)) << 64 | Key::from(queue_key as u32) << PRIORITY_AT | Key::from(area)
}

/// An offer seen from a step farther away.
#[inline]
pub(crate) fn farther(offer: Key, step: Key) -> Key {
    if offer == NOTHING { NOTHING } else { offer + step }
}

/// Every key that costs no more than `cost` is below this.
#[inline]
pub(crate) fn bound_of(cost: i64) -> Key {
    Key::from(biased(cost) + 1) << 64
}

#[inline]
pub(crate) fn cost(key: Key) -> i64 {
    ((key >> 64) as u64 ^ (1 << 63)).cast_signed()
}

#[inline]
pub(crate) fn edges(key: Key) -> u16 {
    (key >> EDGES_AT) as u16
}

pub(crate) fn priority(key: Key) -> u32 {
    (key >> PRIORITY_AT) as u32
}

#[inline]
fn biased(cost: i64) -> u64 {
    cost.cast_unsigned() ^ (1 << 63)
}

/// One more edge and its fee on the way of a key.
fn step(fee: Price) -> Key {
    // Fees are not negative: NetworkError::Fee.
    Key::from(fee.0.unsigned_abs()) << 64 | 1 << EDGES_AT
}

/// What a way of so many edges adds to a key.
pub(crate) fn way_of(fee: i64, edges: u16) -> Key {
    // Fees are not negative: NetworkError::Fee.
    Key::from(fee.unsigned_abs()) << 64 | Key::from(edges) << EDGES_AT
}

/// A node: an area, or a *joint* that bundles some of an area's many children, so that no node has more than [`FAN_OUT`].
#[derive(Clone, Debug)]
pub(crate) struct TreeNode {
    pub(crate) parent: u32,
    /// Whether an edge of the network leads up to the parent. A joint hangs on its parent without one.
    pub(crate) has_edge: bool,
    /// What the way to the parent adds to a key: of an ask that goes up, of a bid that is reached downwards.
    up: Key,
    down: Key,
    first_child: u32,
    children: u32,
}

impl TreeNode {
    /// What an offer of this side in this node costs more, seen from the parent.
    #[inline]
    pub(crate) fn step_out(&self, side: Side) -> Key {
        match side {
            Side::Sell => self.up,
            Side::Buy => self.down,
        }
    }

    /// What an offer of this side above this node costs more, seen from within it.
    #[inline]
    pub(crate) fn step_in(&self, side: Side) -> Key {
        match side {
            Side::Sell => self.down,
            Side::Buy => self.up,
        }
    }
}

/// The most children of a node.
pub(crate) const FAN_OUT: usize = 8;

/// The network as searches walk it. Nodes `0..areas` are the areas; joints come behind them.
#[derive(Clone, Debug)]
pub(crate) struct AreaTree {
    nodes: Vec<TreeNode>,
    children: Vec<u32>,
}

impl AreaTree {
    pub(crate) fn new(network: &Network) -> Self {
        let areas = network.areas();
        let lone = TreeNode { parent: NIL, has_edge: false, up: 0, down: 0, first_child: 0, children: 0 };
        let mut tree = Self { nodes: vec![lone; areas], children: Vec::new() };
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); areas];
        for edge in network.edges() {
            let Edge { child, parent, fee_up, fee_down, .. } = *edge;
            let node = &mut tree.nodes[usize::from(child.0)];
            (node.has_edge, node.up, node.down) = (true, step(fee_up), step(fee_down));
            below[usize::from(parent.0)].push(u32::from(child.0));
        }
        for (parent, children) in below.into_iter().enumerate() {
            tree.hang(u32::try_from(parent).expect("areas have 16 bits"), children);
        }
        tree
    }

    /// Hangs children below a node, by joints if they are many.
    fn hang(&mut self, parent: u32, mut children: Vec<u32>) {
        while children.len() > FAN_OUT {
            children = children.chunks(FAN_OUT).map(|bundle| self.joint(bundle)).collect();
        }
        self.adopt(parent, &children);
    }

    fn joint(&mut self, bundle: &[u32]) -> u32 {
        let joint = u32::try_from(self.nodes.len()).expect("fewer joints than areas");
        self.nodes.push(TreeNode { parent: NIL, has_edge: false, up: 0, down: 0, first_child: 0, children: 0 });
        self.adopt(joint, bundle);
        joint
    }

    fn adopt(&mut self, parent: u32, children: &[u32]) {
        let first_child = u32::try_from(self.children.len()).expect("fewer children than nodes");
        self.children.extend_from_slice(children);
        let node = &mut self.nodes[parent as usize];
        node.first_child = first_child;
        node.children = u32::try_from(children.len()).expect("no more than the fan-out");
        for &child in children {
            self.nodes[child as usize].parent = parent;
        }
    }

    /// How many nodes there are, joints included.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    pub(crate) fn node(&self, node: u32) -> &TreeNode {
        &self.nodes[node as usize]
    }

    #[inline]
    pub(crate) fn children(&self, node: u32) -> &[u32] {
        let node = &self.nodes[node as usize];
        &self.children[node.first_child as usize..(node.first_child + node.children) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::AreaId;
    use crate::slab::queue_key;
    use crate::units::Energy;

    #[test]
    fn a_key_says_what_it_was_made_of_and_orders_as_the_rules_do() {
        let ask = key_of(Side::Sell, queue_key(Side::Sell, Price(-40), 7), 3);
        assert_eq!((cost(ask), edges(ask), priority(ask), ask as u16), (-40, 0, 7, 3));
        let delivered = ask + step(Price(5)) + step(Price(0));
        assert_eq!((cost(delivered), edges(delivered), priority(delivered), delivered as u16), (-35, 2, 7, 3));
        let bid = key_of(Side::Buy, queue_key(Side::Buy, Price(i32::MIN), u32::MAX), u16::MAX);
        assert_eq!((cost(bid), priority(bid), bid as u16), (1 << 31, u32::MAX, u16::MAX));
        assert!(bid < NOTHING && bid < bound_of(1 << 31) && bid >= bound_of((1 << 31) - 1));
    }

    /// 200 feeders below one root: every node has few children, and the way up from each feeder still crosses one edge.
    #[test]
    fn many_children_are_bundled_without_adding_edges() {
        let edge = |child| Edge {
            child: AreaId(child),
            parent: AreaId(0),
            up: Energy(1),
            down: Energy(1),
            fee_up: Price(2),
            fee_down: Price(3),
        };
        let network = Network::new(201, 1, &(1..=200).map(edge).collect::<Vec<_>>()).expect("a tree");
        let tree = AreaTree::new(&network);
        for area in 1..=200 {
            let way = core::iter::successors(Some(area), |&node| {
                let parent = tree.node(node).parent;
                (parent != NIL).then_some(parent)
            });
            let key: Key = way.clone().map(|node| tree.node(node).step_out(Side::Sell)).sum();
            assert_eq!((key >> 64, edges(key), way.last()), (2, 1, Some(0)));
        }
        let all = 0..u32::try_from(tree.len()).expect("few");
        assert!(all.clone().all(|node| tree.children(node).len() <= FAN_OUT));
    }
}

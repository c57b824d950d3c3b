//! What areas of a call auction would export at each price (MARKET section 5, Curve, Edge, Leaf to root).

use std::collections::BTreeMap;

use crate::Side;

/// An area as an auction sees it. Energies are whole lots, wide enough for any sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// The area above; none for a root. An area that takes no part in the tree is a root of its own.
    pub(super) parent: Option<usize>,
    pub(super) up: i128,
    pub(super) down: i128,
    pub(super) fee_up: i64,
    pub(super) fee_down: i64,
}

/// What is bought or sold in an auction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// In which of the nodes.
    pub(super) node: usize,
    pub(super) side: Side,
    pub(super) limit: Limit,
    pub(super) lots: i128,
    /// Among orders the priority number, among blocks the place in order of arrival.
    pub(super) sequence: u64,
}

/// A limit price; blocks are entered beyond every price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    BelowAll,
    At(i64),
    AboveAll,
}

impl Limit {
    /// The same limit where prices are higher by `fee`.
    fn shifted(self, fee: i64) -> Self {
        match self {
            Self::At(price) => Self::At(price + fee),
            beyond => beyond,
        }
    }

    /// Nothing beyond every price: it bounds no price.
    pub(super) fn price(self) -> Option<i64> {
        match self {
            Self::At(price) => Some(price),
            _ => None,
        }
    }
}

/// Steps go by price; at one price sells come before buys, wherever they come from. (Borders with a price of their own, which would
/// stand between, an engine does not know.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) limit: Limit,
    pub(super) kind: Kind,
}

/// What a step is made of: sells that begin to deliver, or buys that give their energy back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sell,
    Buy,
}

/// A rise of an area's net export from `from` to `to`.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) key: Key,
    pub(super) from: i128,
    pub(super) to: i128,
    /// Own entries in it, as numbers in the list of entries.
    pub(super) own: Vec<usize>,
    pub(super) pieces: Vec<Piece>,
}

/// A part of a step that comes from a child, whose net export rises from `from` to `to` on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) child: usize,
    pub(super) from: i128,
    pub(super) to: i128,
}

/// `E(p)` of an area: where it starts, and all its steps. All below it included.
#[derive(Clone, Debug, Default)]
pub(super) struct Curve {
    pub(super) start: i128,
    pub(super) steps: Vec<Step>,
}

impl Curve {
    pub(super) fn end(&self) -> i128 {
        self.steps.last().map_or(self.start, |step| step.to)
    }

    /// The step of which a piece is a part.
    pub(super) fn step_of(&self, piece: &Piece) -> &Step {
        let holds = |step: &&Step| step.from <= piece.from && piece.to <= step.to;
        self.steps.iter().find(holds).expect("a piece is cut from one step")
    }
}

impl Entry {
    pub(super) fn key(&self) -> Key {
        let kind = if self.side == Side::Sell { Kind::Sell } else { Kind::Buy };
        Key { limit: self.limit, kind }
    }
}

/// The curves of all nodes, leaf to root.
pub(super) fn curves(nodes: &[Node], entries: &[Entry]) -> Vec<Curve> {
    let mut curves = vec![Curve::default(); nodes.len()];
    for root in (0..nodes.len()).filter(|&node| nodes[node].parent.is_none()) {
        add_curve(nodes, entries, root, &mut curves);
    }
    curves
}

pub(super) fn children(nodes: &[Node], of: usize) -> impl Iterator<Item = usize> {
    (0..nodes.len()).filter(move |&node| nodes[node].parent == Some(of))
}

/// The least that a child can export over its edge: `-down`, or all it wants if that is less.
pub(super) fn least_export(node: &Node, curve: &Curve) -> i128 {
    curve.start.max(-node.down)
}

/// An area's own steps and its children's, cut by their edges, added up from minus all demand.
fn add_curve(nodes: &[Node], entries: &[Entry], node: usize, curves: &mut [Curve]) {
    let mut steps: BTreeMap<Key, (Vec<usize>, Vec<Piece>)> = BTreeMap::new();
    let mut start = 0;
    for child in children(nodes, node) {
        add_curve(nodes, entries, child, curves);
        start += least_export(&nodes[child], &curves[child]);
        for (key, piece) in cut_by_edge(&nodes[child], child, &curves[child]) {
            add_piece(&mut steps.entry(key).or_default().1, piece);
        }
    }
    for (number, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.node == node) {
        start -= if entry.side == Side::Buy { entry.lots } else { 0 };
        steps.entry(entry.key()).or_default().0.push(number);
    }
    let curve = &mut curves[node];
    curve.start = start;
    for (key, (own, pieces)) in steps {
        let from = curve.end();
        let of_own: i128 = own.iter().map(|&number| entries[number].lots).sum();
        let of_children: i128 = pieces.iter().map(|piece| piece.to - piece.from).sum();
        curve.steps.push(Step { key, from, to: from + of_own + of_children, own, pieces });
    }
}

/// *Edge*: the child's curve cut to `[-down, +up]`, import at `price - fee_down`, export at `price + fee_up`; a step across zero
/// is cut at zero.
fn cut_by_edge(node: &Node, child: usize, curve: &Curve) -> Vec<(Key, Piece)> {
    let mut pieces = Vec::new();
    for step in &curve.steps {
        let mut add = |from: i128, to: i128, fee: i64| {
            if from < to {
                let key = Key { limit: step.key.limit.shifted(fee), kind: step.key.kind };
                pieces.push((key, Piece { child, from, to }));
            }
        };
        add(step.from.max(-node.down), step.to.min(0), -node.fee_down);
        add(step.from.max(0), step.to.min(node.up), node.fee_up);
    }
    pieces
}

/// Where no fee moves them apart, import and export of one step across zero are one piece.
fn add_piece(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.last_mut().filter(|last| last.child == piece.child && last.to == piece.from) {
        Some(last) => last.to = piece.to,
        None => pieces.push(piece),
    }
}

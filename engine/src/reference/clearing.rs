//! One period's call auction: who gets how much, what flows, and the price of each area (MARKET section 5).

use super::curve::{Curve, Entry, Key, Kind, Limit, Node, children, curves, least_export};
use super::sharing::share;
use crate::ClearingCase;

/// What an auction of one period comes to. Energies are whole lots.
#[derive(Clone, Debug)]
pub(super) struct Cleared {
    /// By entry.
    pub(super) filled: Vec<i128>,
    /// By node: what it and all below it export.
    pub(super) exports: Vec<i128>,
    /// By node.
    pub(super) prices: Vec<NodePrice>,
}

/// What an auction says about the price of an area.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodePrice {
    /// Zero where nothing says anything.
    pub(super) price: i64,
    /// Whether it is reported.
    pub(super) is_told: bool,
    /// What set it, whether or not any energy was accepted: what areas below inherit.
    set_by: ClearingCase,
    pub(super) case: ClearingCase,
}

/// Where a net export lies on a curve: the last step taken at least in part, and the first not taken whole.
struct Place {
    last: Option<Key>,
    first: Option<Key>,
}

/// Prices from `lo` to `hi`; nothing where there is no bound.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    lo: Option<i64>,
    hi: Option<i64>,
}

/// Clears one period.
pub(super) fn clear(nodes: &[Node], entries: &[Entry], tick: i64) -> Cleared {
    let mut cleared = nothing(nodes, entries, ClearingCase::Empty);
    let curves = curves(nodes, entries);
    for root in (0..nodes.len()).filter(|&node| nodes[node].parent.is_none()) {
        cleared.go_down(nodes, entries, &curves, root, tick);
    }
    cleared
}

/// More than can be cleared: nobody trades.
pub(super) fn failed(nodes: &[Node], entries: &[Entry]) -> Cleared {
    nothing(nodes, entries, ClearingCase::Failed)
}

fn nothing(nodes: &[Node], entries: &[Entry], case: ClearingCase) -> Cleared {
    let price = NodePrice { price: 0, is_told: false, set_by: case, case };
    Cleared { filled: vec![0; entries.len()], exports: vec![0; nodes.len()], prices: vec![price; nodes.len()] }
}

impl Cleared {
    /// *Root to leaf*: the root's net export is zero; what an area's steps take of its children is theirs.
    fn go_down(&mut self, nodes: &[Node], entries: &[Entry], curves: &[Curve], node: usize, tick: i64) {
        let export = self.exports[node];
        for child in children(nodes, node) {
            self.exports[child] = least_export(&nodes[child], &curves[child]);
        }
        self.take_steps(entries, curves, node, export);
        self.set_price(nodes, entries, &curves[node], node, tick);
        for child in children(nodes, node) {
            self.go_down(nodes, entries, curves, child, tick);
        }
    }

    /// *Energy*: every step below the net export whole, none above; the one that holds it is shared.
    fn take_steps(&mut self, entries: &[Entry], curves: &[Curve], node: usize, export: i128) {
        for step in &curves[node].steps {
            // Of a buy step, what is filled is what it does not give back.
            let taken = export.clamp(step.from, step.to) - step.from;
            let size = step.to - step.from;
            let filled = if step.key.kind == Kind::Sell { taken } else { size - taken };
            let (own, of_pieces) = share(curves, entries, step, filled);
            for (&number, lots) in step.own.iter().zip(own) {
                self.filled[number] = lots;
            }
            for (piece, lots) in step.pieces.iter().zip(of_pieces) {
                let passed = piece.to - piece.from;
                let taken = if step.key.kind == Kind::Sell { lots } else { passed - lots };
                self.exports[piece.child] += taken;
            }
        }
    }

    /// *Price*: the limits of the last step taken and the first not taken, cut by what the parent's price says.
    fn set_price(&mut self, nodes: &[Node], entries: &[Entry], curve: &Curve, node: usize, tick: i64) {
        let export = self.exports[node];
        let place = Place::of(curve, export);
        let above = nodes[node].parent.map(|parent| self.prices[parent]);
        let by_parent = above.map_or(Interval::default(), |above| said_by_parent(&nodes[node], export, above.price));
        let interval = place.interval().cut(by_parent);
        let price = interval.price(tick);
        let flows = export != 0 || children(nodes, node).any(|child| self.exports[child] != 0);
        let trades = entries.iter().zip(&self.filled).any(|(entry, filled)| entry.node == node && *filled > 0);
        let is_joined = flows || trades;
        let pinned = by_parent.lo.is_some() && by_parent.lo == by_parent.hi;
        let set_by = match (place.marginal(), above) {
            (Some(Kind::Sell), _) => ClearingCase::MarginalSeller,
            (Some(Kind::Buy), _) => ClearingCase::MarginalBuyer,
            // What set the parent's price set this one.
            (None, Some(above)) if pinned => above.set_by,
            (None, _) => ClearingCase::Exact,
        };
        let case = if is_joined { set_by } else { ClearingCase::Empty };
        self.prices[node] =
            NodePrice { price: price.unwrap_or(0), is_told: is_joined || price.is_some(), set_by, case };
    }
}

impl Place {
    fn of(curve: &Curve, export: i128) -> Self {
        let last = curve.steps.iter().rfind(|step| step.from < export).map(|step| step.key);
        let first = curve.steps.iter().find(|step| step.to > export).map(|step| step.key);
        Self { last, first }
    }

    /// What the step that holds the net export is made of, if there is one.
    fn marginal(&self) -> Option<Kind> {
        self.last.filter(|_| self.last == self.first).map(|key| key.kind)
    }

    fn interval(&self) -> Interval {
        let price = |key: Option<Key>| key.map(|key| key.limit).and_then(Limit::price);
        Interval { lo: price(self.last), hi: price(self.first) }
    }
}

/// What the parent's price `P` says about an area with a net export.
fn said_by_parent(node: &Node, export: i128, parent: i64) -> Interval {
    let (exporting, importing) = (parent - node.fee_up, parent + node.fee_down);
    match export {
        1.. => Interval { lo: (export < node.up).then_some(exporting), hi: Some(exporting) },
        0 => Interval { lo: (node.up > 0).then_some(exporting), hi: (node.down > 0).then_some(importing) },
        _ => Interval { lo: Some(importing), hi: (-export < node.down).then_some(importing) },
    }
}

impl Interval {
    fn cut(self, other: Self) -> Self {
        let lo = [self.lo, other.lo].into_iter().flatten().max();
        let hi = [self.hi, other.hi].into_iter().flatten().min();
        Self { lo, hi }
    }

    /// The midpoint rounded down to the tick; the finite end if only one is finite.
    fn price(self, tick: i64) -> Option<i64> {
        match (self.lo, self.hi) {
            (Some(lo), Some(hi)) => Some((lo + hi).div_euclid(2 * tick) * tick),
            (lo, hi) => lo.or(hi),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::Limit;
    use super::*;
    use crate::auction::{AuctionOrder, AuctionRules, AuctionTree, Case, PeriodBook};
    use crate::{AreaId, Edge, Energy, Network, Price, Side};

    /// SplitMix64.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ (mixed >> 31)) % limit
        }
    }

    const TICK: i32 = 10;

    fn draw_network(dice: &mut Dice) -> Network {
        let areas = 1 + dice.below(7) as u16;
        let fee = |dice: &mut Dice| Price([0, 0, 10][dice.below(3) as usize]);
        let edges: Vec<Edge> = (1..areas)
            .map(|child| Edge {
                child: AreaId(child),
                parent: AreaId(dice.below(u64::from(child)) as u16),
                up: Energy(dice.below(25)),
                down: Energy(dice.below(25)),
                fee_up: fee(dice),
                fee_down: fee(dice),
            })
            .collect();
        Network::new(areas, TICK, &edges).expect("a tree")
    }

    /// Few prices, so that nearly every step is shared by several areas.
    fn draw_orders(dice: &mut Dice, areas: usize) -> Vec<AuctionOrder> {
        let count = dice.below(4 + 6 * areas as u64);
        (0..count)
            .map(|sequence| AuctionOrder {
                area: AreaId(dice.below(areas as u64) as u16),
                side: if dice.below(2) == 0 { Side::Buy } else { Side::Sell },
                price: Price(dice.below(4) as i32 * TICK - 10),
                energy: Energy(1 + dice.below(9)),
                sequence,
            })
            .collect()
    }

    fn told(case: Case) -> ClearingCase {
        match case {
            Case::MarginalSeller => ClearingCase::MarginalSeller,
            Case::MarginalBuyer => ClearingCase::MarginalBuyer,
            Case::Border => ClearingCase::Border,
            Case::Exact => ClearingCase::Exact,
            Case::Empty => ClearingCase::Empty,
            Case::Failed(_) => ClearingCase::Failed,
        }
    }

    /// Two clearings written from the same rules by different hands, where ties, full edges and shared steps are everywhere.
    #[test]
    fn the_fast_auction_and_the_obvious_one_clear_alike() {
        for seed in 0..3_000 {
            let mut dice = Dice(seed);
            let network = draw_network(&mut dice);
            let orders = draw_orders(&mut dice, network.areas());
            let tree = AuctionTree::new(&network);
            let fast = crate::auction::clear(AuctionRules::new(TICK, 1), &PeriodBook::plain(&tree, &orders));
            let node = |area: u16| {
                let Some(edge) = network.edge(AreaId(area)) else {
                    return Node { parent: None, up: 0, down: 0, fee_up: 0, fee_down: 0 };
                };
                Node {
                    parent: Some(edge.parent.0.into()),
                    up: edge.up.0.into(),
                    down: edge.down.0.into(),
                    fee_up: edge.fee_up.0.into(),
                    fee_down: edge.fee_down.0.into(),
                }
            };
            let nodes: Vec<Node> = (0..network.areas() as u16).map(node).collect();
            let entry = |order: &AuctionOrder| Entry {
                node: order.area.0.into(),
                side: order.side,
                limit: Limit::At(order.price.0.into()),
                lots: order.energy.0.into(),
                sequence: order.sequence,
            };
            let entries: Vec<Entry> = orders.iter().map(entry).collect();
            let slow = clear(&nodes, &entries, TICK.into());
            let filled: Vec<i128> = fast.accepted.iter().map(|energy| energy.0.into()).collect();
            assert_eq!(slow.filled, filled, "seed {seed}: who gets how much");
            let flows: Vec<i128> = fast.edges.iter().map(|edge| edge.flow_wh.into()).collect();
            assert_eq!(slow.exports, flows, "seed {seed}: what flows");
            for (area, (slow, fast)) in slow.prices.iter().zip(&fast.areas).enumerate() {
                let price = slow.is_told.then_some(slow.price);
                assert_eq!(price, fast.price.map(|price| price.0.into()), "seed {seed}: the price of area {area}");
                assert_eq!(slow.case, told(fast.case), "seed {seed}: what set the price of area {area}");
            }
        }
    }
}

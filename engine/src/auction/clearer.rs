//! Clears one auction: curves from the leaves to the root, energies and prices from the root to the leaves.

use crate::order::Side;
use crate::units::{Energy, Money, Price};

use super::book::{AuctionRules, PeriodBook};
use super::clearing::{AreaClearing, Case, Clearing, EdgeClearing, Failure};
use super::curve::{Cut, Piece, Step, append_curve};
use super::merge::Merger;
use super::pricing::{self, Above, Place, Pricing};
use super::share::{Sharing, Subtree};
use super::step::{StepKey, StepKind};
use super::tree::children;
use super::{AuctionTree, ENERGY_MAX_WH};

/// Clears one auction.
pub fn clear(rules: AuctionRules, book: &PeriodBook<'_>) -> Clearing {
    let mut clearing = Clearing::default();
    Clearer::new().clear_into(rules, book, &mut clearing);
    clearing
}

/// Clears auctions, and keeps its memory from one to the next: when warm it does not allocate.
#[derive(Clone, Debug, Default)]
pub struct Clearer {
    /// Orders, injections and given prices: by area in preorder; of an area, buys behind all else; each of these by step.
    entries: Vec<Entry>,
    /// Where each area's entries begin, and where its buys do; one more at the end.
    entry_starts: Vec<usize>,
    /// What edges can carry, in lots.
    cuts: Vec<Cut>,
    /// All demand of each area itself, in lots; and all its supply.
    demand: Vec<i64>,
    supply: Vec<i64>,
    /// Given prices.
    given: Vec<Option<i64>>,
    /// The curves, one behind the other, and where each area's lies.
    steps: Vec<Step>,
    curves: Vec<(usize, usize)>,
    /// The net export of each area.
    exports: Vec<i64>,
    pricings: Vec<Pricing>,
    merger: Merger,
    sharing: Sharing,
}

/// An order, an injection or a given price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its step.
    pub(super) key: StepKey,
    /// Its lots.
    pub(super) size: i64,
    /// Its place among the orders; behind them, among the injections; behind those, a given price.
    pub(super) index: u32,
}

impl Clearer {
    /// One that has not cleared anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Clears one auction into `clearing`, overwriting it.
    pub fn clear_into(&mut self, rules: AuctionRules, book: &PeriodBook<'_>, clearing: &mut Clearing) {
        clearing.reset(book.tree.areas(), book.orders.len(), book.injections.len());
        match self.gather(rules, book) {
            Ok(()) => {
                self.add_up(book.tree);
                self.descend(rules, book, clearing);
            }
            Err(failure) => clearing.fail(failure),
        }
    }

    /// Puts entries into their areas, sorted by step, and checks that no sum can overflow.
    fn gather(&mut self, rules: AuctionRules, book: &PeriodBook<'_>) -> Result<(), Failure> {
        self.measure_edges(rules, book.tree);
        self.count(book)?;
        let (tree, lots) = (book.tree, |energy| rules.lots(energy));
        let mut energy = 0_u128;
        let mut index = 0;
        for order in book.orders {
            energy += u128::from(order.energy.0);
            let key = StepKey::order(order.side, order.price);
            self.put(tree, order.area, Entry { key, size: bounded(lots(order.energy)), index }, order.side)?;
            index += 1;
        }
        for injection in book.injections {
            energy += u128::from(injection.energy.0);
            let key = StepKey::injection(injection.side);
            let entry = Entry { key, size: bounded(lots(injection.energy)), index };
            self.put(tree, injection.area, entry, injection.side)?;
            index += 1;
        }
        if energy > u128::from(ENERGY_MAX_WH) {
            return Err(Failure::TooMuchEnergy);
        }
        self.put_given_prices(rules, book, index, energy)?;
        // `put` moved each start to its area's end, which is the next one's start.
        self.entry_starts.rotate_right(1);
        self.entry_starts[0] = 0;
        for run in self.entry_starts.windows(2) {
            let run = &mut self.entries[run[0]..run[1]];
            // Books and files are sorted as a rule.
            if !run.is_sorted_by_key(|entry| entry.key) {
                run.sort_unstable_by_key(|entry| (entry.key, entry.index));
            }
        }
        Ok(())
    }

    fn measure_edges(&mut self, rules: AuctionRules, tree: &AuctionTree) {
        self.cuts.clear();
        self.cuts.extend(tree.nodes().iter().map(|node| Cut {
            up: bounded(rules.lots(node.up)),
            down: bounded(rules.lots(node.down)),
            fee_up: node.fee_up,
            fee_down: node.fee_down,
        }));
    }

    /// Makes room for the entries of each area.
    fn count(&mut self, book: &PeriodBook<'_>) -> Result<(), Failure> {
        let areas = book.tree.areas();
        for list in [&mut self.demand, &mut self.supply] {
            list.clear();
            list.resize(areas, 0);
        }
        self.given.clear();
        self.given.resize(areas, None);
        self.entry_starts.clear();
        self.entry_starts.resize(2 * areas + 1, 0);
        let mut count = |area, side| {
            let position = book.tree.position(area).ok_or(Failure::UnknownArea)?;
            self.entry_starts[run_of(position, side)] += 1;
            Ok(())
        };
        book.orders.iter().try_for_each(|order| count(order.area, order.side))?;
        book.injections.iter().try_for_each(|injection| count(injection.area, injection.side))?;
        book.given.iter().try_for_each(|given| count(given.area, Side::Sell))?;
        let mut total = 0;
        for start in &mut self.entry_starts {
            total += core::mem::replace(start, total);
        }
        if u32::try_from(total).is_err() {
            return Err(Failure::TooMuchEnergy);
        }
        self.entries.clear();
        self.entries.resize(total, Entry { key: StepKey::END, size: 0, index: 0 });
        Ok(())
    }

    fn put(&mut self, tree: &AuctionTree, area: crate::AreaId, entry: Entry, side: Side) -> Result<(), Failure> {
        let position = tree.position(area).ok_or(Failure::UnknownArea)?;
        let place = &mut self.entry_starts[run_of(position, side)];
        self.entries[*place] = entry;
        *place += 1;
        let list = if side == Side::Buy { &mut self.demand } else { &mut self.supply };
        // Saturating: the check that follows refuses the auction anyway.
        list[position] = list[position].saturating_add(entry.size);
        Ok(())
    }

    /// A given price is one step, from all that its edges can bring to all that they can take away.
    fn put_given_prices(
        &mut self,
        rules: AuctionRules,
        book: &PeriodBook<'_>,
        index: u32,
        mut energy: u128,
    ) -> Result<(), Failure> {
        let nodes = book.tree.nodes();
        for given in book.given {
            let position = book.tree.position(given.area).ok_or(Failure::UnknownArea)?;
            let Cut { up, down, .. } = self.cuts[position];
            let below = |lots: fn(&Cut) -> i64| -> u128 {
                children(nodes, position).map(|child| u128::from(lots(&self.cuts[child]).unsigned_abs())).sum()
            };
            let taken = u128::from((self.supply[position] + down).unsigned_abs()) + below(|cut| cut.up);
            let given_out = u128::from((self.demand[position] + up).unsigned_abs()) + below(|cut| cut.down);
            energy = energy.saturating_add((taken + given_out).saturating_mul(u128::from(rules.lot())));
            if energy > u128::from(ENERGY_MAX_WH) {
                return Err(Failure::TooMuchEnergy);
            }
            let [taken, given_out] =
                [taken, given_out].map(|lots| i64::try_from(lots).expect("far below the largest sum"));
            let entry = Entry { key: StepKey::border(given.price), size: taken + given_out, index };
            let place = &mut self.entry_starts[run_of(position, Side::Sell)];
            self.entries[*place] = entry;
            *place += 1;
            self.given[position] = Some(i64::from(given.price.0));
            // What it can take is like demand that gives its energy back at its price.
            self.demand[position] += taken;
        }
        Ok(())
    }

    /// Leaf to root: own steps and the children's cut curves make an area's curve.
    fn add_up(&mut self, tree: &AuctionTree) {
        let nodes = tree.nodes();
        self.steps.clear();
        self.curves.clear();
        self.curves.resize(nodes.len(), (0, 0));
        for position in (0..nodes.len()).rev() {
            let mut start = -self.demand[position];
            self.merger.clear();
            for side in [Side::Sell, Side::Buy] {
                let run = run_of(position, side);
                let own = &self.entries[self.entry_starts[run]..self.entry_starts[run + 1]];
                self.merger.add(own, |entry| Piece { key: entry.key, size: entry.size });
            }
            for child in children(nodes, position) {
                let (from, to) = self.curves[child];
                let (cut, curve) = (&self.cuts[child], &self.steps[from..to]);
                // A step across zero becomes two pieces; the last step is the end.
                start += self.merger.append(curve.len(), |pieces| cut.append_pieces(curve, pieces));
            }
            let from = self.steps.len();
            append_curve(self.merger.finish(), start, &mut self.steps);
            self.curves[position] = (from, self.steps.len());
        }
    }

    /// Root to leaf: energies, then prices, then money.
    fn descend(&mut self, rules: AuctionRules, book: &PeriodBook<'_>, clearing: &mut Clearing) {
        let nodes = book.tree.nodes();
        self.exports.clear();
        self.exports.resize(nodes.len(), 0);
        self.pricings.clear();
        let lot_wh = i64::try_from(rules.lot()).unwrap_or(i64::MAX);
        for (position, node) in nodes.iter().enumerate() {
            let (from, to) = self.curves[position];
            let export = self.exports[position];
            let place = Place::of(&self.steps[from..to], export);
            let traded = self.fill(rules, book, position, place, clearing);
            let flows = export != 0 || children(nodes, position).any(|child| self.exports[child] != 0);
            let above = (position > 0).then(|| Above { price: self.pricings[node.parent], cut: self.cuts[position] });
            let given = self.given[position];
            let pricing = pricing::price(rules.tick(), place, export, above.as_ref(), given);
            clearing.areas[usize::from(node.area.0)] = area_clearing(&pricing, traded || flows);
            if let Some(above) = above {
                // No overflow: flows are sums of orders and capacities, checked against the largest energy.
                let flow_wh = export.saturating_mul(lot_wh);
                clearing.edges[usize::from(node.area.0)] = edge_clearing(flow_wh, &above, &pricing);
            }
            self.pricings.push(pricing);
        }
    }

    /// Fills an area's own orders, and tells its children what they export. Whether any own order was filled.
    fn fill(
        &mut self,
        rules: AuctionRules,
        book: &PeriodBook<'_>,
        position: usize,
        place: Place,
        clearing: &mut Clearing,
    ) -> bool {
        let nodes = book.tree.nodes();
        for child in children(nodes, position) {
            let (from, to) = self.curves[child];
            self.exports[child] = self.cuts[child].export_before(&self.steps[from..to], place.first_left());
        }
        let run = |side| {
            let run = run_of(position, side);
            &self.entries[self.entry_starts[run]..self.entry_starts[run + 1]]
        };
        let (sells, buys) = (run(Side::Sell), run(Side::Buy));
        let mut filled = Filled { rules, book, clearing, any: false };
        let taken = sells.partition_point(|entry| entry.key < place.first_left());
        for sell in sells[..taken].iter().filter(|entry| entry.key.kind() == StepKind::Sell) {
            filled.add(sell.index, sell.size);
        }
        let mut given_back = buys.partition_point(|entry| entry.key < place.first_left());
        if let Place::Inside { key, .. } = place {
            given_back += buys[given_back..].partition_point(|entry| entry.key == key);
        }
        for buy in &buys[given_back..] {
            filled.add(buy.index, buy.size);
        }
        if let Place::Inside { key, taken, left: remaining } = place {
            let lots = if key.kind() == StepKind::Buy { remaining } else { taken };
            let subtree = Subtree {
                nodes,
                cuts: &self.cuts,
                steps: &self.steps,
                curves: &self.curves,
                entries: &self.entries,
                entry_starts: &self.entry_starts,
            };
            let sequence = |entry: &Entry| sequence(book, entry.index);
            let shared = self.sharing.share(&subtree, position, key, lots, sequence, &mut self.exports);
            for (entry, lots) in subtree.own_entries(position, key).iter().zip(shared) {
                filled.add(entry.index, *lots);
            }
        }
        filled.any
    }
}

/// The run of an area's entries that an entry stands in: buys, or all else.
pub(super) fn run_of(position: usize, side: Side) -> usize {
    2 * position + usize::from(side == Side::Buy)
}

/// Where filled energy goes.
struct Filled<'a> {
    rules: AuctionRules,
    book: &'a PeriodBook<'a>,
    clearing: &'a mut Clearing,
    any: bool,
}

impl Filled<'_> {
    fn add(&mut self, index: u32, lots: i64) {
        let energy = Energy(lots.unsigned_abs() * self.rules.lot());
        let (index, orders) = (index as usize, self.book.orders.len());
        let place = match index.checked_sub(orders) {
            None => self.clearing.accepted.get_mut(index),
            Some(index) => self.clearing.injected.get_mut(index),
        };
        // A given price has no place: what it trades is seen in the flows.
        if let Some(place) = place {
            *place = energy;
            self.any |= lots > 0;
        }
    }
}

/// The age of an entry; a given price goes last.
fn sequence(book: &PeriodBook<'_>, index: u32) -> u64 {
    let index = index as usize;
    let order = book.orders.get(index).map(|order| order.sequence);
    order.or_else(|| Some(book.injections.get(index - book.orders.len())?.sequence)).unwrap_or(u64::MAX)
}

fn area_clearing(pricing: &Pricing, traded: bool) -> AreaClearing {
    if let Case::Failed(_) = pricing.case {
        return AreaClearing { price: None, case: pricing.case };
    }
    let case = if traded { pricing.case } else { Case::Empty };
    // What only traded beyond every price trades at zero.
    match pricing.price.filter(|_| traded || pricing.is_bounded).map(i32::try_from) {
        None => AreaClearing { price: None, case },
        Some(Ok(price)) => AreaClearing { price: Some(Price(price)), case },
        Some(Err(_)) => AreaClearing { price: None, case: Case::Failed(Failure::PriceOutOfRange) },
    }
}

fn edge_clearing(flow_wh: i64, above: &Above, below: &Pricing) -> EdgeClearing {
    let flow = i128::from(flow_wh);
    let fee = if flow > 0 { flow * i128::from(above.cut.fee_up) } else { -flow * i128::from(above.cut.fee_down) };
    let spread = above.price.price.zip(below.price).map(|(above, below)| i128::from(above - below));
    let rent = spread.map_or(0, |spread| flow * spread - fee);
    EdgeClearing { flow_wh, fee: Money(fee), rent: Money(rent) }
}

/// Lots as they are summed up; what is beyond the largest energy of an auction is refused or can never be used.
fn bounded(lots: u64) -> i64 {
    i64::try_from(lots.min(ENERGY_MAX_WH)).expect("2^61 fits")
}

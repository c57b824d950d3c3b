//! How a marginal step is shared (MARKET section 5, Sharing a marginal step).
//!
//! Every order of the step, in all areas it comes from, is filled to the same fraction; a subtree that its edge cannot carry is held
//! at the capacity and the others share on. What a subtree gives is a growing function of the fraction, in straight pieces with a knot
//! wherever an edge begins or ceases to hold something back, so the fraction is found exactly, as a quotient of integers.
//!
//! For a buy step "given" is what stays bought: energy that is not given back.

use core::cmp::Ordering;

use crate::order::Side;

use super::clearer::{Entry, run_of};
use super::curve::{Cut, Step, export_before};
use super::step::{StepKey, StepKind};
use super::tree::Node;

/// What sharing looks at.
pub(super) struct Subtree<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) cuts: &'a [Cut],
    pub(super) steps: &'a [Step],
    pub(super) curves: &'a [(usize, usize)],
    pub(super) entries: &'a [Entry],
    pub(super) entry_starts: &'a [usize],
}

/// Memory for sharing.
#[derive(Clone, Debug, Default)]
pub(super) struct Sharing {
    /// The area that shares, and below it every area whose edge brings some of the step; in preorder.
    sharers: Vec<Sharer>,
    /// Where the area at a position, counted from the sharing one, stands among the sharers.
    slots: Vec<usize>,
    knots: Vec<Fraction>,
    /// One per sharer, for evaluating.
    lines: Vec<Line>,
    /// Lots of own orders, in the order of the entries.
    own: Vec<i64>,
    claims: Vec<Claim>,
}

/// An area that takes part in a step.
#[derive(Clone, Copy, Debug)]
struct Sharer {
    position: usize,
    /// The step in its own prices.
    key: StepKey,
    /// Among the sharers: its parent, and where its subtree ends.
    parent: usize,
    end: usize,
    /// What its edge holds back before anything passes; in lots, not positive.
    offset: i64,
    /// The lots of its own orders.
    volume: i64,
    /// The most lots of the step that pass its edge.
    cap: i64,
    /// Its net export before (of a buy step: after) any of that passes.
    base: i64,
    /// Whether its edge holds nothing back at the end either.
    is_open: bool,
    /// Between these fractions what it gives changes.
    from: Fraction,
    to: Fraction,
}

/// A quotient of lots, at least zero. Both sides are below 2^62, so products fit 128 bits.
#[derive(Clone, Copy, Debug)]
struct Fraction {
    over: i128,
    under: i128,
}

/// `constant + slope x fraction`, in lots.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    constant: i128,
    slope: i128,
}

/// A claim to one more lot: how much the rounding took, and who.
#[derive(Clone, Copy, Debug)]
struct Claim {
    remainder: i128,
    /// Orders before children.
    is_child: bool,
    /// An order's sequence, a child's place (children are in the order of their numbers).
    rank: u64,
    /// Among the own lots, or the sharers.
    slot: usize,
}

impl Sharing {
    /// Shares `lots` of the step `key` of the area at `position`. Sets the net exports of its children; returns the lots of its own
    /// orders in that step, in the order of its entries.
    pub(super) fn share(
        &mut self,
        tree: &Subtree<'_>,
        position: usize,
        key: StepKey,
        lots: i64,
        sequence: impl Fn(&Entry) -> u64,
        exports: &mut [i64],
    ) -> &[i64] {
        let own = tree.own_entries(position, key);
        self.gather(tree, position, key);
        self.own.clear();
        match (own, self.sharers.len()) {
            // Nobody to share with.
            ([_], 1) => self.own.push(lots),
            ([], 2) => exports[self.sharers[1].position] = export(&self.sharers[1], key, lots),
            _ => self.divide(own, key, lots, sequence, exports),
        }
        &self.own
    }

    /// The exact fraction, rounded down for everyone, then one lot each by largest remainder.
    fn divide(
        &mut self,
        own: &[Entry],
        key: StepKey,
        lots: i64,
        sequence: impl Fn(&Entry) -> u64,
        exports: &mut [i64],
    ) {
        let fraction = self.solve_all(lots);
        self.evaluate(0, fraction);
        self.claims.clear();
        let mut left = i128::from(lots);
        let mut round_down = |exact: i128, claims: &mut Vec<Claim>, is_child: bool, rank: u64, slot: usize| -> i64 {
            let (whole, remainder) = (exact / fraction.under, exact % fraction.under);
            left -= whole;
            claims.push(Claim { remainder, is_child, rank, slot });
            i64::try_from(whole).expect("no more than was to be shared")
        };
        for (slot, entry) in own.iter().enumerate() {
            let exact = i128::from(entry.size) * fraction.over;
            let whole = round_down(exact, &mut self.claims, false, sequence(entry), slot);
            self.own.push(whole);
        }
        let mut slot = 1;
        while let Some(sharer) = self.sharers.get(slot) {
            let exact = self.lines[slot].constant * fraction.under + self.lines[slot].slope * fraction.over;
            let whole = round_down(exact, &mut self.claims, true, slot as u64, slot);
            exports[sharer.position] = whole;
            slot = sharer.end;
        }
        let extra = usize::try_from(left).expect("rounding down leaves less than one lot each");
        if extra > 0 {
            self.claims.select_nth_unstable_by(extra - 1, Claim::compare);
        }
        for claim in &self.claims[..extra] {
            if claim.is_child {
                exports[self.sharers[claim.slot].position] += 1;
            } else {
                self.own[claim.slot] += 1;
            }
        }
        for claim in self.claims.iter().filter(|claim| claim.is_child) {
            let sharer = &self.sharers[claim.slot];
            exports[sharer.position] = export(sharer, key, exports[sharer.position]);
        }
    }

    /// Finds who takes part.
    fn gather(&mut self, tree: &Subtree<'_>, position: usize, key: StepKey) {
        let end = tree.nodes[position].end;
        self.slots.clear();
        self.slots.resize(end - position, 0);
        self.sharers.clear();
        self.sharers.push(Sharer {
            position,
            key,
            parent: 0,
            end: 1,
            offset: 0,
            volume: tree.volume(position, key),
            cap: i64::MAX,
            base: 0,
            is_open: true,
            from: Fraction::ZERO,
            to: Fraction::ONE,
        });
        let mut below = position + 1;
        while below < end {
            let parent = self.slots[tree.nodes[below].parent - position];
            let sharer = tree.sharer(below, parent, self.sharers[parent].key);
            self.slots[below - position] = self.sharers.len();
            below = if sharer.cap > 0 { below + 1 } else { tree.nodes[below].end };
            if sharer.cap > 0 {
                self.sharers.push(Sharer { end: self.sharers.len() + 1, ..sharer });
            }
        }
        for slot in (1..self.sharers.len()).rev() {
            let Sharer { parent, end, .. } = self.sharers[slot];
            self.sharers[parent].end = self.sharers[parent].end.max(end);
        }
    }

    /// The fraction at which the first sharer gives `lots`, after finding where each edge below begins and ceases to hold back.
    fn solve_all(&mut self, lots: i64) -> Fraction {
        self.lines.clear();
        self.lines.resize(self.sharers.len(), Line::default());
        for slot in (1..self.sharers.len()).rev() {
            let Sharer { offset, cap, is_open, .. } = self.sharers[slot];
            if offset < 0 {
                self.sharers[slot].from = self.solve(slot, 0);
            }
            if !is_open {
                self.sharers[slot].to = self.solve(slot, cap);
            }
        }
        self.solve(0, lots)
    }

    /// The fraction at which the sharer at `slot` gives `target` lots before its own edge holds any back.
    fn solve(&mut self, slot: usize, target: i64) -> Fraction {
        let target = i128::from(target);
        let below = &self.sharers[slot + 1..self.sharers[slot].end];
        let mut knots = core::mem::take(&mut self.knots);
        knots.clear();
        for sharer in below {
            knots.extend((sharer.offset < 0).then_some(sharer.from));
            knots.extend((!sharer.is_open).then_some(sharer.to));
        }
        knots.sort_unstable_by(Fraction::compare);
        let behind = knots.partition_point(|knot| self.evaluate(slot, *knot).at_most(target, *knot));
        let knot = behind.checked_sub(1).map_or(Fraction::ZERO, |last| knots[last]);
        self.knots = knots;
        let line = self.evaluate(slot, knot);
        if line.slope == 0 { knot } else { Fraction { over: target - line.constant, under: line.slope } }
    }

    /// What the sharer at `slot` gives at and right after a fraction, before its own edge holds any back. Leaves the lines of all
    /// below it as their edges let them through.
    fn evaluate(&mut self, slot: usize, fraction: Fraction) -> Line {
        let end = self.sharers[slot].end;
        for at in slot..end {
            let Sharer { offset, volume, .. } = self.sharers[at];
            self.lines[at] = Line { constant: i128::from(offset), slope: i128::from(volume) };
        }
        for at in (slot + 1..end).rev() {
            let held = self.lines[at].held(i128::from(self.sharers[at].cap), fraction);
            self.lines[at] = held;
            let parent = &mut self.lines[self.sharers[at].parent];
            parent.constant += held.constant;
            parent.slope += held.slope;
        }
        self.lines[slot]
    }
}

impl Subtree<'_> {
    /// The part of the area at `position` in the step `parent_key` of its parent.
    fn sharer(&self, position: usize, parent: usize, parent_key: StepKey) -> Sharer {
        let cut = &self.cuts[position];
        let (from, to) = self.curves[position];
        let curve = &self.steps[from..to];
        // What the edge lets through of the step, and the step itself.
        let (start, end) = (cut.export_before(curve, parent_key), cut.export_before(curve, parent_key.next()));
        let key = if start < 0 { parent_key.shifted(cut.fee_down) } else { parent_key.shifted(-cut.fee_up) };
        let is_buy = key.kind() == StepKind::Buy;
        // The lots of the step that never pass: before anything does, and after.
        let (before, after) = (start - export_before(curve, key), export_before(curve, key.next()) - end);
        let (behind, ahead) = if is_buy { (after, before) } else { (before, after) };
        Sharer {
            position,
            key,
            parent,
            end: 0,
            offset: -behind,
            volume: self.volume(position, key),
            cap: end - start,
            base: if is_buy { end } else { start },
            is_open: ahead == 0,
            from: Fraction::ZERO,
            to: Fraction::ONE,
        }
    }

    /// The orders of the area itself in a step.
    pub(super) fn own_entries(&self, position: usize, key: StepKey) -> &[Entry] {
        let side = if key.kind() == StepKind::Buy { Side::Buy } else { Side::Sell };
        let run = run_of(position, side);
        let own = &self.entries[self.entry_starts[run]..self.entry_starts[run + 1]];
        let from = own.partition_point(|entry| entry.key < key);
        let to = from + own[from..].partition_point(|entry| entry.key == key);
        &own[from..to]
    }

    fn volume(&self, position: usize, key: StepKey) -> i64 {
        self.own_entries(position, key).iter().map(|entry| entry.size).sum()
    }
}

/// A child's net export when `lots` of the step pass its edge.
fn export(sharer: &Sharer, key: StepKey, lots: i64) -> i64 {
    if key.kind() == StepKind::Buy { sharer.base - lots } else { sharer.base + lots }
}

impl Line {
    /// Not below zero, and not above the cap; at and right after the fraction.
    fn held(self, cap: i128, fraction: Fraction) -> Self {
        let exact = self.constant * fraction.under + self.slope * fraction.over;
        if exact < 0 {
            Self::default()
        } else if exact >= cap * fraction.under {
            Self { constant: cap, slope: 0 }
        } else {
            self
        }
    }

    /// Whether it is at most so many lots at a fraction.
    fn at_most(self, lots: i128, fraction: Fraction) -> bool {
        self.constant * fraction.under + self.slope * fraction.over <= lots * fraction.under
    }
}

impl Fraction {
    const ZERO: Self = Self { over: 0, under: 1 };
    const ONE: Self = Self { over: 1, under: 1 };

    fn compare(&self, other: &Self) -> Ordering {
        (self.over * other.under).cmp(&(other.over * self.under))
    }
}

impl Claim {
    /// Who gets one more lot first.
    fn compare(&self, other: &Self) -> Ordering {
        let order = |claim: &Self| (claim.is_child, claim.rank, claim.slot);
        other.remainder.cmp(&self.remainder).then_with(|| order(self).cmp(&order(other)))
    }
}

//! How a marginal step is shared (MARKET section 5, Sharing a marginal step).

use core::cmp::{Ordering, Reverse};

use super::curve::{Curve, Entry, Kind, Step};

/// A part of a whole between 0 and 1: every order of the step is filled to this.
#[derive(Clone, Copy, Debug)]
struct Fraction {
    of: i128,
    in_all: i128,
}

/// Who can fill how much of a step: own orders, and children as far as their edges carry it.
struct Sharer {
    own: i128,
    below: Vec<Below>,
}

/// A child in a step. At a fraction it passes on what it fills, plus `offset` (not above zero: what its edge holds back first), cut to
/// `0..=most`.
struct Below {
    sharer: Sharer,
    offset: i128,
    most: i128,
}

/// A straight piece of what is filled: `slope x fraction + constant`.
#[derive(Clone, Copy)]
struct Line {
    slope: i128,
    constant: i128,
}

/// What each own order and each piece of a step gets of `lots`, which are what the whole step is filled with: the exact fraction, rounded
/// down, then one lot each by largest remainder, own orders by sequence number before children by area number.
pub(super) fn share(curves: &[Curve], entries: &[Entry], step: &Step, lots: i128) -> (Vec<i128>, Vec<i128>) {
    let own = step.own.iter().map(|&number| entries[number].lots);
    let below = step.pieces.iter().map(|piece| piece.to - piece.from);
    if lots == 0 {
        return (own.map(|_| 0).collect(), below.map(|_| 0).collect());
    }
    if lots == step.to - step.from {
        return (own.collect(), below.collect());
    }
    let sharer = Sharer::of(curves, entries, step);
    let fraction = sharer.fraction_filling(lots);
    let own = step.own.iter().map(|&number| entries[number].lots * fraction.of);
    let below = sharer.below.iter().map(|below| below.passed_on(fraction));
    let exact: Vec<i128> = own.chain(below).collect();
    let mut whole: Vec<i128> = exact.iter().map(|exact| exact / fraction.in_all).collect();
    let mut turns: Vec<usize> = (0..exact.len()).collect();
    turns.sort_by_key(|&claim| {
        let own = step.own.get(claim).map(|&number| entries[number].sequence);
        let child = claim.checked_sub(step.own.len()).map(|piece| step.pieces[piece].child);
        (Reverse(exact[claim] % fraction.in_all), own.is_none(), own, child)
    });
    let left = lots - whole.iter().sum::<i128>();
    for claim in turns.into_iter().take(usize::try_from(left).expect("less than one lot for each")) {
        whole[claim] += 1;
    }
    let of_pieces = whole.split_off(step.own.len());
    (whole, of_pieces)
}

impl Sharer {
    fn of(curves: &[Curve], entries: &[Entry], step: &Step) -> Self {
        let below = step.pieces.iter().map(|piece| {
            let theirs = curves[piece.child].step_of(piece);
            let offset = match step.key.kind {
                Kind::Sell => theirs.from - piece.from,
                Kind::Buy => piece.to - theirs.to,
            };
            Below { sharer: Self::of(curves, entries, theirs), offset, most: piece.to - piece.from }
        });
        Self { own: step.own.iter().map(|&number| entries[number].lots).sum(), below: below.collect() }
    }

    /// What is filled at a fraction, times the fraction's denominator: a whole number.
    fn filled(&self, at: Fraction) -> i128 {
        self.own * at.of + self.below.iter().map(|below| below.passed_on(at)).sum::<i128>()
    }

    /// The fraction at which exactly so many lots are filled; where several are, what each order and child fills is the same at all.
    fn fraction_filling(&self, lots: i128) -> Fraction {
        let knots = self.knots();
        let end = (1..knots.len()).find(|&end| self.filled(knots[end]) >= lots * knots[end].in_all);
        let end = end.expect("a step is not filled with more than it holds");
        let line = self.line(knots[end - 1], knots[end]);
        if line.slope == 0 { knots[end] } else { Fraction { of: lots - line.constant, in_all: line.slope } }
    }

    /// The fractions, ascending, between which everything that is filled grows in straight lines: 0, 1, and wherever an edge begins or
    /// ceases to hold something back.
    fn knots(&self) -> Vec<Fraction> {
        let mut knots = vec![Fraction { of: 0, in_all: 1 }, Fraction { of: 1, in_all: 1 }];
        for below in &self.below {
            knots.extend(below.sharer.knots());
            knots.push(below.sharer.fraction_filling(-below.offset));
            knots.push(below.sharer.fraction_filling(below.most - below.offset));
        }
        knots.sort();
        knots
    }

    /// What is filled between two neighbouring knots.
    fn line(&self, from: Fraction, to: Fraction) -> Line {
        let mut line = Line { slope: self.own, constant: 0 };
        for below in &self.below {
            let Line { slope, constant } = below.line(from, to);
            line = Line { slope: line.slope + slope, constant: line.constant + constant };
        }
        line
    }
}

impl Below {
    /// What passes its edge at a fraction, times the fraction's denominator.
    fn passed_on(&self, at: Fraction) -> i128 {
        (self.sharer.filled(at) + self.offset * at.in_all).clamp(0, self.most * at.in_all)
    }

    fn line(&self, from: Fraction, to: Fraction) -> Line {
        if self.passed_on(to) == 0 {
            return Line { slope: 0, constant: 0 };
        }
        if self.passed_on(from) == self.most * from.in_all {
            return Line { slope: 0, constant: self.most };
        }
        let Line { slope, constant } = self.sharer.line(from, to);
        Line { slope, constant: constant + self.offset }
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fraction {}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        // Both are at most 2^61 or so: no product leaves 128 bits.
        (self.of * other.in_all).cmp(&(other.of * self.in_all))
    }
}

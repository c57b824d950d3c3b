//! Merging sorted runs of pieces: where an auction spends its time.

use super::curve::Piece;

/// Merges runs of pieces, the shortest ones in one go. Keeps its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Merger {
    merged: Vec<Piece>,
    spare: Vec<Piece>,
    /// Short runs, one behind the other, until they are sorted and merged together.
    short: Vec<Piece>,
    long: Vec<Piece>,
}

/// A run up to this length is cheaper sorted among its like than merged by itself.
const SHORT_MAX: usize = 8;

impl Merger {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.merged.clear();
        self.short.clear();
    }

    /// Takes in a sorted run of anything that is a piece.
    pub(super) fn add<T>(&mut self, run: &[T], piece: impl Fn(&T) -> Piece) {
        merge(&self.merged, run, piece, &mut self.spare);
        core::mem::swap(&mut self.merged, &mut self.spare);
    }

    /// Takes in the sorted run of at most `length` pieces that `append` appends to a list.
    pub(super) fn append<R>(&mut self, length: usize, append: impl FnOnce(&mut Vec<Piece>) -> R) -> R {
        if length <= SHORT_MAX {
            return append(&mut self.short);
        }
        let mut long = core::mem::take(&mut self.long);
        long.clear();
        let result = append(&mut long);
        self.add(&long, |piece| *piece);
        self.long = long;
        result
    }

    /// All pieces, sorted. Pieces of one step stand in any order.
    pub(super) fn finish(&mut self) -> &[Piece] {
        if !self.short.is_empty() {
            let mut short = core::mem::take(&mut self.short);
            short.sort_unstable_by_key(|piece| piece.key);
            self.add(&short, |piece| *piece);
            self.short = short;
        }
        &self.merged
    }
}

/// Without a branch on which is first: in price steps of two areas no processor guesses that.
fn merge<T>(left: &[Piece], right: &[T], piece: impl Fn(&T) -> Piece, merged: &mut Vec<Piece>) {
    merged.clear();
    merged.reserve(left.len() + right.len());
    let (mut at_left, mut at_right) = (0, 0);
    while let (Some(first), Some(second)) = (left.get(at_left), right.get(at_right)) {
        let second = piece(second);
        let is_right = second.key < first.key;
        merged.push(if is_right { second } else { *first });
        at_right += usize::from(is_right);
        at_left += usize::from(!is_right);
    }
    merged.extend_from_slice(&left[at_left..]);
    merged.extend(right[at_right..].iter().map(piece));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auction::step::StepKey;
    use crate::order::Side;
    use crate::units::Price;

    fn pieces(prices: &[i32]) -> Vec<Piece> {
        prices.iter().map(|price| Piece { key: StepKey::order(Side::Sell, Price(*price)), size: 1 }).collect()
    }

    #[test]
    fn runs_of_all_lengths_are_merged_in_order() {
        let mut merger = Merger::default();
        for _ in 0..2 {
            merger.clear();
            merger.add(&pieces(&[1, 4, 9]), |piece| *piece);
            merger.add(&pieces(&[]), |piece| *piece);
            for run in [pieces(&[7]), pieces(&[2, 3]), pieces(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])] {
                merger.append(run.len(), |list| list.extend(run));
            }
            let sorted: Vec<i64> = merger.finish().iter().filter_map(|piece| piece.key.price()).collect();
            assert_eq!(sorted, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 7, 8, 9, 9, 10, 11]);
        }
    }
}

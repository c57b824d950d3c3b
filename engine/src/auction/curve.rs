//! Curves: what an area and all below it export, step by step, and how an edge cuts them (MARKET section 5, Curve and Edge).

use super::step::StepKey;

/// A step of a curve. It ends where the next one starts; the last of a curve is [`StepKey::END`] at the curve's end.
/// Energies are in lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Its place in the order of steps, in the area's own prices.
    pub(super) key: StepKey,
    /// Net export before it is taken.
    pub(super) start: i64,
}

/// Energy that is added at a step: an order, or a piece of a child's curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// At which step.
    pub(super) key: StepKey,
    /// How many lots.
    pub(super) size: i64,
}

/// An edge as a curve is cut by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// The most lots up.
    pub(super) up: i64,
    /// The most lots down.
    pub(super) down: i64,
    /// What a unit that flows up pays.
    pub(super) fee_up: i64,
    /// What a unit that flows down pays.
    pub(super) fee_down: i64,
}

/// Net export when all steps before `key` are taken.
pub(super) fn export_before(curve: &[Step], key: StepKey) -> i64 {
    curve[curve.partition_point(|step| step.key < key).min(curve.len() - 1)].start
}

/// Appends the curve that begins at `start` and adds the pieces, which are sorted; pieces of one step become one step.
pub(super) fn append_curve(pieces: &[Piece], mut start: i64, steps: &mut Vec<Step>) {
    let mut last = None;
    for piece in pieces.iter().filter(|piece| piece.size > 0) {
        if last != Some(piece.key) {
            steps.push(Step { key: piece.key, start });
            last = Some(piece.key);
        }
        start += piece.size;
    }
    steps.push(Step { key: StepKey::END, start });
}

impl Cut {
    /// Appends what the parent sees of a child's curve, in the parent's prices: no more than the capacities, the import part cheaper by
    /// the fee down, the export part dearer by the fee up. Returns where it starts.
    pub(super) fn append_pieces(&self, curve: &[Step], pieces: &mut Vec<Piece>) -> i64 {
        let from = curve[0].start.max(-self.down);
        let to = curve[curve.len() - 1].start.min(self.up);
        let first = curve.partition_point(|step| step.start <= from) - 1;
        for pair in curve[first..].windows(2).take_while(|pair| pair[0].start < to) {
            let (key, start, end) = (pair[0].key, pair[0].start.max(from), pair[1].start.min(to));
            if start < 0 {
                pieces.push(Piece { key: key.shifted(-self.fee_down), size: end.min(0) - start });
            }
            if end > 0 {
                pieces.push(Piece { key: key.shifted(self.fee_up), size: end - start.max(0) });
            }
        }
        from
    }

    /// What the child exports when the parent has taken all steps before `key`, which is in the parent's prices.
    pub(super) fn export_before(&self, curve: &[Step], key: StepKey) -> i64 {
        let importing = export_before(curve, key.shifted(self.fee_down));
        if importing < 0 {
            return importing.max(-self.down);
        }
        let exporting = export_before(curve, key.shifted(-self.fee_up));
        exporting.clamp(0, self.up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Side;
    use crate::units::Price;

    fn piece(side: Side, price: i32, size: i64) -> Piece {
        Piece { key: StepKey::order(side, Price(price)), size }
    }

    /// ```text
    ///              child's curve                 what the parent sees (up 30, down 40, fee up 5, fee down 3)
    ///  50 |                  .-- buy  20
    ///  40 |           .------'   sell 50     45 |          .---   30, and no more
    ///  20 |     .-----'          sell 60     17 |  .-------'      the dead band lies between 17 and 45: nothing flows there
    ///     +--(-80)--(-20)--(0)--(50)         ---+ (-40)   0
    /// ```
    #[test]
    fn an_edge_cuts_a_curve_to_its_capacity_and_moves_import_down_and_export_up() {
        let mut steps = Vec::new();
        append_curve(
            &[piece(Side::Sell, 20, 60), piece(Side::Buy, 30, 20), piece(Side::Sell, 40, 50)],
            -80,
            &mut steps,
        );
        assert_eq!(steps.iter().map(|step| step.start).collect::<Vec<_>>(), [-80, -20, 0, 50]);
        let cut = Cut { up: 30, down: 40, fee_up: 5, fee_down: 3 };
        let mut pieces = Vec::new();
        assert_eq!(cut.append_pieces(&steps, &mut pieces), -40);
        assert_eq!(pieces, [piece(Side::Sell, 17, 20), piece(Side::Buy, 27, 20), piece(Side::Sell, 45, 30)]);
        let at = |price| cut.export_before(&steps, StepKey::order(Side::Sell, Price(price)));
        assert_eq!([17, 18, 27, 28, 45, 46].map(at), [-40, -20, -20, 0, 0, 30]);
    }

    #[test]
    fn a_step_across_zero_is_cut_at_zero() {
        let mut steps = Vec::new();
        append_curve(&[piece(Side::Sell, 20, 60)], -20, &mut steps);
        let cut = Cut { up: 100, down: 100, fee_up: 5, fee_down: 3 };
        let mut pieces = Vec::new();
        assert_eq!(cut.append_pieces(&steps, &mut pieces), -20);
        assert_eq!(pieces, [piece(Side::Sell, 17, 20), piece(Side::Sell, 25, 40)]);
    }
}

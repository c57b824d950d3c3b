//! What takes a workload's operations: our engine, its twin, and the order books of others.

use crate::workload::{Fill, Operation, TradeSequence, Workload};

/// Something that takes a workload's operations.
pub trait Driven {
    /// How many operations at a time [`Driven::announce`] is told of before they are carried out; none by default.
    const LOOK_AHEAD: usize = 0;

    /// Empty books, with room for all orders of the stream in whatever the driver keeps beside them.
    fn fresh(workload: &Workload) -> Self;

    /// Says which operations come next, so that what they need can be brought into the caches. Changes nothing.
    fn announce(&mut self, _: &[Operation]) {}

    /// Carries out one operation.
    fn carry_out(&mut self, operation: &Operation);

    /// Reports the trades of the last operation, in their order.
    fn visit_fills(&self, visit: &mut dyn FnMut(Fill));

    /// Carries out the operation at a place of a stream, announcing it with those behind it where a batch begins and there is look-ahead.
    #[inline]
    fn step(&mut self, operations: &[Operation], place: usize) {
        if Self::LOOK_AHEAD > 0 && place.is_multiple_of(Self::LOOK_AHEAD) {
            let end = operations.len().min(place + Self::LOOK_AHEAD);
            self.announce(&operations[place..end]);
        }
        self.carry_out(&operations[place]);
    }
}

/// Books filled by the prelude of a workload.
pub fn filled<D: Driven>(workload: &Workload) -> D {
    let mut driven = D::fresh(workload);
    workload.prelude.iter().for_each(|operation| driven.carry_out(operation));
    driven
}

/// How many trades the first `count` operations make, and a hash over all of them in their order.
pub fn trade_sequence<D: Driven>(workload: &Workload, count: usize) -> (u64, u64) {
    let (mut driven, mut trades) = (filled::<D>(workload), TradeSequence::default());
    for place in 0..workload.operations.len().min(count) {
        driven.step(&workload.operations, place);
        driven.visit_fills(&mut |fill| trades.push(fill));
    }
    trades.finish()
}

//! Where a step stands among the others: by price, and at one price sells before borders before buys.

use crate::order::Side;
use crate::units::Price;

/// A place in the order of steps: four times the price, plus the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StepKey(i64);

/// What a step is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepKind {
    /// Sells that begin to deliver.
    Sell,
    /// A given price.
    Border,
    /// Buys that give their energy back.
    Buy,
}

impl StepKey {
    /// A sell that is placed beyond every price. Four times a price and a path of fees stays far below 2^59.
    const BEFORE_ALL: Self = Self(-(1 << 60));
    /// A buy that is placed beyond every price.
    const AFTER_ALL: Self = Self((1 << 60) | 2);
    /// Behind the last step.
    pub(super) const END: Self = Self(i64::MAX);

    /// The step of an order.
    pub(super) fn order(side: Side, price: Price) -> Self {
        Self(i64::from(price.0) * 4 + if side == Side::Sell { 0 } else { 2 })
    }

    /// The step of a given price.
    pub(super) fn border(price: Price) -> Self {
        Self(i64::from(price.0) * 4 + 1)
    }

    /// The step of what is placed beyond every price.
    pub(super) fn injection(side: Side) -> Self {
        if side == Side::Sell { Self::BEFORE_ALL } else { Self::AFTER_ALL }
    }

    /// The same step seen over an edge where prices are higher by `fee`. What is beyond every price stays there.
    pub(super) fn shifted(self, fee: i64) -> Self {
        if self.price().is_some() { Self(self.0 + fee * 4) } else { self }
    }

    /// The place right behind this one.
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its limit; nothing if it is beyond every price.
    pub(super) fn price(self) -> Option<i64> {
        (self.0.unsigned_abs() < 1 << 59).then_some(self.0 >> 2)
    }

    /// What it is made of.
    pub(super) fn kind(self) -> StepKind {
        match self.0 & 3 {
            0 => StepKind::Sell,
            1 => StepKind::Border,
            _ => StepKind::Buy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_by_price_and_sells_before_borders_before_buys() {
        let keys = [
            StepKey::injection(Side::Sell),
            StepKey::order(Side::Buy, Price(i32::MIN)),
            StepKey::order(Side::Sell, Price(-1)),
            StepKey::border(Price(-1)),
            StepKey::order(Side::Buy, Price(-1)),
            StepKey::order(Side::Sell, Price(0)),
            StepKey::order(Side::Sell, Price(i32::MAX)),
            StepKey::injection(Side::Buy),
            StepKey::END,
        ];
        assert!(keys.is_sorted_by(|a, b| a < b));
        assert_eq!(keys.map(StepKey::price)[1..7], [i64::from(i32::MIN), -1, -1, -1, 0, i64::from(i32::MAX)].map(Some));
        assert_eq!(keys[4].kind(), StepKind::Buy);
        assert_eq!(keys[3].shifted(-7), StepKey::border(Price(-8)));
        assert_eq!(keys[0].shifted(9), keys[0]);
        assert_eq!(keys[7].shifted(9), keys[7]);
    }
}

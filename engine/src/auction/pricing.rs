//! The price of an area, and what set it (MARKET section 5, Root to leaf: price).

use super::clearing::{Case, Failure};
use super::curve::{Cut, Step};
use super::step::{StepKey, StepKind};

/// Where an area's net export lies on its curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Inside a step: it is marginal, and shared.
    Inside {
        /// The step.
        key: StepKey,
        /// The lots of it that are taken.
        taken: i64,
        /// The lots of it that are not.
        left: i64,
    },
    /// Between two steps.
    Between {
        /// The last step taken, if any.
        last: Option<StepKey>,
        /// The first not taken, or the end.
        first: StepKey,
    },
}

/// What an area pays, as its children see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pricing {
    /// The price; nothing if the area failed.
    pub(super) price: Option<i64>,
    /// Whether anything says something about the price, or it is zero for want of anything.
    pub(super) is_bounded: bool,
    /// What set it, whether or not anything was traded.
    pub(super) case: Case,
}

/// The parent's price and the edge to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Above {
    pub(super) price: Pricing,
    pub(super) cut: Cut,
}

/// The prices that an area may have. Nothing: no bound.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    lo: Option<i64>,
    hi: Option<i64>,
}

impl Place {
    /// Where `export` lies on the curve.
    pub(super) fn of(curve: &[Step], export: i64) -> Self {
        let after = curve.partition_point(|step| step.start < export);
        assert!(after < curve.len(), "a net export lies on the area's curve");
        let last = after.checked_sub(1).map(|last| curve[last]);
        let next = curve[after];
        match last {
            Some(step) if next.start > export => {
                Self::Inside { key: step.key, taken: export - step.start, left: next.start - export }
            }
            last => {
                assert_eq!(next.start, export, "a net export lies on the area's curve");
                Self::Between { last: last.map(|step| step.key), first: next.key }
            }
        }
    }

    /// The first step that is not taken whole.
    pub(super) fn first_left(self) -> StepKey {
        match self {
            Self::Inside { key, .. } => key,
            Self::Between { first, .. } => first,
        }
    }

    /// The limits of the last step taken and the first not taken. What is placed beyond every price bounds nothing; where it is not
    /// placed whole there is no price.
    fn interval(self) -> Result<Interval, Failure> {
        let not_placed = |sell: StepKey| sell.price().is_none() && sell.kind() == StepKind::Sell;
        let given_back = |buy: StepKey| buy.price().is_none() && buy.kind() == StepKind::Buy;
        match self {
            Self::Inside { key, .. } => {
                let limit = Some(key.price().ok_or(Failure::Unplaced)?);
                Ok(Interval { lo: limit, hi: limit })
            }
            Self::Between { last, first } => {
                let is_end = first == StepKey::END;
                if last.is_some_and(given_back) || (!is_end && not_placed(first)) {
                    return Err(Failure::Unplaced);
                }
                Ok(Interval { lo: last.and_then(StepKey::price), hi: first.price() })
            }
        }
    }
}

impl Interval {
    /// Cuts it by what the parent's price says over the edge: full where the flow is at capacity, else both ways.
    fn cut(&mut self, by: Interval) {
        self.lo = self.lo.max(by.lo);
        self.hi = match (self.hi, by.hi) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
    }

    /// The midpoint, rounded down to the tick; the finite end if only one is.
    fn price(self, tick: i64) -> Option<i64> {
        match (self.lo, self.hi) {
            // Prices off the tick are given ones; rounding must not leave the interval.
            (Some(lo), Some(hi)) => Some(((lo + hi).div_euclid(2 * tick) * tick).max(lo)),
            (lo, hi) => lo.or(hi),
        }
    }
}

impl Above {
    /// What the parent's price says about an area that exports `export`.
    fn interval(&self, export: i64) -> Interval {
        let Some(parent) = self.price.price else { return Interval::default() };
        let Cut { up, down, fee_up, fee_down } = self.cut;
        let (exporting, importing) = (Some(parent - fee_up), Some(parent + fee_down));
        let (lo, hi) = match export.signum() {
            1 => (exporting.filter(|_| export < up), exporting),
            -1 => (importing, importing.filter(|_| -export < down)),
            _ => (exporting.filter(|_| up > 0), importing.filter(|_| down > 0)),
        };
        Interval { lo, hi }
    }
}

/// The price of an area whose net export lies at `place`.
pub(super) fn price(tick: i64, place: Place, export: i64, above: Option<&Above>, given: Option<i64>) -> Pricing {
    if let Some(given) = given {
        return Pricing { price: Some(given), is_bounded: true, case: Case::Border };
    }
    let mut interval = match place.interval() {
        Ok(interval) => interval,
        Err(failure) => return Pricing { price: None, is_bounded: false, case: Case::Failed(failure) },
    };
    let by_parent = above.map(|above| above.interval(export)).unwrap_or_default();
    interval.cut(by_parent);
    let case = match (place, above) {
        (Place::Inside { key, .. }, _) => match key.kind() {
            StepKind::Sell => Case::MarginalSeller,
            StepKind::Border => Case::Border,
            StepKind::Buy => Case::MarginalBuyer,
        },
        // The edge leaves no choice: what set the parent's price set this one.
        (_, Some(above)) if by_parent.lo.is_some() && by_parent.lo == by_parent.hi => above.price.case,
        _ => Case::Exact,
    };
    let price = interval.price(tick);
    Pricing { price: Some(price.unwrap_or(0)), is_bounded: price.is_some(), case }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_midpoint_is_rounded_down_to_the_tick_below_zero_too() {
        let price = |lo, hi| Interval { lo, hi }.price(10);
        assert_eq!(price(Some(20), Some(50)), Some(30));
        assert_eq!(price(Some(-50), Some(-20)), Some(-40));
        assert_eq!(price(Some(-10), Some(0)), Some(-10));
        assert_eq!(price(Some(70), None), Some(70));
        assert_eq!(price(None, Some(-30)), Some(-30));
        assert_eq!(price(None, None), None);
        assert_eq!(price(Some(13), Some(13)), Some(13), "a given price off the tick stays what it is");
    }
}

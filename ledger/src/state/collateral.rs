//! What an order must be able to lose before it is let in (MARKET section 7, Collateral).

use gridbook_engine::{Energy, Money, Price, Side};

use crate::conduct::ShareRules;
use crate::genesis::SettlementRules;

/// One million parts per million: the whole.
pub const PPM: u32 = 1_000_000;

/// What collateral is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollateralRules {
    /// Upper bound of the imbalance price for being short (`up_cap`), at least 0.
    pub short_price_cap: Price,
    /// Lower bound of the imbalance price for being long (`down_floor`), at most 0.
    pub long_price_floor: Price,
    /// How much of the possible imbalance is covered, by conduct.
    pub shares: ShareRules,
}

impl From<&SettlementRules> for CollateralRules {
    fn from(rules: &SettlementRules) -> Self {
        let SettlementRules { short_price_cap, long_price_floor, share_ppm, share_worst_ppm, .. } = *rules;
        Self {
            short_price_cap,
            long_price_floor,
            shares: ShareRules { best_ppm: share_ppm, worst_ppm: share_worst_ppm },
        }
    }
}

impl CollateralRules {
    /// The collateral of an account whose share is `share_ppm`.
    pub fn at(&self, share_ppm: u32) -> Collateral {
        let Self { short_price_cap, long_price_floor, .. } = *self;
        Collateral { short_price_cap, long_price_floor, share_ppm }
    }
}

/// What the orders of one account must be covered by.
///
/// An order reserves, per kWh, the larger of what it may have to pay at its price and `share_ppm` of what it may have to pay
/// for an imbalance at the worst imbalance price. Where the prices are bounded by 0, that is nothing more than the first, up to a share
/// of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collateral {
    short_price_cap: Price,
    long_price_floor: Price,
    share_ppm: u32,
}

impl Collateral {
    /// What an order of this side and limit reserves while it is open.
    pub fn reserve(&self, side: Side, limit: Price, energy: Energy) -> Money {
        times(self.rate(side, limit), energy)
    }

    /// What a trade at `price` keeps reserved until it is settled, after its own payment has been made.
    ///
    /// A trade never costs more than the limit: `payment + held <= reserve` at the limit, and the difference is freed.
    pub fn held(&self, side: Side, price: Price, energy: Energy) -> Money {
        times(self.rate(side, price) - own_payment(side, price), energy)
    }

    /// What one side of a trade pays into clearing: a buyer a positive price, a seller a negative one.
    pub fn payment(&self, side: Side, price: Price, energy: Energy) -> Money {
        times(own_payment(side, price), energy)
    }

    /// Reservation per kWh. The share is rounded up, per kWh, so that parts of an order add up to the order exactly.
    fn rate(&self, side: Side, price: Price) -> i64 {
        let distance = match side {
            Side::Buy => i64::from(price.0) - i64::from(self.long_price_floor.0),
            Side::Sell => i64::from(self.short_price_cap.0) - i64::from(price.0),
        };
        let ppm = i64::from(PPM);
        let share = (distance.max(0) * i64::from(self.share_ppm) + ppm - 1) / ppm;
        own_payment(side, price).max(share)
    }
}

fn own_payment(side: Side, price: Price) -> i64 {
    match side {
        Side::Buy => i64::from(price.0).max(0),
        Side::Sell => -i64::from(price.0).min(0),
    }
}

fn times(rate: i64, energy: Energy) -> Money {
    Money(i128::from(rate) * i128::from(energy.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(short_price_cap: i32, long_price_floor: i32, share_ppm: u32) -> Collateral {
        let (short_price_cap, long_price_floor) = (Price(short_price_cap), Price(long_price_floor));
        CollateralRules { short_price_cap, long_price_floor, ..CollateralRules::default() }.at(share_ppm)
    }

    #[test]
    fn by_default_each_side_covers_only_what_it_may_have_to_pay() {
        let rules = CollateralRules::default().at(PPM);
        assert_eq!(rules.reserve(Side::Buy, Price(250), Energy(4)), Money(1_000));
        assert_eq!(rules.reserve(Side::Buy, Price(-250), Energy(4)), Money(0));
        assert_eq!(rules.reserve(Side::Sell, Price(250), Energy(4)), Money(0));
        assert_eq!(rules.reserve(Side::Sell, Price(-250), Energy(4)), Money(1_000));
        assert_eq!(rules.held(Side::Buy, Price(200), Energy(4)), Money(0));
    }

    #[test]
    fn a_seller_covers_the_imbalance_he_may_cause_and_the_trade_keeps_it() {
        let rules = CollateralRules { short_price_cap: Price(1_000), ..CollateralRules::default() }.at(PPM);
        assert_eq!(rules.reserve(Side::Sell, Price(250), Energy(2)), Money(1_500));
        assert_eq!(rules.held(Side::Sell, Price(300), Energy(2)), Money(1_400));
        assert_eq!(rules.held(Side::Sell, Price(-10), Energy(2)), Money(2_000), "its payment of 20 is made, not held");
    }

    #[test]
    fn parts_of_an_order_reserve_exactly_what_the_order_does() {
        let rules = bounded(1_001, -7, 333_333);
        for side in [Side::Buy, Side::Sell] {
            for price in -50..50 {
                let whole = rules.reserve(side, Price(price), Energy(10));
                let parts = rules.reserve(side, Price(price), Energy(3)) + rules.reserve(side, Price(price), Energy(7));
                assert_eq!(whole, parts);
            }
        }
    }

    #[test]
    fn a_better_price_never_needs_more_than_the_limit_reserved() {
        for share_ppm in [700_001, 1_900_000] {
            let rules = bounded(90, -70, share_ppm);
            for limit in -100..100 {
                for better in 0..50 {
                    for (side, price) in [(Side::Buy, limit - better), (Side::Sell, limit + better)] {
                        let (price, energy) = (Price(price), Energy(1));
                        let used = rules.payment(side, price, energy) + rules.held(side, price, energy);
                        assert!(used <= rules.reserve(side, Price(limit), energy));
                    }
                }
            }
        }
    }
}

//! What missing and surplus energy is worth in a contract (MARKET section 7, rules 3 and 4, and the bounds of its collateral).

use gridbook_engine::{Energy, Money, Price};

use crate::genesis::SettlementRules;

/// The imbalance prices of a contract, within the bounds of the genesis, and what its market said the energy was worth.
///
/// Only [`ImbalancePrices::new`] makes them, so `short_price >= long_price` holds, and with it that an area's surplus is never negative.
/// The price of an imbalance is settled here once for a contract, not once for each of its meters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImbalancePrices {
    short_price: Price,
    long_price: Price,
    rest: RestPrices,
    floor: Price,
    cap: Price,
}

/// What imbalance costs a meter beyond its own trades, the reference taken into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestPrices {
    /// Paid for a kWh that is missing: `max(up, ref)`.
    pub short: Price,
    /// Got for a kWh too much: `min(down, ref)`.
    pub long: Price,
}

/// Why two prices cannot be the imbalance prices of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImbalancePricesError {
    /// Being long would pay better than being short costs: whoever owns two meters could live on that.
    #[error("missing energy must cost at least what energy too much brings")]
    Order,
    /// Collateral covers no such price.
    #[error("an imbalance price is beyond the bounds that the genesis sets and collateral covers")]
    Bounds,
}

impl ImbalancePrices {
    /// What missing energy costs and what energy too much brings, with no reference yet.
    ///
    /// # Errors
    /// If they are out of order, or beyond `short_price_cap` and `long_price_floor`.
    pub fn new(short_price: Price, long_price: Price, rules: &SettlementRules) -> Result<Self, ImbalancePricesError> {
        let (floor, cap) = (rules.long_price_floor, rules.short_price_cap);
        if short_price < long_price {
            Err(ImbalancePricesError::Order)
        } else if long_price < floor || short_price > cap {
            Err(ImbalancePricesError::Bounds)
        } else {
            let rest = RestPrices { short: short_price, long: long_price };
            Ok(Self { short_price, long_price, rest, floor, cap })
        }
    }

    /// With the reference of the contract, whatever it was before. The bounds of the genesis hold for it too: beyond them it counts as
    /// the bound, so that collateral covers what it can do.
    pub fn with_reference(self, reference: Reference) -> Self {
        let bounded = |price: Price| price.clamp(self.floor, self.cap);
        let (short, long) = match reference {
            Reference::None => (self.short_price, self.long_price),
            Reference::Auction(price) => (self.short_price.max(bounded(price)), self.long_price.min(bounded(price))),
            Reference::Mean(MeanPrice { down, up }) => {
                (self.short_price.max(bounded(up)), self.long_price.min(bounded(down)))
            }
        };
        Self { rest: RestPrices { short, long }, ..self }
    }

    /// What energy costs upstream: `up` of MARKET section 7.
    pub fn short_price(&self) -> Price {
        self.short_price
    }

    /// What energy brings upstream: `down` of MARKET section 7.
    pub fn long_price(&self) -> Price {
        self.long_price
    }

    /// What a meter pays for a kWh that it is short of and did not sell itself: `max(up, ref)`.
    pub fn short_rest(&self) -> Price {
        self.rest.short
    }

    /// What a meter gets for a kWh that it has too much and did not buy itself: `min(down, ref)`.
    pub fn long_rest(&self) -> Price {
        self.rest.long
    }

    /// Both of these.
    pub fn rest(&self) -> RestPrices {
        self.rest
    }
}

/// What the market of a contract said the energy was worth (MARKET section 7, rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// No auction accepted energy and nothing else was traded between organisations: it is left out of every comparison.
    None,
    /// The price of the last auction with energy accepted.
    Auction(Price),
    /// Else the mean of the trades on the market between accounts of different organisations, each price within the bounds of the genesis.
    /// What two have agreed between themselves, or would trade with each other only, is not the market's price.
    Mean(MeanPrice),
}

/// An energy-weighted mean of prices, between the two whole prices next to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeanPrice {
    down: Price,
    up: Price,
}

impl Reference {
    /// The mean of trades that came to this money for this energy; none where no energy was traded.
    ///
    /// "Rounded to the worse side" means up for who is short and pays it, and down for who is long and gets it; both are kept. `money`
    /// and `energy` are sums over trades, so the mean is a price; whatever else is given counts as the nearest price there is.
    pub fn mean(money: Money, energy: Energy) -> Self {
        if energy.is_zero() {
            return Self::None;
        }
        let energy = i128::from(energy.0);
        let down = money.0.div_euclid(energy);
        let up = if money.0.rem_euclid(energy) == 0 { down } else { down + 1 };
        Self::Mean(MeanPrice { down: nearest_price(down), up: nearest_price(up) })
    }
}

impl MeanPrice {
    /// For who is long.
    pub fn down(self) -> Price {
        self.down
    }

    /// For who is short.
    pub fn up(self) -> Price {
        self.up
    }
}

fn nearest_price(value: i128) -> Price {
    let bounded = value.clamp(i128::from(i32::MIN), i128::from(i32::MAX));
    Price(i32::try_from(bounded).expect("it was brought between the bounds of an i32"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Imbalance costs 600 and brings 20; nothing is taken for more than 1,000 or less than -200.
    fn prices() -> ImbalancePrices {
        ImbalancePrices::new(Price(600), Price(20), &rules()).unwrap()
    }

    fn rules() -> SettlementRules {
        SettlementRules { short_price_cap: Price(1_000), long_price_floor: Price(-200), ..SettlementRules::metered() }
    }

    fn rests(reference: Reference) -> (i32, i32) {
        let prices = prices().with_reference(reference);
        (prices.short_rest().0, prices.long_rest().0)
    }

    #[test]
    fn without_a_reference_only_the_two_prices_count() {
        assert_eq!(rests(Reference::None), (600, 20));
        assert_eq!(rests(Reference::mean(Money(0), Energy(0))), (600, 20), "nothing traded is no reference");
    }

    /// Dearer than 600, it is what missing energy costs; cheaper than 20, what surplus energy brings; between, it changes nothing.
    #[test]
    fn the_last_auction_makes_imbalance_worse_and_never_better() {
        assert_eq!(rests(Reference::Auction(Price(700))), (700, 20));
        assert_eq!(rests(Reference::Auction(Price(300))), (600, 20));
        assert_eq!(rests(Reference::Auction(Price(-50))), (600, -50));
    }

    /// 3 Wh for 2,002: 667 and a third. Who pays it pays 668, who gets it gets 667; at -667 and a third it is -667 and -668.
    #[test]
    fn a_mean_is_rounded_to_the_worse_side_of_whoever_meets_it() {
        let Reference::Mean(mean) = Reference::mean(Money(2_002), Energy(3)) else { panic!("energy was traded") };
        assert_eq!((mean.down(), mean.up()), (Price(667), Price(668)));
        let Reference::Mean(mean) = Reference::mean(Money(-2_002), Energy(3)) else { panic!("energy was traded") };
        assert_eq!((mean.down(), mean.up()), (Price(-668), Price(-667)));
        assert_eq!(rests(Reference::mean(Money(2_002), Energy(3))), (668, 20));
        // 3 Wh for 58 and for 61: 19 and a third, 20 and a third.
        assert_eq!(rests(Reference::mean(Money(58), Energy(3))), (600, 19));
        assert_eq!(rests(Reference::mean(Money(61), Energy(3))), (600, 20));
        assert_eq!(Reference::mean(Money(2_001), Energy(3)), Reference::mean(Money(667), Energy(1)), "667 exactly");
    }

    /// Collateral is reckoned from the bounds, so nothing that meets anyone may lie beyond them.
    #[test]
    fn a_reference_beyond_the_bounds_counts_as_the_bound() {
        assert_eq!(rests(Reference::Auction(Price(5_000))), (1_000, 20));
        assert_eq!(rests(Reference::Auction(Price(-5_000))), (600, -200));
        assert_eq!(rests(Reference::mean(Money(i128::MAX), Energy(1))), (1_000, 20));
        assert_eq!(rests(Reference::mean(Money(i128::MIN), Energy(u64::MAX))), (600, -200));
    }

    #[test]
    fn prices_that_would_pay_for_imbalance_or_that_nothing_covers_are_refused() {
        let new = |short, long| ImbalancePrices::new(Price(short), Price(long), &rules());
        assert_eq!(new(19, 20), Err(ImbalancePricesError::Order));
        assert_eq!(new(1_001, 20), Err(ImbalancePricesError::Bounds));
        assert_eq!(new(600, -201), Err(ImbalancePricesError::Bounds));
        assert!(new(1_000, -200).is_ok() && new(20, 20).is_ok());
    }
}

//! That an area's energy and money add up in a period, and what is left for its operator (MARKET section 7, rule 8).

use gridbook_engine::{Money, Price};

use super::meter::MeterSettlement;
use super::prices::ImbalancePrices;
use crate::state::PPM;

/// The most energy that sums of an area may hold: more than the world will ever use, and little enough that it can be multiplied by any
/// price.
const ENERGY_WH_MAX: u128 = 1 << 90;

/// The most money: little enough that a few such sums can be added.
const MONEY_MAX: u128 = 1 << 122;

// An amount of energy less another, at the largest price there is, and a few of those together.
const _: () = assert!(2 * ENERGY_WH_MAX * (1 << 31) <= MONEY_MAX && MONEY_MAX * 16 <= i128::MAX.unsigned_abs());

/// Sums over the meters of one area in one period, added up meter by meter, in slices if need be. Plain numbers, so that they go into
/// snapshots as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaSums {
    /// What the area's trades send to other areas, less what they bring in, in Wh: known before the first meter is added.
    pub exchange_wh: i128,
    /// What its meters gave out, less what they took in, in Wh.
    pub net_wh: i128,
    /// What its meters sold, less what they bought, in Wh.
    pub contracted_wh: i128,
    /// The sum of its meters' imbalances, in Wh.
    pub imbalance_wh: i128,
    /// What all of its meters pay the imbalance account.
    pub charges: Money,
    /// Whether every settlement added so far was one: `imbalance = net - contracted`, and no sum beyond all reason.
    pub is_sound: bool,
}

/// How an area's imbalance account is closed. All four amounts are postings of that account, and they leave it at nothing:
/// `charges + losses = upstream + surplus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AreaClose {
    /// What the meters pay in.
    pub charges: Money,
    /// Energy sold upstream, in Wh; negative where it had to be bought there.
    pub upstream_wh: i128,
    /// What is paid upstream: a purchase at `short_price`. Negative is received: a sale at `long_price`.
    pub upstream: Money,
    /// Energy lost on the way, in Wh; negative where the area's meters showed less than left it, which their errors can bring about.
    pub losses_wh: i128,
    /// What the area's operator pays for the losses, at `short_price`. Negative is received, for energy found, at `long_price`.
    pub losses: Money,
    /// What is left, to the area's operator; never negative.
    pub surplus: Money,
}

/// Why an area's period cannot be settled. It is frozen and reported; others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AreaFault {
    /// Something that was added up was no settlement of a meter, or a sum is beyond all numbers.
    #[error("a meter's settlement does not hold, or a sum is too large")]
    Unsound,
    /// Trades have two sides: what an area sold in all must be what it sends out.
    #[error("its meters sold {contracted_wh} Wh more than they bought, but its trades send {exchange_wh} Wh out")]
    Contracted {
        /// Sold less bought, over its meters.
        contracted_wh: i128,
        /// What trades with other areas send out, less what they bring in.
        exchange_wh: i128,
    },
    /// More lost, or found, than the genesis allows.
    #[error("{losses_wh} Wh lost in an area where {throughput_wh} Wh flowed: more than the genesis allows")]
    Losses {
        /// What is missing.
        losses_wh: i128,
        /// What flowed.
        throughput_wh: u128,
    },
    /// Settlement would pay out more than comes in.
    #[error("its imbalance account would be left with {0}")]
    Deficit(Money),
}

impl AreaSums {
    /// The sums over no meter yet, of an area whose trades send so much more to other areas than they bring in.
    pub fn new(exchange_wh: i128) -> Self {
        let (net_wh, contracted_wh, imbalance_wh) = (0, 0, 0);
        Self { exchange_wh, net_wh, contracted_wh, imbalance_wh, charges: Money::ZERO, is_sound: true }
    }

    /// Adds one meter.
    pub fn add(&mut self, meter: &MeterSettlement) {
        self.count(meter, i128::checked_add);
    }

    /// Puts a corrected settlement of a meter in the place of the one that was added.
    pub fn replace(&mut self, old: &MeterSettlement, new: &MeterSettlement) {
        self.count(old, i128::checked_sub);
        self.count(new, i128::checked_add);
    }

    fn count(&mut self, meter: &MeterSettlement, with: fn(i128, i128) -> Option<i128>) {
        let MeterSettlement { net_wh, contracted_wh, imbalance_wh, own_trades, rest } = *meter;
        let sum = |so_far, one, most| with(so_far, one).filter(|sum: &i128| sum.unsigned_abs() <= most);
        let counted = || {
            let charge = own_trades.0.checked_add(rest.0)?;
            (net_wh.checked_sub(contracted_wh)? == imbalance_wh).then_some(())?;
            Some(Self {
                net_wh: sum(self.net_wh, net_wh, ENERGY_WH_MAX)?,
                contracted_wh: sum(self.contracted_wh, contracted_wh, ENERGY_WH_MAX)?,
                imbalance_wh: sum(self.imbalance_wh, imbalance_wh, ENERGY_WH_MAX)?,
                charges: Money(sum(self.charges.0, charge, MONEY_MAX)?),
                ..*self
            })
        };
        *self = counted().unwrap_or(Self { is_sound: false, ..*self });
    }

    /// Checks both conservation sums and says what closes the imbalance account.
    ///
    /// - Energy: what the meters sold less what they bought is what the area's trades send out, so its imbalances are what its meters gave
    ///   beyond that; of this the losses take their part and the rest goes upstream. `losses_wh` is what the meters gave in all less what
    ///   was measured to leave the area, 0 where nobody measures that; at most `loss_bound_ppm` of `throughput_wh`.
    /// - Money: charges and what the operator pays for losses, less what upstream gets, is the surplus. It cannot be negative: who is
    ///   short pays at least `short_price`, who is long gets at most `long_price`, and each Wh that is not bought or sold upstream was
    ///   taken from somebody long, or from the losses, and given to somebody short. Checked all the same, because here is the money.
    ///
    /// MARKET says what losses cost, and not what energy is worth that meters fail to show: like any other surplus, `long_price`, so
    /// that the operator does not earn on the errors of meters.
    ///
    /// # Errors
    /// The first sum that does not hold.
    pub fn close(
        &self,
        prices: &ImbalancePrices,
        losses_wh: i128,
        loss_bound_ppm: u32,
        throughput_wh: u128,
    ) -> Result<AreaClose, AreaFault> {
        let Self { exchange_wh, net_wh, contracted_wh, imbalance_wh, charges, is_sound } = *self;
        if !is_sound || net_wh - contracted_wh != imbalance_wh {
            return Err(AreaFault::Unsound);
        }
        if contracted_wh != exchange_wh {
            return Err(AreaFault::Contracted { contracted_wh, exchange_wh });
        }
        if !is_within(losses_wh, loss_bound_ppm, throughput_wh) {
            return Err(AreaFault::Losses { losses_wh, throughput_wh });
        }
        let upstream_wh = imbalance_wh - losses_wh;
        let (upstream, losses) = (for_missing(-upstream_wh, prices), for_missing(losses_wh, prices));
        let surplus = charges + losses - upstream;
        if surplus < Money::ZERO {
            return Err(AreaFault::Deficit(surplus));
        }
        Ok(AreaClose { charges, upstream_wh, upstream, losses_wh, losses, surplus })
    }
}

impl AreaClose {
    /// What a correction changes: the postings that lead from `before` to here. Here the surplus may be negative: what the operator got
    /// too much goes back, so it should stay untouched until the period is final.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            charges: self.charges - before.charges,
            upstream_wh: self.upstream_wh - before.upstream_wh,
            upstream: self.upstream - before.upstream,
            losses_wh: self.losses_wh - before.losses_wh,
            losses: self.losses - before.losses,
            surplus: self.surplus - before.surplus,
        }
    }
}

/// What so much missing energy costs; a negative amount is energy too much, and what it brings is negative too.
fn for_missing(missing_wh: i128, prices: &ImbalancePrices) -> Money {
    let Price(price) = if missing_wh > 0 { prices.short_price() } else { prices.long_price() };
    Money(missing_wh * i128::from(price))
}

/// Exact: a part per million of a bound is not rounded away. Beyond [`ENERGY_WH_MAX`] nothing is within any bound.
fn is_within(losses_wh: i128, bound_ppm: u32, throughput_wh: u128) -> bool {
    let losses_wh = losses_wh.unsigned_abs();
    losses_wh <= ENERGY_WH_MAX && losses_wh * u128::from(PPM) <= throughput_wh.saturating_mul(bound_ppm.into())
}

//! What one meter owes for the difference between what it traded and what it did (MARKET section 7, rules 2 and 3).
//!
//! **Signs.** A charge is what the meter's account pays the imbalance account: positive, it pays; negative, it receives. Being short costs
//! at positive prices, being long brings; at negative prices it is the other way round.
//!
//! The trades themselves are not touched: they were paid in full at their price. The charge takes back what was not delivered, at no
//! less than it was sold for, so energy that was not metered earns nothing.

use core::iter::Rev;
use core::slice;

use gridbook_engine::{Energy, Money, Price, Side};

use super::prices::{ImbalancePrices, RestPrices};
use super::reading::Delivery;

/// One meter's side of one trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeSide {
    /// Whether the meter bought or sold.
    pub side: Side,
    /// What this side pays or gets per kWh, fees included.
    pub price: Price,
    /// How much.
    pub energy: Energy,
}

/// What one meter's period comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterSettlement {
    /// What it gave out more than it took in, in Wh.
    pub net_wh: i128,
    /// What it sold more than it bought, in Wh.
    pub contracted_wh: i128,
    /// `net - contracted`: positive is long, negative is short.
    pub imbalance_wh: i128,
    /// What the account pays for the energy of its own trades that did not come about: sales not delivered, purchases not taken.
    pub own_trades: Money,
    /// ... and for the rest of the imbalance, beyond its own trades.
    pub rest: Money,
}

impl MeterSettlement {
    /// All that the account pays the imbalance account.
    pub fn charge(&self) -> Money {
        self.own_trades + self.rest
    }
}

/// What stands for a meter of which nobody knows what it did: as if it had taken `taken`, or nothing, whichever costs its account more. At prices
/// above nothing that is the energy; where somebody is paid for taking energy, a meter that says nothing is not.
pub fn against_its_owner(trades: &[TradeSide], taken: Delivery, prices: &ImbalancePrices) -> Delivery {
    let costs = |delivery| settle_meter(trades, delivery, prices).charge();
    let idle = Delivery::default();
    if costs(idle) > costs(taken) { idle } else { taken }
}

/// Settles one meter for one period. `trades` are its own sides of its trades in this contract, oldest first; whatever became of the other
/// sides is no business of this meter, and is not asked for.
pub fn settle_meter(trades: &[TradeSide], delivery: Delivery, prices: &ImbalancePrices) -> MeterSettlement {
    let (bought, sold) = gross_wh(trades);
    let (net_wh, contracted_wh) = (delivery.net_wh(), sold - bought);
    let imbalance_wh = net_wh - contracted_wh;
    let mut settled = MeterSettlement { net_wh, contracted_wh, imbalance_wh, ..MeterSettlement::default() };
    for portion in portions(trades, imbalance_wh, prices.rest()) {
        match portion.trade {
            Some(_) => settled.own_trades += portion.charge(),
            None => settled.rest += portion.charge(),
        }
    }
    settled
}

/// The parts of an imbalance, each at its price: the own trades of its kind, newest first, and then the rest. This is what a bill shows,
/// and what [`settle_meter`] adds up.
pub fn portions(trades: &[TradeSide], imbalance_wh: i128, prices: RestPrices) -> Portions<'_> {
    let (side, rest_price) = if imbalance_wh < 0 { (Side::Sell, prices.short) } else { (Side::Buy, prices.long) };
    Portions { newest_first: trades.iter().enumerate().rev(), side, rest_price, left_wh: imbalance_wh.unsigned_abs() }
}

/// A part of an imbalance that has one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// The place in the meter's trades of the one that did not come about, or none for the rest.
    pub trade: Option<usize>,
    /// Sell: energy that was missing. Buy: energy that was too much.
    pub side: Side,
    /// How much, in Wh; never 0.
    pub energy_wh: u128,
    /// At what price.
    pub price: Price,
}

impl Portion {
    /// What the account pays for it; negative where it receives.
    pub fn charge(&self) -> Money {
        let energy = i128::try_from(self.energy_wh).expect("a meter's imbalance is less than 2^127 Wh");
        let money = i128::from(self.price.0) * energy;
        Money(if self.side == Side::Sell { money } else { -money })
    }
}

/// See [`portions`].
#[derive(Clone, Debug)]
pub struct Portions<'a> {
    newest_first: Rev<core::iter::Enumerate<slice::Iter<'a, TradeSide>>>,
    side: Side,
    rest_price: Price,
    left_wh: u128,
}

impl Portions<'_> {
    /// Who is short pays at least what the sale brought, who is long gets at most what the purchase cost.
    fn own_price(&self, price: Price) -> Price {
        match self.side {
            Side::Sell => self.rest_price.max(price),
            Side::Buy => self.rest_price.min(price),
        }
    }
}

impl Iterator for Portions<'_> {
    type Item = Portion;

    fn next(&mut self) -> Option<Portion> {
        if self.left_wh == 0 {
            return None;
        }
        let side = self.side;
        let own = self.newest_first.find(|(_, trade)| trade.side == side && !trade.energy.is_zero());
        let (trade, energy_wh, price) = match own {
            Some((place, trade)) => (Some(place), self.left_wh.min(trade.energy.0.into()), self.own_price(trade.price)),
            None => (None, self.left_wh, self.rest_price),
        };
        self.left_wh -= energy_wh;
        Some(Portion { trade, side, energy_wh, price })
    }
}

/// What was bought and what was sold in all, in Wh.
pub(super) fn gross_wh(trades: &[TradeSide]) -> (i128, i128) {
    let (mut bought, mut sold) = (0, 0);
    for trade in trades {
        *(if trade.side == Side::Buy { &mut bought } else { &mut sold }) += i128::from(trade.energy.0);
    }
    (bought, sold)
}

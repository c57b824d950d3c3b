//! Orders of meters that meet about half of the time.

use gridbook_engine::{DeliveryPeriod, Energy, Price, Side};
use gridbook_ledger::command::Command;

use crate::dice::Dice;
use crate::town::{TRADED_PERIODS, order};

/// Draws orders: all of one size, buy or sell at a coin's toss, prices even between 200 and 300 in steps of 10. So an order meets one
/// that rests about every other time, and each meeting is one trade that fills both.
#[derive(Clone, Debug)]
pub struct Trading {
    dice: Dice,
    first_period: DeliveryPeriod,
    client_id: u64,
}

impl Trading {
    /// Orders for the periods from `first_period` on.
    pub fn new(seed: u64, first_period: DeliveryPeriod) -> Self {
        Self { dice: Dice::new(seed), first_period, client_id: 0 }
    }

    /// The next order, of this meter.
    pub fn next(&mut self, meter: u32) -> Command {
        self.client_id += 1;
        let side = if self.dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let price = Price(200 + 10 * i32::try_from(self.dice.below(11)).expect("it is below 11"));
        let period = DeliveryPeriod(self.first_period.0 + self.dice.small(TRADED_PERIODS));
        order(self.client_id, meter, period, side, price, Energy(100))
    }
}

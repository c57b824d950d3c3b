//! Truthful limits between the feed-in and the retail price.

use gridbook_engine::{DeliveryPeriod, Price, Side};

use super::orders::Leg;
use crate::draw::Draw;
use crate::meter::Meter;
use crate::sun::PPM;
use crate::town::TownConfig;

const MARGIN: u64 = 21;
const HOUR: u64 = 22;
const BATTERY_BUY: u64 = 23;
const BATTERY_SPAN: u64 = 24;

/// A meter's private values. Shares of the way from the feed-in to the retail price are in ppm.
#[derive(Clone, Debug)]
pub(super) struct Pricing {
    seed: Draw,
    tick: i64,
    feed_in: i64,
    retail: i64,
    horizon: u64,
    /// How far below retail it buys and above feed-in it sells, at the far end of the horizon.
    margin_ppm: u64,
    battery_buy_ppm: u64,
    battery_sell_ppm: u64,
}

impl Pricing {
    pub(super) fn new(meter: &Meter, config: &TownConfig) -> Self {
        let battery_buy_ppm = meter.seed.at(BATTERY_BUY).between(250_000, 400_000);
        Self {
            seed: meter.seed,
            tick: i64::from(config.rules.tick),
            feed_in: i64::from(config.feed_in.0),
            retail: i64::from(config.retail.0),
            horizon: u64::from(config.horizon),
            margin_ppm: meter.seed.at(MARGIN).between(100_000, 450_000),
            battery_buy_ppm,
            // At least 30 % of the way apart: more than the losses of a cycle cost.
            battery_sell_ppm: battery_buy_ppm + meter.seed.at(BATTERY_SPAN).between(300_000, 400_000),
        }
    }

    /// The limit of an order, on the tick, never above retail nor below feed-in.
    pub(super) fn limit(&self, leg: Leg, side: Side, period: DeliveryPeriod, lead: u32) -> Price {
        let margin = self.margin_ppm * self.patience_ppm(lead) / PPM;
        let share_ppm = match (leg, side) {
            (Leg::House, Side::Buy) => PPM - margin,
            (Leg::House, Side::Sell) => margin,
            (Leg::Battery, Side::Buy) => self.battery_buy_ppm,
            (Leg::Battery, Side::Sell) => self.battery_sell_ppm,
        };
        let hour = self.seed.at(HOUR).at(u64::from(period.0 / 4)).around_zero(30_000);
        let share_ppm = i64::try_from(share_ppm).expect("at most the whole") + hour;
        let price = self.feed_in + (self.retail - self.feed_in) * share_ppm / 1_000_000;
        let on_tick = price.clamp(self.feed_in, self.retail).div_euclid(self.tick) * self.tick;
        Price(i32::try_from(on_tick).expect("it lies between two prices"))
    }

    /// How much of its margin a meter still asks for: all of it at the horizon, half in the last quarter-hour.
    fn patience_ppm(&self, lead: u32) -> u64 {
        let past_first = u64::from(lead.max(1)) - 1;
        let steps = (self.horizon.max(2)) - 1;
        PPM / 2 + PPM / 2 * past_first.min(steps) / steps
    }
}

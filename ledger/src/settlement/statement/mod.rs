//! A meter's bill, out of the events that name it: each trade with its money, what was delivered of it, and each part of its imbalance with
//! the price that applied.
//!
//! A bill is made again from what the ledger tells, by the very rules that charged it, and then held against what was charged. Where the
//! two differ, or something that was needed is not among the events, the period says so ([`Doubt`]) and shows what is known: amounts that
//! moved are always those of the ledger.
//!
//! **Signs.** Money is seen from the account: more than zero was got, less than zero was paid.

#[cfg(test)]
mod tests;
mod totals;

use std::collections::BTreeMap;

use gridbook_engine::{AccountId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price, Side, TradeKind};

pub use totals::StatementTotals;

use super::meter::gross_wh;
use super::{Delivery, Quality, RestPrices, TradeSide, delivered, portions};
use crate::record::{AreaSettled, MeterSettled, RecordEvent, Trade};

/// What one meter traded, delivered, got and paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Whose it is.
    pub meter: MeterId,
    /// By delivery period, ascending.
    pub periods: Vec<PeriodStatement>,
    /// All of them together.
    pub totals: StatementTotals,
}

/// One period of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodStatement {
    /// Where and when.
    pub contract: Contract,
    /// Whose the meter was then: a meter with anything open or unsettled has no new owner.
    pub account: AccountId,
    /// Oldest first.
    pub trades: Vec<TradeLine>,
    /// What was delivered and how the difference was settled; nothing before that was done.
    pub settled: Option<SettledLine>,
    /// Whether nothing of it can change any more.
    pub is_final: bool,
    /// What does not add up.
    pub doubt: Option<Doubt>,
}

/// One trade of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeLine {
    /// The command that brought it about.
    pub seq: u64,
    /// How it came about.
    pub traded: Traded,
    /// What the meter did.
    pub side: Side,
    /// How much.
    pub energy: Energy,
    /// What the account pays or gets per kWh, fees included.
    pub price: Price,
    /// The part of it per kWh that went to operators of edges.
    pub fee: Price,
    /// How much of it this meter delivered or took, oldest first after its own resale; nothing before it was settled.
    pub delivered: Option<Energy>,
}

/// How a trade came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traded {
    /// With another meter.
    With(MeterId, TradeKind),
    /// In a call auction, with nobody in particular.
    Auction,
}

/// What became of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledLine {
    /// What the meter took in and gave out, as it was settled last.
    pub delivery: Delivery,
    /// How that is known.
    pub quality: Quality,
    /// Sold less bought, in Wh.
    pub contracted_wh: i128,
    /// What the meter gave beyond that, in Wh; less than zero is missing.
    pub imbalance_wh: i128,
    /// The parts of the imbalance; empty where the prices that applied are not known.
    pub parts: Vec<ImbalanceLine>,
    /// What the account got or paid for the imbalance in all.
    pub imbalance: Money,
    /// What of that the area's operator paid in the account's place, and bills.
    pub billed: Money,
    /// What of that the default account bore.
    pub defaulted: Money,
    /// How often it was settled: more than once after corrections.
    pub times: u32,
}

/// A part of an imbalance with one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImbalanceLine {
    /// The trade that did not come about, as its place in [`PeriodStatement::trades`]; none for what is beyond all trades.
    pub trade: Option<usize>,
    /// In Wh.
    pub energy_wh: u128,
    /// Per kWh.
    pub price: Price,
    /// What the account got or paid.
    pub money: Money,
}

/// Why a period of a bill cannot be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Trades are missing among the events, or there are too many.
    #[error("its trades come to {found_wh} Wh sold, and it was settled for {settled_wh} Wh")]
    Trades {
        /// Sold less bought by the trades that are known.
        found_wh: i128,
        /// Sold less bought that was settled.
        settled_wh: i128,
    },
    /// The area's settlement is not among the events.
    #[error("what imbalance cost in its area is not known here")]
    Prices,
    /// The rules give another amount than was charged.
    #[error("its imbalance comes to {found}, and {charged} was settled")]
    Charge {
        /// By the rules, and as the account sees it.
        found: Money,
        /// As it was settled.
        charged: Money,
    },
}

impl TradeLine {
    /// What the account got or paid.
    pub fn money(&self) -> Money {
        let Money(amount) = self.price.times(self.energy);
        Money(if self.side == Side::Sell { amount } else { -amount })
    }

    fn as_side(&self) -> TradeSide {
        TradeSide { side: self.side, price: self.price, energy: self.energy }
    }
}

impl Statement {
    /// The bill of `meter`, out of the ledger's events with the sequence numbers of their commands, in the ledger's order. Events of other
    /// meters may be among them and are passed over. What is needed are this meter's own events, and the settlement of its area in each
    /// period ([`RecordEvent::AreaSettled`]), which has the prices.
    pub fn of<'a>(meter: MeterId, events: impl IntoIterator<Item = (u64, &'a RecordEvent)>) -> Self {
        let mut book = Book { meter, periods: BTreeMap::new(), prices: BTreeMap::new() };
        events.into_iter().for_each(|(seq, event)| book.enter(seq, event));
        let Book { periods, prices, .. } = book;
        let (mut totals, mut room) = (StatementTotals::default(), Room::default());
        let periods = periods.into_values().map(|mut period| {
            period.work_out(prices.get(&period.contract).copied(), &mut room);
            totals.add(&period);
            period
        });
        let periods = periods.collect();
        Self { meter, periods, totals }
    }

    /// The part of it in which the meter was this account's: all that a former or later owner may see.
    pub fn only_of(mut self, account: AccountId) -> Self {
        self.periods.retain(|period| period.account == account);
        self.totals = StatementTotals::default();
        self.periods.iter().for_each(|period| self.totals.add(period));
        self
    }
}

/// Kept from one period to the next for its room only.
#[derive(Default)]
struct Room {
    sides: Vec<TradeSide>,
    energies: Vec<Energy>,
}

/// What is known so far.
struct Book {
    meter: MeterId,
    periods: BTreeMap<DeliveryPeriod, PeriodStatement>,
    prices: BTreeMap<Contract, RestPrices>,
}

impl Book {
    fn enter(&mut self, seq: u64, event: &RecordEvent) {
        match event {
            RecordEvent::Trade(trade) => self.enter_trade(seq, trade),
            RecordEvent::Filled { order, side, contract, energy, price, .. } if order.meter == self.meter => {
                let (side, energy, price, fee) = (*side, *energy, *price, Price(0));
                let line = TradeLine { seq, traded: Traded::Auction, side, energy, price, fee, delivered: None };
                self.period(*contract, order.account).trades.push(line);
            }
            RecordEvent::MeterSettled(settled) if settled.meter == self.meter => self.enter_settled(settled),
            RecordEvent::AreaSettled(AreaSettled { contract, short_rest, long_rest, .. }) => {
                self.prices.insert(*contract, RestPrices { short: *short_rest, long: *long_rest });
            }
            RecordEvent::PeriodFinal { period } => {
                if let Some(period) = self.periods.get_mut(period) {
                    period.is_final = true;
                }
            }
            _ => {}
        }
    }

    fn enter_trade(&mut self, seq: u64, trade: &Trade) {
        let Trade { energy, fee, kind, .. } = *trade;
        let sides = [
            (Side::Buy, trade.buyer(), trade.seller(), trade.buyer_pays()),
            (Side::Sell, trade.seller(), trade.buyer(), trade.seller_gets()),
        ];
        let meter = self.meter;
        for (side, own, other, price) in sides.into_iter().filter(|(_, own, ..)| own.meter == meter) {
            let is_taker = side == trade.taker_side;
            let (fee, traded) = (if is_taker { fee } else { Price(0) }, Traded::With(other.meter, kind));
            let contract = if is_taker { trade.taker_contract() } else { trade.maker_contract() };
            let line = TradeLine { seq, traded, side, energy, price, fee, delivered: None };
            self.period(contract, own.account).trades.push(line);
        }
    }

    /// Settled again, a meter is told of differences in money, and of what it delivered as it is known now.
    fn enter_settled(&mut self, settled: &MeterSettled) {
        let MeterSettled { account, contract, delivery, quality, contracted_wh, own_trades, rest, .. } = *settled;
        let line = &mut self.period(contract, account).settled;
        let (imbalance, billed, defaulted, times) = match line {
            Some(line) => (line.imbalance, line.billed, line.defaulted, line.times),
            None => (Money::ZERO, Money::ZERO, Money::ZERO, 0),
        };
        *line = Some(SettledLine {
            delivery,
            quality,
            contracted_wh,
            imbalance_wh: delivery.net_wh() - contracted_wh,
            parts: Vec::new(),
            imbalance: imbalance - own_trades - rest,
            billed: billed + settled.billed,
            defaulted: defaulted + settled.defaulted,
            times: times + 1,
        });
    }

    fn period(&mut self, contract: Contract, account: AccountId) -> &mut PeriodStatement {
        let (trades, settled, is_final, doubt) = (Vec::new(), None, false, None);
        let empty = || PeriodStatement { contract, account, trades, settled, is_final, doubt };
        self.periods.entry(contract.period).or_insert_with(empty)
    }
}

impl PeriodStatement {
    /// What the account got or paid for the period so far.
    pub fn balance(&self) -> Money {
        self.totals().balance()
    }

    /// The bill of this period alone.
    pub fn totals(&self) -> StatementTotals {
        let mut totals = StatementTotals::default();
        totals.add(self);
        totals
    }

    /// Delivered energy and the parts of the imbalance, and whether they are what was settled.
    fn work_out(&mut self, prices: Option<RestPrices>, Room { sides, energies }: &mut Room) {
        let Self { trades, settled: Some(settled), doubt, .. } = self else { return };
        sides.clear();
        sides.extend(trades.iter().map(TradeLine::as_side));
        let (bought, sold) = gross_wh(sides);
        let (found_wh, settled_wh) = (sold - bought, settled.contracted_wh);
        if found_wh != settled_wh {
            *doubt = Some(Doubt::Trades { found_wh, settled_wh });
            return;
        }
        delivered(sides, settled.delivery.net_wh(), energies);
        trades.iter_mut().zip(energies).for_each(|(trade, energy)| trade.delivered = Some(*energy));
        let found = match prices {
            Some(prices) => {
                let parts = portions(sides, settled.imbalance_wh, prices).map(|part| ImbalanceLine {
                    trade: part.trade,
                    energy_wh: part.energy_wh,
                    price: part.price,
                    money: -part.charge(),
                });
                settled.parts = parts.collect();
                settled.parts.iter().fold(Money::ZERO, |sum, part| sum + part.money)
            }
            None if settled.imbalance_wh == 0 => Money::ZERO,
            None => {
                *doubt = Some(Doubt::Prices);
                return;
            }
        };
        if found != settled.imbalance {
            *doubt = Some(Doubt::Charge { found, charged: settled.imbalance });
        }
    }
}

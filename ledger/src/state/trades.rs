//! The list of a period's trades, which settlement and certificates go by (MARKET sections 7 and 8).

use std::collections::{BTreeMap, VecDeque};

use gridbook_engine::{
    AreaId, ClearingCase, Contract, DeliveryPeriod, Energy, Event, MeterId, Money, Preferences, Price, Side, Trade,
};

use super::State;
use super::tables::{Tables, TradeRow};

/// What one meter bought or sold in an auction and is not paired yet.
#[derive(Clone, Copy, Debug)]
struct Filled {
    area: AreaId,
    meter: MeterId,
    energy: Energy,
    price: Price,
}

/// Both sides of one auction in one period, each in the order in which they were filled.
#[derive(Debug, Default)]
struct Auctioned {
    buys: VecDeque<Filled>,
    sells: VecDeque<Filled>,
}

impl State {
    /// Notes the trades that the engine reports, and what they say about prices.
    ///
    /// An auction has no pairs. For certificates, which travel from a seller to a buyer, its sales are paired with its purchases in the
    /// order of its fills: first within an area, then what is left, which has crossed edges. Nobody's money depends on it.
    pub(super) fn note_trades(&mut self) {
        let mut auctions: BTreeMap<DeliveryPeriod, Auctioned> = BTreeMap::new();
        for event in &self.events {
            match *event {
                Event::Trade(ref trade) => {
                    // What is matched behind an auction is newer than the auction: a meter's newest trade answers first.
                    if let Some(auction) = auctions.remove(&trade.period) {
                        note_auction(&mut self.tables, self.seq, trade.period, auction);
                    }
                    note_trade(&mut self.tables, self.seq, trade);
                }
                Event::Filled { order, side, contract: Contract { area, period }, energy, price, .. } => {
                    let auction = auctions.entry(period).or_default();
                    let of_side = if side == Side::Buy { &mut auction.buys } else { &mut auction.sells };
                    of_side.push_back(Filled { area, meter: order.meter, energy, price });
                }
                Event::Cleared { contract, price: Some(price), case } if case != ClearingCase::Empty => {
                    self.tables.change_contract(contract, |row| row.auction = Some(price));
                }
                _ => {}
            }
        }
        for (period, auction) in auctions {
            note_auction(&mut self.tables, self.seq, period, auction);
        }
    }
}

fn note_auction(tables: &mut Tables, seq: u64, period: DeliveryPeriod, auction: Auctioned) {
    for (trade, from, to) in auction.pairs(seq) {
        note_exchange(tables, period, from, to, trade.energy);
        tables.add_trade(period, trade);
    }
}

/// A trade says what energy is worth in both its areas, unless one organisation has made it with itself, or two have made it between
/// themselves: at a price that nobody else could have had they pay each other, so that any price costs them nothing.
fn note_trade(tables: &mut Tables, seq: u64, trade: &Trade) {
    let (buyer, seller) = (trade.buyer(), trade.seller());
    let (buyer_pays, seller_gets) = (trade.buyer_pays(), trade.seller_gets());
    let row = TradeRow {
        seq,
        energy: trade.energy,
        buyer: buyer.meter,
        seller: seller.meter,
        buyer_pays,
        seller_gets,
        sources: trade.sources,
        buyer_before: 0,
        seller_before: 0,
    };
    tables.add_trade(trade.period, row);
    let (buyer_area, seller_area) = match trade.taker_side {
        Side::Buy => (trade.taker_area, trade.maker_area),
        Side::Sell => (trade.maker_area, trade.taker_area),
    };
    note_exchange(tables, trade.period, seller_area, buyer_area, trade.energy);
    if trade.for_partner || tables.are_of_one_organisation(buyer.account, seller.account) {
        return;
    }
    note_worth(tables, Contract { area: buyer_area, period: trade.period }, buyer_pays, trade.energy);
    if seller_area != buyer_area {
        note_worth(tables, Contract { area: seller_area, period: trade.period }, seller_gets, trade.energy);
    }
}

/// Energy that is sold in one area and bought in another leaves the one for the other.
fn note_exchange(tables: &mut Tables, period: DeliveryPeriod, from: AreaId, to: AreaId, energy: Energy) {
    if from != to {
        let wh = i128::from(energy.0);
        tables.change_contract(Contract { area: from, period }, |row| row.exchange_wh += wh);
        tables.change_contract(Contract { area: to, period }, |row| row.exchange_wh -= wh);
    }
}

/// Adds to the energy-weighted mean of a contract's trades. A price counts as far as the bounds of the genesis, as the mean itself does:
/// what lies beyond them would otherwise pull the mean further than it can come to. Where the energies would overflow, the mean is good
/// enough without.
fn note_worth(tables: &mut Tables, contract: Contract, price: Price, energy: Energy) {
    let bounds = tables.collateral();
    let price = price.clamp(bounds.long_price_floor, bounds.short_price_cap);
    tables.change_contract(contract, |row| {
        if let Some(energies) = row.traded_wh.checked_add(energy.0) {
            row.traded += Money(i128::from(price.0) * i128::from(energy.0));
            row.traded_wh = energies;
        }
    });
}

impl Auctioned {
    fn pairs(mut self, seq: u64) -> Vec<(TradeRow, AreaId, AreaId)> {
        let mut pairs = Vec::with_capacity(self.buys.len().max(self.sells.len()));
        let mut left = Self::default();
        let mut sells: BTreeMap<AreaId, VecDeque<Filled>> = BTreeMap::new();
        for sell in self.sells {
            sells.entry(sell.area).or_default().push_back(sell);
        }
        for buy in core::mem::take(&mut self.buys) {
            let rest = match sells.get_mut(&buy.area) {
                Some(sells) => pair(buy, sells, seq, &mut pairs),
                None => Some(buy),
            };
            left.buys.extend(rest);
        }
        left.sells = sells.into_values().flatten().collect();
        for buy in left.buys {
            let rest = pair(buy, &mut left.sells, seq, &mut pairs);
            assert!(rest.is_none(), "what is bought in an auction is sold in it");
        }
        assert!(left.sells.is_empty(), "what is sold in an auction is bought in it");
        pairs
    }
}

/// Pairs a purchase with the first sales; what is left of it comes back.
fn pair(
    mut buy: Filled,
    sells: &mut VecDeque<Filled>,
    seq: u64,
    pairs: &mut Vec<(TradeRow, AreaId, AreaId)>,
) -> Option<Filled> {
    // Orders with a preference wait for continuous trading.
    let plain = Preferences::none(Side::Sell).sources;
    while let Some(sell) = sells.front_mut() {
        let energy = buy.energy.min(sell.energy);
        let trade = TradeRow {
            seq,
            energy,
            buyer: buy.meter,
            seller: sell.meter,
            buyer_pays: buy.price,
            seller_gets: sell.price,
            sources: plain,
            buyer_before: 0,
            seller_before: 0,
        };
        pairs.push((trade, sell.area, buy.area));
        buy.energy -= energy;
        sell.energy -= energy;
        if sell.energy.is_zero() {
            sells.pop_front();
        }
        if buy.energy.is_zero() {
            return None;
        }
    }
    Some(buy)
}

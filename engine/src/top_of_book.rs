//! The best prices of every contract, published by the one writer and read by any number of threads without a lock.

use crate::contract::Contract;
use crate::contract_table::ContractTable;
use crate::seqlock::Glimpse;
use crate::sync::Arc;
use crate::units::{Energy, Price};

/// The best prices of a contract and the energy that rests there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// The highest price somebody will pay, and for how much at that price.
    pub best_bid: Option<(Price, Energy)>,
    /// The lowest price somebody will take, and for how much at that price.
    pub best_ask: Option<(Price, Energy)>,
}

/// The published tops of all contracts: a fixed table of areas x a window of periods. A contract uses the row of its period modulo the window,
/// so choose a window no shorter than the periods that are open at one time.
#[derive(Debug)]
pub struct TopOfBook(ContractTable<ROW_WORDS>);

/// The only one who may publish to a [`TopOfBook`]. Hand it to [`Engine::publish_to`].
#[derive(Debug)]
pub struct TopOfBookWriter(Arc<TopOfBook>);

/// The table's own word, the prices, and the energies.
const ROW_WORDS: usize = 4;
const HAS_BID: u32 = 1;
const HAS_ASK: u32 = 2;

impl TopOfBook {
    /// A table for `areas` areas and `window` periods at a time, in which nothing is published yet; the writer's end, and one to read from.
    ///
    /// # Panics
    /// If `window` is zero.
    pub fn new(areas: u16, window: u32) -> (TopOfBookWriter, Arc<Self>) {
        let table = Arc::new(Self(ContractTable::new(areas, window)));
        (TopOfBookWriter(Arc::clone(&table)), table)
    }

    /// What was last published for a contract; nothing if nothing was, or if another period has taken its row.
    ///
    /// Never blocks the writer. It spins only while this very row is being written.
    pub fn read(&self, contract: Contract) -> Option<Top> {
        self.0.read(contract, |tag, words| decode(tag, &words))
    }
}

impl TopOfBookWriter {
    /// Publishes the top of a contract. A contract outside the table's areas is left out, and so is an empty top whose row
    /// another period has taken.
    pub fn publish(&mut self, contract: Contract, top: Top) {
        let (bid, bid_energy) = top.best_bid.unwrap_or_default();
        let (ask, ask_energy) = top.best_ask.unwrap_or_default();
        let tag = if top.best_bid.is_some() { HAS_BID } else { 0 } | if top.best_ask.is_some() { HAS_ASK } else { 0 };
        let prices = u64::from(bid.0.cast_unsigned()) | u64::from(ask.0.cast_unsigned()) << 32;
        self.0.0.publish(contract, tag, [prices, bid_energy.0, ask_energy.0].into_iter(), tag == 0);
    }
}

fn decode(tag: u32, words: &Glimpse<'_>) -> Top {
    let prices = words.word(1);
    let bid = (Price((prices as u32).cast_signed()), Energy(words.word(2)));
    let ask = (Price(((prices >> 32) as u32).cast_signed()), Energy(words.word(3)));
    Top { best_bid: (tag & HAS_BID != 0).then_some(bid), best_ask: (tag & HAS_ASK != 0).then_some(ask) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{AreaId, DeliveryPeriod};

    fn contract(area: u16, period: u32) -> Contract {
        Contract { area: AreaId(area), period: DeliveryPeriod(period) }
    }

    #[test]
    fn negative_prices_and_empty_sides_come_through_whole() {
        let (mut writer, table) = TopOfBook::new(2, 4);
        let top = Top { best_bid: Some((Price(-9_999_990), Energy(u64::MAX))), best_ask: None };
        writer.publish(contract(1, 6), top);
        assert_eq!(table.read(contract(1, 6)), Some(top));
        assert_eq!(table.read(contract(1, 2)), None, "the same row, another period");
        assert_eq!(table.read(contract(2, 6)), None, "no such area");
    }

    #[test]
    fn clearing_an_old_period_does_not_wipe_out_the_one_that_took_its_row() {
        let (mut writer, table) = TopOfBook::new(1, 4);
        let top = Top { best_bid: None, best_ask: Some((Price(1), Energy(1))) };
        writer.publish(contract(0, 1), top);
        writer.publish(contract(0, 5), top);
        writer.publish(contract(0, 1), Top::default());
        assert_eq!(table.read(contract(0, 5)), Some(top));
    }
}

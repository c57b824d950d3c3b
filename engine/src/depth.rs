//! The price levels of every contract as of the last block boundary, published by the one writer and read by any number of threads
//! without a lock.
//!
//! Each snapshot carries the *epoch* of which it is: a height or sequence number that the writer gives. A contract that
//! did not change is not published again. Once all contracts of an epoch are published the writer completes it, and then the table is a
//! consistent picture: read [`DepthTable::epoch`], then any contracts; each that carries an epoch no later is how that contract stood
//! at that epoch, and one that carries a later epoch has been overtaken by the next block.
//!
//! A writer that gives up what it did ahead goes back: what it changed meanwhile is published anew under the earlier epoch, and once
//! that is complete no contract carries a later one. Only while it goes back a reader may be shown a contract of the future that was given up.

use core::fmt;
use core::ops::Deref;

use crate::contract::Contract;
use crate::contract_table::ContractTable;
use crate::seqlock::Glimpse;
use crate::sync::{Arc, AtomicU64, Ordering};
use crate::units::{Energy, LedgerTime, Price};

/// How many levels of each side are published.
pub const DEPTH_LEVELS_MAX: usize = 16;

/// A price and the energy that rests there.
pub type Level = (Price, Energy);

/// The best levels of a contract as of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Of which height or sequence number this is, as the writer gave it.
    pub epoch: u64,
    /// What is bought, the highest price first.
    pub bids: Levels,
    /// What is sold, the lowest price first.
    pub asks: Levels,
}

/// Up to [`DEPTH_LEVELS_MAX`] levels, the best first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    count: usize,
    /// Zeros from `count` on.
    levels: [Level; DEPTH_LEVELS_MAX],
}

/// The published depths of all contracts: a fixed table of areas x a window of periods. A contract uses the row of its period modulo the window,
/// so choose a window no shorter than the periods that are open at one time.
#[derive(Debug)]
pub struct DepthTable {
    epoch: AtomicU64,
    rows: ContractTable<ROW_WORDS>,
}

/// The only one who may publish to a [`DepthTable`].
#[derive(Debug)]
pub struct DepthWriter {
    table: Arc<DepthTable>,
    /// The epoch last completed.
    epoch: u64,
    /// The market's time when depths were last published: time by itself changes what they show.
    pub(crate) shown_at: LedgerTime,
}

/// The table's own word, the epoch, and a price and an energy for each level.
const ROW_WORDS: usize = 2 + 2 * 2 * DEPTH_LEVELS_MAX;
const EPOCH: usize = 1;
const FIRST_LEVEL: usize = 2;

/// A tag is how many bids there are, and above these bits how many asks.
const COUNT_BITS: u32 = 8;
const _: () = assert!(DEPTH_LEVELS_MAX < 1 << COUNT_BITS);

impl DepthTable {
    /// A table for `areas` areas and `window` periods at a time, in which nothing is published yet; the writer's end, and one to read from.
    ///
    /// # Panics
    /// If `window` is zero.
    pub fn new(areas: u16, window: u32) -> (DepthWriter, Arc<Self>) {
        let table = Arc::new(Self { epoch: AtomicU64::new(0), rows: ContractTable::new(areas, window) });
        (DepthWriter { table: Arc::clone(&table), epoch: 0, shown_at: LedgerTime(0) }, table)
    }

    /// The last epoch that is complete; zero before the first.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What was last published for a contract; nothing if nothing was, or if another period has taken its row.
    ///
    /// Never blocks the writer. It spins only while this very row is being written.
    pub fn read(&self, contract: Contract) -> Option<Depth> {
        self.rows.read(contract, |tag, words| decode(tag, &words))
    }
}

impl DepthWriter {
    /// Publishes the levels of a contract, the best first; those behind [`DEPTH_LEVELS_MAX`] are left out.
    ///
    /// A contract outside the table's areas is left out, and so is an empty depth whose row another period has taken.
    pub fn publish(&mut self, contract: Contract, epoch: u64, bids: &[Level], asks: &[Level]) {
        let bids = &bids[..bids.len().min(DEPTH_LEVELS_MAX)];
        let asks = &asks[..asks.len().min(DEPTH_LEVELS_MAX)];
        let tag = bids.len() as u32 | (asks.len() as u32) << COUNT_BITS;
        let levels =
            bids.iter().chain(asks).flat_map(|&(price, energy)| [u64::from(price.0.cast_unsigned()), energy.0]);
        self.table.rows.publish(contract, tag, [epoch].into_iter().chain(levels), tag == 0);
    }

    /// Says that all that changed up to `epoch` is published; if that is earlier than before, also all that was given up with the later ones.
    pub fn complete(&mut self, epoch: u64) {
        if epoch < self.epoch {
            // What did not change by going back is how it stood at this epoch too, and must not claim to be of a later one.
            self.table.rows.cap(EPOCH, epoch);
        }
        self.epoch = epoch;
        self.table.epoch.store(epoch, Ordering::Release);
    }
}

fn decode(tag: u32, words: &Glimpse<'_>) -> Depth {
    let count = |tag: u32| (tag & ((1 << COUNT_BITS) - 1)) as usize;
    let (bids, asks) = (count(tag), count(tag >> COUNT_BITS));
    let levels = |from: usize, count: usize| {
        (from..from + count).map(|place| {
            let at = FIRST_LEVEL + 2 * place;
            (Price((words.word(at) as u32).cast_signed()), Energy(words.word(at + 1)))
        })
    };
    Depth { epoch: words.word(EPOCH), bids: levels(0, bids).collect(), asks: levels(bids, asks).collect() }
}

impl Deref for Levels {
    type Target = [Level];

    fn deref(&self) -> &[Level] {
        &self.levels[..self.count]
    }
}

impl FromIterator<Level> for Levels {
    /// Keeps the first [`DEPTH_LEVELS_MAX`].
    fn from_iter<I: IntoIterator<Item = Level>>(levels: I) -> Self {
        let mut kept = Self::default();
        for (place, level) in kept.levels.iter_mut().zip(levels) {
            *place = level;
            kept.count += 1;
        }
        kept
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

//! A row of words for every contract, published by the one writer and read by any number of threads without a lock.
//!
//! The table has a fixed number of areas and a window of periods. A contract uses the row of its period modulo the window, so the
//! window should be no shorter than the periods that are open at one time. The first word of a row says whose it is.

use crate::contract::{Contract, DeliveryPeriod};
use crate::seqlock::{Glimpse, Seqlock};

/// Rows of `WORDS` words, the first of which is the table's.
#[derive(Debug)]
pub(crate) struct ContractTable<const WORDS: usize> {
    areas: u16,
    window: u32,
    rows: Box<[Seqlock<WORDS>]>,
}

/// The most that a tag may be.
const TAG_MAX: u32 = u32::MAX >> 1;
const PUBLISHED: u64 = 1 << 32;

impl<const WORDS: usize> ContractTable<WORDS> {
    /// A table in which nothing is published yet.
    ///
    /// # Panics
    /// If `window` is zero.
    pub(crate) fn new(areas: u16, window: u32) -> Self {
        assert!(window > 0, "a table of no periods holds nothing");
        let rows = (0..usize::from(areas) * window as usize).map(|_| Seqlock::new()).collect();
        Self { areas, window, rows }
    }

    /// Publishes a tag and words for a contract. There must be one writer at a time.
    ///
    /// A contract outside the table's areas is left out, and so is a row that `is_empty` if another period has taken its place: an
    /// old period that is cleared away must not wipe out a new one.
    pub(crate) fn publish(&self, contract: Contract, tag: u32, words: impl Iterator<Item = u64>, is_empty: bool) {
        assert!(tag <= TAG_MAX, "tags are small");
        let Some(row) = self.row(contract) else { return };
        let present = row.glimpse().word(0);
        let is_taken = present & PUBLISHED != 0 && !holds(present, contract.period);
        if !(is_taken && is_empty) {
            let head = u64::from(contract.period.0) | PUBLISHED | u64::from(tag) << 33;
            row.write([head].into_iter().chain(words));
        }
    }

    /// Takes one word of every row down to `most`, where it is more. There must be one writer at a time.
    pub(crate) fn cap(&self, place: usize, most: u64) {
        for row in self.rows.iter().filter(|row| row.glimpse().word(place) > most) {
            row.write((0..place).map(|before| row.glimpse().word(before)).chain([most]));
        }
    }

    /// What `look` makes of the tag and row last published for a contract, the words from the second on being those that were given.
    /// Nothing if nothing was published, or if another period has the row. `look` may be shown mixtures, as in [`Seqlock::read`].
    pub(crate) fn read<R>(&self, contract: Contract, look: impl Fn(u32, Glimpse<'_>) -> R) -> Option<R> {
        self.row(contract)?.read(|words| {
            let head = words.word(0);
            holds(head, contract.period).then(|| look((head >> 33) as u32, words))
        })
    }

    fn row(&self, contract: Contract) -> Option<&Seqlock<WORDS>> {
        if contract.area.0 >= self.areas {
            return None;
        }
        let column = (contract.period.0 % self.window) as usize;
        self.rows.get(usize::from(contract.area.0) * self.window as usize + column)
    }
}

fn holds(head: u64, period: DeliveryPeriod) -> bool {
    head & PUBLISHED != 0 && head as u32 == period.0
}

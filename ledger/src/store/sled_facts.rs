//! Facts in the sled index.
//!
//! They lie in chunks: runs of one owner's facts in order, each under the place of its first. What a batch tells of a period joins the last
//! chunk of that period while it is short, and begins another otherwise. So a batch reads and writes a few kilobytes for each period that it
//! tells of, and a meter that trades a hundred thousand times in one period costs no more for each of these than one that trades once; and what
//! reads facts stops at its limit, in the middle of a period too.
//!
//! A key costs sled some 15 microseconds to write and about one to read, so a year of one meter must not be 35,040 keys: once a day each owner's
//! chunks of a day that is over are joined into long ones, which run over its periods and lie in a table of their own. That costs a second key for
//! each period, in a batch that is written anyway; which owner's turn it is goes by its number, so that the work of a town is spread over
//! the day. What comes later for a joined day lies beside it and is sorted in when it is read.
//!
//! A fact may come twice: a gap is filled with heights that were there before. It is known by its place and kept once. Chunks of one table never
//! overlap: where something comes twice, the chunks of its period are laid anew.

use std::collections::BTreeMap;
use std::ops::Bound;

use gridbook_engine::DeliveryPeriod;

use super::sled_index::{Index, Table, index_error, key};
use super::sled_sums::NewSums;
use super::{FactOwner, FactPage, FactPlace, FactRow, IndexBatch, StoreError};

/// Periods in a day of quarter-hours: chunks are joined in so many, whatever the market's periods are.
pub(super) const DAY: u32 = 96;
/// The day whose chunks are joined lies so many days before the one that is written to. Trading opens a day and a half ahead, readings and
/// corrections come within hours: by then little comes any more.
const DAYS_LATER: u32 = 4;
/// A chunk that has so many bytes takes no more facts: what a batch writes again, in the middle of a period, is at most that.
const CHUNK_BYTES: usize = 4 << 10;
/// The same of a chunk of a joined day: an ordinary meter's day, and about what one answer tells.
const DAY_CHUNK_BYTES: usize = 64 << 10;

/// What a batch adds.
pub(super) type FactsByKey = BTreeMap<(FactOwner, DeliveryPeriod), Vec<FactRow>>;

impl Index {
    /// Adds facts to what is there of their owners' periods, and joins the chunks of old days.
    pub(super) fn add_facts(&self, changes: &mut sled::Batch, batches: &[IndexBatch]) -> Result<(), StoreError> {
        let mut by_key = FactsByKey::new();
        for (owner, fact) in batches.iter().flat_map(|batch| &batch.facts) {
            by_key.entry((*owner, fact.period)).or_default().push(*fact);
        }
        let mut sums = NewSums::begin(self, changes, &by_key)?;
        for ((owner, period), new) in &by_key {
            let is_first = self.append(changes, (*owner, *period), new)?;
            let is_turn = is_first && period.0 % DAY == owner.number() % DAY;
            if let Some(day) = (period.0 / DAY).checked_sub(DAYS_LATER).filter(|_| is_turn) {
                let (from, to) = (DeliveryPeriod(day * DAY), last_of(day));
                if by_key.range((*owner, from)..=(*owner, to)).next().is_none() {
                    let joined = self.join_day(changes, *owner, (from, to))?;
                    if let (FactOwner::Meter(meter), false) = (*owner, joined.is_empty()) {
                        sums.make(changes, meter, day, &joined)?;
                    }
                }
            }
        }
        sums.mend(changes)
    }

    /// Adds facts to those of a period, and says whether they are its first. What came before is not looked at but for the last chunk, unless some of
    /// it comes again.
    fn append(
        &self,
        changes: &mut sled::Batch,
        (owner, period): (FactOwner, DeliveryPeriod),
        new: &[FactRow],
    ) -> Result<bool, StoreError> {
        let mut facts = new.to_vec();
        put_in_order(&mut facts);
        let [Some(first), Some(last)] = [facts.first(), facts.last()].map(|fact| fact.map(FactRow::place)) else {
            return Ok(false);
        };
        let at = |place| chunk_key(Table::Fact, owner, place);
        let (begin, end) = (FactPlace::first_of(period), last_place(period));
        let before = self.db.range(at(begin)..=at(first)).next_back().transpose().map_err(index_error(&self.dir))?;
        let mut known = before.as_ref().map_or(Ok(Vec::new()), |(_, value)| decoded(value))?;
        let reaches_over = known.last().is_some_and(|fact| fact.place() >= first);
        let comes_again =
            reaches_over || self.db.range((Bound::Excluded(at(first)), Bound::Included(at(last)))).next().is_some();
        if comes_again {
            known.clear();
            for row in self.db.range(at(begin)..=at(end)) {
                let (key, value) = row.map_err(index_error(&self.dir))?;
                known.extend(decoded(&value)?);
                changes.remove(key);
            }
            facts.append(&mut known);
            put_in_order(&mut facts);
        } else if before.as_ref().is_some_and(|(_, value)| value.len() < CHUNK_BYTES) {
            known.append(&mut facts);
            facts = known;
        }
        let is_first = before.is_none() && self.db.range(at(begin)..=at(end)).next().is_none();
        insert_chunks(changes, Table::Fact, owner, &facts, CHUNK_BYTES);
        Ok(is_first)
    }

    fn join_day(
        &self,
        changes: &mut sled::Batch,
        owner: FactOwner,
        (from, to): (DeliveryPeriod, DeliveryPeriod),
    ) -> Result<Vec<FactRow>, StoreError> {
        let mut joined = Vec::new();
        for table in [Table::Day, Table::Fact] {
            let [from, to] = [FactPlace::first_of(from), last_place(to)].map(|place| chunk_key(table, owner, place));
            for row in self.db.range(from..=to) {
                let (key, value) = row.map_err(index_error(&self.dir))?;
                joined.extend(decoded(&value)?);
                changes.remove(key);
            }
        }
        put_in_order(&mut joined);
        insert_chunks(changes, Table::Day, owner, &joined, DAY_CHUNK_BYTES);
        Ok(joined)
    }

    /// See [`QueryIndex::facts`](super::QueryIndex::facts).
    pub(super) fn facts_of(
        &self,
        owner: FactOwner,
        from: FactPlace,
        to: DeliveryPeriod,
        limit: usize,
    ) -> Result<FactPage, StoreError> {
        let day = FactPlace::first_of(DeliveryPeriod(from.period.0 / DAY * DAY));
        let period = FactPlace::first_of(from.period);
        let mut joined = Chunks::open(self, (Table::Day, owner), (day, from, to))?;
        let mut fresh = Chunks::open(self, (Table::Fact, owner), (period, from, to))?;
        let mut page = FactPage::default();
        loop {
            let fact = match (joined.first()?, fresh.first()?) {
                (None, None) => break,
                (Some(fact), None) | (None, Some(fact)) => fact,
                (Some(one), Some(other)) => {
                    if one.place() <= other.place() {
                        one
                    } else {
                        other
                    }
                }
            };
            if page.facts.len() == limit {
                page.next = Some(fact.place());
                break;
            }
            joined.skip(fact.place());
            fresh.skip(fact.place());
            page.facts.push(fact);
        }
        page.rows_read = joined.rows_read + fresh.rows_read;
        Ok(page)
    }
}

/// The last period of a day; the very last day is short.
pub(super) fn last_of(day: u32) -> DeliveryPeriod {
    DeliveryPeriod((day * DAY).saturating_add(DAY - 1))
}

/// Behind all places of a period.
fn last_place(period: DeliveryPeriod) -> FactPlace {
    FactPlace { period, seq: u64::MAX, place: u32::MAX }
}

fn chunk_key(table: Table, owner: FactOwner, FactPlace { period, seq, place }: FactPlace) -> Vec<u8> {
    key(table, &[&owner.key(), &period.0.to_be_bytes(), &seq.to_be_bytes(), &place.to_be_bytes()])
}

/// Lays facts, which are in order, in chunks.
fn insert_chunks(changes: &mut sled::Batch, table: Table, owner: FactOwner, facts: &[FactRow], bytes: usize) {
    for (place, chunk) in FactRow::encode_chunks(facts, bytes) {
        changes.insert(chunk_key(table, owner, place), chunk);
    }
}

/// An owner's facts in one table, in order, read a chunk at a time.
struct Chunks<'a> {
    index: &'a Index,
    rows: sled::Iter,
    facts: std::vec::IntoIter<FactRow>,
    from: FactPlace,
    to: DeliveryPeriod,
    rows_read: usize,
}

impl<'a> Chunks<'a> {
    /// From a place on, to the end of a period. The chunk that the first fact lies in begins at `lowest` or later.
    fn open(
        index: &'a Index,
        (table, owner): (Table, FactOwner),
        (lowest, from, to): (FactPlace, FactPlace, DeliveryPeriod),
    ) -> Result<Self, StoreError> {
        let at = |place| chunk_key(table, owner, place);
        let before = index.db.range(at(lowest)..=at(from)).next_back().transpose().map_err(index_error(&index.dir))?;
        let start = before.map_or_else(|| at(from), |(key, _)| key.to_vec());
        let end = at(last_place(to)).max(start.clone());
        let rows = index.db.range(start..=end);
        Ok(Self { index, rows, facts: Vec::new().into_iter(), from, to, rows_read: 0 })
    }

    /// The next fact, if there is one.
    fn first(&mut self) -> Result<Option<FactRow>, StoreError> {
        loop {
            match self.facts.as_slice().first() {
                Some(fact) if fact.place() < self.from => _ = self.facts.next(),
                Some(fact) => return Ok(Some(*fact).filter(|fact| fact.period <= self.to)),
                None => {
                    let Some(row) = self.rows.next() else { return Ok(None) };
                    let (_, value) = row.map_err(index_error(&self.index.dir))?;
                    self.facts = decoded(&value)?.into_iter();
                    self.rows_read += 1;
                }
            }
        }
    }

    /// Goes on behind a fact, if it is the next one.
    fn skip(&mut self, place: FactPlace) {
        if self.facts.as_slice().first().is_some_and(|fact| fact.place() == place) {
            self.facts.next();
        }
    }
}

/// In order, each once.
pub(super) fn put_in_order(facts: &mut Vec<FactRow>) {
    facts.sort_unstable_by_key(FactRow::place);
    facts.dedup_by_key(|fact| fact.place());
}

fn decoded(value: &[u8]) -> Result<Vec<FactRow>, StoreError> {
    FactRow::decode_all(value).map_err(|_| damaged())
}

pub(super) fn damaged() -> StoreError {
    StoreError::Index("a row of facts, sums or extracts cannot be read".into())
}

#[cfg(test)]
mod tests {
    use gridbook_engine::MeterId;

    use super::*;
    use crate::crypto::Hash;
    use crate::store::{Fact, LogIdentity, MetersSettled, QueryIndex};

    const OWNER: FactOwner = FactOwner::Meter(MeterId(1));

    fn batch(height: u64, period: u32) -> IndexBatch {
        let fact = Fact::Meters(MetersSettled::default());
        let row = FactRow { period: DeliveryPeriod(period), seq: height, place: 0, fact };
        let (first_seq, last_seq, facts) = (height, height, vec![(OWNER, row)]);
        IndexBatch { height, first_seq, last_seq, facts, ..IndexBatch::default() }
    }

    /// All rows of facts, by their keys.
    fn rows(index: &Index) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let tables = [Table::Fact, Table::Day].map(|table| index.db.scan_prefix([table as u8]));
        tables
            .into_iter()
            .flatten()
            .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
            .collect()
    }

    /// Two meters of one party sell each other a watt-hour ten thousand times in one contract. What a batch writes of that period does not grow
    /// with what was traded before, and who reads a page reads a page, also once the day is joined.
    #[test]
    fn a_period_in_which_somebody_trades_without_end_costs_each_batch_the_same() {
        const FACT_BYTES: usize = 150;
        let home = tempfile::tempdir().unwrap();
        let identity = LogIdentity { chain: Hash::of("test", b"chain"), validator: 3 };
        let index = Index::open(&home.path().join("index"), identity, 32 << 20, Some(u64::MAX)).unwrap();
        let (trades, period) = (10_000, DAY * 1_000 + 7);
        let heights: Vec<_> = (1..=trades).map(|height| batch(height, period)).collect();
        let mut most = 0;
        for some in heights.chunks(16) {
            let before = rows(&index);
            index.apply(some).unwrap();
            let after = rows(&index);
            let written = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
            most = most.max(written.map(|(_, value)| value.len()).sum());
            assert!(before.keys().all(|key| after.contains_key(key)));
        }
        assert!(most <= CHUNK_BYTES + 17 * FACT_BYTES, "{most} bytes for 16 facts");
        let page = |from: u64, limit| {
            let from = FactPlace { period: DeliveryPeriod(period), seq: from, place: 0 };
            index.facts(OWNER, from, DeliveryPeriod(u32::MAX), limit).unwrap()
        };
        let seqs = |page: &FactPage| page.facts.iter().map(|fact| fact.seq).collect::<Vec<_>>();
        let reads_a_page = || {
            let some = page(5_000, 2);
            assert_eq!((seqs(&some), some.next.map(|next| next.seq)), (vec![5_000, 5_001], Some(5_002)));
            assert!(some.rows_read <= 2, "{} rows", some.rows_read);
            assert_eq!(seqs(&page(1, usize::MAX))[..10_000], (1..=trades).collect::<Vec<_>>());
        };
        reads_a_page();
        // Its turn comes with the first fact of one period, four days later.
        let turn = (DAY * 1_004..).find(|period| period % DAY == OWNER.number() % DAY).unwrap();
        index.apply(&[batch(trades + 1, turn)]).unwrap();
        let sizes: Vec<usize> = rows(&index)
            .into_iter()
            .filter(|(key, _)| key[0] == Table::Day as u8)
            .map(|(_, value)| value.len())
            .collect();
        assert!(sizes.len() > 10 && sizes.iter().all(|bytes| *bytes <= DAY_CHUNK_BYTES + FACT_BYTES), "{sizes:?}");
        reads_a_page();
    }
}

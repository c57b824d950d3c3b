//! Facts and extracts in the sled index.
//!
//! **Facts** lie under (owner, period). A key costs sled some 15 microseconds to write and about one to read, so a year of one meter must not be
//! 35,040 keys: once a day each owner's rows of a day that is over are joined under the day's first period. That costs a second key for each
//! period, in a batch that is written anyway; which owner's turn it is goes by its number, so that the work of a town is spread over
//! the day. What comes later for a joined day lies beside it and is sorted in when it is read.
//!
//! A fact may come twice: a gap is filled with heights that were there before. It is known by its place and kept once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use gridbook_engine::DeliveryPeriod;

use super::sled_index::{Index, Table, index_error, key};
use super::sled_sums::NewSums;
use super::{FactOwner, FactPage, FactPlace, FactRow, IndexBatch, StoreError};

/// Periods in a day of quarter-hours: rows are joined in so many, whatever the market's periods are.
pub(super) const DAY: u32 = 96;
/// The day whose rows are joined lies so many days before the one that is written to. Trading opens a day and a half ahead, readings and
/// corrections come within hours: by then little comes any more.
const DAYS_LATER: u32 = 4;

/// What a batch adds.
pub(super) type FactsByKey = BTreeMap<(FactOwner, DeliveryPeriod), Vec<FactRow>>;

impl Index {
    /// Adds facts to what is there of their owners' periods, and joins the rows of old days.
    pub(super) fn add_facts(&self, changes: &mut sled::Batch, batches: &[IndexBatch]) -> Result<(), StoreError> {
        let mut by_key = FactsByKey::new();
        for (owner, fact) in batches.iter().flat_map(|batch| &batch.facts) {
            by_key.entry((*owner, fact.period)).or_default().push(*fact);
        }
        let mut sums = NewSums::begin(self, changes, &by_key)?;
        for ((owner, period), new) in &by_key {
            let key = fact_key(*owner, *period);
            let before = self.db.get(&key).map_err(index_error(&self.dir))?;
            let mut facts = before.as_deref().map_or(Ok(Vec::new()), decoded)?;
            facts.extend_from_slice(new);
            put_in_order(&mut facts);
            changes.insert(key, FactRow::encode_all(&facts));
            let is_turn = before.is_none() && period.0 % DAY == owner.number() % DAY;
            if let Some(day) = (period.0 / DAY).checked_sub(DAYS_LATER).filter(|_| is_turn) {
                let periods = DeliveryPeriod(day * DAY)..=last_of(day);
                let (from, to) = (*periods.start(), *periods.end());
                if by_key.range((*owner, from)..=(*owner, to)).next().is_none() {
                    let joined = self.join_day(changes, *owner, periods)?;
                    if let (FactOwner::Meter(meter), false) = (*owner, joined.is_empty()) {
                        sums.make(changes, meter, day, &joined)?;
                    }
                }
            }
        }
        sums.mend(changes)
    }

    fn join_day(
        &self,
        changes: &mut sled::Batch,
        owner: FactOwner,
        periods: RangeInclusive<DeliveryPeriod>,
    ) -> Result<Vec<FactRow>, StoreError> {
        let (first, mut joined) = (fact_key(owner, *periods.start()), Vec::new());
        for row in self.db.range(first.clone()..=fact_key(owner, *periods.end())) {
            let (key, value) = row.map_err(index_error(&self.dir))?;
            joined.extend(decoded(&value)?);
            changes.remove(key);
        }
        put_in_order(&mut joined);
        if !joined.is_empty() {
            changes.insert(first, FactRow::encode_all(&joined));
        }
        Ok(joined)
    }

    pub(super) fn facts_of(
        &self,
        owner: FactOwner,
        from: FactPlace,
        to: DeliveryPeriod,
        limit: usize,
    ) -> Result<FactPage, StoreError> {
        let mut page = FactPage::default();
        // A day at a time: what is joined and what came later lie in one day's range.
        let mut day = from.period.0 / DAY;
        let key_to = fact_key(owner, to.max(last_of(to.0 / DAY)));
        while page.next.is_none() {
            let mut rows = self.db.range(fact_key(owner, DeliveryPeriod(day * DAY))..=key_to.clone()).peekable();
            let Some(first) = rows.peek() else { break };
            // Days without anything are skipped.
            day = first.as_ref().map_or(day, |(key, _)| period_of(key) / DAY);
            let (mut count, before) = (0, page.facts.len());
            for row in rows {
                let (key, value) = row.map_err(index_error(&self.dir))?;
                if period_of(&key) / DAY > day {
                    break;
                }
                count += 1;
                page.facts.extend(decoded(&value)?);
            }
            if count > 1 {
                let mut of_day = page.facts.split_off(before);
                put_in_order(&mut of_day);
                page.facts.append(&mut of_day);
            }
            if day == from.period.0 / DAY {
                page.facts.retain(|fact| fact.place() >= from);
            }
            if day == to.0 / DAY {
                page.facts.retain(|fact| fact.period <= to);
            }
            page.next = page.facts.get(limit).map(FactRow::place);
            page.facts.truncate(limit);
            let Some(next) = day.checked_add(1).filter(|next| *next <= to.0 / DAY) else { break };
            day = next;
        }
        Ok(page)
    }

    pub(super) fn extracts_of(
        &self,
        account: u32,
        from_seq: u64,
        limit_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let place = |seq: u64| key(Table::Extract, &[&account.to_be_bytes(), &seq.to_be_bytes()]);
        // The row before `from_seq` may reach over it.
        let before = self.db.range(place(0)..=place(from_seq)).next_back().transpose();
        let start = before.map_err(index_error(&self.dir))?.map_or_else(|| place(from_seq), |(key, _)| key.to_vec());
        // Rows overlap where a gap was filled with heights that were there before.
        let (mut found, mut bytes, mut wanted) = (Vec::new(), 0, from_seq);
        for row in self.db.range(start..=place(u64::MAX)) {
            let (_, value) = row.map_err(index_error(&self.dir))?;
            let mut rest = &value[..];
            while let Some((length, tail)) = rest.split_first_chunk::<4>() {
                let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
                let (extract, tail) = tail.split_at_checked(length).ok_or_else(damaged)?;
                rest = tail;
                let seq = extract.first_chunk().map(|seq| u64::from_le_bytes(*seq)).ok_or_else(damaged)?;
                if seq < wanted {
                    continue;
                }
                wanted = seq + 1;
                bytes += extract.len();
                if bytes > limit_bytes && !found.is_empty() {
                    return Ok(found);
                }
                found.push(extract.to_vec());
            }
        }
        Ok(found)
    }
}

/// One row for each account, under its first sequence number.
pub(super) fn add_extracts(changes: &mut sled::Batch, batches: &[IndexBatch]) {
    let mut by_account: BTreeMap<u32, BTreeMap<u64, &[u8]>> = BTreeMap::new();
    for (account, seq, extract) in batches.iter().flat_map(|batch| &batch.extracts) {
        by_account.entry(*account).or_default().insert(*seq, extract);
    }
    for (account, extracts) in by_account {
        let first = extracts.first_key_value().map_or([0; 8], |(seq, _)| seq.to_be_bytes());
        let mut value = Vec::new();
        for extract in extracts.into_values() {
            let length = u32::try_from(extract.len()).expect("a record is far below 4 GiB");
            value.extend_from_slice(&length.to_le_bytes());
            value.extend_from_slice(extract);
        }
        changes.insert(key(Table::Extract, &[&account.to_be_bytes(), &first]), value);
    }
}

/// The last period of a day; the very last day is short.
pub(super) fn last_of(day: u32) -> DeliveryPeriod {
    DeliveryPeriod((day * DAY).saturating_add(DAY - 1))
}

fn fact_key(owner: FactOwner, period: DeliveryPeriod) -> Vec<u8> {
    key(Table::Fact, &[&owner.key(), &period.0.to_be_bytes()])
}

fn period_of(key: &[u8]) -> u32 {
    key.last_chunk().map_or(0, |period| u32::from_be_bytes(*period))
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

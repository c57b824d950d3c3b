//! What records say of accounts, in the sled index: a row for each account and batch, under the first sequence number in it.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::sled_facts::damaged;
use super::sled_index::{Index, Table, index_error, key};
use super::{IndexBatch, StoreError};

impl Index {
    /// See [`QueryIndex::extracts`](super::QueryIndex::extracts).
    pub(super) fn extracts_of(
        &self,
        account: u32,
        from_seq: u64,
        limit_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let place = |seq: u64| extract_key(account, seq);
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

    /// One row for each account, under its first sequence number. Rows that begin in between were told before, of heights that are told again: they go,
    /// for a page that began with one of them would leave out what follows in this one. Whatever else they hold is told again too.
    pub(super) fn add_extracts(&self, changes: &mut sled::Batch, batches: &[IndexBatch]) -> Result<(), StoreError> {
        let mut by_account: BTreeMap<u32, BTreeMap<u64, &[u8]>> = BTreeMap::new();
        for (account, seq, extract) in batches.iter().flat_map(|batch| &batch.extracts) {
            by_account.entry(*account).or_default().insert(*seq, extract);
        }
        for (account, extracts) in by_account {
            let (Some((first, _)), Some((last, _))) = (extracts.first_key_value(), extracts.last_key_value()) else {
                continue;
            };
            let [first, last] = [first, last].map(|seq| extract_key(account, *seq));
            for row in self.db.range((Bound::Excluded(first.clone()), Bound::Included(last))) {
                changes.remove(row.map_err(index_error(&self.dir))?.0);
            }
            let mut value = Vec::new();
            for extract in extracts.into_values() {
                let length = u32::try_from(extract.len()).expect("a record is far below 4 GiB");
                value.extend_from_slice(&length.to_le_bytes());
                value.extend_from_slice(extract);
            }
            changes.insert(first, value);
        }
        Ok(())
    }
}

fn extract_key(account: u32, seq: u64) -> Vec<u8> {
    key(Table::Extract, &[&account.to_be_bytes(), &seq.to_be_bytes()])
}

//! The records of final heights, cut apart, as receipts and searches want them.
//!
//! A height may hold 32,768 records, and a receipt hashes all of them: those asked for last are kept, each with its tree once somebody has wanted
//! a path through it. Whoever wants another pays for it by its bytes.

use std::collections::VecDeque;
use std::ops::Range;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::merkle::{DenseTree, Path};
use gridbook_ledger::record::{Record, leaf_hash};
use gridbook_ledger::replica::{IndexedHeader, unarchive};
use gridbook_ledger::store::{QueryIndex, StoreError};

/// How many heights are kept at least: a receipt of traced certificates looks at three.
const HEIGHTS_MIN: usize = 4;
/// Beyond these, how many bytes of records are kept; their trees are less than half of that.
const BYTES_MAX: usize = 32 << 20;
/// How many bytes of records count for one frame more: an ordinary height of a town counts for none.
const BYTES_PER_FRAME: usize = 128 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Heights {
    /// What was asked for last stands first.
    kept: VecDeque<Height>,
    /// How many bytes of records were read so far.
    bytes_read: usize,
    /// How many records were hashed so far.
    records_hashed: usize,
}

/// The records of one height.
#[derive(Debug)]
pub(super) struct Height {
    height: u64,
    first_seq: u64,
    /// As the index holds them.
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
    tree: Option<DenseTree>,
}

impl Heights {
    /// A height, if the index has it.
    ///
    /// # Errors
    /// Those of the index, and if its header cannot be read.
    pub(super) fn read(&mut self, index: &impl QueryIndex, height: u64) -> Result<Option<&mut Height>, StoreError> {
        let found = match self.kept.iter().position(|kept| kept.height == height) {
            Some(place) => self.kept.remove(place),
            None => Height::of(index, height)?.inspect(|found| self.bytes_read += found.bytes.len()),
        };
        let Some(found) = found else { return Ok(None) };
        self.kept.push_front(found);
        while self.kept.len() > HEIGHTS_MIN && self.kept.iter().map(|kept| kept.bytes.len()).sum::<usize>() > BYTES_MAX
        {
            self.kept.pop_back();
        }
        Ok(self.kept.front_mut())
    }

    /// The path of a height's record through all of its records.
    ///
    /// # Errors
    /// As [`Heights::read`].
    pub(super) fn path(
        &mut self,
        index: &impl QueryIndex,
        height: u64,
        leaf: usize,
    ) -> Result<Option<Path>, StoreError> {
        let Some(found) = self.read(index, height)? else { return Ok(None) };
        let hashed = if found.tree.is_some() { 0 } else { found.places.len() };
        let path = found.path(leaf);
        self.records_hashed += hashed;
        Ok(path)
    }

    /// How many bytes of records were read so far: of what is kept none are read again.
    pub(super) fn bytes_read(&self) -> usize {
        self.bytes_read
    }

    /// Lets go of what nobody has paid for.
    pub(super) fn forget(&mut self, height: u64) {
        self.kept.retain(|kept| kept.height != height);
    }
}

/// As how many requests more a question is charged for which so many bytes of records were read.
pub(super) fn frames_for(bytes_read: usize) -> u64 {
    (bytes_read / BYTES_PER_FRAME) as u64
}

impl Height {
    fn of(index: &impl QueryIndex, height: u64) -> Result<Option<Self>, StoreError> {
        let (Some(header), Some(bytes)) = (index.header(height)?, index.records(height)?) else { return Ok(None) };
        let header: IndexedHeader =
            unarchive(&header).map_err(|_| StoreError::Index("a header cannot be read".into()))?;
        let places = places_of(&bytes);
        Ok(Some(Self { height, first_seq: header.proposal.header.first_seq, bytes, places, tree: None }))
    }

    /// The place of a command's record among the others.
    pub(super) fn leaf_of(&self, seq: u64) -> Option<usize> {
        let leaf = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        (leaf < self.places.len()).then_some(leaf)
    }

    /// The bytes of a record.
    pub(super) fn bytes(&self, leaf: usize) -> Option<&[u8]> {
        self.places.get(leaf).map(|place| &self.bytes[place.clone()])
    }

    /// A command's record.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn record(&self, seq: u64) -> Result<Option<Record>, StoreError> {
        let Some(bytes) = self.leaf_of(seq).and_then(|leaf| self.bytes(leaf)) else { return Ok(None) };
        Record::decode(bytes).map(Some).map_err(|_| StoreError::Index("a record cannot be read".into()))
    }

    fn path(&mut self, leaf: usize) -> Option<Path> {
        let Self { bytes, places, tree, .. } = self;
        let tree = tree.get_or_insert_with(|| {
            let mut tree = DenseTree::new();
            let leaves = places.iter().map(|place| -> Hash { leaf_hash(&bytes[place.clone()]) });
            leaves.for_each(|leaf| tree.push(leaf));
            tree
        });
        tree.path(leaf)
    }
}

/// Where each record lies in what the index holds of a height.
fn places_of(blob: &[u8]) -> Vec<Range<usize>> {
    let (mut places, mut at) = (Vec::new(), 0);
    while let Some((length, rest)) = blob[at..].split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > rest.len() {
            break;
        }
        places.push(at + 4..at + 4 + length);
        at += 4 + length;
    }
    places
}

#[cfg(test)]
pub(super) mod testing {
    use std::path::Path;

    use gridbook_ledger::bytes::Reader;
    use gridbook_ledger::crypto::Signature;
    use gridbook_ledger::header::Header;
    use gridbook_ledger::hotstuff::{Proposal, QuorumCert};
    use gridbook_ledger::replica::FinalStep;
    use gridbook_ledger::store::{Index, IndexBatch, LogIdentity};

    use super::*;
    use crate::validator::desk::index_batch;

    pub(in crate::validator) fn index_at(dir: &Path) -> Index {
        let identity = LogIdentity { chain: Hash::of("test", b"chain"), validator: 0 };
        Index::open(&dir.join("index"), identity, 32 << 20, Some(u64::MAX)).unwrap()
    }

    /// What the index is told of a height with these records, which follow each other.
    pub(in crate::validator) fn told_height(height: u64, records: &[Record]) -> IndexBatch {
        let nothing = Header::read(&mut Reader::new(&[0; 1_024])).unwrap();
        let first_seq = records[0].seq;
        let header = Header { height, first_seq, last_seq: first_seq + records.len() as u64 - 1, ..nothing };
        let justify = QuorumCert { epoch: 0, header: header.justify, signers: 0, signatures: Vec::new() };
        let proposal = Proposal { header, signature: Signature([0; 64]), justify, tc: None };
        let bytes = records.iter().map(Record::encode).collect();
        let step = FinalStep { proposal, hash: Hash([0; 32]), records: bytes, bundles: Vec::new(), proof: None };
        index_batch(&step, records)
    }
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::merkle;
    use gridbook_ledger::record::Outcome;

    use super::testing::{index_at, told_height};
    use super::*;

    fn record(seq: u64) -> Record {
        let (entry, outcome) = (Hash([1; 32]), Outcome::Done);
        Record { seq, entry, index: 0, meter: None, client_id: seq, outcome, events: Vec::new() }
    }

    /// A height of thirty thousand records, and one after the other of its clients wants a receipt: its records are read once and hashed once.
    #[test]
    fn the_receipts_of_one_height_read_and_hash_its_records_once() {
        let home = tempfile::tempdir().unwrap();
        let index = index_at(home.path());
        let records: Vec<Record> = (1..=30_000).map(record).collect();
        index.apply(&[told_height(1, &records)]).unwrap();
        let leaves: Vec<Hash> = records.iter().map(|record| leaf_hash(&record.encode())).collect();
        let root = merkle::root(&leaves);
        let mut heights = Heights::default();
        for seq in (1..=30_000).step_by(17) {
            let height = heights.read(&index, 1).unwrap().unwrap();
            let leaf = height.leaf_of(seq).unwrap();
            assert_eq!(height.record(seq).unwrap(), Some(record(seq)));
            let path = heights.path(&index, 1, leaf).unwrap().unwrap();
            assert!(path.verify(&leaves[leaf], &root));
        }
        assert_eq!(heights.records_hashed, 30_000);
        let bytes = heights.bytes_read();
        assert_eq!(bytes, index.records(1).unwrap().unwrap().len());
        assert!(frames_for(bytes) > 5, "a full height is paid for");
        assert_eq!((heights.read(&index, 2).unwrap().is_none(), heights.bytes_read()), (true, bytes));
        let height = heights.read(&index, 1).unwrap().unwrap();
        assert_eq!((height.leaf_of(0), height.leaf_of(30_001)), (None, None));
    }

    /// Somebody asks for one height after the other. Each is read, and paid for; what is kept of them does not grow.
    #[test]
    fn of_many_heights_the_last_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let index = index_at(home.path());
        let mut heights = Heights::default();
        let long = |seq| Record {
            events: vec![
                gridbook_ledger::record::RecordEvent::AccountRegistered {
                    account: gridbook_engine::AccountId(1)
                };
                30_000
            ],
            ..record(seq)
        };
        let told: Vec<_> = (1..=8)
            .map(|height| told_height(height, &(0..40).map(|place| long(height * 100 + place)).collect::<Vec<_>>()))
            .collect();
        told.iter().for_each(|told| index.apply(std::slice::from_ref(told)).unwrap());
        for height in 1..=8 {
            heights.read(&index, height).unwrap().unwrap();
        }
        let kept: usize = heights.kept.iter().map(|kept| kept.bytes.len()).sum();
        assert!(
            heights.kept.len() >= HEIGHTS_MIN && kept <= BYTES_MAX && heights.bytes_read() > BYTES_MAX,
            "{kept} of {}",
            heights.bytes_read()
        );
        let read = heights.bytes_read();
        heights.read(&index, 8).unwrap().unwrap();
        assert_eq!(heights.bytes_read(), read);
        heights.forget(8);
        heights.read(&index, 8).unwrap().unwrap();
        assert!(heights.bytes_read() > read);
    }
}

//! What the index holds of a final header, and how it is read again.

use gridbook_ledger::record::Record;
use gridbook_ledger::replica::{FinalStep, IndexedHeader, archive};
use gridbook_ledger::store::{Index, IndexBatch, QueryIndex};

/// The first and the last height in the gap of an index.
pub(super) fn missing(index: &Index) -> Option<(u64, u64)> {
    let (below, first) = (index.gap_after()?, index.first_height()?);
    (below + 1 < first).then_some((below + 1, first - 1))
}

/// The records of a final header.
pub(in crate::validator) fn decoded(step: &FinalStep) -> Vec<Record> {
    step.records.iter().filter_map(|bytes| Record::decode(bytes).ok()).collect()
}

/// What the index holds of a final header, whose records these are.
pub(in crate::validator) fn index_batch(step: &FinalStep, records: &[Record]) -> IndexBatch {
    let header = &step.proposal.header;
    let indexed = IndexedHeader { proposal: step.proposal.clone(), proof: step.proof.as_deref().cloned() };
    let mut blob = Vec::new();
    for record in &step.records {
        let length = u32::try_from(record.len()).expect("a record is far below 4 GiB");
        blob.extend_from_slice(&length.to_le_bytes());
        blob.extend_from_slice(record);
    }
    let mut batch = IndexBatch {
        height: header.height,
        header: archive(&indexed),
        records: blob,
        first_seq: header.first_seq,
        last_seq: header.last_seq,
        bundles: step.bundles.iter().map(|bundle| (bundle.id, bundle.first_seq)).collect(),
        ..IndexBatch::default()
    };
    records.iter().for_each(|record| batch.enter(record));
    batch
}

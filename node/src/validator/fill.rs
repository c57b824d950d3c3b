//! Fills the gap of a query index that was lost, while everything else goes on.

use std::sync::Arc;

use anyhow::Context as _;
use gridbook_ledger::replica::{Effect, LogRecord, Recovery, ReplicaConfig};
use gridbook_ledger::store::{Index, LogPosition, LogReader, LogRecordRef, QueryIndex};

use super::Shared;
use super::desk::{decoded, index_batch};

/// How many final heights go into the index at once: see the desk.
const INDEX_HEIGHTS: usize = 16;

/// Executes the log again from its beginning, and indexes the heights that are missing. Nobody waits for it: whoever asks for such a
/// height meanwhile is told that it is not here.
pub(super) fn fill(config: ReplicaConfig, log: &LogReader, index: &Arc<Index>, shared: &Shared) {
    match fill_gap(config, log, index, shared) {
        Ok(true) => tracing::info!("the query index is whole again"),
        Ok(false) => {}
        // Questions go on being answered as far as they can be.
        Err(error) => tracing::error!("the query index keeps its gap: {error:#}"),
    }
}

fn fill_gap(config: ReplicaConfig, log: &LogReader, index: &Index, shared: &Shared) -> anyhow::Result<bool> {
    let mut recovery = Recovery::new(config);
    let mut batches = Vec::new();
    let mut records = log.read_from(LogPosition::START);
    while let Some(after) = index.gap_after() {
        let Some(LogRecordRef { position, kind, payload }) = records.advance()? else { break };
        if shared.is_stopping() {
            return Ok(false);
        }
        let record = LogRecord::decode(kind, payload).with_context(|| format!("the log record at {position}"))?;
        for effect in recovery.replay(record)? {
            let Effect::Final(step) = effect else { continue };
            let height = step.proposal.header.height;
            if height > after + batches.len() as u64 {
                batches.push(index_batch(&step, &decoded(&step)));
            }
            let last = index.first_height().is_none_or(|first| height + 1 >= first);
            if batches.len() >= INDEX_HEIGHTS || last {
                index.fill(&batches)?;
                batches.clear();
            }
        }
    }
    Ok(index.gap_after().is_none())
}

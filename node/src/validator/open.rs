//! Opening a data directory: whose it is, what it holds, and the replica that comes out of it.

use anyhow::Context as _;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::hotstuff::Timing;
use gridbook_ledger::replica::{Effect, LogRecord, Recovery, Replica, ReplicaConfig};
use gridbook_ledger::store::{
    DataDir, Index, Log, LogIdentity, LogOptions, LogPosition, LogRecordRef, QueryIndex, SafetyFile,
};
use gridbook_ledger::validators::ValidatorIndex;

use super::desk::{index_batch, meter_rows};
use super::history::Positions;
use super::storage::read_safety_payload;
use crate::config::ValidatorConfig;
use crate::keyfile::read_key;

/// A data directory that is open, and everything that came out of it.
#[derive(Debug)]
pub struct Opened {
    /// Holds the lock.
    pub dir: DataDir,
    /// The ledger.
    pub genesis: Genesis,
    /// The validator's key.
    pub key: SecretKey,
    /// The log, at its end.
    pub log: Log,
    /// The safety record's file.
    pub safety: SafetyFile,
    /// The query index, as far as the log.
    pub index: Index,
    /// Where final entries lie in the log.
    pub history: Positions,
    /// The replica, ready to start.
    pub replica: Replica,
}

/// How many final heights go into the index at once while it is rebuilt.
const INDEX_HEIGHTS: usize = 256;

/// Opens a validator's data directory and re-executes its log.
///
/// # Errors
/// Whatever is wrong with files, keys or the log, in words.
pub fn open_data(config: &ValidatorConfig) -> anyhow::Result<Opened> {
    let text = std::fs::read_to_string(&config.genesis_file)
        .with_context(|| format!("cannot read the genesis {}", config.genesis_file.display()))?;
    let genesis = Genesis::from_json(&text).with_context(|| format!("{}", config.genesis_file.display()))?;
    let key = read_key(&config.key_file)?;
    let me = ValidatorIndex(config.index);
    let identity = LogIdentity { chain: genesis.chain_id(), validator: config.index };
    let dir = DataDir::open(&config.data_dir)?;
    let (safety, record) = dir.open_safety(identity)?;
    let record = match record {
        Some(payload) => Some(read_safety_payload(&payload).context("the safety record cannot be read: do not sign")?),
        None => None,
    };
    let must_reach = record.as_ref().map(|(_, synced)| *synced);
    let options = LogOptions { segment_bytes: config.log.segment_bytes, must_reach, ..LogOptions::default() };
    let (log, recovered) = dir.open_log(identity, options)?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(?torn, "the log ended in a torn record, as after a crash; it was cut off");
    }
    let record = record.map(|(record, _)| record);
    let index = dir.open_index(identity, config.index_options.memory_mib << 20, None)?;
    let mut recovery =
        Recovery::new(ReplicaConfig { genesis: genesis.clone(), me, key: key.clone(), timing: Timing::default() })?;
    let history = Positions::default();
    let index = replay(&dir, config, identity, &log, &mut recovery, index, &history)?;
    let replica = recovery.finish(record);
    tracing::info!(
        height = replica.final_header().height,
        seq = replica.final_header().last_seq,
        records = recovered.records,
        "log re-executed"
    );
    Ok(Opened { dir, genesis, key, log, safety, index, history, replica })
}

fn replay(
    dir: &DataDir,
    config: &ValidatorConfig,
    identity: LogIdentity,
    log: &Log,
    recovery: &mut Recovery,
    index: Index,
    history: &Positions,
) -> anyhow::Result<Index> {
    let mut indexed = index.last_height().unwrap_or(0);
    let mut batches = Vec::new();
    let mut records = log.reader().read_from(LogPosition::START);
    while let Some(LogRecordRef { position, kind, payload }) = records.advance()? {
        let record = LogRecord::decode(kind, payload).with_context(|| format!("the log record at {position:?}"))?;
        history.note(&record, position);
        for effect in recovery.replay(record)? {
            if let Effect::Final(step) = effect
                && step.proposal.header.height > indexed
            {
                indexed = step.proposal.header.height;
                batches.push(index_batch(&step, meter_rows(&step)));
            }
        }
        if batches.len() >= INDEX_HEIGHTS {
            index.apply(&batches)?;
            batches.clear();
        }
    }
    index.apply(&batches)?;
    let height = recovery.replica().final_header().height;
    if index.last_height().is_some_and(|last| last > height) {
        // It knows what the log does not: it is not this log's.
        tracing::warn!("the query index is ahead of the log; it is made again");
        drop(index);
        Index::remove(&dir.index_dir())?;
        let index = dir.open_index(identity, config.index_options.memory_mib << 20, None)?;
        return rebuild(log, recovery, index);
    }
    Ok(index)
}

/// Fills an empty index out of a log that was replayed already.
fn rebuild(log: &Log, recovery: &Recovery, index: Index) -> anyhow::Result<Index> {
    let mut again = Recovery::new(recovery.replica().config().clone())?;
    let mut records = log.reader().read_from(LogPosition::START);
    while let Some(LogRecordRef { kind, payload, .. }) = records.advance()? {
        let mut batches = Vec::new();
        for effect in again.replay(LogRecord::decode(kind, payload)?)? {
            if let Effect::Final(step) = effect {
                batches.push(index_batch(&step, meter_rows(&step)));
            }
        }
        index.apply(&batches)?;
    }
    Ok(index)
}

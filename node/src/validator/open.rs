//! Opening a data directory: whose it is, what it holds, and the replica that comes out of it.

use anyhow::Context as _;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::hotstuff::{SafetyRecord, Timing};
use gridbook_ledger::replica::{Effect, LogRecord, Recovery, Replica, ReplicaConfig};
use gridbook_ledger::store::{
    Checkpoints, DataDir, Index, Log, LogIdentity, LogOptions, LogPosition, LogReader, LogRecordRef, QueryIndex,
    SafetyFile,
};

use super::desk::{index_batch, meter_rows};
use super::history::Positions;
use super::promise::{Promise, Told};
use super::storage::{read_checkpoint, read_safety_payload};
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
    /// Where checkpoints go.
    pub checkpoints: Checkpoints,
    /// The query index, as far as the log.
    pub index: Index,
    /// Where final entries lie in the log.
    pub history: Positions,
    /// The replica, ready to start.
    pub replica: Replica,
}

/// Opens a validator's data directory and brings its replica to where the log ends: from the newest checkpoint, or from genesis.
///
/// # Errors
/// Whatever is wrong with files, keys or the log, in words.
pub fn open_data(config: &ValidatorConfig) -> anyhow::Result<Opened> {
    let text = std::fs::read_to_string(&config.genesis_file)
        .with_context(|| format!("cannot read the genesis {}", config.genesis_file.display()))?;
    let genesis = Genesis::from_json(&text).with_context(|| format!("{}", config.genesis_file.display()))?;
    let key = read_key(&config.key_file)?;
    let identity = LogIdentity { chain: genesis.chain_id(), validator: config.index };
    let dir = DataDir::open(&config.data_dir)?;
    let (safety, record) = open_safety(&dir, identity)?;
    let checkpoints = dir.open_checkpoints(identity)?;
    let (log, record) = open_log(&dir, config, identity, record)?;
    let index = dir.open_index(identity, config.index_options.memory_mib << 20, None)?;
    let replica_config = ReplicaConfig { genesis: genesis.clone(), keys: vec![key.clone()], timing: TIMING };
    let mut start = begin(replica_config, &checkpoints, &index)?;
    let index = start.replay(&dir, config, identity, &log.reader(), index)?;
    let Start { recovery, history, .. } = start;
    let replica = recovery.finish(record);
    let header = replica.final_header();
    tracing::info!(height = header.height, seq = header.last_seq, "the log is executed");
    Ok(Opened { dir, genesis, key, log, safety, checkpoints, index, history, replica })
}

/// The protocol's timer may go down to 50 ms. On one disk and a few cores shared with others, a stall of that length is no sign of a
/// dead leader, and a needless change of view costs more than waiting: a killed leader is still replaced in well under half a second.
const TIMING: Timing =
    Timing { first_ms: 1_000, min_ms: 200, max_ms: 8_000, term_ms: 10_000, term_grace_ms: 1_000, slots_max: 10_000 };

type Safety = Option<(SafetyRecord, LogPosition)>;

fn open_safety(dir: &DataDir, identity: LogIdentity) -> anyhow::Result<(SafetyFile, Safety)> {
    let (safety, payload) = dir.open_safety(identity)?;
    let Some(payload) = payload else {
        Promise::default().tell(Told::Found);
        return Ok((safety, None));
    };
    let (record, synced) =
        read_safety_payload(&payload).context("the safety record cannot be read; this validator must not sign")?;
    Promise::of(&record, synced).tell(Told::Found);
    Ok((safety, Some((record, synced))))
}

fn open_log(
    dir: &DataDir,
    config: &ValidatorConfig,
    identity: LogIdentity,
    safety: Safety,
) -> anyhow::Result<(Log, Option<SafetyRecord>)> {
    let (record, must_reach) = safety.unzip();
    let options = LogOptions { segment_bytes: config.log.segment_bytes, must_reach, ..LogOptions::default() };
    let (log, recovered) = dir.open_log(identity, options)?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(?torn, "the log ended in a torn record, as after a crash; it was cut off");
    }
    Ok((log, record))
}

/// Where re-execution begins.
struct Start {
    recovery: Recovery,
    history: Positions,
    from: LogPosition,
}

/// Begins at the newest checkpoint, if there is a usable one and the index needs nothing from before it.
fn begin(config: ReplicaConfig, checkpoints: &Checkpoints, index: &Index) -> anyhow::Result<Start> {
    let newest = checkpoints.newest()?;
    for damaged in &newest.damaged {
        tracing::warn!(file = %damaged.display(), "a checkpoint is damaged; an older one or the log serves");
    }
    if let Some(checkpoint) = newest.checkpoint
        && let Some((history, image)) = read_checkpoint(&checkpoint.bytes)
    {
        match Recovery::from_checkpoint(config.clone(), image) {
            Ok(recovery) if index.last_height().unwrap_or(0) >= recovery.replica().final_header().height => {
                return Ok(Start { recovery, history, from: checkpoint.mark.replay_from });
            }
            Ok(_) => {
                tracing::info!("the query index is behind the checkpoint: the whole log is executed to make it again")
            }
            Err(error) => tracing::warn!(%error, "the whole log is executed"),
        }
    }
    Ok(Start { recovery: Recovery::new(config), history: Positions::default(), from: LogPosition::START })
}

/// How many final heights go into the index at once: see the desk.
const INDEX_HEIGHTS: usize = 16;

impl Start {
    fn replay(
        &mut self,
        dir: &DataDir,
        config: &ValidatorConfig,
        identity: LogIdentity,
        log: &LogReader,
        index: Index,
    ) -> anyhow::Result<Index> {
        let history = self.history.clone();
        feed(&mut self.recovery, log, self.from, &index, |record, position| history.note(record, position))?;
        let height = self.recovery.replica().final_header().height;
        if index.last_height().unwrap_or(0) <= height {
            return Ok(index);
        }
        // It knows what the log does not: it is not this log's.
        tracing::warn!("the query index is ahead of the log; it is made again");
        drop(index);
        Index::remove(&dir.index_dir())?;
        let index = dir.open_index(identity, config.index_options.memory_mib << 20, None)?;
        let mut again = Recovery::new(self.recovery.replica().config().clone());
        feed(&mut again, log, LogPosition::START, &index, |_, _| {})?;
        Ok(index)
    }
}

/// Executes the log from a place on, and indexes what is not in the index.
fn feed(
    recovery: &mut Recovery,
    log: &LogReader,
    from: LogPosition,
    index: &Index,
    note: impl Fn(&LogRecord, LogPosition),
) -> anyhow::Result<()> {
    let indexed = index.last_height().unwrap_or(0);
    let mut batches = Vec::new();
    let mut records = log.read_from(from);
    while let Some(LogRecordRef { position, kind, payload }) = records.advance()? {
        let record = LogRecord::decode(kind, payload).with_context(|| format!("the log record at {position}"))?;
        note(&record, position);
        for effect in recovery.replay(record)? {
            if let Effect::Final(step) = effect
                && step.proposal.header.height > indexed
            {
                batches.push(index_batch(&step, meter_rows(&step)));
            }
        }
        if batches.len() >= INDEX_HEIGHTS {
            index.apply(&batches)?;
            batches.clear();
        }
    }
    index.apply(&batches)?;
    Ok(())
}

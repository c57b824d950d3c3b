//! Opening a data directory: whose it is, what it holds, and the replica that comes out of it.

use anyhow::Context as _;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::{SafetyRecord, Timing};
use gridbook_ledger::replica::{Effect, IndexedHeader, LogRecord, Recovery, Replica, ReplicaConfig, unarchive};
use gridbook_ledger::snapshot::Snapshot;
use gridbook_ledger::store::{
    Checkpoints, DataDir, Index, Log, LogIdentity, LogOptions, LogPosition, LogReader, LogRecordRef, QueryIndex,
    SafetyFile, StoreError,
};

use super::desk::{index_batch, meter_rows};
use super::history::Positions;
use super::promise::{Promise, Told};
use super::shelf::Shelf;
use super::storage::{read_safety_payload, split_places};
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
    /// Where snapshots go.
    pub snapshots: Checkpoints,
    /// The snapshots that others may ask for.
    pub shelf: Shelf,
    /// The query index: as far as the log, but perhaps with a gap.
    pub index: Index,
    /// Where final entries lie in the log.
    pub history: Positions,
    /// The replica, ready to start.
    pub replica: Replica,
    /// What is needed to fill the index's gap, if there is one and the log holds what is missing.
    pub filling: Option<ReplicaConfig>,
}

/// Opens a validator's data directory and brings its replica to where the log ends: from the newest state that was kept, or from genesis.
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
    let (checkpoints, snapshots) = (dir.open_checkpoints(identity)?, dir.open_snapshots(identity)?);
    let shelf = Shelf::open(&snapshots)?;
    let replica_config = ReplicaConfig { genesis: genesis.clone(), keys: vec![key.clone()], timing: TIMING };
    let start = begin(&replica_config, &checkpoints, &snapshots)?;
    let (log, record) = open_log(&dir, config, identity, record, start.from)?;
    let open_index = || dir.open_index(identity, config.index_options.memory_mib << 20, ANY_HEIGHT);
    let index = open_index()?;
    let Executed { replica, history, index, whole } = start.execute(&log.reader(), index, record, || {
        Index::remove(&dir.index_dir())?;
        open_index()
    })?;
    let filling = (whole && index.gap_after().is_some()).then_some(replica_config);
    Ok(Opened { dir, genesis, key, log, safety, checkpoints, snapshots, shelf, index, history, replica, filling })
}

/// What the index knows is compared with the log once that was executed.
const ANY_HEIGHT: Option<u64> = Some(u64::MAX);

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
    replay_from: LogPosition,
) -> anyhow::Result<(Log, Option<SafetyRecord>)> {
    let (record, promised) = safety.unzip();
    // The log was synced that far when the state was kept, and when the record was written.
    let must_reach = promised.into_iter().chain((replay_from > LogPosition::START).then_some(replay_from)).max();
    let segment_bytes = config.log.segment_bytes;
    let options = LogOptions { segment_bytes, must_reach, verify_from: replay_from, ..LogOptions::default() };
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

type Recover = fn(ReplicaConfig, &[u8]) -> anyhow::Result<Recovery>;

/// Begins at the newest state that was kept and can be used.
fn begin(config: &ReplicaConfig, checkpoints: &Checkpoints, snapshots: &Checkpoints) -> anyhow::Result<Start> {
    let newest = |files: &Checkpoints| Ok::<_, StoreError>(files.marks()?.first().map_or(0, |mark| mark.seq));
    let mut kept: [(&Checkpoints, Recover); 2] = [(snapshots, from_snapshot), (checkpoints, from_checkpoint)];
    if newest(checkpoints)? > newest(snapshots)? {
        kept.reverse();
    }
    for (files, recover) in kept {
        let found = files.newest()?;
        for damaged in &found.damaged {
            tracing::warn!(file = %damaged.display(), "a kept state is damaged; an older one or the log serves");
        }
        let Some(checkpoint) = found.checkpoint else { continue };
        let Some((history, image)) = split_places(&checkpoint.bytes) else { continue };
        match recover(config.clone(), image) {
            Ok(recovery) => return Ok(Start { recovery, history, from: checkpoint.mark.replay_from }),
            Err(error) => tracing::warn!(%error, seq = checkpoint.mark.seq, "a kept state cannot be used"),
        }
    }
    Ok(Start { recovery: Recovery::new(config.clone()), history: Positions::default(), from: LogPosition::START })
}

fn from_snapshot(config: ReplicaConfig, image: &[u8]) -> anyhow::Result<Recovery> {
    Ok(Recovery::from_snapshot(config, &Snapshot::decode(image)?)?)
}

fn from_checkpoint(config: ReplicaConfig, image: &[u8]) -> anyhow::Result<Recovery> {
    Ok(Recovery::from_checkpoint(config, image)?)
}

/// How many final heights go into the index at once: see the desk.
const INDEX_HEIGHTS: usize = 16;

/// The log is executed to its end.
struct Executed {
    replica: Replica,
    history: Positions,
    index: Index,
    /// Whether the log holds the ledger from its genesis on.
    whole: bool,
}

impl Start {
    fn execute(
        mut self,
        log: &LogReader,
        mut index: Index,
        record: Option<SafetyRecord>,
        again: impl FnOnce() -> Result<Index, StoreError>,
    ) -> anyhow::Result<Executed> {
        let whole = log.start() == LogPosition::START;
        if self.from < log.start() {
            tracing::warn!(
                "no kept state can be used, and the log does not begin at genesis: another's snapshot is needed"
            );
            self.recovery.begins_in_a_gap();
            self.from = log.start();
        }
        let first = self.recovery.replica().final_header().height + 1;
        if index.through() + 1 < first {
            tracing::warn!(indexed = index.through(), first, "the query index lacks heights; it goes on without them");
            index.begin_at(first)?;
        }
        let history = self.history.clone();
        feed(&mut self.recovery, log, self.from, &index, |record, position| history.note(record, position))?;
        let header = self.recovery.replica().final_header();
        if !agrees(&index, header)? {
            // It knows another ledger than the log: it is not this log's.
            tracing::warn!("the query index differs from the log; it is made again");
            let next = header.height + 1;
            drop(index);
            index = again()?;
            index.begin_at(next)?;
        }
        tracing::info!(height = header.height, seq = header.last_seq, "the log is executed");
        let whole = whole && !self.recovery.has_gap();
        Ok(Executed { replica: self.recovery.finish(record), history, index, whole })
    }
}

/// Whether the index holds this header at its height, if it holds that height. It may well know more than the log: what became final
/// just before a power cut, and the log's last records of it were not synced.
fn agrees(index: &Index, header: &Header) -> anyhow::Result<bool> {
    if header.height == 0 || index.through() < header.height {
        return Ok(true);
    }
    let Some(bytes) = index.header(header.height)? else { return Ok(index.first_height() > Some(header.height)) };
    Ok(unarchive::<IndexedHeader>(&bytes).is_ok_and(|indexed| indexed.proposal.header.hash() == header.hash()))
}

/// Executes the log from a place on, and indexes what is not in the index.
fn feed(
    recovery: &mut Recovery,
    log: &LogReader,
    from: LogPosition,
    index: &Index,
    note: impl Fn(&LogRecord, LogPosition),
) -> anyhow::Result<()> {
    let indexed = index.through();
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

//! Opening a data directory: whose it is, what it holds, and the replica that comes out of it.

use std::sync::Arc;

use anyhow::Context as _;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::{SafetyRecord, Timing};
use gridbook_ledger::replica::{Effect, IndexedHeader, LogRecord, Recovery, Replica, ReplicaConfig, unarchive};
use gridbook_ledger::shelf::{Places, Shelf, Start};
use gridbook_ledger::snapshot::Incoming;
use gridbook_ledger::state::PieceList;
use gridbook_ledger::store::{
    Checkpoints, DataDir, IncomingBytes, IncomingDir, Index, Log, LogIdentity, LogOptions, LogPosition, LogReader,
    LogRecordRef, QueryIndex, SafetyFile, StdDisk, StoreError,
};

use super::desk::{decoded, index_batch};
use super::history::Positions;
use super::promise::{Promise, Told};
use super::storage::read_safety_payload;
use crate::config::ValidatorConfig;
use crate::keyfile::read_key;
use crate::uses::UseLog;

/// A data directory that is open, and everything that came out of it.
#[derive(Debug)]
pub struct Opened {
    /// Holds the lock.
    pub dir: DataDir,
    /// The ledger.
    pub genesis: Genesis,
    /// The validator's keys: that of today, and perhaps that of tomorrow.
    pub keys: Vec<SecretKey>,
    /// Whose directory it is.
    pub identity: LogIdentity,
    /// What is written.
    pub files: OpenedFiles,
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

/// The files of a data directory that are written to.
#[derive(Debug)]
pub struct OpenedFiles {
    /// The log, at its end.
    pub log: Log,
    /// The safety record's file; none if it is lost.
    pub safety: Option<SafetyFile>,
    /// Where checkpoints go.
    pub checkpoints: Checkpoints,
    /// Where snapshots go.
    pub snapshots: Checkpoints,
    /// Where a snapshot comes in.
    pub incoming: IncomingDir,
    /// What of it comes in, if one had begun to.
    pub coming: Option<PieceList>,
    /// What was read out under grants.
    pub uses: UseLog,
}

/// Opens a validator's data directory and brings its replica to where the log ends: from the newest state that was kept, or from genesis.
///
/// # Errors
/// Whatever is wrong with files, keys or the log, in words.
pub fn open_data(config: &ValidatorConfig) -> anyhow::Result<Opened> {
    let genesis = read_genesis(config)?;
    let key_files = std::iter::once(&config.key_file).chain(&config.next_key_file);
    let keys = key_files.map(|file| read_key(file)).collect::<Result<Vec<_>, _>>()?;
    let identity = LogIdentity { chain: genesis.chain_id(), validator: config.index };
    let dir = DataDir::open(&config.data_dir)?;
    let safety = Safety::open(&dir, identity)?;
    let (checkpoints, snapshots) = (dir.open_checkpoints(identity)?, dir.open_snapshots(identity)?);
    let (shelf, damaged) = Shelf::open(&snapshots)?;
    for seq in damaged {
        tracing::warn!(seq, "a snapshot is damaged and is not served");
    }
    let replica_config = ReplicaConfig { genesis: genesis.clone(), keys: keys.clone(), timing: TIMING };
    let start = begin(&replica_config, &checkpoints, &snapshots)?;
    let log = open_log(&dir, config, identity, safety.synced(), start.from)?;
    let open_index = || dir.open_index(identity, config.index_options.memory_mib << 20, ANY_HEIGHT);
    let index = open_index()?;
    let Executed { recovery, history, index, whole } = execute(start, &log.reader(), index, || {
        Index::remove(&dir.index_dir())?;
        open_index()
    })?;
    let filling = (whole && index.gap_after().is_some()).then_some(replica_config);
    let (safety, mut replica) = safety.finish(recovery);
    let (incoming, coming) = open_incoming(&dir, &genesis, &mut replica)?;
    let set = replica.epochs().present_set();
    if keys.iter().all(|key| set.index_of(&key.public()).is_none()) {
        let epoch = replica.epochs().present();
        tracing::warn!(
            epoch,
            "none of this validator's keys is in the set of the epoch its log is in: it follows without a vote"
        );
    }
    let uses = UseLog::open(Arc::new(StdDisk), &dir.uses_dir(), identity)?;
    let files = OpenedFiles { log, safety, checkpoints, snapshots, incoming, coming, uses };
    Ok(Opened { dir, genesis, identity, keys, files, shelf, index, history, replica, filling })
}

/// Goes on with a snapshot of which a part came in before a restart.
fn open_incoming(
    dir: &DataDir,
    genesis: &Genesis,
    replica: &mut Replica,
) -> anyhow::Result<(IncomingDir, Option<PieceList>)> {
    let mut files = dir.open_incoming()?;
    let Some(IncomingBytes { front, state }) = files.load()? else { return Ok((files, None)) };
    match Incoming::resume(genesis, &front, &state) {
        Ok(incoming) if incoming.manifest().header().height > replica.final_header().height => {
            let pieces = incoming.manifest().pieces.clone();
            tracing::info!(missing = incoming.missing_count(), of = pieces.count(), "a snapshot goes on coming in");
            replica.resume_join(incoming);
            return Ok((files, Some(pieces)));
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "what had come in of a snapshot cannot be used"),
    }
    files.clear()?;
    Ok((files, None))
}

/// What the index knows is compared with the log once that was executed.
const ANY_HEIGHT: Option<u64> = Some(u64::MAX);

/// The protocol's timer may go down to 50 ms. On one disk and a few cores shared with others, a stall of that length is no sign of a
/// dead leader, and a needless change of view costs more than waiting: a killed leader is still replaced in well under half a second.
const TIMING: Timing =
    Timing { first_ms: 1_000, min_ms: 200, max_ms: 8_000, term_ms: 10_000, term_grace_ms: 1_000, slots_max: 10_000 };

/// Writes the first safety record of a validator whose key is new.
///
/// # Errors
/// If its data directory was used before, or whatever is wrong with the files.
pub fn give_birth(config: &ValidatorConfig) -> anyhow::Result<()> {
    let genesis = read_genesis(config)?;
    let identity = LogIdentity { chain: genesis.chain_id(), validator: config.index };
    Ok(DataDir::open(&config.data_dir)?.give_birth(identity)?)
}

fn read_genesis(config: &ValidatorConfig) -> anyhow::Result<Genesis> {
    let text = std::fs::read_to_string(&config.genesis_file)
        .with_context(|| format!("cannot read the genesis {}", config.genesis_file.display()))?;
    Genesis::from_json(&text).with_context(|| format!("{}", config.genesis_file.display()))
}

/// What is known of what this validator signed.
enum Safety {
    /// Nothing: it must not sign in this epoch.
    Lost,
    /// It never signed.
    Born(SafetyFile),
    /// This is the last of it, and so far the log was synced then.
    Signed(SafetyFile, Box<SafetyRecord>, LogPosition),
}

impl Safety {
    fn open(dir: &DataDir, identity: LogIdentity) -> anyhow::Result<Self> {
        let (safety, payload) = match dir.open_safety(identity) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Self::lost("there is no safety record")),
            Err(error @ StoreError::DoNotSign { .. }) => return Ok(Self::lost(&error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let Some(payload) = payload else {
            Promise::default().tell(Told::Found);
            return Ok(Self::Born(safety));
        };
        let (record, synced) =
            read_safety_payload(&payload).context("the safety record cannot be read; this validator must not sign")?;
        Promise::of(&record, synced).tell(Told::Found);
        Ok(Self::Signed(safety, Box::new(record), synced))
    }

    fn lost(why: &str) -> Self {
        Promise::default().tell(Told::Found);
        tracing::error!(
            "{why}: this validator follows and serves, and signs nothing until an epoch begins that it enters"
        );
        Self::Lost
    }

    fn synced(&self) -> Option<LogPosition> {
        match self {
            Self::Signed(_, _, synced) => Some(*synced),
            Self::Lost | Self::Born(_) => None,
        }
    }

    fn finish(self, recovery: Recovery) -> (Option<SafetyFile>, Replica) {
        match self {
            Self::Lost => (None, recovery.finish_muted()),
            Self::Born(file) => (Some(file), recovery.finish(None)),
            Self::Signed(file, record, _) => (Some(file), recovery.finish(Some(*record))),
        }
    }
}

fn open_log(
    dir: &DataDir,
    config: &ValidatorConfig,
    identity: LogIdentity,
    promised: Option<LogPosition>,
    replay_from: LogPosition,
) -> anyhow::Result<Log> {
    // The log was synced that far when the state was kept, and when the record was written.
    let must_reach = promised.into_iter().chain((replay_from > LogPosition::START).then_some(replay_from)).max();
    let segment_bytes = config.log.segment_bytes;
    let options = LogOptions { segment_bytes, must_reach, verify_from: replay_from, ..LogOptions::default() };
    let (log, recovered) = dir.open_log(identity, options)?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(?torn, "the log ended in a torn record, as after a crash; it was cut off");
    }
    Ok(log)
}

/// Begins at the newest state that was kept and can be used.
fn begin(config: &ReplicaConfig, checkpoints: &Checkpoints, snapshots: &Checkpoints) -> Result<Start, StoreError> {
    let start = Start::at_newest(config, checkpoints, snapshots, Places::APART_BYTES)?;
    for passed_over in &start.passed_over {
        tracing::warn!("{passed_over}; an older kept state or the log serves");
    }
    Ok(start)
}

/// How many final heights go into the index at once: see the desk.
const INDEX_HEIGHTS: usize = 16;

/// The log is executed to its end.
struct Executed {
    recovery: Recovery,
    history: Positions,
    index: Index,
    /// Whether the log holds the ledger from its genesis on.
    whole: bool,
}

fn execute(
    start: Start,
    log: &LogReader,
    mut index: Index,
    again: impl FnOnce() -> Result<Index, StoreError>,
) -> anyhow::Result<Executed> {
    let Start { mut recovery, places, mut from, .. } = start;
    let whole = log.start() == LogPosition::START;
    if from < log.start() {
        tracing::warn!(
            "no kept state can be used, and the log does not begin at genesis: another's snapshot is needed"
        );
        recovery.begins_in_a_gap();
        from = log.start();
    }
    let first = recovery.replica().final_header().height + 1;
    if index.through() + 1 < first {
        tracing::warn!(indexed = index.through(), first, "the query index lacks heights; it goes on without them");
        index.begin_at(first)?;
    }
    let history = Positions::of(places);
    feed(&mut recovery, log, from, &index, |record, position| history.note(record, position))?;
    let header = recovery.replica().final_header();
    if !agrees(&index, header)? {
        // It knows another ledger than the log: it is not this log's.
        tracing::warn!("the query index differs from the log; it is made again");
        let next = header.height + 1;
        drop(index);
        index = again()?;
        index.begin_at(next)?;
    }
    tracing::info!(height = header.height, seq = header.last_seq, "the log is executed");
    let whole = whole && !recovery.has_gap();
    Ok(Executed { recovery, history, index, whole })
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
                batches.push(index_batch(&step, &decoded(&step)));
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

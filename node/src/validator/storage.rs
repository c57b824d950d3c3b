//! The storage thread: log and safety record, and whatever waits for them to be durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord};
use gridbook_ledger::replica::{LogRecord, PeerMessage, SnapshotPlace, archive, unarchive};
use gridbook_ledger::shelf::Places;
use gridbook_ledger::snapshot::{Manifest, Snapshot};
use gridbook_ledger::state::PieceList;
use gridbook_ledger::store::{
    CheckpointMark, DataDir, IncomingDir, Log, LogIdentity, LogPosition, SafetyFile, StoreError,
};
use gridbook_net::ConnectionId;

use super::core_loop::CoreJob;
use super::history::Positions;
use super::keeper::{KeeperJob, KeptState, NeededFrom};
use super::net::post;
use super::promise::{Promise, Told};
use super::{LOOK_UP, Meters, Peers, Shared};
use crate::config::LogOptions;

/// What the storage thread does, strictly in order.
#[derive(Debug)]
pub(super) enum StorageJob {
    /// Append to the log.
    Append(LogRecord),
    /// Make the log durable, then this record.
    Persist(Box<SafetyRecord>),
    /// Have the state after this sequence number kept, and the place in the log that belongs to it.
    Keep { seq: u64, state: KeptState },
    /// Something of a snapshot that comes in.
    Incoming(IncomingJob),
    /// Go on from this snapshot: note it in the log, have it kept, and begin again.
    Restore(Box<Snapshot>),
    /// Tell the core that everything so far is durable.
    Notify(u64),
    /// Send, now that everything so far is durable.
    Send { to: Recipient, message: ConsensusMessage },
    /// Answer a client, now that everything so far is durable.
    Answer { connection: ConnectionId, answer: Bytes },
}

/// What is done with a snapshot that comes in.
#[derive(Debug)]
pub(super) enum IncomingJob {
    /// It begins.
    Begin(Box<Manifest>),
    /// A piece of it is here.
    Keep { piece: u32, bytes: Vec<u8> },
    /// It is not wanted any more.
    GiveUp,
}

/// What the storage thread writes.
pub(super) struct Files {
    pub(super) root: PathBuf,
    pub(super) identity: LogIdentity,
    pub(super) log: Log,
    /// None if it is lost: made anew when this validator may sign again.
    pub(super) safety: Option<SafetyFile>,
    pub(super) incoming: IncomingDir,
    /// What of a snapshot comes in now.
    pub(super) coming: Option<PieceList>,
    pub(super) keeper: Sender<KeeperJob>,
    pub(super) needed: NeededFrom,
}

pub(super) struct Storage {
    files: Files,
    options: LogOptions,
    positions: Positions,
    peers: Peers,
    meters: Meters,
    shared: Arc<Shared>,
    core: Sender<CoreJob>,
}

/// The most jobs done between two syncs.
const BATCH_JOBS: usize = 4_096;

impl Storage {
    pub(super) fn new(
        files: Files,
        options: LogOptions,
        positions: Positions,
        peers: Peers,
        meters: Meters,
        shared: Arc<Shared>,
        core: Sender<CoreJob>,
    ) -> Self {
        Self { files, options, positions, peers, meters, shared, core }
    }

    pub(super) fn run(mut self, jobs: &Receiver<StorageJob>) {
        loop {
            let first = match jobs.recv_timeout(LOOK_UP) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) if !self.shared.is_stopping() => continue,
                // Stopping: what the core has handed over is still written.
                Err(_) => match jobs.recv() {
                    Ok(job) => job,
                    Err(_) => break,
                },
            };
            let batch: Vec<StorageJob> = std::iter::once(first).chain(jobs.try_iter().take(BATCH_JOBS - 1)).collect();
            if let Err(error) = self.work(batch) {
                // An error from a disk is never retried: what is on it is not known.
                return self.shared.fail(&format!("storage failed: {error}"));
            }
        }
        if let Err(error) = self.files.log.sync() {
            self.shared.fail(&format!("storage failed at the end: {error}"));
        }
    }

    /// Does a batch of jobs with at most one sync of the log and one write of the record.
    ///
    /// The last record of a batch stands for all before it: ranks in it only grow, so writing it first promises more, not less,
    /// than each send that follows rests on.
    fn work(&mut self, batch: Vec<StorageJob>) -> Result<(), StoreError> {
        let mut record = None;
        let mut after = Vec::new();
        let mut kept = Vec::new();
        let mut awaited = false;
        for job in batch {
            match job {
                StorageJob::Append(record) => {
                    self.append(&record)?;
                    self.shared.backlog.end_write(&record);
                }
                StorageJob::Persist(newest) => record = Some(newest),
                StorageJob::Incoming(job) => self.take_in(job)?,
                StorageJob::Restore(snapshot) => self.restore(snapshot)?,
                StorageJob::Notify(_) | StorageJob::Answer { .. } => {
                    awaited = true;
                    after.push(job);
                }
                StorageJob::Send { .. } => after.push(job),
                // What is not final is looked up at its place among the jobs: later ones may make more final than is in the image.
                StorageJob::Keep { seq, state } => {
                    let replay_from = self.positions.unfinal_from(self.files.log.end());
                    let (mark, places) = (CheckpointMark { seq, replay_from }, self.positions.places());
                    kept.push(KeeperJob { mark, places, state });
                }
            }
        }
        if let Some(record) = record {
            self.persist(&record)?;
        } else if awaited && self.options.sync {
            self.files.log.sync()?;
        }
        for job in after {
            match job {
                StorageJob::Notify(number) => {
                    self.shared.notices.durable(number);
                    // If its queue is full it is awake.
                    let _ = self.core.try_send(CoreJob::Wake);
                }
                StorageJob::Send { to, message } => {
                    post(&self.peers, to, &PeerMessage::Consensus(message));
                }
                StorageJob::Answer { connection, answer } => _ = self.meters.send(connection, answer),
                StorageJob::Append(_)
                | StorageJob::Persist(_)
                | StorageJob::Keep { .. }
                | StorageJob::Incoming(_)
                | StorageJob::Restore(_) => {}
            }
        }
        if !kept.is_empty() {
            self.files.log.sync()?;
        }
        for job in kept {
            if let Err(TrySendError::Full(job)) = self.files.keeper.try_send(job) {
                // A disk that cannot keep up is no reason to wait: the next one will do.
                tracing::warn!(seq = job.mark.seq, "a checkpoint is left out: the one before is still being written");
            }
        }
        self.let_go()
    }

    fn take_in(&mut self, job: IncomingJob) -> Result<(), StoreError> {
        match job {
            IncomingJob::Begin(manifest) => {
                self.files.incoming.begin(&Snapshot::encode_front(&manifest))?;
                self.files.coming = Some(manifest.pieces);
            }
            IncomingJob::Keep { piece, bytes } => {
                if let Some(range) = self.files.coming.as_ref().and_then(|pieces| pieces.range(piece)) {
                    self.files.incoming.put(range.start, &bytes)?;
                }
            }
            IncomingJob::GiveUp => self.files.incoming.clear()?,
        }
        Ok(())
    }

    /// First the log says where it goes on, then the state is kept: if the power goes between the two, the state is lost, and is
    /// put together again from the pieces that came in.
    fn restore(&mut self, snapshot: Box<Snapshot>) -> Result<(), StoreError> {
        let Manifest { proposal, proof, .. } = &snapshot.manifest;
        let (height, seq) = (proposal.header.height, proposal.header.last_seq);
        let place = SnapshotPlace { proposal: proposal.clone(), proof: proof.clone() };
        self.append(&LogRecord::Snapshot(Box::new(place)))?;
        self.files.log.sync()?;
        tracing::info!(height, seq, "the snapshot is whole; the ledger goes on from it");
        let (mark, places) = (CheckpointMark { seq, replay_from: self.files.log.end() }, self.positions.places());
        // A keeper that is gone has said why.
        let _ = self.files.keeper.send(KeeperJob { mark, places, state: KeptState::Restored(snapshot) });
        Ok(())
    }

    /// Removes segments of the log that nothing here needs, if the operator wants no more of it than so many bytes.
    fn let_go(&mut self) -> Result<(), StoreError> {
        let (Some(keep_bytes), Some(before)) = (self.options.keep_bytes, self.files.needed.position()) else {
            return Ok(());
        };
        let segments = keep_bytes.div_ceil(self.options.segment_bytes);
        let first = before.segment.min((self.files.log.end().segment + 1).saturating_sub(segments));
        if first > self.files.log.start().segment {
            self.files.log.prune(first)?;
            self.positions.forget_before(LogPosition { segment: first, offset: 0 });
            tracing::info!(first_segment = first, "older segments of the log were removed");
        }
        Ok(())
    }

    fn append(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let (kind, payload) = record.encode();
        let position = self.files.log.append(kind, &payload)?;
        self.positions.note(record, position);
        self.shared.metrics.log_bytes.add(payload.len() as u64);
        Ok(())
    }

    /// Where the safety record goes. If it was lost, this is the first word of an epoch in which nothing was signed.
    fn safety(&mut self) -> Result<&mut SafetyFile, StoreError> {
        let Files { root, identity, safety, .. } = &mut self.files;
        if safety.is_none() {
            *safety = Some(DataDir::renew_safety(root, *identity)?);
        }
        Ok(safety.as_mut().expect("it was just made"))
    }

    fn persist(&mut self, record: &SafetyRecord) -> Result<(), StoreError> {
        let began = Instant::now();
        if self.options.sync {
            self.files.log.sync()?;
        }
        let payload = safety_payload(record, self.files.log.synced());
        self.safety()?.write(&payload)?;
        Promise::of(record, self.files.log.synced()).tell(Told::Kept);
        self.shared.metrics.log_sync.observe(began.elapsed());
        Ok(())
    }
}

/// The record with how far the log was durable then: a log that ends before that has lost something it had promised.
pub(super) fn safety_payload(record: &SafetyRecord, synced: LogPosition) -> Vec<u8> {
    [&synced.to_bytes()[..], &archive(record)].concat()
}

/// Reads what [`safety_payload`] wrote.
pub(super) fn read_safety_payload(payload: &[u8]) -> Option<(SafetyRecord, LogPosition)> {
    let (synced, record) = payload.split_first_chunk::<16>()?;
    Some((unarchive(record).ok()?, LogPosition::from_bytes(*synced)))
}

/// Takes a kept state apart: the known places of the log, and the rest.
pub(super) fn split_places(bytes: &[u8]) -> Option<(Places, &[u8])> {
    Places::split_from(bytes, Places::APART_BYTES)
}

//! The storage thread: log and safety record, and whatever waits for them to be durable.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord};
use gridbook_ledger::replica::{LogRecord, PeerMessage, archive, unarchive};
use gridbook_ledger::store::{CheckpointMark, Log, LogPosition, SafetyFile, StoreError};

use super::core_loop::CoreJob;
use super::history::Positions;
use super::keeper::{KeeperJob, KeptState, NeededFrom};
use super::net::post;
use super::promise::{Promise, Told};
use super::{LOOK_UP, Peers, Shared};
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
    /// Tell the core that everything so far is durable.
    Notify(u64),
    /// Send, now that everything so far is durable.
    Send { to: Recipient, message: ConsensusMessage },
}

/// What the storage thread writes.
pub(super) struct Files {
    pub(super) log: Log,
    pub(super) safety: SafetyFile,
    pub(super) keeper: Sender<KeeperJob>,
    pub(super) needed: NeededFrom,
}

pub(super) struct Storage {
    log: Log,
    safety: SafetyFile,
    keeper: Sender<KeeperJob>,
    needed: NeededFrom,
    options: LogOptions,
    positions: Positions,
    peers: Peers,
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
        shared: Arc<Shared>,
        core: Sender<CoreJob>,
    ) -> Self {
        let Files { log, safety, keeper, needed } = files;
        Self { log, safety, keeper, needed, options, positions, peers, shared, core }
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
        if let Err(error) = self.log.sync() {
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
        let mut notify = false;
        for job in batch {
            match job {
                StorageJob::Append(entry) => self.append(&entry)?,
                StorageJob::Persist(newest) => record = Some(newest),
                StorageJob::Notify(_) => {
                    notify = true;
                    after.push(job);
                }
                StorageJob::Send { .. } => after.push(job),
                // What is not final is looked up at its place among the jobs: later ones may make more final than is in the image.
                StorageJob::Keep { seq, state } => {
                    let replay_from = self.positions.unfinal_from(self.log.end());
                    let (mark, places) = (CheckpointMark { seq, replay_from }, self.positions.to_bytes());
                    kept.push(KeeperJob { mark, places, state });
                }
            }
        }
        if let Some(record) = record {
            self.persist(&record)?;
        } else if notify && self.options.sync {
            self.log.sync()?;
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
                StorageJob::Append(_) | StorageJob::Persist(_) | StorageJob::Keep { .. } => {}
            }
        }
        if !kept.is_empty() {
            self.log.sync()?;
            self.let_go()?;
        }
        for job in kept {
            if let Err(TrySendError::Full(job)) = self.keeper.try_send(job) {
                // A disk that cannot keep up is no reason to wait: the next one will do.
                tracing::warn!(seq = job.mark.seq, "a checkpoint is left out: the one before is still being written");
            }
        }
        Ok(())
    }

    /// Removes segments of the log that nothing here needs, if the operator wants no more of it than so many bytes.
    fn let_go(&mut self) -> Result<(), StoreError> {
        let (Some(keep_bytes), Some(before)) = (self.options.keep_bytes, self.needed.position()) else { return Ok(()) };
        let segments = keep_bytes.div_ceil(self.options.segment_bytes);
        let first = before.segment.min((self.log.end().segment + 1).saturating_sub(segments));
        if first > self.log.start().segment {
            self.log.prune(first)?;
            self.positions.forget_before(LogPosition { segment: first, offset: 0 });
            tracing::info!(first_segment = first, "older segments of the log were removed");
        }
        Ok(())
    }

    fn append(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let (kind, payload) = record.encode();
        let position = self.log.append(kind, &payload)?;
        self.positions.note(record, position);
        self.shared.backlog.end_write(record);
        self.shared.metrics.log_bytes.add(payload.len() as u64);
        Ok(())
    }

    fn persist(&mut self, record: &SafetyRecord) -> Result<(), StoreError> {
        let began = Instant::now();
        if self.options.sync {
            self.log.sync()?;
        }
        self.safety.write(&safety_payload(record, self.log.synced()))?;
        Promise::of(record, self.log.synced()).tell(Told::Kept);
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
pub(super) fn split_places(bytes: &[u8]) -> Option<(Positions, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (places, image) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((Positions::from_bytes(places)?, image))
}

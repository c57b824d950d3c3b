//! The storage thread: log and safety record, and whatever waits for them to be durable.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use gridbook_ledger::hotstuff::{ConsensusMessage, Recipient, SafetyRecord};
use gridbook_ledger::replica::{Input, LogRecord, PeerMessage, archive, unarchive};
use gridbook_ledger::store::{CheckpointMark, Checkpoints, Log, LogPosition, SafetyFile, StoreError};

use super::core_loop::CoreJob;
use super::history::Positions;
use super::net::post;
use super::promise::{Promise, Told};
use super::{LOOK_UP, Peers, Shared};

/// What the storage thread does, strictly in order.
#[derive(Debug)]
pub(super) enum StorageJob {
    /// Append to the log.
    Append(LogRecord),
    /// Make the log durable, then this record.
    Persist(Box<SafetyRecord>),
    /// Write a checkpoint of everything up to and including this sequence number.
    Checkpoint { seq: u64, image: Vec<u8> },
    /// Tell the core that everything so far is durable.
    Notify(u64),
    /// Send, now that everything so far is durable.
    Send { to: Recipient, message: ConsensusMessage },
}

/// What the storage thread writes.
pub(super) struct Files {
    pub(super) log: Log,
    pub(super) safety: SafetyFile,
    pub(super) checkpoints: Checkpoints,
}

pub(super) struct Storage {
    log: Log,
    safety: SafetyFile,
    checkpoints: Checkpoints,
    sync: bool,
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
        sync: bool,
        positions: Positions,
        peers: Peers,
        shared: Arc<Shared>,
        core: Sender<CoreJob>,
    ) -> Self {
        let Files { log, safety, checkpoints } = files;
        Self { log, safety, checkpoints, sync, positions, peers, shared, core }
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
        let mut checkpoint = None;
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
                StorageJob::Checkpoint { seq, image } => {
                    let replay_from = self.positions.unfinal_from(self.log.end());
                    checkpoint = Some((CheckpointMark { seq, replay_from }, self.positions.to_bytes(), image));
                }
            }
        }
        if let Some(record) = record {
            self.persist(&record)?;
        } else if notify && self.sync {
            self.log.sync()?;
        }
        for job in after {
            match job {
                StorageJob::Notify(number) => _ = self.core.send(CoreJob::Input(Input::Durable(number))),
                StorageJob::Send { to, message } => post(&self.peers, to, &PeerMessage::Consensus(message)),
                StorageJob::Append(_) | StorageJob::Persist(_) | StorageJob::Checkpoint { .. } => {}
            }
        }
        if let Some((mark, places, image)) = checkpoint {
            self.checkpoint(mark, &places, &image)?;
        }
        Ok(())
    }

    fn append(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let (kind, payload) = record.encode();
        let position = self.log.append(kind, &payload)?;
        self.positions.note(record, position);
        self.shared.metrics.log_bytes.add(payload.len() as u64);
        Ok(())
    }

    fn checkpoint(&mut self, mark: CheckpointMark, places: &[u8], image: &[u8]) -> Result<(), StoreError> {
        self.log.sync()?;
        let length = u64::try_from(places.len()).expect("lengths fit");
        self.checkpoints.write(mark, &[&length.to_le_bytes()[..], places, image].concat())?;
        tracing::info!(seq = mark.seq, bytes = image.len(), "checkpoint written");
        Ok(())
    }

    fn persist(&mut self, record: &SafetyRecord) -> Result<(), StoreError> {
        let began = Instant::now();
        if self.sync {
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

/// Takes a checkpoint apart: the known places of the log, and the replica's image.
pub(super) fn read_checkpoint(bytes: &[u8]) -> Option<(Positions, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (places, image) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((Positions::from_bytes(places)?, image))
}

//! The keeper: writes checkpoints and snapshots while everything else goes on.

use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use gridbook_ledger::replica::TakenSnapshot;
use gridbook_ledger::shelf::{Places, Shelf};
use gridbook_ledger::snapshot::Snapshot;
use gridbook_ledger::store::{CheckpointMark, Checkpoints, Index, LogPosition, QueryIndex, StoreError};
use parking_lot::Mutex;

use super::desk::DeskJob;
use super::{LOOK_UP, Shared};

/// A state to be kept, with its place in the log, up to which the log is synced.
#[derive(Debug)]
pub(super) struct KeeperJob {
    pub(super) mark: CheckpointMark,
    /// The known places of the log.
    pub(super) places: Places,
    pub(super) state: KeptState,
}

/// The states that are kept.
#[derive(Debug)]
pub(super) enum KeptState {
    /// For this validator's own next start: height and image.
    Checkpoint { height: u64, image: Vec<u8> },
    /// For others too.
    Snapshot(Box<TakenSnapshot>),
    /// Another validator's, from which this one goes on.
    Restored(Box<Snapshot>),
}

impl KeptState {
    pub(super) fn height(&self) -> u64 {
        match self {
            Self::Checkpoint { height, .. } => *height,
            Self::Snapshot(taken) => taken.proposal.header.height,
            Self::Restored(snapshot) => snapshot.manifest.header().height,
        }
    }
}

/// From where on the log is needed for a start, as the keeper tells storage; none while it is all needed.
#[derive(Clone, Debug, Default)]
pub(super) struct NeededFrom(Arc<Mutex<Option<LogPosition>>>);

impl NeededFrom {
    /// As the snapshots that are kept say.
    pub(super) fn by(snapshots: &Checkpoints) -> Result<Self, StoreError> {
        let needed = Self::default();
        needed.learn(snapshots)?;
        Ok(needed)
    }

    /// The older of the two snapshots must be of use too, should the newer be damaged.
    fn learn(&self, snapshots: &Checkpoints) -> Result<(), StoreError> {
        if let Some(older) = snapshots.marks()?.get(1) {
            *self.0.lock() = Some(older.replay_from);
        }
        Ok(())
    }

    pub(super) fn position(&self) -> Option<LogPosition> {
        *self.0.lock()
    }
}

/// What the keeper writes.
pub(super) struct KeeperFiles {
    pub(super) checkpoints: Checkpoints,
    pub(super) snapshots: Checkpoints,
    pub(super) shelf: Shelf,
}

pub(super) struct Keeper {
    files: KeeperFiles,
    index: Arc<Index>,
    desk: Sender<DeskJob>,
    needed: NeededFrom,
    shared: Arc<Shared>,
}

impl Keeper {
    pub(super) fn new(
        files: KeeperFiles,
        index: Arc<Index>,
        desk: Sender<DeskJob>,
        needed: NeededFrom,
        shared: Arc<Shared>,
    ) -> Self {
        Self { files, index, desk, needed, shared }
    }

    pub(super) fn run(mut self, jobs: &Receiver<KeeperJob>) {
        loop {
            match jobs.recv_timeout(LOOK_UP) {
                Ok(job) => {
                    if let Err(error) = self.keep(job) {
                        return self.shared.fail(&format!("a checkpoint could not be written: {error:#}"));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// First the index, durably, then the state: so that a start from that state needs nothing of the index that is not there.
    fn keep(&mut self, KeeperJob { mark, places, state }: KeeperJob) -> anyhow::Result<()> {
        let began = Instant::now();
        let height = state.height();
        if !matches!(state, KeptState::Restored(_)) {
            self.index_through(height)?;
        }
        let (what, bytes) = match state {
            KeptState::Checkpoint { image, .. } => {
                self.files.checkpoints.write_parts(mark, &[&places.to_front(), &image])?;
                ("checkpoint", image.len() as u64)
            }
            KeptState::Snapshot(taken) => {
                let bytes = self.files.shelf.write(&mut self.files.snapshots, mark, &places, Snapshot::new(*taken)?)?;
                ("snapshot", bytes)
            }
            KeptState::Restored(snapshot) => {
                let bytes = self.files.shelf.write(&mut self.files.snapshots, mark, &places, *snapshot)?;
                self.shared.begin_again();
                ("fetched snapshot", bytes)
            }
        };
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(height, seq = mark.seq, bytes, ms, "{what} written");
        Ok(self.needed.learn(&self.files.snapshots)?)
    }

    /// Has the desk write its part of the index, and makes it durable.
    fn index_through(&self, height: u64) -> anyhow::Result<()> {
        let (done, written) = bounded(1);
        // A desk that is gone has written everything at its end.
        if self.desk.send(DeskJob::WriteIndex(done)).is_ok() {
            let _ = written.recv();
        }
        let indexed = self.index.through();
        anyhow::ensure!(indexed >= height, "the query index ends at height {indexed}, and {height} was to be kept");
        Ok(self.index.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::store::LogIdentity;

    use super::*;

    const OF: LogIdentity = LogIdentity { chain: Hash::ZERO, validator: 0 };

    /// Snapshots lie weeks apart, and the validator is restarted every day: what the older of two makes dispensable is known at the start,
    /// not only after the next.
    #[test]
    fn what_is_needed_of_the_log_is_known_at_the_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut snapshots = Checkpoints::open(dir.path(), OF).expect("it is empty");
        let mut needed = Vec::new();
        for segment in [3, 5, 8] {
            let mark = CheckpointMark { seq: segment * 100, replay_from: LogPosition { segment, offset: 128 } };
            snapshots.write(mark, b"a state").expect("there is room");
            let position = NeededFrom::by(&snapshots).expect("they can be read").position();
            needed.push(position.map(|position| position.segment));
        }
        assert_eq!(needed, [None, Some(3), Some(5)]);
    }
}

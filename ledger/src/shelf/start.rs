//! Where a start begins: at the newest state that was kept and can be used.

use std::path::PathBuf;

use crate::replica::{Recovery, RecoveryError, ReplicaConfig};
use crate::snapshot::{Snapshot, SnapshotError};
use crate::store::{Checkpoints, LogPosition, StoreError};

use super::Places;

/// A replica in the making, and from where on it needs the log.
#[derive(Debug)]
pub struct Start {
    /// Brought to the kept state; to genesis if there is none.
    pub recovery: Recovery,
    /// Where the log before it lies.
    pub places: Places,
    /// The log from here on is executed on top.
    pub from: LogPosition,
    /// Kept states that are newer and of no use.
    pub passed_over: Vec<PassedOver>,
}

/// A kept state that is of no use: an older one or the log serves.
#[derive(Debug, thiserror::Error)]
pub enum PassedOver {
    /// Its checksum does not hold.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf),
    /// It cannot be taken apart.
    #[error("the state kept at {0} has no front that can be read")]
    Front(u64),
    /// Not a snapshot of this ledger.
    #[error("the snapshot kept at {0} cannot be read: {1}")]
    Snapshot(u64, SnapshotError),
    /// A replica cannot begin with it.
    #[error("the state kept at {0} cannot be used: {1}")]
    State(u64, RecoveryError),
}

/// How a kept state becomes a recovery.
type Recover = fn(&ReplicaConfig, u64, &[u8]) -> Result<Recovery, PassedOver>;

impl Start {
    /// At genesis.
    pub fn at_genesis(config: &ReplicaConfig, apart_bytes: u64) -> Self {
        let recovery = Recovery::new(config.clone());
        Self { recovery, places: Places::apart(apart_bytes), from: LogPosition::START, passed_over: Vec::new() }
    }

    /// At the newest of what is kept, whichever of the two it is. Places in the log are noted so far `apart`.
    ///
    /// # Errors
    /// What the system reports, and whole files of another ledger.
    pub fn at_newest(
        config: &ReplicaConfig,
        checkpoints: &Checkpoints,
        snapshots: &Checkpoints,
        apart_bytes: u64,
    ) -> Result<Self, StoreError> {
        let newest = |files: &Checkpoints| Ok::<_, StoreError>(files.marks()?.first().map_or(0, |mark| mark.seq));
        let mut kept: [(&Checkpoints, Recover); 2] = [(snapshots, from_snapshot), (checkpoints, from_checkpoint)];
        if newest(checkpoints)? > newest(snapshots)? {
            kept.reverse();
        }
        let mut passed_over = Vec::new();
        for (files, recover) in kept {
            let found = files.newest()?;
            passed_over.extend(found.damaged.into_iter().map(PassedOver::Damaged));
            let Some(checkpoint) = found.checkpoint else { continue };
            let (seq, from) = (checkpoint.mark.seq, checkpoint.mark.replay_from);
            let Some((places, image)) = Places::split_from(&checkpoint.bytes, apart_bytes) else {
                passed_over.push(PassedOver::Front(seq));
                continue;
            };
            match recover(config, seq, image) {
                Ok(recovery) => return Ok(Self { recovery, places, from, passed_over }),
                Err(why) => passed_over.push(why),
            }
        }
        Ok(Self { passed_over, ..Self::at_genesis(config, apart_bytes) })
    }
}

fn from_snapshot(config: &ReplicaConfig, seq: u64, image: &[u8]) -> Result<Recovery, PassedOver> {
    let snapshot = Snapshot::decode(image).map_err(|why| PassedOver::Snapshot(seq, why))?;
    Recovery::from_snapshot(config.clone(), &snapshot).map_err(|why| PassedOver::State(seq, why))
}

fn from_checkpoint(config: &ReplicaConfig, seq: u64, image: &[u8]) -> Result<Recovery, PassedOver> {
    Recovery::from_checkpoint(config.clone(), image).map_err(|why| PassedOver::State(seq, why))
}

//! Snapshots as files: out of a data directory, and into an empty one.

use std::path::Path;

use anyhow::{Context as _, ensure};
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::replica::{LogRecord, SnapshotPlace};
use gridbook_ledger::shelf::{Places, Shelf};
use gridbook_ledger::snapshot::Snapshot;
use gridbook_ledger::store::{CheckpointMark, Checkpoints, DataDir, LogIdentity, LogOptions};

use super::storage::split_places;
use crate::config::ValidatorConfig;

/// The newest whole snapshot in a data directory, whose validator may be running. Nothing in it was checked but its checksum.
///
/// # Errors
/// What the system reports.
pub fn newest_snapshot(data_dir: &Path) -> anyhow::Result<Option<Snapshot>> {
    for path in Checkpoints::list(&data_dir.join("snapshots"))? {
        let Some((_, checkpoint)) = Checkpoints::look(&path)? else { continue };
        let (_, image) =
            split_places(&checkpoint.bytes).with_context(|| format!("{} cannot be read", path.display()))?;
        return Ok(Some(Snapshot::decode(image).with_context(|| path.display().to_string())?));
    }
    Ok(None)
}

/// Makes a data directory from a snapshot that was checked: a log that says where it goes on from, then the state. Never a safety record.
/// If it is interrupted the directory is not empty and must be removed before trying again.
///
/// # Errors
/// If there is anything in the directory, or what the system reports.
pub fn restore_snapshot(config: &ValidatorConfig, genesis: &Genesis, snapshot: Snapshot) -> anyhow::Result<()> {
    let path = &config.data_dir;
    let empty = !path.exists() || std::fs::read_dir(path)?.next().is_none();
    ensure!(empty, "{} is not empty: a snapshot is restored only into an empty directory", path.display());
    let identity = LogIdentity { chain: genesis.chain_id(), validator: config.index };
    let dir = DataDir::open(path)?;
    let options = LogOptions { segment_bytes: config.log.segment_bytes, ..LogOptions::default() };
    let (mut log, _) = dir.open_log(identity, options)?;
    let (proposal, proof) = (snapshot.manifest.proposal.clone(), snapshot.manifest.proof.clone());
    let seq = proposal.header.last_seq;
    let (kind, payload) = LogRecord::Snapshot(Box::new(SnapshotPlace { proposal, proof })).encode();
    log.append(kind, &payload)?;
    log.sync()?;
    let mut files = dir.open_snapshots(identity)?;
    let mark = CheckpointMark { seq, replay_from: log.end() };
    let (shelf, _) = Shelf::open(&files)?;
    shelf.write(&mut files, mark, &Places::default(), snapshot)?;
    Ok(())
}

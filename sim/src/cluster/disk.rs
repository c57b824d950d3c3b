//! A validator's files, kept by the production store on a disk in memory that can lose power or be full.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridbook_ledger::hotstuff::SafetyRecord;
use gridbook_ledger::replica::{LogRecord, archive, unarchive};
use gridbook_ledger::store::{
    Checkpoint, CheckpointMark, Checkpoints, Fault, Log, LogIdentity, LogOptions, LogPosition, LogRecordRef,
    MemoryDisk, PowerCut, SafetyFile, StoreError,
};

use super::dice::Dice;
use super::places::Places;

/// A disk, and the files on it that are open.
#[derive(Debug)]
pub(super) struct Disk {
    disk: MemoryDisk,
    identity: LogIdentity,
    segment_bytes: u64,
    files: Option<Files>,
    /// What is promised, durably.
    safety: Option<SafetyRecord>,
    /// A sync that has begun, with what follows it.
    begun: Option<Group>,
}

#[derive(Debug)]
struct Files {
    log: Log,
    safety: SafetyFile,
    checkpoints: Checkpoints,
    places: Places,
}

/// What is made durable together.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Whether somebody waits for the log to be durable.
    pub(super) sync: bool,
    /// The safety record that follows the log.
    pub(super) record: Option<Box<SafetyRecord>>,
    /// A checkpoint: its place, and the known places with the replica's image.
    pub(super) checkpoint: Option<(CheckpointMark, Vec<u8>)>,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is killed: what it has written is there when it comes back, durable or not.
    Kill,
    /// The power goes: what was not synced is lost, torn or garbage.
    PowerCut,
}

/// What a start finds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) safety: Option<SafetyRecord>,
    pub(super) checkpoint: Option<FoundCheckpoint>,
}

/// The newest checkpoint.
#[derive(Debug)]
pub(super) struct FoundCheckpoint {
    pub(super) replay_from: LogPosition,
    pub(super) places: Places,
    /// The replica's.
    pub(super) image: Vec<u8>,
}

/// How often, in a thousand, a crash in the middle of a sync comes when part or all of it was done, but nobody told.
const DONE_IN_SECRET: u64 = 600;
/// About how many changes of the disk a sync makes.
const SYNC_CHANGES: u64 = 8;

impl Disk {
    pub(super) fn new(identity: LogIdentity, segment_bytes: u64) -> Self {
        Self { disk: MemoryDisk::new(), identity, segment_bytes, files: None, safety: None, begun: None }
    }

    /// Opens everything, and repairs what a crash left.
    pub(super) fn open(&mut self) -> Result<Found, StoreError> {
        let on = || Arc::new(self.disk.clone());
        let (safety, payload) = SafetyFile::open_on(on(), Path::new("data"), self.identity)?;
        let promised = payload.as_deref().map(read_safety);
        let (record, must_reach) = promised.unzip();
        let checkpoints = Checkpoints::open_on(on(), Path::new("data/checkpoints"), self.identity)?;
        let options = LogOptions { segment_bytes: self.segment_bytes, must_reach, ..LogOptions::default() };
        let (log, _) = Log::open_on(on(), &log_dir(), self.identity, options)?;
        let checkpoint = checkpoints.newest()?.checkpoint;
        self.safety.clone_from(&record);
        self.files = Some(Files { log, safety, checkpoints, places: Places::default() });
        let checkpoint = checkpoint.map(|Checkpoint { mark, bytes }| {
            let (places, image) = Places::split_from(&bytes).expect("its checksum holds, so it is what was written");
            FoundCheckpoint { replay_from: mark.replay_from, places, image }
        });
        Ok(Found { safety: record, checkpoint })
    }

    /// A second disk with the same bytes, as somebody finds it who starts the validator elsewhere.
    pub(super) fn copy(&self) -> Self {
        let disk = self.disk.copy();
        Self {
            disk,
            identity: self.identity,
            segment_bytes: self.segment_bytes,
            files: None,
            safety: None,
            begun: None,
        }
    }

    /// The log is read from a checkpoint on: this is what was known before.
    pub(super) fn set_places(&mut self, places: Places) {
        if let Some(files) = &mut self.files {
            files.places = places;
        }
    }

    /// Notes where a record lies that was read from the log.
    pub(super) fn note(&mut self, record: &LogRecord, position: LogPosition) {
        if let Some(files) = &mut self.files {
            files.places.note(record, position);
        }
    }

    pub(super) fn append(&mut self, record: &LogRecord) -> Result<(), StoreError> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let (kind, payload) = record.encode();
        let position = files.log.append(kind, &payload)?;
        files.places.note(record, position);
        Ok(())
    }

    /// A checkpoint of now, to be written with the next sync.
    pub(super) fn checkpoint(&self, seq: u64, image: &[u8]) -> Option<(CheckpointMark, Vec<u8>)> {
        let files = self.files.as_ref()?;
        let replay_from = files.places.unfinal_from(files.log.end());
        Some((CheckpointMark { seq, replay_from }, files.places.join_with(image)))
    }

    pub(super) fn begin_sync(&mut self, group: Group) {
        self.begun = Some(group);
    }

    pub(super) fn end_sync(&mut self) -> Result<(), StoreError> {
        let (Some(group), Some(files)) = (self.begun.take(), &mut self.files) else { return Ok(()) };
        let Group { sync, record, checkpoint } = group;
        if sync || record.is_some() || checkpoint.is_some() {
            files.log.sync()?;
        }
        if let Some(record) = record {
            files.safety.write(&safety_payload(&record, files.log.synced()))?;
            self.safety = Some(*record);
        }
        if let Some((mark, image)) = checkpoint {
            files.checkpoints.write(mark, &image)?;
        }
        Ok(())
    }

    /// The process ends in the middle of whatever it does.
    pub(super) fn crash(&mut self, end: End, dice: &mut Dice) {
        if self.begun.is_some() && dice.per_mille(DONE_IN_SECRET) {
            let goes_at = self.disk.changes() + dice.below(SYNC_CHANGES);
            if end == End::PowerCut {
                self.disk.fail_at(goes_at, Fault::PowerGoes);
            }
            // It goes as far as it goes; nobody hears of it.
            let _ = self.end_sync();
        }
        (self.begun, self.files) = (None, None);
        if end == End::PowerCut {
            let seed = dice.below(u64::MAX);
            self.disk.power_cut(match dice.below(3) {
                0 => PowerCut::LosesAll,
                1 => PowerCut::LosesSome(seed),
                _ => PowerCut::Garbles(seed),
            });
        }
    }

    /// From now on nothing more can be written, or it can again.
    pub(super) fn set_full(&self, full: bool) {
        self.disk.set_full(full);
    }

    /// The records from a place on, as a reader of the open files sees them.
    pub(super) fn read_from(
        &self,
        position: LogPosition,
    ) -> impl Iterator<Item = Result<(LogPosition, LogRecord), StoreError>> + use<> {
        let mut records = self.files.as_ref().map(|files| files.log.reader().read_from(position));
        std::iter::from_fn(move || {
            Some(match records.as_mut()?.advance().transpose()? {
                Ok(LogRecordRef { position, kind, payload }) => {
                    Ok((position, LogRecord::decode(kind, payload).expect("what was written can be read")))
                }
                Err(error) => Err(error),
            })
        })
    }

    /// Where to read on to find the commands after `seq`.
    pub(super) fn place_before(&self, seq: u64) -> LogPosition {
        self.files.as_ref().map_or(LogPosition::START, |files| files.places.before(seq))
    }

    /// What is promised, durably.
    pub(super) fn safety(&self) -> Option<&SafetyRecord> {
        self.safety.as_ref()
    }
}

fn log_dir() -> PathBuf {
    PathBuf::from("data/log")
}

/// The record with how far the log was durable then, as the validator process writes it.
fn safety_payload(record: &SafetyRecord, synced: LogPosition) -> Vec<u8> {
    [&synced.to_bytes()[..], &archive(record)].concat()
}

fn read_safety(payload: &[u8]) -> (SafetyRecord, LogPosition) {
    let (synced, record) = payload.split_first_chunk::<16>().expect("written with a place in front");
    let record = unarchive(record).expect("the file's checksum holds, so it is what was written");
    (record, LogPosition::from_bytes(*synced))
}

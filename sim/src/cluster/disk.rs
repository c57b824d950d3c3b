//! A validator's files, kept by the production store on a disk in memory that can lose power, be full, or be lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridbook_ledger::hotstuff::SafetyRecord;
use gridbook_ledger::replica::{LogRecord, ReplicaConfig, SnapshotPlace, TakenSnapshot, archive, unarchive};
use gridbook_ledger::shelf::{PassedOver, Places, Shelf, Start};
use gridbook_ledger::snapshot::{Manifest, Snapshot};
use gridbook_ledger::state::PieceList;
use gridbook_ledger::store::{
    CheckpointMark, Checkpoints, Fault, IncomingBytes, IncomingDir, Log, LogIdentity, LogOptions, LogPosition,
    LogRecordRef, MemoryDisk, PowerCut, SafetyFile, StoreError,
};

use super::dice::Dice;

/// A disk, and the files on it that are open.
#[derive(Debug)]
pub(super) struct Disk {
    disk: MemoryDisk,
    identity: LogIdentity,
    options: DiskOptions,
    files: Option<Files>,
    /// What is promised, durably.
    safety: Option<SafetyRecord>,
    /// A sync that has begun, with what follows it.
    begun: Option<Group>,
}

/// How its log is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskOptions {
    pub(super) segment_bytes: u64,
    /// Of what no start needs, only so many segments are kept; all if it is not said.
    pub(super) keep_segments: Option<u64>,
}

#[derive(Debug)]
struct Files {
    log: Log,
    /// None if it is lost: made anew when this validator may sign again.
    safety: Option<SafetyFile>,
    checkpoints: Checkpoints,
    snapshots: Checkpoints,
    shelf: Shelf,
    incoming: IncomingDir,
    /// What of a snapshot comes in.
    coming: Option<PieceList>,
    places: Places,
}

/// What is made durable together.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Whether somebody waits for the log to be durable.
    pub(super) sync: bool,
    /// The safety record that follows the log.
    pub(super) record: Option<Box<SafetyRecord>>,
    /// States to be kept: their place in the log, what is known of it, and the state.
    pub(super) kept: Vec<(CheckpointMark, Places, KeptState)>,
}

/// A state that is kept for a start, or for others too.
#[derive(Debug)]
pub(super) enum KeptState {
    /// The replica's image.
    Checkpoint(Vec<u8>),
    /// One's own.
    Snapshot(Box<TakenSnapshot>),
    /// Another validator's, from which this one goes on.
    Restored(Box<Snapshot>),
}

/// What is done with a snapshot that comes in.
#[derive(Debug)]
pub(super) enum Incoming {
    /// It begins.
    Begin(Box<Manifest>),
    /// A piece of it is here.
    Keep { piece: u32, bytes: Vec<u8> },
    /// It is not wanted any more.
    GiveUp,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is killed: what it has written is there when it comes back, durable or not.
    Kill,
    /// The power goes: what was not synced is lost, torn or garbage.
    PowerCut,
}

/// What is known of what this validator signed.
#[derive(Debug)]
pub(super) enum Safety {
    /// Nothing, for it is lost.
    Lost,
    /// It never signed, or this is the last of it.
    Known(Option<Box<SafetyRecord>>),
}

/// What a start finds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) safety: Safety,
    pub(super) start: Start,
    /// Where the log begins.
    pub(super) log_start: LogPosition,
    /// A snapshot that was coming in.
    pub(super) incoming: Option<IncomingBytes>,
}

/// The distance between two places of the log that are known.
const PLACES_APART_BYTES: u64 = 4 << 10;
/// How often, in a thousand, a crash in the middle of a sync comes when part or all of it was done, but nobody told.
const DONE_IN_SECRET: u64 = 600;
/// About how many changes of the disk a sync makes.
const SYNC_CHANGES: u64 = 8;

impl Disk {
    /// Of a validator that never signed.
    pub(super) fn new(identity: LogIdentity, options: DiskOptions) -> Self {
        let disk = MemoryDisk::new();
        SafetyFile::open_on(Arc::new(disk.clone()), &dir(), identity).expect("an empty disk takes anything");
        Self { disk, identity, options, files: None, safety: None, begun: None }
    }

    /// Another disk is in its place, with nothing on it.
    pub(super) fn replace(&mut self) {
        (self.disk, self.files, self.safety, self.begun) = (MemoryDisk::new(), None, None, None);
    }

    /// Opens everything, and repairs what a crash left. Begins at the newest state that is kept, or at genesis.
    pub(super) fn open(&mut self, config: &ReplicaConfig, at_genesis: bool) -> Result<Found, StoreError> {
        let (on, identity) = (|| Arc::new(self.disk.clone()), self.identity);
        let here = self.disk.read(&SafetyFile::path(&dir())).is_some();
        let opened = here.then(|| SafetyFile::open_on(on(), &dir(), identity)).transpose()?;
        let (file, payload) = opened.unzip();
        let promised = payload.flatten().as_deref().map(read_safety);
        let (record, promised) = promised.unzip();
        let checkpoints = Checkpoints::open_on(on(), &dir().join("checkpoints"), identity)?;
        let snapshots = Checkpoints::open_on(on(), &dir().join("snapshots"), identity)?;
        let incoming = IncomingDir::open_on(on(), &dir().join("incoming"))?;
        let (shelf, _) = Shelf::open(&snapshots)?;
        let mut start = match at_genesis {
            true => Start::at_genesis(config, PLACES_APART_BYTES),
            false => Start::at_newest(config, &checkpoints, &snapshots, PLACES_APART_BYTES)?,
        };
        let must_reach = promised.into_iter().chain((start.from > LogPosition::START).then_some(start.from)).max();
        let segment_bytes = self.options.segment_bytes;
        let options = LogOptions { segment_bytes, must_reach, verify_from: start.from, ..LogOptions::default() };
        let (log, _) = Log::open_on(on(), &dir().join("log"), identity, options)?;
        let safety = if here { Safety::Known(record.clone().map(Box::new)) } else { Safety::Lost };
        let coming_in = incoming.load()?;
        self.safety = record;
        let (places, log_start) = (std::mem::take(&mut start.places), log.start());
        self.files = Some(Files { log, safety: file, checkpoints, snapshots, shelf, incoming, coming: None, places });
        Ok(Found { safety, start, log_start, incoming: coming_in })
    }

    /// A second disk with the same bytes, as somebody finds it who starts the validator elsewhere.
    pub(super) fn copy(&self) -> Self {
        let Self { identity, options, .. } = *self;
        Self { disk: self.disk.copy(), identity, options, files: None, safety: None, begun: None }
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

    /// A state of now, to be kept with the next sync.
    pub(super) fn keep(&self, seq: u64, state: KeptState) -> Option<(CheckpointMark, Places, KeptState)> {
        let files = self.files.as_ref()?;
        let replay_from = files.places.unfinal_from(files.log.end());
        Some((CheckpointMark { seq, replay_from }, files.places.clone(), state))
    }

    /// Goes on from another validator's snapshot: first the log says so, then the state is kept. If the power goes between the two, the
    /// state is put together again from the pieces that came in.
    pub(super) fn restore(
        &mut self,
        snapshot: Box<Snapshot>,
    ) -> Result<Option<(CheckpointMark, Places, KeptState)>, StoreError> {
        let Manifest { proposal, proof, .. } = &snapshot.manifest;
        let seq = proposal.header.last_seq;
        let place = SnapshotPlace { proposal: proposal.clone(), proof: proof.clone() };
        self.append(&LogRecord::Snapshot(Box::new(place)))?;
        Ok(self.files.as_ref().map(|files| {
            let mark = CheckpointMark { seq, replay_from: files.log.end() };
            (mark, files.places.clone(), KeptState::Restored(snapshot))
        }))
    }

    /// Something of a snapshot comes in. Nothing of it has to be durable.
    pub(super) fn take_in(&mut self, job: Incoming) -> Result<(), StoreError> {
        let Some(files) = &mut self.files else { return Ok(()) };
        match job {
            Incoming::Begin(manifest) => {
                files.incoming.begin(&Snapshot::encode_front(&manifest))?;
                files.coming = Some(manifest.pieces);
            }
            Incoming::Keep { piece, bytes } => {
                if let Some(range) = files.coming.as_ref().and_then(|pieces| pieces.range(piece)) {
                    files.incoming.put(range.start, &bytes)?;
                }
            }
            Incoming::GiveUp => files.incoming.clear()?,
        }
        Ok(())
    }

    /// Goes on taking in a snapshot of which a part is here.
    pub(super) fn go_on_with(&mut self, pieces: PieceList) {
        if let Some(files) = &mut self.files {
            files.coming = Some(pieces);
        }
    }

    /// The snapshots that others may ask for.
    pub(super) fn shelf(&self) -> Option<&Shelf> {
        self.files.as_ref().map(|files| &files.shelf)
    }

    pub(super) fn begin_sync(&mut self, group: Group) {
        self.begun = Some(group);
    }

    /// Whether a restored snapshot was kept: then the process begins again from there.
    pub(super) fn end_sync(&mut self) -> Result<bool, StoreError> {
        let on = Arc::new(self.disk.clone());
        let (Some(group), Some(files)) = (self.begun.take(), &mut self.files) else { return Ok(false) };
        let Group { sync, record, kept } = group;
        if sync || record.is_some() || !kept.is_empty() {
            files.log.sync()?;
        }
        if let Some(record) = record {
            let file = match &mut files.safety {
                Some(file) => file,
                // The first word of an epoch in which nothing was signed.
                lost => lost.insert(SafetyFile::open_on(on, &dir(), self.identity)?.0),
            };
            file.write(&safety_payload(&record, files.log.synced()))?;
            self.safety = Some(*record);
        }
        let mut restored = false;
        for (mark, places, state) in kept {
            restored |= files.keep(mark, &places, state)?;
        }
        files.let_go(self.options.keep_segments)?;
        Ok(restored)
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

    /// Where to read on to find the commands after `seq`; nothing if the log begins later.
    pub(super) fn place_before(&self, seq: u64) -> Option<LogPosition> {
        self.files.as_ref().and_then(|files| files.places.before(seq, files.log.start()))
    }

    /// Whether the log begins with the ledger.
    pub(super) fn has_whole_log(&self) -> bool {
        self.files.as_ref().is_some_and(|files| files.log.start() == LogPosition::START)
    }

    /// The first command that is known to be in the log.
    pub(super) fn first_seq(&self) -> Option<u64> {
        self.files.as_ref().and_then(|files| files.places.first_seq())
    }

    /// What is promised, durably.
    pub(super) fn safety(&self) -> Option<&SafetyRecord> {
        self.safety.as_ref()
    }
}

impl Files {
    fn keep(&mut self, mark: CheckpointMark, places: &Places, state: KeptState) -> Result<bool, StoreError> {
        let snapshot = match state {
            KeptState::Checkpoint(image) => {
                self.checkpoints.write_parts(mark, &[&places.to_front(), &image])?;
                return Ok(false);
            }
            KeptState::Snapshot(taken) => (false, Snapshot::new(*taken).expect("a state's own bytes")),
            KeptState::Restored(snapshot) => (true, *snapshot),
        };
        self.shelf.write(&mut self.snapshots, mark, places, snapshot.1)?;
        Ok(snapshot.0)
    }

    /// Removes segments of the log that no start needs any more, as the validator process does where it is told to.
    fn let_go(&mut self, keep_segments: Option<u64>) -> Result<(), StoreError> {
        let Some(keep_segments) = keep_segments else { return Ok(()) };
        let Some(older) = self.snapshots.marks()?.get(1).copied() else { return Ok(()) };
        let first = older.replay_from.segment.min((self.log.end().segment + 1).saturating_sub(keep_segments));
        if first > self.log.start().segment {
            self.log.prune(first)?;
            self.places.forget_before(LogPosition { segment: first, offset: 0 });
        }
        Ok(())
    }
}

/// What must not be, on a disk that only loses what was not synced.
pub(super) fn is_harmless(passed_over: &PassedOver) -> bool {
    matches!(passed_over, PassedOver::Damaged(_))
}

fn dir() -> PathBuf {
    Path::new("data").to_path_buf()
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

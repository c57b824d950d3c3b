//! What lies on disks: one's own after damage, and those that were brought from elsewhere.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::header::Header;
use gridbook_ledger::hotstuff::SafetyRecord;
use gridbook_ledger::replica::{FinalProof, LogRecord, Recovery, archive, unarchive};
use gridbook_ledger::snapshot::{Manifest, Snapshot};
use gridbook_ledger::state::{PieceList, State};
use gridbook_ledger::store::{
    CheckpointMark, Checkpoints, Log, LogIdentity, LogOptions, LogPosition, MemoryDisk, SafetyFile,
};

use super::{Target, glued, parts};
use crate::chain::{after, certified, last_final, proposed};
use crate::quartet::{config, day};
use crate::village::genesis;

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "log_record",
        seeds: log_records,
        run: log_record,
        held_bytes_max: (1 << 20, 64),
        short_runs: 5_000,
    },
    Target { name: "audit", seeds: histories, run: audit, held_bytes_max: (32 << 20, 4_096), short_runs: 300 },
    Target { name: "log_segment", seeds: segments, run: log_segment, held_bytes_max: (4 << 20, 32), short_runs: 2_000 },
    Target {
        name: "safety_file",
        seeds: safety_files,
        run: safety_file,
        held_bytes_max: (2 << 20, 16),
        short_runs: 1_000,
    },
    Target {
        name: "safety_record",
        seeds: safety,
        run: safety_record,
        held_bytes_max: (1 << 20, 64),
        short_runs: 5_000,
    },
    Target {
        name: "checkpoint_file",
        seeds: checkpoint_files,
        run: checkpoint_file,
        held_bytes_max: (1 << 20, 32),
        short_runs: 3_000,
    },
    Target {
        name: "checkpoint",
        seeds: checkpoints,
        run: checkpoint,
        held_bytes_max: (16 << 20, 256),
        short_runs: 2_000,
    },
    Target { name: "snapshot", seeds: snapshots, run: snapshot, held_bytes_max: (16 << 20, 256), short_runs: 2_000 },
    Target { name: "pieces", seeds: pieces, run: piece_list, held_bytes_max: (16 << 20, 64), short_runs: 3_000 },
    Target {
        name: "snapshot_file",
        seeds: snapshot_files,
        run: snapshot_file,
        held_bytes_max: (16 << 20, 256),
        short_runs: 1_500,
    },
];

const IDENTITY: LogIdentity = LogIdentity { chain: Hash([5; 32]), validator: 2 };
/// Small, so that a file is mostly records.
const SEGMENT_BYTES: u64 = 16 << 10;

fn dir() -> PathBuf {
    PathBuf::from("/data")
}

fn log_records() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = day().log.iter().take(60).map(laid).collect();
    all.extend(day().log.iter().rev().take(20).map(laid));
    all.push(laid(&LogRecord::Truncate { to_seq: 5 }));
    all
}

/// Its kind, then its payload.
fn laid(record: &LogRecord) -> Vec<u8> {
    let (kind, payload) = record.encode();
    [&[kind], &payload[..]].concat()
}

fn log_record(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first() else { return };
    if let Ok(record) = LogRecord::decode(*kind, payload) {
        let (kind, payload) = record.encode();
        assert_eq!(LogRecord::decode(kind, &payload), Ok(record));
    }
}

fn histories() -> Vec<Vec<u8>> {
    let all: Vec<Vec<u8>> = day().log.iter().map(laid).collect();
    vec![glued(&all[..all.len().min(20)]), glued(&all[..all.len().min(80)]), glued(&all)]
}

/// A data directory of somebody else is executed again: it holds, or it is refused.
fn audit(bytes: &[u8]) {
    let mut audit = Recovery::audit(genesis().clone());
    for part in parts(bytes) {
        let Some((kind, payload)) = part.split_first() else { continue };
        let Ok(record) = LogRecord::decode(*kind, payload) else { continue };
        if audit.replay(record).is_err() {
            return;
        }
    }
    assert_eq!(audit.replica().state().audit(), Ok(()));
    let known = day().finals.iter().map(|step| step.hash);
    let end = audit.replica().final_header();
    assert!(end.height == 0 || known.into_iter().any(|hash| hash == end.hash()), "a history that nobody certified");
}

fn options() -> LogOptions {
    LogOptions { segment_bytes: SEGMENT_BYTES, ..LogOptions::default() }
}

fn segment_path() -> PathBuf {
    dir().join(format!("{:012}.log", 0))
}

fn segments() -> Vec<Vec<u8>> {
    let disk = MemoryDisk::new();
    let (mut log, _) = Log::open_on(Arc::new(disk.clone()), &dir(), IDENTITY, options()).expect("an empty disk");
    let mut files = vec![written(&disk)];
    for (number, record) in (1..).zip(day().log.iter().take(12)) {
        let (kind, payload) = record.encode();
        log.append(kind, &payload[..payload.len().min(900)]).expect("there is room");
        // A sync fills its sector: all twelve must fit into one segment.
        if number % 4 == 0 {
            log.sync().expect("it is memory");
        }
        files.push(written(&disk));
    }
    files
}

/// The first segment, without the zeros behind it.
fn written(disk: &MemoryDisk) -> Vec<u8> {
    let names = gridbook_ledger::store::Disk::list(disk, &dir()).expect("it is memory");
    let mut bytes = disk.read(&dir().join(&names[0])).expect("it was listed");
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}

/// A damaged segment opens at a place up to which everything holds, twice at the same, or it is refused.
fn log_segment(bytes: &[u8]) {
    let disk = MemoryDisk::new();
    let mut file = bytes.to_vec();
    file.resize(file.len().max(SEGMENT_BYTES as usize), 0);
    disk.plant(&segment_path(), file);
    let open = || Log::open_on(Arc::new(disk.clone()), &dir(), IDENTITY, options());
    let Ok((mut log, found)) = open() else { return };
    let mut records = log.reader().read_from(LogPosition::START);
    let mut count = 0;
    while let Some(record) = records.advance().expect("what was found to hold can be read") {
        assert!(record.payload.len() as u64 <= SEGMENT_BYTES);
        count += 1;
    }
    assert_eq!(count, found.records);
    log.append(1, b"one more").expect("there is room in the next segment at the latest");
    log.sync().expect("it is memory");
    drop(log);
    let (_, again) = open().expect("what was written is read again");
    assert_eq!((again.records, again.torn), (found.records + 1, None));
}

/// The two sectors without the zeros in them.
fn safety_files() -> Vec<Vec<u8>> {
    let disk = MemoryDisk::new();
    let (mut file, _) = SafetyFile::open_on(Arc::new(disk.clone()), &dir(), IDENTITY).expect("an empty disk");
    let mut files = Vec::new();
    for payload in [&b"a first word"[..], &[7; 300], b""] {
        let bytes = disk.read(&SafetyFile::path(&dir())).expect("it was made");
        let sector =
            |bytes: &[u8]| bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)].to_vec();
        files.push(glued(&[sector(&bytes[..64 << 10]), sector(&bytes[64 << 10..])]));
        file.write(payload).expect("it is memory");
    }
    files
}

/// A record is one of those that were written, or there is none and the validator does not sign.
fn safety_file(bytes: &[u8]) {
    let mut file = vec![0; 128 << 10];
    for (place, sector) in parts(bytes).take(2).enumerate() {
        let sector = &sector[..sector.len().min(64 << 10)];
        file[place << 16..][..sector.len()].copy_from_slice(sector);
    }
    let disk = MemoryDisk::new();
    disk.plant(&SafetyFile::path(&dir()), file);
    if let Ok((mut file, record)) = SafetyFile::open_on(Arc::new(disk.clone()), &dir(), IDENTITY) {
        let known = [None, Some(&b"a first word"[..]), Some(&[7; 300])];
        assert!(known.contains(&record.as_deref()), "a record that was never written: {record:?}");
        file.write(b"the next").expect("it is memory");
        let (_, record) = SafetyFile::open_on(Arc::new(disk), &dir(), IDENTITY).expect("it was whole");
        assert_eq!(record.as_deref(), Some(&b"the next"[..]));
    }
}

fn safety() -> Vec<Vec<u8>> {
    vec![archive(day().safety.as_ref().expect("it voted"))]
}

fn safety_record(bytes: &[u8]) {
    if let Ok(record) = unarchive::<SafetyRecord>(bytes) {
        assert_eq!(unarchive(&archive(&record)), Ok(record));
    }
}

fn mark() -> CheckpointMark {
    CheckpointMark { seq: 9, replay_from: LogPosition::START }
}

fn checkpoint_path() -> PathBuf {
    dir().join(format!("{:020}.checkpoint", mark().seq))
}

fn checkpoint_files() -> Vec<Vec<u8>> {
    let file = |payload: &[u8]| {
        let disk = MemoryDisk::new();
        let mut checkpoints = Checkpoints::open_on(Arc::new(disk.clone()), &dir(), IDENTITY).expect("an empty disk");
        checkpoints.write(mark(), payload).expect("it is memory");
        disk.read(&checkpoint_path()).expect("it was written")
    };
    vec![file(b"a state"), file(&[7; 2_000]), file(b"")]
}

/// A checkpoint is the one that was written, or it is passed over.
fn checkpoint_file(bytes: &[u8]) {
    let disk = MemoryDisk::new();
    disk.plant(&checkpoint_path(), bytes.to_vec());
    let checkpoints = Checkpoints::open_on(Arc::new(disk), &dir(), IDENTITY).expect("an empty disk");
    if let Ok(found) = checkpoints.newest()
        && let Some(checkpoint) = found.checkpoint
    {
        let known: [&[u8]; 3] = [b"a state", &[7; 2_000], b""];
        assert!(known.contains(&&checkpoint.bytes[..]), "a checkpoint that was never written");
    }
}

fn checkpoints() -> Vec<Vec<u8>> {
    vec![day().checkpoint.clone()]
}

/// A replica that begins at a checkpoint has the state that its header names.
fn checkpoint(bytes: &[u8]) {
    if let Ok(recovery) = Recovery::from_checkpoint(config(2), bytes) {
        let mut replica = recovery.finish(None);
        assert_eq!(replica.state().audit(), Ok(()));
        let root = replica.final_header().state_root;
        assert_eq!(replica.state_mut().state_root(), root);
    }
}

fn snapshots() -> Vec<Vec<u8>> {
    vec![day().snapshot.clone(), crate::village::state().0.snapshot(), State::genesis(genesis()).snapshot()]
}

/// A state that is restored is sound, and has these bytes and no others.
fn snapshot(bytes: &[u8]) {
    if let Ok(state) = State::restore(genesis(), bytes) {
        assert_eq!(state.snapshot(), bytes);
        assert_eq!(state.audit(), Ok(()));
    }
}

/// A list as it comes from another validator, then pieces as they come.
fn pieces() -> Vec<Vec<u8>> {
    let of = |snapshot: &[u8]| {
        let list = PieceList::of(snapshot).expect("own bytes");
        let range = |piece| list.range(piece).expect("there is such a piece");
        let piece = |piece| {
            let (start, end) = (range(piece).start as usize, range(piece).end as usize);
            snapshot[start..end].to_vec()
        };
        let mut parts = vec![archive(&list)];
        parts.extend((0..list.count()).map(piece));
        glued(&parts)
    };
    snapshots().iter().map(|snapshot| of(snapshot)).collect()
}

/// Pieces that are taken under a root make the snapshot of that root.
fn piece_list(bytes: &[u8]) {
    let mut parts = parts(bytes);
    let Some(Ok(list)) = parts.next().map(unarchive::<PieceList>) else { return };
    if list.check().is_err() {
        return;
    }
    let (mut snapshot, root) = (list.front().to_vec(), list.snapshot_root());
    for (number, piece) in (0..list.count()).zip(parts) {
        let range = list.range(number).expect("there is such a piece");
        if list.check_piece(number, piece).is_ok() && range.start == snapshot.len() as u64 {
            assert_eq!(range.end - range.start, piece.len() as u64);
            snapshot.extend_from_slice(piece);
        }
    }
    // The root is what a header names; under any other nothing is taken.
    if snapshot.len() as u64 == list.snapshot_bytes() && KNOWN_ROOTS.contains(&root) {
        assert!(snapshots().contains(&snapshot), "a snapshot that nobody took");
    }
}

static KNOWN_ROOTS: LazyLock<Vec<Hash>> = LazyLock::new(|| {
    let root = |snapshot: &Vec<u8>| PieceList::of(snapshot).expect("own bytes").snapshot_root();
    snapshots().iter().map(root).collect()
});

/// A checkpoint header behind the day's last, with the state that it names.
///
/// ```text
/// last final header of the day <- checkpoint <- child, certified
/// ```
fn snapshot_files() -> Vec<Vec<u8>> {
    static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut state = State::restore(genesis(), &day().snapshot).expect("own bytes");
        let (state_root, snapshot_root) = (state.state_root(), state.snapshot_root());
        let header = Header { state_root, snapshot_root, flags: Header::CHECKPOINT, ..after(last_final(), 0) };
        let child = after(&header, 1);
        let proof = FinalProof { via: Vec::new(), qc: certified(&child), child };
        let (proposal, pieces) = (proposed(&header, last_final()), PieceList::of(&day().snapshot).expect("own bytes"));
        let manifest = Manifest { proposal, proof, epochs: Vec::new(), pieces };
        assert_eq!(manifest.verify(genesis()), Ok(()));
        [Snapshot::encode_front(&manifest), day().snapshot.clone()].concat()
    });
    vec![FILE.clone()]
}

/// A snapshot that verifies is the one whose header was made final.
fn snapshot_file(bytes: &[u8]) {
    let read = |offset: u64, length: usize| {
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(length)?).map(<[u8]>::to_vec)
    };
    let front = Manifest::read_front(read);
    if let Ok(snapshot) = Snapshot::decode(bytes) {
        assert_eq!(front.map(|(manifest, _)| manifest), Ok(snapshot.manifest.clone()));
        if snapshot.verify(genesis()).is_ok() {
            assert!(snapshot.state == day().snapshot, "a state that no final header names");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the wrong name, or seeds that are refused at the first byte, would never find anything.
    #[test]
    fn the_seeds_are_read_as_what_they_are() {
        let disk = MemoryDisk::new();
        let mut file = segments().pop().expect("there are some");
        file.resize(SEGMENT_BYTES as usize, 0);
        disk.plant(&segment_path(), file);
        let (_, found) = Log::open_on(Arc::new(disk.clone()), &dir(), IDENTITY, options()).expect("an honest segment");
        assert_eq!(found.records, 12);
        disk.plant(&checkpoint_path(), checkpoint_files().remove(0));
        let newest =
            Checkpoints::open_on(Arc::new(disk), &dir(), IDENTITY).expect("it opens").newest().expect("it is read");
        assert_eq!(newest.checkpoint.expect("an honest checkpoint").bytes, b"a state");
        assert!(snapshots().iter().all(|bytes| State::restore(genesis(), bytes).is_ok()));
        assert!(checkpoints().iter().all(|bytes| Recovery::from_checkpoint(config(2), bytes).is_ok()));
        assert!(log_records().iter().all(|bytes| LogRecord::decode(bytes[0], &bytes[1..]).is_ok()));
    }
}

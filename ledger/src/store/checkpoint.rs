//! Checkpoints: the state at a place in the log, so that a start need not replay all of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{remove_asides, write_aside};
use super::{Disk, LogIdentity, LogPosition, StdDisk, StoreError, check_version};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Hasher};

const MAGIC: &[u8; 8] = b"GRIDCKPT";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 112;
const ENDING: &str = ".checkpoint";
const KEPT: usize = 2;

/// What a checkpoint stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointMark {
    /// Sequence number of the last command in the state (or any number that only grows). It names the file.
    pub seq: u64,
    /// The log from here on is replayed on top. Give it to [`LogOptions`](super::LogOptions) as `must_reach` (a
    /// checkpoint ahead of its log means that the log lost records) and as `verify_from`.
    pub replay_from: LogPosition,
}

/// A checkpoint as read; its checksum held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it stands for.
    pub mark: CheckpointMark,
    /// The state.
    pub bytes: Vec<u8>,
}

/// The answer of [`Checkpoints::newest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestCheckpoint {
    /// The newest that is whole; none if there is none, and then the log is replayed from its start.
    pub checkpoint: Option<Checkpoint>,
    /// Newer ones that are damaged.
    pub damaged: Vec<PathBuf>,
}

/// The directory of checkpoints. Two are kept.
#[derive(Debug)]
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    identity: LogIdentity,
    poisoned: bool,
}

/// Reads parts of checkpoints while they are kept. Clones are cheap.
#[derive(Clone, Debug)]
pub struct CheckpointReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Checkpoints {
    /// Opens the directory, making it if it is not there.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open(dir: &Path, identity: LogIdentity) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(StdDisk), dir, identity)
    }

    /// Like [`Checkpoints::open`], on any disk.
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, identity: LogIdentity) -> Result<Self, StoreError> {
        disk.create_dir(dir).map_err(|e| StoreError::io("make the directory", dir, e))?;
        let checkpoints = Self { disk, dir: dir.to_path_buf(), identity, poisoned: false };
        remove_asides(&*checkpoints.disk, dir, &checkpoints.file_names()?)?;
        Ok(checkpoints)
    }

    /// Writes a checkpoint durably, then removes all but the newest two. Until it is whole the older ones stay.
    ///
    /// # Errors
    /// Any error poisons this writer; what was kept before is still there.
    pub fn write(&mut self, mark: CheckpointMark, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_parts(mark, &[bytes])
    }

    /// As [`Checkpoints::write`], of bytes that lie in several places, one part after the other.
    ///
    /// # Errors
    /// As [`Checkpoints::write`].
    pub fn write_parts(&mut self, mark: CheckpointMark, parts: &[&[u8]]) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let result = self.write_and_tidy(mark, parts);
        self.poisoned = result.is_err();
        result
    }

    /// The newest checkpoint whose checksum holds; a damaged one is passed over for the one before it.
    ///
    /// # Errors
    /// A whole checkpoint of another chain, validator or format is an error and not passed over.
    pub fn newest(&self) -> Result<NewestCheckpoint, StoreError> {
        let mut damaged = Vec::new();
        for path in self.paths_newest_first()? {
            match self.read(&path)? {
                Some(checkpoint) => return Ok(NewestCheckpoint { checkpoint: Some(checkpoint), damaged }),
                None => damaged.push(path),
            }
        }
        Ok(NewestCheckpoint { checkpoint: None, damaged })
    }

    /// The files of a directory of checkpoints, newest first, without a lock and without changing anything.
    ///
    /// # Errors
    /// What the system reports; a directory that is not there has none.
    pub fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let names = StdDisk.list(dir).map_err(|e| StoreError::io("list the directory", dir, e))?;
        Ok(names.iter().rev().filter(|name| name.ends_with(ENDING)).map(|name| dir.join(name)).collect())
    }

    /// Reads one file, whosever it is; nothing if it is damaged.
    ///
    /// # Errors
    /// What the system reports, and another format's file.
    pub fn look(path: &Path) -> Result<Option<(LogIdentity, Checkpoint)>, StoreError> {
        read_file(&StdDisk, path)
    }

    /// Reads parts of what was written, from any thread.
    pub fn reader(&self) -> CheckpointReader {
        CheckpointReader { disk: self.disk.clone(), dir: self.dir.clone() }
    }

    /// What each kept checkpoint stands for, newest first; damaged ones left out. Reads only the beginnings of the files.
    ///
    /// # Errors
    /// As [`Checkpoints::newest`].
    pub fn marks(&self) -> Result<Vec<CheckpointMark>, StoreError> {
        let mut marks = Vec::new();
        for path in self.paths_newest_first()? {
            let file = self.disk.open(&path).map_err(|e| StoreError::io("open", &path, e))?;
            let mut bytes = [0; HEADER_BYTES];
            let count = file.read_at(&mut bytes, 0).map_err(|e| StoreError::io("read", &path, e))?;
            let Ok(Header { version, identity, mark, .. }) = Header::read(&bytes[..count]) else { continue };
            check_version(&path, version, FORMAT_VERSION)?;
            self.identity.check(&path, &identity)?;
            marks.push(mark);
        }
        Ok(marks)
    }

    fn write_and_tidy(&self, mark: CheckpointMark, parts: &[&[u8]]) -> Result<(), StoreError> {
        let header = encode_header(self.identity, mark, parts);
        let size = header.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        let all: Vec<&[u8]> = std::iter::once(&header[..]).chain(parts.iter().copied()).collect();
        write_aside(&*self.disk, &path_of(&self.dir, mark.seq), size as u64, &all)?;
        for old in self.paths_newest_first()?.iter().skip(KEPT) {
            self.disk.remove(old).map_err(|e| StoreError::io("remove", old, e))?;
        }
        Ok(())
    }

    fn file_names(&self) -> Result<Vec<String>, StoreError> {
        self.disk.list(&self.dir).map_err(|e| StoreError::io("list the directory", &self.dir, e))
    }

    fn paths_newest_first(&self) -> Result<Vec<PathBuf>, StoreError> {
        let names = self.file_names()?;
        Ok(names.iter().rev().filter(|name| name.ends_with(ENDING)).map(|name| self.dir.join(name)).collect())
    }

    fn read(&self, path: &Path) -> Result<Option<Checkpoint>, StoreError> {
        let Some((identity, checkpoint)) = read_file(&*self.disk, path)? else { return Ok(None) };
        self.identity.check(path, &identity)?;
        Ok(Some(checkpoint))
    }
}

fn read_file(disk: &dyn Disk, path: &Path) -> Result<Option<(LogIdentity, Checkpoint)>, StoreError> {
    let file = disk.open(path).map_err(|e| StoreError::io("open", path, e))?;
    let size = file.size_bytes().map_err(|e| StoreError::io("measure", path, e))?;
    let mut bytes = vec![0; usize::try_from(size).expect("a checkpoint fits into memory")];
    let count = file.read_at(&mut bytes, 0).map_err(|e| StoreError::io("read", path, e))?;
    bytes.truncate(count);
    let Ok(Header { version, identity, mark, .. }) = decode(&bytes) else { return Ok(None) };
    check_version(path, version, FORMAT_VERSION)?;
    bytes.drain(..HEADER_BYTES);
    Ok(Some((identity, Checkpoint { mark, bytes })))
}

impl CheckpointReader {
    /// So many bytes from `offset` on of what was written under a sequence number; nothing if it is no longer kept, or shorter.
    ///
    /// # Errors
    /// What the system reports.
    pub fn part(&self, seq: u64, offset: u64, length: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let path = path_of(&self.dir, seq);
        let file = match self.disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", &path, error)),
        };
        let Some(at) = offset.checked_add(HEADER_BYTES as u64) else { return Ok(None) };
        let mut bytes = vec![0; length];
        let count = file.read_at(&mut bytes, at).map_err(|e| StoreError::io("read", &path, e))?;
        Ok((count == length).then_some(bytes))
    }
}

fn path_of(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:020}{ENDING}"))
}

fn encode_header(identity: LogIdentity, mark: CheckpointMark, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut w = Writer::new();
    w.bytes(MAGIC).u32(FORMAT_VERSION).u16(identity.validator).u16(0).bytes(&identity.chain.0);
    w.u64(mark.seq).bytes(&mark.replay_from.to_bytes()).u64(length as u64);
    let check = checksum(w.as_slice(), parts);
    w.bytes(&check.0);
    w.finish()
}

/// What stands before the bytes.
struct Header {
    version: u32,
    identity: LogIdentity,
    mark: CheckpointMark,
    length: u64,
    check: Hash,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        if r.bytes(MAGIC.len())? != MAGIC {
            return Err(BytesError::Unknown);
        }
        let version = r.u32()?;
        let validator = r.u16()?;
        r.padding(2)?;
        let chain = Hash(r.array()?);
        let mark = CheckpointMark { seq: r.u64()?, replay_from: LogPosition::from_bytes(r.array()?) };
        let (length, check) = (r.u64()?, Hash(r.array()?));
        Ok(Self { version, identity: LogIdentity { chain, validator }, mark, length, check })
    }
}

/// What a file begins with, if the whole file holds.
fn decode(file: &[u8]) -> Result<Header, BytesError> {
    let header = Header::read(file)?;
    let bytes = &file[HEADER_BYTES..];
    if bytes.len() as u64 != header.length {
        return Err(BytesError::Truncated);
    }
    if checksum(&file[..HEADER_BYTES - 32], &[bytes]) != header.check {
        return Err(BytesError::Unknown);
    }
    Ok(header)
}

fn checksum(fields: &[u8], parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new("gridbook/checkpoint");
    hasher.update(fields);
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

//! Checkpoints: the state at a place in the log, so that a start need not replay all of it.

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
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let result = self.write_and_tidy(mark, bytes);
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

    fn write_and_tidy(&self, mark: CheckpointMark, bytes: &[u8]) -> Result<(), StoreError> {
        let header = encode_header(self.identity, mark, bytes);
        let size = (header.len() + bytes.len()) as u64;
        let path = self.dir.join(format!("{:020}{ENDING}", mark.seq));
        write_aside(&*self.disk, &path, size, &[&header, bytes])?;
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
        let file = self.disk.open(path).map_err(|e| StoreError::io("open", path, e))?;
        let size = file.size_bytes().map_err(|e| StoreError::io("measure", path, e))?;
        let mut bytes = vec![0; usize::try_from(size).expect("a checkpoint fits into memory")];
        let count = file.read_at(&mut bytes, 0).map_err(|e| StoreError::io("read", path, e))?;
        bytes.truncate(count);
        let Ok((version, identity, mark)) = decode(&bytes) else { return Ok(None) };
        check_version(path, version, FORMAT_VERSION)?;
        self.identity.check(path, &identity)?;
        bytes.drain(..HEADER_BYTES);
        Ok(Some(Checkpoint { mark, bytes }))
    }
}

fn encode_header(identity: LogIdentity, mark: CheckpointMark, bytes: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.bytes(MAGIC).u32(FORMAT_VERSION).u16(identity.validator).u16(0).bytes(&identity.chain.0);
    w.u64(mark.seq).bytes(&mark.replay_from.to_bytes()).u64(bytes.len() as u64);
    let check = checksum(w.as_slice(), bytes);
    w.bytes(&check.0);
    w.finish()
}

/// Format version, owner and mark, if the whole file holds.
fn decode(file: &[u8]) -> Result<(u32, LogIdentity, CheckpointMark), BytesError> {
    let mut r = Reader::new(file);
    if r.bytes(MAGIC.len())? != MAGIC {
        return Err(BytesError::Unknown);
    }
    let version = r.u32()?;
    let validator = r.u16()?;
    r.padding(2)?;
    let chain = Hash(r.array()?);
    let mark = CheckpointMark { seq: r.u64()?, replay_from: LogPosition::from_bytes(r.array()?) };
    let length = r.u64()?;
    let check = Hash(r.array()?);
    if r.remaining() as u64 != length {
        return Err(BytesError::Truncated);
    }
    if checksum(&file[..HEADER_BYTES - 32], &file[HEADER_BYTES..]) != check {
        return Err(BytesError::Unknown);
    }
    Ok((version, LogIdentity { chain, validator }, mark))
}

fn checksum(fields: &[u8], bytes: &[u8]) -> Hash {
    Hasher::new("gridbook/checkpoint").update(fields).update(bytes).finish()
}

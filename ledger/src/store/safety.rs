//! The consensus safety record: what this validator has said, on disk before it says it (CONSENSUS section 3, record).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::write_aside;
use super::{Disk, DiskFile, LogIdentity, StdDisk, StoreError, check_version};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;

/// The longest record: 60 KiB.
pub const SAFETY_BYTES_MAX: usize = 60 << 10;

const SECTOR_BYTES: u64 = 64 << 10;
const MAGIC: &[u8; 8] = b"GRIDSAFE";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 96;
const _: () = assert!((HEADER_BYTES + SAFETY_BYTES_MAX) as u64 <= SECTOR_BYTES);

/// The file of the safety record: two sectors written in turn, so that a torn write leaves the record before it.
///
/// The file is made, with an empty record, before the validator signs anything. So if it is there without a whole
/// sector, records are lost: [`StoreError::DoNotSign`]. A file that was removed looks like a new validator's;
/// so [`DataDir`](super::DataDir) makes it only when it is told that the key is new.
#[derive(Debug)]
pub struct SafetyFile {
    path: PathBuf,
    identity: LogIdentity,
    file: Box<dyn DiskFile>,
    generation: u64,
    torn: bool,
    poisoned: bool,
}

#[derive(Debug)]
struct Sector {
    identity: LogIdentity,
    generation: u64,
    payload: Vec<u8>,
}

/// A safety record as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSafety {
    /// Whose it is.
    pub identity: LogIdentity,
    /// How often it was written.
    pub generation: u64,
    /// The record; none if nothing was ever signed.
    pub payload: Option<Vec<u8>>,
    /// How many of the two sectors are whole.
    pub whole: usize,
}

impl SafetyFile {
    /// Looks at the file in a directory without changing anything; nothing if there is none.
    ///
    /// # Errors
    /// [`StoreError::DoNotSign`] if no sector is whole.
    pub fn look(dir: &Path) -> Result<Option<FoundSafety>, StoreError> {
        let path = Self::path(dir);
        let file = match StdDisk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", &path, error)),
        };
        let sectors = [read_sector(&*file, &path, 0)?, read_sector(&*file, &path, 1)?];
        let whole = sectors.iter().flatten().count();
        let newest = sectors.into_iter().flatten().max_by_key(|sector| sector.generation);
        let Sector { identity, generation, payload } = newest.ok_or(StoreError::DoNotSign { path })?;
        Ok(Some(FoundSafety { identity, generation, payload: (generation > 0).then_some(payload), whole }))
    }

    /// Opens the file in its directory, making it if it is not there, with the last record written; none if none ever
    /// was.
    ///
    /// # Errors
    /// [`StoreError::DoNotSign`] if the file is there and no sector of it is whole; the named errors of identity and
    /// version.
    pub fn open(dir: &Path, identity: LogIdentity) -> Result<(Self, Option<Vec<u8>>), StoreError> {
        Self::open_on(Arc::new(StdDisk), dir, identity)
    }

    /// Like [`SafetyFile::open`], on any disk.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        identity: LogIdentity,
    ) -> Result<(Self, Option<Vec<u8>>), StoreError> {
        let path = Self::path(dir);
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::create(&*disk, dir, path, identity),
            Err(error) => return Err(StoreError::io("open", &path, error)),
        };
        // The name may be in the cache only, if the sync of the directory failed.
        disk.sync_dir(dir).map_err(|e| StoreError::io("sync the directory", dir, e))?;
        let sectors = [read_sector(&*file, &path, 0)?, read_sector(&*file, &path, 1)?];
        let torn = sectors.iter().any(Option::is_none);
        let newest = sectors.into_iter().flatten().max_by_key(|sector| sector.generation);
        let newest = newest.ok_or_else(|| StoreError::DoNotSign { path: path.clone() })?;
        identity.check(&path, &newest.identity)?;
        let safety = Self { path, identity, file, generation: newest.generation, torn, poisoned: false };
        // The page cache may show a record whose sync failed; before anyone builds on it, it goes to the disk.
        safety.write_sector(newest.generation, &newest.payload)?;
        Ok((safety, (newest.generation > 0).then_some(newest.payload)))
    }

    /// The file in a directory.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("safety")
    }

    /// Replaces the record, durably: when this returns, the validator may give its word.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] leaves all as it was; any other error poisons the file.
    pub fn write(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        if payload.len() > SAFETY_BYTES_MAX {
            return Err(StoreError::TooLong { bytes: payload.len() as u64, limit_bytes: SAFETY_BYTES_MAX as u64 });
        }
        let generation = self.generation + 1;
        let result = self.write_sector(generation, payload);
        self.poisoned = result.is_err();
        self.generation = generation;
        result
    }

    /// Whether one of the two sectors was not whole when the file was opened: the last write was cut off, or the disk
    /// is failing.
    pub fn was_torn(&self) -> bool {
        self.torn
    }

    /// Makes the file with an empty record, in the place of one that is there. Only for an epoch in which nothing was signed yet.
    ///
    /// # Errors
    /// What the system reports.
    pub fn begin_anew(dir: &Path, identity: LogIdentity) -> Result<Self, StoreError> {
        Self::create(&StdDisk, dir, Self::path(dir), identity).map(|(safety, _)| safety)
    }

    fn create(
        disk: &dyn Disk,
        dir: &Path,
        path: PathBuf,
        identity: LogIdentity,
    ) -> Result<(Self, Option<Vec<u8>>), StoreError> {
        disk.create_dir(dir).map_err(|e| StoreError::io("make the directory", dir, e))?;
        let empty = Sector { identity, generation: 0, payload: Vec::new() }.encode();
        let padding = vec![0; SECTOR_BYTES as usize - empty.len()];
        let file = write_aside(disk, &path, 2 * SECTOR_BYTES, &[&empty, &padding, &empty])?;
        Ok((Self { path, identity, file, generation: 0, torn: false, poisoned: false }, None))
    }

    fn write_sector(&self, generation: u64, payload: &[u8]) -> Result<(), StoreError> {
        let sector = Sector { identity: self.identity, generation, payload: payload.to_vec() };
        let offset = generation % 2 * SECTOR_BYTES;
        self.file.write_at(&sector.encode(), offset).map_err(|e| StoreError::io("write", &self.path, e))?;
        self.file.sync().map_err(|e| StoreError::io("sync", &self.path, e))
    }
}

/// The sector at an index, if it is whole.
fn read_sector(file: &dyn DiskFile, path: &Path, index: u64) -> Result<Option<Sector>, StoreError> {
    let mut bytes = vec![0; SECTOR_BYTES as usize];
    let count = file.read_at(&mut bytes, index * SECTOR_BYTES).map_err(|e| StoreError::io("read", path, e))?;
    bytes.truncate(count);
    match Sector::decode(&bytes) {
        Ok((version, sector)) => check_version(path, version, FORMAT_VERSION).map(|()| Some(sector)),
        Err(_) => Ok(None),
    }
}

impl Sector {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(MAGIC).u32(FORMAT_VERSION).u16(self.identity.validator).u16(0).bytes(&self.identity.chain.0);
        w.u64(self.generation).u32(u32::try_from(self.payload.len()).expect("at most SAFETY_BYTES_MAX")).u32(0);
        let mut fields = w.finish();
        fields.extend_from_slice(&self.payload);
        let mut bytes = checksum(&fields).0.to_vec();
        bytes.append(&mut fields);
        bytes
    }

    /// Format version and sector. The checksum is over every version's bytes alike, so that an old sector is told from
    /// a torn one.
    fn decode(bytes: &[u8]) -> Result<(u32, Self), BytesError> {
        let mut r = Reader::new(bytes);
        let check = Hash(r.array()?);
        let fields = &bytes[32..];
        if r.bytes(MAGIC.len())? != MAGIC {
            return Err(BytesError::Unknown);
        }
        let version = r.u32()?;
        let validator = r.u16()?;
        r.padding(2)?;
        let chain = Hash(r.array()?);
        let generation = r.u64()?;
        let length = r.u32()? as usize;
        r.padding(4)?;
        let payload = r.bytes(length)?.to_vec();
        if checksum(&fields[..HEADER_BYTES - 32 + length]) != check {
            return Err(BytesError::Unknown);
        }
        Ok((version, Self { identity: LogIdentity { chain, validator }, generation, payload }))
    }
}

fn checksum(fields: &[u8]) -> Hash {
    Hash::of("gridbook/safety", fields)
}

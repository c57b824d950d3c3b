//! Where a pruned log begins: a small file that says it, so that a removed segment is told from a lost one.

use std::io;
use std::path::{Path, PathBuf};

use super::LogIdentity;
use super::segment;
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;
use crate::store::disk::write_aside;
use crate::store::{Disk, StoreError, check_version};

const MAGIC: &[u8; 8] = b"GRIDFRST";
const FORMAT_VERSION: u32 = 1;
const BYTES: usize = 88;

/// Says durably that the log begins at a segment. It is said before anything is removed.
pub(super) fn write(disk: &dyn Disk, dir: &Path, identity: LogIdentity, first: u64) -> Result<(), StoreError> {
    let mut w = Writer::new();
    w.bytes(MAGIC).u32(FORMAT_VERSION).u16(identity.validator).u16(0).bytes(&identity.chain.0).u64(first);
    let check = checksum(w.as_slice());
    w.bytes(&check.0);
    write_aside(disk, &path(dir), BYTES as u64, &[w.as_slice()]).map(|_| ())
}

/// The number of the first segment: 0 unless something else was said.
pub(super) fn read(disk: &dyn Disk, dir: &Path, identity: LogIdentity) -> Result<u64, StoreError> {
    let path = path(dir);
    let file = match disk.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(StoreError::io("open", &path, error)),
    };
    let mut bytes = [0; BYTES];
    let count = file.read_at(&mut bytes, 0).map_err(|e| StoreError::io("read", &path, e))?;
    let (version, found, first) =
        decode(&bytes[..count]).map_err(|_| StoreError::CorruptHeader { path: path.clone() })?;
    check_version(&path, version, FORMAT_VERSION)?;
    identity.check(&path, &found)?;
    Ok(first)
}

/// Removes what lies before the first segment, the oldest first.
pub(super) fn remove_before(disk: &dyn Disk, dir: &Path, first: u64) -> Result<(), StoreError> {
    if first == 0 {
        return Ok(());
    }
    let names = disk.list(dir).map_err(|e| StoreError::io("list the directory", dir, e))?;
    let old = names.iter().filter(|name| segment::number_of(name).is_some_and(|number| number < first));
    for name in old {
        let path = dir.join(name);
        disk.remove(&path).map_err(|e| StoreError::io("remove", &path, e))?;
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<(u32, LogIdentity, u64), BytesError> {
    let mut r = Reader::new(bytes);
    if r.bytes(MAGIC.len())? != MAGIC {
        return Err(BytesError::Unknown);
    }
    let (version, validator) = (r.u32()?, r.u16()?);
    r.padding(2)?;
    let (chain, first, check) = (Hash(r.array()?), r.u64()?, Hash(r.array()?));
    r.finish()?;
    if checksum(&bytes[..BYTES - 32]) != check {
        return Err(BytesError::Unknown);
    }
    Ok((version, LogIdentity { chain, validator }, first))
}

fn checksum(fields: &[u8]) -> Hash {
    Hash::of("gridbook/first-segment", fields)
}

fn path(dir: &Path) -> PathBuf {
    dir.join("first")
}

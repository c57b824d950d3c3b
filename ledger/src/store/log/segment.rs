//! The header of a segment, and the names of the files.

use std::path::{Path, PathBuf};

use super::frame::Salt;
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;
use crate::store::{DiskFile, LogIdentity, StoreError, check_version};

/// Length of a segment's header; its last 32 bytes are the chain hash it continues from, as before any record.
pub(super) const HEADER_BYTES: u64 = 128;
/// The format this program writes and reads.
pub(super) const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"GRIDLOG\0";
const CHECKED_BYTES: usize = 64;
const ENDING: &str = ".log";

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) identity: LogIdentity,
    pub(super) number: u64,
    pub(super) capacity_bytes: u64,
    pub(super) chain_before: Hash,
    check: Hash,
}

impl SegmentHeader {
    pub(super) fn new(identity: LogIdentity, number: u64, capacity_bytes: u64, chain_before: Hash) -> Self {
        let mut header = Self { identity, number, capacity_bytes, chain_before, check: Hash::ZERO };
        header.check = header.checksum();
        header
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(&self.fields()).bytes(&self.check.0).bytes(&self.chain_before.0);
        w.finish()
    }

    /// Reads and checks the header of the file at `path`.
    pub(super) fn read(file: &dyn DiskFile, path: &Path, identity: LogIdentity) -> Result<Self, StoreError> {
        let header = Self::read_any(file, path)?;
        identity.check(path, &header.identity)?;
        Ok(header)
    }

    /// As [`SegmentHeader::read`], whosever it is.
    pub(super) fn read_any(file: &dyn DiskFile, path: &Path) -> Result<Self, StoreError> {
        let mut bytes = [0; HEADER_BYTES as usize];
        let count = file.read_at(&mut bytes, 0).map_err(|e| StoreError::io("read", path, e))?;
        if count < bytes.len() || bytes[..8] == [0; 8] {
            return Err(StoreError::CorruptHeader { path: path.to_path_buf() });
        }
        if &bytes[..8] != MAGIC {
            return Err(StoreError::Foreign { path: path.to_path_buf() });
        }
        check_version(path, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]), FORMAT_VERSION)?;
        let header = Self::decode(&bytes).map_err(|_| StoreError::CorruptHeader { path: path.to_path_buf() })?;
        if header.check != header.checksum() {
            return Err(StoreError::CorruptHeader { path: path.to_path_buf() });
        }
        Ok(header)
    }

    /// Ties the records to this very segment.
    pub(super) fn salt(&self) -> Salt {
        *self.check.0.first_chunk().expect("a hash has 32 bytes")
    }

    fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        r.bytes(12)?;
        let validator = r.u16()?;
        r.padding(2)?;
        let (number, capacity_bytes) = (r.u64()?, r.u64()?);
        let chain = Hash(r.array()?);
        let (check, chain_before) = (Hash(r.array()?), Hash(r.array()?));
        r.finish()?;
        Ok(Self { identity: LogIdentity { chain, validator }, number, capacity_bytes, chain_before, check })
    }

    fn fields(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.bytes(MAGIC).u32(FORMAT_VERSION).u16(self.identity.validator).u16(0);
        w.u64(self.number).u64(self.capacity_bytes).bytes(&self.identity.chain.0);
        debug_assert_eq!(w.as_slice().len(), CHECKED_BYTES);
        w.finish()
    }

    fn checksum(&self) -> Hash {
        let mut bytes = self.fields();
        bytes.extend_from_slice(&self.chain_before.0);
        Hash::of("gridbook/segment", &bytes)
    }
}

/// The chain hash that a new log begins with.
pub(super) fn first_chain(identity: LogIdentity) -> Hash {
    let mut bytes = identity.chain.0.to_vec();
    bytes.extend_from_slice(&identity.validator.to_le_bytes());
    Hash::of("gridbook/log", &bytes)
}

/// The file of a segment.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}{ENDING}"))
}

/// Whether a file of this name should hold a segment.
pub(super) fn is_segment_name(name: &str) -> bool {
    name.ends_with(ENDING)
}

/// The number in a segment's file name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(ENDING)?.parse().ok()
}

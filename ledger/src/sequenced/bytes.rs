//! An S0 receipt as bytes, for files and the wire.

use super::{ChunkStatement, Place, SequencedReceipt};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Signature};
use crate::header::LogPoint;
use crate::merkle::Path;

const DOMAIN: &str = "gridbook/sequenced/1";

impl SequencedReceipt {
    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(w.domain(DOMAIN));
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        r.domain(DOMAIN)?;
        let receipt = Self::read(&mut r)?;
        r.finish()?;
        Ok(receipt)
    }

    /// Lays it into something longer.
    pub(crate) fn write(&self, w: &mut Writer) {
        self.chunk.write(w);
        w.u64(self.place.first_seq).u64(self.place.count).bytes(&self.place.entry.0);
        self.path.write(w);
    }

    /// Reads what [`SequencedReceipt::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let chunk = ChunkStatement::read(r)?;
        let place = Place { first_seq: r.u64()?, count: r.u64()?, entry: Hash(r.array()?) };
        Ok(Self { chunk, place, path: Path::read(r)? })
    }
}

impl ChunkStatement {
    /// Lays it into something longer.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u32(self.epoch).u64(self.view).u32(self.number).u8(u8::from(self.cut));
        w.u64(self.start.seq).bytes(&self.start.digest.0).u64(self.end.seq).bytes(&self.end.digest.0);
        w.bytes(&self.places_root.0).bytes(&self.signature.0);
    }

    /// Reads what [`ChunkStatement::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let point = |r: &mut Reader<'_>| Ok(LogPoint { seq: r.u64()?, digest: Hash(r.array()?) });
        Ok(Self {
            epoch: r.u32()?,
            view: r.u64()?,
            number: r.u32()?,
            cut: match r.u8()? {
                0 => false,
                1 => true,
                _ => return Err(BytesError::Unknown),
            },
            start: point(r)?,
            end: point(r)?,
            places_root: Hash(r.array()?),
            signature: Signature(r.array()?),
        })
    }
}

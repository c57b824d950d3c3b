//! A receipt as bytes, for files and the wire.

use super::{EPOCHS_MAX, RECORD_BYTES_MAX, Receipt};
use crate::bytes::{BytesError, Reader, Writer};
use crate::epoch::{EpochProof, HEADERS_MAX};
use crate::header::Header;
use crate::hotstuff::QuorumCert;
use crate::merkle::Path;

const DOMAIN: &str = "gridbook/receipt/2";

impl Receipt {
    /// Canonical bytes.
    ///
    /// # Panics
    /// If a part is over its limit; [`Receipt::decode`] lets none such through.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(w.domain(DOMAIN));
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        r.domain(DOMAIN)?;
        let receipt = Self::read(&mut r)?;
        r.finish()?;
        Ok(receipt)
    }

    /// Lays it into something longer.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u32(u32::try_from(self.record.len()).expect("within RECORD_BYTES_MAX")).bytes(&self.record);
        self.path.write(w);
        w.u16(u16::try_from(self.epochs.len()).expect("within EPOCHS_MAX"));
        self.epochs.iter().for_each(|proof| proof.write(w));
        w.u16(u16::try_from(self.headers.len()).expect("within HEADERS_MAX"));
        for header in self.headers.iter().chain([&self.child]) {
            w.bytes(&header.encode());
        }
        self.qc.write(w);
    }

    /// Reads what [`Receipt::write`] wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let length = at_most(r.u32()?, RECORD_BYTES_MAX)?;
        let record = r.bytes(length)?.to_vec();
        let path = Path::read(r)?;
        let epochs = at_most(r.u16()?.into(), EPOCHS_MAX)?;
        let epochs = (0..epochs).map(|_| EpochProof::read(r)).collect::<Result<_, _>>()?;
        let headers = at_most(r.u16()?.into(), HEADERS_MAX)?;
        let headers = (0..headers).map(|_| Header::read(r)).collect::<Result<_, _>>()?;
        let child = Header::read(r)?;
        let qc = QuorumCert::read(r)?;
        Ok(Self { epochs, record, path, headers, child, qc })
    }
}

pub(super) fn at_most(count: u32, limit: usize) -> Result<usize, BytesError> {
    usize::try_from(count).ok().filter(|count| *count <= limit).ok_or(BytesError::TooLong)
}

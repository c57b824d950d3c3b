//! A proof as bytes, for files.

use gridbook_engine::{AreaId, Energy};

use super::{CertificateProof, RECEIPTS_MAX};
use crate::bytes::{BytesError, Reader, Writer};
use crate::origin::CertificateRange;
use crate::receipt::Receipt;

const DOMAIN: &str = "gridbook/certificate/1";

impl CertificateProof {
    /// Canonical bytes: issuer u16, first number and count u64, how many receipts u16, then each of them.
    ///
    /// # Panics
    /// If there are more receipts than [`RECEIPTS_MAX`].
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.receipts.len() <= RECEIPTS_MAX, "a proof has few receipts");
        let mut w = Writer::new();
        w.domain(DOMAIN).u16(self.range.issuer().0).u64(self.range.first()).u64(self.range.energy().0);
        w.u16(u16::try_from(self.receipts.len()).expect("few receipts"));
        self.receipts.iter().for_each(|receipt| receipt.write(&mut w));
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        r.domain(DOMAIN)?;
        let (issuer, first, energy) = (AreaId(r.u16()?), r.u64()?, Energy(r.u64()?));
        let range = CertificateRange::new(issuer, first, energy).ok_or(BytesError::Unknown)?;
        let count = usize::from(r.u16()?);
        if count > RECEIPTS_MAX {
            return Err(BytesError::TooLong);
        }
        let receipts = (0..count).map(|_| Receipt::read(&mut r)).collect::<Result<_, _>>()?;
        r.finish()?;
        Ok(Self { range, receipts })
    }
}

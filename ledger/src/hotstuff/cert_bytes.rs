//! The bytes of a certificate in receipts and epoch proofs.

use super::messages::QuorumCert;
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Signature};
use crate::header::{HeaderRef, Rank};

impl QuorumCert {
    /// Lays a certificate: epoch, rank, hash, signers, then one signature for each signer's bit.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u32(self.epoch).u64(self.header.rank.view).u32(self.header.rank.slot).bytes(&self.header.hash.0);
        w.u64(self.signers);
        for signature in &self.signatures {
            w.bytes(&signature.0);
        }
    }

    /// Reads what [`QuorumCert::write`] laid.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        let (epoch, rank) = (r.u32()?, Rank { view: r.u64()?, slot: r.u32()? });
        let (header, signers) = (HeaderRef { rank, hash: Hash(r.array()?) }, r.u64()?);
        let signatures =
            (0..signers.count_ones()).map(|_| Ok(Signature(r.array()?))).collect::<Result<_, BytesError>>()?;
        Ok(Self { epoch, header, signers, signatures })
    }
}

//! The bytes of a certificate in a receipt.

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Hash, Signature};
use crate::header::{HeaderRef, Rank};
use crate::hotstuff::QuorumCert;

/// Lays a certificate: epoch, rank, hash, signers, then one signature for each signer's bit.
pub(super) fn write(qc: &QuorumCert, w: &mut Writer) {
    w.u32(qc.epoch).u64(qc.header.rank.view).u32(qc.header.rank.slot).bytes(&qc.header.hash.0).u64(qc.signers);
    for signature in &qc.signatures {
        w.bytes(&signature.0);
    }
}

/// Reads what [`write`] wrote.
pub(super) fn read(r: &mut Reader<'_>) -> Result<QuorumCert, BytesError> {
    let (epoch, rank) = (r.u32()?, Rank { view: r.u64()?, slot: r.u32()? });
    let (header, signers) = (HeaderRef { rank, hash: Hash(r.array()?) }, r.u64()?);
    let signatures = (0..signers.count_ones()).map(|_| Ok(Signature(r.array()?))).collect::<Result<_, BytesError>>()?;
    Ok(QuorumCert { epoch, header, signers, signatures })
}

//! Certificates in receipts: their bytes, and whether they hold.

use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::{Batch, Hash, Signature};
use crate::header::{HeaderRef, Rank};
use crate::hotstuff::QuorumCert;
use crate::validators::{ValidatorIndex, ValidatorSet};

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

/// Whether it carries valid signatures of a quorum of `set`, and of nobody else.
pub(super) fn is_valid(qc: &QuorumCert, chain: Hash, set: &ValidatorSet) -> bool {
    let signers: Vec<u16> = (0..64).filter(|bit| qc.signers >> bit & 1 == 1).collect();
    if signers.len() < set.quorum() || signers.len() != qc.signatures.len() {
        return false;
    }
    let statement = vote_statement(chain, qc);
    let mut batch = Batch::default();
    for (signer, signature) in signers.iter().zip(&qc.signatures) {
        let Some(key) = set.key(ValidatorIndex(*signer)) else { return false };
        batch.push(key, &statement, signature);
    }
    batch.verify().is_ok()
}

fn vote_statement(chain: Hash, qc: &QuorumCert) -> Vec<u8> {
    let mut w = Writer::new();
    w.domain("gridbook/vote/1").bytes(&chain.0).u32(qc.epoch);
    w.u64(qc.header.rank.view).u32(qc.header.rank.slot).bytes(&qc.header.hash.0);
    w.finish()
}

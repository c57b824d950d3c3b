//! That a header is final, shown to somebody who knows only the epoch's validators.

use crate::crypto::Hash;
use crate::header::Header;
use crate::hotstuff::{CertError, QuorumCert};
use crate::validators::ValidatorSet;

/// The most headers from one that is to be proven final to the one whose child does it.
pub const HEADERS_MAX: usize = 1_024;

/// Why headers and a certificate do not prove that the first is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinalityError {
    /// No header, or too many.
    #[error("there is no header, or there are too many")]
    Size,
    /// Of another ledger.
    #[error("a header belongs to another ledger")]
    Chain,
    /// Of another validator set.
    #[error("a header or the certificate belongs to another epoch")]
    Epoch,
    /// A header whose parent is another one.
    #[error("the headers do not form a chain: number {0} does not follow the one before it")]
    Link(usize),
    /// C does not stand right behind B in one view.
    #[error("the certified header is not the next one of the same view: nothing is final by it")]
    NotConsecutive,
    /// The certificate is for something else.
    #[error("the certificate is for another header")]
    WrongHeader,
    /// Too few signers, unknown ones, or a bad signature.
    #[error("the certificate does not carry valid signatures of a quorum of the epoch's validators: {0}")]
    Certificate(#[from] CertError),
}

/// Checks that the first of `headers` is final: each is the parent of the next, the last of them (B) that of `child` (C) in the next
/// slot of the same view, and 2f + 1 of `set` certified C (CONSENSUS section 3, commit rule and Receipt).
pub fn verify_finality(
    headers: &[Header],
    child: &Header,
    qc: &QuorumCert,
    chain: Hash,
    epoch: u32,
    set: &ValidatorSet,
) -> Result<(), FinalityError> {
    let Some(last) = headers.last().filter(|_| headers.len() <= HEADERS_MAX) else { return Err(FinalityError::Size) };
    verify_links(headers, child, chain, epoch)?;
    if last.rank.view != child.rank.view || last.rank.slot.checked_add(1) != Some(child.rank.slot) {
        return Err(FinalityError::NotConsecutive);
    }
    if qc.epoch != epoch {
        return Err(FinalityError::Epoch);
    }
    if qc.header != child.reference() {
        return Err(FinalityError::WrongHeader);
    }
    Ok(qc.verify(chain, set)?)
}

/// Every header, C included, is of this ledger and epoch and follows the one before it.
fn verify_links(headers: &[Header], child: &Header, chain: Hash, epoch: u32) -> Result<(), FinalityError> {
    let mut before: Option<&Header> = None;
    for (number, header) in headers.iter().chain([child]).enumerate() {
        if header.chain != chain {
            return Err(FinalityError::Chain);
        }
        if header.epoch != epoch {
            return Err(FinalityError::Epoch);
        }
        if before.is_some_and(|parent| !follows(header, parent)) {
            return Err(FinalityError::Link(number));
        }
        before = Some(header);
    }
    Ok(())
}

fn follows(header: &Header, parent: &Header) -> bool {
    header.parent == parent.hash() && parent.height.checked_add(1) == Some(header.height) && parent.rank < header.rank
}

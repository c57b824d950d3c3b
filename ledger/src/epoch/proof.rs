//! That one epoch ended and who comes next.

use super::finality::{FinalityError, HEADERS_MAX, verify_finality};
use crate::bytes::{BytesError, Reader, Writer};
use crate::crypto::Hash;
use crate::header::Header;
use crate::hotstuff::QuorumCert;
use crate::validators::ValidatorSet;

/// Leads from the validators of one epoch to those of the next. Nothing is proven until [`EpochProof::verify`] says so.
///
/// The header that ends the epoch need not be final by its own child: a change of view may come between, and then it is by a
/// descendant's, as any other header. So the proof holds the headers between too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochProof {
    /// The header that ends the epoch, then the empty ones from it to B, each the parent of the next.
    pub headers: Vec<Header>,
    /// C: the child of B in the next slot of its view.
    pub child: Header,
    /// The certificate of C by the old set.
    pub qc: QuorumCert,
    /// The new set.
    pub next: ValidatorSet,
}

/// Why a proof leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// Its header is not final.
    #[error("the end of the epoch is not proven: {0}")]
    Finality(#[from] FinalityError),
    /// Its header does not end an epoch, or something comes after the end.
    #[error("the first header does not end its epoch, or another than an empty one follows it")]
    NoEnd,
    /// The header names another set.
    #[error("the header that ends the epoch names another validator set than the proof brings")]
    OtherSet,
}

const DOMAIN: &str = "gridbook/epoch-proof/1";

impl EpochProof {
    /// The header that ends the epoch: the root of the next one.
    ///
    /// # Panics
    /// If there is none; reading and verifying a proof refuse that.
    pub fn end(&self) -> &Header {
        self.headers.first().expect("a proof has at least the header that ends the epoch")
    }

    /// The epoch that ends.
    pub fn epoch(&self) -> u32 {
        self.end().epoch
    }

    /// Checks all of it against the set of the epoch that it ends.
    pub fn verify(&self, chain: Hash, epoch: u32, set: &ValidatorSet) -> Result<(), EpochError> {
        verify_finality(&self.headers, &self.child, &self.qc, chain, epoch, set)?;
        let mut headers = self.headers.iter().chain([&self.child]);
        let ends = headers.next().is_some_and(Header::ends_epoch);
        if !ends || headers.any(|header| !header.is_empty() || header.ends_epoch()) {
            return Err(EpochError::NoEnd);
        }
        if self.end().next_set_hash != self.next.hash() {
            return Err(EpochError::OtherSet);
        }
        Ok(())
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish()
    }

    /// Reads canonical bytes, and refuses all others.
    pub fn decode(bytes: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(bytes);
        let proof = Self::read(&mut r)?;
        r.finish()?;
        Ok(proof)
    }

    /// Lays canonical bytes within a longer message.
    ///
    /// # Panics
    /// If there are more headers than a proof may have; [`EpochProof::read`] lets no such through.
    pub fn write(&self, w: &mut Writer) {
        w.domain(DOMAIN).u16(u16::try_from(self.headers.len()).expect("within HEADERS_MAX"));
        for header in self.headers.iter().chain([&self.child]) {
            w.bytes(&header.encode());
        }
        self.qc.write(w);
        self.next.write(w);
    }

    /// Reads canonical bytes out of a longer message.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, BytesError> {
        r.domain(DOMAIN)?;
        let count = usize::from(r.u16()?);
        if count == 0 || count > HEADERS_MAX {
            return Err(BytesError::TooLong);
        }
        let headers = (0..count).map(|_| Header::read(r)).collect::<Result<_, _>>()?;
        Ok(Self { headers, child: Header::read(r)?, qc: QuorumCert::read(r)?, next: ValidatorSet::read(r)? })
    }
}

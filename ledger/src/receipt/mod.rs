//! Proof, for whoever holds the genesis and nothing else, that a command had a result and that it is final.
//!
//! The way of the proof (CONSENSUS section 3, Receipt): record -> path -> results root of the first header -> parent hashes ->
//! header B -> parent hash -> header C -> 2f + 1 signatures. B is final because C is its child in the next slot of one view. Whose
//! signatures count is said by the genesis and by a proof for each epoch that ended since.

mod account;
mod bytes;

pub use account::{AccountError, AccountHistory, AccountProof, VerifiedAccount, VerifiedHistory};

use gridbook_engine::LedgerTime;

use crate::bytes::BytesError;
use crate::crypto::Hash;
use crate::epoch::{EpochError, EpochProof, Epochs, FinalityError, HEADERS_MAX, verify_finality};
use crate::genesis::Genesis;
use crate::header::{Header, HeaderRef};
use crate::hotstuff::QuorumCert;
use crate::merkle::Path;
use crate::record::{Record, leaf_hash};
use crate::validators::ValidatorSet;

/// The longest record in a receipt.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// The most ended epochs a receipt may need: a change of validators every day for eleven years.
pub const EPOCHS_MAX: usize = 4_096;

/// A record with everything that proves it final. Nothing is proven until [`Receipt::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The proofs that lead from the genesis' validators to those of the headers' epoch, oldest first.
    pub epochs: Vec<EpochProof>,
    /// The record's canonical bytes.
    pub record: Vec<u8>,
    /// The way from its leaf to the results root of the first header.
    pub path: Path,
    /// From the record's header to B, each the parent of the next.
    pub headers: Vec<Header>,
    /// C: the child of B.
    pub child: Header,
    /// The certificate of C.
    pub qc: QuorumCert,
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// The result of the command.
    pub record: Record,
    /// The header that the record belongs to.
    pub header: HeaderRef,
    /// Ledger time at the end of that header.
    pub time: LedgerTime,
    /// The header whose certificate made it final: C.
    pub certified: HeaderRef,
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// No header, or too many, or an overlong record.
    #[error("the receipt has no headers, too many of them, or too long a record")]
    Size,
    /// The record's bytes are not canonical.
    #[error("the record cannot be read: {0}")]
    Record(BytesError),
    /// An epoch's end is not proven, so that the validators of the next are not known.
    #[error("proof number {number} does not lead from one validator set to the next: {why}")]
    Epochs {
        /// Which, from 0.
        number: usize,
        /// Why.
        why: EpochError,
    },
    /// The header is not final.
    #[error("nothing is proven final by the validators of epoch {epoch}: {why}")]
    Finality {
        /// To which epoch the proofs lead.
        epoch: u32,
        /// Why.
        why: FinalityError,
    },
    /// The record's number is not in the header, or at another place than the path says.
    #[error("the record's sequence number does not belong at that place of that header")]
    Place,
    /// The path does not lead to the results root.
    #[error("the record is not under the header's results root")]
    Path,
}

impl Receipt {
    /// Checks all of it against a genesis.
    pub fn verify(&self, genesis: &Genesis) -> Result<VerifiedReceipt, ReceiptError> {
        let (first, record) = self.verify_content()?;
        let epochs = self.verify_epochs(genesis)?;
        self.verify_final(first, record, genesis.chain_id(), (epochs.present(), epochs.present_set()))
    }

    /// Checks all of it but how its epoch came about, for somebody who knows the validators of that epoch.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn verify_within(&self, chain: Hash, epoch: u32, set: &ValidatorSet) -> Result<VerifiedReceipt, ReceiptError> {
        let (first, record) = self.verify_content()?;
        self.verify_final(first, record, chain, (epoch, set))
    }

    /// What costs no signature: sizes, and the record at its place under the first header.
    fn verify_content(&self) -> Result<(&Header, Record), ReceiptError> {
        if self.epochs.len() > EPOCHS_MAX || self.headers.len() > HEADERS_MAX || self.record.len() > RECORD_BYTES_MAX {
            return Err(ReceiptError::Size);
        }
        let first = self.headers.first().ok_or(ReceiptError::Size)?;
        Ok((first, self.verify_record(first)?))
    }

    fn verify_final(
        &self,
        first: &Header,
        record: Record,
        chain: Hash,
        (epoch, set): (u32, &ValidatorSet),
    ) -> Result<VerifiedReceipt, ReceiptError> {
        verify_finality(&self.headers, &self.child, &self.qc, chain, epoch, set)
            .map_err(|why| ReceiptError::Finality { epoch, why })?;
        Ok(VerifiedReceipt { record, header: first.reference(), time: first.time(), certified: self.child.reference() })
    }

    /// The epochs up to the one that the command belongs to, each proven by the one before.
    ///
    /// # Errors
    /// If a proof does not hold.
    pub fn verify_epochs(&self, genesis: &Genesis) -> Result<Epochs, ReceiptError> {
        let mut epochs = Epochs::new(genesis);
        for (number, proof) in self.epochs.iter().enumerate() {
            epochs.extend(proof.clone()).map_err(|why| ReceiptError::Epochs { number, why })?;
        }
        Ok(epochs)
    }

    /// The record stands at its place under the header's results root. A header has one record for each of its numbers.
    fn verify_record(&self, header: &Header) -> Result<Record, ReceiptError> {
        let record = Record::decode(&self.record).map_err(ReceiptError::Record)?;
        let count = header.last_seq.checked_sub(header.first_seq).and_then(|span| span.checked_add(1));
        let index = record.seq.checked_sub(header.first_seq);
        if index != Some(self.path.index) || count != Some(self.path.count) || self.path.index >= self.path.count {
            return Err(ReceiptError::Place);
        }
        if !self.path.verify(&leaf_hash(&self.record), &header.results_root) {
            return Err(ReceiptError::Path);
        }
        Ok(record)
    }
}

//! Proof, for whoever holds the genesis and nothing else, that a command had a result and that it is final.
//!
//! The way of the proof (CONSENSUS section 3, Receipt): record -> path -> results root of the first header -> parent hashes ->
//! header B -> parent hash -> header C -> 2f + 1 signatures. B is final because C is its child in the next slot of one view.

mod bytes;
mod cert;

use gridbook_engine::LedgerTime;

use crate::bytes::BytesError;
use crate::genesis::{FIRST_EPOCH, Genesis};
use crate::header::{Header, HeaderRef};
use crate::hotstuff::{CertError, QuorumCert};
use crate::merkle::Path;
use crate::record::{Record, leaf_hash};

/// The most headers a receipt may need to get from the record's header to a final one.
pub const HEADERS_MAX: usize = 1_024;

/// The longest record in a receipt.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// A record with everything that proves it final. Nothing is proven until [`Receipt::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
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
    /// Of another ledger.
    #[error("a header belongs to another ledger than the genesis")]
    Chain,
    /// Of another validator set.
    #[error("a header or the certificate belongs to another validator set than that of the genesis")]
    Epoch,
    /// A header whose parent is another one.
    #[error("the headers do not form a chain: number {0} does not follow the one before it")]
    Link(usize),
    /// C does not stand right behind B in one view.
    #[error("the certified header is not the next one of the same view: nothing is final by it")]
    NotConsecutive,
    /// The record's number is not in the header, or at another place than the path says.
    #[error("the record's sequence number does not belong at that place of that header")]
    Place,
    /// The path does not lead to the results root.
    #[error("the record is not under the header's results root")]
    Path,
    /// The certificate is for something else.
    #[error("the certificate is for another header")]
    WrongHeader,
    /// Too few signers, unknown ones, or a bad signature.
    #[error("the certificate does not carry valid signatures of a quorum of the genesis validators: {0}")]
    Certificate(#[from] CertError),
}

impl Receipt {
    /// Checks all of it against a genesis.
    pub fn verify(&self, genesis: &Genesis) -> Result<VerifiedReceipt, ReceiptError> {
        if self.headers.len() > HEADERS_MAX || self.record.len() > RECORD_BYTES_MAX {
            return Err(ReceiptError::Size);
        }
        let (Some(first), Some(last)) = (self.headers.first(), self.headers.last()) else {
            return Err(ReceiptError::Size);
        };
        let record = self.verify_record(first)?;
        self.verify_links(genesis)?;
        let (b, c) = (last.rank, self.child.rank);
        if b.view != c.view || b.slot.checked_add(1) != Some(c.slot) {
            return Err(ReceiptError::NotConsecutive);
        }
        let certified = self.child.reference();
        if self.qc.epoch != FIRST_EPOCH {
            return Err(ReceiptError::Epoch);
        }
        if self.qc.header != certified {
            return Err(ReceiptError::WrongHeader);
        }
        self.qc.verify(self.child.chain, &genesis.validators)?;
        Ok(VerifiedReceipt { record, header: first.reference(), time: first.time(), certified })
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

    /// Every header, C included, is of this ledger and epoch and follows the one before it.
    fn verify_links(&self, genesis: &Genesis) -> Result<(), ReceiptError> {
        let chain = genesis.chain_id();
        let mut before: Option<&Header> = None;
        for (number, header) in self.headers.iter().chain([&self.child]).enumerate() {
            if header.chain != chain {
                return Err(ReceiptError::Chain);
            }
            if header.epoch != FIRST_EPOCH {
                return Err(ReceiptError::Epoch);
            }
            if before.is_some_and(|parent| !follows(header, parent)) {
                return Err(ReceiptError::Link(number));
            }
            before = Some(header);
        }
        Ok(())
    }
}

fn follows(header: &Header, parent: &Header) -> bool {
    header.parent == parent.hash() && parent.height.checked_add(1) == Some(header.height) && parent.rank < header.rank
}

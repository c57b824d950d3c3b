//! Proof, for whoever holds the genesis and nothing else, of where certificates came from and what became of them.
//!
//! ```text
//! registers before, registers after -> issued -> moved with a trade -> moved with a trade -> claimed -> closed
//!                                                                        registers before, after ^
//! ```
//! Each arrow is a final record with its receipt, and begins where the one before ended: the plant measured at least what was issued,
//! the first move starts at the plant, each next one at the last buyer, each trade is between those two in that period, the claim is for
//! a meter that measured at least so much on its way in. That this is a meter of the holder's account, the ledger has seen to when it took the
//! claim; nobody else looks at it again.
//!
//! What stands behind a storage's certificates is proven by the histories of whoever had it ([`VerifiedCertificate::charge`]).
//!
//! What cannot be proven by records is that another one is missing. Until the period is final a correction may still revoke: so only a
//! proof that ends with the record that closed the certificates says how they stand for ever ([`VerifiedCertificate::is_final`]).

mod bytes;
mod charge;
mod walk;

pub use charge::{Charge, ChargeError};

use gridbook_engine::{AccountId, DeliveryPeriod, EnergySources, LedgerTime, MeterId};

use super::{CertificateRange, Standing};
use crate::genesis::Genesis;
use crate::receipt::{Receipt, ReceiptError, VerifiedReceipt};
use crate::record::Outcome;
use crate::settlement::Delivery;

/// The most receipts in a proof: sixteen hands with their trades, corrected a few times.
pub const RECEIPTS_MAX: usize = 128;

/// Certificates with everything that proves their life. Nothing is proven until [`CertificateProof::verify`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateProof {
    /// Which certificates. All of them went one way; of others each part has a proof of its own.
    pub range: CertificateRange,
    /// The receipts of all records that it takes, by sequence number.
    pub receipts: Vec<Receipt>,
}

/// What a proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCertificate {
    /// Which certificates.
    pub range: CertificateRange,
    /// When their energy was delivered.
    pub period: DeliveryPeriod,
    /// What it was made from.
    pub source: EnergySources,
    /// The meter that measured it on its way out.
    pub plant: MeterId,
    /// Everything that happened, oldest first, from the plant's readings on.
    pub steps: Vec<Step>,
    /// How they stood at the end.
    pub standing: Standing,
    /// Whether that is for ever: their period is final.
    pub is_final: bool,
}

/// One proven step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The record that says so.
    pub seq: u64,
    /// When it was final, in ledger time.
    pub time: LedgerTime,
    /// What it says.
    pub what: StepKind,
}

/// What a step says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Two readings of a meter say what it took in and gave out in the period; the step is the later one.
    Measured {
        /// Which meter.
        meter: MeterId,
        /// The earlier one's record.
        start_seq: u64,
        /// What flowed between them.
        delivery: Delivery,
    },
    /// The certificates were issued, among others.
    Issued {
        /// Together with these.
        among: CertificateRange,
        /// To this meter.
        plant: MeterId,
        /// Of this account.
        account: AccountId,
    },
    /// They went along with a trade.
    Moved {
        /// Who sold.
        from: MeterId,
        /// Who bought.
        to: MeterId,
        /// Whose that is.
        account: AccountId,
        /// The record with the trade.
        trade: u64,
    },
    /// They were claimed for what a meter of the holder's account took in.
    Claimed {
        /// Who holds them.
        holder: MeterId,
        /// Which meter.
        by: MeterId,
    },
    /// The claim was taken back.
    Unclaimed {
        /// Which meter took in less.
        by: MeterId,
    },
    /// They were revoked.
    Revoked,
    /// Their period is final.
    Closed {
        /// Whether they were claimed.
        was_claimed: bool,
    },
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No receipts, or too many.
    #[error("a proof has 1 to {RECEIPTS_MAX} receipts, this one has {0}")]
    Count(usize),
    /// A receipt that proves nothing.
    #[error("receipt number {number} proves nothing: {why}")]
    Receipt {
        /// Which, from 0.
        number: usize,
        /// Why.
        why: ReceiptError,
    },
    /// Records out of order, twice, or of refused commands.
    #[error("the record {0} is out of order, there twice, or was refused")]
    Order(u64),
    /// The beginning is missing.
    #[error("no record says that these certificates were issued")]
    NotIssued,
    /// Issued twice, which no ledger does.
    #[error("record {0} says that some of these certificates were issued once more")]
    IssuedTwice(u64),
    /// Only a part of them is meant.
    #[error("record {seq} is about {part} only: ask for the proof of that part, and of the rest")]
    Part {
        /// The record.
        seq: u64,
        /// Which part.
        part: CertificateRange,
    },
    /// A step that does not begin where the one before ended.
    #[error("record {seq} has them at meter {}, where they were not: a step is missing", .at.0)]
    Gap {
        /// The record.
        seq: u64,
        /// Where it has them.
        at: MeterId,
    },
    /// Another period, or another account, than before.
    #[error("record {0} is about another period, account or state of them than the one before")]
    Contradiction(u64),
    /// Nobody measured it.
    #[error("no two readings say that meter {} {} {energy_wh} Wh in the period", .meter.0, if *.is_export { "gave out" } else { "took in" })]
    NotMeasured {
        /// Which meter.
        meter: MeterId,
        /// On its way out, or in.
        is_export: bool,
        /// How much is missing a measurement.
        energy_wh: u64,
    },
    /// A trade that is not there.
    #[error("the trade that they went along with, from meter {} to meter {} in record {trade}, is missing", .from.0, .to.0)]
    NoTrade {
        /// Who sold.
        from: MeterId,
        /// Who bought.
        to: MeterId,
        /// In which record.
        trade: u64,
    },
}

impl CertificateProof {
    /// Checks all of it against a genesis.
    ///
    /// # Errors
    /// Says what is wrong or missing.
    pub fn verify(&self, genesis: &Genesis) -> Result<VerifiedCertificate, CertificateError> {
        if self.receipts.is_empty() || self.receipts.len() > RECEIPTS_MAX {
            return Err(CertificateError::Count(self.receipts.len()));
        }
        let mut records: Vec<VerifiedReceipt> = Vec::with_capacity(self.receipts.len());
        for (number, receipt) in self.receipts.iter().enumerate() {
            let verified = receipt.verify(genesis).map_err(|why| CertificateError::Receipt { number, why })?;
            let seq = verified.record.seq;
            let follows = records.last().is_none_or(|last| last.record.seq < seq);
            if !follows || verified.record.outcome != Outcome::Done {
                return Err(CertificateError::Order(seq));
            }
            records.push(verified);
        }
        walk::walk(self.range, &records)
    }
}

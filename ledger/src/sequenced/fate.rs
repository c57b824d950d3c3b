//! What became of a leader's word, once the ledger has come to that place.

use super::{Place, SequencedError, SequencedReceipt};
use crate::genesis::Genesis;
use crate::receipt::{Receipt, ReceiptError};
use crate::record::Record;

/// What became of an S0 receipt (CONSENSUS section 1). It is decided by the final receipt of any command at one of its sequence
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The bundle is final at the very place that was promised.
    Kept,
    /// The view ended before the log became final that far: the place went to another command in a later view. It counts as conduct of
    /// the leader, not as a breach; the bundle may well be final elsewhere.
    Void,
    /// Another command was final there by that very leader's header, or before its view had ended: the leader gave the place away although
    /// it was, or had been, given to another.
    Breach,
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FateError {
    /// The S0 receipt proves nothing.
    #[error("the receipt of sequencing proves nothing: {0}")]
    Sequenced(#[from] SequencedError),
    /// The final receipt proves nothing.
    #[error("the final receipt proves nothing: {0}")]
    Receipt(#[from] ReceiptError),
    /// The final receipt is of a command elsewhere.
    #[error("the final receipt is of command {seq}, which is none of {first_seq} to {last_seq} that were promised")]
    Elsewhere {
        /// The final command's number.
        seq: u64,
        /// The first that was promised.
        first_seq: u64,
        /// The last that was promised.
        last_seq: u64,
    },
}

impl SequencedReceipt {
    /// Compares it with what is final at one of its sequence numbers.
    ///
    /// # Errors
    /// If one of the two proves nothing, or they speak of different places.
    pub fn fate(&self, genesis: &Genesis, settled: &Receipt) -> Result<Fate, FateError> {
        let verified = settled.verify(genesis)?;
        let (epochs, epoch) = (settled.verify_epochs(genesis)?, self.chunk.epoch);
        self.verify(genesis.chain_id(), epoch, epochs.set(epoch).ok_or(SequencedError::Epoch)?)?;
        match self.place.holds(&verified.record) {
            Some(true) => Ok(Fate::Kept),
            Some(false) if self.is_bound_by(settled) => Ok(Fate::Breach),
            Some(false) => Ok(Fate::Void),
            None => {
                let Place { first_seq, count, .. } = self.place;
                let last_seq = first_seq.saturating_add(count.saturating_sub(1));
                Err(FateError::Elsewhere { seq: verified.record.seq, first_seq, last_seq })
            }
        }
    }

    /// Whether the leader knew, when it gave its word, what became final at that place, or decided it itself.
    ///
    /// Either the header is of its own view: all it streams in a view is one log, and its headers end on that. Or the header was final by a
    /// certificate of its view or an earlier one: what is final by an earlier view is in the log of every honest leader since, for the
    /// timeouts that let it in know a certificate that builds on it; and what its own view made final is its own log. Final by a later view
    /// says nothing: a header that few knew of can be built on again, although the leader of this view rightly led past it.
    fn is_bound_by(&self, settled: &Receipt) -> bool {
        let (view, child) = (self.chunk.view, &settled.child);
        let of_view = settled.headers.first().is_some_and(|header| header.rank.view == view);
        child.epoch == self.chunk.epoch && (of_view || child.rank.view <= view)
    }

    /// Whether a final receipt, provided that both verify, shows that the leader broke its word.
    pub(crate) fn is_broken_by(&self, settled: &Receipt) -> bool {
        let record = Record::decode(&settled.record);
        record.is_ok_and(|record| self.place.holds(&record) == Some(false)) && self.is_bound_by(settled)
    }
}

impl Place {
    /// Whether a record is that of the command that has its number by this place; nothing if its number is none of the place's.
    pub(crate) fn holds(&self, record: &Record) -> Option<bool> {
        let offset = record.seq.checked_sub(self.first_seq).filter(|offset| *offset < self.count)?;
        Some(record.entry == self.entry && offset == u64::from(record.index))
    }
}

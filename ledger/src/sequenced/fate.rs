//! What became of a leader's word, once the ledger has come to that place.

use super::{SequencedError, SequencedReceipt};
use crate::genesis::Genesis;
use crate::receipt::{Receipt, ReceiptError};

/// What became of an S0 receipt (CONSENSUS section 1). It is decided by the final receipt of any command at one of its sequence
/// numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The bundle is final at the very place that was promised.
    Kept,
    /// The view ended before the log became final that far: the place went to another command in a later view. It counts as conduct of
    /// the leader, not as a breach; the bundle may well be final elsewhere.
    Void,
    /// A final header of that very view, so by that very leader, has another command there: the leader gave the place twice.
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
    /// Why the later view's header alone proves a void: views of final headers never go back. If a command at `seq` is final in a
    /// header of a later view that does not carry this bundle, then of the headers of this view the last one that is final ended before `seq`.
    ///
    /// # Errors
    /// If one of the two proves nothing, or they speak of different places.
    pub fn fate(&self, genesis: &Genesis, settled: &Receipt) -> Result<Fate, FateError> {
        let verified = settled.verify(genesis)?;
        let (epochs, epoch) = (settled.verify_epochs(genesis)?, self.chunk.epoch);
        self.verify(genesis.chain_id(), epoch, epochs.set(epoch).ok_or(SequencedError::Epoch)?)?;
        let (seq, first_seq) = (verified.record.seq, self.place.first_seq);
        let last_seq = first_seq.saturating_add(self.place.count.saturating_sub(1));
        if !(first_seq..=last_seq).contains(&seq) {
            return Err(FateError::Elsewhere { seq, first_seq, last_seq });
        }
        let same = verified.record.entry == self.place.entry
            && seq.checked_sub(verified.record.index.into()) == Some(first_seq);
        let same_view = verified.header.rank.view == self.chunk.view
            && settled.headers.first().is_some_and(|header| header.epoch == self.chunk.epoch);
        Ok(match (same, same_view) {
            (true, _) => Fate::Kept,
            (false, true) => Fate::Breach,
            (false, false) => Fate::Void,
        })
    }
}

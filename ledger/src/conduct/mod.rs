//! Conduct: what misconduct and faults cost, by fixed numbers and from proofs on the ledger only (MARKET section 7, Collateral; DESIGN
//! section 4).
//!
//! An account begins with a score of [`SCORE_FULL`]. Every [`Entry`] against it takes points away until it expires or is struck, and the
//! score decides which share of the imbalance that its trades may cause must be covered by collateral. Nothing here is an opinion: an
//! entry is made when records or signatures prove it, names them, and costs the same whoever it is about.
//!
//! | what ([`DeviceFault`]) | points | days | at most |
//! |---|---|---|---|
//! | double reading: two different signed registers of one meter for one period | 200 | 180 | one a meter and period |
//! | impossible reading: one that no meter of its connection can have | 40 | 60 | one a meter and ledger day |
//! | non-delivery: it gave less than half of the energy that it had sold beyond what it had bought, in [`FAILURES_MAX`] of the meter's last [`WINDOW_SALES`] settled periods with such sales | 100 | 60 | then it counts anew |
//! | nonce reuse: two different bundles signed with one nonce | 20 | 30 | one a nonce |
//!
//! Two readings, and two bundles, are held against each other only if they were signed in one hand: what was signed before a registrar replaced the
//! key, or before the meter went to another account, proves nothing any more. What a device signed before it changed its key by itself
//! still counts, since its old key named the new one. Whoever has the meter when it contradicts itself bears that, also where it is about
//! a period that is settled with somebody else.
//!
//! Non-delivery is judged by what a period is settled by. Where a correction shows before the period is final that the meter did deliver, that
//! failure is forgotten; where it shows that it did not, the failure counts from the correction on, which is then its proof. However often it
//! is corrected to and fro, one period is one failure.
//!
//! | what a validator did ([`EvidenceKind`]) | points | days | at most |
//! |---|---|---|---|
//! | receipt breach, amnesia, execution fault: a broken promise, a lost memory, a wrong result | 250 | 180 | one an epoch of each kind |
//! | all other kinds: two statements that exclude each other | 500 | 365 | one an epoch of each kind |
//!
//! Whoever leads puts the evidence that it holds into the log, where all validators verify it again. It is taken as long as its epoch or the
//! next one lasts. A validator has no account that would answer for it: its score is there for the operators, who decide who may lead.
//!
//! Days are ledger days from the entry on. Points come back when an entry expires or is struck; the score is never below 0. Of one bearer
//! [`ENTRIES_MAX`] entries are kept: with so many its score is 0 whatever they are, so that letting go of one raises nothing.
//!
//! An account may appeal against an entry for [`APPEAL_MS`]. It counts until an auditor strikes it: an appeal by itself costs nothing and
//! gives nothing.
//!
//! What it never does: look at the state, or decide what is true.

mod bytes;
mod delivery;
mod entry;
mod fault;
mod share;
#[cfg(test)]
mod tests;

pub use bytes::ENTRY_BYTES_MIN;
pub(crate) use bytes::{WINDOW_BYTES_MIN, read_period, write_period};
pub use delivery::{DeliveryWindow, FAILURES_MAX, Failure, Judgement, Sale, WINDOW_SALES, has_failed};
pub use entry::{APPEAL_MS, Bearer, ENTRIES_MAX, Entry, EntryState, Fault, Ruling, score};
pub use fault::{DeviceFault, Proof, Terms, terms_of_evidence};
pub use share::{SCORE_FULL, ShareRules};

#[cfg(doc)]
use crate::evidence::EvidenceKind;

//! Consent: who else may read what of a meter's data, until when, by its owner's word (DESIGN section 4, "records opened by the owner's
//! authorisation").
//!
//! A meter's key stands for its owner. By it he grants a [`GrantReader`] a [`Scope`] until a moment, and takes that back at any time; a
//! meter that gets another owner takes no grant with it. Grants stand on the ledger, so that every validator answers alike, and are
//! covered by the meter's leaf of the state root ([`grants_hash`]).
//!
//! | bound | value |
//! |---|---|
//! | readers of one meter | [`GRANTS_MAX`] |
//! | how far ahead a grant may end | [`GRANT_MS_MAX`] |
//! | how long one that is over is remembered, so that its reader hears what happened | [`REMEMBERED_MS`] |
//!
//! What it never does: look at the state, or open anything by itself. What is told to whom is the validators' part, and each of them logs it.

mod grant;
mod scope;

pub(crate) use grant::GRANT_ROW_BYTES;
pub use grant::{EndCause, GRANT_MS_MAX, GRANTS_MAX, Grant, GrantReader, REMEMBERED_MS, grants_hash};
pub use scope::Scope;

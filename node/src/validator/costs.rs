//! As how many requests questions count, for what their answers cost.
//!
//! A client pays out of its quota, before anything is done for it; and what waits at the desk is bounded by the same measure (`backlog`).

use super::desk::DeskJob;
use crate::protocol::QueryKind;

/// As how many requests more evidence is charged: what is checked of it are up to 2f + 2 signatures, where a bundle has one.
pub(super) const EVIDENCE_FRAMES: u64 = 15;
/// The same of a change of validators: what is checked of it are the signatures of a whole set.
pub(super) const CHANGE_FRAMES: u64 = 15;
/// What a proof of an account counts for beside its own frame: what is not final is undone and executed again for some of them.
pub(super) const PROOF_FRAMES: u64 = 15;
/// ... and the search for records of certificates.
pub(super) const CERTIFICATE_FRAMES: u64 = 15;
/// What an answer under a grant counts for beside its own frame: it is noted, and the disk synced, before it goes out.
pub(super) const USE_FRAMES: u64 = 15;

/// What an answer out of many entries of the index counts for beside its own frame: the desk reads up to a thousand rows for it, ...
const ROWS_FRAMES: u64 = 3;
/// ... or decodes all records of some headers; or it looks through a mebibyte of history.
const SEARCH_FRAMES: u64 = 7;
/// How many names of orders are looked at for one frame more.
const NAMES_PER_FRAME: usize = 512;

/// As how many requests more a question is charged, for what its answer costs.
pub(super) fn frames_beside(kind: QueryKind) -> u64 {
    match kind {
        QueryKind::Proof { .. } => PROOF_FRAMES,
        QueryKind::Certificates { .. } => SEARCH_FRAMES,
        QueryKind::Receipt { .. }
        // What the bundle's height costs is charged when it is read.
        | QueryKind::BundleReceipt { .. }
        | QueryKind::Facts { .. }
        | QueryKind::AreaFacts { .. }
        | QueryKind::Bill { .. }
        | QueryKind::Extracts { .. } => ROWS_FRAMES,
        QueryKind::Watch
        | QueryKind::Account
        | QueryKind::Registry
        // Of what is asked about, the core knows how much that is.
        | QueryKind::Conduct(_)
        | QueryKind::Grants { .. }
        | QueryKind::Uses { .. } => 0,
    }
}

/// As how many requests more an answer counts for which so many names of orders are looked at.
pub(super) fn frames_for_names(names: usize) -> u64 {
    (names / NAMES_PER_FRAME) as u64
}

impl DeskJob {
    /// As how many requests a client's question counts while it waits at the desk; none for what nobody has asked for.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Final(_)
            | Self::Sequenced(_)
            | Self::Certified { .. }
            | Self::AlreadyFinal(_)
            | Self::ServeSync { .. }
            | Self::OfferSnapshot { .. }
            | Self::SendPiece { .. }
            | Self::WriteIndex(_)
            | Self::Closed(_) => 0,
            Self::Watch { .. } | Self::Header { .. } | Self::Granted { .. } | Self::Uses { .. } => 1,
            Self::Receipt { .. }
            | Self::Settled { .. }
            | Self::Replayed { .. }
            | Self::AccountProof { .. }
            | Self::Facts { .. }
            | Self::Bill { .. }
            | Self::Extracts { .. } => 1 + ROWS_FRAMES,
            Self::Certificates { .. } => 1 + SEARCH_FRAMES,
            Self::CertificateRecords { .. } => 1 + CERTIFICATE_FRAMES,
        }
    }
}

//! What a header must look like before anybody looks at its log (CONSENSUS section 3, on Proposal).

use super::messages::Proposal;
use crate::crypto::Hash;
use crate::defects::{Defect, omits};
use crate::header::{Header, HeaderRef, Rank};
use crate::validators::ValidatorSet;

/// Slots of a view: 0 .. this, exclusive.
pub const SLOTS_LIMIT: u32 = 10_000;

/// The most commands that one header adds to the log, carried ones among them: with the smallest bundles this is just below 8 MiB, so
/// that a header and its log always fit into one answer to a validator that missed them.
pub const HEADER_COMMANDS_MAX: u64 = 32_768;

/// Why a header breaks the rules whatever its log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Of another ledger or another validator set.
    #[error("the header is of another chain or epoch")]
    Foreign,
    /// View 0, or a slot beyond the limit.
    #[error("no header can have this rank")]
    Rank,
    /// Not by the view's leader.
    #[error("the proposer does not lead this view")]
    Proposer,
    /// Its parent is not the header it says is certified, or that one is not below it, or not the slot before.
    #[error("the header does not build on what it justifies itself with")]
    Justify,
    /// The certificate is of another header than the one named.
    #[error("the certificate is of another header")]
    OtherCert,
    /// A timeout certificate where none belongs, or none where one does, or another than the one named.
    #[error("the timeout certificate does not open this view")]
    TimeoutCert,
    /// Not one higher than its parent.
    #[error("the height does not follow its parent's")]
    Height,
    /// Its part of the log does not follow its parent's.
    #[error("the log does not follow the parent's")]
    Log,
    /// Earlier than its parent.
    #[error("the time is before the parent's")]
    Time,
    /// Ends the epoch without naming the next set, or names one without ending it, or adds to the log after the end.
    #[error("the header does not treat the end of the epoch as it must")]
    EpochEnd,
    /// More commands than one header may add.
    #[error("the header adds more commands than one may")]
    Size,
}

/// What is fixed for an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct EpochFacts<'a> {
    pub(super) chain: Hash,
    pub(super) epoch: u32,
    pub(super) root: HeaderRef,
    pub(super) set: &'a ValidatorSet,
}

/// The rules that need only the header.
pub(super) fn check_fields(header: &Header, facts: EpochFacts<'_>) -> Result<(), FormError> {
    let Rank { view, slot } = header.rank;
    if header.chain != facts.chain || header.epoch != facts.epoch {
        return Err(FormError::Foreign);
    }
    if view == 0 || slot >= SLOTS_LIMIT {
        return Err(FormError::Rank);
    }
    if header.proposer != facts.set.leader(view) && !omits(Defect::ProposerUnchecked) {
        return Err(FormError::Proposer);
    }
    let builds_on = header.justify.rank;
    let root_or_later = builds_on != facts.root.rank || header.justify.hash == facts.root.hash;
    let fits = if slot > 0 { builds_on == (Rank { view, slot: slot - 1 }) } else { builds_on.view < view };
    let leaps = omits(Defect::SlotGap) && builds_on < header.rank;
    let child = header.parent == header.justify.hash || omits(Defect::JustifyUnchecked);
    if !(fits || leaps) || !root_or_later || !child || (view == 1 && slot == 0 && builds_on.view != 0) {
        return Err(FormError::Justify);
    }
    let opens_by_tc = slot == 0 && view > 1;
    if opens_by_tc == (header.tc_hash == Hash::ZERO) && !omits(Defect::NoEntry) {
        return Err(FormError::TimeoutCert);
    }
    if header.last_seq.saturating_sub(header.first_seq) >= HEADER_COMMANDS_MAX {
        return Err(FormError::Size);
    }
    let names_next = header.next_set_hash != Hash::ZERO;
    if header.ends_epoch() != names_next || (names_next && header.is_empty()) {
        return Err(FormError::EpochEnd);
    }
    Ok(())
}

/// The rules that need the certificates it came with. Their signatures are verified elsewhere.
pub(crate) fn check_certificates(proposal: &Proposal) -> Result<(), FormError> {
    let header = &proposal.header;
    if proposal.justify.header != header.justify {
        return Err(FormError::OtherCert);
    }
    match &proposal.tc {
        None if header.tc_hash == Hash::ZERO => Ok(()),
        Some(tc) if tc.view.checked_add(1) == Some(header.rank.view) && tc.hash() == header.tc_hash => Ok(()),
        _ if omits(Defect::NoEntry) => Ok(()),
        _ => Err(FormError::TimeoutCert),
    }
}

/// The rules that need the parent.
pub(super) fn check_link(header: &Header, parent: &Header) -> Result<(), FormError> {
    if parent.height.checked_add(1) != Some(header.height) {
        return Err(FormError::Height);
    }
    let follows = parent.last_seq.checked_add(1) == Some(header.first_seq) && header.last_seq >= parent.last_seq;
    if !follows || (header.is_empty() && header.log_digest != parent.log_digest) {
        return Err(FormError::Log);
    }
    if header.time_ms < parent.time_ms {
        return Err(FormError::Time);
    }
    Ok(())
}

/// The rule for a header whose parent, or another unfinal ancestor, ends the epoch if `ended`: from there on all are empty.
pub(super) fn check_after_end(header: &Header, ended: bool) -> Result<(), FormError> {
    if ended && (!header.is_empty() || header.ends_epoch() || omits(Defect::NothingAfterEnd)) {
        Err(FormError::EpochEnd)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hotstuff::scenes::root_header;

    /// What each change to a child's link to its parent is.
    #[test]
    fn a_header_follows_its_parent_in_height_log_and_time() {
        let mut parent = root_header();
        (parent.height, parent.last_seq, parent.time_ms) = (4, 10, 500);
        let mut good = parent.clone();
        (good.height, good.first_seq, good.last_seq, good.log_digest) = (5, 11, 12, Hash([1; 32]));
        type Change = fn(&mut Header);
        let rows: [(Change, Result<(), FormError>); 8] = [
            (|_| {}, Ok(())),
            (|h| (h.last_seq, h.log_digest) = (10, Hash::ZERO), Ok(())),
            (|h| h.height = 6, Err(FormError::Height)),
            (|h| h.first_seq = 12, Err(FormError::Log)),
            (|h| h.first_seq = 10, Err(FormError::Log)),
            (|h| h.last_seq = 9, Err(FormError::Log)),
            // Empty, but with another log.
            (|h| h.last_seq = 10, Err(FormError::Log)),
            (|h| h.time_ms = 499, Err(FormError::Time)),
        ];
        for (place, (change, expected)) in rows.iter().enumerate() {
            let mut child = good.clone();
            change(&mut child);
            assert_eq!(check_link(&child, &parent), *expected, "row {place}");
        }
    }
}

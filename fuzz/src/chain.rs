//! Headers behind the last final one of the day, and certificates of them.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::{Proposal, QuorumCert, Vote};
use gridbook_ledger::validators::ValidatorIndex;

use crate::quartet::day;
use crate::village::{chain, genesis, validator};

/// A view that nobody reached that day.
pub(crate) const VIEW: u64 = 101;

/// The last final header of the day.
pub(crate) fn last_final() -> &'static Header {
    &day().finals.last().expect("a day has final headers").proposal.header
}

/// An empty header in a slot of [`VIEW`].
pub(crate) fn after(parent: &Header, slot: u32) -> Header {
    Header {
        rank: Rank { view: VIEW, slot },
        proposer: genesis().validators.leader(VIEW),
        height: parent.height + 1,
        parent: parent.hash(),
        justify: parent.reference(),
        first_seq: parent.last_seq + 1,
        flags: 0,
        next_set_hash: Hash::ZERO,
        snapshot_root: Hash::ZERO,
        ..parent.clone()
    }
}

/// Three of the four voted for it.
pub(crate) fn certified(header: &Header) -> QuorumCert {
    let reference = header.reference();
    let vote = |index| Vote::sign(chain(), FIRST_EPOCH, reference, ValidatorIndex(index), &validator(index)).signature;
    QuorumCert { epoch: FIRST_EPOCH, header: reference, signers: 0b1011, signatures: [0, 1, 3].map(vote).to_vec() }
}

/// A header as its leader proposes it.
pub(crate) fn proposed(header: &Header, parent: &Header) -> Proposal {
    let signature = Proposal::sign(header, &validator(header.proposer.0));
    Proposal { header: header.clone(), signature, justify: certified(parent), tc: None }
}

//! Headers for the tests of the rules.

use crate::crypto::Hash;
use crate::header::{Header, HeaderRef, Rank};
use crate::validators::ValidatorIndex;

/// A root: everything zero, the log empty.
pub(crate) fn root_header() -> Header {
    Header {
        chain: Hash::ZERO,
        epoch: 0,
        rank: Rank::default(),
        height: 0,
        proposer: ValidatorIndex(0),
        time_ms: 0,
        parent: Hash::ZERO,
        justify: HeaderRef::default(),
        tc_hash: Hash::ZERO,
        first_seq: 1,
        last_seq: 0,
        log_digest: Hash::ZERO,
        inputs_root: Hash::ZERO,
        results_root: Hash::ZERO,
        state_root: Hash::ZERO,
        snapshot_root: Hash::ZERO,
        flags: 0,
        next_set_hash: Hash::ZERO,
    }
}

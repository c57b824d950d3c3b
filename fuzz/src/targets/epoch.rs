//! How the validator set changes: the wish, and the proof.

use std::sync::LazyLock;

use gridbook_ledger::epoch::{EpochProof, Reconfigure};
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::Header;
use gridbook_ledger::validators::ValidatorSet;

use super::Target;
use crate::chain::{after, certified, last_final};
use crate::village::{chain, genesis, reconfigure, successors};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "reconfigure", seeds: wishes, run: wish, held_bytes_max: (256 << 10, 64), short_runs: 4_000 },
    Target { name: "epoch_proof", seeds: proofs, run: proof, held_bytes_max: (256 << 10, 64), short_runs: 4_000 },
];

fn wishes() -> Vec<Vec<u8>> {
    let unsigned = Reconfigure::propose(chain(), FIRST_EPOCH, set());
    vec![reconfigure().encode(), unsigned.encode()]
}

fn set() -> &'static ValidatorSet {
    &genesis().validators
}

/// A wish that counts is that of the validators.
fn wish(bytes: &[u8]) {
    if let Ok(wish) = Reconfigure::decode(bytes) {
        assert_eq!(wish.encode(), bytes);
        let _ = wish.id();
        if let Ok(next) = wish.verify(chain(), FIRST_EPOCH, set()) {
            assert_eq!(&next, successors(), "a set that nobody wished for");
        }
    }
}

/// ```text
/// last final header of the day <- end of the epoch <- empty <- child, certified
/// ```
fn proofs() -> Vec<Vec<u8>> {
    static PROOF: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let end = Header { flags: Header::EPOCH_END, next_set_hash: successors().hash(), ..after(last_final(), 0) };
        let empty = after(&end, 1);
        let child = after(&empty, 2);
        let qc = certified(&child);
        let proof = EpochProof { headers: vec![end, empty], child, qc, next: successors().clone() };
        assert_eq!(proof.verify(chain(), FIRST_EPOCH, set()), Ok(()));
        proof.encode()
    });
    vec![PROOF.clone()]
}

/// What ends the epoch leads to the set that its validators chose.
fn proof(bytes: &[u8]) {
    if let Ok(proof) = EpochProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes);
        if proof.verify(chain(), FIRST_EPOCH, set()).is_ok() {
            assert_eq!(&proof.next, successors(), "a set that nobody chose");
        }
    }
}

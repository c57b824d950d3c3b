//! How the validator set changes: the wish, and the proof.

use std::sync::LazyLock;

use gridbook_ledger::epoch::{EpochProof, Reconfigure};
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::{Header, Rank};
use gridbook_ledger::hotstuff::{QuorumCert, Vote};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

use super::Target;
use crate::quartet::day;
use crate::village::{chain, genesis, reconfigure, successors, validator};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "reconfigure", seeds: wishes, run: wish, held_bytes_max: (256 << 10, 64), short_runs: 4_000 },
    Target { name: "epoch_proof", seeds: proofs, run: proof, held_bytes_max: (256 << 10, 64), short_runs: 4_000 },
];

fn wishes() -> Vec<Vec<u8>> {
    let unsigned = Reconfigure::propose(chain(), FIRST_EPOCH, &genesis().validators);
    vec![reconfigure().encode(), unsigned.encode()]
}

/// A wish that counts is that of the validators.
fn wish(bytes: &[u8]) {
    if let Ok(wish) = Reconfigure::decode(bytes) {
        assert_eq!(wish.encode(), bytes);
        let _ = wish.id();
        if let Ok(next) = wish.verify(chain(), FIRST_EPOCH, &genesis().validators) {
            assert_eq!(&next, successors(), "a set that nobody wished for");
        }
    }
}

/// ```text
/// last final header of the day <- end of the epoch <- empty <- child, certified
/// ```
fn proofs() -> Vec<Vec<u8>> {
    static PROOF: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let before = &day().finals.last().expect("a day has final headers").proposal.header;
        let end = Header { flags: Header::EPOCH_END, next_set_hash: successors().hash(), ..after(before, 0) };
        let empty = after(&end, 1);
        let child = after(&empty, 2);
        let reference = child.reference();
        let vote = |index| Vote::sign(chain(), FIRST_EPOCH, reference, ValidatorIndex(index), &validator(index));
        let signatures = [0, 1, 3].map(|index| vote(index).signature).to_vec();
        let qc = QuorumCert { epoch: FIRST_EPOCH, header: reference, signers: 0b1011, signatures };
        EpochProof { headers: vec![end, empty], child, qc, next: successors().clone() }.encode()
    });
    assert!(EpochProof::decode(&PROOF).is_ok_and(|proof| proof.verify(chain(), FIRST_EPOCH, set()).is_ok()));
    vec![PROOF.clone()]
}

fn set() -> &'static ValidatorSet {
    &genesis().validators
}

/// An empty header of view 99.
fn after(parent: &Header, slot: u32) -> Header {
    Header {
        rank: Rank { view: 99, slot },
        height: parent.height + 1,
        parent: parent.hash(),
        justify: parent.reference(),
        first_seq: parent.last_seq + 1,
        flags: 0,
        next_set_hash: gridbook_ledger::crypto::Hash::ZERO,
        ..parent.clone()
    }
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

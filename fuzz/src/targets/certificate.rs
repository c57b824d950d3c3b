//! Signed statements of validators: whatever verifies was said by whoever it names.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::{HeaderRef, LogPoint, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Proposal, QuorumCert, Timeout, TimeoutCert};
use gridbook_ledger::replica::{Chunk, PeerMessage, verify_sync};

use super::{Target, wire};
use crate::quartet::day;
use crate::village::{chain, genesis};

pub(super) const TARGETS: &[Target] = &[Target {
    name: "statements",
    seeds: wire::archives,
    run: statements,
    held_bytes_max: (2 << 20, 128),
    short_runs: 3_000,
}];

/// Headers that were proposed; only they can be voted for or certified.
fn is_known(header: HeaderRef) -> bool {
    day().proposed.contains(&header)
}

/// Verifies whatever can be read, and finds what it says among what was said.
fn statements(bytes: &[u8]) {
    match PeerMessage::decode(bytes) {
        Ok(PeerMessage::Consensus(message)) => consensus(&message),
        Ok(PeerMessage::Chunk(chunk)) => streamed(&chunk),
        Ok(PeerMessage::SyncResponse { steps, beyond, tip }) => {
            let last = steps.last().map(|step| step.proposal.header.reference());
            let first = (FIRST_EPOCH, &genesis().validators);
            if verify_sync(steps, &beyond, tip.as_ref(), chain(), first).is_ok() {
                assert!(is_known(last.expect("nothing is not verified")), "a history that nobody certified");
            }
        }
        Ok(PeerMessage::Pulled { run, .. }) => _ = run.verify(),
        _ => {}
    }
}

fn consensus(message: &ConsensusMessage) {
    let set = &genesis().validators;
    match message {
        ConsensusMessage::Proposal(proposal) | ConsensusMessage::HeaderResponse(proposal) => offered(proposal),
        ConsensusMessage::Vote(vote) => assert!(!vote.verify(chain(), set) || is_known(vote.header), "{vote:?}"),
        ConsensusMessage::Timeout(timeout) => given_up(timeout),
        ConsensusMessage::TimeoutCert(tc) => closed(tc),
        ConsensusMessage::QcNote(note) => {
            certified(&note.qc);
            note.tc.iter().for_each(closed);
        }
        _ => {}
    }
}

fn offered(proposal: &Proposal) {
    if proposal.verify(&genesis().validators) {
        assert!(is_known(proposal.header.reference()), "a header that nobody proposed: {proposal:?}");
    }
    certified(&proposal.justify);
    proposal.tc.iter().for_each(closed);
}

fn certified(qc: &QuorumCert) {
    let _ = qc.digest();
    if qc.verify(chain(), &genesis().validators).is_ok() {
        assert!(qc.voters().count() >= genesis().validators.quorum());
        assert!(is_known(qc.header), "a certificate that nobody signed: {qc:?}");
    }
}

fn given_up(timeout: &Timeout) {
    if timeout.verify(chain(), &genesis().validators) {
        assert!(day().given_up.contains(&timeout.view), "{timeout:?}");
    }
    certified(&timeout.high_qc);
    timeout.entry.iter().for_each(closed);
}

fn closed(tc: &TimeoutCert) {
    static ROOT: LazyLock<QuorumCert> = LazyLock::new(|| {
        let first = day().sent.iter().find_map(|message| match message {
            PeerMessage::Consensus(ConsensusMessage::Proposal(proposal)) => Some(proposal.justify.clone()),
            _ => None,
        });
        first.filter(|qc| qc.header.rank == Rank::default()).expect("the first header builds on the root")
    });
    let _ = tc.hash();
    if tc.verify(chain(), &genesis().validators, &ROOT).is_ok() {
        assert!(day().given_up.contains(&tc.view), "{tc:?}");
    }
    certified(&tc.high_qc);
}

fn streamed(chunk: &Chunk) {
    static ENDS: LazyLock<BTreeSet<(u64, u64, gridbook_ledger::crypto::Hash)>> = LazyLock::new(|| {
        let end = |message: &PeerMessage| {
            if let PeerMessage::Chunk(chunk) = message {
                Some((chunk.view, chunk.end.seq, chunk.end.digest))
            } else {
                None
            }
        };
        day().sent.iter().filter_map(end).collect()
    });
    if let Ok(verified) = chunk.verify(chain(), &genesis().validators) {
        let LogPoint { seq, digest } = verified.run.end;
        assert!(ENDS.contains(&(chunk.view, seq, digest)), "a chunk that its leader did not sign: {chunk:?}");
    }
}

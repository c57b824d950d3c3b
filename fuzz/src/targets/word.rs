//! What validators are held to: S0 receipts, and evidence against them.

use std::sync::LazyLock;

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::evidence::{Evidence, Statement, VerifiedEvidence};
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::{ConsensusMessage, Vote};
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::Record;
use gridbook_ledger::replica::{Chunk, PeerMessage};
use gridbook_ledger::sequenced::{Place, SequencedChunk, SequencedReceipt, places_root};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

use super::Target;
use crate::chain::{after, last_final, proposed};
use crate::quartet::day;
use crate::village::{chain, genesis, validator};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "sequenced", seeds: sequenced, run: promise, held_bytes_max: (256 << 10, 64), short_runs: 6_000 },
    Target { name: "evidence", seeds: evidence, run: accuse, held_bytes_max: (512 << 10, 64), short_runs: 6_000 },
];

fn set() -> &'static ValidatorSet {
    &genesis().validators
}

fn chunks() -> impl Iterator<Item = &'static Chunk> {
    day().sent.iter().filter_map(|message| if let PeerMessage::Chunk(chunk) = message { Some(&**chunk) } else { None })
}

fn receipts() -> &'static [SequencedReceipt] {
    static RECEIPTS: LazyLock<Vec<SequencedReceipt>> = LazyLock::new(|| {
        let of = |chunk: &Chunk| {
            let places = chunk.run.verify().expect("it was sent by an honest leader").places();
            let indices: Vec<usize> = (0..places.len()).collect();
            SequencedChunk::new(chunk.statement(), places).receipts(&indices)
        };
        chunks().take(8).flat_map(of).collect()
    });
    &RECEIPTS
}

fn sequenced() -> Vec<Vec<u8>> {
    receipts().iter().map(SequencedReceipt::encode).collect()
}

/// A leader is held to places that it gave, and to no others.
fn promise(bytes: &[u8]) {
    if let Ok(receipt) = SequencedReceipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes);
        if let Ok(verified) = receipt.verify(chain(), FIRST_EPOCH, set()) {
            assert!(receipts().iter().any(|known| known.place == verified.place), "{receipt:?}");
        }
    }
}

/// The one that breaks the rules: it leads [`crate::chain::VIEW`].
fn culprit() -> ValidatorIndex {
    set().leader(crate::chain::VIEW)
}

/// Misconduct of several kinds of one validator.
fn misconduct() -> Vec<Evidence> {
    let key = validator(culprit().0);
    let header = after(last_final(), 0);
    let mut twin = header.clone();
    twin.state_root = Hash([9; 32]);
    let proposals = [header, twin].map(|header| Statement::of_proposal(&proposed(&header, last_final())));
    let vote = |hash| {
        let header = HeaderRef { rank: Rank { view: 7, slot: 1 }, hash: Hash([hash; 32]) };
        Statement::Vote(Vote::sign(chain(), FIRST_EPOCH, header, culprit(), &key))
    };
    let chunk = |number| {
        let chunk = chunks().next().expect("a day has chunks").clone();
        let view = crate::chain::VIEW;
        let mut statement = Chunk { view, number: 0, ..chunk }.statement();
        statement.end.digest = Hash([number; 32]);
        Statement::Chunk(statement.sign(chain(), &key))
    };
    let timeouts = day().sent.iter().filter_map(|message| match message {
        PeerMessage::Consensus(ConsensusMessage::Timeout(timeout)) => Some((**timeout).clone()),
        _ => None,
    });
    let mut timeout = timeouts.into_iter().next().expect("a view ended that day");
    (timeout.voter, timeout.view) = (culprit(), 9);
    timeout.signature = key.sign(&timeout.signed_bytes(chain()));
    let [first, second] = proposals;
    let settled = crate::quartet::receipts(day()).into_iter().next().expect("something is final that day");
    let pairs = [
        (Statement::Sequenced(Box::new(false_word(&settled))), Statement::of_receipt(&settled)),
        (first, second),
        (vote(1), vote(2)),
        (chunk(1), chunk(2)),
        (
            Statement::of_timeout(&timeout),
            Statement::Vote(Vote::sign(
                chain(),
                FIRST_EPOCH,
                HeaderRef { rank: Rank { view: 9, slot: 5 }, hash: Hash([3; 32]) },
                culprit(),
                &key,
            )),
        ),
    ];
    pairs.into_iter().filter_map(|(a, b)| Evidence::of(a, b)).collect()
}

/// A word that the culprit gives on a place which is long final otherwise.
fn false_word(settled: &Receipt) -> SequencedReceipt {
    let seq = Record::decode(&settled.record).expect("it was final").seq;
    let place = Place { first_seq: seq, count: 1, entry: Hash([9; 32]) };
    let mut statement = chunks().next().expect("a day has chunks").statement();
    (statement.view, statement.start.seq, statement.end.seq) = (crate::chain::VIEW, seq - 1, seq);
    statement.places_root = places_root(&[place]);
    let signed = statement.sign(chain(), &validator(culprit().0));
    SequencedChunk::new(signed, vec![place]).receipts(&[0]).remove(0)
}

pub(super) fn evidence() -> Vec<Vec<u8>> {
    let found = misconduct();
    assert!(found.len() >= 4, "{} of the pairs contradict each other", found.len());
    for evidence in &found {
        assert_eq!(evidence.verify(chain(), FIRST_EPOCH, set()), Ok(culprit()), "{evidence:?}");
    }
    found.iter().map(Evidence::encode).collect()
}

/// Nobody is accused but the one that broke the rules, whatever is put together out of what others said.
fn accuse(bytes: &[u8]) {
    if let Ok(evidence) = Evidence::decode(bytes) {
        assert_eq!(evidence.encode(), bytes);
        if let Ok(verified) = VerifiedEvidence::check(evidence, chain(), FIRST_EPOCH, set()) {
            assert_eq!(verified.culprit(), culprit(), "{verified:?}");
        }
    }
}

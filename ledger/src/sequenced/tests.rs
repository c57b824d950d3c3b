//! A leader's word, kept, void and broken.

use super::*;
use crate::crypto::{SecretKey, Signature};
use crate::genesis::{Genesis, SettlementRules};
use crate::header::{Header, HeaderRef, LogPoint, Rank};
use crate::hotstuff::{QuorumCert, Vote};
use crate::merkle;
use crate::receipt::Receipt;
use crate::record::{Outcome, Record, leaf_hash};
use gridbook_engine::{LedgerTime, MarketRules};

fn key(index: u8) -> SecretKey {
    SecretKey::from_seed([index + 1; 32])
}

fn genesis() -> Genesis {
    Genesis {
        name: "Kirchdorf".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["north".into()],
        operator: key(9).public(),
        validators: ValidatorSet::new((0..4).map(|index| key(index).public()).collect()).unwrap(),
    }
}

fn point(seq: u64) -> LogPoint {
    LogPoint { seq, digest: Hash([7; 32]) }
}

fn places() -> Vec<Place> {
    (0..9_u8).map(|i| Place { first_seq: 11 + 2 * u64::from(i), count: 2, entry: Hash([i; 32]) }).collect()
}

fn chunk(view: u64) -> SequencedChunk {
    let unsigned = ChunkStatement {
        epoch: 0,
        view,
        number: 3,
        cut: true,
        start: point(10),
        end: point(28),
        places_root: places_root(&places()),
        signature: Signature([0; 64]),
    };
    let leader = u8::try_from(view % 4).unwrap();
    SequencedChunk::new(unsigned.sign(genesis().chain_id(), &key(leader)), places())
}

fn verify(receipt: &SequencedReceipt) -> Result<VerifiedSequenced, SequencedError> {
    receipt.verify(genesis().chain_id(), 0, &genesis().validators)
}

#[test]
fn one_signature_makes_a_receipt_for_each_bundle_of_a_chunk() {
    let indices: Vec<usize> = (0..places().len()).collect();
    let receipts = chunk(6).receipts(&indices);
    assert_eq!(receipts.len(), places().len());
    for (receipt, place) in receipts.iter().zip(places()) {
        assert_eq!(verify(receipt), Ok(VerifiedSequenced { leader: ValidatorIndex(2), view: 6, place }));
        assert_eq!(SequencedReceipt::decode(&receipt.encode()).as_ref(), Ok(receipt));
    }
    assert!(chunk(6).receipts(&[9]).is_empty(), "there is no tenth place");
}

#[test]
fn a_changed_receipt_proves_nothing() {
    let good = chunk(6).receipts(&[4]).remove(0);
    let bytes = good.encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(
            SequencedReceipt::decode(&changed).is_err() || {
                verify(&SequencedReceipt::decode(&changed).unwrap()).is_err()
            },
            "byte {at}"
        );
    }
    for length in 0..bytes.len() {
        assert!(SequencedReceipt::decode(&bytes[..length]).is_err(), "cut to {length}");
    }
}

/// A leader signs a chunk from 11 to 28, and a path leads to a place beyond it.
#[test]
fn a_place_outside_its_chunk_is_refused() {
    let outside = Place { first_seq: 28, count: 2, entry: Hash([1; 32]) };
    let mut statement = *chunk(6).statement();
    statement.places_root = places_root(&[outside]);
    let statement = statement.sign(genesis().chain_id(), &key(2));
    let receipt = SequencedChunk::new(statement, vec![outside]).receipts(&[0]).remove(0);
    assert_eq!(verify(&receipt), Err(SequencedError::Place));
}

/// The final receipt of the command at `seq`, out of a header of `view` whose commands begin at 11, made final by its child.
fn settled(view: u64, seq: u64, entry: Hash, index: u16) -> Receipt {
    settled_by(view, view, seq, entry, index)
}

/// The same, made final by the child of an empty header of view `by`, if that is another.
fn settled_by(view: u64, by: u64, seq: u64, entry: Hash, index: u16) -> Receipt {
    let genesis = genesis();
    let record = |seq, entry, index| Record {
        seq,
        entry,
        index,
        meter: None,
        client_id: 0,
        outcome: Outcome::Done,
        events: Vec::new(),
    };
    let records: Vec<Vec<u8>> = (11..=28)
        .map(|at| if at == seq { record(seq, entry, index) } else { record(at, Hash::ZERO, 0) }.encode())
        .collect();
    let leaves: Vec<Hash> = records.iter().map(|record| leaf_hash(record)).collect();
    let header = Header {
        chain: genesis.chain_id(),
        epoch: 0,
        rank: Rank { view, slot: 4 },
        height: 9,
        proposer: ValidatorIndex(0),
        time_ms: 0,
        parent: Hash::ZERO,
        justify: HeaderRef::default(),
        tc_hash: Hash::ZERO,
        first_seq: 11,
        last_seq: 28,
        log_digest: Hash::ZERO,
        inputs_root: Hash::ZERO,
        results_root: merkle::root(&leaves),
        state_root: Hash::ZERO,
        snapshot_root: Hash::ZERO,
        flags: 0,
        next_set_hash: Hash::ZERO,
    };
    let after = |parent: &Header, rank| {
        let (height, first_seq, results_root) = (parent.height + 1, parent.last_seq + 1, merkle::root(&[]));
        Header { rank, height, parent: parent.hash(), first_seq, results_root, ..parent.clone() }
    };
    let mut headers = vec![header];
    if by != view {
        headers.push(after(&headers[0], Rank { view: by, slot: 0 }));
    }
    let last = &headers[headers.len() - 1];
    let child = after(last, Rank { slot: last.rank.slot + 1, ..last.rank });
    let reference = child.reference();
    let vote = |index: u8| Vote::sign(genesis.chain_id(), 0, reference, ValidatorIndex(index.into()), &key(index));
    let signatures = (0..3).map(|index| vote(index).signature).collect();
    let qc = QuorumCert { epoch: 0, header: reference, signers: 0b111, signatures };
    let place = usize::try_from(seq - 11).unwrap();
    let path = Path::build(&leaves, place).unwrap();
    Receipt { record: records[place].clone(), path, epochs: Vec::new(), headers, child, qc }
}

/// Entry 4 was promised 19 and 20 in view 6.
#[test]
fn a_leaders_word_is_kept_void_or_broken() {
    let promise = chunk(6).receipts(&[4]).remove(0);
    let (mine, other) = (Hash([4; 32]), Hash([5; 32]));
    let rows = [
        // Final as promised: in its view, or carried by the leader of the next.
        (settled(6, 19, mine, 0), Ok(Fate::Kept)),
        (settled(6, 20, mine, 1), Ok(Fate::Kept)),
        (settled(7, 19, mine, 0), Ok(Fate::Kept)),
        // Another command there, or the bundle half a place off, in the same view: broken. In a later one: void.
        (settled(6, 19, other, 0), Ok(Fate::Breach)),
        (settled(6, 20, mine, 0), Ok(Fate::Breach)),
        (settled(7, 19, other, 0), Ok(Fate::Void)),
        // Another command was final there before the view began: the leader had it in its log.
        (settled(5, 19, other, 0), Ok(Fate::Breach)),
        (settled_by(4, 5, 19, other, 0), Ok(Fate::Breach)),
        // The leader's own headers made it final.
        (settled_by(5, 6, 19, other, 0), Ok(Fate::Breach)),
        // Few knew of the earlier view's header when this leader led past it; a later one built on it. And its own header may be made final
        // later: it stays its own.
        (settled_by(5, 7, 19, other, 0), Ok(Fate::Void)),
        (settled_by(6, 7, 19, other, 0), Ok(Fate::Breach)),
        (settled_by(5, 7, 19, mine, 0), Ok(Fate::Kept)),
        (settled(6, 21, other, 0), Err(FateError::Elsewhere { seq: 21, first_seq: 19, last_seq: 20 })),
    ];
    for (row, (receipt, expected)) in rows.iter().enumerate() {
        assert_eq!(promise.fate(&genesis(), receipt), *expected, "row {row}");
    }
}

#[test]
fn nothing_is_decided_by_a_final_receipt_that_proves_nothing() {
    let promise = chunk(6).receipts(&[4]).remove(0);
    let mut forged = settled(6, 19, Hash([5; 32]), 0);
    forged.qc.signatures[0] = Signature([1; 64]);
    assert!(matches!(promise.fate(&genesis(), &forged), Err(FateError::Receipt(_))));
}

/// Whoever shows a place, or asks for its last command, must not count beyond the last number.
#[test]
fn a_place_has_a_last_number_or_is_none() {
    let last = |first_seq, count| Place { first_seq, count, entry: Hash([1; 32]) }.last_seq();
    assert_eq!((last(7, 1), last(7, 3)), (Some(7), Some(9)));
    assert_eq!((last(u64::MAX, 1), last(1, u64::MAX)), (Some(u64::MAX), Some(u64::MAX)));
    assert_eq!((last(7, 0), last(0, 0), last(u64::MAX, 2), last(2, u64::MAX)), (None, None, None, None));
}

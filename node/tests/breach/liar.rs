//! What a leader signs when it lies.

use gridbook_ledger::crypto::{Hash, SecretKey, Signature};
use gridbook_ledger::genesis::FIRST_EPOCH;
use gridbook_ledger::header::LogPoint;
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::Record;
use gridbook_ledger::sequenced::{ChunkStatement, Place, SequencedChunk, SequencedReceipt, places_root};

use crate::house::House;

/// The leader of a view gives a place to an entry: its signed word, which nothing in the ledger bears out.
pub(crate) fn word(house: &House, view: u64, key: &SecretKey, seq: u64, entry: Hash) -> SequencedReceipt {
    word_on(house, view, key, Place { first_seq: seq, count: 1, entry })
}

/// The same, of any number of places.
pub(crate) fn word_on(house: &House, view: u64, key: &SecretKey, place: Place) -> SequencedReceipt {
    let point = |seq, digest: u8| LogPoint { seq, digest: Hash([digest; 32]) };
    let statement = ChunkStatement {
        epoch: FIRST_EPOCH,
        view,
        // Of a number that no chunk of the view has.
        number: u32::MAX,
        cut: false,
        start: point(place.first_seq - 1, 1),
        end: point(place.last_seq().unwrap(), 2),
        places_root: places_root(&[place]),
        signature: Signature([0; 64]),
    };
    let signed = statement.sign(house.chain(), key);
    SequencedChunk::new(signed, vec![place]).receipts(&[0]).remove(0)
}

/// Who led the view that a final command belongs to, that view, and the command's place.
pub(crate) fn led(house: &House, settled: &Receipt) -> (usize, u64, u64) {
    let view = settled.headers[0].rank.view;
    let leader = house.genesis().validators.leader(view);
    assert_eq!(settled.headers[0].proposer, leader);
    (usize::from(leader.0), view, Record::decode(&settled.record).unwrap().seq)
}

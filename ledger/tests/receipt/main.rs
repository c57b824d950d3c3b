//! A receipt is checked by somebody who holds the genesis and trusts nobody: whatever was altered must be refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod account;

use gridbook_engine::{
    AccountId, AreaId, DeliveryPeriod, Energy, LedgerTime, MarketRules, MeterId, Price, Side, TradeKind,
};
use gridbook_ledger::bytes::BytesError;
use gridbook_ledger::crypto::{Hash, SecretKey, Signature};
use gridbook_ledger::epoch::FinalityError;
use gridbook_ledger::genesis::{FIRST_EPOCH, Genesis, SettlementRules};
use gridbook_ledger::header::{Header, HeaderRef, Rank};
use gridbook_ledger::hotstuff::{CertError, QuorumCert, Vote};
use gridbook_ledger::merkle::{self, Path};
use gridbook_ledger::receipt::{Receipt, ReceiptError};
use gridbook_ledger::record::{Outcome, PartyRef, Record, RecordEvent, Trade};
use gridbook_ledger::validators::{ValidatorIndex, ValidatorSet};

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn genesis_of(first_key: u8, count: u8) -> Genesis {
    let keys = (first_key..first_key + count).map(|number| key(number).public()).collect();
    Genesis {
        name: "town".into(),
        ledger_start: LedgerTime(1_743_451_200_000),
        wall_start_ms: 1_743_451_200_000,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: SettlementRules::default(),
        areas: vec!["town".into()],
        operator: key(200).public(),
        validators: ValidatorSet::new(keys).expect("distinct good keys"),
    }
}

/// Validators 0 to 3 hold keys 1 to 4.
fn genesis() -> Genesis {
    genesis_of(1, 4)
}

fn record(seq: u64) -> Record {
    let party = |number| PartyRef { account: AccountId(number), meter: MeterId(number), client_id: seq };
    let trade = RecordEvent::Trade(Trade {
        maker: party(1),
        taker: party(2),
        period: DeliveryPeriod(1_937_176),
        maker_area: AreaId(0),
        taker_area: AreaId(1),
        taker_side: Side::Buy,
        kind: TradeKind::Continuous,
        price: Price(240),
        fee: Price(10),
        energy: Energy(400),
    });
    Record {
        seq,
        entry: Hash([7; 32]),
        index: 0,
        meter: Some(MeterId(2)),
        client_id: seq,
        outcome: Outcome::Done,
        events: vec![trade],
    }
}

fn leaves(range: core::ops::RangeInclusive<u64>) -> Vec<Hash> {
    range.map(|seq| record(seq).leaf_hash()).collect()
}

/// A header behind `parent` with the next `count` records.
fn after(parent: &Header, rank: Rank, count: u64) -> Header {
    let (first_seq, last_seq) = (parent.last_seq + 1, parent.last_seq + count);
    Header {
        rank,
        height: parent.height + 1,
        proposer: ValidatorIndex(1),
        time_ms: parent.time_ms + 100,
        parent: parent.hash(),
        justify: parent.reference(),
        first_seq,
        last_seq,
        log_digest: Hash([9; 32]),
        results_root: merkle::root(&leaves(first_seq..=last_seq)),
        ..parent.clone()
    }
}

fn rank(view: u64, slot: u32) -> Rank {
    Rank { view, slot }
}

/// A certificate of a header by some validators, who hold keys from `first_key` on.
fn certificate(header: &Header, first_key: u8, signers: &[u8]) -> QuorumCert {
    let vote = |signer: &u8| {
        let voter = ValidatorIndex((*signer).into());
        Vote::sign(header.chain, header.epoch, header.reference(), voter, &key(first_key + signer)).signature
    };
    QuorumCert {
        epoch: header.epoch,
        header: header.reference(),
        signers: signers.iter().map(|signer| 1 << signer).sum(),
        signatures: signers.iter().map(vote).collect(),
    }
}

/// ```text
/// root <- A (1, 0): records 1..=5 <- B (2, 0): records 6..=8 <- C (2, 1)
/// ```
/// A is not final by its own child, whose view is another; B is, by C, and A with it.
fn headers() -> [Header; 3] {
    let a = after(&genesis().root_header(Hash([1; 32])), rank(1, 0), 5);
    let b = after(&a, rank(2, 0), 3);
    let c = after(&b, rank(2, 1), 2);
    [a, b, c]
}

/// Record 3 of header A.
fn receipt() -> Receipt {
    let [a, b, c] = headers();
    let path = Path::build(&leaves(1..=5), 2).expect("five leaves");
    let (record, qc) = (record(3).encode(), certificate(&c, 1, &[0, 1, 3]));
    Receipt { epochs: vec![], record, path, headers: vec![a, b], qc, child: c }
}

/// Lets C be changed, and signs it anew: what validators who break no rule of signing would make.
fn with_child(change: impl FnOnce(&mut Header)) -> Receipt {
    let mut receipt = receipt();
    change(&mut receipt.child);
    receipt.qc = certificate(&receipt.child, 1, &[0, 1, 3]);
    receipt
}

fn error(receipt: &Receipt) -> Option<ReceiptError> {
    receipt.verify(&genesis()).err()
}

fn unfinal(why: FinalityError) -> Option<ReceiptError> {
    Some(ReceiptError::Finality { epoch: FIRST_EPOCH, why })
}

fn refused(error: CertError) -> Option<ReceiptError> {
    unfinal(FinalityError::Certificate(error))
}

/// The good case, through bytes and back: it proves the record, its header and when.
#[test]
fn a_receipt_verifies_offline_against_the_genesis_alone() {
    let bytes = receipt().encode();
    let read = Receipt::decode(&bytes).unwrap();
    assert_eq!(read, receipt());
    let verified = read.verify(&genesis()).unwrap();
    let [a, _, c] = headers();
    assert_eq!(verified.record, record(3));
    assert_eq!(verified.header, a.reference());
    assert_eq!(verified.time, a.time());
    assert_eq!(verified.certified, c.reference());
}

/// Every record of every header can be proven, also where its header is final by its own child.
#[test]
fn every_record_has_its_receipt() {
    let [a, b, c] = headers();
    for seq in 1..=8 {
        let (headers, span) = if seq <= 5 { (vec![a.clone(), b.clone()], 1..=5) } else { (vec![b.clone()], 6..=8) };
        let place = usize::try_from(seq - span.start()).unwrap();
        let path = Path::build(&leaves(span), place).unwrap();
        let receipt = Receipt { record: record(seq).encode(), path, headers, ..receipt() };
        assert_eq!(receipt.verify(&genesis()).unwrap().record, record(seq));
    }
    assert_eq!(c.first_seq, 9, "C's own records are not final by this certificate");
}

/// One bit is altered anywhere in the file: it must not verify.
#[test]
fn every_altered_bit_is_refused() {
    let (bytes, genesis) = (receipt().encode(), genesis());
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let verified = Receipt::decode(&altered).is_ok_and(|receipt| receipt.verify(&genesis).is_ok());
        assert!(!verified, "byte {} bit {}", bit / 8, bit % 8);
    }
}

/// The file was cut, or something hangs behind it.
#[test]
fn a_cut_or_lengthened_receipt_is_refused() {
    let bytes = receipt().encode();
    for length in 0..bytes.len() {
        assert!(Receipt::decode(&bytes[..length]).is_err(), "cut at {length}");
    }
    assert_eq!(Receipt::decode(&[&bytes[..], &[0]].concat()), Err(BytesError::Trailing));
}

/// Lengths that would make a reader allocate gigabytes.
#[test]
fn absurd_lengths_are_refused_before_anything_is_read() {
    let mut bytes = receipt().encode();
    let record_length_at = 1 + "gridbook/receipt/1".len();
    bytes[record_length_at..record_length_at + 4].fill(0xff);
    assert_eq!(Receipt::decode(&bytes), Err(BytesError::TooLong));
    let many = Receipt { headers: vec![headers()[0].clone(); 1_025], ..receipt() };
    assert_eq!(Receipt::decode(&many.encode()), Err(BytesError::TooLong));
    assert_eq!(error(&many), Some(ReceiptError::Size));
    let none = Receipt { headers: vec![], ..receipt() };
    assert_eq!(error(&Receipt::decode(&none.encode()).unwrap()), Some(ReceiptError::Size));
}

/// f + 1 signatures may all be from liars and the slow; 2f + 1 cannot.
#[test]
fn fewer_signers_than_a_quorum_prove_nothing() {
    let [_, _, c] = headers();
    for signers in [&[][..], &[0], &[0, 1], &[2, 3]] {
        let receipt = Receipt { qc: certificate(&c, 1, signers), ..receipt() };
        assert_eq!(error(&receipt), refused(CertError::Quorum(signers.len())), "{signers:?}");
    }
    for signers in [&[0, 1, 2][..], &[1, 2, 3], &[0, 1, 2, 3]] {
        assert_eq!(error(&Receipt { qc: certificate(&c, 1, signers), ..receipt() }), None, "{signers:?}");
    }
}

/// Seven validators: three signatures are a quorum of four, but not of these.
#[test]
fn the_quorum_is_that_of_the_genesis_set() {
    let genesis = genesis_of(1, 7);
    let a = after(&genesis.root_header(Hash([1; 32])), rank(1, 0), 5);
    let c = after(&a, rank(1, 1), 1);
    let path = Path::build(&leaves(1..=5), 2).unwrap();
    let receipt = |signers| Receipt {
        epochs: vec![],
        record: record(3).encode(),
        path: path.clone(),
        headers: vec![a.clone()],
        qc: certificate(&c, 1, signers),
        child: c.clone(),
    };
    assert_eq!(receipt(&[0, 1, 2]).verify(&genesis).err(), refused(CertError::Quorum(3)));
    assert_eq!(receipt(&[0, 1, 2, 3]).verify(&genesis).err(), refused(CertError::Quorum(4)));
    assert!(receipt(&[0, 1, 2, 3, 6]).verify(&genesis).is_ok());
}

/// Four strangers sign the same headers for the same ledger.
#[test]
fn a_foreign_validator_set_proves_nothing() {
    let [_, _, c] = headers();
    let receipt = Receipt { qc: certificate(&c, 51, &[0, 1, 2]), ..receipt() };
    assert_eq!(error(&receipt), refused(CertError::Signature));
}

/// One signature counted for two validators, or twice for one; a signer beyond the set; bits without signatures.
#[test]
fn a_signature_counts_once_and_for_its_own_signer() {
    let [_, _, c] = headers();
    let good = certificate(&c, 1, &[0, 1, 3]);
    let altered = |signers, signatures: &[Signature]| Receipt {
        qc: QuorumCert { signers, signatures: signatures.to_vec(), ..good.clone() },
        ..receipt()
    };
    let [s0, s1, s3] = <[Signature; 3]>::try_from(good.signatures.clone()).unwrap();
    for (receipt, error_of_cert) in [
        (altered(0b1011, &[s0, s0, s3]), CertError::Signature),
        (altered(0b0011, &[s0, s1, s1]), CertError::Count { signers: 2, signatures: 3 }),
        (altered(0b1011, &[s0, s1]), CertError::Count { signers: 3, signatures: 2 }),
        (altered(0b1011, &[s0, s1, s3, s3]), CertError::Count { signers: 3, signatures: 4 }),
        (altered(0b1011, &[s1, s0, s3]), CertError::Signature),
        (altered(0b1_0011, &[s0, s1, s3]), CertError::Stranger),
        (altered(1 << 63 | 0b1011, &[s0, s1, s3, s3]), CertError::Stranger),
        (altered(0b1011, &[s0, s1, Signature([0; 64])]), CertError::Signature),
    ] {
        assert_eq!(error(&receipt), refused(error_of_cert));
    }
}

/// A true receipt of the test ledger, which has the same validators.
#[test]
fn a_receipt_of_another_ledger_is_refused() {
    let other = Genesis { name: "test town".into(), ..genesis() };
    assert_eq!(receipt().verify(&other).err(), unfinal(FinalityError::Chain));
    let foreign = with_child(|child| child.chain = Hash([0xee; 32]));
    assert_eq!(error(&foreign), unfinal(FinalityError::Chain));
}

/// A set that was not there in the genesis needs an epoch proof, which is none here.
#[test]
fn a_header_or_certificate_of_another_epoch_is_refused() {
    assert_eq!(error(&with_child(|child| child.epoch = FIRST_EPOCH + 1)), unfinal(FinalityError::Epoch));
    let mut receipt = receipt();
    receipt.qc.epoch = FIRST_EPOCH + 1;
    assert_eq!(error(&receipt), unfinal(FinalityError::Epoch));
}

/// Two-chain without the consecutive slot: another branch may be final instead.
#[test]
fn a_child_in_another_view_or_slot_makes_nothing_final() {
    for rank in [rank(3, 0), rank(3, 1), rank(2, 2)] {
        assert_eq!(error(&with_child(|child| child.rank = rank)), unfinal(FinalityError::NotConsecutive), "{rank:?}");
    }
    for rank in [rank(2, 0), rank(1, 1)] {
        assert_eq!(error(&with_child(|child| child.rank = rank)), unfinal(FinalityError::Link(2)), "{rank:?}");
    }
}

/// Header A with C behind it, which is B's child: A was certified in another view and might have been abandoned.
#[test]
fn headers_that_do_not_link_are_refused() {
    let [a, b, c] = headers();
    let skipped = Receipt { headers: vec![a.clone()], ..receipt() };
    assert_eq!(error(&skipped), unfinal(FinalityError::Link(1)));
    let swapped = Receipt { headers: vec![a.clone(), c.clone()], child: b.clone(), ..receipt() };
    assert_eq!(error(&swapped), unfinal(FinalityError::Link(1)));
    let elsewhere = Header { state_root: Hash([2; 32]), ..b };
    assert_eq!(error(&Receipt { headers: vec![a, elsewhere], ..receipt() }), unfinal(FinalityError::Link(2)));
    assert_eq!(error(&with_child(|child| child.height += 1)), unfinal(FinalityError::Link(2)));
}

/// A good certificate, but of B: what it certifies is not what is shown.
#[test]
fn a_certificate_of_another_header_is_refused() {
    let [_, b, c] = headers();
    let of_b = Receipt { qc: certificate(&b, 1, &[0, 1, 3]), ..receipt() };
    assert_eq!(error(&of_b), unfinal(FinalityError::WrongHeader));
    let mut relabelled = certificate(&b, 1, &[0, 1, 3]);
    relabelled.header = c.reference();
    assert_eq!(error(&Receipt { qc: relabelled, ..receipt() }), refused(CertError::Signature));
    let mut other_rank = receipt();
    other_rank.qc.header = HeaderRef { rank: rank(2, 2), hash: c.hash() };
    assert_eq!(error(&other_rank), unfinal(FinalityError::WrongHeader));
}

/// Another record of the same header, a record of another header, one that never was.
#[test]
fn a_record_at_another_place_is_refused() {
    let other = |record: &Record, index: usize| Receipt {
        record: record.encode(),
        path: Path::build(&leaves(1..=5), index).unwrap(),
        ..receipt()
    };
    assert_eq!(error(&other(&record(4), 2)), Some(ReceiptError::Place));
    assert_eq!(error(&other(&record(3), 3)), Some(ReceiptError::Place));
    assert_eq!(error(&other(&record(0), 0)), Some(ReceiptError::Place));
    assert_eq!(error(&other(&record(6), 4)), Some(ReceiptError::Place));
    let never = Record { client_id: 99, ..record(3) };
    assert_eq!(error(&other(&never, 2)), Some(ReceiptError::Path));
}

/// The tree under the root has another number of leaves than the header has commands: records were hidden or added.
#[test]
fn a_header_has_one_record_for_each_of_its_commands() {
    let mut more = receipt();
    more.path = Path::build(&leaves(1..=6), 2).unwrap();
    assert_eq!(error(&more), Some(ReceiptError::Place));
    let mut fewer = receipt();
    fewer.path = Path::build(&leaves(1..=4), 2).unwrap();
    assert_eq!(error(&fewer), Some(ReceiptError::Place));
}

/// An empty header holds nothing, not even the first record of nothing; nor does one with numbers at their end.
#[test]
fn an_empty_header_proves_no_record() {
    let [a, b, _] = headers();
    let empty = Header { first_seq: 3, last_seq: 2, ..a.clone() };
    let path = Path { index: 0, count: 0, siblings: vec![] };
    let receipt_of = |header, path| Receipt { headers: vec![header, b.clone()], path, ..receipt() };
    assert_eq!(error(&receipt_of(empty, path.clone())), Some(ReceiptError::Place));
    let endless = Header { first_seq: 0, last_seq: u64::MAX, ..a };
    assert_eq!(error(&receipt_of(endless, path)), Some(ReceiptError::Place));
}

/// A record that nobody could have written.
#[test]
fn a_record_that_is_not_canonical_is_refused() {
    let mut receipt = receipt();
    receipt.record.push(0);
    assert_eq!(error(&receipt), Some(ReceiptError::Record(BytesError::Trailing)));
}

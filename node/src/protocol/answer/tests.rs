//! Answers come back as they were sent, and nothing else is one.

use super::*;
use crate::protocol::standing::tests::{account, status};

fn evidence_key() -> EvidenceKey {
    EvidenceKey { epoch: 2, culprit: ValidatorIndex(3), kind: EvidenceKind::ReceiptBreach }
}

fn entry(place: usize) -> Answer {
    let entry = crate::protocol::registry::one_of_each().swap_remove(place);
    Answer::Registry { request_id: 30, entry: Box::new(entry) }
}

fn one_of_each() -> Vec<Answer> {
    let code = Code::from_number(101).expect("the first code");
    let records = vec![vec![1, 2], Vec::new(), vec![3; 300]];
    let place = FactPlace { period: DeliveryPeriod(9), seq: 3, place: 2 };
    vec![
        Answer::Refused { request_id: 1, code },
        Answer::Accepted { request_id: 2, bundle: Hash([3; 32]) },
        Answer::Final { request_id: 3, bundle: Hash([3; 32]), height: 8, first_seq: 70, records },
        Answer::Watching { request_id: 4, meter: MeterId(4) },
        Answer::Event { meter: MeterId(4), height: 8, record: vec![9; 40] },
        Answer::WatchEnded { meter: MeterId(4), code: Code::AuthReplaced },
        Answer::Receipt { request_id: 5, receipt: vec![7; 1800] },
        Answer::Status { request_id: 6, status: status() },
        Answer::Account { request_id: 7, account: account() },
        Answer::NotFinal { request_id: 8 },
        entry(0),
        entry(1),
        entry(2),
        entry(3),
        Answer::NotHere { request_id: 15, from_height: 6, to_height: 512 },
        Answer::Header { request_id: 9, header: vec![4; 500] },
        Answer::Book { request_id: 10, book: Box::new(crate::protocol::book::tests::full()) },
        Answer::Epochs { request_id: 14, proofs: vec![vec![7; 900], vec![8; 20]] },
        Answer::Facts { request_id: 17, facts: vec![5; 90], next: None },
        Answer::Facts { request_id: 18, facts: Vec::new(), next: Some(place) },
        Answer::CertificateRecords { request_id: 23, seqs: vec![3, 1 << 40], next: Some(1 << 41) },
        Answer::CertificateRecords { request_id: 24, seqs: Vec::new(), next: None },
        Answer::Bill { request_id: 21, sums: vec![5; 90], next: None },
        Answer::Bill { request_id: 22, sums: Vec::new(), next: Some(DeliveryPeriod(9)) },
        Answer::Extracts { request_id: 19, extracts: vec![vec![1; 70], vec![2]], left: 3 },
        Answer::AccountProof { request_id: 20, proof: vec![3; 900] },
        Answer::Conduct { request_id: 21, book: Box::new(crate::protocol::conduct::tests::full()) },
        Answer::Conduct { request_id: 22, book: Box::default() },
        Answer::Certificates { request_id: 23, records: vec![vec![1; 70], vec![2]], next: Some(1 << 40) },
        Answer::Certificates { request_id: 24, records: Vec::new(), next: None },
        Answer::Grants { request_id: 42, list: Box::new(crate::protocol::grants::tests::full()) },
        Answer::Uses { request_id: 40, page: crate::protocol::uses::tests::full() },
        Answer::Uses { request_id: 41, page: UsePage::default() },
        Answer::Book { request_id: 11, book: Box::new(Book { as_of: 3, depth: None }) },
        Answer::Evidence { request_id: 14, total: 3, items: vec![vec![1; 30], vec![2]] },
        Answer::Taken { request_id: 16, key: evidence_key(), is_new: true },
        Answer::Sequenced { request_id: 12, receipt: vec![6; 250] },
        Answer::Certified {
            request_id: 13,
            bundle: Hash([3; 32]),
            first_seq: 70,
            header: HeaderRef { rank: Rank { view: 2, slot: 9 }, hash: Hash([8; 32]) },
        },
    ]
}

#[test]
fn every_answer_comes_back_as_it_was_sent() {
    for answer in one_of_each() {
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
}

#[test]
fn an_answer_cut_short_anywhere_or_with_a_byte_more_is_refused() {
    for answer in one_of_each() {
        let frame = answer.encode();
        for length in 0..frame.len() {
            assert_eq!(Answer::decode(&frame[..length]), Err(BytesError::Truncated), "{answer:?} cut to {length}");
        }
        let longer = [&frame[..], &[0]].concat();
        assert_eq!(Answer::decode(&longer), Err(BytesError::Trailing), "{answer:?}");
    }
}

#[test]
fn values_without_a_meaning_are_refused() {
    let mut suspended = Answer::Account { request_id: 1, account: account() }.encode();
    *suspended.last_mut().expect("not empty") = 2;
    assert_eq!(Answer::decode(&suspended), Err(BytesError::Unknown));

    let mut numbered_event = Answer::Event { meter: MeterId(1), height: 1, record: Vec::new() }.encode();
    numbered_event[0] = 1;
    assert_eq!(Answer::decode(&numbered_event), Err(BytesError::Unknown));

    let mut ended = Answer::WatchEnded { meter: MeterId(1), code: Code::AuthReplaced }.encode();
    ended[0] = 1;
    assert_eq!(Answer::decode(&ended), Err(BytesError::Unknown));
    ended[0] = 0;
    *ended.last_mut().expect("not empty") = u8::MAX;
    assert_eq!(Answer::decode(&ended), Err(BytesError::Unknown));

    let mut taken = Answer::Taken { request_id: 1, key: evidence_key(), is_new: false }.encode();
    *taken.last_mut().expect("not empty") = 2;
    assert_eq!(Answer::decode(&taken), Err(BytesError::Unknown));
    let kind_at = taken.len() - 2;
    taken.splice(kind_at.., [99, 0]);
    assert_eq!(Answer::decode(&taken), Err(BytesError::Unknown));

    let nonsense_code = [&1_u64.to_le_bytes()[..], &[1], &u16::MAX.to_le_bytes()].concat();
    assert_eq!(Answer::decode(&nonsense_code), Err(BytesError::Unknown));
}

#[test]
fn a_record_count_beyond_the_limit_is_refused_before_anything_is_read() {
    let records = Vec::new();
    let mut frame = Answer::Final { request_id: 1, bundle: Hash::ZERO, height: 1, first_seq: 1, records }.encode();
    let count_at = frame.len() - 4;
    frame[count_at..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Answer::decode(&frame), Err(BytesError::TooLong));
}

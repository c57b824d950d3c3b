//! Evidence, and changes of validators, cost more to check than other requests, and count for as many.

use bytes::Bytes;
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::reject::Code;
use gridbook_net::MeterClient;
use gridbook_node::protocol::{Answer, Request, RequestBody};

use crate::house::{STRICT, STRICT_FRAMES, house, run};

/// A client may send twice as many requests at once as in a second. Half of that, as evidence or as changes of validators, is too much: what is
/// refused is refused by number as long as it is read at all, and afterwards the client is served as before.
#[test]
fn evidence_counts_for_many_requests() {
    run(counts_for_many(RequestBody::HandIn(vec![1, 2, 3])));
}

/// The same for a change of validators, of which a whole set's signatures are checked.
#[test]
fn a_change_of_validators_counts_for_many_requests() {
    run(counts_for_many(RequestBody::Reconfigure(vec![1, 2, 3])));
}

async fn counts_for_many(body: RequestBody) {
    let server = house().peer(STRICT);
    let seed = *SecretKey::generate().unwrap().seed();
    let mut line = MeterClient::connect(server.address, server.key.0, seed).await.unwrap();
    for request_id in 1..=STRICT_FRAMES {
        let body = body.clone();
        line.send(Bytes::from(Request { request_id, body }.encode())).await.unwrap();
    }
    let (mut looked_at, mut refused, mut unread) = (0, 0, 0);
    for _ in 1..=STRICT_FRAMES {
        match Answer::decode(&line.recv().await.unwrap()).unwrap() {
            Answer::Refused { code: Code::QuotaRate, request_id: 0 } => unread += 1,
            Answer::Refused { code: Code::QuotaRate, .. } => refused += 1,
            Answer::Refused { code: Code::EvidenceForm | Code::FormTruncated, .. } => looked_at += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(looked_at > 0 && refused > 0, "{looked_at} looked at, {refused} refused, {unread} unread");
    // The account fills up again.
    let mut request_id = STRICT_FRAMES;
    loop {
        request_id += 1;
        line.send(Bytes::from(Request { request_id, body: RequestBody::Status }.encode())).await.unwrap();
        match Answer::decode(&line.recv().await.unwrap()).unwrap() {
            Answer::Status { .. } => break,
            Answer::Refused { code: Code::QuotaRate, .. } => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            other => panic!("{other:?}"),
        }
    }
}

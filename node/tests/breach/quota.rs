//! Evidence, and changes of validators, cost more to check than other requests, and count for as many.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gridbook_ledger::reject::Code;
use gridbook_net::MeterClient;
use gridbook_node::protocol::{Answer, Request, RequestBody};
use tokio::time::timeout;

use crate::house::{House, PATIENCE, STRICT, STRICT_FRAMES, house, run};

/// All of them are sent and answered within this, unless the machine is busy.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A client may send twice as many requests at once as in a second. Half of that, as evidence or as changes of validators, is too much: what is
/// refused is refused by number as long as it is read at all, and afterwards the client is served as before.
#[test]
fn evidence_counts_for_many_requests() {
    counts_for_many(&RequestBody::HandIn(vec![1, 2, 3]));
}

/// The same for a change of validators, of which a whole set's signatures are checked.
#[test]
fn a_change_of_validators_counts_for_many_requests() {
    counts_for_many(&RequestBody::Reconfigure(vec![1, 2, 3]));
}

fn counts_for_many(body: &RequestBody) {
    // Starting it takes its own time.
    let house = house();
    run(async {
        let mut line = timeout(PATIENCE, refused_for_many(house, body)).await.expect("never sent at once");
        timeout(PATIENCE, served_again(&mut line)).await.expect("the account does not fill up again");
    });
}

/// A client to whom so much was refused, if the machine lets it send all of that at once.
async fn refused_for_many(house: &House, body: &RequestBody) -> MeterClient {
    loop {
        // Each has an account of its own.
        let mut line = house.line_to(STRICT).await;
        let began = Instant::now();
        let told = send_too_much(&mut line, body).await;
        if told.looked_at > 0 && told.refused > 0 {
            return line;
        }
        // Where all of it took long, the account filled up meanwhile.
        assert!(began.elapsed() >= AT_ONCE, "{told:?}");
    }
}

/// Its account fills up again.
async fn served_again(line: &mut MeterClient) {
    let mut request_id = STRICT_FRAMES;
    loop {
        request_id += 1;
        line.send(Bytes::from(Request { request_id, body: RequestBody::Status }.encode())).await.unwrap();
        match Answer::decode(&line.recv().await.unwrap()).unwrap() {
            Answer::Status { .. } => break,
            Answer::Refused { code: Code::QuotaRate, .. } => tokio::time::sleep(Duration::from_millis(100)).await,
            other => panic!("{other:?}"),
        }
    }
}

/// What became of too many requests.
#[derive(Debug, Default)]
struct Told {
    looked_at: u64,
    refused: u64,
    unread: u64,
}

async fn send_too_much(line: &mut MeterClient, body: &RequestBody) -> Told {
    for request_id in 1..=STRICT_FRAMES {
        let body = body.clone();
        line.send(Bytes::from(Request { request_id, body }.encode())).await.unwrap();
    }
    let mut told = Told::default();
    for _ in 1..=STRICT_FRAMES {
        match Answer::decode(&line.recv().await.unwrap()).unwrap() {
            Answer::Refused { code: Code::QuotaRate, request_id: 0 } => told.unread += 1,
            Answer::Refused { code: Code::QuotaRate, .. } => told.refused += 1,
            Answer::Refused { code: Code::EvidenceForm | Code::FormTruncated, .. } => told.looked_at += 1,
            other => panic!("{other:?}"),
        }
    }
    told
}

//! Meters and gateways that behave, and one node.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod raw;

use std::time::Duration;

use bytes::Bytes;
use gridbook_net::{
    ANSWER_BYTES_MAX, CloseCode, KeyGate, MeterClient, MeterClientError, MeterEndpoint, MeterEvent, MeterSend,
    MeterServerConfig, Quotas, REQUEST_BYTES_MAX, ValidatorConfig, ValidatorEndpoint, public_key,
};
use raw::{Echo, NODE_SEED, SOON, free_address, generous, here};
use tokio::time::timeout;

#[tokio::test]
async fn a_client_is_named_by_its_key_answered_and_seen_leaving() {
    let mut echo = Echo::start(generous());
    let mut client = echo.client(1).await;
    client.send(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(client.recv().await.unwrap(), "hello");

    let Some(MeterEvent::Opened { connection, key, remote }) = echo.others.recv().await else { panic!("not opened") };
    assert_eq!(key, public_key(&[1; 32]));
    assert!(remote.ip().is_loopback());
    // An event nobody asked for arrives on the same stream.
    assert_eq!(echo.endpoint.send(connection, Bytes::from_static(b"pushed")), MeterSend::Sent);
    assert_eq!(client.recv().await.unwrap(), "pushed");

    client.close().await;
    assert_eq!(echo.others.recv().await, Some(MeterEvent::Closed { connection }));
    assert_eq!(echo.endpoint.send(connection, Bytes::from_static(b"too late")), MeterSend::Gone);
    assert_eq!(echo.endpoint.stats().connections, 0);
}

#[tokio::test]
async fn fifty_thousand_small_frames_arrive_in_order() {
    let echo = Echo::start(generous());
    let (sender, mut receiver) = echo.client(1).await.split();
    tokio::spawn(async move {
        for number in 0..50_000u64 {
            sender.send(Bytes::copy_from_slice(&number.to_le_bytes())).await.unwrap();
        }
    });
    for number in 0..50_000u64 {
        assert_eq!(receiver.recv().await.unwrap()[..], number.to_le_bytes());
    }
    let traffic = echo.endpoint.stats().traffic;
    assert_eq!((traffic.frames_in, traffic.frames_out, traffic.frames_dropped), (50_000, 50_000, 0));
    assert_eq!(traffic.bytes_in, 50_000 * 12);
}

#[tokio::test]
async fn the_longest_frames_pass_both_ways_and_longer_ones_are_not_even_sent() {
    let (endpoint, mut events) = MeterEndpoint::bind(MeterServerConfig::new(NODE_SEED, here(), generous())).unwrap();
    let address = endpoint.local_addr().unwrap();
    let mut client = MeterClient::connect(address, public_key(&NODE_SEED), [1; 32]).await.unwrap();
    let Some(MeterEvent::Opened { connection, .. }) = events.recv().await else { panic!("not opened") };

    let request = Bytes::from(vec![3; REQUEST_BYTES_MAX]);
    client.send(request.clone()).await.unwrap();
    assert_eq!(events.recv().await, Some(MeterEvent::Frame { connection, bytes: request }));
    let answer = Bytes::from(vec![4; ANSWER_BYTES_MAX]);
    assert_eq!(endpoint.send(connection, answer.clone()), MeterSend::Sent);
    assert_eq!(client.recv().await, Some(answer));

    for bytes in [0, REQUEST_BYTES_MAX + 1] {
        assert_eq!(client.send(vec![0; bytes].into()).await, Err(MeterClientError::Unsendable { bytes }));
    }
    for bytes in [0, ANSWER_BYTES_MAX + 1] {
        assert_eq!(endpoint.send(connection, vec![0; bytes].into()), MeterSend::Unsendable);
    }
}

#[tokio::test]
async fn a_closing_node_sends_its_last_answers_and_says_why() {
    let (endpoint, mut events) = MeterEndpoint::bind(MeterServerConfig::new(NODE_SEED, here(), generous())).unwrap();
    let address = endpoint.local_addr().unwrap();
    let mut client = MeterClient::connect(address, public_key(&NODE_SEED), [1; 32]).await.unwrap();
    let Some(MeterEvent::Opened { connection, .. }) = events.recv().await else { panic!("not opened") };
    for number in 0..100u8 {
        assert_eq!(endpoint.send(connection, vec![number; 1000].into()), MeterSend::Sent);
    }
    endpoint.close("down for maintenance until noon").await;

    for number in 0..100u8 {
        assert_eq!(client.recv().await.unwrap(), vec![number; 1000]);
    }
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_code(), Some(CloseCode::ShuttingDown));
    assert!(client.closed_because().unwrap().ends_with("down for maintenance until noon"));
    let error = client.send(Bytes::from_static(b"?")).await.unwrap_err();
    assert!(matches!(error, MeterClientError::Closed(_)), "{error}");
    // The node hears of the end as well.
    assert_eq!(events.recv().await, Some(MeterEvent::Closed { connection }));
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn a_client_sends_its_last_requests_before_it_leaves() {
    let (endpoint, mut events) = MeterEndpoint::bind(MeterServerConfig::new(NODE_SEED, here(), generous())).unwrap();
    let address = endpoint.local_addr().unwrap();
    let client = MeterClient::connect(address, public_key(&NODE_SEED), [1; 32]).await.unwrap();
    for number in 0..100u8 {
        client.send(vec![number; 1000].into()).await.unwrap();
    }
    client.close().await;
    let mut received = Vec::new();
    while !matches!(received.last(), Some(MeterEvent::Closed { .. })) {
        assert!(events.recv_many(&mut received, 16).await > 0, "the end of the connection is not told");
    }
    let number = |event: &MeterEvent| if let MeterEvent::Frame { bytes, .. } = event { Some(bytes[0]) } else { None };
    let numbers: Vec<Option<u8>> = received.iter().map(number).collect();
    assert!(matches!(received[0], MeterEvent::Opened { .. }));
    assert_eq!(numbers, [None].into_iter().chain((0..100).map(Some)).chain([None]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_without_the_pinned_key_is_refused_by_the_client() {
    let mut echo = Echo::start(generous());
    let error = MeterClient::connect(echo.address, public_key(&[9; 32]), [1; 32]).await.unwrap_err();
    assert_eq!(error, MeterClientError::WrongServerKey { address: echo.address });
    assert!(echo.others.try_recv().is_err(), "the node was told of a client that never was");
    echo.still_serves().await;
}

#[tokio::test]
async fn dialling_the_validators_port_is_explained() {
    let config = ValidatorConfig::new(0, NODE_SEED, here(), Vec::new());
    let (validator, _events) = ValidatorEndpoint::bind(config).unwrap();
    let address = validator.local_addr().unwrap();
    let error = MeterClient::connect(address, public_key(&NODE_SEED), [1; 32]).await.unwrap_err();
    assert_eq!(error, MeterClientError::WrongProtocol { address });
}

#[tokio::test]
async fn connections_over_the_number_are_refused_until_one_leaves() {
    let echo = Echo::start(Quotas { connections_per_address: 2, ..generous() });
    let first = echo.client(1).await;
    let second = echo.client(2).await;
    let error = MeterClient::connect(echo.address, public_key(&NODE_SEED), [3; 32]).await.unwrap_err();
    assert!(matches!(error, MeterClientError::Refused { .. }), "{error}");
    // A client that has no answer yet asks once more, so it may be refused twice.
    assert!(echo.endpoint.stats().connections_refused >= 1);
    assert_eq!(echo.endpoint.stats().connections_made, 2);
    first.close().await;
    drop(second);
    let freed = async {
        while echo.endpoint.stats().connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, freed).await.expect("connections are not given back");
    echo.still_serves().await;
}

#[tokio::test]
async fn a_client_proves_its_address_when_handshakes_pile_up() {
    let echo = Echo::start(Quotas { handshakes_before_retry: 0, ..generous() });
    // With a threshold of zero every client is asked, and refused only beyond the proof.
    let error = MeterClient::connect(echo.address, public_key(&NODE_SEED), [3; 32]).await;
    assert!(echo.endpoint.stats().retries_sent > 0);
    assert!(error.is_ok(), "{error:?}");
    echo.still_serves().await;
}

#[tokio::test]
async fn nobody_there_is_told_after_a_while() {
    tokio::time::pause();
    let address = free_address();
    let error = MeterClient::connect(address, public_key(&NODE_SEED), [1; 32]).await.unwrap_err();
    assert_eq!(error, MeterClientError::Unreachable { address });
}

#[tokio::test]
async fn a_dismissed_client_sees_the_reason() {
    let mut echo = Echo::start(generous());
    let mut client = echo.client(1).await;
    let Some(MeterEvent::Opened { connection, .. }) = echo.others.recv().await else { panic!("not opened") };
    echo.endpoint.dismiss(connection, "this device was revoked");
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_code(), Some(CloseCode::Dismissed));
    assert!(client.closed_because().unwrap().ends_with("this device was revoked"));
    echo.still_serves().await;
}

/// A device was reported stolen. Its key is not let in, with a sentence that says why; a stranger's is, as ever.
#[tokio::test]
async fn a_key_that_is_not_served_is_refused_with_the_reason_before_it_is_let_in() {
    let stolen = public_key(&[7; 32]);
    let gate = KeyGate::new(move |key| (*key == stolen).then(|| "it was stolen: ask the registrar".to_owned()));
    let config = MeterServerConfig { gate, ..MeterServerConfig::new(NODE_SEED, here(), generous()) };
    let (endpoint, mut events) = MeterEndpoint::bind(config).unwrap();
    let address = endpoint.local_addr().unwrap();
    let refused = MeterClient::connect(address, public_key(&NODE_SEED), [7; 32]).await.unwrap_err();
    let why = "it was stolen: ask the registrar".to_owned();
    assert_eq!(refused, MeterClientError::KeyNotServed { address, why });
    let _stranger = MeterClient::connect(address, public_key(&NODE_SEED), [8; 32]).await.unwrap();
    let Some(MeterEvent::Opened { key, .. }) = events.recv().await else { panic!("not opened") };
    assert_eq!(key, public_key(&[8; 32]), "nobody hears of the one that was not let in");
    assert_eq!(endpoint.stats().connections_refused, 1);
}

/// It is stolen while it is connected: from one moment to the next it is shut out, and told why.
#[tokio::test]
async fn a_client_that_is_shut_out_sees_the_reason() {
    let mut echo = Echo::start(generous());
    let mut client = echo.client(1).await;
    let Some(MeterEvent::Opened { connection, .. }) = echo.others.recv().await else { panic!("not opened") };
    echo.endpoint.shut_out(connection, "it was stolen");
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_code(), Some(CloseCode::KeyNotServed));
    assert!(client.closed_because().unwrap().contains("it was stolen"));
}

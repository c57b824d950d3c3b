//! Clients that break the rules, one each, and what becomes of the others.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod raw;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gridbook_net::{
    CloseCode, MeterClient, MeterEndpoint, MeterEvent, MeterSend, MeterServerConfig, Quota, Quotas, REQUEST_BYTES_MAX,
    Rate, public_key,
};
use quinn::{Endpoint, VarInt};
use raw::{
    Echo, METER, NODE_SEED, SOON, VALIDATOR, closed_with, config, dial, dial_meter, framed, generous, here,
    refused_with,
};
use rustls::AlertDescription;
use tokio::time::{sleep, timeout};

/// Sends bytes down a fresh control stream; how the node closes it.
async fn sent(echo: &Echo, bytes: &[u8]) -> (CloseCode, String) {
    let (connection, mut send, _receive) = dial_meter(echo.address, 66).await;
    send.write_all(bytes).await.unwrap();
    closed_with(&connection).await
}

#[tokio::test]
async fn a_frame_of_length_zero_closes_the_connection() {
    let echo = Echo::start(generous());
    let (code, reason) = sent(&echo, &[0; 4]).await;
    assert_eq!(code, CloseCode::FrameEmpty);
    assert_eq!(reason, "frame of length 0: a frame has at least 1 byte");
    echo.still_serves().await;
}

#[tokio::test]
async fn a_frame_at_the_cap_passes_and_one_byte_more_closes() {
    let echo = Echo::start(generous());
    let (connection, mut send, mut receive) = dial_meter(echo.address, 66).await;
    let longest = framed(&vec![5; REQUEST_BYTES_MAX]);
    send.write_all(&longest).await.unwrap();
    let mut answer = vec![0; longest.len()];
    receive.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, longest);

    let claimed = u32::try_from(REQUEST_BYTES_MAX).unwrap() + 1;
    send.write_all(&claimed.to_le_bytes()).await.unwrap();
    let (code, reason) = closed_with(&connection).await;
    assert_eq!(code, CloseCode::FrameTooLong);
    assert_eq!(reason, "frame of length 262145: at most 262144 bytes are allowed here");
    echo.still_serves().await;
}

#[tokio::test]
async fn the_longest_length_there_is_closes_the_connection() {
    let echo = Echo::start(generous());
    assert_eq!(sent(&echo, &u32::MAX.to_le_bytes()).await.0, CloseCode::FrameTooLong);
    echo.still_serves().await;
}

#[tokio::test]
async fn a_truncated_frame_closes_the_connection_at_every_cut() {
    let echo = Echo::start(generous());
    let frame = framed(b"twelve bytes");
    for cut in 1..frame.len() {
        let (connection, mut send, _receive) = dial_meter(echo.address, 66).await;
        send.write_all(&frame[..cut]).await.unwrap();
        send.finish().unwrap();
        assert_eq!(closed_with(&connection).await.0, CloseCode::FrameTruncated, "cut at {cut}");
    }
    echo.still_serves().await;
}

#[tokio::test]
async fn a_stream_reset_within_a_frame_closes_the_connection() {
    let echo = Echo::start(generous());
    let (connection, mut send, _receive) = dial_meter(echo.address, 66).await;
    send.write_all(&framed(b"never to be finished")[..9]).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    send.reset(VarInt::from_u32(4242)).unwrap();
    let (code, reason) = closed_with(&connection).await;
    assert_eq!(code, CloseCode::StreamEnded);
    assert_eq!(reason, "stream was reset by its sender with code 4242");
    echo.still_serves().await;
}

#[tokio::test]
async fn two_frames_in_one_write_are_two_frames() {
    let echo = Echo::start(generous());
    let (_connection, mut send, mut receive) = dial_meter(echo.address, 66).await;
    let glued = [framed(b"one"), framed(b"and another")].concat();
    send.write_all(&glued).await.unwrap();
    let mut answers = vec![0; glued.len()];
    receive.read_exact(&mut answers).await.unwrap();
    assert_eq!(answers, glued);
    assert_eq!(echo.endpoint.stats().traffic.frames_in, 2);
}

#[tokio::test]
async fn a_frame_that_drips_in_is_cut_off_at_its_deadline() {
    let echo = Echo::with(generous(), |config| config.frame_deadline = Duration::from_millis(1_500));
    let (connection, mut send, _receive) = dial_meter(echo.address, 66).await;
    let began = Instant::now();
    // Twenty seconds of it.
    let drip = async {
        for byte in framed(&[1; 1000]) {
            if send.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let ((code, reason), ()) = tokio::join!(closed_with(&connection), drip);
    assert_eq!(code, CloseCode::FrameTooSlow);
    assert!(reason.starts_with("frame did not complete within 1500 ms"), "{reason}");
    // Before it would have been whole, however busy the machine is.
    assert!(began.elapsed() >= Duration::from_millis(1_490) && began.elapsed() < Duration::from_secs(18));
    echo.still_serves().await;
}

#[tokio::test]
async fn a_connection_that_opens_no_stream_is_closed() {
    let mut echo = Echo::start(generous());
    let connection = dial(echo.address, METER, Some([66; 32])).await.unwrap();
    assert_eq!(closed_with(&connection).await.0, CloseCode::StreamUnexpected);
    assert!(echo.others.try_recv().is_err());
    echo.still_serves().await;
}

#[tokio::test]
async fn a_stream_that_begins_with_another_byte_is_refused() {
    let echo = Echo::start(generous());
    let connection = dial(echo.address, METER, Some([66; 32])).await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&[1]).await.unwrap();
    assert_eq!(closed_with(&connection).await.0, CloseCode::StreamUnexpected);
    echo.still_serves().await;
}

#[tokio::test]
async fn only_the_permitted_number_of_streams_gets_through() {
    let echo = Echo::start(Quotas { streams_per_connection: 3, ..generous() });
    let (connection, _send, _receive) = dial_meter(echo.address, 66).await;
    let mut opened = Vec::new();
    for _ in 0..10_000 {
        let Ok(stream) = timeout(Duration::from_millis(100), connection.open_bi()).await else { break };
        let (mut send, receive) = stream.unwrap();
        send.write_all(&[&[0][..], &framed(b"on another stream")].concat()).await.unwrap();
        opened.push((send, receive));
    }
    assert_eq!(opened.len(), 2);
    assert!(timeout(Duration::from_millis(100), connection.open_uni()).await.is_err());
    echo.still_serves().await;
}

#[tokio::test]
async fn a_wrong_protocol_or_none_is_refused() {
    let echo = Echo::start(generous());
    for alpn in [VALIDATOR, b"h3", b"gridbook-meter/2", b""] {
        let error = dial(echo.address, alpn, Some([66; 32])).await.unwrap_err().to_string();
        assert!(error.contains("cryptographic handshake") || error.contains("120"), "{alpn:?}: {error}");
    }
    assert_eq!(echo.endpoint.stats().connections_made, 0);
    echo.still_serves().await;
}

#[tokio::test]
async fn a_client_without_a_key_is_refused() {
    let mut echo = Echo::start(generous());
    assert_eq!(refused_with(dial(echo.address, METER, None).await).await, AlertDescription::HandshakeFailure);
    assert!(echo.others.try_recv().is_err());
    echo.still_serves().await;
}

#[tokio::test]
async fn a_validators_key_is_a_key_like_any_other_here() {
    let mut echo = Echo::start(generous());
    let _client = MeterClient::connect(echo.address, public_key(&NODE_SEED), NODE_SEED).await.unwrap();
    let Some(MeterEvent::Opened { key, .. }) = echo.others.recv().await else { panic!("not opened") };
    assert_eq!(key, public_key(&NODE_SEED));
}

#[tokio::test]
async fn no_ticket_is_given_so_nothing_can_be_replayed_early() {
    let echo = Echo::start(generous());
    let endpoint = Endpoint::client(here()).unwrap();
    let config = config(METER, Some([66; 32]));
    for _ in 0..2 {
        let connecting = endpoint.connect_with(config.clone(), echo.address, "anything").unwrap();
        let connecting = connecting.into_0rtt().err().expect("0-rtt was possible");
        let connection = connecting.await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&[0]).await.unwrap();
        receive.read_exact(&mut [0]).await.unwrap();
        connection.close(VarInt::from_u32(0), b"");
    }
    echo.still_serves().await;
}

#[tokio::test]
async fn frames_over_quota_are_discarded_and_going_on_is_cut_off() {
    let per_key = Rate { frames_per_s: 0, frames_burst: 10, ..Rate::UNLIMITED };
    let mut echo = Echo::start(Quotas { per_key, strikes_max: 5, ..generous() });
    let (connection, mut send, mut receive) = dial_meter(echo.address, 66).await;
    let began = Instant::now();
    send.write_all(&framed(b"!").repeat(13)).await.unwrap();
    let mut answers = [0; 50];
    receive.read_exact(&mut answers).await.unwrap();
    assert!(matches!(echo.others.recv().await, Some(MeterEvent::Opened { .. })));
    for _ in 0..3 {
        let event = echo.others.recv().await;
        assert!(
            matches!(event, Some(MeterEvent::OverQuota { quota: Quota::KeyFrames, frame_bytes: 1, .. })),
            "{event:?}"
        );
    }
    send.write_all(&framed(b"!").repeat(13)).await.unwrap();
    let (code, reason) = closed_with(&connection).await;
    assert_eq!(code, CloseCode::OverQuota);
    assert!(reason.contains("KeyFrames"), "{reason}");
    assert!(timeout(Duration::from_millis(50), receive.read(&mut answers)).await.is_ok_and(|read| read.is_err()));
    // Five are let pass, and one more for each second.
    let most = 6 + began.elapsed().as_secs();
    let over = echo.endpoint.stats().frames_over_quota;
    assert!((6..=most).contains(&over), "{over} of at most {most}");
    // The key comes back and finds its bucket as it left it.
    let (connection, mut send, _receive) = dial_meter(echo.address, 66).await;
    send.write_all(&framed(b"!").repeat(8)).await.unwrap();
    assert_eq!(closed_with(&connection).await.0, CloseCode::OverQuota);
    echo.still_serves().await;
}

/// Waits for word that a request was over this quota; clients may come and go meanwhile.
async fn over_quota(echo: &mut Echo, expected: Quota) {
    loop {
        match echo.others.recv().await.expect("the node has ended") {
            MeterEvent::Opened { .. } | MeterEvent::Closed { .. } => {}
            MeterEvent::OverQuota { quota, .. } => return assert_eq!(quota, expected),
            other @ MeterEvent::Frame { .. } => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn keys_by_the_dozen_do_not_multiply_an_addresss_quota() {
    let per_address = Rate { bytes_per_s: 0, bytes_burst: 2 * 262_148, ..Rate::UNLIMITED };
    let mut echo = Echo::start(Quotas { per_address, ..generous() });
    let (mut within, mut refused) = (0, 0);
    for seed in 60..66 {
        let mut client = echo.client(seed).await;
        client.send(vec![1; REQUEST_BYTES_MAX].into()).await.unwrap();
        let outcome = async {
            tokio::select! {
                answer = client.recv() => {
                    assert_eq!(answer.map(|answer| answer.len()), Some(REQUEST_BYTES_MAX));
                    within += 1;
                }
                () = over_quota(&mut echo, Quota::AddressBytes) => refused += 1,
            }
        };
        timeout(SOON, outcome).await.expect("neither answered nor refused");
    }
    assert_eq!((within, refused), (2, 4));
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_holds_no_memory() {
    let quotas = Quotas { answer_queue_bytes_max: 5 << 20, ..generous() };
    let (endpoint, mut events) = MeterEndpoint::bind(MeterServerConfig::new(NODE_SEED, here(), quotas)).unwrap();
    let (connection, _send, _receive) = dial_meter(endpoint.local_addr().unwrap(), 66).await;
    let Some(MeterEvent::Opened { connection: id, .. }) = events.recv().await else { panic!("not opened") };
    let answer = Bytes::from(vec![1; 64 << 10]);
    let mut queued = 0;
    let outcome = loop {
        match endpoint.send(id, answer.clone()) {
            MeterSend::Sent => queued += answer.len(),
            other => break other,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(outcome, MeterSend::Dropped);
    // The queue, what the transport holds, and the client's window: no more than that was taken.
    assert!(queued <= (5 << 20) + (2 << 20) + (13 << 20), "{queued} bytes were taken");
    assert_eq!(closed_with(&connection).await.0, CloseCode::AnswersNotRead);
    assert_eq!(events.recv().await, Some(MeterEvent::Closed { connection: id }));
    assert_eq!(endpoint.send(id, answer), MeterSend::Gone);
    assert_eq!(endpoint.stats().connections_dismissed, 1);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_after_a_while() {
    let mut config =
        MeterServerConfig::new(NODE_SEED, here(), Quotas { answer_queue_bytes_max: 64 << 20, ..generous() });
    config.answer_deadline = Duration::from_millis(300);
    let (endpoint, mut events) = MeterEndpoint::bind(config).unwrap();
    let (connection, _send, _receive) = dial_meter(endpoint.local_addr().unwrap(), 66).await;
    let Some(MeterEvent::Opened { connection: id, .. }) = events.recv().await else { panic!("not opened") };
    for _ in 0..12 {
        assert_eq!(endpoint.send(id, Bytes::from(vec![1; 4 << 20])), MeterSend::Sent);
    }
    assert_eq!(closed_with(&connection).await.0, CloseCode::AnswersNotRead);
}

#[tokio::test]
async fn requests_wait_with_their_sender_while_the_node_is_busy() {
    let (endpoint, mut events) = MeterEndpoint::bind(MeterServerConfig::new(NODE_SEED, here(), generous())).unwrap();
    let address = endpoint.local_addr().unwrap();
    let client = MeterClient::connect(address, public_key(&NODE_SEED), [1; 32]).await.unwrap();
    let request = Bytes::from(vec![1; 100_000]);
    let sending = tokio::spawn(async move {
        for _ in 0..100 {
            client.send(request.clone()).await.unwrap();
        }
        client
    });
    sleep(Duration::from_millis(300)).await;
    // A mebibyte for the node to take, a window, and the frame in hand: the rest stays outside.
    assert!(endpoint.stats().traffic.bytes_in < 1_800_000, "{}", endpoint.stats().traffic.bytes_in);
    assert!(!sending.is_finished());
    for _ in 0..101 {
        events.recv().await.unwrap();
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn junk_datagrams_disturb_nobody() {
    let echo = Echo::start(generous());
    let mut client = echo.client(1).await;
    let socket = UdpSocket::bind(here()).unwrap();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for round in 0..2000usize {
        let mut junk = vec![0; 1 + round % 1452];
        for byte in &mut junk {
            // Xorshift: the same junk every time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[0];
        }
        match round % 4 {
            // Version negotiation, an unknown version, and something that calls itself a first packet.
            0 if junk.len() > 8 => junk[..6].copy_from_slice(&[0xc0, 0, 0, 0, 0, 8]),
            1 if junk.len() > 8 => junk[..6].copy_from_slice(&[0xc0, 0xba, 0xba, 0xba, 0xba, 8]),
            2 if junk.len() > 8 => junk[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]),
            _ => {}
        }
        socket.send_to(&junk, echo.address).unwrap();
    }
    socket.send_to(&[], echo.address).unwrap();
    socket.send_to(&vec![0xc3; 60_000], echo.address).unwrap();
    client.send(Bytes::from_static(b"still here")).await.unwrap();
    let answer = timeout(SOON, client.recv()).await.unwrap();
    assert_eq!(answer.unwrap(), "still here");
    echo.still_serves().await;
}

//! Packets that no QUIC library sends: forged, spoofed, of another version, in pieces.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod raw;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gridbook_net::{CloseCode, Quotas};
use quinn::{Connection, ConnectionError, Endpoint, SendStream};
use quinn_proto::TransportErrorCode;
use raw::forger::{Forgery, dial_forged, stream_frame};
use raw::{Echo, METER, SOON, closed_with, config, dial_meter, framed, generous, here, refused_with};
use rustls::AlertDescription;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tokio::time::{sleep, timeout};

/// A forger with its control stream open and answered.
async fn forger(echo: &Echo) -> (Connection, SendStream, Forgery) {
    let forgery = Forgery::default();
    let connection = dial_forged(echo.address, METER, [66; 32], &forgery).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0]).await.unwrap();
    receive.read_exact(&mut [0]).await.unwrap();
    (connection, send, forgery)
}

/// Says one frame instead of the next packet, and waits for the end.
async fn closed_after(echo: &Echo, frame: Vec<u8>) -> TransportErrorCode {
    let (connection, mut send, forgery) = forger(echo).await;
    forgery.say(move |room| (room > 1_000).then(|| frame.clone()));
    send.write_all(&[1; 4_000]).await.unwrap();
    match timeout(SOON, connection.closed()).await.expect("not closed") {
        ConnectionError::ConnectionClosed(close) => close.error_code,
        other => panic!("closed otherwise: {other}"),
    }
}

/// The ten-thousandth stream, of three that are allowed.
#[tokio::test]
async fn a_stream_beyond_those_allowed_closes_the_connection() {
    let echo = Echo::start(generous());
    for number in [10_000, 1 << 59] {
        let code = closed_after(&echo, stream_frame(4 * number, 0, &[0; 40])).await;
        assert_eq!(code, TransportErrorCode::STREAM_LIMIT_ERROR);
    }
    echo.still_serves().await;
}

/// Bytes beyond the window: nobody has to hold them.
#[tokio::test]
async fn bytes_beyond_the_window_close_the_connection() {
    let echo = Echo::start(generous());
    for offset in [1 << 20, (1 << 61) - 1] {
        assert_eq!(closed_after(&echo, stream_frame(0, offset, &[7; 6])).await, TransportErrorCode::FLOW_CONTROL_ERROR);
    }
    echo.still_serves().await;
}

/// A frame of QUIC that has no meaning, and one that ends in the middle.
#[tokio::test]
async fn a_frame_of_quic_without_a_meaning_closes_the_connection() {
    let echo = Echo::start(generous());
    let unknown = closed_after(&echo, vec![0x3f, 0x3f]).await;
    let unfinished = [&[0x0e, 0, 0][..], &u64::MAX.to_be_bytes()].concat();
    let unfinished = closed_after(&echo, unfinished).await;
    assert_eq!([unknown, unfinished], [TransportErrorCode::FRAME_ENCODING_ERROR; 2]);
    echo.still_serves().await;
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// RUSTSEC-2026-0341: pieces of 6 bytes with a byte missing between each two, so that none can be joined to another. The window
/// bounds what is kept, and joining must not cost more the more there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_in_tiny_pieces_with_gaps_costs_little_memory_and_time() {
    let echo = Echo::start(generous());
    echo.still_serves().await;
    let (connection, mut send, forgery) = forger(&echo).await;
    let mut piece = 1;
    forgery.say(move |room| {
        (room > 1_000).then(|| {
            let frame_bytes = stream_frame(0, 0, &[0; 6]).len();
            let frames = (piece..).take(room / frame_bytes).map(|number| stream_frame(0, 2 + 7 * number, &[9; 6]));
            piece += (room / frame_bytes) as u64;
            frames.flatten().collect()
        })
    });
    let (before, began) = (resident_bytes(), Instant::now());
    // The client believes that it sends this, until the window is full.
    let filling = async {
        for _ in 0..400 {
            send.write_all(&[1; 1_000]).await.unwrap();
        }
    };
    timeout(Duration::from_secs(20), filling).await.expect("the pieces are not taken");
    echo.still_serves().await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes more for half a mebibyte of window");
    assert!(began.elapsed() < Duration::from_secs(20));
    connection.close(0u32.into(), b"");
}

/// One byte a second: the frame that it belongs to is given up at its deadline, whatever trickles in.
#[tokio::test]
async fn a_byte_a_second_does_not_hold_a_stream_open() {
    let echo = Echo::with(generous(), |config| config.frame_deadline = Duration::from_millis(2_500));
    let (connection, mut send, _receive) = dial_meter(echo.address, 66).await;
    let began = Instant::now();
    // A thousand seconds of it, far more than the end is waited for.
    let drip = async {
        for byte in framed(&[1; 1_000]) {
            if send.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    let ((code, _), ()) = tokio::join!(closed_with(&connection), drip);
    assert_eq!(code, CloseCode::FrameTooSlow);
    assert!(began.elapsed() >= Duration::from_millis(2_400), "given up before its deadline");
    echo.still_serves().await;
}

/// Ten thousand streams, never more than allowed at a time: each ends, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_one_after_the_other_leave_nothing_behind() {
    let echo = Echo::start(Quotas { streams_per_connection: 4, ..generous() });
    let (connection, _send, _receive) = dial_meter(echo.address, 66).await;
    let mut before = 0;
    for number in 0..10_000 {
        let opened = timeout(SOON, connection.open_bi()).await;
        let (mut send, mut receive) = opened.unwrap_or_else(|_| panic!("stuck at {number}")).unwrap();
        send.write_all(&[0]).await.unwrap();
        send.finish().unwrap();
        receive.read_to_end(0).await.unwrap();
        if number == 2_000 {
            before = resident_bytes();
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more after 8,000 streams that have ended");
    echo.still_serves().await;
}

/// TLS 1.2 was broken often enough; QUIC knows only 1.3.
#[tokio::test]
async fn an_older_tls_is_refused() {
    let echo = Echo::start(generous());
    let versions = |last| vec![0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, last];
    for older in [0x03, 0x02, 0x01] {
        let forgery = Forgery::of_hello(versions(0x04), versions(older));
        let error = dial_forged(echo.address, METER, [66; 32], &forgery).await.unwrap_err();
        let ConnectionError::ConnectionClosed(close) = &error else { panic!("closed otherwise: {error}") };
        // 0x100 and the alert `protocol_version`.
        assert_eq!(close.error_code, TransportErrorCode::crypto(70), "{error}");
    }
    assert_eq!(echo.endpoint.stats().connections_made, 0);
    echo.still_serves().await;
}

/// Presents a certificate, as devices of other systems have one, instead of a bare key.
#[derive(Debug)]
struct Certified;

impl ResolvesClientCert for Certified {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = raw::key(&[66; 32]).key.clone();
        Some(Arc::new(CertifiedKey::new(vec![CertificateDer::from(vec![0x30; 300])], key)))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Whatever a certificate says about its age and issuer is never read: there are none here, so none can be expired or revoked.
#[tokio::test]
async fn a_certificate_in_the_place_of_a_key_is_refused() {
    let mut echo = Echo::start(generous());
    let mut tls = raw::tls(METER, None);
    tls.client_auth_cert_resolver = Arc::new(Certified);
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let endpoint = Endpoint::client(here()).unwrap();
    let dialled = endpoint.connect_with(config, echo.address, "anything").unwrap().await;
    assert_eq!(refused_with(dialled).await, AlertDescription::HandshakeFailure);
    assert!(echo.others.try_recv().is_err());
    assert_eq!(echo.endpoint.stats().connections_made, 0);
    echo.still_serves().await;
}

/// The first packet of an honest client, caught on its way.
async fn first_packet() -> Vec<u8> {
    let trap = UdpSocket::bind(here()).unwrap();
    let endpoint = Endpoint::client(here()).unwrap();
    let _connecting =
        endpoint.connect_with(config(METER, Some([66; 32])), trap.local_addr().unwrap(), "anything").unwrap();
    sleep(Duration::from_millis(50)).await;
    let mut packet = vec![0; 2_000];
    trap.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let length = trap.recv(&mut packet).unwrap();
    packet.truncate(length);
    packet
}

/// How many bytes come back for packets from an address, whose owner may never have sent them.
async fn echoed_bytes(to: SocketAddr, packets: &[Vec<u8>], wait: Duration) -> Vec<Vec<u8>> {
    let victim = UdpSocket::bind(here()).unwrap();
    for packet in packets {
        victim.send_to(packet, to).unwrap();
    }
    sleep(wait).await;
    victim.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 2_000];
    std::iter::from_fn(|| victim.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())).collect()
}

/// The address in a first packet is somebody else's, who must not be flooded with our answers: three times what came is the most
/// (RFC 9000, section 8.1), which the library keeps but for the packet that crosses it. A handshake that nobody completes leaves no
/// client behind.
#[tokio::test]
async fn a_forged_sender_is_not_flooded_with_answers() {
    let mut echo = Echo::start(generous());
    let packet = first_packet().await;
    assert_eq!(packet.len(), 1_200);
    let answers = echoed_bytes(echo.address, std::slice::from_ref(&packet), Duration::from_millis(1_500)).await;
    let bytes: usize = answers.iter().map(Vec::len).sum();
    let sizes: Vec<usize> = answers.iter().map(Vec::len).collect();
    assert!(bytes > 0 && bytes < 4 * packet.len(), "{sizes:?} bytes for {}", packet.len());
    assert!(echo.others.try_recv().is_err());
    assert_eq!(echo.endpoint.stats().connections_made, 0);
    echo.still_serves().await;
}

fn long_header(version: u32, bytes: usize) -> Vec<u8> {
    let mut packet = vec![0xc0];
    packet.extend(version.to_be_bytes());
    packet.extend([8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 7, 6, 5, 4, 3, 2, 1]);
    packet.resize(bytes, 0x5a);
    packet
}

/// A version that nobody knows is answered by the list of those that are, if the packet is as large as a first one must be. A list
/// sent to us, or a small packet, is not answered: two nodes could be made to answer each other for ever, or a third.
#[tokio::test]
async fn junk_about_versions_is_answered_at_most_once_and_never_with_more() {
    let echo = Echo::start(generous());
    let ask = |packet: Vec<u8>| async { echoed_bytes(echo.address, &[packet], Duration::from_millis(200)).await };
    let answers = ask(long_header(0xbaba_baba, 1_200)).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0][1..5], [0; 4], "a version negotiation packet");
    assert!(answers[0].len() < 100);
    assert!(ask(long_header(0xbaba_baba, 200)).await.is_empty());
    assert!(ask(long_header(0, 1_200)).await.is_empty());
    assert!(ask(long_header(1, 1_200)).await.is_empty(), "junk that calls itself a first packet");
    echo.still_serves().await;
}

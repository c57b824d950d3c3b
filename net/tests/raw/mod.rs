//! A bare QUIC client that keeps none of the crate's rules, and a node that answers every request with itself.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "only tests are built from this")]

pub(crate) mod forger;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gridbook_net::{
    CloseCode, Events, MeterClient, MeterEndpoint, MeterEvent, MeterServerConfig, Quotas, Rate, public_key,
};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::{default_provider, sign::any_eddsa_type};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, DigitallySignedStruct, Error, SignatureScheme, version};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) const METER: &[u8] = b"gridbook-meter/1";
pub(crate) const VALIDATOR: &[u8] = b"gridbook-validator/1";
pub(crate) const NODE_SEED: [u8; 32] = [77; 32];

/// How long is waited for what must happen: beyond it a test hangs. It is no claim about how fast anything is.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Any free port of this machine.
pub(crate) fn here() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// An address for whoever comes back at it in another life. A port that is asked for and given back may be another's the next moment;
/// where all of 127.0.0.0/8 is this machine, each process has an address of its own, and the ports lie below those that are given out.
pub(crate) fn free_address() -> SocketAddr {
    if cfg!(target_os = "linux") {
        static PORT: AtomicU16 = AtomicU16::new(21_000);
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        (Ipv4Addr::new(127, high, middle, low), PORT.fetch_add(1, Ordering::Relaxed)).into()
    } else {
        std::net::UdpSocket::bind(here()).unwrap().local_addr().unwrap()
    }
}

/// Quotas that no test meets by accident.
pub(crate) fn generous() -> Quotas {
    Quotas { per_key: Rate::UNLIMITED, per_address: Rate::UNLIMITED, ..Quotas::default() }
}

/// A node that answers every request with its own bytes and keeps a list of what else happened.
pub(crate) struct Echo {
    pub(crate) endpoint: MeterEndpoint,
    pub(crate) address: SocketAddr,
    pub(crate) others: mpsc::UnboundedReceiver<MeterEvent>,
}

impl Echo {
    pub(crate) fn start(quotas: Quotas) -> Self {
        Self::with(quotas, |_| {})
    }

    pub(crate) fn with(quotas: Quotas, change: impl FnOnce(&mut MeterServerConfig)) -> Self {
        let mut config = MeterServerConfig::new(NODE_SEED, here(), quotas);
        change(&mut config);
        let (endpoint, events) = MeterEndpoint::bind(config).unwrap();
        let (sender, others) = mpsc::unbounded_channel();
        tokio::spawn(echo(endpoint.clone(), events, sender));
        Self { address: endpoint.local_addr().unwrap(), endpoint, others }
    }

    pub(crate) async fn client(&self, seed: u8) -> MeterClient {
        MeterClient::connect(self.address, public_key(&NODE_SEED), [seed; 32]).await.unwrap()
    }

    /// The harm of a hostile client must end with it: a well-behaved one is answered.
    pub(crate) async fn still_serves(&self) {
        let mut client = self.client(200).await;
        for request in [Bytes::from_static(b"are you well?"), Bytes::from(vec![7; 100_000])] {
            client.send(request.clone()).await.unwrap();
            let answer = timeout(SOON, client.recv()).await.expect("no answer in time");
            assert_eq!(answer, Some(request));
        }
        client.close().await;
    }
}

async fn echo(endpoint: MeterEndpoint, mut events: Events<MeterEvent>, others: mpsc::UnboundedSender<MeterEvent>) {
    while let Some(event) = events.recv().await {
        match event {
            MeterEvent::Frame { connection, bytes } => {
                let _ = endpoint.send(connection, bytes);
            }
            other => {
                let _ = others.send(other);
            }
        }
    }
}

/// Dials with a key and a protocol of one's choice, and believes any server.
pub(crate) async fn dial(
    address: SocketAddr,
    alpn: &[u8],
    seed: Option<[u8; 32]>,
) -> Result<Connection, ConnectionError> {
    let endpoint = Endpoint::client(here()).unwrap();
    endpoint.connect_with(config(alpn, seed), address, "anything").unwrap().await
}

/// A connection to a meter endpoint with its control stream open and answered.
pub(crate) async fn dial_meter(address: SocketAddr, seed: u8) -> (Connection, SendStream, RecvStream) {
    let connection = dial(address, METER, Some([seed; 32])).await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0]).await.unwrap();
    receive.read_exact(&mut [0]).await.unwrap();
    (connection, send, receive)
}

/// The client's configuration; tickets would be used if the server gave any.
pub(crate) fn config(alpn: &[u8], seed: Option<[u8; 32]>) -> quinn::ClientConfig {
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls(alpn, seed)).unwrap()));
    let mut transport = TransportConfig::default();
    transport.max_concurrent_uni_streams(3u32.into());
    config.transport_config(Arc::new(transport));
    config
}

/// The client's half of TLS.
pub(crate) fn tls(alpn: &[u8], seed: Option<[u8; 32]>) -> rustls::ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Gullible));
    let mut tls = match seed {
        Some(seed) => builder.with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key(&seed)))),
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = if alpn.is_empty() { Vec::new() } else { vec![alpn.to_vec()] };
    tls.enable_early_data = true;
    tls
}

/// The code and the words a connection is closed with by the other side, which must happen soon.
pub(crate) async fn closed_with(connection: &Connection) -> (CloseCode, String) {
    match timeout(SOON, connection.closed()).await.expect("not closed") {
        ConnectionError::ApplicationClosed(close) => {
            let code = CloseCode::from_number(close.error_code.into_inner()).expect("a code of ours");
            (code, String::from_utf8(close.reason.to_vec()).unwrap())
        }
        other => panic!("closed otherwise: {other}"),
    }
}

/// The alert of TLS (RFC 8446, section 6) that a handshake is refused with by the other side. The client's half of it completes first, so
/// the refusal may come as the end of the connection.
pub(crate) async fn refused_with(dialled: Result<Connection, ConnectionError>) -> AlertDescription {
    let error = match dialled {
        Ok(connection) => timeout(SOON, connection.closed()).await.expect("let in"),
        Err(error) => error,
    };
    match &error {
        // 0x100 and the alert (RFC 9001, section 4.8).
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) >> 8 == 1 => {
            AlertDescription::from(u64::from(close.error_code).to_le_bytes()[0])
        }
        other => panic!("ended otherwise: {other}"),
    }
}

/// A frame as the wire has it.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).unwrap().to_le_bytes()[..], payload].concat()
}

pub(crate) fn key(seed: &[u8; 32]) -> Arc<CertifiedKey> {
    let pkcs8 = [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", &seed[..]].concat();
    let signing = any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).unwrap();
    let spki = CertificateDer::from(signing.public_key().unwrap().to_vec());
    Arc::new(CertifiedKey::new(vec![spki], signing))
}

/// Believes that anybody is the server.
#[derive(Debug)]
struct Gullible;

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

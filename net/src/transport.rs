//! How quinn is set up: windows, timeouts, stream counts, reset keys.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use quinn_proto::RandomConnectionIdGenerator;
use rustls::crypto::tls13::OkmBlock;

/// The application protocol between validators, as TLS names it.
pub const VALIDATOR_ALPN: &[u8] = b"gridbook-validator/1";

/// The application protocol between a meter or gateway and a node, as TLS names it.
pub const METER_ALPN: &[u8] = b"gridbook-meter/1";

/// The name a client must give although nobody looks at it: keys are pinned, names prove nothing.
pub(crate) const SERVER_NAME: &str = "gridbook";

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

/// What a stream between validators may have in flight: 8 MiB fills 1 Gbit/s at 64 ms round trip.
const PEER_STREAM_WINDOW: u32 = 8 * MIB;

/// All three streams together, so that a full one never takes the window of another.
const PEER_WINDOW: u32 = 3 * PEER_STREAM_WINDOW;

/// What a meter may have in flight towards the node: one longest request and as much again.
const REQUEST_WINDOW: u32 = 512 * KIB;

/// What the node may have in flight towards one meter.
const ANSWER_WINDOW: u32 = 2 * MIB;

/// The first guess of a round trip: a lost first packet is sent again after three of these.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);

/// Why an endpoint cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket cannot be opened.
    #[error("cannot listen on udp {address}: {source}; is another process using it?")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A peer appears twice, or is this validator itself.
    #[error(
        "validator {index} is configured twice, or is this validator itself: give every peer its own index and key"
    )]
    DuplicatePeer {
        /// The index in question.
        index: u16,
    },
    /// A quota under which some frame of legal length could never pass.
    #[error("a burst of {bytes_burst} bytes cannot hold one frame: give quotas at least {bytes_min}")]
    BurstTooSmall {
        /// The burst configured, bytes.
        bytes_burst: u64,
        /// The least that makes sense, bytes.
        bytes_min: u64,
    },
}

/// The transport between validators. `idle_timeout` after the last packet a peer is taken for dead.
pub(crate) fn peer_transport(idle_timeout: Duration) -> Arc<TransportConfig> {
    let mut transport = base_transport(idle_timeout);
    transport
        .keep_alive_interval(Some(idle_timeout / 3))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(3))
        .stream_receive_window(VarInt::from_u32(PEER_STREAM_WINDOW))
        .receive_window(VarInt::from_u32(PEER_WINDOW))
        .send_window(u64::from(PEER_WINDOW));
    Arc::new(transport)
}

/// The node's side towards meters; `streams` is how many a client may have open at once.
pub(crate) fn meter_server_transport(idle_timeout: Duration, streams: u32) -> Arc<TransportConfig> {
    let mut transport = base_transport(idle_timeout);
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(REQUEST_WINDOW))
        .receive_window(VarInt::from_u32(REQUEST_WINDOW))
        .send_window(u64::from(ANSWER_WINDOW));
    Arc::new(transport)
}

/// The meter's side. It keeps the connection alive, so that the address translation of its router does too.
pub(crate) fn meter_client_transport(idle_timeout: Duration) -> Arc<TransportConfig> {
    let mut transport = base_transport(idle_timeout);
    transport
        .keep_alive_interval(Some(idle_timeout / 3))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(ANSWER_WINDOW))
        .receive_window(VarInt::from_u32(ANSWER_WINDOW))
        .send_window(u64::from(REQUEST_WINDOW));
    Arc::new(transport)
}

/// A listening endpoint's configuration.
pub(crate) fn server_config(tls: rustls::ServerConfig, transport: Arc<TransportConfig>) -> ServerConfig {
    let crypto = QuicServerConfig::try_from(tls).expect("ring has the cipher suite of quic's first packets");
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    // Attempts are taken up at once, so few ever wait and none needs to bring much.
    config.transport_config(transport).max_incoming(1024);
    config.incoming_buffer_size(64 << 10).incoming_buffer_size_total(8 << 20);
    config
}

/// A dialling endpoint's configuration.
pub(crate) fn client_config(tls: rustls::ClientConfig, transport: Arc<TransportConfig>) -> quinn::ClientConfig {
    let crypto = QuicClientConfig::try_from(tls).expect("ring has the cipher suite of quic's first packets");
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport);
    config
}

/// Opens the socket and the endpoint on it.
///
/// The reset key comes from `seed`, so that a restarted endpoint can tell the peers of its former life that their
/// connections are gone (RFC 9000, section 10.3). It is bound to `alpn` too: a reset token must not be had from another
/// endpoint of the same seed.
pub(crate) fn listen(
    address: SocketAddr,
    seed: &[u8; 32],
    alpn: &[u8],
    config: ServerConfig,
) -> Result<Endpoint, BindError> {
    let mut endpoint_config = EndpointConfig::new(Arc::new(ResetKey::new(seed, alpn)));
    // The default generator marks its ids with a key of this process, and would ignore those of the last one.
    endpoint_config.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(8)));
    UdpSocket::bind(address)
        .and_then(|socket| Endpoint::new(endpoint_config, Some(config), socket, Arc::new(quinn::TokioRuntime)))
        .map_err(|source| BindError::Socket { address, source })
}

fn base_transport(idle_timeout: Duration) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::try_from(idle_timeout).expect("timeouts are far below 2^62 ms")))
        .initial_rtt(INITIAL_ROUND_TRIP)
        .datagram_receive_buffer_size(None);
    transport
}

/// HMAC-SHA256 under a key drawn from an identity's seed.
struct ResetKey(OkmBlock);

impl ResetKey {
    fn new(seed: &[u8; 32], alpn: &[u8]) -> Self {
        let message = [b"gridbook stateless reset 1 ", alpn].concat();
        Self(OkmBlock::new(hmac_sha256(&OkmBlock::new(seed), &message).as_ref()))
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(hmac_sha256(&self.0, data).as_ref());
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // quinn only ever signs with this key; a plain comparison would do for it, but must not tempt others.
        let expected = hmac_sha256(&self.0, data);
        let difference = expected.as_ref().iter().zip(signature).fold(0, |all, (left, right)| all | (left ^ right));
        if signature.len() == self.signature_len() && difference == 0 { Ok(()) } else { Err(CryptoError) }
    }
}

fn hmac_sha256(key: &OkmBlock, message: &[u8]) -> rustls::crypto::hmac::Tag {
    rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .expect("the suite is one of tls 1.3")
        .hkdf_provider
        .hmac_sign(key, message)
}

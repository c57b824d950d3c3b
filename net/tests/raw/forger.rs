//! A QUIC client whose packets are changed just before they are encrypted: it says what no library would say.

use std::any::Any;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint, TransportConfig};
use quinn_proto::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError};

/// The bytes of the next packet's payload instead of the honest ones; none to leave it as it is.
type NextPayload = Box<dyn FnMut(usize) -> Option<Vec<u8>> + Send>;

/// What is changed.
#[derive(Clone, Default)]
pub(crate) struct Forgery {
    /// Bytes of the client's first message that are replaced by others of the same length.
    hello: Option<(Vec<u8>, Vec<u8>)>,
    payload: Arc<Mutex<Option<NextPayload>>>,
}

impl Forgery {
    /// Replaces bytes of the client's first message by others of the same length.
    pub(crate) fn of_hello(honest: Vec<u8>, forged: Vec<u8>) -> Self {
        assert_eq!(honest.len(), forged.len());
        Self { hello: Some((honest, forged)), ..Self::default() }
    }

    /// From now on every packet with room for it carries what `next` says: it is told how many bytes there are.
    pub(crate) fn say(&self, next: impl FnMut(usize) -> Option<Vec<u8>> + Send + 'static) {
        *self.payload.lock().unwrap() = Some(Box::new(next));
    }
}

/// Dials as [`super::dial`] does, with a forger's packets.
pub(crate) async fn dial_forged(
    address: std::net::SocketAddr,
    alpn: &[u8],
    seed: [u8; 32],
    forgery: &Forgery,
) -> Result<Connection, ConnectionError> {
    let inner = Arc::new(QuicClientConfig::try_from(super::tls(alpn, Some(seed))).unwrap());
    let mut config = quinn::ClientConfig::new(Arc::new(Forger { inner, forgery: forgery.clone() }));
    let mut transport = TransportConfig::default();
    // Whole packets, one after the other, of a size that is known.
    transport.mtu_discovery_config(None).enable_segmentation_offload(false);
    config.transport_config(Arc::new(transport));
    Endpoint::client(super::here()).unwrap().connect_with(config, address, "anything").unwrap().await
}

/// A STREAM frame with offset and length (RFC 9000, section 19.8).
pub(crate) fn stream_frame(stream: u64, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x0e];
    for number in [stream, offset, data.len() as u64] {
        frame.extend(varint(number));
    }
    [&frame[..], data].concat()
}

/// Eight bytes always (RFC 9000, section 16).
fn varint(number: u64) -> [u8; 8] {
    (number | 3 << 62).to_be_bytes()
}

struct Forger {
    inner: Arc<QuicClientConfig>,
    forgery: Forgery,
}

impl ClientConfig for Forger {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = Arc::clone(&self.inner).start_session(version, server_name, params)?;
        Ok(Box::new(ForgedSession { inner, forgery: self.forgery.clone(), keys_given: 0 }))
    }
}

struct ForgedSession {
    inner: Box<dyn Session>,
    forgery: Forgery,
    keys_given: u32,
}

impl Session for ForgedSession {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.inner.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.inner.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.inner.read_handshake(buf)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.inner.transport_parameters()
    }

    /// The first keys it gives are those of the handshake, the second those of what follows.
    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let start = buf.len();
        let mut keys = self.inner.write_handshake(buf);
        if let Some((honest, forged)) = &self.forgery.hello
            && let Some(place) = buf[start..].windows(honest.len()).position(|window| window == honest)
        {
            buf[start + place..][..forged.len()].copy_from_slice(forged);
        }
        if let Some(keys) = &mut keys {
            self.keys_given += 1;
            if self.keys_given == 2 {
                let honest = std::mem::replace(&mut keys.packet.local, Box::new(NoKey));
                keys.packet.local = Box::new(ForgingKey { honest, forgery: self.forgery.clone() });
            }
        }
        keys
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.inner.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(output, label, context)
    }
}

/// Encrypts something else than it was given.
struct ForgingKey {
    honest: Box<dyn PacketKey>,
    forgery: Forgery,
}

impl PacketKey for ForgingKey {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        let end = buf.len() - self.honest.tag_len();
        let payload = &mut buf[header_len..end];
        if let Some(next) = &mut *self.forgery.payload.lock().unwrap()
            && let Some(forged) = next(payload.len())
        {
            // What is left is padding, which is zero.
            payload.fill(0);
            payload[..forged.len()].copy_from_slice(&forged);
        }
        self.honest.encrypt(packet, buf, header_len);
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        self.honest.decrypt(packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        self.honest.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.honest.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.honest.integrity_limit()
    }
}

/// Stands in the place of a key while it is wrapped.
struct NoKey;

impl PacketKey for NoKey {
    fn encrypt(&self, _: u64, _: &mut [u8], _: usize) {}

    fn decrypt(&self, _: u64, _: &[u8], _: &mut BytesMut) -> Result<(), CryptoError> {
        Err(CryptoError)
    }

    fn tag_len(&self) -> usize {
        16
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

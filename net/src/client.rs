//! The meter's and the gateway's end.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use tokio::time::timeout;

use crate::close::{CloseCode, close, describe};
use crate::counters::Traffic;
use crate::desk::CONTROL_TAG;
use crate::frame::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX, is_sendable};
use crate::identity::{Accepted, client_tls};
use crate::outbox::Outbox;
use crate::reader::{FrameReader, ReadEnd, opening_byte};
use crate::transport::{METER_ALPN, SERVER_NAME, client_config, meter_client_transport};
use crate::validator::DRAIN_DEADLINE;

/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// After how much silence the node is taken for gone.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The bytes of requests that wait to be sent before sending waits.
const REQUEST_QUEUE_BYTES_MAX: usize = 1 << 20;

/// TLS alerts as QUIC carries them: 0x100 and the alert's number (RFC 9001, section 4.8).
const ALERT_ACCESS_DENIED: u64 = 0x100 + 49;
const ALERT_NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;

/// What went wrong between a client and a node, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeterClientError {
    /// No socket could be opened.
    #[error("cannot open a udp socket: {0}")]
    Socket(String),
    /// The address cannot be dialled at all.
    #[error("cannot dial {address}: {why}; give the address and udp port of a node's meter endpoint")]
    Undiallable {
        /// The address given.
        address: SocketAddr,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answered.
    #[error("no answer from {address}: check the address, that the node runs, and that its udp port is open")]
    Unreachable {
        /// The address dialled.
        address: SocketAddr,
    },
    /// Somebody answered who does not hold the pinned key.
    #[error("{address} does not hold the key pinned for this node: trust it with nothing, and check key and address")]
    WrongServerKey {
        /// The address dialled.
        address: SocketAddr,
    },
    /// Somebody answered who does not serve meters.
    #[error("{address} does not serve meters: the validators' port is another one, dial the node's meter port")]
    WrongProtocol {
        /// The address dialled.
        address: SocketAddr,
    },
    /// The node would not have this client, or the handshake failed otherwise.
    #[error("{address} refused the connection: {why}")]
    Refused {
        /// The address dialled.
        address: SocketAddr,
        /// The node's reason.
        why: String,
    },
    /// The node does not serve this client's key.
    #[error("{address} does not serve this key: {why}")]
    KeyNotServed {
        /// The address dialled.
        address: SocketAddr,
        /// The node's reason.
        why: String,
    },
    /// The connection has ended.
    #[error("connection ended: {0}; connect again")]
    Closed(String),
    /// The request is empty or longer than [`REQUEST_BYTES_MAX`].
    #[error("a request of {bytes} bytes cannot be sent: it must have 1 to {REQUEST_BYTES_MAX}")]
    Unsendable {
        /// Its length, bytes.
        bytes: usize,
    },
}

/// A connection from a meter or gateway to a node.
#[derive(Debug)]
pub struct MeterClient {
    sender: MeterSender,
    receiver: MeterReceiver,
}

impl MeterClient {
    /// Connects to a node's meter endpoint and waits until it lets this client in. The node must prove `server_key`.
    ///
    /// # Errors
    /// See [`MeterClientError`]; each says what to do.
    pub async fn connect(
        address: SocketAddr,
        server_key: [u8; 32],
        client_seed: [u8; 32],
    ) -> Result<Self, MeterClientError> {
        timeout(CONNECT_DEADLINE, connect(address, server_key, &client_seed))
            .await
            .unwrap_or(Err(MeterClientError::Unreachable { address }))
    }

    /// See [`MeterSender::send`].
    ///
    /// # Errors
    /// `Closed` or `Unsendable`.
    pub async fn send(&self, bytes: Bytes) -> Result<(), MeterClientError> {
        self.sender.send(bytes).await
    }

    /// See [`MeterReceiver::recv`].
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.receiver.recv().await
    }

    /// Why the connection has ended, if it has.
    pub fn closed_because(&self) -> Option<String> {
        self.sender.line.closed_because()
    }

    /// The code the node closed the connection with, if it did.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.sender.line.close_code()
    }

    /// Both directions, for use in two tasks.
    pub fn split(self) -> (MeterSender, MeterReceiver) {
        (self.sender, self.receiver)
    }

    /// Sends what is queued, for half a second at most, and takes leave. Dropping a client does neither wait nor send.
    pub async fn close(self) {
        self.sender.close().await;
    }
}

/// The sending direction; clones send on the same connection.
#[derive(Debug, Clone)]
pub struct MeterSender {
    line: Arc<ClientLine>,
}

impl MeterSender {
    /// Queues a request, waiting while a mebibyte of them is not sent yet. Cancel-safe.
    ///
    /// # Errors
    /// `Closed` once the connection has ended, `Unsendable` for an empty or too long request.
    pub async fn send(&self, bytes: Bytes) -> Result<(), MeterClientError> {
        if !is_sendable(&bytes, REQUEST_BYTES_MAX) {
            return Err(MeterClientError::Unsendable { bytes: bytes.len() });
        }
        let is_open = self.line.connection.close_reason().is_none();
        if is_open && self.line.outbox.push_when_room(&bytes).await { Ok(()) } else { Err(self.line.closed()) }
    }

    /// Why the connection has ended, if it has.
    pub fn closed_because(&self) -> Option<String> {
        self.line.closed_because()
    }

    /// The code the node closed the connection with, if it did.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.line.close_code()
    }

    /// Sends what is queued, for half a second at most, and takes leave, for all clones and the receiver.
    pub async fn close(&self) {
        self.line.outbox.finish();
        let _ = timeout(DRAIN_DEADLINE, self.line.outbox.writer_ended()).await;
        self.line.endpoint.close(CloseCode::Done.var_int(), b"done");
        let _ = timeout(DRAIN_DEADLINE, self.line.endpoint.wait_idle()).await;
    }
}

/// The receiving direction.
#[derive(Debug)]
pub struct MeterReceiver {
    line: Arc<ClientLine>,
    reader: FrameReader,
    /// Frames that arrived with an earlier one, the next at the end.
    ready: Vec<Bytes>,
    ended: bool,
}

impl MeterReceiver {
    /// The next answer or pushed event; `None` once the connection has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Bytes> {
        if self.ready.is_empty() && !self.ended {
            if let Err(end) = self.reader.read(&mut self.ready).await {
                self.ended = true;
                if let ReadEnd::Frame(error) = end {
                    close(&self.line.connection, error.close_code(), &error.to_string());
                }
            }
            self.ready.reverse();
        }
        self.ready.pop()
    }

    /// Why the connection has ended, if it has.
    pub fn closed_because(&self) -> Option<String> {
        self.line.closed_because()
    }

    /// The code the node closed the connection with, if it did.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.line.close_code()
    }
}

/// What both directions share; the connection ends with the last of them.
#[derive(Debug)]
struct ClientLine {
    endpoint: Endpoint,
    connection: Connection,
    outbox: Arc<Outbox>,
}

impl ClientLine {
    fn closed_because(&self) -> Option<String> {
        self.connection.close_reason().map(|error| describe(&error))
    }

    fn close_code(&self) -> Option<CloseCode> {
        match self.connection.close_reason()? {
            ConnectionError::ApplicationClosed(close) => CloseCode::from_number(close.error_code.into_inner()),
            _ => None,
        }
    }

    fn closed(&self) -> MeterClientError {
        MeterClientError::Closed(self.closed_because().unwrap_or_else(|| "this side has taken leave".to_owned()))
    }
}

impl Drop for ClientLine {
    fn drop(&mut self) {
        self.connection.close(CloseCode::Done.var_int(), b"dropped");
    }
}

async fn connect(address: SocketAddr, server_key: [u8; 32], seed: &[u8; 32]) -> Result<MeterClient, MeterClientError> {
    let tls = client_tls(seed, Accepted::Among(vec![server_key]), METER_ALPN);
    let config = client_config(tls, meter_client_transport(IDLE_TIMEOUT));
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = Endpoint::client(any).map_err(|error| MeterClientError::Socket(error.to_string()))?;
    let connecting = endpoint
        .connect_with(config, address, SERVER_NAME)
        .map_err(|error| MeterClientError::Undiallable { address, why: error.to_string() })?;
    let connection = connecting.await.map_err(|error| explain(address, &error))?;
    let (send, receive) = first_stream(&connection).await.ok_or_else(|| match connection.close_reason() {
        Some(error) => explain(address, &error),
        None => MeterClientError::WrongProtocol { address },
    })?;
    let outbox = Arc::new(Outbox::new(REQUEST_QUEUE_BYTES_MAX));
    let line = Arc::new(ClientLine { endpoint, connection, outbox: Arc::clone(&outbox) });
    tokio::spawn(async move { outbox.write_to(send, &Traffic::default(), None).await });
    let reader = FrameReader::new(receive, ANSWER_BYTES_MAX, None);
    let receiver = MeterReceiver { line: Arc::clone(&line), reader, ready: Vec::new(), ended: false };
    Ok(MeterClient { sender: MeterSender { line }, receiver })
}

/// Opens the control stream. The server's byte on it says that this client was let in.
async fn first_stream(connection: &Connection) -> Option<(SendStream, RecvStream)> {
    let (mut send, mut receive) = connection.open_bi().await.ok()?;
    send.write_all(&[CONTROL_TAG]).await.ok()?;
    (opening_byte(&mut receive).await? == CONTROL_TAG).then_some((send, receive))
}

fn explain(address: SocketAddr, error: &ConnectionError) -> MeterClientError {
    match error {
        ConnectionError::TimedOut => MeterClientError::Unreachable { address },
        ConnectionError::TransportError(error) if u64::from(error.code) == ALERT_ACCESS_DENIED => {
            MeterClientError::WrongServerKey { address }
        }
        ConnectionError::ConnectionClosed(close) if u64::from(close.error_code) == ALERT_NO_APPLICATION_PROTOCOL => {
            MeterClientError::WrongProtocol { address }
        }
        ConnectionError::ApplicationClosed(close)
            if CloseCode::from_number(close.error_code.into_inner()) == Some(CloseCode::KeyNotServed) =>
        {
            MeterClientError::KeyNotServed { address, why: String::from_utf8_lossy(&close.reason).into_owned() }
        }
        other => MeterClientError::Refused { address, why: describe(other) },
    }
}

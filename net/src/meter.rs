//! A node's endpoint for meters and gateways.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::close::{CloseCode, close, describe};
use crate::counters::{MeterCounters, MeterStats};
use crate::events::{Budget, EventSender, Events, FREE, channel};
use crate::frame::{ANSWER_BYTES_MAX, HEADER_BYTES, REQUEST_BYTES_MAX, is_sendable};
use crate::handshake::{HANDSHAKE_DEADLINE, HandshakeGate, TurnedAway, complete};
use crate::identity::{Accepted, server_tls};
use crate::outbox::{Outbox, WriteEnd};
use crate::peer::LAST_FRAMES_DEADLINE;
use crate::quota::{Admission, Full, Quota, QuotaBook, Quotas};
use crate::reader::{FrameReader, ReadEnd, opening_byte};
use crate::transport::{BindError, METER_ALPN, listen, meter_server_transport, server_config};
use crate::validator::DRAIN_DEADLINE;

/// The byte that opens a meter's stream, and that the server answers it with.
pub(crate) const CONTROL_TAG: u8 = 0;

/// The most bytes of one client's requests that wait for the node to take them.
const CLIENT_INBOX_BYTES_MAX: usize = 1 << 20;

/// What a meter endpoint needs to know. Its seed is never printed.
#[derive(Clone)]
pub struct MeterServerConfig {
    /// The ed25519 seed of the key that meters pin.
    pub seed: [u8; 32],
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What clients may ask.
    pub quotas: Quotas,
    /// How long a frame may take to arrive.
    pub frame_deadline: Duration,
    /// How long a client may take nothing of an answer before it is closed.
    pub answer_deadline: Duration,
    /// After how much silence a client is taken for gone.
    pub idle_timeout: Duration,
}

impl MeterServerConfig {
    /// A configuration with the usual deadlines: 10 s a frame, 30 s to take of an answer, 30 s of silence.
    pub fn new(seed: [u8; 32], listen: SocketAddr, quotas: Quotas) -> Self {
        let [frame_deadline, answer_deadline, idle_timeout] = [10, 30, 30].map(Duration::from_secs);
        Self { seed, listen, quotas, frame_deadline, answer_deadline, idle_timeout }
    }
}

impl std::fmt::Debug for MeterServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeterServerConfig").field("listen", &self.listen).field("quotas", &self.quotas).finish()
    }
}

/// Names a client's connection as long as the endpoint lives; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What clients do. For each connection, `Opened` comes first and `Closed` last; frames keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeterEvent {
    /// A client was let in.
    Opened {
        /// Its connection.
        connection: ConnectionId,
        /// The key it has proved. It authorises nothing.
        key: [u8; 32],
        /// Where it comes from.
        remote: SocketAddr,
    },
    /// A request within quota.
    Frame {
        /// The connection it came on.
        connection: ConnectionId,
        /// The payload, opaque to this crate.
        bytes: Bytes,
    },
    /// A request was discarded unread. If the client goes on, its connection is closed.
    OverQuota {
        /// The connection it came on.
        connection: ConnectionId,
        /// The quota that was spent.
        quota: Quota,
        /// The length of what was discarded, bytes.
        frame_bytes: usize,
    },
    /// The connection is gone.
    Closed {
        /// Which one.
        connection: ConnectionId,
    },
}

/// What became of a frame given to [`MeterEndpoint::send`].
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterSend {
    /// Queued. It arrives unless the connection breaks.
    Sent,
    /// Dropped and counted: the client does not read what it is sent, and is being closed for it.
    Dropped,
    /// There is no such connection any more.
    Gone,
    /// Empty, or longer than [`ANSWER_BYTES_MAX`]: an error of the caller.
    Unsendable,
}

/// The handle of a meter endpoint; clones are the same endpoint.
#[derive(Debug, Clone)]
pub struct MeterEndpoint {
    shared: Arc<Shared>,
}

impl MeterEndpoint {
    /// Listens for meters and gateways.
    ///
    /// Must be called inside of a tokio runtime. The endpoint lives until [`close`](Self::close), or until the events
    /// are dropped.
    ///
    /// # Errors
    /// When the socket cannot be opened, or a quota could never let a frame through.
    pub fn bind(config: MeterServerConfig) -> Result<(Self, Events<MeterEvent>), BindError> {
        config.quotas.check()?;
        let tls = server_tls(&config.seed, Accepted::Any, METER_ALPN);
        let transport = meter_server_transport(config.idle_timeout, config.quotas.streams_per_connection);
        let endpoint = listen(config.listen, &config.seed, METER_ALPN, server_config(tls, transport))?;
        let shared = Arc::new(Shared {
            endpoint,
            lines: RwLock::default(),
            next_id: AtomicU64::new(0),
            counters: MeterCounters::default(),
            inbox: Budget::new(config.quotas.inbox_bytes_max),
            book: QuotaBook::new(config.quotas.clone()),
            closing: watch::Sender::new(false),
            config,
        });
        let (events, receiver) = channel();
        tokio::spawn(accept(Arc::clone(&shared), events));
        Ok((Self { shared }, receiver))
    }

    /// Queues an answer or a pushed event for a client; never waits. A client whose queue is full is closed.
    pub fn send(&self, connection: ConnectionId, bytes: Bytes) -> MeterSend {
        if !is_sendable(&bytes, ANSWER_BYTES_MAX) {
            return MeterSend::Unsendable;
        }
        let Some(line) = self.shared.line(connection) else { return MeterSend::Gone };
        if line.outbox.push(&bytes) {
            return MeterSend::Sent;
        }
        if line.outbox.is_over() {
            return MeterSend::Gone;
        }
        self.shared.counters.traffic.frame_dropped();
        self.shared.dismiss(
            &line.connection,
            CloseCode::AnswersNotRead,
            "answers are not read: read them as they come",
        );
        MeterSend::Dropped
    }

    /// Closes one client's connection, with a reason it will see. What is queued for it is lost.
    pub fn dismiss(&self, connection: ConnectionId, reason: &str) {
        if let Some(line) = self.shared.line(connection) {
            self.shared.dismiss(&line.connection, CloseCode::Dismissed, reason);
        }
    }

    /// The address the endpoint listens at, with the port it was given if it asked for any.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.endpoint.local_addr()
    }

    /// What has been counted so far.
    pub fn stats(&self) -> MeterStats {
        self.shared.counters.snapshot()
    }

    /// Sends what is queued, for half a second at most, then tells every client why and stops. The events end.
    /// The port is free again once they have, and every handle is dropped.
    pub async fn close(&self, reason: &str) {
        self.shared.closing.send_replace(true);
        let lines: Vec<_> = self.shared.lines.read().values().cloned().collect();
        lines.iter().for_each(|line| line.outbox.finish());
        let _ = timeout(DRAIN_DEADLINE, async {
            for line in &lines {
                line.outbox.writer_ended().await;
            }
        })
        .await;
        self.shared.endpoint.close(CloseCode::ShuttingDown.var_int(), reason.as_bytes());
        let _ = timeout(DRAIN_DEADLINE, self.shared.endpoint.wait_idle()).await;
    }
}

/// What the handle and the tasks of an endpoint share.
#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    lines: RwLock<HashMap<ConnectionId, Arc<Line>>>,
    next_id: AtomicU64,
    counters: MeterCounters,
    inbox: Budget,
    book: Arc<QuotaBook>,
    closing: watch::Sender<bool>,
    config: MeterServerConfig,
}

/// One client's connection.
#[derive(Debug)]
struct Line {
    id: ConnectionId,
    connection: Connection,
    outbox: Outbox,
    inbox: Budget,
    admission: Admission,
}

impl Shared {
    fn line(&self, connection: ConnectionId) -> Option<Arc<Line>> {
        self.lines.read().get(&connection).cloned()
    }

    fn dismiss(&self, connection: &Connection, code: CloseCode, reason: &str) {
        if connection.close_reason().is_none() {
            self.counters.connections_dismissed.up();
        }
        close(connection, code, reason);
    }

    fn refuse(&self, connection: &Connection, why: Full) {
        self.counters.connections_refused.up();
        close(connection, CloseCode::TooManyConnections, &why.to_string());
    }
}

/// Takes up connections until the endpoint closes, or nobody wants to hear of them.
async fn accept(shared: Arc<Shared>, events: EventSender<MeterEvent>) {
    let gate = HandshakeGate::new(shared.config.quotas.handshakes_before_retry);
    loop {
        let incoming = tokio::select! {
            incoming = shared.endpoint.accept() => incoming,
            () = events.closed() => None,
        };
        let Some(incoming) = incoming else { break };
        // Only completed handshakes count against an address, so a forged one cannot lock its owner out.
        if shared.book.has_room(incoming.remote_address().ip()).is_err() {
            shared.counters.connections_refused.up();
            incoming.refuse();
            continue;
        }
        match gate.consider(incoming) {
            Ok((incoming, pending)) => {
                let (shared, events) = (Arc::clone(&shared), events.clone());
                tokio::spawn(async move {
                    let arrived = arrive(&shared, incoming).await;
                    drop(pending);
                    if let Some((line, stream, remote)) = arrived {
                        serve(&shared, &events, line, stream, remote).await;
                    }
                });
            }
            Err(TurnedAway::Retried) => shared.counters.retries_sent.up(),
            Err(TurnedAway::Refused) => shared.counters.connections_refused.up(),
        }
    }
    shared.closing.send_replace(true);
    shared.endpoint.close(CloseCode::ShuttingDown.var_int(), b"the node has stopped");
}

type Arrival = (Arc<Line>, (SendStream, RecvStream), ([u8; 32], SocketAddr));

/// Completes a handshake, counts the connection, and waits for its first stream.
async fn arrive(shared: &Shared, incoming: Incoming) -> Option<Arrival> {
    let Some((connection, key)) = complete(incoming).await else {
        shared.counters.handshakes_failed.up();
        return None;
    };
    let remote = connection.remote_address();
    let admission = shared.book.admit(key, remote.ip()).map_err(|why| shared.refuse(&connection, why)).ok()?;
    let stream = timeout(HANDSHAKE_DEADLINE, first_stream(&connection)).await.ok().flatten();
    let Some(stream) = stream else {
        shared.counters.handshakes_failed.up();
        close(&connection, CloseCode::StreamUnexpected, "expected a bidirectional stream that begins with byte 0");
        return None;
    };
    let line = Line {
        id: ConnectionId(shared.next_id.fetch_add(1, Relaxed)),
        connection,
        outbox: Outbox::new(shared.config.quotas.answer_queue_bytes_max),
        inbox: Budget::new(CLIENT_INBOX_BYTES_MAX),
        admission,
    };
    Some((Arc::new(line), stream, (key, remote)))
}

async fn first_stream(connection: &Connection) -> Option<(SendStream, RecvStream)> {
    let (mut send, mut receive) = connection.accept_bi().await.ok()?;
    if opening_byte(&mut receive).await? != CONTROL_TAG {
        return None;
    }
    send.write_all(&[CONTROL_TAG]).await.ok()?;
    Some((send, receive))
}

/// Serves one client from `Opened` to `Closed`.
async fn serve(
    shared: &Arc<Shared>,
    events: &EventSender<MeterEvent>,
    line: Arc<Line>,
    (send, receive): (SendStream, RecvStream),
    (key, remote): ([u8; 32], SocketAddr),
) {
    let connection = line.id;
    shared.lines.write().insert(connection, Arc::clone(&line));
    if *shared.closing.borrow() {
        line.outbox.finish();
    }
    shared.counters.connections.up();
    shared.counters.connections_made.up();
    events.send(MeterEvent::Opened { connection, key, remote }, [shared.inbox.reserve(0).await, None]);

    let desk = Desk { shared: Arc::clone(shared), events: events.clone(), line: Arc::clone(&line) };
    let mut tasks = JoinSet::new();
    tasks.spawn(desk.clone().write(send));
    tasks.spawn(desk.clone().read(receive));
    loop {
        tokio::select! {
            stream = line.connection.accept_bi() => match stream {
                Ok((send, receive)) => {
                    tasks.spawn(desk.clone().read_another(send, receive));
                }
                Err(error) => {
                    tracing::debug!(%remote, why = describe(&error), "client gone");
                    break;
                }
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    // Requests that arrived before the end are still handed on, so long as the node takes them.
    let _ = timeout(LAST_FRAMES_DEADLINE, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
    shared.lines.write().remove(&connection);
    shared.counters.connections.down();
    events.send(MeterEvent::Closed { connection }, FREE);
}

/// What the tasks of one connection need.
#[derive(Clone)]
struct Desk {
    shared: Arc<Shared>,
    events: EventSender<MeterEvent>,
    line: Arc<Line>,
}

impl Desk {
    async fn write(self, stream: SendStream) {
        let deadline = Some(self.shared.config.answer_deadline);
        if self.line.outbox.write_to(stream, &self.shared.counters.traffic, deadline).await == WriteEnd::Stalled {
            let reason = "nothing was read of an answer for too long: read answers as they come";
            self.shared.dismiss(&self.line.connection, CloseCode::AnswersNotRead, reason);
        }
    }

    /// Another stream of requests; nothing goes back on it.
    async fn read_another(self, mut send: SendStream, mut receive: RecvStream) {
        let _ = send.finish();
        match timeout(HANDSHAKE_DEADLINE, opening_byte(&mut receive)).await {
            Ok(Some(CONTROL_TAG)) => self.read(receive).await,
            _ => {
                let reason = "a stream must begin with byte 0";
                self.shared.dismiss(&self.line.connection, CloseCode::StreamUnexpected, reason);
            }
        }
    }

    async fn read(self, stream: RecvStream) {
        let mut reader = FrameReader::new(stream, REQUEST_BYTES_MAX, Some(self.shared.config.frame_deadline));
        let mut frames = Vec::new();
        loop {
            let read = reader.read(&mut frames).await;
            let now = Instant::now();
            for bytes in frames.drain(..) {
                if !self.hand_on(bytes, now).await {
                    return;
                }
            }
            match read {
                Ok(()) => {}
                // It asks nothing more, but may still want its answers.
                Err(ReadEnd::Finished | ReadEnd::Lost) => return,
                Err(end) => {
                    return self.shared.dismiss(&self.line.connection, end.close_code(), &end.to_string());
                }
            }
        }
    }

    /// Hands a frame to the node, or word that it was over quota; whether to go on.
    async fn hand_on(&self, bytes: Bytes, now: Instant) -> bool {
        let connection = self.line.id;
        self.shared.counters.traffic.frame_in(HEADER_BYTES + bytes.len());
        let event = match self.line.admission.charge(bytes.len(), now) {
            Ok(()) => MeterEvent::Frame { connection, bytes },
            Err(quota) => {
                self.shared.counters.frames_over_quota.up();
                if !self.line.admission.strike(now) {
                    let reason =
                        format!("still sending after the quota was spent ({quota:?}): wait before reconnecting");
                    self.shared.dismiss(&self.line.connection, CloseCode::OverQuota, &reason);
                    return false;
                }
                MeterEvent::OverQuota { connection, quota, frame_bytes: bytes.len() }
            }
        };
        let event_bytes = if let MeterEvent::Frame { bytes, .. } = &event { bytes.len() } else { 0 };
        let charges = [self.line.inbox.reserve(event_bytes).await, self.shared.inbox.reserve(event_bytes).await];
        self.events.send(event, charges)
    }
}

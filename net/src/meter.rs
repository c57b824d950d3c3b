//! A node's endpoint for meters and gateways.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use quinn::{Connection, Endpoint};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::close::{CloseCode, close};
use crate::counters::{MeterCounters, MeterStats};
use crate::desk::{Line, arrive, serve};
use crate::events::{Budget, EventSender, Events, channel};
use crate::frame::{ANSWER_BYTES_MAX, is_sendable};
use crate::handshake::{HandshakeGate, TurnedAway};
use crate::identity::{Accepted, server_tls};
use crate::quota::{Full, Quota, QuotaBook, Quotas};
use crate::transport::{BindError, METER_ALPN, listen, meter_server_transport, server_config};
use crate::validator::DRAIN_DEADLINE;

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
    /// Asked about each key that a client has proved, before it is let in: why it is not to be, in words for a person. Any key is let in
    /// if nobody decides.
    pub gate: KeyGate,
}

/// Decides which keys are let in.
#[derive(Clone, Default)]
pub struct KeyGate(Option<Arc<Refuse>>);

type Refuse = dyn Fn(&[u8; 32]) -> Option<String> + Send + Sync;

impl KeyGate {
    /// `refuse` says why a key is not let in, or nothing if it is. It must not wait.
    pub fn new(refuse: impl Fn(&[u8; 32]) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(refuse)))
    }

    pub(crate) fn refuses(&self, key: &[u8; 32]) -> Option<String> {
        self.0.as_ref().and_then(|refuse| refuse(key))
    }
}

impl std::fmt::Debug for KeyGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "KeyGate(closed to some)" } else { "KeyGate(open)" })
    }
}

impl MeterServerConfig {
    /// A configuration with the usual deadlines: 10 s a frame, 30 s to take of an answer, 30 s of silence.
    pub fn new(seed: [u8; 32], listen: SocketAddr, quotas: Quotas) -> Self {
        let [frame_deadline, answer_deadline, idle_timeout] = [10, 30, 30].map(Duration::from_secs);
        let gate = KeyGate::default();
        Self { seed, listen, quotas, frame_deadline, answer_deadline, idle_timeout, gate }
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

    /// Charges a request that was handed on as so many more, because it costs the node more than others do.
    ///
    /// # Errors
    /// If the client has spent its quota. Nothing is charged then.
    pub fn charge(&self, connection: ConnectionId, frames: u64) -> Result<(), Quota> {
        // Whoever is gone asks nothing more.
        let line = self.shared.line(connection);
        line.map_or(Ok(()), |line| line.admission.charge_more(frames, tokio::time::Instant::now()))
    }

    /// Closes one client's connection, with a reason it will see. What is queued for it is lost.
    pub fn dismiss(&self, connection: ConnectionId, reason: &str) {
        if let Some(line) = self.shared.line(connection) {
            self.shared.dismiss(&line.connection, CloseCode::Dismissed, reason);
        }
    }

    /// Closes one client's connection because its key is served no more, with a reason it will see.
    pub fn shut_out(&self, connection: ConnectionId, reason: &str) {
        if let Some(line) = self.shared.line(connection) {
            self.shared.dismiss(&line.connection, CloseCode::KeyNotServed, reason);
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
pub(crate) struct Shared {
    endpoint: Endpoint,
    pub(crate) lines: RwLock<HashMap<ConnectionId, Arc<Line>>>,
    pub(crate) next_id: AtomicU64,
    pub(crate) counters: MeterCounters,
    /// What all clients together may have waiting for the node.
    pub(crate) inbox: Budget,
    pub(crate) book: Arc<QuotaBook>,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) config: MeterServerConfig,
}

impl Shared {
    fn line(&self, connection: ConnectionId) -> Option<Arc<Line>> {
        self.lines.read().get(&connection).cloned()
    }

    /// Closes a connection for what its client did.
    pub(crate) fn dismiss(&self, connection: &Connection, code: CloseCode, reason: &str) {
        if connection.close_reason().is_none() {
            self.counters.connections_dismissed.up();
        }
        close(connection, code, reason);
    }

    /// Closes a connection that is one too many.
    pub(crate) fn refuse(&self, connection: &Connection, why: Full) {
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

//! Serving one client of a meter endpoint, from its handshake to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use quinn::{Connection, Incoming, RecvStream, SendStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::close::{CloseCode, close, describe};
use crate::events::{Budget, EventSender, FREE};
use crate::frame::{HEADER_BYTES, REQUEST_BYTES_MAX};
use crate::handshake::{HANDSHAKE_DEADLINE, complete};
use crate::meter::{ConnectionId, MeterEvent, Shared};
use crate::outbox::{Outbox, WriteEnd};
use crate::patience::within;
use crate::peer::LAST_FRAMES_DEADLINE;
use crate::quota::Admission;
use crate::reader::{FrameReader, ReadEnd, opening_byte};

/// The byte that opens a meter's stream, and that the server answers it with.
pub(crate) const CONTROL_TAG: u8 = 0;

/// The most bytes of one client's requests that wait for the node to take them.
const CLIENT_INBOX_BYTES_MAX: usize = 1 << 20;

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Line {
    id: ConnectionId,
    pub(crate) connection: Connection,
    pub(crate) outbox: Outbox,
    inbox: Budget,
    pub(crate) admission: Admission,
}

/// A client that was let in: its line, its first stream, its key and address.
pub(crate) type Arrival = (Arc<Line>, (SendStream, RecvStream), ([u8; 32], SocketAddr));

/// Completes a handshake, counts the connection, and waits for its first stream.
pub(crate) async fn arrive(shared: &Shared, incoming: Incoming) -> Option<Arrival> {
    let Some((connection, key)) = complete(incoming).await else {
        shared.counters.handshakes_failed.up();
        return None;
    };
    if let Some(why) = shared.config.gate.refuses(&key) {
        shared.counters.connections_refused.up();
        close(&connection, CloseCode::KeyNotServed, &why);
        return None;
    }
    let remote = connection.remote_address();
    let admission = shared.book.admit(key, remote.ip()).map_err(|why| shared.refuse(&connection, why)).ok()?;
    let stream = within(HANDSHAKE_DEADLINE, first_stream(&connection)).await.flatten();
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
pub(crate) async fn serve(
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
        match within(HANDSHAKE_DEADLINE, opening_byte(&mut receive)).await {
            Some(Some(CONTROL_TAG)) => self.read(receive).await,
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

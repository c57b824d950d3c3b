//! One lane to one other validator: dialling or waiting for it, and the connection in use.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{ClientConfig, Connection, RecvStream, SendStream};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::class::Class;
use crate::close::{CloseCode, close, describe};
use crate::events::{Budget, EventSender, FREE};
use crate::frame::HEADER_BYTES;
use crate::handshake::HANDSHAKE_DEADLINE;
use crate::outbox::Outbox;
use crate::patience::within;
use crate::reader::{FrameReader, ReadEnd, opening_byte};
use crate::transport::SERVER_NAME;
use crate::validator::{DRAIN_DEADLINE, Peer, PeerEvent, Shared};

/// How long one attempt to dial may take; a fresh one finds a peer that has just started sooner.
const DIAL_DEADLINE: Duration = Duration::from_secs(2);

/// The pause between attempts grows from the first to the second.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How long what arrived before a connection closed may take to be handed to the node.
pub(crate) const LAST_FRAMES_DEADLINE: Duration = Duration::from_millis(250);

/// How long after the end of a stream its connection must end as well.
const CLOSE_AFTER_FINISH: Duration = Duration::from_secs(1);

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Link {
    outboxes: [Arc<Outbox>; 3],
}

impl Link {
    pub(crate) fn outbox(&self, class: Class) -> &Arc<Outbox> {
        &self.outboxes[class.index()]
    }

    /// Takes no more frames.
    pub(crate) fn finish(&self) {
        self.outboxes.iter().for_each(|outbox| outbox.finish());
    }

    pub(crate) async fn writers_ended(&self) {
        for outbox in &self.outboxes {
            outbox.writer_ended().await;
        }
    }
}

/// The task that keeps the connection to one peer.
pub(crate) struct Lane {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    events: EventSender<PeerEvent>,
    budgets: [Budget; 3],
}

/// How a session ended.
struct Ended {
    was_up: bool,
    /// The connection that takes its place.
    newer: Option<Connection>,
}

/// Both directions of the three classes.
struct Streams {
    outgoing: Vec<SendStream>,
    incoming: Vec<RecvStream>,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, peer: Arc<Peer>, events: EventSender<PeerEvent>) -> Self {
        let budgets = Class::ALL.map(|class| Budget::new(class.inbox_bytes_max()));
        Self { shared, peer, events, budgets }
    }

    /// Keeps a connection until the endpoint closes: by dialling if there is a configuration for it, else by waiting.
    ///
    /// It ends too when the peer is one no longer, or under another key or address, once what is queued for it was sent.
    pub(crate) async fn keep(self, dial: Option<ClientConfig>, arrivals: Receiver<Connection>) {
        match dial {
            Some(config) => self.keep_dialling(config, arrivals).await,
            None => self.keep_waiting(arrivals).await,
        }
    }

    /// Resolves when there is nothing to be kept any more.
    async fn over(&self) {
        let (mut closing, mut retired) = (self.shared.closing.subscribe(), self.peer.retired.subscribe());
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            _ = retired.wait_for(|retired| *retired) => {}
        }
    }

    fn is_over(&self) -> bool {
        *self.shared.closing.borrow() || *self.peer.retired.borrow()
    }

    async fn keep_dialling(self, config: ClientConfig, mut arrivals: Receiver<Connection>) {
        let mut backoff = Backoff::new();
        while !self.is_over() {
            let dialled = tokio::select! {
                dialled = self.dial(&config) => dialled,
                () = self.over() => None,
            };
            if let Some(connection) = dialled
                && self.session(connection, &mut arrivals).await.was_up
            {
                backoff = Backoff::new();
            }
            tokio::select! {
                () = sleep(backoff.pause()) => {}
                () = self.over() => {}
            }
        }
    }

    async fn keep_waiting(self, mut arrivals: Receiver<Connection>) {
        let mut newer = None;
        loop {
            let connection = match newer.take() {
                Some(connection) => connection,
                None => tokio::select! {
                    Some(connection) = arrivals.recv() => connection,
                    () = self.over() => return,
                },
            };
            newer = self.session(connection, &mut arrivals).await.newer;
        }
    }

    async fn dial(&self, config: &ClientConfig) -> Option<Connection> {
        let address = self.peer.address.address;
        let failed = match self.shared.endpoint.connect_with(config.clone(), address, SERVER_NAME) {
            Ok(connecting) => match timeout(DIAL_DEADLINE, connecting).await {
                Ok(Ok(connection)) => return Some(connection),
                Ok(Err(error)) => describe(&error),
                Err(_) => "no answer".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        self.shared.counters.handshakes_failed.up();
        tracing::debug!(peer = self.peer.address.index, %address, failed, "validator not reached");
        None
    }

    /// Uses a connection until it ends or a newer one of the same peer arrives.
    async fn session(&self, connection: Connection, arrivals: &mut Receiver<Connection>) -> Ended {
        let streams = tokio::select! {
            streams = within(HANDSHAKE_DEADLINE, open_streams(&connection)) => streams.flatten(),
            Some(newer) = arrivals.recv() => {
                close(&connection, CloseCode::Replaced, "a newer connection takes its place");
                return Ended { was_up: false, newer: Some(newer) };
            }
        };
        let Some(streams) = streams else {
            let reason = "expected one stream of each class: 1 consensus, 2 log, 3 sync";
            close(&connection, CloseCode::StreamUnexpected, reason);
            self.shared.counters.handshakes_failed.up();
            return Ended { was_up: false, newer: None };
        };
        let mut tasks = self.go_up(&connection, streams);
        let newer = tokio::select! {
            _ = connection.closed() => None,
            () = self.retired() => {
                self.take_leave(&connection).await;
                None
            }
            Some(newer) = arrivals.recv() => {
                close(&connection, CloseCode::Replaced, "a newer connection takes its place");
                Some(newer)
            }
        };
        // What arrived before the end is still handed on, so long as the node takes it.
        let _ = timeout(LAST_FRAMES_DEADLINE, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.shutdown().await;
        self.go_down(&connection);
        Ended { was_up: true, newer }
    }

    /// Resolves when the peer is one no longer; the closing endpoint closes its connections itself.
    async fn retired(&self) {
        let mut retired = self.peer.retired.subscribe();
        if retired.wait_for(|retired| *retired).await.is_err() {
            // Nobody will say it any more.
            std::future::pending().await
        }
    }

    /// Sends what is queued, and closes.
    async fn take_leave(&self, connection: &Connection) {
        let link = self.peer.link.lock().clone();
        if let Some(link) = link {
            link.finish();
            let _ = timeout(DRAIN_DEADLINE, link.writers_ended()).await;
        }
        close(connection, CloseCode::Done, "the validators have changed, or their keys or addresses");
    }

    fn go_up(&self, connection: &Connection, streams: Streams) -> JoinSet<()> {
        let peer = self.peer.address.index;
        let outboxes = Class::ALL.map(|class| Arc::new(Outbox::new(class.queue_bytes_max())));
        let link = Arc::new(Link { outboxes });
        let mut tasks = JoinSet::new();
        for ((class, outgoing), incoming) in Class::ALL.into_iter().zip(streams.outgoing).zip(streams.incoming) {
            let (shared, outbox) = (Arc::clone(&self.shared), Arc::clone(link.outbox(class)));
            tasks.spawn(async move {
                outbox.write_to(outgoing, shared.counters.of(class), None).await;
            });
            tasks.spawn(self.inbox(class, connection.clone()).read(incoming));
        }
        *self.peer.link.lock() = Some(Arc::clone(&link));
        if *self.shared.closing.borrow() {
            link.finish();
        }
        self.shared.counters.connections.up();
        self.shared.counters.connections_made.up();
        tracing::info!(peer, remote = %connection.remote_address(), "validator connected");
        self.events.send(PeerEvent::Connected { peer }, FREE);
        tasks
    }

    fn go_down(&self, connection: &Connection) {
        let peer = self.peer.address.index;
        *self.peer.link.lock() = None;
        self.shared.counters.connections.down();
        let why = connection.close_reason().map(|error| describe(&error));
        tracing::info!(peer, why, "validator disconnected");
        self.events.send(PeerEvent::Disconnected { peer }, FREE);
    }

    fn inbox(&self, class: Class, connection: Connection) -> Inbox {
        Inbox {
            shared: Arc::clone(&self.shared),
            peer: self.peer.address.index,
            class,
            connection,
            events: self.events.clone(),
            budget: self.budgets[class.index()].clone(),
        }
    }
}

/// The receiving side of one class.
struct Inbox {
    shared: Arc<Shared>,
    peer: u16,
    class: Class,
    connection: Connection,
    events: EventSender<PeerEvent>,
    budget: Budget,
}

impl Inbox {
    async fn read(self, stream: RecvStream) {
        let deadline = self.class.frame_deadline(self.shared.frame_deadline);
        let mut reader = FrameReader::new(stream, self.class.frame_bytes_max(), Some(deadline));
        let mut frames = Vec::new();
        loop {
            let read = reader.read(&mut frames).await;
            for bytes in frames.drain(..) {
                if !self.hand_on(bytes).await {
                    return;
                }
            }
            if let Err(end) = read {
                return self.end(&end).await;
            }
        }
    }

    async fn hand_on(&self, bytes: Bytes) -> bool {
        self.shared.counters.of(self.class).frame_in(HEADER_BYTES + bytes.len());
        let charge = self.budget.reserve(bytes.len()).await;
        self.events.send(PeerEvent::Frame { peer: self.peer, class: self.class, bytes }, [charge, None])
    }

    async fn end(&self, end: &ReadEnd) {
        match end {
            ReadEnd::Lost => return,
            ReadEnd::Frame(_) => self.shared.counters.frames_refused.up(),
            // A peer that is closing finishes its streams first.
            ReadEnd::Finished => {
                let _ = timeout(CLOSE_AFTER_FINISH, self.connection.closed()).await;
            }
            ReadEnd::Reset(_) => {}
        }
        close(&self.connection, end.close_code(), &format!("{:?} stream: {end}", self.class));
    }
}

/// Opens this side's streams and takes the other's. A dialler thereby learns that its key was accepted.
async fn open_streams(connection: &Connection) -> Option<Streams> {
    let mut outgoing = Vec::new();
    for class in Class::ALL {
        let mut stream = connection.open_uni().await.ok()?;
        stream.set_priority(class.priority()).ok()?;
        stream.write_all(&[class.tag()]).await.ok()?;
        outgoing.push(stream);
    }
    let mut incoming = [None, None, None];
    for _ in Class::ALL {
        let mut stream = connection.accept_uni().await.ok()?;
        let class = Class::from_tag(opening_byte(&mut stream).await?)?;
        if incoming[class.index()].replace(stream).is_some() {
            return None;
        }
    }
    Some(Streams { outgoing, incoming: incoming.into_iter().flatten().collect() })
}

/// Pauses that double, each shortened by up to a quarter so that many validators do not dial in step.
struct Backoff {
    next: Duration,
    jitter: RandomState,
}

impl Backoff {
    fn new() -> Self {
        Self { next: BACKOFF_MIN, jitter: RandomState::new() }
    }

    fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (2 * pause).min(BACKOFF_MAX);
        let quarter_us = u64::try_from(pause.as_micros() / 4).unwrap_or(u64::MAX);
        pause - Duration::from_micros(self.jitter.hash_one(pause) % quarter_us.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds_and_differ() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..10).map(|_| backoff.pause()).collect();
        assert!(pauses[0] > BACKOFF_MIN * 3 / 4 && pauses[0] <= BACKOFF_MIN);
        assert!(pauses[9] > BACKOFF_MAX * 3 / 4 && pauses[9] <= BACKOFF_MAX);
        // One pause of two may be the same by chance, to the microsecond; a whole row of them is not.
        let row = || (0..8).scan(Backoff::new(), |backoff, _| Some(backoff.pause())).collect::<Vec<_>>();
        assert_ne!(row(), row());
    }
}

//! A validator's endpoint: one connection to every other validator, three classes of traffic on each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quinn::{Connection, Endpoint, Incoming};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::class::Class;
use crate::close::{CloseCode, close};
use crate::counters::{PeerCounters, Stats};
use crate::events::{EventSender, Events, channel};
use crate::frame::is_sendable;
use crate::handshake::{HandshakeGate, complete};
use crate::identity::{Accepted, client_tls, server_tls};
use crate::peer::{Lane, Link};
use crate::transport::{BindError, VALIDATOR_ALPN, client_config, listen, peer_transport, server_config};

/// How long closing waits for queues to drain, and again for the close itself to be sent.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_millis(500);

/// Another validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress {
    /// Its index in the validator set.
    pub index: u16,
    /// Its ed25519 public key.
    pub key: [u8; 32],
    /// Where it listens. Used only if this validator has the lower index, and so dials.
    pub address: SocketAddr,
}

/// What a validator endpoint needs to know. It holds a secret, so it is not printable.
#[derive(Clone)]
pub struct ValidatorConfig {
    /// This validator's index in the set.
    pub index: u16,
    /// The ed25519 seed of its key.
    pub seed: [u8; 32],
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The other validators.
    pub peers: Vec<PeerAddress>,
    /// How long a frame may take to arrive (six times as long for [`Class::Sync`]).
    pub frame_deadline: Duration,
    /// After how much silence a peer is taken for dead; a living one is heard three times as often.
    pub idle_timeout: Duration,
}

impl ValidatorConfig {
    /// A configuration with the usual deadlines: 10 s a frame, 3 s of silence.
    pub fn new(index: u16, seed: [u8; 32], listen: SocketAddr, peers: Vec<PeerAddress>) -> Self {
        let (frame_deadline, idle_timeout) = (Duration::from_secs(10), Duration::from_secs(3));
        Self { index, seed, listen, peers, frame_deadline, idle_timeout }
    }
}

/// What happens between this validator and the others. For each peer, `Connected`, its frames and `Disconnected` come
/// in this order, and frames of one class in the order they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// Frames can be sent to the peer from now on.
    Connected {
        /// Its index.
        peer: u16,
    },
    /// The connection is gone, and with it what was queued or under way. It is dialled again without being asked.
    Disconnected {
        /// Its index.
        peer: u16,
    },
    /// A frame has arrived.
    Frame {
        /// The sender's index, proved by its key.
        peer: u16,
        /// The class it was sent in.
        class: Class,
        /// The payload, opaque to this crate.
        bytes: Bytes,
    },
}

/// What became of a frame given to [`ValidatorEndpoint::send`].
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerSend {
    /// Queued. It arrives unless the connection breaks.
    Sent,
    /// Dropped and counted: the queue to this peer is full, or the endpoint is closing.
    Dropped,
    /// There is no connection to this peer now, or no such peer.
    NotConnected,
    /// Empty, or longer than its class allows: an error of the caller.
    Unsendable,
}

/// The handle of a validator endpoint; clones are the same endpoint.
#[derive(Debug, Clone)]
pub struct ValidatorEndpoint {
    shared: Arc<Shared>,
}

impl ValidatorEndpoint {
    /// Listens, and begins to dial the peers with a higher index; those with a lower one dial this validator.
    ///
    /// Must be called inside of a tokio runtime. The endpoint lives until [`close`](Self::close), or until the events
    /// are dropped.
    ///
    /// # Errors
    /// When the socket cannot be opened, or a peer is configured twice.
    pub fn bind(config: ValidatorConfig) -> Result<(Self, Events<PeerEvent>), BindError> {
        check(&config)?;
        let transport = peer_transport(config.idle_timeout);
        let keys = config.peers.iter().map(|peer| peer.key).collect();
        let tls = server_tls(&config.seed, Accepted::Among(keys), VALIDATOR_ALPN);
        let mut server = server_config(tls, Arc::clone(&transport));
        server.migration(false);
        let endpoint = listen(config.listen, &config.seed, VALIDATOR_ALPN, server)?;
        let (events, receiver) = channel();
        let mut peers = BTreeMap::new();
        let mut arrivals = Vec::new();
        for peer in &config.peers {
            let (sender, queue) = mpsc::channel(1);
            peers.insert(peer.index, Arc::new(Peer { address: *peer, link: Mutex::default(), arrivals: sender }));
            arrivals.push((peer.index, queue));
        }
        let shared = Arc::new(Shared {
            index: config.index,
            endpoint,
            peers,
            counters: PeerCounters::default(),
            closing: watch::Sender::new(false),
            frame_deadline: config.frame_deadline,
        });
        for (index, queue) in arrivals {
            let peer = Arc::clone(&shared.peers[&index]);
            let tls = client_tls(&config.seed, Accepted::Among(vec![peer.address.key]), VALIDATOR_ALPN);
            let dial = (config.index < index).then(|| client_config(tls, Arc::clone(&transport)));
            tokio::spawn(Lane::new(Arc::clone(&shared), peer, events.clone()).keep(dial, queue));
        }
        tokio::spawn(accept(Arc::clone(&shared), events));
        Ok((Self { shared }, receiver))
    }

    /// Queues a frame for a peer; never waits.
    pub fn send(&self, to: u16, class: Class, bytes: Bytes) -> PeerSend {
        if !is_sendable(&bytes, class.frame_bytes_max()) {
            return PeerSend::Unsendable;
        }
        let Some(link) = self.shared.peers.get(&to).and_then(|peer| peer.link.lock().clone()) else {
            return PeerSend::NotConnected;
        };
        if link.outbox(class).push(&bytes) {
            PeerSend::Sent
        } else {
            self.shared.counters.of(class).frame_dropped();
            PeerSend::Dropped
        }
    }

    /// Which peers are connected now, in the order of their indices.
    pub fn connected(&self) -> Vec<u16> {
        self.shared.peers.values().filter(|peer| peer.link.lock().is_some()).map(|peer| peer.address.index).collect()
    }

    /// The address the endpoint listens at, with the port it was given if it asked for any.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.endpoint.local_addr()
    }

    /// What has been counted so far.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// Sends what is queued, for half a second at most, then tells every peer why and stops. The events end.
    /// The port is free again once they have, and every handle is dropped.
    pub async fn close(&self, reason: &str) {
        self.shared.closing.send_replace(true);
        let links: Vec<_> = self.shared.peers.values().filter_map(|peer| peer.link.lock().clone()).collect();
        links.iter().for_each(|link| link.finish());
        let _ = timeout(DRAIN_DEADLINE, async {
            for link in &links {
                link.writers_ended().await;
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
    pub(crate) index: u16,
    pub(crate) endpoint: Endpoint,
    pub(crate) peers: BTreeMap<u16, Arc<Peer>>,
    pub(crate) counters: PeerCounters,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) frame_deadline: Duration,
}

/// One of the other validators.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: PeerAddress,
    /// The connection in use.
    pub(crate) link: Mutex<Option<Arc<Link>>>,
    /// Where connections the peer has dialled go.
    arrivals: mpsc::Sender<Connection>,
}

fn check(config: &ValidatorConfig) -> Result<(), BindError> {
    let own_key = crate::identity::public_key(&config.seed);
    let mut indices = vec![config.index];
    let mut keys = vec![own_key];
    for peer in &config.peers {
        if indices.contains(&peer.index) || keys.contains(&peer.key) {
            return Err(BindError::DuplicatePeer { index: peer.index });
        }
        indices.push(peer.index);
        keys.push(peer.key);
    }
    Ok(())
}

/// Takes up connections until the endpoint closes, or nobody wants to hear of them.
async fn accept(shared: Arc<Shared>, events: EventSender<PeerEvent>) {
    let gate = HandshakeGate::new(2 * shared.peers.len());
    loop {
        let incoming = tokio::select! {
            incoming = shared.endpoint.accept() => incoming,
            () = events.closed() => None,
        };
        let Some(incoming) = incoming else { break };
        if let Ok((incoming, pending)) = gate.consider(incoming) {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                arrive(&shared, incoming).await;
                drop(pending);
            });
        }
    }
    shared.closing.send_replace(true);
    shared.endpoint.close(CloseCode::ShuttingDown.var_int(), b"the node has stopped");
}

/// Completes a handshake and hands the connection to its peer's lane.
async fn arrive(shared: &Shared, incoming: Incoming) {
    let Some((connection, key)) = complete(incoming).await else { return shared.counters.handshakes_failed.up() };
    let peer = shared.peers.values().find(|peer| peer.address.key == key).expect("the handshake admits only peers");
    if peer.address.index > shared.index {
        let reason = "of two validators the one with the lower index dials: check both indices";
        return close(&connection, CloseCode::WrongDirection, reason);
    }
    if let Err(error) = peer.arrivals.try_send(connection) {
        close(&error.into_inner(), CloseCode::Replaced, "another connection of this validator is just being set up");
    }
}
